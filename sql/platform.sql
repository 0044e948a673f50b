-- What Supabase adds to a Postgres, where it is there. The last of the code files: it runs functions.

select private.publish_tables();
select private.schedule_jobs();
select private.limit_postgrest();

-- What Supabase adds to a Postgres, where it is there. The last of the code files: it runs functions.

select private.publish_tables();
select private.schedule_jobs();
select private.limit_postgrest();

-- Where somebody publishes all tables, rows can only be deleted from those that can say which. This one's
-- rows have no key.
alter table private.events replica identity full;

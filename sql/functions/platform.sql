-- Where Baton meets what Supabase adds to a Postgres: Realtime, pg_cron, PostgREST. Each is used where it is
-- there, and nothing is missed where it is not. What belongs to an extension is named in dynamic SQL only,
-- so that these functions can be made, and checked, without it.

-- The tables that somebody may select by a policy, so that a client of Supabase Realtime may watch them:
-- Realtime asks the same policies for each subscriber. Of a deleted row it tells the primary key to
-- everyone who watches the table; so their replica identity stays as it is, the primary key.
create or replace function private.watched_tables()
returns text[]
language sql
immutable
set search_path = ''
as $$
  select array[
    'agent_preferences', 'audit_log', 'chat_assignments', 'chat_drafts', 'chat_history', 'chat_mentions',
    'chat_notes', 'chat_ratings', 'chat_snoozes', 'chats', 'fictional_users', 'message_revisions', 'messages',
    'operator_activity', 'operator_stats', 'operators', 'quick_responses', 'read_marks', 'real_users',
    'settings', 'ticket_links', 'ticket_messages', 'tickets', 'widget_settings'
  ]
$$;

comment on function private.watched_tables() is 'The tables of public that clients may watch: those that a policy lets authenticated select.';
revoke execute on function private.watched_tables() from public, anon, authenticated, service_role;

create or replace function private.publish_tables()
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_owner name;
  v_table text;
begin
  -- One for all tables has ours already, and cannot be given them one by one.
  select pg_get_userbyid(p.pubowner) into v_owner
  from pg_publication p
  where p.pubname = 'supabase_realtime' and not p.puballtables;
  if not found then
    return;
  end if;
  for v_table in
    select t from unnest(private.watched_tables()) as t
    except
    select m.tablename from pg_publication_tables m where m.pubname = 'supabase_realtime' and m.schemaname = 'public'
  loop
    execute format('alter publication supabase_realtime add table public.%I', v_table);
  end loop;
exception when insufficient_privilege then
  raise insufficient_privilege using
    message = format('The publication supabase_realtime belongs to %s, so %s may not add tables to it.', v_owner, current_user),
    hint = format('alter publication supabase_realtime owner to %I', current_user);
end
$$;

comment on function private.publish_tables() is 'Adds the tables that clients may watch to the publication supabase_realtime, where there is one.';
revoke execute on function private.publish_tables() from public, anon, authenticated, service_role;

-- The same jobs, as often, as functions/ has for the web's scheduler.
create or replace function private.job_schedule()
returns table (name text, every interval, command text)
language sql
immutable
set search_path = ''
as $$
  values
    ('assignment-sweep', interval '1 second', 'private.run_assignment_sweep()'),
    ('gone-detection', interval '5 seconds', 'private.run_gone_detection()'),
    ('idle-detection', interval '15 seconds', 'private.run_idle_detection()'),
    ('snooze-end', interval '5 seconds', 'private.run_snooze_end()'),
    ('customer-idle', interval '1 minute', 'private.run_customer_idle()'),
    ('clean-up', interval '1 hour', 'private.run_clean_up()'),
    ('retention', interval '1 hour', 'private.run_retention()')
$$;

comment on function private.job_schedule() is 'The background jobs that need nothing but the database: how often, and what each calls.';
revoke execute on function private.job_schedule() from public, anon, authenticated, service_role;

-- Seconds are understood by pg_cron 1.5 and later; elsewhere the shortest is a minute.
create or replace function private.cron_schedule(p_every interval, p_has_seconds boolean)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when s.seconds < 60 and p_has_seconds then format('%s seconds', s.seconds)
    when s.seconds <= 60 then '* * * * *'
    when s.seconds < 3600 then format('*/%s * * * *', s.seconds / 60)
    when s.seconds < 86400 then format('7 */%s * * *', s.seconds / 3600)
    else '7 3 * * *'
  end
  from (select extract(epoch from p_every)::integer) as s (seconds)
$$;

comment on function private.cron_schedule(interval, boolean) is 'How pg_cron is told to run something this often, with or without an understanding of seconds.';
revoke execute on function private.cron_schedule(interval, boolean) from public, anon, authenticated, service_role;

-- Whether pg_cron is there and we may use it; null: no.
create or replace function private.cron_version()
returns integer[]
language sql
stable
set search_path = ''
as $$
  select string_to_array(substring(e.extversion from '^\d+\.\d+'), '.')::integer[]
  from pg_extension e join pg_namespace n on n.nspname = 'cron'
  where e.extname = 'pg_cron' and has_schema_privilege(n.oid, 'usage')
$$;

comment on function private.cron_version() is 'The version of pg_cron as {major, minor}; null where it is not, or not for us.';
revoke execute on function private.cron_version() from public, anon, authenticated, service_role;

-- The claim is the one that the web's scheduler asks for, so whoever of the two comes first runs the
-- job, and it runs once an interval. Here it lasts as long as the run: the other waits for it.
create or replace function private.schedule_jobs()
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_has_seconds boolean := private.cron_version() >= array[1, 5];
  v_schema name := 'cron';
  v_job record;
  v_count integer := 0;
begin
  if v_has_seconds is null then
    return 0;
  end if;
  perform private.unschedule_jobs();
  for v_job in
    select
      'baton-' || j.name as name,
      private.cron_schedule(j.every, v_has_seconds) as schedule,
      format('select %s where private.claim_job(%L, %L)', j.command, j.name, j.every) as command
    from private.job_schedule() as j
    union all
    -- pg_cron keeps a row about every run, for ever.
    select 'baton-cron-log', '37 * * * *',
      'delete from cron.job_run_details d using cron.job j'
      ' where j.jobid = d.jobid and j.jobname like ''baton-%'' and d.end_time < now() - interval ''1 hour'''
  loop
    execute format('select %I.schedule($1, $2, $3)', v_schema) using v_job.name, v_job.schedule, v_job.command;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

comment on function private.schedule_jobs() is 'Has pg_cron, where it is, run the background jobs; returns how many it was told. Again after pg_cron was added.';
revoke execute on function private.schedule_jobs() from public, anon, authenticated, service_role;

create or replace function private.unschedule_jobs()
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_schema name := 'cron';
begin
  if private.cron_version() is not null then
    execute format('select %1$I.unschedule(j.jobid) from %1$I.job j where j.jobname like $1 and j.username = current_user', v_schema)
    using 'baton-%';
  end if;
end
$$;

comment on function private.unschedule_jobs() is 'Takes the background jobs out of pg_cron.';
revoke execute on function private.unschedule_jobs() from public, anon, authenticated, service_role;

-- PostgREST asks the function in this setting before every request. Only on Supabase, which is where schema
-- auth is not the stand-in: elsewhere the web layer asks for itself.
create or replace function private.limit_postgrest()
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_set text;
begin
  if to_regrole('authenticator') is null or obj_description(to_regnamespace('auth'), 'pg_namespace') like 'Baton%' then
    return;
  end if;
  select substring(c from '^pgrst\.db_pre_request=(.*)') into v_set
  from pg_db_role_setting s cross join unnest(s.setconfig) as c
  where s.setrole = to_regrole('authenticator') and c like 'pgrst.db\_pre\_request=%'
    and s.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
  order by s.setdatabase desc
  limit 1;
  if v_set = 'public.check_request' then
    return;
  elsif v_set <> '' then
    raise warning 'PostgREST calls % before each request: let that call public.check_request(), or users have no limit there', v_set;
    return;
  end if;
  execute format('alter role authenticator in database %I set pgrst.db_pre_request = %L', current_database(), 'public.check_request');
  notify pgrst, 'reload config';
exception when insufficient_privilege then
  raise warning 'Users have no limit in PostgREST until somebody who may runs: alter role authenticator set pgrst.db_pre_request = ''public.check_request''';
end
$$;

comment on function private.limit_postgrest() is 'On Supabase: has PostgREST count each request against its user''s limit (check_request).';
revoke execute on function private.limit_postgrest() from public, anon, authenticated, service_role;

create or replace function private.leave_platform()
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform private.unschedule_jobs();
  if exists (
    select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
    where d.datname = current_database() and s.setrole = to_regrole('authenticator')
      and 'pgrst.db_pre_request=public.check_request' = any (s.setconfig)
  ) then
    execute format('alter role authenticator in database %I reset pgrst.db_pre_request', current_database());
    notify pgrst, 'reload config';
  end if;
end
$$;

comment on function private.leave_platform() is 'Undoes schedule_jobs and limit_postgrest; the loader, before it unloads. Publications forget a dropped table by themselves.';
revoke execute on function private.leave_platform() from public, anon, authenticated, service_role;

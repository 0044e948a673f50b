-- What an admin may change while everything runs.

create or replace function private.setting(p_name text)
returns text
language plpgsql  -- here, as in other helpers that are asked all the time: its plan is kept
stable
security definer
set search_path = ''
as $$
begin
  return (select s.value #>> '{}' from public.settings s where s.name = p_name);
end
$$;

comment on function private.setting(text) is 'The value of a setting as text; null when there is none of that name.';
revoke execute on function private.setting(text) from public, anon, authenticated;
grant execute on function private.setting(text) to service_role;

create or replace function private.time_zone()
returns text
language sql
stable
security definer
set search_path = ''
as $$ select private.setting('time_zone') $$;

comment on function private.time_zone() is 'The organisation''s time zone.';
revoke execute on function private.time_zone() from public, anon;
grant execute on function private.time_zone() to authenticated, service_role;

-- The day of the statistics, in the organisation's time zone.
create or replace function private.local_date(p_at timestamptz)
returns date
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return (p_at at time zone private.setting('time_zone'))::date;
end
$$;

comment on function private.local_date(timestamptz) is 'The date of this time in the organisation''s time zone.';
revoke execute on function private.local_date(timestamptz) from public, anon, authenticated, service_role;

create or replace function private.is_duration(p_text text)
returns boolean
language plpgsql
stable
set search_path = ''
as $$
begin
  return coalesce(p_text::interval > interval '0', false);
exception when data_exception then
  return false;
end
$$;

comment on function private.is_duration(text) is 'Whether the text is a length of time.';
revoke execute on function private.is_duration(text) from public, anon, authenticated, service_role;

create or replace function private.setting_problem(p_kind text, p_value jsonb)
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
  v_text text := p_value #>> '{}';
begin
  return case p_kind
    when 'interval' then case when not private.is_duration(v_text) then 'is a length of time such as 5 minutes' end
    when 'number' then  -- only of a number: "and" may look at its right side first
      case when case when jsonb_typeof(p_value) = 'number' then v_text::numeric between 0 and 1000000000 end is not true
        then 'is a number from 0 to 1000000000' end
    when 'boolean' then case when jsonb_typeof(p_value) is distinct from 'boolean' then 'is true or false' end
    when 'time_zone' then
      case when not exists (select from pg_catalog.pg_timezone_names z where z.name = v_text)
        then 'is a time zone such as Europe/Berlin' end
    when 'handling' then case when v_text is null or v_text not in ('turn', 'session') then 'is turn or session' end
    else 'is of no known kind'
  end;
end
$$;

comment on function private.setting_problem(text, jsonb) is 'What is wrong with the value of a setting of this kind; null: nothing.';
revoke execute on function private.setting_problem(text, jsonb) from public, anon, authenticated, service_role;

-- A setting that does not parse would break every call that reads it: refuse it when it is written.
create or replace function private.tg_settings__check_value()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.check_fields(jsonb_build_object(new.name, private.setting_problem(new.kind, new.value)));
  return new;
end
$$;

comment on function private.tg_settings__check_value() is 'Refuses a value that is none of the setting''s kind (invalid_argument, the hint names the setting).';
revoke execute on function private.tg_settings__check_value() from public, anon;

create or replace function private.set_setting(p_name text, p_value jsonb)
returns public.settings
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_setting public.settings;
begin
  perform private.require_admin();
  update public.settings s set value = coalesce(p_value, 'null') where s.name = p_name returning s.* into v_setting;
  if not found then
    perform private.refuse('setting_not_found');
  end if;
  return v_setting;
end
$$;

revoke execute on function private.set_setting(text, jsonb) from public, anon;
grant execute on function private.set_setting(text, jsonb) to authenticated, service_role;

create or replace function public.set_setting(p_name text, p_value jsonb)
returns public.settings
language sql
volatile
security invoker
set search_path = ''
as $$ select private.set_setting(p_name, p_value) $$;

comment on function public.set_setting(text, jsonb) is 'Changes a setting and returns it. Admins and the service. Refuses: not_signed_in, not_allowed, operator_inactive, setting_not_found, invalid_argument.';
revoke execute on function public.set_setting(text, jsonb) from public, anon;
grant execute on function public.set_setting(text, jsonb) to authenticated, service_role;

create or replace function private.list_settings()
returns setof public.settings
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  return query select s.* from public.settings s order by s.name;
end
$$;

revoke execute on function private.list_settings() from public, anon;
grant execute on function private.list_settings() to authenticated, service_role;

create or replace function public.list_settings()
returns setof public.settings
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_settings() $$;

comment on function public.list_settings() is 'All settings, by name. Admins and the service. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.list_settings() from public, anon;
grant execute on function public.list_settings() to authenticated, service_role;

create or replace function private.set_settings(p_changes jsonb)
returns setof public.settings
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_change record;
begin
  perform private.require_admin();
  if jsonb_typeof(p_changes) is distinct from 'object' then
    perform private.refuse('invalid_argument', 'p_changes is an object of values by the names of settings.');
  end if;
  -- All at once: whoever has filled in a form learns everything that is wrong with it.
  perform private.check_fields(jsonb_object_agg(s.name, private.setting_problem(s.kind, e.value)))
  from jsonb_each(p_changes) e
  join public.settings s on s.name = e.key;
  for v_change in select e.key as name, e.value from jsonb_each(p_changes) e order by e.key loop
    update public.settings s set value = v_change.value where s.name = v_change.name;
    if not found then
      perform private.refuse('setting_not_found', format('%s: there is no such setting.', left(v_change.name, 100)));
    end if;
  end loop;
  return query select s.* from public.settings s order by s.name;
end
$$;

revoke execute on function private.set_settings(jsonb) from public, anon;
grant execute on function private.set_settings(jsonb) to authenticated, service_role;

create or replace function public.set_settings(p_changes jsonb)
returns setof public.settings
language sql
volatile
security invoker
set search_path = ''
as $$ select * from private.set_settings(p_changes) $$;

comment on function public.set_settings(jsonb) is 'Changes settings, all that p_changes names or none, and returns all of them. Admins and the service. Refuses: not_signed_in, not_allowed, operator_inactive, setting_not_found, invalid_argument (the hint names each setting that is wrong, on a line of its own).';
revoke execute on function public.set_settings(jsonb) from public, anon;
grant execute on function public.set_settings(jsonb) to authenticated, service_role;

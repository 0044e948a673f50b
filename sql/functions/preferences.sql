-- How an operator has his screen. He alone reads and changes it.

-- Every preference, what it may be, and what it is for who has said nothing. A language of null is the browser's;
-- desktop notifications are off until somebody turns them on, since the browser asks him then.
create or replace function private.preferences()
returns table (name text, allowed jsonb, initial jsonb)
language sql
immutable
set search_path = ''
as $$
  values
    ('language', '[null, "en", "ar"]'::jsonb, 'null'::jsonb),
    ('theme', '["system", "light", "dark"]', '"system"'),
    ('sound', '["all", "mine", "none"]', '"all"'),
    ('desktop_notifications', '[true, false]', 'false'),
    ('send_key', '["auto", "enter", "ctrl_enter"]', '"auto"'),
    ('density', '["comfortable", "compact"]', '"comfortable"')
$$;

comment on function private.preferences() is 'The preferences of an operator, the values that each may have, and the first one.';
revoke execute on function private.preferences() from public, anon, authenticated, service_role;

create or replace function private.get_preferences()
returns public.agent_preferences
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_operator();
  v_preferences public.agent_preferences;
begin
  select a.* into v_preferences from public.agent_preferences a where a.operator_id = v_caller_id;
  if v_preferences.operator_id is null then
    select (jsonb_populate_record(v_preferences, jsonb_object_agg(p.name, p.initial))).* into v_preferences
    from private.preferences() p;
    v_preferences.operator_id := v_caller_id;
  end if;
  return v_preferences;
end
$$;

revoke execute on function private.get_preferences() from public, anon;
grant execute on function private.get_preferences() to authenticated, service_role;

create or replace function public.get_preferences()
returns public.agent_preferences
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_preferences() $$;

comment on function public.get_preferences() is 'How the calling operator has his screen; updated_at is null while he has said nothing. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.get_preferences() from public, anon;
grant execute on function public.get_preferences() to authenticated, service_role;

create or replace function private.check_preferences(p_changes jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if jsonb_typeof(p_changes) is distinct from 'object' then
    perform private.refuse('invalid_argument', 'p_changes is a JSON object.');
  end if;
  perform private.check_fields(jsonb_object_agg(c.key, case
    when p.name is null then 'there is no such preference'
    when not p.allowed @> jsonb_build_array(c.value) then 'one of ' || p.allowed::text
  end))
  from jsonb_each(p_changes) c
  left join private.preferences() p on p.name = c.key;
end
$$;

comment on function private.check_preferences(jsonb) is 'Refuses what is no preference, or no value of it (invalid_argument, the hint names each that is wrong, on a line of its own).';
revoke execute on function private.check_preferences(jsonb) from public, anon, authenticated, service_role;

create or replace function private.set_preferences(p_changes jsonb)
returns public.agent_preferences
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_preferences public.agent_preferences := private.get_preferences();
begin
  perform private.check_preferences(p_changes);
  v_preferences.updated_at := private.now();
  -- Two screens may change two things at once: the second waits here, and goes on from what the first has left.
  insert into public.agent_preferences as a select v_preferences.*
  on conflict (operator_id) do update set updated_at = excluded.updated_at
  returning a.* into v_preferences;
  update public.agent_preferences a
  set (language, theme, sound, desktop_notifications, send_key, density, updated_at) = (
    select n.language, n.theme, n.sound, n.desktop_notifications, n.send_key, n.density, private.now()
    from jsonb_populate_record(v_preferences, p_changes) n
  )
  where a.operator_id = v_preferences.operator_id
  returning a.* into v_preferences;
  return v_preferences;
end
$$;

revoke execute on function private.set_preferences(jsonb) from public, anon;
grant execute on function private.set_preferences(jsonb) to authenticated, service_role;

create or replace function public.set_preferences(p_changes jsonb)
returns public.agent_preferences
language sql
volatile
security invoker
set search_path = ''
as $$ select private.set_preferences(p_changes) $$;

comment on function public.set_preferences(jsonb) is 'The calling operator changes how he has his screen: {"theme": "dark", …}, all of it or nothing; returns it. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument (the hint names each that is wrong, on a line of its own).';
revoke execute on function public.set_preferences(jsonb) from public, anon;
grant execute on function public.set_preferences(jsonb) to authenticated, service_role;

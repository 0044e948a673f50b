-- Operators: their hands, their status, how they join and how they leave.

-- The order of locks is operators, chats, private.operator_load. Whoever changes an operator holds
-- his row first; nobody who holds a chat asks for it (the foreign keys' share lock does not mind).

-- Brings the hands of operators in line with their rows, and lets go of everything that those who are
-- deactivated hold. All chats first, then all hands in their order. One of them may be given a chat
-- between the look and the lock on his hands; that chat must not be waited for while the hands are
-- locked, so then everything is undone, locks included, and done again.
create or replace function private.follow_operators(p_operator_ids uuid[])
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_inactive_ids uuid[] := array(select o.id from public.operators o where o.id = any (p_operator_ids) and not o.is_active);
  v_chat_ids uuid[];
begin
  for v_attempt in 1..100 loop
    begin
      v_chat_ids := array(
        select c.id from public.chats c
        where c.chat_state = 'assigned' and c.assigned_operator_id = any (v_inactive_ids)
        order by c.id
        for no key update
      );
      perform from private.operator_load l where l.operator_id = any (p_operator_ids) order by l.operator_id for no key update;
      if exists (
        select from public.chats c
        where c.chat_state = 'assigned' and c.assigned_operator_id = any (v_inactive_ids)
          and c.id <> all (v_chat_ids)
      ) then
        raise sqlstate 'BT001' using message = 'One of them was given another chat in between.';
      end if;
      perform from private.release_chats(v_chat_ids, 'deactivated');
      perform private.set_hands(p_operator_ids);
      return;
    exception when sqlstate 'BT001' then
      continue;
    end;
  end loop;
  perform private.refuse('conflict');
end
$$;

comment on function private.follow_operators(uuid[]) is 'Keeps private.operator_load with operators that have changed; releases the chats of those who are deactivated.';
revoke execute on function private.follow_operators(uuid[]) from public, anon, authenticated, service_role;

create or replace function private.set_hands(p_operator_ids uuid[])
returns void
language sql
volatile
security definer
set search_path = ''
as $$
  update private.operator_load l
  set capacity = n.capacity,
      is_auto = n.is_auto,
      free_since = case when l.held >= l.capacity or n.is_auto and not l.is_auto then private.now() else l.free_since end
  from (
    select
      o.id,
      case when o.is_active then o.capacity else 0 end as capacity,
      o.is_active and o.auto_assign and o.status = 'online' as is_auto
    from public.operators o
    where o.id = any (p_operator_ids)
  ) n
  where l.operator_id = n.id and (l.capacity, l.is_auto) is distinct from (n.capacity, n.is_auto)
$$;

comment on function private.set_hands(uuid[]) is 'Sets capacity (never below what he holds: operator_at_capacity) and whether automatic assignment may give him chats.';
revoke execute on function private.set_hands(uuid[]) from public, anon, authenticated, service_role;

create or replace function private.tg_operators__make_hands()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.note_side('f');
  insert into private.operator_load (operator_id, capacity, is_auto, free_since)
  values (
    new.id,
    case when new.is_active then new.capacity else 0 end,
    new.is_active and new.auto_assign and new.status = 'online',
    private.now()
  );
  insert into private.events (event, person_id) values ('operator.changed', new.id);
  return null;
end
$$;

comment on function private.tg_operators__make_hands() is 'Makes the private.operator_load of a new operator, and tells the relays.';
revoke execute on function private.tg_operators__make_hands() from public, anon, authenticated, service_role;

create or replace function private.tg_operators__follow()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_changed_ids uuid[];
begin
  insert into private.events (event, person_id)
  select 'operator.changed', n.id
  from old_rows o join new_rows n on n.id = o.id
  where n is distinct from o;

  v_changed_ids := array(
    select n.id
    from old_rows o join new_rows n on n.id = o.id
    where (n.capacity, n.is_active, n.auto_assign, n.status) is distinct from (o.capacity, o.is_active, o.auto_assign, o.status)
  );
  if cardinality(v_changed_ids) > 0 then
    perform private.note_side('f');
    perform private.follow_operators(v_changed_ids);
  end if;
  return null;
end
$$;

comment on function private.tg_operators__follow() is 'Keeps private.operator_load with the operators that a statement changed, and tells the relays.';
revoke execute on function private.tg_operators__follow() from public, anon, authenticated, service_role;

create or replace function private.set_operator_status(p_status text, p_reason text, p_operator_id uuid)
returns public.operators
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_id uuid := coalesce(p_operator_id, auth.uid());
  v_operator public.operators;
begin
  if v_id is null then
    perform private.refuse('not_signed_in', 'The service names p_operator_id.');
  end if;
  perform private.require_asker(v_id);
  perform private.check_reason(p_reason);
  if p_status is null or p_status not in ('online', 'away', 'offline') then
    perform private.refuse('invalid_argument', 'p_status is online, away or offline.');
  end if;
  update public.operators o
  set status = p_status, status_reason = p_reason
  where o.id = v_id
  returning o.* into v_operator;
  return v_operator;
end
$$;

revoke execute on function private.set_operator_status(text, text, uuid) from public, anon;
grant execute on function private.set_operator_status(text, text, uuid) to authenticated, service_role;

create or replace function public.set_operator_status(p_status text, p_reason text default null, p_operator_id uuid default null)
returns public.operators
language sql
volatile
security invoker
set search_path = ''
as $$ select private.set_operator_status(p_status, p_reason, p_operator_id) $$;

comment on function public.set_operator_status(text, text, uuid) is 'online, away or offline, with a reason; himself, or anyone by admins and the service. Chats in hand stay. Refuses: not_signed_in, not_allowed, operator_not_found, operator_inactive, invalid_argument, content_too_long.';
revoke execute on function public.set_operator_status(text, text, uuid) from public, anon;
grant execute on function public.set_operator_status(text, text, uuid) to authenticated, service_role;

create or replace function private.register_operator(p_id uuid, p_name text, p_email text, p_role text)
returns public.operators
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator public.operators;
begin
  perform private.require_admin();
  insert into public.operators (id, name, email, role, status)
  values (p_id, p_name, lower(p_email), p_role, 'offline')
  returning * into v_operator;
  return v_operator;
end
$$;

revoke execute on function private.register_operator(uuid, text, text, text) from public, anon;
grant execute on function private.register_operator(uuid, text, text, text) to authenticated, service_role;

create or replace function public.register_operator(p_id uuid, p_name text, p_email text, p_role text default 'operator')
returns public.operators
language sql
volatile
security invoker
set search_path = ''
as $$ select private.register_operator(p_id, p_name, p_email, p_role) $$;

comment on function public.register_operator(uuid, text, text, text) is 'Makes an operator for a login; p_id is the login''s id. He starts offline. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive; a known id or email (23505), an unknown role (23514).';
revoke execute on function public.register_operator(uuid, text, text, text) from public, anon;
grant execute on function public.register_operator(uuid, text, text, text) to authenticated, service_role;

-- What an operator may be made of; the columns' own constraints stand behind it.
create or replace function private.operator_problem(p_name text, p_value jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_text text := case when jsonb_typeof(p_value) = 'string' then p_value #>> '{}' end;
begin
  return case p_name
    when 'name' then
      case when v_text is null or btrim(v_text) = '' or char_length(v_text) > 200 or v_text ~ '[[:cntrl:]]'
        then 'has 1 to 200 characters' end
    when 'email' then
      case when private.is_email(v_text) is not true then 'is an address such as ana@example.com' end
    when 'role' then
      case when v_text is null or v_text not in ('operator', 'admin') then 'is operator or admin' end
    when 'capacity' then
      case when case when jsonb_typeof(p_value) = 'number' and (p_value #>> '{}') ~ '^[0-9]{1,4}$'
        then (p_value #>> '{}')::integer <= 1000 end is not true
        then 'is a whole number from 0 to 1000' end
    when 'is_active' then case when jsonb_typeof(p_value) <> 'boolean' then 'is true or false' end
    when 'auto_assign' then case when jsonb_typeof(p_value) <> 'boolean' then 'is true or false' end
    else 'cannot be changed here'
  end;
end
$$;

comment on function private.operator_problem(text, jsonb) is 'What is wrong with the value of an operator''s column; null: nothing.';
revoke execute on function private.operator_problem(text, jsonb) from public, anon, authenticated, service_role;

create or replace function private.check_operator(p_values jsonb)
returns void
language sql
stable
set search_path = ''
as $$
  select private.check_fields(jsonb_object_agg(e.key, private.operator_problem(e.key, e.value))) from jsonb_each(p_values) e
$$;

comment on function private.check_operator(jsonb) is 'Refuses invalid_argument, its hint a line for each field that is wrong.';
revoke execute on function private.check_operator(jsonb) from public, anon, authenticated, service_role;

-- Where somebody may cease to be an admin all active ones are locked, in the order of their ids: of two who demote
-- each other at once the second finds himself the last one.
create or replace function private.update_operator(p_operator_id uuid, p_changes jsonb)
returns public.operators
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator public.operators;
begin
  perform private.require_admin();
  if jsonb_typeof(p_changes) is distinct from 'object' then
    perform private.refuse('invalid_argument', 'p_changes is an object of columns.');
  end if;
  perform private.check_operator(p_changes);
  perform from public.operators o
  where o.id = p_operator_id or p_changes ?| array['role', 'is_active'] and o.is_active and o.role = 'admin'
  order by o.id
  for no key update;
  select o.* into v_operator from public.operators o where o.id = p_operator_id;
  if v_operator.id is null then
    perform private.refuse('operator_not_found');
  elsif v_operator.is_active and v_operator.role = 'admin'
    and (p_changes ->> 'role' = 'operator' or p_changes ->> 'is_active' = 'false')
    and not exists (select from public.operators o where o.is_active and o.role = 'admin' and o.id <> p_operator_id)
  then
    perform private.refuse('last_admin');
  elsif exists (select from public.operators o where lower(o.email) = lower(btrim(p_changes ->> 'email')) and o.id <> p_operator_id) then
    perform private.refuse('operator_exists');
  end if;
  v_operator := jsonb_populate_record(v_operator, p_changes);
  update public.operators o
  set name = btrim(v_operator.name),
      email = lower(btrim(v_operator.email)),
      role = v_operator.role,
      capacity = v_operator.capacity,
      is_active = v_operator.is_active,
      auto_assign = v_operator.auto_assign,
      -- One who is deactivated has left; who comes back says himself that he is there.
      status = case when v_operator.is_active then o.status else 'offline' end
  where o.id = p_operator_id
  returning o.* into v_operator;
  return v_operator;
end
$$;

revoke execute on function private.update_operator(uuid, jsonb) from public, anon;
grant execute on function private.update_operator(uuid, jsonb) to authenticated, service_role;

create or replace function public.update_operator(p_operator_id uuid, p_changes jsonb)
returns public.operators
language sql
volatile
security invoker
set search_path = ''
as $$ select private.update_operator(p_operator_id, p_changes) $$;

comment on function public.update_operator(uuid, jsonb) is 'Changes name, email, role, capacity, is_active or auto_assign of an operator, all that p_changes names or nothing; the address that he signs in with stays. Deactivated, he is offline and his chats go back. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, operator_not_found, invalid_argument (the hint names each field that is wrong, on a line of its own), last_admin, operator_exists, operator_at_capacity (less than he holds).';
revoke execute on function public.update_operator(uuid, jsonb) from public, anon;
grant execute on function public.update_operator(uuid, jsonb) to authenticated, service_role;

create or replace function private.list_operators()
returns setof jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  return query
    select to_jsonb(o) || jsonb_build_object(
      'held', l.held,
      'is_connected', private.is_connected(o.id),
      'last_seen_at', (select max(k.seen_at) from private.connections k where k.person_id = o.id)
    )
    from public.operators o
    join private.operator_load l on l.operator_id = o.id
    order by o.is_active desc, o.name, o.id;
end
$$;

revoke execute on function private.list_operators() from public, anon;
grant execute on function private.list_operators() to authenticated, service_role;

create or replace function public.list_operators()
returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_operators() $$;

comment on function public.list_operators() is 'All operators, the active ones first, each with "held" (chats in hand), "is_connected" and "last_seen_at" (null: not within a day). Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.list_operators() from public, anon;
grant execute on function public.list_operators() to authenticated, service_role;

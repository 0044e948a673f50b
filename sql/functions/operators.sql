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

create or replace function private.get_operator_inbox()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_id uuid := private.require_operator();
begin
  return jsonb_build_object(
    'operator', (select to_jsonb(o) || jsonb_build_object('held', l.held) from public.operators o join private.operator_load l on l.operator_id = o.id where o.id = v_id),
    'chats', (select coalesce(jsonb_agg(to_jsonb(c) order by c.assignment_time), '[]') from public.chats c where c.chat_state = 'assigned' and c.assigned_operator_id = v_id),
    'next', (select to_jsonb(e) from private.explain_assignment(v_id) e where e.rank = 1),
    'queue', (select to_jsonb(q) from private.get_assignment_queue_status() q),
    'numbers', (select to_jsonb(s) from public.operator_stats s where s.operator_id = v_id and s.date = private.local_date(private.now()))
  );
end
$$;

revoke execute on function private.get_operator_inbox() from public, anon;
grant execute on function private.get_operator_inbox() to authenticated, service_role;

create or replace function public.get_operator_inbox()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_operator_inbox() $$;

comment on function public.get_operator_inbox() is 'What an operator needs at a glance: {"operator", "chats" in hand, "next" (of explain_assignment, or null), "queue" (get_assignment_queue_status), "numbers" of today, or null}. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.get_operator_inbox() from public, anon;
grant execute on function public.get_operator_inbox() to authenticated, service_role;

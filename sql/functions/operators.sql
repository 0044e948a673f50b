-- Operators: their hands, their status, how they join and how they leave.

-- The order of locks is operators, chats, private.operator_load. Whoever changes an operator holds
-- his row first; nobody who holds a chat asks for it (the foreign keys' share lock does not mind).

-- Lets go of everything an operator holds and closes his hands. He may be given a chat between the
-- look and the lock on his hands; that chat must not be waited for while the hands are locked, so
-- then everything is undone, locks included, and done again.
create or replace function private.empty_hands(p_operator_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat_ids uuid[];
begin
  for v_attempt in 1..100 loop
    begin
      v_chat_ids := array(
        select c.id from public.chats c
        where c.chat_state = 'assigned' and c.assigned_operator_id = p_operator_id
        order by c.id
        for no key update
      );
      perform from private.release_chats(v_chat_ids, 'deactivated');
      update private.operator_load l
      set capacity = 0, is_auto = false
      where l.operator_id = p_operator_id and l.held = 0;
      if found then
        return;
      end if;
      raise sqlstate 'BT001' using message = 'He was given another chat in between.';
    exception when sqlstate 'BT001' then
      continue;
    end;
  end loop;
  perform private.refuse('conflict');
end
$$;

comment on function private.empty_hands(uuid) is 'Releases every chat of an operator who is deactivated and sets his capacity to 0.';
revoke execute on function private.empty_hands(uuid) from public, anon, authenticated, service_role;

create or replace function private.tg_operators__follow_load()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.note_side('f');
  if tg_op = 'INSERT' then
    insert into private.operator_load (operator_id, capacity, is_auto, free_since)
    values (
      new.id,
      case when new.is_active then new.capacity else 0 end,
      new.is_active and new.auto_assign and new.status = 'online',
      private.now()
    );
  elsif not new.is_active then
    if old.is_active then
      perform private.empty_hands(new.id);
    end if;
  else
    update private.operator_load l
    set capacity = new.capacity,
        is_auto = new.auto_assign and new.status = 'online',
        free_since = case
          when l.held >= l.capacity or new.auto_assign and new.status = 'online' and not l.is_auto then private.now()
          else l.free_since
        end
    where l.operator_id = new.id
      and (l.capacity, l.is_auto) is distinct from (new.capacity, new.auto_assign and new.status = 'online');
  end if;
  return null;
end
$$;

comment on function private.tg_operators__follow_load() is 'Keeps private.operator_load: capacity (never below what he holds), and whether automatic assignment may give him chats.';
revoke execute on function private.tg_operators__follow_load() from public, anon, authenticated, service_role;

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

comment on function public.register_operator(uuid, text, text, text) is 'Makes an operator for a login; p_id is the login''s id. He starts offline. Admins, the service. Refuses: not_signed_in, not_allowed; a known id or email (23505), an unknown role (23514).';
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

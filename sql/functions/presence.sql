-- Who is there. A person has a live connection while a web process says so: it holds a lease for each
-- person with an open socket and renews it. What a killed process leaves behind ends with the lease.
--
-- An operator who had a connection and has been without one for the grace period is gone: his holds
-- end and he is offline. One who works by HTTP or SQL alone has no row here and is never gone; nor has
-- one who only looks, as an admin at the console: he neither comes by that nor goes.

create or replace function private.is_connected(p_person_id uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return exists (
    select from private.connections k
    where k.person_id = p_person_id and k.is_open and k.lease_until > private.now()
  );
end
$$;

comment on function private.is_connected(uuid) is 'Whether the person has a live connection.';
revoke execute on function private.is_connected(uuid) from public, anon, authenticated, service_role;

-- Tells the relays: of operators, and of the chats of customers, whose rows in the staff's lists say whether
-- he is there. One who closes is told of though he may be connected elsewhere: of two processes that he
-- leaves at once, neither sees the other.
create or replace function private.note_connections(p_person_ids uuid[])
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  insert into private.events (event, person_id)
  select 'connection.changed', o.id from public.operators o where o.id = any (p_person_ids);
  perform private.note_chats_of(p_person_ids);
end
$$;

comment on function private.note_connections(uuid[]) is 'Signals that these people have come or left.';
revoke execute on function private.note_connections(uuid[]) from public, anon, authenticated, service_role;

-- Also brings back what was taken for lost while the process was merely slow. Not worth a flush of the disk, here
-- and in close_connections; a SET of the function would end before the commit.
create or replace function private.renew_connections(p_process_id uuid, p_person_ids uuid[])
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
  v_new_ids uuid[] := array(select p.id from unnest(p_person_ids) as p (id) where not private.is_connected(p.id));
begin
  perform set_config('synchronous_commit', 'off', true);
  insert into private.connections as k (person_id, process_id, seen_at, lease_until)
  select distinct p.id, p_process_id, v_now, v_now + interval '30 seconds'
  from unnest(p_person_ids) as p (id)
  where not private.is_erased(p.id)
  order by 1
  on conflict (person_id, process_id) do update set is_open = true, seen_at = v_now, lease_until = excluded.lease_until;
  if cardinality(v_new_ids) > 0 then
    perform private.note_connections(v_new_ids);
  end if;
end
$$;

comment on function private.renew_connections(uuid, uuid[]) is 'These persons have a live connection in this process, for the next 30 seconds; of who was erased nothing is kept.';
revoke execute on function private.renew_connections(uuid, uuid[]) from public, anon, authenticated;
grant execute on function private.renew_connections(uuid, uuid[]) to service_role;

create or replace function private.admit_person(p_person_id uuid)
returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_kind text := private.kind_of(p_person_id);
begin
  return case when v_kind = 'customer' and private.is_erased(p_person_id) then 'erased' else v_kind end;
end
$$;

comment on function private.admit_person(uuid) is 'What a person who has opened a connection is: admin, operator, customer; inactive or erased.';
revoke execute on function private.admit_person(uuid) from public, anon, authenticated;
grant execute on function private.admit_person(uuid) to service_role;

create or replace function private.open_connection(p_process_id uuid, p_person_id uuid)
returns text
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_kind text := private.admit_person(p_person_id);
begin
  if v_kind not in ('inactive', 'erased') then
    perform private.renew_connections(p_process_id, array[p_person_id]);
  end if;
  return v_kind;
end
$$;

comment on function private.open_connection(uuid, uuid) is 'The person has opened a connection in this process, by which he is there; returns what he is (admit_person). Of one who is inactive or erased nothing is kept.';
revoke execute on function private.open_connection(uuid, uuid) from public, anon, authenticated;
grant execute on function private.open_connection(uuid, uuid) to service_role;

create or replace function private.close_connections(p_process_id uuid, p_person_ids uuid[])
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
  v_closed_ids uuid[];
begin
  perform set_config('synchronous_commit', 'off', true);
  with leaving as (
    -- In the order of renew_connections.
    select k.person_id
    from private.connections k
    where k.process_id = p_process_id and k.person_id = any (p_person_ids) and k.is_open
    order by k.person_id
    for no key update
  ), closed as (
    update private.connections k
    set is_open = false, seen_at = v_now, lease_until = v_now
    from leaving l
    where k.process_id = p_process_id and k.person_id = l.person_id
    returning k.person_id
  )
  select array_agg(c.person_id) into v_closed_ids from closed c;
  perform private.note_connections(v_closed_ids);
  -- Of one whose lease was renewed beside his erasure nothing stays either.
  delete from private.connections k
  where k.process_id = p_process_id and k.person_id = any (p_person_ids) and private.is_erased(k.person_id);
end
$$;

comment on function private.close_connections(uuid, uuid[]) is 'These persons have closed their last connection in this process.';
revoke execute on function private.close_connections(uuid, uuid[]) from public, anon, authenticated;
grant execute on function private.close_connections(uuid, uuid[]) to service_role;

create or replace function private.list_presence(p_operator_ids uuid[] default null)
returns table (operator_id uuid, name text, status text, status_reason text, is_connected boolean)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return query
    select o.id, o.name, o.status, o.status_reason, private.is_connected(o.id)
    from public.operators o
    where o.is_active and (p_operator_ids is null or o.id = any (p_operator_ids))
    order by o.name, o.id;
end
$$;

comment on function private.list_presence(uuid[]) is 'Active operators, all or these: status, and whether they have a live connection.';
revoke execute on function private.list_presence(uuid[]) from public, anon, authenticated;
grant execute on function private.list_presence(uuid[]) to service_role;

create or replace function private.is_gone(p_person_id uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return coalesce((
    select max(k.seen_at) <= private.now() - private.setting('grace_period')::interval
    from private.connections k
    where k.person_id = p_person_id
  ), false) and not private.is_connected(p_person_id);
end
$$;

comment on function private.is_gone(uuid) is 'Whether the person had a live connection and has been without one for the setting grace_period.';
revoke execute on function private.is_gone(uuid) from public, anon, authenticated, service_role;

-- Operators, then chats, then their hands: the order of locks. His status changes after his chats are
-- released, for it takes his hands. Should he be given another chat in between, his row here stays,
-- and the next run finds him again. A connection that is locked is being renewed or closed: passed over.
--
-- A lease that ended long ago is found only where nobody could look, or renew it: after an outage. Who is
-- still there says so within seconds, and has at least half of the grace period for it.
create or replace function private.run_gone_detection()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_grace interval := private.setting('grace_period')::interval;
  v_lost_ids uuid[];
  v_gone_ids uuid[];
  v_chat_ids uuid[];
begin
  with lapsed as (
    select k.person_id, k.process_id
    from private.connections k
    where k.is_open and k.lease_until <= private.now()
    for no key update skip locked
  ), lost as (
    update private.connections k
    set is_open = false, seen_at = greatest(k.seen_at, private.now() - least(interval '30 seconds', v_grace / 2))
    from lapsed l
    where k.person_id = l.person_id and k.process_id = l.process_id
    returning k.person_id
  )
  select array_agg(l.person_id) into v_lost_ids from lost l;
  perform private.note_connections(array(select p.id from unnest(v_lost_ids) as p (id) where not private.is_connected(p.id)));

  v_gone_ids := array(
    select o.id from public.operators o
    where o.is_active and private.is_gone(o.id)
    order by o.id
    for no key update
  );
  v_chat_ids := array(
    select c.id from public.chats c
    where c.chat_state = 'assigned' and c.assigned_operator_id = any (v_gone_ids)
    order by c.id
    for no key update
  );
  -- One may have come back while we waited for his row or his chats.
  v_gone_ids := array(select g.id from unnest(v_gone_ids) as g (id) where private.is_gone(g.id));
  v_chat_ids := array(select c.id from public.chats c where c.id = any (v_chat_ids) and c.assigned_operator_id = any (v_gone_ids));
  perform from private.release_chats(v_chat_ids, 'gone');
  update public.operators o
  set status = 'offline', status_reason = 'gone'
  where o.id = any (v_gone_ids) and o.status <> 'offline';
  with done as (
    select k.person_id, k.process_id
    from private.connections k
    where k.person_id = any (v_gone_ids) and not k.is_open
      and not exists (select from public.chats c where c.chat_state = 'assigned' and c.assigned_operator_id = k.person_id)
    for update skip locked
  )
  delete from private.connections k using done d where k.person_id = d.person_id and k.process_id = d.process_id;
  return cardinality(v_gone_ids);
end
$$;

comment on function private.run_gone_detection() is 'Ends the holds of operators who have been without a live connection for the setting grace_period, and sets them offline; returns how many. A job of the service.';
revoke execute on function private.run_gone_detection() from public, anon, authenticated;
grant execute on function private.run_gone_detection() to service_role;

-- Typing is told, not stored; but every ten seconds of the holder's keep his hold. Then NOTIFY goes with
-- a write, and its lock through the flush: rare enough to be in nobody's way.
create or replace function private.set_typing(p_chat_id uuid, p_is_typing boolean)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_person();
  v_chat public.chats := private.find_chat(p_chat_id);
  v_is_customer boolean := v_chat.real_user_id = v_caller_id;
  v_operator_id uuid;
begin
  if p_is_typing is null then
    perform private.refuse('invalid_argument', 'p_is_typing is true or false.');
  elsif not v_is_customer then
    v_operator_id := private.require_operator();
    perform private.require_holder(v_chat, v_operator_id);
  end if;
  if p_is_typing and v_operator_id is not null then
    update public.operator_activity a
    set last_activity_at = private.now()
    where a.chat_id = p_chat_id and a.operator_id = v_operator_id and a.last_activity_at <= private.now() - interval '10 seconds';
    if found then
      perform private.note_list(p_chat_id, v_operator_id);  -- it is idle later
    end if;
  end if;
  perform pg_notify('baton', jsonb_build_object(
    'type', 'typing',
    'chat_id', p_chat_id,
    'sender_type', case when v_is_customer then 'real' else 'operator' end,
    'sender_id', v_caller_id,
    'is_typing', p_is_typing
  )::text);
end
$$;

revoke execute on function private.set_typing(uuid, boolean) from public, anon;
grant execute on function private.set_typing(uuid, boolean) to authenticated, service_role;

create or replace function public.set_typing(p_chat_id uuid, p_is_typing boolean)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.set_typing(p_chat_id, p_is_typing) $$;

comment on function public.set_typing(uuid, boolean) is 'Tells whoever watches the chat that its customer or its holder is typing, or no longer is; of the holder it is activity (record_operator_activity). Refuses: not_signed_in, chat_not_found, not_allowed, operator_inactive, chat_not_assigned, chat_completed, not_the_holder, invalid_argument.';
revoke execute on function public.set_typing(uuid, boolean) from public, anon;
grant execute on function public.set_typing(uuid, boolean) to authenticated, service_role;

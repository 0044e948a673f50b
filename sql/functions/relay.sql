-- How web processes learn of new events: each has a relay, one connection that asks what has become
-- visible since it last asked.
--
-- NOTIFY in a transaction that writes takes one lock for the whole database and holds it through the
-- commit's flush: writers would queue up behind the disk. So it is only a doorbell. A relay that is
-- awake polls; one that has found nothing for a while goes to sleep, which it says in private.relays,
-- and only while some relay sleeps do writers ring.

-- The lock by which writers and relays that go to sleep see each other. private.ring, which every write
-- calls, has the number itself.
create or replace function private.doorbell_key()
returns bigint
language sql
immutable
set search_path = ''
as $$ select 7310586415021964912 $$;

comment on function private.doorbell_key() is 'The advisory lock that writers of events share.';
revoke execute on function private.doorbell_key() from public, anon, authenticated, service_role;

-- Once a transaction. The shared lock is held to the commit: no relay can fall asleep between our look
-- and the moment when what we wrote becomes visible. It never waits for a commit: a relay only tries
-- to have the lock alone. The look is a statement of its own, to see what was committed before the
-- lock; where the isolation level does not let it, it rings in any case.
create or replace function private.ring()
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform pg_advisory_xact_lock_shared(7310586415021964912);
  if current_setting('transaction_isolation') <> 'read committed'
    or exists (select from private.relays r where r.is_asleep and r.lease_until > clock_timestamp())
  then
    perform pg_notify('baton', '');
  end if;
end
$$;

comment on function private.ring() is 'Wakes the relays that sleep, at commit.';
revoke execute on function private.ring() from public, anon, authenticated, service_role;

create or replace function private.tg_events__ring()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if coalesce(current_setting('baton.rung', true), '') = '' then
    perform set_config('baton.rung', 'yes', true);  -- gone with a savepoint that is rolled back, as the ring is
    perform private.ring();
  end if;
  return null;
end
$$;

comment on function private.tg_events__ring() is 'Rings, once a transaction that writes events.';
revoke execute on function private.tg_events__ring() from public, anon, authenticated, service_role;

-- Which server this is, and which life of it: another one after a restore, a copy, a failover.
create or replace function private.server_identity()
returns text
language sql
volatile
set search_path = ''
as $$
  select concat_ws('/', s.system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), d.oid)
  from pg_control_system() s, pg_catalog.pg_database d
  where d.datname = current_database()
$$;

comment on function private.server_identity() is 'System identifier, timeline and database.';
revoke execute on function private.server_identity() from public, anon, authenticated, service_role;

-- Transaction ids of another server mean nothing in this one, and events that its clients have seen may
-- not have happened here: a new epoch begins without any, and everyone fetches afresh.
create or replace function private.begin_relay(p_relay_id uuid)
returns table (epoch uuid, snapshot text)
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_server text;
  v_epoch private.epoch;
begin
  -- Not on a standby, whose snapshots do not list running transactions: there this is refused (25006).
  perform from private.epoch e for update;
  v_server := private.server_identity();
  insert into private.epoch (server) values (v_server) on conflict (is_only) do nothing;
  select e.* into v_epoch from private.epoch e for update;
  if v_epoch.server <> v_server then
    delete from private.events e where true;
    update private.epoch e
    set id = gen_random_uuid(), server = v_server, begun_at = clock_timestamp()
    where e.is_only
    returning e.* into v_epoch;
  end if;
  delete from private.relays r where r.lease_until < clock_timestamp() - interval '1 hour';
  insert into private.relays as r (id, is_asleep, lease_until)
  values (p_relay_id, false, clock_timestamp())
  on conflict (id) do update set is_asleep = false;
  return query select v_epoch.id, pg_current_snapshot()::text;
end
$$;

comment on function private.begin_relay(uuid) is 'Registers a relay that is awake; returns the epoch and the snapshot from which it polls. Refuses on a standby (25006).';
revoke execute on function private.begin_relay(uuid) from public, anon, authenticated;
grant execute on function private.begin_relay(uuid) to service_role;

-- The difference of two snapshots: what was written by transactions that began since, and by those
-- that were still running then. Each row is found once, as it becomes visible, in whatever order
-- transactions end. Snapshot and rows must come from the same look, so this is one statement. One who
-- gets p_limit rows may have missed others, and reads everything by number as after a reconnect.
create or replace function private.poll_events(p_previous text, p_limit integer default 10000)
returns table (snapshot text, chat_id uuid, event_seq bigint, event text, person_id uuid, from_person_id uuid)
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off
as $$
begin
  return query
    with taken as materialized (select pg_current_snapshot() as snapshot),
    fresh as (
      select e.chat_id, e.event_seq, e.event, e.person_id, e.from_person_id
      from private.events e
      where e.xid >= pg_snapshot_xmax(p_previous::pg_snapshot)
      union all
      select e.chat_id, e.event_seq, e.event, e.person_id, e.from_person_id
      from private.events e
      where e.xid = any (array(select pg_snapshot_xip(p_previous::pg_snapshot)))
      limit p_limit
    )
    select t.snapshot::text, f.* from taken t left join fresh f on true;
end
$$;

comment on function private.poll_events(text, integer) is 'What has become visible since the snapshot, at most p_limit rows, and the new snapshot; one row with a null event where there is nothing. As a statement of its own, read committed.';
revoke execute on function private.poll_events(text, integer) from public, anon, authenticated;
grant execute on function private.poll_events(text, integer) to service_role;

-- Tries, and does not wait, to have the doorbell's lock alone: a request that waited would stall every
-- writer behind it. Whoever writes after this sees that it must ring; whoever wrote before has
-- committed, so one more poll finds it.
create or replace function private.let_relay_sleep(p_relay_id uuid, p_lease interval)
returns boolean
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  if not pg_try_advisory_xact_lock(private.doorbell_key()) then
    return false;
  end if;
  insert into private.relays as r (id, is_asleep, lease_until)
  values (p_relay_id, true, clock_timestamp() + p_lease)
  on conflict (id) do update set is_asleep = true, lease_until = excluded.lease_until;
  return true;
end
$$;

comment on function private.let_relay_sleep(uuid, interval) is 'True: the relay sleeps, and is rung for until the lease ends; it polls once more and then waits. False: somebody is writing.';
revoke execute on function private.let_relay_sleep(uuid, interval) from public, anon, authenticated;
grant execute on function private.let_relay_sleep(uuid, interval) to service_role;

create or replace function private.wake_relay(p_relay_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  update private.relays r set is_asleep = false where r.id = p_relay_id and r.is_asleep;
end
$$;

comment on function private.wake_relay(uuid) is 'The relay polls: nobody need ring for it.';
revoke execute on function private.wake_relay(uuid) from public, anon, authenticated;
grant execute on function private.wake_relay(uuid) to service_role;

create or replace function private.end_relay(p_relay_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  delete from private.relays r where r.id = p_relay_id;
end
$$;

comment on function private.end_relay(uuid) is 'Forgets a relay.';
revoke execute on function private.end_relay(uuid) from public, anon, authenticated;
grant execute on function private.end_relay(uuid) to service_role;

-- What relays ask besides: who may still see what, and what operators' lists and waiting customers show.

create or replace function private.who_sees(p_chat_ids uuid[], p_person_ids uuid[])
returns table (chat_id uuid, person_id uuid)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return query
    select t.chat_id, t.person_id
    from unnest(p_chat_ids, p_person_ids) as t (chat_id, person_id)
    join public.chats c on c.id = t.chat_id
    where private.may_see(c, t.person_id, private.kind_of(t.person_id));
end
$$;

comment on function private.who_sees(uuid[], uuid[]) is 'Of these pairs of chat and person, those in which he may see it.';
revoke execute on function private.who_sees(uuid[], uuid[]) from public, anon, authenticated;
grant execute on function private.who_sees(uuid[], uuid[]) to service_role;

create or replace function private.list_holds(p_operator_ids uuid[])
returns table (operator_id uuid, chat public.chats)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  return query
    select c.assigned_operator_id, c
    from public.chats c
    where c.chat_state = 'assigned' and c.assigned_operator_id = any (p_operator_ids)
    order by c.assigned_operator_id, c.assignment_time;
end
$$;

comment on function private.list_holds(uuid[]) is 'The chats that these operators hold, oldest first.';
revoke execute on function private.list_holds(uuid[]) from public, anon, authenticated;
grant execute on function private.list_holds(uuid[]) to service_role;

create or replace function private.queue_positions(p_chat_ids uuid[])
returns table (chat_id uuid, "position" bigint, expected_wait_seconds double precision)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_seconds_each double precision := private.seconds_between_assignments();
begin
  return query
    select q.id, q."position", q."position" * v_seconds_each
    from (
      select c.id, row_number() over (order by c.priority desc, c.waiting_since, c.id) as "position"
      from public.chats c
      where c.chat_state = 'waiting_assignment' and c.waiting_since is not null
    ) q
    where q.id = any (p_chat_ids);
end
$$;

comment on function private.queue_positions(uuid[]) is 'get_queue_position for many: the places of those of these chats that are in the queue.';
revoke execute on function private.queue_positions(uuid[]) from public, anon, authenticated;
grant execute on function private.queue_positions(uuid[]) to service_role;

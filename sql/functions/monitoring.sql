-- What staff ask of the whole: the queue's state, places in it, chats that are stuck, the invariants.

create or replace function private.get_assignment_queue_status()
returns table (
  waiting_count bigint, assigned_count bigint, waiting_reply_count bigint,
  oldest_wait_seconds double precision, average_wait_seconds double precision,
  available_operators bigint, free_capacity bigint
)
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
begin
  perform private.require_staff();
  return query
    select
      w.waiting, a.assigned, r.waiting_reply,
      extract(epoch from v_now - w.oldest)::double precision,
      extract(epoch from v_now - to_timestamp(w.average))::double precision,
      h.operators, h.hands
    from
      (
        select count(*) as waiting, min(c.waiting_since) as oldest, avg(extract(epoch from c.waiting_since))::double precision as average
        from public.chats c where c.chat_state = 'waiting_assignment'
      ) w,
      (select count(*) as assigned from public.chats c where c.chat_state = 'assigned') a,
      (select count(*) as waiting_reply from public.chats c where c.chat_state = 'waiting_real_user_reply') r,
      (
        select count(*) as operators, coalesce(sum(l.capacity - l.held), 0)::bigint as hands
        from public.operators o join private.operator_load l on l.operator_id = o.id
        where o.is_active and o.status = 'online' and l.held < l.capacity
      ) h;
end
$$;

revoke execute on function private.get_assignment_queue_status() from public, anon;
grant execute on function private.get_assignment_queue_status() to authenticated, service_role;

create or replace function public.get_assignment_queue_status()
returns table (
  waiting_count bigint, assigned_count bigint, waiting_reply_count bigint,
  oldest_wait_seconds double precision, average_wait_seconds double precision,
  available_operators bigint, free_capacity bigint
)
language sql
volatile
security invoker
set search_path = ''
as $$ select * from private.get_assignment_queue_status() $$;

comment on function public.get_assignment_queue_status() is 'One row about the queue: chats by state, waits in seconds (null when none waits), operators who are active, online and have a hand free, and how many hands. Staff. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.get_assignment_queue_status() from public, anon;
grant execute on function public.get_assignment_queue_status() to authenticated, service_role;

-- The mean time between two of the latest assignments, at most 50 of the last hour; fewer than five
-- say nothing. The expected wait is the place times this.
create or replace function private.seconds_between_assignments()
returns double precision
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
begin
  return (
    select case when count(*) >= 5 then extract(epoch from v_now - min(s.assigned_at)) / count(*) end
    from (
      select a.assigned_at
      from public.chat_assignments a
      where a.assigned_at > v_now - interval '1 hour' and a.waiting_since is not null
      order by a.assigned_at desc
      limit 50
    ) s
  );
end
$$;

comment on function private.seconds_between_assignments() is 'Seconds between two assignments out of the queue of late; null below five samples.';
revoke execute on function private.seconds_between_assignments() from public, anon, authenticated, service_role;

create or replace function private.get_queue_position(p_chat_id uuid)
returns table ("position" bigint, expected_wait_seconds double precision)
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats := private.find_chat(p_chat_id);
  v_position bigint;
begin
  if v_chat.waiting_since is not null then
    select count(*) + 1 into v_position
    from public.chats c
    where c.chat_state = 'waiting_assignment'
      and (c.priority > v_chat.priority
        or (c.priority = v_chat.priority and (c.waiting_since, c.id) < (v_chat.waiting_since, v_chat.id)));
  end if;
  return query select v_position, v_position * private.seconds_between_assignments();
end
$$;

revoke execute on function private.get_queue_position(uuid) from public, anon;
grant execute on function private.get_queue_position(uuid) to authenticated, service_role;

create or replace function public.get_queue_position(p_chat_id uuid)
returns table ("position" bigint, expected_wait_seconds double precision)
language sql
volatile
security invoker
set search_path = ''
as $$ select * from private.get_queue_position(p_chat_id) $$;

comment on function public.get_queue_position(uuid) is 'One row: the chat''s place in the queue (1 is next; null when it is not in it) and the expected wait in seconds (null below five samples). Its customer, staff. Refuses chat_not_found.';
revoke execute on function public.get_queue_position(uuid) from public, anon;
grant execute on function public.get_queue_position(uuid) to authenticated, service_role;

-- Section 2 of the specification as queries. Constraints and triggers hold all of it; this is how an
-- admin, and every concurrent test, can see that they do. First what concerns single chats and their
-- holds, which costs little; then counts and numbers, for which all history is read.
create or replace function private.broken_holds()
returns table (invariant text, chat_id uuid, operator_id uuid, detail text)
language sql
stable
security definer
set search_path = ''
as $$
  select 'assigned_iff_holder', c.id, c.assigned_operator_id, c.chat_state
  from public.chats c
  where (c.chat_state = 'assigned') <> (c.assigned_operator_id is not null)
  union all
  select 'assigned_has_one_open_assignment', c.id, c.assigned_operator_id, count(a.id)::text
  from public.chats c
  left join public.chat_assignments a on a.chat_id = c.id and a.released_at is null and a.operator_id = c.assigned_operator_id
  where c.chat_state = 'assigned'
  group by c.id
  having count(a.id) <> 1
  union all
  select 'open_assignment_names_holder', a.chat_id, a.operator_id, c.chat_state
  from public.chat_assignments a
  join public.chats c on c.id = a.chat_id
  where a.open_chat_id is not null and a.operator_id is distinct from c.assigned_operator_id
  union all
  select 'waiting_reply_has_operator_replied_at', c.id, null, null
  from public.chats c
  where c.chat_state = 'waiting_real_user_reply' and c.operator_replied_at is null
  union all
  select 'waiting_is_in_queue', c.id, null, c.chat_state
  from public.chats c
  where (c.chat_state = 'waiting_assignment') <> (c.waiting_since is not null)
  union all
  select 'hold_has_activity', coalesce(c.id, a.chat_id), c.assigned_operator_id, null
  from (select * from public.chats h where h.chat_state = 'assigned') c
  full join public.operator_activity a on a.chat_id = c.id and a.operator_id = c.assigned_operator_id
  where c.id is null or a.chat_id is null
$$;

comment on function private.broken_holds() is 'What contradicts section 2 in a chat and its hold; no rows when all is well.';
revoke execute on function private.broken_holds() from public, anon, authenticated, service_role;

create or replace function private.broken_invariants()
returns table (invariant text, chat_id uuid, operator_id uuid, detail text)
language sql
stable
security definer
set search_path = ''
as $$
  select * from private.broken_holds()
  union all
  select 'held_is_counted', null, l.operator_id, format('counted %s, holds %s', l.held, count(c.id))
  from private.operator_load l
  left join public.chats c on c.assigned_operator_id = l.operator_id and c.chat_state = 'assigned'
  group by l.operator_id
  having l.held <> count(c.id)
  union all
  select 'within_capacity', null, o.id, format('holds %s of %s', l.held, l.capacity)
  from public.operators o
  left join private.operator_load l on l.operator_id = o.id
  where l.operator_id is null or l.held > l.capacity or l.capacity <> case when o.is_active then o.capacity else 0 end
  union all
  select 'seq_without_gaps', c.id, null, format('last_seq %s, %s messages up to %s', c.last_seq, count(m.id), max(m.seq))
  from public.chats c
  left join public.messages m on m.chat_id = c.id
  group by c.id
  having c.last_seq <> count(m.id) or c.last_seq <> coalesce(max(m.seq), 0)
  union all
  select 'history_ends_in_state', c.id, null, h.to_state
  from public.chats c
  left join lateral (
    select x.to_state from public.chat_history x where x.chat_id = c.id order by x.id desc limit 1
  ) h on true
  where h.to_state is distinct from c.chat_state
  union all
  select 'events_without_gaps', c.id, null, format('events %s to %s of %s, for the customer %s to %s of %s',
    e.first, e.last, c.event_seq, e.customer_first, e.customer_last, c.customer_event_seq)
  from public.chats c
  join (
    select
      x.chat_id, count(*) as count, min(x.event_seq) as first, max(x.event_seq) as last,
      count(x.customer_event_seq) as customer_count, min(x.customer_event_seq) as customer_first, max(x.customer_event_seq) as customer_last
    from private.events x
    where x.event_seq is not null
    group by x.chat_id
  ) e on e.chat_id = c.id
  where e.last <> c.event_seq or e.count <> e.last - e.first + 1
    or e.customer_last <> c.customer_event_seq or e.customer_count <> e.customer_last - e.customer_first + 1
$$;

comment on function private.broken_invariants() is 'What contradicts section 2; no rows when all is well. Reads every chat and message.';
revoke execute on function private.broken_invariants() from public, anon, authenticated, service_role;

create or replace function private.check_invariants()
returns table (invariant text, chat_id uuid, operator_id uuid, detail text)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  return query select b.* from private.broken_invariants() b;
end
$$;

revoke execute on function private.check_invariants() from public, anon;
grant execute on function private.check_invariants() to authenticated, service_role;

create or replace function public.check_invariants()
returns table (invariant text, chat_id uuid, operator_id uuid, detail text)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.check_invariants() $$;

comment on function public.check_invariants() is 'A row for each thing that contradicts the rules; none when they hold. Reads every chat and message. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.check_invariants() from public, anon;
grant execute on function public.check_invariants() to authenticated, service_role;

-- What can be told by looking at those chats alone that somebody waits in, or holds.
create or replace function private.overdue_chats(p_before timestamptz)
returns table (chat_id uuid, problem text)
language sql
stable
security definer
set search_path = ''
as $$
  select c.id, case c.chat_state when 'assigned' then 'assigned_too_long' else 'waiting_too_long' end
  from public.chats c
  where c.chat_state in ('waiting_assignment', 'assigned') and coalesce(c.waiting_since, c.assignment_time) <= p_before
  union all
  select c.id, 'holder_inactive'
  from public.chats c join public.operators o on o.id = c.assigned_operator_id
  where c.chat_state = 'assigned' and not o.is_active
$$;

comment on function private.overdue_chats(timestamptz) is 'Chats that have waited or been held since then or longer, and those whose holder is deactivated.';
revoke execute on function private.overdue_chats(timestamptz) from public, anon, authenticated, service_role;

create or replace function private.detect_stuck_chats(p_hours numeric)
returns table (
  chat_id uuid, chat_state text, since timestamptz, hours_in_state numeric,
  assigned_operator_id uuid, problem text
)
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_kind text := private.caller_kind();
  v_now timestamptz := private.now();
begin
  if p_hours is null or p_hours < 0 or p_hours > 1000000 then
    perform private.refuse('invalid_argument', 'p_hours is a number of hours.');
  end if;
  if v_kind not in ('service', 'admin', 'operator') then
    return;
  end if;
  return query
    with active as (
      select c.*, coalesce(c.waiting_since, c.assignment_time) as began
      from public.chats c
      where c.chat_state in ('waiting_assignment', 'assigned')
        and (v_kind <> 'operator' or c.assigned_operator_id = (select auth.uid()))
    ), found as (
      select o.chat_id as id, o.problem as what
      from private.overdue_chats(v_now - make_interval(secs => p_hours::double precision * 3600)) o
      union all
      select distinct a.id, 'invariant_broken'
      from active a join private.broken_holds() b on b.chat_id = a.id
    )
    select a.id, a.chat_state, a.began, round((extract(epoch from v_now - a.began) / 3600)::numeric, 3), a.assigned_operator_id, f.what
    from found f join active a on a.id = f.id
    order by a.began, a.id, f.what;
end
$$;

revoke execute on function private.detect_stuck_chats(numeric) from public, anon;
grant execute on function private.detect_stuck_chats(numeric) to authenticated, service_role;

create or replace function public.detect_stuck_chats(p_hours numeric default 1)
returns table (
  chat_id uuid, chat_state text, since timestamptz, hours_in_state numeric,
  assigned_operator_id uuid, problem text
)
language sql
volatile
security invoker
set search_path = ''
as $$ select * from private.detect_stuck_chats(p_hours) $$;

comment on function public.detect_stuck_chats(numeric) is 'Chats that are stuck: waiting_too_long, assigned_too_long, holder_inactive, invariant_broken. Admins and the service see all, an operator what he holds, others nothing. Refuses invalid_argument.';
revoke execute on function public.detect_stuck_chats(numeric) from public, anon;
grant execute on function public.detect_stuck_chats(numeric) to authenticated, service_role;

create or replace function private.can_see_numbers_of(p_operator_id uuid)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$ select private.is_service() or private.is_admin() or (private.is_operator() and p_operator_id = auth.uid()) $$;

comment on function private.can_see_numbers_of(uuid) is 'Whether the caller may see this operator''s numbers: admins and the service everyone''s, an operator his own.';
revoke execute on function private.can_see_numbers_of(uuid) from public, anon;
grant execute on function private.can_see_numbers_of(uuid) to authenticated, service_role;

-- The life of a row in chats. A function of the product and a plain update do the same thing: they
-- change the row; these trigger functions check the change against the table in section 2 of the
-- specification (sql/README.md), derive what depends on it, and write down what happened.

-- Why a change is made: functions say what kind of event it is before they write, and in a note what
-- the caller said about it; triggers act on the kind alone, so that nobody's words can pass for an
-- event. A plain write says nothing and is `sql`. Local to the transaction and undone with it.
create or replace function private.set_cause(p_kind text, p_note text default null)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform set_config('baton.kind', p_kind, true), set_config('baton.note', coalesce(p_note, ''), true);
end
$$;

comment on function private.set_cause(text, text) is 'Says what kind of event the next write to chats is, and what was said about it; set_cause('''') ends it.';
revoke execute on function private.set_cause(text, text) from public, anon, authenticated, service_role;

create or replace function private.tg_chats__derive_insert()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  new.created_at := coalesce(new.created_at, private.now());
  new.last_seq := 0;
  new.replied_seq := 0;
  new.let_go_by := null;
  new.event_seq := (new.assigned_operator_id is not null)::integer;  -- its assignment
  new.customer_event_seq := new.event_seq;
  if new.chat_state = 'waiting_assignment' then
    new.waiting_since := coalesce(new.waiting_since, new.created_at);
    new.owed_since := coalesce(new.owed_since, new.waiting_since);
  elsif new.assigned_operator_id is not null then
    new.owed_since := coalesce(new.owed_since, new.created_at);
    new.assignment_time := coalesce(new.assignment_time, private.now());
    new.last_operator_id := new.assigned_operator_id;
  end if;
  new.state_since := coalesce(new.state_since, new.assignment_time, new.waiting_since, new.operator_replied_at, new.created_at);
  return new;
end
$$;

comment on function private.tg_chats__derive_insert() is 'Fills the times of a new chat.';
revoke execute on function private.tg_chats__derive_insert() from public, anon, authenticated, service_role;

-- A hold that ends must leave the chat where its customer belongs: in the queue when he is owed a
-- reply, else with the ball in his court.
create or replace function private.check_hold_end(p_old public.chats, p_new public.chats)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if p_new.chat_state = 'waiting_assignment' and p_old.owed_since is null and p_old.operator_replied_at is not null then
    perform private.refuse('transition_refused', 'The customer is not owed a reply: the chat becomes waiting_real_user_reply.');
  elsif p_new.chat_state = 'waiting_real_user_reply' and p_old.owed_since is not null
    and p_new.operator_replied_at is not distinct from p_old.operator_replied_at
  then
    perform private.refuse('transition_refused', 'The customer is owed a reply: give operator_replied_at, or return the chat to waiting_assignment.');
  end if;
end
$$;

comment on function private.check_hold_end(public.chats, public.chats) is 'Refuses an end of a hold that forgets an owed reply (transition_refused).';
revoke execute on function private.check_hold_end(public.chats, public.chats) from public, anon, authenticated, service_role;

-- What messages derive in a chat, nobody writes by hand: a wrong number makes a gap, and a debt that is
-- taken away forgets a customer. Fires before the others, which derive these columns themselves.
create or replace function private.tg_chats__guard_derived()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if pg_trigger_depth() = 1
    and (new.last_seq, new.replied_seq, new.owed_since, new.let_go_by, new.event_seq, new.customer_event_seq)
      is distinct from (old.last_seq, old.replied_seq, old.owed_since, old.let_go_by, old.event_seq, old.customer_event_seq)
  then
    perform private.refuse('transition_refused', 'last_seq, replied_seq, owed_since, let_go_by and the numbers of events follow from messages and holds.');
  end if;
  return new;
end
$$;

comment on function private.tg_chats__guard_derived() is 'Refuses a direct write to what is derived in chats (transition_refused).';
revoke execute on function private.tg_chats__guard_derived() from public, anon, authenticated, service_role;

-- Runs when state or holder change. It looks at pairs of states alone: which event brought the change
-- (a message, a release, an admin) is the business of the functions. Fills only what follows; a row
-- whose state and holder contradict each other is left for the constraints to refuse.
create or replace function private.tg_chats__derive_update()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
  v_is_new_hold boolean := new.assigned_operator_id is not null
    and new.assigned_operator_id is distinct from old.assigned_operator_id;
  v_event text;
begin
  if new.chat_state = old.chat_state and new.assigned_operator_id is not distinct from old.assigned_operator_id then
    return new;
  end if;
  if old.chat_state = 'waiting_assignment' and new.chat_state = 'waiting_real_user_reply'
    or old.chat_state = 'completed' and new.chat_state in ('assigned', 'waiting_real_user_reply')
  then
    perform private.refuse('transition_refused', format('A chat does not go from %s to %s.', old.chat_state, new.chat_state));
  end if;
  if old.chat_state = 'assigned' and new.chat_state <> 'assigned' then
    perform private.check_hold_end(old, new);
  end if;

  new.state_since := v_now;
  new.assignment_time := case
    when v_is_new_hold and new.assignment_time is not distinct from old.assignment_time then v_now
    when new.assigned_operator_id is not null then new.assignment_time
  end;
  if v_is_new_hold then
    new.last_operator_id := new.assigned_operator_id;
    -- The place to come back to when he lets the chat go, also when somebody moved it in the queue.
    if old.owed_since is not null and old.waiting_since is not null then
      new.owed_since := old.waiting_since;
    end if;
  end if;
  if new.chat_state = 'waiting_assignment' then
    if old.chat_state <> 'waiting_assignment' then
      new.waiting_since := coalesce(new.waiting_since, new.owed_since, v_now);
      new.let_go_by := case when old.chat_state = 'assigned' then old.assigned_operator_id end;
    end if;
  else
    new.waiting_since := null;
    new.let_go_by := null;
  end if;
  if new.chat_state in ('waiting_real_user_reply', 'completed') then
    new.owed_since := null;
    new.replied_seq := new.last_seq;
  end if;

  -- The number of the event that _200_follow writes.
  v_event := private.chat_event(
    old.chat_state, new.chat_state, old.assigned_operator_id, new.assigned_operator_id,
    coalesce(nullif(current_setting('baton.kind', true), ''), 'sql')
  );
  if v_event is not null then
    new.event_seq := new.event_seq + 1;
    -- A customer who is answered by a persona does not learn that the person behind it has changed.
    if v_event not in ('chat.transferred', 'chat.reassigned')
      or old.assigned_operator_id is null or new.fictional_user_id is null
    then
      new.customer_event_seq := new.customer_event_seq + 1;
    end if;
  end if;
  return new;
end
$$;

comment on function private.tg_chats__derive_update() is 'Checks a change of state or holder (transition_refused) and fills what follows from it.';
revoke execute on function private.tg_chats__derive_update() from public, anon, authenticated, service_role;

-- Writes down what happened: the hold that began, ended or moved, the line of history, the event.
create or replace function private.tg_chats__follow()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_kind text := coalesce(nullif(current_setting('baton.kind', true), ''), 'sql');
  v_note text := nullif(current_setting('baton.note', true), '');
  -- Of a release and of an end, what was said is the reason, unless it would pass for another event.
  v_reason text := case
    when v_kind in ('manual', 'completed') and v_note not in (
      'replied', 'completed', 'manual', 'transferred', 'reassigned', 'idle', 'gone', 'deactivated', 'customer_idle',
      'auto', 'assigned', 'taken', 'created', 'reopened', 'real_user_wrote', 'sql'
    ) then v_note
    else v_kind
  end;
  v_from_state text;
  v_from_operator_id uuid;
  v_from_waiting_since timestamptz;
  v_event text := 'chat.created';  -- a signal, without a number
  v_is_for_customer boolean := new.customer_event_seq > 0;
begin
  if tg_op = 'UPDATE' then
    if new.chat_state = old.chat_state and new.assigned_operator_id is not distinct from old.assigned_operator_id then
      return null;
    end if;
    v_from_state := old.chat_state;
    v_from_operator_id := old.assigned_operator_id;
    v_from_waiting_since := old.waiting_since;
    -- Only such chats are ever put aside.
    if old.chat_state in ('assigned', 'waiting_real_user_reply') and new.chat_state <> 'waiting_real_user_reply' then
      perform private.end_snoozes(new.id);
    end if;
    -- As _100_derive_update has counted: a message in the same update counts for both.
    v_is_for_customer := new.customer_event_seq - old.customer_event_seq = new.event_seq - old.event_seq;
  end if;
  if new.assigned_operator_id is distinct from v_from_operator_id then
    if v_from_operator_id is not null then
      perform private.end_hold(new, v_reason, v_kind = 'replied');
    end if;
    if new.assigned_operator_id is not null then
      insert into public.chat_assignments (chat_id, operator_id, assigned_at, waiting_since)
      values (new.id, new.assigned_operator_id, new.assignment_time, v_from_waiting_since);
      insert into public.operator_activity (chat_id, operator_id, last_activity_at)
      values (new.id, new.assigned_operator_id, new.assignment_time);
    end if;
  end if;
  if tg_op = 'UPDATE' or new.assigned_operator_id is not null then
    v_event := private.chat_event(v_from_state, new.chat_state, v_from_operator_id, new.assigned_operator_id, v_kind);
  end if;
  with written as (
    insert into public.chat_history (chat_id, at, actor_id, from_state, to_state, operator_id, reason, note)
    values (
      new.id, new.state_since, case when v_kind <> 'auto' then auth.uid() end, v_from_state, new.chat_state,
      coalesce(new.assigned_operator_id, v_from_operator_id), v_reason, v_note
    )
    returning id
  )
  insert into private.events (chat_id, event_seq, customer_event_seq, event, history_id, person_id, from_person_id)
  select
    new.id,
    case when v_event <> 'chat.created' then new.event_seq end,
    case when v_is_for_customer then new.customer_event_seq end,
    v_event,
    w.id,
    coalesce(new.assigned_operator_id, v_from_operator_id),
    case when new.assigned_operator_id is not null then v_from_operator_id end
  from written w
  where v_event is not null;
  if new.chat_state = 'waiting_assignment' then
    perform private.note_side('q');
  end if;
  return null;
end
$$;

comment on function private.tg_chats__follow() is 'Keeps chat_assignments, operator_activity, chat_history and the events with the chat.';
revoke execute on function private.tg_chats__follow() from public, anon, authenticated, service_role;

create or replace function private.end_hold(p_chat public.chats, p_reason text, p_is_reply boolean)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_replied_at timestamptz := case when p_is_reply then p_chat.operator_replied_at end;
begin
  update public.chat_assignments a
  set released_at = p_chat.state_since,
      release_reason = p_reason,
      first_replied_at = coalesce(a.first_replied_at, v_replied_at),
      last_replied_at = coalesce(v_replied_at, a.last_replied_at)
  where a.open_chat_id = p_chat.id;
  delete from public.operator_activity a where a.chat_id = p_chat.id;
end
$$;

comment on function private.end_hold(public.chats, text, boolean) is 'Closes the chat''s open hold with this reason.';
revoke execute on function private.end_hold(public.chats, text, boolean) from public, anon, authenticated, service_role;

-- Moves the counters of hands by the net effect of a whole statement, in the order of operators: so
-- two full operators can swap chats in one statement, and no two statements wait for each other in a
-- circle. The operator is the leaf in the order of locks; by now the statement has all its chats.
create or replace function private.move_load(p_operator_id uuid, p_delta integer)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_is_free boolean;
begin
  update private.operator_load l
  set held = l.held + p_delta, free_since = private.now()
  where l.operator_id = p_operator_id and (p_delta <= 0 or l.held + p_delta <= l.capacity)
  returning l.is_auto and l.held < l.capacity into v_is_free;
  if found then
    if v_is_free then
      perform private.note_side('f');
    end if;
    return;
  end if;
  if exists (select from public.operators o where o.id = p_operator_id and not o.is_active) then
    perform private.refuse('operator_inactive');
  elsif exists (select from private.operator_load l where l.operator_id = p_operator_id) then
    perform private.refuse('operator_at_capacity');
  else
    perform private.refuse('operator_not_found');
  end if;
end
$$;

comment on function private.move_load(uuid, integer) is 'Adds to the chats an operator holds; refuses operator_at_capacity, operator_inactive, operator_not_found.';
revoke execute on function private.move_load(uuid, integer) from public, anon, authenticated, service_role;

create or replace function private.tg_chats__follow_load_insert()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.move_load(d.operator_id, d.delta)
  from (
    select n.assigned_operator_id as operator_id, count(*)::integer as delta
    from new_rows n
    where n.assigned_operator_id is not null
    group by n.assigned_operator_id
    order by n.assigned_operator_id
  ) d;
  return null;
end
$$;

comment on function private.tg_chats__follow_load_insert() is 'Counts the holds that came with new chats.';
revoke execute on function private.tg_chats__follow_load_insert() from public, anon, authenticated, service_role;

create or replace function private.tg_chats__follow_load_update()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_operator record;
  v_is_idle boolean := coalesce(current_setting('baton.kind', true), '') = 'idle';
begin
  for v_operator in
    select d.operator_id, sum(d.delta)::integer as delta, count(*) filter (where d.delta < 0 and d.is_change)::integer as ended
    from (
      select o.assigned_operator_id as operator_id, -1 as delta, n.assigned_operator_id is distinct from o.assigned_operator_id as is_change
      from old_rows o join new_rows n using (id)
      where o.assigned_operator_id is not null
      union all
      select n.assigned_operator_id, 1, false from new_rows n where n.assigned_operator_id is not null
    ) d
    group by d.operator_id
    having sum(d.delta) <> 0
    order by d.operator_id
  loop
    perform private.move_load(v_operator.operator_id, v_operator.delta);
    if v_is_idle then
      perform private.add_stats(v_operator.operator_id, private.now(), p_idle_incidents => v_operator.ended);
    end if;
  end loop;
  return null;
end
$$;

comment on function private.tg_chats__follow_load_update() is 'Moves the operators'' counters by the net effect of the statement and counts idle incidents.';
revoke execute on function private.tg_chats__follow_load_update() from public, anon, authenticated, service_role;

create or replace function private.tg_chats__follow_load_delete()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.move_load(d.operator_id, d.delta)
  from (
    select o.assigned_operator_id as operator_id, -count(*)::integer as delta
    from old_rows o
    where o.assigned_operator_id is not null
    group by o.assigned_operator_id
    order by o.assigned_operator_id
  ) d;
  return null;
end
$$;

comment on function private.tg_chats__follow_load_delete() is 'Frees the hands that held deleted chats.';
revoke execute on function private.tg_chats__follow_load_delete() from public, anon, authenticated, service_role;

create or replace function private.add_stats(
  p_operator_id uuid,
  p_at timestamptz,
  p_messages_sent integer default 0,
  p_chats_handled integer default 0,
  p_idle_incidents integer default 0
)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  insert into public.operator_stats as s (operator_id, date, messages_sent, chats_handled, idle_incidents)
  values (p_operator_id, private.local_date(p_at), p_messages_sent, p_chats_handled, p_idle_incidents)
  on conflict (operator_id, date) do update set
    messages_sent = s.messages_sent + excluded.messages_sent,
    chats_handled = s.chats_handled + excluded.chats_handled,
    idle_incidents = s.idle_incidents + excluded.idle_incidents;
end
$$;

comment on function private.add_stats(uuid, timestamptz, integer, integer, integer) is 'Adds to the operator''s row of that day.';
revoke execute on function private.add_stats(uuid, timestamptz, integer, integer, integer) from public, anon, authenticated, service_role;

-- What is derived is written by triggers and by nobody else, the owner included: the triggers that
-- call this fire for a direct write only (`when (pg_trigger_depth() = 0)`), not for one that comes out
-- of a trigger, which a cascade from a deleted chat does too.
create or replace function private.tg_refuse_direct_write()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.refuse('transition_refused', format('%s follows from chats: write there.', tg_table_name));
  return null;
end
$$;

comment on function private.tg_refuse_direct_write() is 'Refuses a write to a derived table (transition_refused).';
revoke execute on function private.tg_refuse_direct_write() from public, anon, authenticated, service_role;

create or replace function private.tg_refuse_rewrite()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.refuse('transition_refused', format('%s is never rewritten.', tg_table_name));
  return null;
end
$$;

comment on function private.tg_refuse_rewrite() is 'Refuses every update of the table (transition_refused).';
revoke execute on function private.tg_refuse_rewrite() from public, anon, authenticated, service_role;

create or replace function private.tg_refuse_truncate()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.refuse('transition_refused', format('%s is never emptied as a whole; delete chats or customers instead.', tg_table_name));
  return null;
end
$$;

comment on function private.tg_refuse_truncate() is 'Refuses truncate (transition_refused): it would leave counters and history behind.';
revoke execute on function private.tg_refuse_truncate() from public, anon, authenticated, service_role;

-- By the end of the transaction an open hold is its chat's holder's.
create or replace function private.tg_chat_assignments__match_holder()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if exists (
    select from public.chat_assignments a
    join public.chats c on c.id = a.chat_id
    where a.id = new.id and a.released_at is null and c.assigned_operator_id is distinct from a.operator_id
  ) then
    raise check_violation using
      message = 'An open assignment must name the holder of its chat.',
      constraint = 'chat_assignments_open_matches_holder';
  end if;
  return null;
end
$$;

comment on function private.tg_chat_assignments__match_holder() is 'Refuses, at commit, an open assignment whose operator does not hold the chat.';
revoke execute on function private.tg_chat_assignments__match_holder() from public, anon, authenticated, service_role;

create or replace function private.get_chat(p_chat_id uuid)
returns public.chats
language sql
stable
security definer
set search_path = ''
as $$ select private.masked(private.find_chat(p_chat_id)) $$;

revoke execute on function private.get_chat(uuid) from public, anon;
grant execute on function private.get_chat(uuid) to authenticated, service_role;

create or replace function public.get_chat(p_chat_id uuid)
returns public.chats
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_chat(p_chat_id) $$;

comment on function public.get_chat(uuid) is 'One chat that the caller may see; staff-only columns are null for a customer. Refuses chat_not_found.';
revoke execute on function public.get_chat(uuid) from public, anon;
grant execute on function public.get_chat(uuid) to authenticated, service_role;

-- One query a kind of caller, and for an operator two: each can use an index of its own, where one
-- query for all could not. Whoever holds a chat has a row in chat_assignments.
create or replace function private.list_chats(p_chat_state text, p_cursor uuid, p_limit integer)
returns setof public.chats
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_kind text := private.caller_kind();
  v_from timestamptz;
begin
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 200.');
  end if;
  if p_cursor is not null then
    v_from := (private.find_chat(p_cursor)).created_at;
  end if;
  if v_kind in ('service', 'admin') then
    return query
      select c.* from public.chats c
      where (p_chat_state is null or c.chat_state = p_chat_state)
        and (v_from is null or (c.created_at, c.id) < (v_from, p_cursor))
      order by c.created_at desc, c.id desc
      limit p_limit;
  elsif v_kind = 'operator' then
    return query
      (
        select c.* from public.chats c
        where c.chat_state = 'waiting_assignment'
          and (p_chat_state is null or c.chat_state = p_chat_state)
          and (v_from is null or (c.created_at, c.id) < (v_from, p_cursor))
        order by c.created_at desc, c.id desc
        limit p_limit
      )
      union all
      (
        select c.* from public.chats c
        where c.id in (select a.chat_id from public.chat_assignments a where a.operator_id = (select auth.uid()))
          and c.chat_state <> 'waiting_assignment'
          and (p_chat_state is null or c.chat_state = p_chat_state)
          and (v_from is null or (c.created_at, c.id) < (v_from, p_cursor))
        order by c.created_at desc, c.id desc
        limit p_limit
      )
      order by created_at desc, id desc
      limit p_limit;
  else
    return query
      select m.* from public.chats c
      cross join lateral private.masked(c) m
      where c.real_user_id = (select auth.uid())
        and (p_chat_state is null or c.chat_state = p_chat_state)
        and (v_from is null or (c.created_at, c.id) < (v_from, p_cursor))
      order by c.created_at desc, c.id desc
      limit p_limit;
  end if;
end
$$;

revoke execute on function private.list_chats(text, uuid, integer) from public, anon;
grant execute on function private.list_chats(text, uuid, integer) to authenticated, service_role;

create or replace function public.list_chats(p_chat_state text default null, p_cursor uuid default null, p_limit integer default 50)
returns setof public.chats
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_chats(p_chat_state, p_cursor, p_limit) $$;

comment on function public.list_chats(text, uuid, integer) is 'The chats that the caller may see, newest first; p_cursor: the id of the last one of the page before. At most 200. Refuses invalid_argument, chat_not_found (of the cursor).';
revoke execute on function public.list_chats(text, uuid, integer) from public, anon;
grant execute on function public.list_chats(text, uuid, integer) to authenticated, service_role;

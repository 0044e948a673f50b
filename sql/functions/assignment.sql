-- The rule of assignment: the highest priority, then the longest wait, that the asker was not the
-- last to handle; his own only when nothing else waits. Nobody waits for a chat that somebody else
-- is taking: candidates are locked with skip locked.
--
-- The rule costs the same however long the queue is. Usually the answer is among the first chats of
-- the queue. When all of those were last handled by the asker, the best of the rest is the best
-- among the first chats of each other handler, each one probe of idx_chats_last_operator.

-- The first p_limit waiting chats that the operator was not the last to handle, in their order.
create or replace function private.foreign_candidates(p_operator_id uuid, p_limit integer)
returns table (id uuid, priority integer, waiting_since timestamptz)
language sql
stable
security definer
set search_path = ''
as $$
  select h.id, h.priority, h.waiting_since
  from public.operators o
  cross join lateral (
    select c.id, c.priority, c.waiting_since
    from public.chats c
    where c.chat_state = 'waiting_assignment' and c.last_operator_id = o.id
    order by c.priority desc, c.waiting_since, c.id
    limit p_limit
  ) h
  where o.id <> p_operator_id
  union all (
    select c.id, c.priority, c.waiting_since
    from public.chats c
    where c.chat_state = 'waiting_assignment' and c.last_operator_id is null
    -- The column that is null all over leads the order, or the planner sees no use for the index.
    order by c.last_operator_id, c.priority desc, c.waiting_since, c.id
    limit p_limit
  )
  order by priority desc, waiting_since, id
  limit p_limit
$$;

comment on function private.foreign_candidates(uuid, integer) is 'The head of the queue without the chats that this operator was the last to handle.';
revoke execute on function private.foreign_candidates(uuid, integer) from public, anon, authenticated, service_role;

-- Locks a candidate, unless somebody else has it or it is no candidate any more. One at a time and
-- by its key, so that no plan can turn the head of the queue into a walk through all of it.
create or replace function private.try_lock_waiting(p_chat_id uuid)
returns boolean
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform from public.chats c
  where c.id = p_chat_id and c.chat_state = 'waiting_assignment'
  for no key update skip locked;
  return found;
end
$$;

comment on function private.try_lock_waiting(uuid) is 'Locks a chat that still waits; false when it does not, or is locked.';
revoke execute on function private.try_lock_waiting(uuid) from public, anon, authenticated, service_role;

-- Locks and returns the next chat that the operator was not the last to handle.
create or replace function private.pick_foreign_chat(p_operator_id uuid)
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat_id uuid;
  v_is_waiting boolean := false;
  v_limit integer;
  v_count integer;
begin
  for v_chat_id in
    select case when h.last_operator_id is distinct from p_operator_id then h.id end
    from (
      select w.id, w.last_operator_id
      from public.chats w
      where w.chat_state = 'waiting_assignment'
      order by w.priority desc, w.waiting_since, w.id
      limit 64
    ) h
  loop
    v_is_waiting := true;
    if v_chat_id is not null and private.try_lock_waiting(v_chat_id) then
      return v_chat_id;
    end if;
  end loop;
  if v_is_waiting then
    -- Few as a rule; more only while all of them are locked.
    foreach v_limit in array array[1, 8, 64, 512] loop
      v_count := 0;
      for v_chat_id in select f.id from private.foreign_candidates(p_operator_id, v_limit) f loop
        v_count := v_count + 1;
        if private.try_lock_waiting(v_chat_id) then
          return v_chat_id;
        end if;
      end loop;
      exit when v_count < v_limit;
    end loop;
  end if;
  return null;
end
$$;

comment on function private.pick_foreign_chat(uuid) is 'The id of the next chat that this operator was not the last to handle, locked; null when none is to be had at once.';
revoke execute on function private.pick_foreign_chat(uuid) from public, anon, authenticated, service_role;

-- His own, which comes only when nothing else waits: also not while something else is merely locked,
-- because a customer is writing in it or somebody is taking it. p_is_unasked: automatic assignment,
-- which never gives a chat back to the one who let it go.
create or replace function private.pick_own_chat(p_operator_id uuid, p_is_unasked boolean)
returns uuid
language sql
volatile
security definer
set search_path = ''
as $$
  select c.id
  from public.chats c
  where c.chat_state = 'waiting_assignment' and c.last_operator_id = p_operator_id
    and not (p_is_unasked and c.let_go_by is not distinct from p_operator_id)
  order by c.priority desc, c.waiting_since, c.id
  limit 1
  for no key update skip locked
$$;

comment on function private.pick_own_chat(uuid, boolean) is 'The id of the next chat that this operator was the last to handle, locked; null when none is to be had at once.';
revoke execute on function private.pick_own_chat(uuid, boolean) from public, anon, authenticated, service_role;

create or replace function private.is_anything_waiting()
returns boolean
language sql
stable
security definer
set search_path = ''
as $$ select exists (select from public.chats c where c.chat_state = 'waiting_assignment') $$;

comment on function private.is_anything_waiting() is 'Whether any chat waits, locked or not.';
revoke execute on function private.is_anything_waiting() from public, anon, authenticated, service_role;

-- Begins or moves the hold of a chat that the caller has locked. Triggers do the rest.
create or replace function private.give_chat(p_chat_id uuid, p_operator_id uuid, p_reason text, p_note text default null)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  perform private.set_cause(p_reason, p_note);
  update public.chats c
  set chat_state = 'assigned', assigned_operator_id = p_operator_id
  where c.id = p_chat_id
  returning c.* into v_chat;
  perform private.set_cause('');
  return v_chat;
end
$$;

comment on function private.give_chat(uuid, uuid, text, text) is 'Makes the operator the holder of a locked chat. Refuses operator_at_capacity, operator_inactive, operator_not_found, transition_refused.';
revoke execute on function private.give_chat(uuid, uuid, text, text) from public, anon, authenticated, service_role;

create or replace function private.require_active_operator(p_operator_id uuid)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_is_active boolean;
begin
  select o.is_active into v_is_active from public.operators o where o.id = p_operator_id;
  if v_is_active is null then
    perform private.refuse('operator_not_found');
  elsif not v_is_active then
    perform private.refuse('operator_inactive');
  end if;
end
$$;

comment on function private.require_active_operator(uuid) is 'Refuses an operator who cannot be given a chat: operator_not_found, operator_inactive.';
revoke execute on function private.require_active_operator(uuid) from public, anon, authenticated, service_role;

-- Who asks for a chat, asks for himself; admins and the service may ask for anyone.
create or replace function private.require_asker(p_operator_id uuid)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  if not private.is_service() and private.require_operator() is distinct from p_operator_id and not private.is_admin() then
    perform private.refuse('not_allowed', 'Operators ask for themselves.');
  end if;
  perform private.require_active_operator(p_operator_id);
end
$$;

comment on function private.require_asker(uuid) is 'Refuses one who may not ask for this operator, or an operator who may not work: not_signed_in, not_allowed, operator_not_found, operator_inactive.';
revoke execute on function private.require_asker(uuid) from public, anon, authenticated, service_role;

-- Locks the operator's hands first: from here on the transaction takes chats with skip locked only.
create or replace function private.assign_chat_to_operator(p_operator_id uuid)
returns setof public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat_id uuid;
begin
  perform private.require_asker(p_operator_id);
  perform from private.operator_load l where l.operator_id = p_operator_id and l.held < l.capacity for no key update;
  if not found then
    perform private.refuse('operator_at_capacity');
  end if;
  -- A chat may be locked only because its customer is just writing. That takes milliseconds: look
  -- again for a quarter of a second before turning to his own, or saying that nothing waits.
  for v_attempt in 1..50 loop
    v_chat_id := private.pick_foreign_chat(p_operator_id);
    exit when v_chat_id is not null or not exists (select from private.foreign_candidates(p_operator_id, 1));
    perform pg_sleep(0.005);
  end loop;
  for v_attempt in 1..50 loop
    v_chat_id := coalesce(v_chat_id, private.pick_own_chat(p_operator_id, false));
    exit when v_chat_id is not null or not private.is_anything_waiting();
    perform pg_sleep(0.005);
  end loop;
  if v_chat_id is not null then
    return next private.give_chat(v_chat_id, p_operator_id, 'assigned');
  else
    -- Whoever brought a chat meanwhile has passed over these locked hands: have them looked at again at commit.
    update private.operator_load l set held = l.held where l.operator_id = p_operator_id and l.is_auto;
  end if;
end
$$;

revoke execute on function private.assign_chat_to_operator(uuid) from public, anon;
grant execute on function private.assign_chat_to_operator(uuid) to authenticated, service_role;

create or replace function public.assign_chat_to_operator(p_operator_id uuid)
returns setof public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select * from private.assign_chat_to_operator(p_operator_id) $$;

comment on function public.assign_chat_to_operator(uuid) is 'Gives the operator the next waiting chat, which it returns, or no row when nothing waits. Operators ask for themselves. Refuses: not_signed_in, not_allowed, operator_not_found, operator_inactive, operator_at_capacity.';
revoke execute on function public.assign_chat_to_operator(uuid) from public, anon;
grant execute on function public.assign_chat_to_operator(uuid) to authenticated, service_role;

create or replace function private.take_chat(p_chat_id uuid)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid := private.require_operator();
  v_chat public.chats;
begin
  if not private.setting('allow_take')::boolean then
    perform private.refuse('not_allowed', 'The queue is served in its order: ask for the next chat. An admin can switch allow_take on.');
  end if;
  v_chat := private.lock_chat(p_chat_id);
  if v_chat.chat_state = 'completed' then
    perform private.refuse('chat_completed');
  elsif v_chat.chat_state <> 'waiting_assignment' then
    perform private.refuse('chat_not_waiting');
  end if;
  return private.give_chat(p_chat_id, v_operator_id, 'taken');
end
$$;

revoke execute on function private.take_chat(uuid) from public, anon;
grant execute on function private.take_chat(uuid) to authenticated, service_role;

create or replace function public.take_chat(p_chat_id uuid)
returns public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select private.take_chat(p_chat_id) $$;

comment on function public.take_chat(uuid) is 'The operator takes a chosen waiting chat, where the setting allow_take is on. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, chat_completed, chat_not_waiting, operator_at_capacity.';
revoke execute on function public.take_chat(uuid) from public, anon;
grant execute on function public.take_chat(uuid) to authenticated, service_role;

create or replace function private.explain_candidate(p_load private.operator_load, p_chat public.chats)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return case
    when p_load.held >= p_load.capacity then format('his hands are full (%s of %s)', p_load.held, p_load.capacity)
    when p_chat.last_operator_id = p_load.operator_id then 'he was the last to handle it: only when nothing else waits'
    else format('priority %s, waiting since %s', p_chat.priority, p_chat.waiting_since)
  end;
end
$$;

comment on function private.explain_candidate(private.operator_load, public.chats) is 'Why this chat stands where it stands among the operator''s candidates.';
revoke execute on function private.explain_candidate(private.operator_load, public.chats) from public, anon, authenticated, service_role;

create or replace function private.explain_assignment(p_operator_id uuid)
returns table (rank bigint, chat_id uuid, priority integer, waiting_since timestamptz, last_operator_id uuid, decision text, reason text)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_load private.operator_load;
begin
  perform private.require_asker(p_operator_id);
  select l.* into v_load from private.operator_load l where l.operator_id = p_operator_id;
  return query
    with candidates as (
      select false as is_own, f.id from private.foreign_candidates(p_operator_id, 50) f
      union all
      (
        select true, c.id
        from public.chats c
        where c.chat_state = 'waiting_assignment' and c.last_operator_id = p_operator_id
        order by c.priority desc, c.waiting_since, c.id
        limit 50
      )
    ), ranked as (
      select row_number() over (order by n.is_own, c.priority desc, c.waiting_since, c.id) as position, c as chat
      from candidates n join public.chats c on c.id = n.id
    )
    select
      r.position, (r.chat).id, (r.chat).priority, (r.chat).waiting_since, (r.chat).last_operator_id,
      case when v_load.held >= v_load.capacity then 'refused' when r.position = 1 then 'next' else 'later' end,
      private.explain_candidate(v_load, r.chat)
    from ranked r
    order by r.position
    limit 50;
end
$$;

revoke execute on function private.explain_assignment(uuid) from public, anon;
grant execute on function private.explain_assignment(uuid) to authenticated, service_role;

create or replace function public.explain_assignment(p_operator_id uuid)
returns table (rank bigint, chat_id uuid, priority integer, waiting_since timestamptz, last_operator_id uuid, decision text, reason text)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.explain_assignment(p_operator_id) $$;

comment on function public.explain_assignment(uuid) is 'The first 50 candidates for this operator as of now, best first; decision: next, later, or refused (hands full). Himself, admins, the service. Refuses: not_signed_in, not_allowed, operator_not_found, operator_inactive.';
revoke execute on function public.explain_assignment(uuid) from public, anon;
grant execute on function public.explain_assignment(uuid) to authenticated, service_role;

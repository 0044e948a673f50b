-- Automatic assignment, in the same commit that made it possible.
--
-- Two sides bring it about: a chat is brought to the queue, or a hand is free in a row that the
-- transaction has locked (it became free, or one of several was filled). Each runs at the very
-- end of its transaction (deferred constraint triggers), when all other locks are taken, and looks
-- for its counterpart. When two such transactions overlap, neither sees the other's uncommitted
-- half, and both would find nothing. So whoever finds nothing takes the gate, a table lock: the
-- modes of the two sides exclude each other and last until commit, so that the second one waits for
-- the first, and its second look sees what the first committed. Transactions of the same side pass
-- together. Measured: without the gate every such overlap is lost until the sweep.

-- Which sides this transaction is on, gathered before any of it is dispatched: one that is on both
-- must ask for the stronger lock at once, since two upgrades would deadlock.
create or replace function private.note_side(p_side text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if position(p_side in coalesce(current_setting('baton.sides', true), '')) = 0 then
    perform set_config('baton.sides', coalesce(current_setting('baton.sides', true), '') || p_side, true);
  end if;
end
$$;

comment on function private.note_side(text) is 'Notes that this transaction brings a chat (q) or frees a hand (f).';
revoke execute on function private.note_side(text) from public, anon, authenticated, service_role;

-- Waits until no transaction of the other side is between its look and its commit.
--
-- Not for ever: in a random load two commits were once seen to deadlock here. The likely cause, which
-- was not reproduced: with `skip locked` Postgres may still wait when it follows a row to its newer
-- version, and one that waits so behind the gate, for a chat of one that waits before it, closes the
-- circle. The wait ends before deadlock_timeout. A transaction that passed on one side and then finds itself on both does not wait at all for the
-- stronger lock, which another such one would too. What is missed then is left to the sweep.
create or replace function private.pass_gate()
returns void
language plpgsql
volatile
security definer
set search_path = ''
set lock_timeout = '800ms'
as $$
declare
  v_sides text := coalesce(current_setting('baton.sides', true), '');
  v_passed text := coalesce(current_setting('baton.passed', true), '');
begin
  perform set_config('baton.passed', v_sides, true);
  begin
    if v_passed = '' and v_sides = 'q' then
      lock table private.gate in share mode;
    elsif v_passed = '' and v_sides = 'f' then
      lock table private.gate in row exclusive mode;
    elsif v_passed = '' then
      lock table private.gate in share row exclusive mode;
    elsif v_passed <> v_sides then
      lock table private.gate in share row exclusive mode nowait;
    end if;
  exception when lock_not_available then
    null;
  end;
end
$$;

comment on function private.pass_gate() is 'Keeps the two sides of automatic assignment from missing each other.';
revoke execute on function private.pass_gate() from public, anon, authenticated, service_role;

-- A free hand that looks for a chat passes over one that is locked. Whoever has locked a waiting chat
-- without changing it therefore writes it as it is, so that it is offered again at his commit.
create or replace function private.touch_waiting(p_chat_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  update public.chats c set last_seq = c.last_seq where c.id = p_chat_id and c.chat_state = 'waiting_assignment';
end
$$;

comment on function private.touch_waiting(uuid) is 'Lets a locked chat be offered again at commit if it waits.';
revoke execute on function private.touch_waiting(uuid) from public, anon, authenticated, service_role;

-- To one who was not its last handler, among them to whoever has been free longest; never back to
-- the one who just let it go. The chat is locked by this transaction.
create or replace function private.offer_chat(p_chat public.chats)
returns boolean
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid;
begin
  select l.operator_id into v_operator_id
  from private.operator_load l
  where l.is_auto and l.held < l.capacity and l.operator_id is distinct from p_chat.let_go_by
  order by (l.operator_id is not distinct from p_chat.last_operator_id), l.free_since, l.operator_id
  limit 1
  for no key update skip locked;
  if v_operator_id is null then
    return false;
  end if;
  perform private.give_chat(p_chat.id, v_operator_id, 'auto');
  return true;
end
$$;

comment on function private.offer_chat(public.chats) is 'Gives a locked waiting chat to a free operator with auto_assign; false when there is none.';
revoke execute on function private.offer_chat(public.chats) from public, anon, authenticated, service_role;

create or replace function private.has_free_hand(p_operator_id uuid)
returns boolean
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  return exists (select from private.operator_load l where l.operator_id = p_operator_id and l.is_auto and l.held < l.capacity);
end
$$;

comment on function private.has_free_hand(uuid) is 'Whether automatic assignment may give this operator a chat.';
revoke execute on function private.has_free_hand(uuid) from public, anon, authenticated, service_role;

-- Fills the free hands of an operator with auto_assign, whose row is locked by this transaction.
create or replace function private.fill_hands(p_operator_id uuid)
returns integer
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat_id uuid;
  v_count integer := 0;
begin
  while private.has_free_hand(p_operator_id) loop
    v_chat_id := private.pick_foreign_chat(p_operator_id);
    if v_chat_id is null and not exists (select from private.foreign_candidates(p_operator_id, 1)) then
      v_chat_id := private.pick_own_chat(p_operator_id, true);
    end if;
    exit when v_chat_id is null;
    perform private.give_chat(v_chat_id, p_operator_id, 'auto');
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$$;

comment on function private.fill_hands(uuid) is 'Gives waiting chats to an operator with auto_assign until his hands are full or nothing is left; returns how many.';
revoke execute on function private.fill_hands(uuid) from public, anon, authenticated, service_role;

-- At commit, for a chat that this transaction brought or wrote in.
create or replace function private.tg_chats__dispatch()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  select c.* into v_chat from public.chats c where c.id = new.id and c.chat_state = 'waiting_assignment';
  if v_chat.id is null or private.offer_chat(v_chat) then
    return null;
  end if;
  perform private.note_side('q');
  perform private.pass_gate();
  perform private.offer_chat(v_chat);
  return null;
end
$$;

comment on function private.tg_chats__dispatch() is 'At commit, offers a chat that entered the queue to the free operators with auto_assign.';
revoke execute on function private.tg_chats__dispatch() from public, anon, authenticated, service_role;

-- At commit, for an operator whose hands this transaction freed.
create or replace function private.tg_operator_load__dispatch()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.fill_hands(new.operator_id);
  if private.has_free_hand(new.operator_id) then
    perform private.note_side('f');
    perform private.pass_gate();
    perform private.fill_hands(new.operator_id);
  end if;
  return null;
end
$$;

comment on function private.tg_operator_load__dispatch() is 'At commit, fills the hands of an operator with auto_assign.';
revoke execute on function private.tg_operator_load__dispatch() from public, anon, authenticated, service_role;

-- What a crash or a REPEATABLE READ caller left behind. First by chat, for the rule says to whom a
-- chat goes; then by operator, who finds his next one however deep it lies.
create or replace function private.run_assignment_sweep()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
  v_operator record;
  v_count bigint := 0;
begin
  if not exists (select from private.operator_load l where l.is_auto and l.held < l.capacity) then
    return 0;
  end if;
  for v_chat in
    select w.* from public.chats w
    where w.chat_state = 'waiting_assignment'
    order by w.priority desc, w.waiting_since, w.id
    limit 64
  loop
    if private.try_lock_waiting(v_chat.id) then
      v_count := v_count + private.offer_chat(v_chat)::integer;
    end if;
  end loop;
  for v_operator in
    select l.operator_id from private.operator_load l
    where l.is_auto and l.held < l.capacity
    order by l.free_since
    for no key update skip locked
  loop
    v_count := v_count + private.fill_hands(v_operator.operator_id);
  end loop;
  return v_count;
end
$$;

comment on function private.run_assignment_sweep() is 'Gives waiting chats to free operators with auto_assign that the commit missed; returns how many. A job of the service.';
revoke execute on function private.run_assignment_sweep() from public, anon, authenticated;
grant execute on function private.run_assignment_sweep() to service_role;

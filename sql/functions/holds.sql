-- How a hold ends or moves: handed back, transferred, reassigned, completed, idle.

create or replace function private.require_holder(p_chat public.chats, p_operator_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if p_chat.assigned_operator_id = p_operator_id then
    return;
  elsif p_chat.chat_state = 'completed' then
    perform private.refuse('chat_completed');
  elsif p_chat.assigned_operator_id is null then
    perform private.refuse('chat_not_assigned');
  else
    perform private.refuse('not_the_holder');
  end if;
end
$$;

comment on function private.require_holder(public.chats, uuid) is 'Refuses an operator who does not hold the chat: chat_completed, chat_not_assigned, not_the_holder.';
revoke execute on function private.require_holder(public.chats, uuid) from public, anon, authenticated, service_role;

create or replace function private.check_reason(p_reason text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if char_length(p_reason) > 500 then
    perform private.refuse('content_too_long');
  end if;
end
$$;

comment on function private.check_reason(text) is 'Refuses a reason of more than 500 characters (content_too_long).';
revoke execute on function private.check_reason(text) from public, anon, authenticated, service_role;

-- Ends the holds of chats that the caller has locked, in one statement: the operators' counters then
-- move once, in their order. Whoever is owed a reply goes back to his old place in the queue.
create or replace function private.release_chats(p_chat_ids uuid[], p_kind text, p_note text default null)
returns setof public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform private.set_cause(p_kind, p_note);
  return query
    update public.chats c
    set chat_state = case
          when c.owed_since is null and c.operator_replied_at is not null then 'waiting_real_user_reply'
          else 'waiting_assignment'
        end,
        assigned_operator_id = null
    where c.id = any (p_chat_ids) and c.chat_state = 'assigned'
    returning c.*;
  perform private.set_cause('');
end
$$;

comment on function private.release_chats(uuid[], text, text) is 'Ends the holds of locked chats; returns the chats.';
revoke execute on function private.release_chats(uuid[], text, text) from public, anon, authenticated, service_role;

create or replace function private.release_and_reassign_chat(p_chat_id uuid, p_reason text)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_kind text := private.caller_kind();
  -- A job elsewhere may say that it found the hold idle; from anyone else it is a word like any other.
  v_kind text := case when v_caller_kind = 'service' and p_reason = 'idle' then 'idle' else 'manual' end;
  v_chat public.chats;
begin
  perform private.require_staff();
  perform private.check_reason(p_reason);
  v_chat := private.lock_chat(p_chat_id);
  perform private.require_holder(
    v_chat,
    case when v_caller_kind in ('admin', 'service') then v_chat.assigned_operator_id else auth.uid() end
  );
  select r.* into v_chat from private.release_chats(array[p_chat_id], v_kind, p_reason) r;
  return v_chat;
end
$$;

revoke execute on function private.release_and_reassign_chat(uuid, text) from public, anon;
grant execute on function private.release_and_reassign_chat(uuid, text) to authenticated, service_role;

create or replace function public.release_and_reassign_chat(p_chat_id uuid, p_reason text)
returns public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select private.release_and_reassign_chat(p_chat_id, p_reason) $$;

comment on function public.release_and_reassign_chat(uuid, text) is 'Hands a chat back: to its old place in the queue if its customer is owed a reply, else it waits for him. Null as the reason: manual. Holder, admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, chat_not_assigned, chat_completed, not_the_holder, content_too_long.';
revoke execute on function public.release_and_reassign_chat(uuid, text) from public, anon;
grant execute on function public.release_and_reassign_chat(uuid, text) to authenticated, service_role;

create or replace function private.transfer_chat(p_chat_id uuid, p_operator_id uuid, p_reason text)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_operator();
  v_chat public.chats;
begin
  perform private.check_reason(p_reason);
  v_chat := private.lock_chat(p_chat_id);
  perform private.require_holder(v_chat, v_caller_id);
  perform private.require_active_operator(p_operator_id);
  if p_operator_id = v_caller_id then
    perform private.refuse('transition_refused', 'You hold it already.');
  end if;
  return private.give_chat(p_chat_id, p_operator_id, 'transferred', p_reason);
end
$$;

revoke execute on function private.transfer_chat(uuid, uuid, text) from public, anon;
grant execute on function private.transfer_chat(uuid, uuid, text) to authenticated, service_role;

create or replace function public.transfer_chat(p_chat_id uuid, p_operator_id uuid, p_reason text default null)
returns public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select private.transfer_chat(p_chat_id, p_operator_id, p_reason) $$;

comment on function public.transfer_chat(uuid, uuid, text) is 'The holder hands his chat to another operator in one step. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, chat_not_assigned, chat_completed, not_the_holder, operator_not_found, operator_at_capacity, transition_refused (to himself), content_too_long.';
revoke execute on function public.transfer_chat(uuid, uuid, text) from public, anon;
grant execute on function public.transfer_chat(uuid, uuid, text) to authenticated, service_role;

create or replace function private.reassign_chat(p_chat_id uuid, p_operator_id uuid, p_reason text)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  perform private.require_admin();
  perform private.check_reason(p_reason);
  v_chat := private.lock_chat(p_chat_id);
  perform private.require_active_operator(p_operator_id);
  if v_chat.chat_state = 'completed' then
    perform private.refuse('chat_completed');
  elsif v_chat.assigned_operator_id = p_operator_id then
    return v_chat;
  end if;
  return private.give_chat(p_chat_id, p_operator_id, 'reassigned', p_reason);
end
$$;

revoke execute on function private.reassign_chat(uuid, uuid, text) from public, anon;
grant execute on function private.reassign_chat(uuid, uuid, text) to authenticated, service_role;

create or replace function public.reassign_chat(p_chat_id uuid, p_operator_id uuid, p_reason text default null)
returns public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select private.reassign_chat(p_chat_id, p_operator_id, p_reason) $$;

comment on function public.reassign_chat(uuid, uuid, text) is 'Gives a chat to an operator, whoever holds it; to its holder changes nothing. Admins, the service. Refuses: not_signed_in, not_allowed, chat_not_found, chat_completed, operator_not_found, operator_inactive, operator_at_capacity, content_too_long.';
revoke execute on function public.reassign_chat(uuid, uuid, text) from public, anon;
grant execute on function public.reassign_chat(uuid, uuid, text) to authenticated, service_role;

create or replace function private.complete_chat(p_chat_id uuid, p_reason text)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_kind text := private.caller_kind();
  v_chat public.chats;
begin
  if v_kind = 'anonymous' then
    perform private.refuse('not_signed_in');
  end if;
  perform private.check_reason(p_reason);
  v_chat := private.lock_chat(p_chat_id);
  if v_chat.chat_state <> 'completed' then
    if v_kind not in ('admin', 'service') and v_chat.real_user_id is distinct from auth.uid() then
      perform private.require_holder(v_chat, private.require_operator());
    end if;
    perform private.set_cause('completed', p_reason);
    update public.chats c
    set chat_state = 'completed', assigned_operator_id = null
    where c.id = p_chat_id
    returning c.* into v_chat;
    perform private.set_cause('');
  end if;
  return private.masked(v_chat);
end
$$;

revoke execute on function private.complete_chat(uuid, text) from public, anon;
grant execute on function private.complete_chat(uuid, text) to authenticated, service_role;

create or replace function public.complete_chat(p_chat_id uuid, p_reason text default 'completed')
returns public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select private.complete_chat(p_chat_id, p_reason) $$;

comment on function public.complete_chat(uuid, text) is 'Ends a chat; one that is completed stays as it is. Holder, its customer, admins, the service. Refuses: not_signed_in, chat_not_found, chat_not_assigned, not_the_holder, content_too_long.';
revoke execute on function public.complete_chat(uuid, text) from public, anon;
grant execute on function public.complete_chat(uuid, text) to authenticated, service_role;

create or replace function private.should_keep_assignment(p_chat_id uuid)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$ select (private.find_chat(p_chat_id)).chat_state = 'assigned' $$;

revoke execute on function private.should_keep_assignment(uuid) from public, anon;
grant execute on function private.should_keep_assignment(uuid) to authenticated, service_role;

create or replace function public.should_keep_assignment(p_chat_id uuid)
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$ select private.should_keep_assignment(p_chat_id) $$;

comment on function public.should_keep_assignment(uuid) is 'True while an operator is working on the chat: a message of the customer then leaves the hold alone. Refuses chat_not_found.';
revoke execute on function public.should_keep_assignment(uuid) from public, anon;
grant execute on function public.should_keep_assignment(uuid) to authenticated, service_role;

create or replace function private.record_operator_activity(p_chat_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator_id uuid := private.require_operator();
begin
  perform private.require_holder(private.find_chat(p_chat_id), v_operator_id);
  update public.operator_activity a
  set last_activity_at = private.now()
  where a.chat_id = p_chat_id and a.operator_id = v_operator_id;
  perform private.note_list(p_chat_id, v_operator_id);  -- it is idle later
end
$$;

revoke execute on function private.record_operator_activity(uuid) from public, anon;
grant execute on function private.record_operator_activity(uuid) to authenticated, service_role;

create or replace function public.record_operator_activity(p_chat_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.record_operator_activity(p_chat_id) $$;

comment on function public.record_operator_activity(uuid) is 'The holder is typing: his hold is not idle. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, chat_not_assigned, chat_completed, not_the_holder.';
revoke execute on function public.record_operator_activity(uuid) from public, anon;
grant execute on function public.record_operator_activity(uuid) to authenticated, service_role;

-- A hold is idle since the operator last did something, or since the customer is owed a reply,
-- whichever came later.
create or replace function private.idle_at(p_chat public.chats, p_idle interval)
returns timestamptz
language sql
stable
security definer
set search_path = ''
as $$
  select greatest(a.last_activity_at, p_chat.owed_since) + p_idle
  from public.operator_activity a
  where a.chat_id = p_chat.id and p_chat.owed_since is not null
$$;

comment on function private.idle_at(public.chats, interval) is 'When the hold of this chat becomes idle unless its operator does something; null: it does not.';
revoke execute on function private.idle_at(public.chats, interval) from public, anon, authenticated, service_role;

create or replace function private.idle_holds(p_idle interval)
returns table (chat_id uuid, operator_id uuid)
language sql
volatile
security definer
set search_path = ''
as $$
  select c.id, a.operator_id
  from public.operator_activity a
  join public.chats c on c.id = a.chat_id
  where c.chat_state = 'assigned'
    and c.owed_since is not null
    and greatest(a.last_activity_at, c.owed_since) <= private.now() - p_idle
$$;

comment on function private.idle_holds(interval) is 'The holds whose customer is owed a reply and whose operator has done nothing for so long.';
revoke execute on function private.idle_holds(interval) from public, anon, authenticated, service_role;

-- Operators are locked before chats, as by whoever deactivates them or changes their status, so that
-- nobody waits in a circle. A chat that is locked is just being worked on: it is not idle.
create or replace function private.release_idle_assignments(p_idle interval)
returns setof public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_operator_ids uuid[];
  v_chat_ids uuid[];
begin
  if not private.is_service() then
    perform private.refuse('not_allowed', 'Only the service runs jobs.');
  elsif p_idle is null or p_idle < interval '0' then
    perform private.refuse('invalid_argument', 'p_idle is a positive interval.');
  end if;
  v_operator_ids := array(
    select o.id from public.operators o
    where o.id in (select h.operator_id from private.idle_holds(p_idle) h)
    order by o.id
    for no key update
  );
  v_chat_ids := array(
    select c.id from public.chats c
    where c.chat_state = 'assigned'
      and c.assigned_operator_id = any (v_operator_ids)
      and c.id in (select h.chat_id from private.idle_holds(p_idle) h)
    order by c.id
    for no key update skip locked
  );
  -- A reply, or a key, may have come between the look and the lock.
  v_chat_ids := array(select h.chat_id from private.idle_holds(p_idle) h where h.chat_id = any (v_chat_ids));
  v_operator_ids := array(select distinct c.assigned_operator_id from public.chats c where c.id = any (v_chat_ids));
  return query select r.* from private.release_chats(v_chat_ids, 'idle') r;
  update public.operators o
  set status = 'away', status_reason = 'idle'
  where o.id = any (v_operator_ids) and o.status = 'online';
end
$$;

revoke execute on function private.release_idle_assignments(interval) from public, anon, authenticated;
grant execute on function private.release_idle_assignments(interval) to service_role;

create or replace function public.release_idle_assignments(p_idle interval default '5 minutes')
returns setof public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select * from private.release_idle_assignments(p_idle) $$;

comment on function public.release_idle_assignments(interval) is 'Releases the holds whose operator has done nothing for so long while his customer is owed a reply; he becomes away. Returns the chats. The service only. Refuses: not_allowed, invalid_argument.';
revoke execute on function public.release_idle_assignments(interval) from public, anon, authenticated;
grant execute on function public.release_idle_assignments(interval) to service_role;

create or replace function private.run_idle_detection()
returns bigint
language sql
volatile
security definer
set search_path = ''
as $$ select count(*) from private.release_idle_assignments(private.setting('idle_limit')::interval) $$;

comment on function private.run_idle_detection() is 'Releases idle holds by the setting idle_limit; returns how many. A job of the service.';
revoke execute on function private.run_idle_detection() from public, anon, authenticated;
grant execute on function private.run_idle_detection() to service_role;

create or replace function private.run_customer_idle()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_before timestamptz := private.now() - private.setting('customer_idle')::interval;
  v_chat_ids uuid[];
begin
  v_chat_ids := array(
    select c.id from public.chats c
    where c.chat_state = 'assigned'
      and c.handling = 'session'
      and greatest(c.real_user_active_at, c.assignment_time) <= v_before
      and not exists (select from private.connections k where k.person_id = c.real_user_id and k.seen_at > v_before)
    order by c.id
    for no key update skip locked
  );
  return (select count(*) from private.release_chats(v_chat_ids, 'customer_idle'));
end
$$;

comment on function private.run_customer_idle() is 'Releases session chats whose customer has gone quiet, by the setting customer_idle; returns how many. A job of the service.';
revoke execute on function private.run_customer_idle() from public, anon, authenticated;
grant execute on function private.run_customer_idle() to service_role;

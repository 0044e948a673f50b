-- Messages: one row written, by a function or a plain insert, and everything that it means follows.
--
-- Under the chat's lock the BEFORE trigger gives a message its number; the AFTER trigger checks it
-- against the chat's state and moves the chat. That order lets one statement insert many messages:
-- each is judged by what those before it did.

create or replace function private.check_content(p_content text, p_may_be_empty boolean default false)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if p_content is null or p_content = '' and not p_may_be_empty then
    perform private.refuse('content_empty');
  elsif octet_length(p_content) > 65536 then
    perform private.refuse('content_too_long');
  end if;
end
$$;

comment on function private.check_content(text, boolean) is 'Refuses content_empty (unless files speak for it) and content_too_long (1 to 65,536 bytes).';
revoke execute on function private.check_content(text, boolean) from public, anon, authenticated, service_role;

-- Who sends: a signed-in caller speaks for himself; the service may say who it was, and when it does
-- not, a customer's message is the chat's customer's and an operator's message is the holder's.
create or replace function private.message_sender(p_message public.messages, p_chat public.chats)
returns uuid
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_sender_id uuid;
begin
  if current_setting('role') <> 'authenticated' and private.is_service() then
    v_sender_id := coalesce(p_message.sender_id, case p_message.sender_type
      when 'real' then p_chat.real_user_id
      when 'operator' then p_chat.assigned_operator_id
    end);
  elsif p_message.sender_type = 'operator' then
    v_sender_id := private.require_operator();
  elsif p_message.sender_type = 'real' then
    v_sender_id := private.require_person();
  else
    perform private.refuse('not_allowed', 'Only the service writes system messages.');
  end if;
  if p_message.sender_type = 'real' and v_sender_id is distinct from p_chat.real_user_id then
    perform private.refuse('not_your_chat');
  end if;
  return v_sender_id;
end
$$;

comment on function private.message_sender(public.messages, public.chats) is 'The sender_id that a new message gets. Refuses not_signed_in, not_allowed, operator_inactive, not_your_chat.';
revoke execute on function private.message_sender(public.messages, public.chats) from public, anon, authenticated, service_role;

create or replace function private.tg_messages__prepare()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_chat public.chats := private.lock_chat(new.chat_id);
begin
  new.sender_id := private.message_sender(new, v_chat);
  if new.attachments is distinct from '[]' then
    new.attachments := private.lock_attachments(new);
    new.content := coalesce(new.content, '');
  end if;
  perform private.check_content(new.content, new.attachments <> '[]');
  -- The counter is written by the AFTER trigger, so that a row that `on conflict do nothing` drops
  -- leaves no gap; the rows of this very statement are found in the table.
  new.seq := greatest(
    v_chat.last_seq,
    (select m.seq from public.messages m where m.chat_id = new.chat_id order by m.seq desc limit 1)
  ) + 1;
  new.created_at := coalesce(new.created_at, private.now());
  if new.sender_type = 'operator' then
    new.owed_since := v_chat.owed_since;
  end if;
  return new;
end
$$;

comment on function private.tg_messages__prepare() is 'Locks the chat, names the sender, numbers the message.';
revoke execute on function private.tg_messages__prepare() from public, anon, authenticated, service_role;

create or replace function private.tg_messages__apply()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if new.attachments <> '[]' then
    perform private.mark_attachments(new);
  end if;
  if new.sender_type = 'real' then
    perform private.apply_real_user_message(new);
  elsif new.sender_type = 'operator' then
    perform private.apply_operator_message(new);
  else
    perform private.note_message(new, (select c from public.chats c where c.id = new.chat_id));
    update public.chats c
    set last_seq = new.seq, last_message_at = new.created_at,
        event_seq = c.event_seq + 1, customer_event_seq = c.customer_event_seq + 1
    where c.id = new.chat_id;
  end if;
  return null;
end
$$;

comment on function private.tg_messages__apply() is 'Moves the chat as the new message demands.';
revoke execute on function private.tg_messages__apply() from public, anon, authenticated, service_role;

-- Numbered before the change of state that the message may bring; the update of the chat that follows
-- counts it.
create or replace function private.note_message(p_message public.messages, p_chat public.chats)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  insert into private.events (chat_id, event_seq, customer_event_seq, event, message_seq, handled_after_seq)
  values (
    p_chat.id, p_chat.event_seq + 1, p_chat.customer_event_seq + 1, 'message.created', p_message.seq,
    case when p_message.sender_type = 'operator' then p_chat.replied_seq end
  );
end
$$;

comment on function private.note_message(public.messages, public.chats) is 'Writes message.created.';
revoke execute on function private.note_message(public.messages, public.chats) from public, anon, authenticated, service_role;

-- A customer who writes never costs an operator his chat: an assigned chat stays assigned, a waiting
-- one keeps its place, and only one that waited for him, or was completed, goes to the queue.
create or replace function private.apply_real_user_message(p_message public.messages)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  select c.* into v_chat from public.chats c where c.id = p_message.chat_id;
  perform private.note_message(p_message, v_chat);
  if v_chat.chat_state in ('waiting_assignment', 'assigned') then
    if v_chat.chat_state = 'assigned' and v_chat.owed_since is null then
      perform private.end_snoozes(v_chat.id);  -- elsewhere the change of state does it
    end if;
    update public.chats c
    set last_seq = p_message.seq,
        last_message_at = p_message.created_at,
        real_user_active_at = p_message.created_at,
        owed_since = coalesce(c.owed_since, p_message.created_at),
        event_seq = c.event_seq + 1,
        customer_event_seq = c.customer_event_seq + 1
    where c.id = p_message.chat_id;
    return;
  end if;
  perform private.set_cause(case v_chat.chat_state when 'completed' then 'reopened' else 'real_user_wrote' end);
  update public.chats c
  set chat_state = 'waiting_assignment',
      event_seq = c.event_seq + 1,
      customer_event_seq = c.customer_event_seq + 1,
      last_seq = p_message.seq,
      last_message_at = p_message.created_at,
      real_user_active_at = p_message.created_at,
      owed_since = p_message.created_at
  where c.id = p_message.chat_id;
  perform private.set_cause('');
end
$$;

comment on function private.apply_real_user_message(public.messages) is 'The customer writes: keeps the holder or the place in the queue, else enters the queue.';
revoke execute on function private.apply_real_user_message(public.messages) from public, anon, authenticated, service_role;

create or replace function private.apply_operator_message(p_message public.messages)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
  v_is_first_of_day boolean;
begin
  select c.* into v_chat from public.chats c where c.id = p_message.chat_id;
  perform private.require_holder(v_chat, p_message.sender_id);

  update public.messages m
  set handled_by_operator_id = p_message.sender_id
  where m.chat_id = v_chat.id and m.seq > v_chat.replied_seq and m.sender_type = 'real';
  if p_message.owed_since is distinct from v_chat.owed_since then
    -- What it answers was written by the same statement.
    update public.messages m set owed_since = v_chat.owed_since where m.id = p_message.id;
  end if;
  v_is_first_of_day := private.is_first_reply_of_day(p_message);
  perform private.note_message(p_message, v_chat);
  if v_chat.handling = 'session' then
    perform private.note_session_reply(p_message);
  end if;
  delete from public.chat_drafts d where d.chat_id = v_chat.id and d.operator_id = p_message.sender_id;

  perform private.set_cause('replied');
  update public.chats c
  set chat_state = case c.handling when 'turn' then 'waiting_real_user_reply' else c.chat_state end,
      assigned_operator_id = case c.handling when 'session' then c.assigned_operator_id end,
      operator_replied_at = p_message.created_at,
      owed_since = null,
      last_seq = p_message.seq,
      replied_seq = p_message.seq,
      last_message_at = p_message.created_at,
      event_seq = c.event_seq + 1,
      customer_event_seq = c.customer_event_seq + 1
  where c.id = v_chat.id;
  perform private.set_cause('');
  -- Last, as everywhere: the order of locks ends with chats, hands, statistics.
  perform private.add_stats(p_message.sender_id, p_message.created_at, 1, v_is_first_of_day::integer);
end
$$;

comment on function private.apply_operator_message(public.messages) is 'The holder replies: the turn is paid, and in turn handling his hold ends. Refuses not_the_holder, chat_not_assigned, chat_completed.';
revoke execute on function private.apply_operator_message(public.messages) from public, anon, authenticated, service_role;

-- chats_handled counts distinct chats a day; the holds tell whether this operator already replied in this one.
create or replace function private.is_first_reply_of_day(p_message public.messages)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_last_replied_at timestamptz;
begin
  select max(a.last_replied_at) into v_last_replied_at
  from public.chat_assignments a
  where a.operator_id = p_message.sender_id and a.chat_id = p_message.chat_id;
  return v_last_replied_at is null
    or private.local_date(v_last_replied_at) <> private.local_date(p_message.created_at);
end
$$;

comment on function private.is_first_reply_of_day(public.messages) is 'Whether its sender has not replied in its chat that day before.';
revoke execute on function private.is_first_reply_of_day(public.messages) from public, anon, authenticated, service_role;

-- A hold that ends with the reply is closed by the trigger on chats; this one goes on.
create or replace function private.note_session_reply(p_message public.messages)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  update public.chat_assignments a
  set first_replied_at = coalesce(a.first_replied_at, p_message.created_at), last_replied_at = p_message.created_at
  where a.open_chat_id = p_message.chat_id;
  update public.operator_activity a
  set last_activity_at = p_message.created_at
  where a.chat_id = p_message.chat_id;
end
$$;

comment on function private.note_session_reply(public.messages) is 'Notes a reply in a hold that goes on, and in its activity.';
revoke execute on function private.note_session_reply(public.messages) from public, anon, authenticated, service_role;

-- After a message was written only its text may change, or it may be deleted; what it said before is
-- kept for admins. Deleting empties it everywhere.
create or replace function private.tg_messages__revise()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- The functions have it already. Plain SQL that changes messages of several chats would otherwise
  -- have them all locked before it asks for the first chat.
  perform from public.chats c where c.id = old.chat_id for no key update;
  if (new.chat_id, new.seq, new.sender_type, new.sender_id) is distinct from (old.chat_id, old.seq, old.sender_type, old.sender_id) then
    perform private.refuse('transition_refused', 'A message keeps its chat, its number and its sender.');
  elsif old.deleted_at is not null and (new.content, new.deleted_at) is distinct from (old.content, old.deleted_at) then
    perform private.refuse('message_not_found');
  end if;
  if new.deleted_at is not null and old.deleted_at is null then
    new.content := '';
    new.metadata := '{}';
    new.attachments := '[]';
  elsif new.attachments is distinct from old.attachments then
    perform private.refuse('transition_refused', 'A message keeps its files until it is deleted.');
  elsif new.content is distinct from old.content then
    perform private.check_content(new.content, new.attachments <> '[]');
    new.edited_at := private.now();
  end if;
  if new.content is distinct from old.content then
    insert into public.message_revisions (message_id, revision, content, replaced_at)
    select old.id, coalesce(max(r.revision), 0) + 1, old.content, private.now()
    from public.message_revisions r
    where r.message_id = old.id;
  end if;
  return new;
end
$$;

comment on function private.tg_messages__revise() is 'Keeps the earlier text of an edited or deleted message. Refuses transition_refused, message_not_found, content_empty, content_too_long.';
revoke execute on function private.tg_messages__revise() from public, anon, authenticated, service_role;

-- A deleted message owes nothing: when the last one that waited for a reply goes, so does the debt.
-- A customer who never had a reply stays owed one.
create or replace function private.tg_messages__forgive()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update public.chats c
  set owed_since = null
  where c.id = new.chat_id
    and c.owed_since is not null
    and c.operator_replied_at is not null
    and not exists (
      select from public.messages m
      where m.chat_id = c.id and m.seq > c.replied_seq and m.sender_type = 'real' and m.deleted_at is null
    );
  return null;
end
$$;

comment on function private.tg_messages__forgive() is 'Ends what is owed when the last unanswered message is deleted.';
revoke execute on function private.tg_messages__forgive() from public, anon, authenticated, service_role;

create or replace function private.tg_messages__refuse_delete()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if exists (select from public.chats c where c.id = old.chat_id) then
    perform private.refuse('transition_refused', 'Numbers have no gaps: set deleted_at, or delete the whole chat.');
  end if;
  return old;
end
$$;

comment on function private.tg_messages__refuse_delete() is 'Refuses to remove a message from a chat that stays (transition_refused).';
revoke execute on function private.tg_messages__refuse_delete() from public, anon, authenticated, service_role;

-- What the sender already sent under this id, when it is the same message; another one is refused.
-- Compared with what was first written: a retry may come after an edit.
create or replace function private.find_sent(
  p_sender_id uuid, p_client_message_id uuid, p_chat_id uuid, p_content text, p_attachments text[] default null
)
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_message public.messages;
  v_content text;
begin
  if p_client_message_id is null then
    return null;
  end if;
  select m.* into v_message
  from public.messages m
  where m.sender_id = p_sender_id and m.client_message_id = p_client_message_id;
  if v_message.id is null then
    return null;
  end if;
  select r.content into v_content
  from public.message_revisions r
  where r.message_id = v_message.id
  order by r.revision
  limit 1;
  if coalesce(v_content, v_message.content) is distinct from p_content
    or v_message.chat_id <> coalesce(p_chat_id, v_message.chat_id)
    -- A deleted message has lost its files.
    or v_message.deleted_at is null
      and array(select a ->> 'path' from jsonb_array_elements(v_message.attachments) a) <> coalesce(p_attachments, '{}')
  then
    perform private.refuse('client_message_id_reused');
  end if;
  perform set_config('response.status', '200', true);
  return v_message;
end
$$;

comment on function private.find_sent(uuid, uuid, uuid, text, text[]) is 'The message that this sender sent under this client_message_id, or null; refuses client_message_id_reused. Found, it sets response.status to 200.';
revoke execute on function private.find_sent(uuid, uuid, uuid, text, text[]) from public, anon, authenticated, service_role;

-- The trigger locks the chat and does the rest. Whether it was sent before, the unique index decides, also
-- when a retry runs beside the first try: the loser finds the winner's message.
create or replace function private.send_message(
  p_chat_id uuid, p_sender_type text, p_sender_id uuid, p_content text, p_client_message_id uuid,
  p_attachments text[] default null
)
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_content text := case when cardinality(p_attachments) > 0 then coalesce(p_content, '') else p_content end;
  v_message public.messages;
begin
  -- A reply ends the hold, so its retry would be refused for the state: looked for first. A customer's
  -- is never refused for it.
  if p_sender_type <> 'real' then
    v_message := private.find_sent(p_sender_id, p_client_message_id, p_chat_id, v_content, p_attachments);
  end if;
  if v_message.id is null then
    insert into public.messages (chat_id, sender_type, sender_id, content, client_message_id, attachments)
    values (p_chat_id, p_sender_type, p_sender_id, v_content, p_client_message_id, to_jsonb(coalesce(p_attachments, '{}')))
    on conflict (sender_id, client_message_id) where client_message_id is not null do nothing
    returning * into v_message;
    if v_message.id is null then
      v_message := private.find_sent(p_sender_id, p_client_message_id, p_chat_id, v_content, p_attachments);
      perform private.touch_waiting(p_chat_id);
    end if;
  end if;
  return v_message;
end
$$;

comment on function private.send_message(uuid, text, uuid, text, uuid, text[]) is 'Writes the message, or returns the one sent before under the same id.';
revoke execute on function private.send_message(uuid, text, uuid, text, uuid, text[]) from public, anon, authenticated, service_role;

create or replace function private.send_real_user_message(p_chat_id uuid, p_content text, p_client_message_id uuid)
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  return private.masked(private.send_message(p_chat_id, 'real', private.require_person(), p_content, p_client_message_id));
end
$$;

revoke execute on function private.send_real_user_message(uuid, text, uuid) from public, anon;
grant execute on function private.send_real_user_message(uuid, text, uuid) to authenticated, service_role;

create or replace function public.send_real_user_message(p_chat_id uuid, p_content text, p_client_message_id uuid)
returns public.messages
language sql
volatile
security invoker
set search_path = ''
as $$ select private.send_real_user_message(p_chat_id, p_content, p_client_message_id) $$;

comment on function public.send_real_user_message(uuid, text, uuid) is 'The customer writes into his chat (1 to 65,536 bytes); returns the message. The same client_message_id again returns the first. Refuses: not_signed_in, chat_not_found, not_your_chat, content_empty, content_too_long, client_message_id_reused.';
revoke execute on function public.send_real_user_message(uuid, text, uuid) from public, anon;
grant execute on function public.send_real_user_message(uuid, text, uuid) to authenticated, service_role;

-- A function of its own, so that the one without files keeps the arguments that others rely on.
create or replace function private.send_real_user_attachments(p_chat_id uuid, p_content text, p_client_message_id uuid, p_attachments text[])
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  return private.masked(private.send_message(p_chat_id, 'real', private.require_person(), p_content, p_client_message_id, p_attachments));
end
$$;

revoke execute on function private.send_real_user_attachments(uuid, text, uuid, text[]) from public, anon;
grant execute on function private.send_real_user_attachments(uuid, text, uuid, text[]) to authenticated, service_role;

create or replace function public.send_real_user_attachments(p_chat_id uuid, p_content text, p_client_message_id uuid, p_attachments text[])
returns public.messages
language sql
volatile
security invoker
set search_path = ''
as $$ select private.send_real_user_attachments(p_chat_id, p_content, p_client_message_id, p_attachments) $$;

comment on function public.send_real_user_attachments(uuid, text, uuid, text[]) is 'The customer writes with files: p_attachments are 1 to 10 paths of files that he has uploaded into the chat''s folder of the bucket attachments and not sent yet; p_content may be empty. Returns the message. Refuses what send_real_user_message does, and attachment_not_found, invalid_argument.';
revoke execute on function public.send_real_user_attachments(uuid, text, uuid, text[]) from public, anon;
grant execute on function public.send_real_user_attachments(uuid, text, uuid, text[]) to authenticated, service_role;

create or replace function private.send_operator_message(p_chat_id uuid, p_content text, p_client_message_id uuid)
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  return private.send_message(p_chat_id, 'operator', private.require_operator(), p_content, p_client_message_id);
end
$$;

revoke execute on function private.send_operator_message(uuid, text, uuid) from public, anon;
grant execute on function private.send_operator_message(uuid, text, uuid) to authenticated, service_role;

create or replace function public.send_operator_message(p_chat_id uuid, p_content text, p_client_message_id uuid)
returns public.messages
language sql
volatile
security invoker
set search_path = ''
as $$ select private.send_operator_message(p_chat_id, p_content, p_client_message_id) $$;

comment on function public.send_operator_message(uuid, text, uuid) is 'The holder replies (1 to 65,536 bytes); returns the message. In turn handling his hold ends. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, chat_not_assigned, chat_completed, not_the_holder, content_empty, content_too_long, client_message_id_reused.';
revoke execute on function public.send_operator_message(uuid, text, uuid) from public, anon;
grant execute on function public.send_operator_message(uuid, text, uuid) to authenticated, service_role;

-- A function of its own, so that the one without files keeps the arguments that others rely on.
create or replace function private.send_operator_attachments(p_chat_id uuid, p_content text, p_client_message_id uuid, p_attachments text[])
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  return private.send_message(p_chat_id, 'operator', private.require_operator(), p_content, p_client_message_id, p_attachments);
end
$$;

revoke execute on function private.send_operator_attachments(uuid, text, uuid, text[]) from public, anon;
grant execute on function private.send_operator_attachments(uuid, text, uuid, text[]) to authenticated, service_role;

create or replace function public.send_operator_attachments(p_chat_id uuid, p_content text, p_client_message_id uuid, p_attachments text[])
returns public.messages
language sql
volatile
security invoker
set search_path = ''
as $$ select private.send_operator_attachments(p_chat_id, p_content, p_client_message_id, p_attachments) $$;

comment on function public.send_operator_attachments(uuid, text, uuid, text[]) is 'The holder replies with files: p_attachments are 1 to 10 paths of files that he has uploaded into the chat''s folder of the bucket attachments and not sent yet; p_content may be empty. Returns the message. Refuses what send_operator_message does, and attachment_not_found, invalid_argument.';
revoke execute on function public.send_operator_attachments(uuid, text, uuid, text[]) from public, anon;
grant execute on function public.send_operator_attachments(uuid, text, uuid, text[]) to authenticated, service_role;

-- The address that the web layer, or PostgREST, says the request came from.
create or replace function private.client_address()
returns inet
language plpgsql
stable
set search_path = ''
as $$
begin
  return trim(split_part(nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-forwarded-for', ',', 1))::inet;
exception when data_exception then
  return null;
end
$$;

comment on function private.client_address() is 'The caller''s address from request.headers; null when there is none.';
revoke execute on function private.client_address() from public, anon, authenticated, service_role;

create or replace function private.check_new_chat(p_fictional_user_id uuid, p_context jsonb)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  if p_fictional_user_id is not null
    and not exists (select from public.fictional_users f where f.id = p_fictional_user_id and f.is_active)
  then
    perform private.refuse('fictional_user_not_found');
  elsif jsonb_typeof(p_context) is distinct from 'object' then
    perform private.refuse('invalid_argument', 'p_context is a JSON object.');
  elsif octet_length(p_context::text) > 16384 then
    perform private.refuse('too_large');
  end if;
end
$$;

comment on function private.check_new_chat(uuid, jsonb) is 'Refuses fictional_user_not_found, invalid_argument, too_large.';
revoke execute on function private.check_new_chat(uuid, jsonb) from public, anon, authenticated, service_role;

-- The caller as a customer, whose row is made when he first does something, and is locked: two first steps at
-- once queue up here.
create or replace function private.become_customer()
returns uuid
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_person();
begin
  if exists (select from public.operators o where o.id = v_caller_id) then
    perform private.refuse('not_allowed', 'Operators answer chats; customers start them.');
  end if;
  insert into public.real_users (id, is_anonymous)
  values (v_caller_id, coalesce((auth.jwt() ->> 'is_anonymous')::boolean, false))
  on conflict (id) do nothing;
  perform from public.real_users u where u.id = v_caller_id for no key update;
  if not found then
    -- Somebody erased him, or deleted the row, at this moment.
    if private.is_erased(v_caller_id) then
      perform private.refuse('not_signed_in', 'This account was erased. Sign in anew.');
    end if;
    perform private.refuse('conflict');
  end if;
  return v_caller_id;
end
$$;

comment on function private.become_customer() is 'The id of the calling customer, his row made and locked. Refuses not_signed_in, not_allowed (operators), conflict.';
revoke execute on function private.become_customer() from public, anon, authenticated, service_role;

-- A new chat is handled, and a persona answers it, as the widget is set up, unless the caller names another one.
create or replace function private.start_chat(p_content text, p_client_message_id uuid, p_fictional_user_id uuid, p_context jsonb)
returns public.chats
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.become_customer();
  v_message public.messages;
  v_chat public.chats;
begin
  -- Behind the lock on his row: of two starts under one client_message_id the second finds the first's message.
  v_message := private.find_sent(v_caller_id, p_client_message_id, null, p_content);
  if v_message.id is null then
    perform private.check_content(p_content);
    perform private.check_new_chat(p_fictional_user_id, p_context);
    perform private.set_cause('created');
    insert into public.chats (real_user_id, fictional_user_id, handling, context, ip_address)
    select
      v_caller_id,
      coalesce(p_fictional_user_id, (select f.id from public.fictional_users f where f.id = w.fictional_user_id and f.is_active)),
      w.handling, p_context, private.client_address()
    from public.widget_settings w
    returning * into v_chat;
    perform private.set_cause('');
    v_message := private.send_message(v_chat.id, 'real', v_caller_id, p_content, p_client_message_id);
  elsif v_message.seq <> 1 then
    perform private.refuse('client_message_id_reused');
  end if;
  return private.get_chat(v_message.chat_id);
end
$$;

revoke execute on function private.start_chat(text, uuid, uuid, jsonb) from public, anon;
grant execute on function private.start_chat(text, uuid, uuid, jsonb) to authenticated, service_role;

create or replace function public.start_chat(p_content text, p_client_message_id uuid, p_fictional_user_id uuid default null, p_context jsonb default '{}')
returns public.chats
language sql
volatile
security invoker
set search_path = ''
as $$ select private.start_chat(p_content, p_client_message_id, p_fictional_user_id, p_context) $$;

comment on function public.start_chat(text, uuid, uuid, jsonb) is 'The customer starts a chat with his first message; p_fictional_user_id: null for the persona of the widget, if it has one; p_context: an object of at most 16 kB. Returns the chat; the same client_message_id again returns the first. Refuses: not_signed_in, not_allowed, content_empty, content_too_long, fictional_user_not_found, invalid_argument, too_large, client_message_id_reused, conflict.';
revoke execute on function public.start_chat(text, uuid, uuid, jsonb) from public, anon;
grant execute on function public.start_chat(text, uuid, uuid, jsonb) to authenticated, service_role;

-- The author's own message, under its chat's lock; to anyone else it is not there.
create or replace function private.lock_own_message(p_message_id uuid)
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_person();
  v_message public.messages;
begin
  perform from public.chats c
  where c.id = (select m.chat_id from public.messages m where m.id = p_message_id and m.sender_id = v_caller_id)
  for no key update;
  select m.* into v_message
  from public.messages m
  where m.id = p_message_id and m.sender_id = v_caller_id and m.sender_type <> 'system';
  if v_message.id is null then
    perform private.refuse('message_not_found');
  elsif v_message.sender_type = 'operator' then
    perform private.require_operator();
  end if;
  return v_message;
end
$$;

comment on function private.lock_own_message(uuid) is 'The caller''s own message with its chat locked. Refuses not_signed_in, message_not_found, operator_inactive.';
revoke execute on function private.lock_own_message(uuid) from public, anon, authenticated, service_role;

create or replace function private.edit_message(p_message_id uuid, p_content text)
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_message public.messages := private.lock_own_message(p_message_id);
begin
  update public.messages m set content = p_content where m.id = v_message.id returning m.* into v_message;
  perform private.touch_waiting(v_message.chat_id);
  return private.masked(v_message);
end
$$;

revoke execute on function private.edit_message(uuid, text) from public, anon;
grant execute on function private.edit_message(uuid, text) to authenticated, service_role;

create or replace function public.edit_message(p_message_id uuid, p_content text)
returns public.messages
language sql
volatile
security invoker
set search_path = ''
as $$ select private.edit_message(p_message_id, p_content) $$;

comment on function public.edit_message(uuid, text) is 'The author changes his message (1 to 65,536 bytes); admins keep the earlier text. Refuses: not_signed_in, operator_inactive, message_not_found, content_empty, content_too_long.';
revoke execute on function public.edit_message(uuid, text) from public, anon;
grant execute on function public.edit_message(uuid, text) to authenticated, service_role;

create or replace function private.delete_message(p_message_id uuid)
returns public.messages
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_message public.messages := private.lock_own_message(p_message_id);
begin
  if v_message.deleted_at is null then
    update public.messages m set deleted_at = private.now() where m.id = v_message.id returning m.* into v_message;
    perform private.touch_waiting(v_message.chat_id);
  end if;
  return private.masked(v_message);
end
$$;

revoke execute on function private.delete_message(uuid) from public, anon;
grant execute on function private.delete_message(uuid) to authenticated, service_role;

create or replace function public.delete_message(p_message_id uuid)
returns public.messages
language sql
volatile
security invoker
set search_path = ''
as $$ select private.delete_message(p_message_id) $$;

comment on function public.delete_message(uuid) is 'The author deletes his message: its place stays, its text is gone for all but admins. Twice changes nothing. Refuses: not_signed_in, operator_inactive, message_not_found.';
revoke execute on function public.delete_message(uuid) from public, anon;
grant execute on function public.delete_message(uuid) to authenticated, service_role;

create or replace function private.mark_read(p_chat_id uuid, p_seq bigint)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_person();
  v_chat public.chats;
begin
  v_chat := private.find_chat(p_chat_id);
  if p_seq is null or p_seq < 0 then
    perform private.refuse('invalid_argument', 'p_seq is the number of the last message read.');
  end if;
  -- The chat is locked only for news: whoever looks for a chat passes over one that is locked.
  if least(p_seq, v_chat.last_seq) = 0 or exists (
    select from public.read_marks r
    where r.chat_id = p_chat_id and r.reader_id = v_caller_id and r.seq >= least(p_seq, v_chat.last_seq)
  ) then
    return;
  end if;
  v_chat := private.lock_chat(p_chat_id);
  insert into public.read_marks as r (chat_id, reader_id, seq, read_at)
  values (p_chat_id, v_caller_id, least(p_seq, v_chat.last_seq), private.now())
  on conflict (chat_id, reader_id) do update set seq = excluded.seq, read_at = excluded.read_at
  where r.seq < excluded.seq;
  if not found then
    perform private.touch_waiting(p_chat_id);
  end if;
end
$$;

revoke execute on function private.mark_read(uuid, bigint) from public, anon;
grant execute on function private.mark_read(uuid, bigint) to authenticated, service_role;

create or replace function public.mark_read(p_chat_id uuid, p_seq bigint)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.mark_read(p_chat_id, p_seq) $$;

comment on function public.mark_read(uuid, bigint) is 'The caller has read the chat up to this seq; never goes back, never past the newest message. Refuses: not_signed_in, chat_not_found, invalid_argument.';
revoke execute on function public.mark_read(uuid, bigint) from public, anon;
grant execute on function public.mark_read(uuid, bigint) to authenticated, service_role;

-- The newest page unless told where: after a number, before one, or half before and half after one.
create or replace function private.list_messages(p_chat_id uuid, p_after_seq bigint, p_before_seq bigint, p_around_seq bigint, p_limit integer)
returns setof public.messages
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_from bigint;
  v_to bigint;
begin
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 200.');
  elsif num_nonnulls(p_after_seq, p_before_seq, p_around_seq) > 1 then
    perform private.refuse('invalid_argument', 'Give one of p_after_seq, p_before_seq and p_around_seq.');
  end if;
  v_to := (private.find_chat(p_chat_id)).last_seq;
  -- Numbers have no gaps, so a page is a range of them. least() keeps huge numbers from overflowing.
  if p_after_seq is not null then
    v_from := least(greatest(p_after_seq, 0), v_to) + 1;
    v_to := v_from + p_limit - 1;
  elsif p_around_seq is not null then
    v_from := least(greatest(p_around_seq, 0), v_to) - p_limit / 2;
    v_to := v_from + p_limit - 1;
  else
    v_to := least(greatest(coalesce(p_before_seq, v_to + 1), 1), v_to + 1) - 1;
    v_from := v_to - p_limit + 1;
  end if;
  return query
    select x.* from public.messages m
    cross join lateral private.masked(m) x
    where m.chat_id = p_chat_id and m.seq between v_from and v_to
    order by m.seq;
end
$$;

revoke execute on function private.list_messages(uuid, bigint, bigint, bigint, integer) from public, anon;
grant execute on function private.list_messages(uuid, bigint, bigint, bigint, integer) to authenticated, service_role;

create or replace function public.list_messages(p_chat_id uuid, p_after_seq bigint default null, p_before_seq bigint default null, p_around_seq bigint default null, p_limit integer default 50)
returns setof public.messages
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_messages(p_chat_id, p_after_seq, p_before_seq, p_around_seq, p_limit) $$;

comment on function public.list_messages(uuid, bigint, bigint, bigint, integer) is 'A page of a chat''s messages in the order of seq, at most 200: the newest, or after, before or around a seq. Staff-only columns are null for a customer. Refuses: chat_not_found, invalid_argument.';
revoke execute on function public.list_messages(uuid, bigint, bigint, bigint, integer) from public, anon;
grant execute on function public.list_messages(uuid, bigint, bigint, bigint, integer) to authenticated, service_role;

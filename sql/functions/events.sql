-- What happened in each chat, for whoever watches it.
--
-- Every change of a chat, of its messages and read marks writes one row into private.events, in its own
-- transaction, from a trigger: so plain SQL is seen as well. A chat has two audiences. The staff see
-- every event and count them by chats.event_seq; the customer sees those that are for him and counts
-- them by chats.customer_event_seq, so that not even a gap tells him of the others.
--
-- For both: message.created, .edited, .deleted, .read; chat.assigned, .released, .completed, .reopened;
-- chat.updated where a customer sees the difference. For the staff alone: chat.transferred, .reassigned,
-- note.created, .edited, .deleted, chat.rated and the other chat.updated. Without a number, for relays alone:
-- chat.created, chat.deleted, mention.changed (an operator is mentioned, no longer, or has read it),
-- person.deleted (an operator or a customer), operator.changed (status, name, what he may do; deleted),
-- connection.changed (an operator has come or left), ticket.changed, list.changed (a chat looks different in
-- somebody's lists, or in everybody's, without an event of its own).

-- Which event a change of state or holder is; null: none of its own (a customer's message that enters
-- the queue says it itself).
create or replace function private.chat_event(
  p_from_state text, p_to_state text, p_from_operator_id uuid, p_to_operator_id uuid, p_kind text
)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when p_to_operator_id is not null and p_to_operator_id is distinct from p_from_operator_id then
      case
        when p_kind = 'reassigned' then 'chat.reassigned'
        when p_from_operator_id is null then 'chat.assigned'
        when p_kind = 'transferred' then 'chat.transferred'
        else 'chat.reassigned'
      end
    when p_to_state = p_from_state then null
    when p_to_state = 'completed' then 'chat.completed'
    when p_from_operator_id is not null then 'chat.released'
    when p_from_state = 'completed' then 'chat.reopened'
    when p_kind <> 'real_user_wrote' then 'chat.updated'
  end;
end
$$;

comment on function private.chat_event(text, text, uuid, uuid, text) is 'The name of the staff''s event for a change of state or holder, or null.';
revoke execute on function private.chat_event(text, text, uuid, uuid, text) from public, anon, authenticated, service_role;

-- For changes that do not write the chat themselves. Called from triggers only: the numbers in chats
-- are not written by hand.
create or replace function private.add_event(
  p_chat_id uuid, p_event text, p_is_for_customer boolean, p_message_seq bigint default null,
  p_person_id uuid default null, p_at timestamptz default clock_timestamp(), p_note_id uuid default null
)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_event_seq bigint;
  v_customer_event_seq bigint;
begin
  update public.chats c
  set event_seq = c.event_seq + 1, customer_event_seq = c.customer_event_seq + p_is_for_customer::integer
  where c.id = p_chat_id
  returning c.event_seq, c.customer_event_seq into v_event_seq, v_customer_event_seq;
  if found then
    insert into private.events (chat_id, event_seq, customer_event_seq, event, at, message_seq, person_id, note_id)
    values (
      p_chat_id, v_event_seq, case when p_is_for_customer then v_customer_event_seq end, p_event, p_at,
      p_message_seq, p_person_id, p_note_id
    );
  end if;
end
$$;

comment on function private.add_event(uuid, text, boolean, bigint, uuid, timestamptz, uuid) is 'Numbers and writes an event of a chat.';
revoke execute on function private.add_event(uuid, text, boolean, bigint, uuid, timestamptz, uuid) from public, anon, authenticated, service_role;

create or replace function private.tg_messages__note_revision()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if new.deleted_at is not null and old.deleted_at is null then
    perform private.add_event(new.chat_id, 'message.deleted', true, new.seq);
  elsif (new.content, new.metadata) is distinct from (old.content, old.metadata) then
    perform private.add_event(new.chat_id, 'message.edited', true, new.seq);
  end if;
  return null;
end
$$;

comment on function private.tg_messages__note_revision() is 'Writes message.edited and message.deleted.';
revoke execute on function private.tg_messages__note_revision() from public, anon, authenticated, service_role;

-- The customer learns how far the staff have read, not how many of them read it.
create or replace function private.tg_read_marks__note_read()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_real_user_id uuid;
  v_is_for_customer boolean;
begin
  select c.real_user_id into v_real_user_id from public.chats c where c.id = new.chat_id;
  v_is_for_customer := new.reader_id = v_real_user_id or not exists (
    select from public.read_marks r
    where r.chat_id = new.chat_id and r.reader_id not in (new.reader_id, v_real_user_id) and r.seq >= new.seq
  );
  perform private.add_event(new.chat_id, 'message.read', v_is_for_customer, new.seq, new.reader_id, new.read_at);
  return null;
end
$$;

comment on function private.tg_read_marks__note_read() is 'Writes message.read.';
revoke execute on function private.tg_read_marks__note_read() from public, anon, authenticated, service_role;

-- What somebody changed in a chat by hand, besides its state and holder.
create or replace function private.tg_chats__note_update()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_is_for_customer boolean := (new.handling, new.headline, new.context, new.fictional_user_id, new.created_at, new.real_user_id)
    is distinct from (old.handling, old.headline, old.context, old.fictional_user_id, old.created_at, old.real_user_id)
    or new.chat_state = old.chat_state and new.waiting_since is distinct from old.waiting_since;
begin
  if v_is_for_customer or (new.priority, new.ip_address, new.last_operator_id) is distinct from (old.priority, old.ip_address, old.last_operator_id) then
    perform private.add_event(new.id, 'chat.updated', v_is_for_customer);
  end if;
  return null;
end
$$;

comment on function private.tg_chats__note_update() is 'Writes chat.updated.';
revoke execute on function private.tg_chats__note_update() from public, anon, authenticated, service_role;

-- Nothing is left of a deleted chat but the signal that ends what is open on it.
create or replace function private.tg_chats__forget()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  delete from private.events e using old_rows o where e.chat_id = o.id;
  insert into private.events (chat_id, event, person_id)
  select o.id, 'chat.deleted', o.assigned_operator_id from old_rows o;
  return null;
end
$$;

comment on function private.tg_chats__forget() is 'Removes the events of deleted chats and tells the relays.';
revoke execute on function private.tg_chats__forget() from public, anon, authenticated, service_role;

create or replace function private.tg_note_deleted_person()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.events (event, person_id) values ('person.deleted', old.id);
  if tg_table_name = 'operators' then
    insert into private.events (event, person_id) values ('operator.changed', old.id);
  end if;
  delete from private.connections k where k.person_id = old.id;
  return null;
end
$$;

comment on function private.tg_note_deleted_person() is 'Tells the relays that a customer or an operator is no more.';
revoke execute on function private.tg_note_deleted_person() from public, anon, authenticated, service_role;

-- Events of many chats at once, each for one audience: from its own number on, without looking at who
-- asks. By keys alone, which the limits see to: the planner may think the tables small when they are not, and
-- read a whole one to join it.
create or replace function private.read_events(p_chat_ids uuid[], p_after bigint[], p_is_staff boolean[], p_limit integer)
returns table (
  chat_id uuid, is_staff boolean, event_seq bigint, event text, at timestamptz, detail jsonb,
  message public.messages, chat public.chats
)
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off
as $$
begin
  return query
    select
      t.chat_id,
      t.is_staff,
      case when t.is_staff then e.event_seq else e.customer_event_seq end,
      case when not t.is_staff and e.event in ('chat.transferred', 'chat.reassigned') then 'chat.assigned' else e.event end,
      e.at,
      case
        when e.event in ('chat.updated', 'message.edited', 'message.deleted') then '{}'
        when e.event = 'message.created' then
          case when t.is_staff and e.handled_after_seq is not null
            then jsonb_build_object('handled_after_seq', e.handled_after_seq) else '{}' end
        when e.event = 'message.read' then jsonb_build_object(
          'reader_type', case when e.person_id = (c.chat).real_user_id then 'real' else 'operator' end,
          'reader_id', case when t.is_staff or e.person_id = (c.chat).real_user_id then e.person_id end,
          'seq', e.message_seq
        )
        when e.note_id is not null then (select private.note_row(n) from public.chat_notes n where n.id = e.note_id)
        when e.event = 'chat.rated' then (
          select jsonb_build_object('score', r.score, 'comment', r.comment) from public.chat_ratings r where r.chat_id = e.chat_id
        )
        when t.is_staff then private.event_detail(e)
        when e.event in ('chat.assigned', 'chat.transferred', 'chat.reassigned') then private.event_face(e, (c.chat).fictional_user_id)
        else '{}'
      end,
      case when t.is_staff or m.message is null then m.message else private.for_customer(m.message) end,
      case when t.is_staff then c.chat else private.for_customer(c.chat) end
    from unnest(p_chat_ids, p_after, p_is_staff) as t (chat_id, after, is_staff)
    cross join lateral (select x from public.chats x where x.id = t.chat_id limit 1) as c (chat)
    cross join lateral (
      -- The customer's numbers are never ahead of the staff's.
      select x.* from private.events x
      where x.chat_id = t.chat_id and x.event_seq > t.after and (t.is_staff or x.customer_event_seq > t.after)
      order by x.event_seq
      limit p_limit
    ) e
    left join lateral (
      select x from public.messages x where x.chat_id = e.chat_id and x.seq = e.message_seq limit 1
    ) as m (message) on e.event in ('message.created', 'message.edited', 'message.deleted')
    order by t.chat_id, t.is_staff, e.event_seq;
end
$$;

comment on function private.read_events(uuid[], bigint[], boolean[], integer) is 'The events of these chats after these numbers, for staff or customer, at most p_limit each, as list_events returns them. Where the first is not the next one, history is gone. Checks nobody: for the relays.';
revoke execute on function private.read_events(uuid[], bigint[], boolean[], integer) from public, anon, authenticated;
grant execute on function private.read_events(uuid[], bigint[], boolean[], integer) to service_role;

-- What the staff are told of a change of state or holder. Names as they are now.
create or replace function private.event_detail(p_event private.events)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'operator_id', p_event.person_id,
    'operator_name', (select o.name from public.operators o where o.id = p_event.person_id),
    'from_operator_id', p_event.from_person_id,
    'from_operator_name', (select o.name from public.operators o where o.id = p_event.from_person_id),
    'actor_id', h.actor_id,
    'reason', h.reason,
    'note', h.note
  )
  from (select) as one
  left join public.chat_history h on h.id = p_event.history_id
$$;

comment on function private.event_detail(private.events) is 'Who got, had or lost the chat, who did it and why.';
revoke execute on function private.event_detail(private.events) from public, anon, authenticated, service_role;

-- Whom the customer sees answering: the persona, or the operator's name where there is none.
create or replace function private.face(p_operator_id uuid, p_fictional_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select jsonb_build_object(
    'name', coalesce(f.name, (select o.name from public.operators o where o.id = p_operator_id)),
    'fictional_user_id', f.id,
    'avatar_url', f.avatar_url
  )
  from (select) as one
  left join public.fictional_users f on f.id = p_fictional_user_id
$$;

comment on function private.face(uuid, uuid) is 'The name and face that a customer sees of this operator behind this persona.';
revoke execute on function private.face(uuid, uuid) from public, anon, authenticated, service_role;

create or replace function private.event_face(p_event private.events, p_fictional_user_id uuid)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$ select private.face(p_event.person_id, p_fictional_user_id) $$;

comment on function private.event_face(private.events, uuid) is 'The name and face that the customer is told of.';
revoke execute on function private.event_face(private.events, uuid) from public, anon, authenticated, service_role;

create or replace function private.list_events(p_chat_id uuid, p_after_event bigint, p_limit integer)
returns table (event_seq bigint, event text, at timestamptz, detail jsonb, message public.messages, chat public.chats)
language plpgsql
stable
security definer
set search_path = ''
set enable_seqscan = off
as $$
declare
  v_chat public.chats;
  v_is_staff boolean;
  v_last bigint;
begin
  if p_limit is null or p_limit not between 1 and 500 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 500.');
  elsif p_after_event is null or p_after_event < 0 then
    perform private.refuse('invalid_argument', 'p_after_event is the number of the last event seen, 0 for none.');
  end if;
  v_chat := private.find_chat(p_chat_id);
  v_is_staff := private.caller_kind() in ('service', 'admin', 'operator');
  v_last := case when v_is_staff then v_chat.event_seq else v_chat.customer_event_seq end;
  -- Against the counter, not against the oldest row: all rows may be gone. A number that was never
  -- given here comes from another history.
  if p_after_event > v_last or p_after_event < v_last and not exists (
    select from private.events e
    where e.chat_id = p_chat_id and e.event_seq > p_after_event
      and case when v_is_staff then e.event_seq else e.customer_event_seq end = p_after_event + 1
  ) then
    perform private.refuse('events_gone');
  end if;
  return query
    select e.event_seq, e.event, e.at, e.detail, e.message, e.chat
    from private.read_events(array[p_chat_id], array[p_after_event], array[v_is_staff], p_limit) e;
end
$$;

revoke execute on function private.list_events(uuid, bigint, integer) from public, anon;
grant execute on function private.list_events(uuid, bigint, integer) to authenticated, service_role;

create or replace function public.list_events(p_chat_id uuid, p_after_event bigint, p_limit integer default 200)
returns table (event_seq bigint, event text, at timestamptz, detail jsonb, message public.messages, chat public.chats)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_events(p_chat_id, p_after_event, p_limit) $$;

comment on function public.list_events(uuid, bigint, integer) is 'What happened in a chat after the event of this number (0: from the beginning), in order, without gaps, at most p_limit (1 to 500). Messages, names and the chat''s row as they are now; message is null unless one was created, edited or deleted. Refuses: chat_not_found, invalid_argument, events_gone.';
revoke execute on function public.list_events(uuid, bigint, integer) from public, anon;
grant execute on function public.list_events(uuid, bigint, integer) to authenticated, service_role;

create or replace function private.list_read_marks(p_chat_id uuid)
returns table (reader_type text, reader_id uuid, seq bigint, read_at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_chat public.chats := private.find_chat(p_chat_id);
  v_is_staff boolean := private.caller_kind() in ('service', 'admin', 'operator');
begin
  return query
    select 'real', r.reader_id, r.seq, r.read_at
    from public.read_marks r
    where r.chat_id = p_chat_id and r.reader_id = v_chat.real_user_id and r.seq > 0
    union all
    (
      select 'operator', case when v_is_staff then r.reader_id end, r.seq, r.read_at
      from public.read_marks r
      where r.chat_id = p_chat_id and r.reader_id <> v_chat.real_user_id and r.seq > 0
      order by r.seq desc, r.read_at
      limit case when v_is_staff then null else 1 end
    );
end
$$;

revoke execute on function private.list_read_marks(uuid) from public, anon;
grant execute on function private.list_read_marks(uuid) to authenticated, service_role;

create or replace function public.list_read_marks(p_chat_id uuid)
returns table (reader_type text, reader_id uuid, seq bigint, read_at timestamptz)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_read_marks(p_chat_id) $$;

comment on function public.list_read_marks(uuid) is 'How far each reader has read the chat. A customer gets his own mark and the furthest one of the staff, without its reader. Refuses chat_not_found.';
revoke execute on function public.list_read_marks(uuid) from public, anon;
grant execute on function public.list_read_marks(uuid) to authenticated, service_role;

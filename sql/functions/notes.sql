-- Notes: what the staff say to each other about a chat. Whoever of them may see the chat may read and add
-- some, whatever its state; they change nothing in it. A customer learns of none, not by a gap in his numbers
-- either. A mention points somebody to a note, and opens no chat to him: what he may see of it he may see anyway.

-- With the name of its author, as events and snapshots have it.
create or replace function private.note_row(p_note public.chat_notes)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select to_jsonb(p_note) || jsonb_build_object('author_name', o.name)
  from public.operators o
  where o.id = p_note.author_id
$$;

comment on function private.note_row(public.chat_notes) is 'A note with its author''s name.';
revoke execute on function private.note_row(public.chat_notes) from public, anon, authenticated, service_role;

create or replace function private.check_note(p_content text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if coalesce(p_content, '') = '' then
    perform private.refuse('content_empty', 'A note has 1 to 16,384 bytes of text.');
  elsif octet_length(p_content) > 16384 then
    perform private.refuse('content_too_long', 'A note has at most 16,384 bytes.');
  end if;
end
$$;

comment on function private.check_note(text) is 'Refuses content_empty and content_too_long (1 to 16,384 bytes).';
revoke execute on function private.check_note(text) from public, anon, authenticated, service_role;

-- Each one once, and in an order, so that the same mentions are equal.
create or replace function private.sorted_mentions(p_mentions uuid[])
returns uuid[]
language sql
immutable
set search_path = ''
as $$ select array(select distinct m from unnest(p_mentions) as m order by m) $$;

comment on function private.sorted_mentions(uuid[]) is 'These operators, each once; none for null.';
revoke execute on function private.sorted_mentions(uuid[]) from public, anon, authenticated, service_role;

create or replace function private.check_mentions(p_chat public.chats, p_operator_ids uuid[])
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  if cardinality(p_operator_ids) > 50 then
    perform private.refuse('invalid_argument', 'A note mentions at most 50.');
  elsif exists (
    select from (select m.id, private.kind_of(m.id) as kind from unnest(p_operator_ids) as m (id)) m
    where m.kind not in ('operator', 'admin') or not private.may_see(p_chat, m.id, m.kind)
  ) then
    perform private.refuse('mention_refused');
  end if;
end
$$;

comment on function private.check_mentions(public.chats, uuid[]) is 'Refuses mention_refused unless all of them are active operators who may see the chat; invalid_argument beyond 50.';
revoke execute on function private.check_mentions(public.chats, uuid[]) from public, anon, authenticated, service_role;

create or replace function private.tg_chat_notes__prepare()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_chat public.chats := private.lock_chat(new.chat_id);
begin
  perform private.check_note(new.content);
  new.mentions := private.sorted_mentions(new.mentions);
  perform private.check_mentions(v_chat, new.mentions);
  new.created_at := coalesce(new.created_at, private.now());
  return new;
end
$$;

comment on function private.tg_chat_notes__prepare() is 'Locks the chat and checks a new note.';
revoke execute on function private.tg_chat_notes__prepare() from public, anon, authenticated, service_role;

-- Deleting empties it at once; what it said before an edit is not kept. Who was mentioned before and has lost
-- the chat since stays mentioned.
create or replace function private.tg_chat_notes__revise()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  select c.* into v_chat from public.chats c where c.id = old.chat_id for no key update;
  if (new.chat_id, new.author_id, new.created_at) is distinct from (old.chat_id, old.author_id, old.created_at) then
    perform private.refuse('transition_refused', 'A note keeps its chat, its author and its time.');
  elsif old.deleted_at is not null and (new.content, new.mentions, new.deleted_at) is distinct from (old.content, old.mentions, old.deleted_at) then
    perform private.refuse('note_not_found');
  elsif new.deleted_at is not null then
    new.content := '';
    new.mentions := '{}';
    return new;
  end if;
  perform private.check_note(new.content);
  new.mentions := private.sorted_mentions(new.mentions);
  perform private.check_mentions(v_chat, array(select unnest(new.mentions) except select unnest(old.mentions)));
  if (new.content, new.mentions) is distinct from (old.content, old.mentions) then
    new.edited_at := private.now();
  end if;
  return new;
end
$$;

comment on function private.tg_chat_notes__revise() is 'Checks the change of a note, and empties a deleted one. Refuses transition_refused, note_not_found, content_empty, content_too_long, mention_refused, invalid_argument.';
revoke execute on function private.tg_chat_notes__revise() from public, anon, authenticated, service_role;

create or replace function private.tg_chat_notes__refuse_delete()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if exists (select from public.chats c where c.id = old.chat_id) then
    perform private.refuse('transition_refused', 'Events name this note: set deleted_at, or delete the whole chat.');
  end if;
  return old;
end
$$;

comment on function private.tg_chat_notes__refuse_delete() is 'Refuses to remove a note from a chat that stays (transition_refused).';
revoke execute on function private.tg_chat_notes__refuse_delete() from public, anon, authenticated, service_role;

-- Nobody is told what he has written himself.
create or replace function private.tg_chat_notes__mention()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_wanted uuid[] := array_remove(new.mentions, new.author_id);
begin
  with gone as (
    delete from public.chat_mentions m
    where m.note_id = new.id and m.operator_id <> all (v_wanted)
    returning m.operator_id
  ), come as (
    insert into public.chat_mentions (note_id, operator_id, chat_id, created_at)
    select new.id, w, new.chat_id, coalesce(new.edited_at, new.created_at) from unnest(v_wanted) as w order by w
    on conflict (note_id, operator_id) do nothing
    returning operator_id
  )
  insert into private.events (event, person_id)
  select 'mention.changed', c.operator_id
  from (select g.operator_id from gone g union all select c.operator_id from come c) c;
  return null;
end
$$;

comment on function private.tg_chat_notes__mention() is 'Keeps chat_mentions as the note has them, and tells the relays whom it is about.';
revoke execute on function private.tg_chat_notes__mention() from public, anon, authenticated, service_role;

create or replace function private.tg_chat_notes__tell()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  v_event text := 'note.created';
begin
  if tg_op = 'UPDATE' then
    v_event := case
      when new.deleted_at is not null and old.deleted_at is null then 'note.deleted'
      when (new.content, new.mentions) is distinct from (old.content, old.mentions) then 'note.edited'
    end;
  end if;
  if v_event is not null then
    perform private.add_event(new.chat_id, v_event, false, p_note_id => new.id);
  end if;
  return null;
end
$$;

comment on function private.tg_chat_notes__tell() is 'Writes note.created, note.edited and note.deleted, for the staff.';
revoke execute on function private.tg_chat_notes__tell() from public, anon, authenticated, service_role;

-- What this author wrote under this id, when it is the same note. One that was edited or deleted since says no
-- more what it first said, and is taken for the same.
create or replace function private.find_noted(
  p_author_id uuid, p_client_note_id uuid, p_chat_id uuid, p_content text, p_mentions uuid[]
)
returns public.chat_notes
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_note public.chat_notes;
begin
  select n.* into v_note
  from public.chat_notes n
  where n.author_id = p_author_id and n.client_note_id = p_client_note_id;
  if v_note.id is null then
    return null;
  elsif v_note.chat_id is distinct from p_chat_id
    or coalesce(v_note.edited_at, v_note.deleted_at) is null
      and (v_note.content, v_note.mentions) is distinct from (p_content, private.sorted_mentions(p_mentions))
  then
    perform private.refuse('client_message_id_reused', 'Make a new client_note_id for each note; repeat it only to retry the same one.');
  end if;
  perform set_config('response.status', '200', true);
  return v_note;
end
$$;

comment on function private.find_noted(uuid, uuid, uuid, text, uuid[]) is 'The note that this author wrote under this client_note_id, or null; refuses client_message_id_reused. Found, it sets response.status to 200.';
revoke execute on function private.find_noted(uuid, uuid, uuid, text, uuid[]) from public, anon, authenticated, service_role;

-- A retry is looked for first: who is mentioned may have left since, and that refuses only a new note. When it
-- runs beside the first try, the unique key decides.
create or replace function private.add_note(p_chat_id uuid, p_content text, p_client_note_id uuid, p_mentions uuid[])
returns public.chat_notes
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_author_id uuid := private.require_operator();
  v_note public.chat_notes := private.find_noted(v_author_id, p_client_note_id, p_chat_id, p_content, p_mentions);
begin
  if v_note.id is null then
    insert into public.chat_notes (chat_id, author_id, content, mentions, client_note_id)
    values (p_chat_id, v_author_id, p_content, p_mentions, p_client_note_id)
    on conflict (author_id, client_note_id) do nothing
    returning * into v_note;
    if v_note.id is null then
      v_note := private.find_noted(v_author_id, p_client_note_id, p_chat_id, p_content, p_mentions);
      perform private.touch_waiting(p_chat_id);
    end if;
  end if;
  return v_note;
end
$$;

revoke execute on function private.add_note(uuid, text, uuid, uuid[]) from public, anon;
grant execute on function private.add_note(uuid, text, uuid, uuid[]) to authenticated, service_role;

create or replace function public.add_note(p_chat_id uuid, p_content text, p_client_note_id uuid, p_mentions uuid[] default '{}')
returns public.chat_notes
language sql
volatile
security invoker
set search_path = ''
as $$ select private.add_note(p_chat_id, p_content, p_client_note_id, p_mentions) $$;

comment on function public.add_note(uuid, text, uuid, uuid[]) is 'An operator notes something about a chat that he may see, for the staff alone (1 to 16,384 bytes); p_mentions: ids of at most 50 operators. Returns the note; the same client_note_id again returns the first. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, content_empty, content_too_long, mention_refused, invalid_argument, client_message_id_reused.';
revoke execute on function public.add_note(uuid, text, uuid, uuid[]) from public, anon;
grant execute on function public.add_note(uuid, text, uuid, uuid[]) to authenticated, service_role;

create or replace function private.lock_note(p_note_id uuid)
returns public.chat_notes
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
  v_note public.chat_notes;
begin
  select c.* into v_chat
  from public.chats c
  where c.id = (select n.chat_id from public.chat_notes n where n.id = p_note_id)
  for no key update;
  select n.* into v_note from public.chat_notes n where n.id = p_note_id;
  if v_note.id is null or private.can_see_chat(v_chat) is not true then
    perform private.refuse('note_not_found');
  end if;
  return v_note;
end
$$;

comment on function private.lock_note(uuid) is 'A note of a chat that the caller may see, with its chat locked; else note_not_found.';
revoke execute on function private.lock_note(uuid) from public, anon, authenticated, service_role;

create or replace function private.edit_note(p_note_id uuid, p_content text, p_mentions uuid[])
returns public.chat_notes
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_operator();
  v_note public.chat_notes := private.lock_note(p_note_id);
begin
  if v_note.deleted_at is not null then
    perform private.refuse('note_not_found');
  elsif v_note.author_id <> v_caller_id then
    perform private.refuse('not_allowed', 'A note is changed by its author.');
  end if;
  update public.chat_notes n
  set content = p_content, mentions = coalesce(p_mentions, n.mentions)
  where n.id = v_note.id
  returning n.* into v_note;
  perform private.touch_waiting(v_note.chat_id);
  return v_note;
end
$$;

revoke execute on function private.edit_note(uuid, text, uuid[]) from public, anon;
grant execute on function private.edit_note(uuid, text, uuid[]) to authenticated, service_role;

create or replace function public.edit_note(p_note_id uuid, p_content text, p_mentions uuid[] default null)
returns public.chat_notes
language sql
volatile
security invoker
set search_path = ''
as $$ select private.edit_note(p_note_id, p_content, p_mentions) $$;

comment on function public.edit_note(uuid, text, uuid[]) is 'The author changes his note (1 to 16,384 bytes); p_mentions: whom it mentions from now on, null: whom it did. Refuses: not_signed_in, not_allowed, operator_inactive, note_not_found, content_empty, content_too_long, mention_refused, invalid_argument.';
revoke execute on function public.edit_note(uuid, text, uuid[]) from public, anon;
grant execute on function public.edit_note(uuid, text, uuid[]) to authenticated, service_role;

create or replace function private.delete_note(p_note_id uuid)
returns public.chat_notes
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_note public.chat_notes;
  v_is_own boolean;
begin
  perform private.require_staff();
  v_note := private.lock_note(p_note_id);
  v_is_own := v_note.author_id is not distinct from auth.uid();
  if not v_is_own and private.caller_kind() not in ('admin', 'service') then
    perform private.refuse('not_allowed', 'A note is deleted by its author or an admin.');
  elsif v_note.deleted_at is null then
    update public.chat_notes n set deleted_at = private.now() where n.id = v_note.id returning n.* into v_note;
    if not v_is_own then
      perform private.audit('note.deleted', v_note.author_id, jsonb_build_object('note_id', v_note.id));
    end if;
  end if;
  perform private.touch_waiting(v_note.chat_id);
  return v_note;
end
$$;

revoke execute on function private.delete_note(uuid) from public, anon;
grant execute on function private.delete_note(uuid) to authenticated, service_role;

create or replace function public.delete_note(p_note_id uuid)
returns public.chat_notes
language sql
volatile
security invoker
set search_path = ''
as $$ select private.delete_note(p_note_id) $$;

comment on function public.delete_note(uuid) is 'The author, an admin or the service deletes a note: its text and mentions are gone. Twice changes nothing. Refuses: not_signed_in, not_allowed, operator_inactive, note_not_found.';
revoke execute on function public.delete_note(uuid) from public, anon;
grant execute on function public.delete_note(uuid) to authenticated, service_role;

-- A note never goes from a chat that stays, so its id is a good place to go on from, deleted or not.
create or replace function private.list_notes(p_chat_id uuid, p_before_id uuid, p_limit integer)
returns table (
  id uuid, chat_id uuid, author_id uuid, content text, mentions uuid[], client_note_id uuid,
  created_at timestamptz, edited_at timestamptz, deleted_at timestamptz, author_name text
)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_before timestamptz;
begin
  perform private.require_staff();
  if p_limit is null or p_limit not between 1 and 200 then
    perform private.refuse('invalid_argument', 'p_limit is 1 to 200.');
  end if;
  perform private.find_chat(p_chat_id);
  if p_before_id is not null then
    select n.created_at into v_before from public.chat_notes n where n.id = p_before_id and n.chat_id = p_chat_id;
    if v_before is null then
      perform private.refuse('note_not_found');
    end if;
  end if;
  return query
    select x.*
    from (
      select n.*, o.name
      from public.chat_notes n
      join public.operators o on o.id = n.author_id
      where n.chat_id = p_chat_id and n.deleted_at is null
        and (v_before is null or (n.created_at, n.id) < (v_before, p_before_id))
      order by n.created_at desc, n.id desc
      limit p_limit
    ) x
    order by x.created_at, x.id;
end
$$;

revoke execute on function private.list_notes(uuid, uuid, integer) from public, anon;
grant execute on function private.list_notes(uuid, uuid, integer) to authenticated, service_role;

create or replace function public.list_notes(p_chat_id uuid, p_before_id uuid default null, p_limit integer default 50)
returns table (
  id uuid, chat_id uuid, author_id uuid, content text, mentions uuid[], client_note_id uuid,
  created_at timestamptz, edited_at timestamptz, deleted_at timestamptz, author_name text
)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_notes(p_chat_id, p_before_id, p_limit) $$;

comment on function public.list_notes(uuid, uuid, integer) is 'A page of a chat''s notes in their order, without deleted ones, at most 200: the newest, or those before one of them; for staff who may see the chat. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found, note_not_found (p_before_id), invalid_argument.';
revoke execute on function public.list_notes(uuid, uuid, integer) from public, anon;
grant execute on function public.list_notes(uuid, uuid, integer) to authenticated, service_role;

-- In the very form in which events have them, so that a snapshot can be compared with what events made of it.
create or replace function private.get_chat_extras(p_chat_id uuid)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_chat public.chats := private.find_chat(p_chat_id);
  v_operator_id uuid := coalesce(v_chat.assigned_operator_id, v_chat.last_operator_id);
begin
  if private.caller_kind() not in ('service', 'admin', 'operator') then
    return jsonb_build_object(
      'face', case when v_operator_id is not null then private.face(v_operator_id, v_chat.fictional_user_id) end
    );
  end if;
  return jsonb_build_object(
    'notes', (
      select coalesce(jsonb_agg(private.note_row(l.note) order by (l.note).created_at, (l.note).id), '[]')
      from (
        select n as note
        from public.chat_notes n
        where n.chat_id = p_chat_id and n.deleted_at is null
        order by n.created_at desc, n.id desc
        limit 50
      ) l
    ),
    'has_older_notes', exists (
      select from public.chat_notes n where n.chat_id = p_chat_id and n.deleted_at is null offset 50
    ),
    'rating', (
      select jsonb_build_object('score', r.score, 'comment', r.comment) from public.chat_ratings r where r.chat_id = p_chat_id
    )
  );
end
$$;

revoke execute on function private.get_chat_extras(uuid) from public, anon;
grant execute on function private.get_chat_extras(uuid) to authenticated, service_role;

create or replace function public.get_chat_extras(p_chat_id uuid)
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_chat_extras(p_chat_id) $$;

comment on function public.get_chat_extras(uuid) is 'What a screen of the staff begins with besides the chat and its messages: {"notes" (the newest 50), "has_older_notes", "rating"}; a customer''s, with whom he sees answering, now or last: {"face"}, null before anybody had it. Refuses chat_not_found.';
revoke execute on function public.get_chat_extras(uuid) from public, anon;
grant execute on function public.get_chat_extras(uuid) to authenticated, service_role;

-- Mentions. Only those in chats that the operator may see now: who was mentioned while it waited may have
-- lost it since.

create or replace function private.count_mentions(p_operator_ids uuid[])
returns table (operator_id uuid, unread_count bigint)
language sql
stable
security definer
set search_path = ''
as $$
  select m.operator_id, count(*)
  from public.chat_mentions m
  join public.chats c on c.id = m.chat_id
  where m.operator_id = any (p_operator_ids) and m.read_at is null
    and private.may_see(c, m.operator_id, private.kind_of(m.operator_id))
  group by m.operator_id
$$;

comment on function private.count_mentions(uuid[]) is 'How many unread mentions each of these operators has; who has none is left out. For the relays.';
revoke execute on function private.count_mentions(uuid[]) from public, anon, authenticated;
grant execute on function private.count_mentions(uuid[]) to service_role;

create or replace function private.list_mentions(p_unread_only boolean)
returns table (
  note_id uuid, chat_id uuid, author_id uuid, author_name text, content text, created_at timestamptz, read_at timestamptz
)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_operator();
  v_kind text := private.kind_of(v_caller_id);
begin
  return query
    select n.id, n.chat_id, n.author_id, o.name, n.content, m.created_at, m.read_at
    from public.chat_mentions m
    join public.chat_notes n on n.id = m.note_id
    join public.operators o on o.id = n.author_id
    join public.chats c on c.id = m.chat_id
    where m.operator_id = v_caller_id
      and (m.read_at is null or p_unread_only is not true)
      and private.may_see(c, v_caller_id, v_kind)
    order by m.created_at desc, n.id
    limit 200;
end
$$;

revoke execute on function private.list_mentions(boolean) from public, anon;
grant execute on function private.list_mentions(boolean) to authenticated, service_role;

create or replace function public.list_mentions(p_unread_only boolean default true)
returns table (
  note_id uuid, chat_id uuid, author_id uuid, author_name text, content text, created_at timestamptz, read_at timestamptz
)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_mentions(p_unread_only) $$;

comment on function public.list_mentions(boolean) is 'The notes that mention the calling operator, in chats that he may see, newest first, at most 200; p_unread_only false: also those that he has read. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.list_mentions(boolean) from public, anon;
grant execute on function public.list_mentions(boolean) to authenticated, service_role;

-- Without the chat's lock: nothing in the chat changes. In an order, since a second screen may read the same.
create or replace function private.read_mentions(p_chat_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := private.require_operator();
begin
  perform private.find_chat(p_chat_id);
  update public.chat_mentions m
  set read_at = private.now()
  where m.operator_id = v_caller_id and m.note_id = any (array(
    select u.note_id from public.chat_mentions u
    where u.operator_id = v_caller_id and u.chat_id = p_chat_id and u.read_at is null
    order by u.note_id
    for update
  ));
  if found then
    insert into private.events (event, person_id) values ('mention.changed', v_caller_id);
  end if;
end
$$;

revoke execute on function private.read_mentions(uuid) from public, anon;
grant execute on function private.read_mentions(uuid) to authenticated, service_role;

create or replace function public.read_mentions(p_chat_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.read_mentions(p_chat_id) $$;

comment on function public.read_mentions(uuid) is 'The calling operator has read where this chat''s notes mention him. Refuses: not_signed_in, not_allowed, operator_inactive, chat_not_found.';
revoke execute on function public.read_mentions(uuid) from public, anon;
grant execute on function public.read_mentions(uuid) to authenticated, service_role;

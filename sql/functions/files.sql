-- Files: who may see and bring them, what a message carries, and which are to go.
--
-- A file of a chat is a row of storage.objects in the bucket attachments, in the folder of the chat's id. It
-- is its uploader's alone until a message carries it; then whoever sees the chat sees it. The message's id
-- in user_metadata is the mark of that: only mark_attachments writes it (the policies see to it), and it
-- decides between sending a file and removing it when both are tried at once.

-- Null for a name that lies in no chat's folder.
create or replace function private.chat_of_file(p_name text)
returns uuid
language sql
immutable
set search_path = ''
as $$
  select case
    when p_name ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.' then split_part(p_name, '/', 1)::uuid
  end
$$;

comment on function private.chat_of_file(text) is 'The chat in whose folder this file lies, or null.';
revoke execute on function private.chat_of_file(text) from public, anon, authenticated, service_role;

-- Asks the message itself: whatever an upload may have written into its row, a file that no message carries
-- was not sent.
create or replace function private.is_sent(p_name text, p_user_metadata jsonb)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select exists (
    select from public.messages m
    where m.id = case when p_user_metadata ->> 'message_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        then (p_user_metadata ->> 'message_id')::uuid end
      and m.attachments @> jsonb_build_array(jsonb_build_object('path', p_name))
  )
$$;

comment on function private.is_sent(text, jsonb) is 'Whether a message carries this file of the bucket attachments.';
revoke execute on function private.is_sent(text, jsonb) from public, anon, authenticated, service_role;

create or replace function private.is_going(p_bucket_id text, p_name text)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$ select exists (select from private.file_removals r where r.bucket_id = p_bucket_id and r.name = p_name) $$;

comment on function private.is_going(text, text) is 'Whether this file is to be removed: then nobody sees it any more.';
revoke execute on function private.is_going(text, text) from public, anon;
grant execute on function private.is_going(text, text) to authenticated, service_role;

create or replace function private.may_see_file(p_name text, p_owner_id text, p_user_metadata jsonb)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_chat public.chats;
begin
  if p_owner_id is distinct from auth.uid()::text and not private.is_sent(p_name, p_user_metadata) then
    return false;
  end if;
  select c.* into v_chat from public.chats c where c.id = private.chat_of_file(p_name);
  return v_chat.id is not null
    and private.can_see_chat(v_chat)
    and not private.is_going('attachments', p_name);
end
$$;

comment on function private.may_see_file(text, text, jsonb) is 'Whether the caller may see this file of the bucket attachments: his own, or one that was sent in a chat that he may see.';
revoke execute on function private.may_see_file(text, text, jsonb) from public, anon;
grant execute on function private.may_see_file(text, text, jsonb) to authenticated, service_role;

create or replace function private.may_put_file(p_name text)
returns boolean
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_caller_id uuid := auth.uid();
begin
  return exists (
    select from public.chats c
    where c.id = private.chat_of_file(p_name)
      and (c.real_user_id = v_caller_id or c.assigned_operator_id = v_caller_id and private.is_operator())
  );
end
$$;

comment on function private.may_put_file(text) is 'Whether the caller may bring a file of this name into the bucket attachments: into a chat of his own, or one that he holds.';
revoke execute on function private.may_put_file(text) from public, anon;
grant execute on function private.may_put_file(text) to authenticated, service_role;

create or replace function private.may_put_avatar(p_name text)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select strpos(p_name, '/') > 0 and (split_part(p_name, '/', 1) = (select auth.uid())::text or (select private.is_admin()))
$$;

comment on function private.may_put_avatar(text) is 'Whether the calling operator may bring or change this file of the bucket avatars: in his own folder; admins in any.';
revoke execute on function private.may_put_avatar(text) from public, anon;
grant execute on function private.may_put_avatar(text) to authenticated, service_role;

-- What its uploader called a file, fit to be shown and to be saved under: no folders, nothing invisible that
-- makes one ending look like another.
create or replace function private.file_label(p_name text, p_user_metadata jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select coalesce(nullif(left(btrim(
    regexp_replace(coalesce(p_user_metadata ->> 'name', split_part(p_name, '/', -1)), '[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069/\\]', '', 'g')
  ), 200), ''), 'file')
$$;

comment on function private.file_label(text, jsonb) is 'A file''s name for people: at most 200 characters, without separators and invisible ones.';
revoke execute on function private.file_label(text, jsonb) from public, anon;
grant execute on function private.file_label(text, jsonb) to authenticated, service_role;

-- The files that a new message names, by their paths, as they are described in it. Locked: whoever removes
-- one at this moment waits, and then finds it sent.
create or replace function private.lock_attachments(p_message public.messages)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_sender_id text := case when not private.is_service() then p_message.sender_id::text end;
  v_paths text[];
  v_files jsonb;
begin
  if jsonb_typeof(p_message.attachments) is distinct from 'array' or jsonb_array_length(p_message.attachments) > 10 then
    perform private.refuse('invalid_argument', 'Attachments are a list of at most 10 paths.');
  end if;
  v_paths := array(select coalesce(a ->> 'path', a #>> '{}') from jsonb_array_elements(p_message.attachments) a);
  perform from storage.objects o
  where o.bucket_id = 'attachments' and o.name collate "C" = any (v_paths)
  order by o.name collate "C"
  for update;
  select
    jsonb_agg(
      jsonb_build_object(
        'path', o.name,
        'name', private.file_label(o.name, o.user_metadata),
        'type', o.metadata ->> 'mimetype',
        'size', (o.metadata ->> 'size')::bigint
      )
      order by p.place
    )
  into v_files
  from unnest(v_paths) with ordinality as p (path, place)
  join storage.objects o on o.bucket_id = 'attachments' and o.name collate "C" = p.path
  where private.chat_of_file(o.name) = p_message.chat_id
    and not private.is_going('attachments', o.name)
    and o.owner_id is not distinct from coalesce(v_sender_id, o.owner_id);
  -- One that is named twice is found out when it is marked.
  if coalesce(jsonb_array_length(v_files), 0) <> cardinality(v_paths) then
    perform private.refuse('attachment_not_found');
  end if;
  return v_files;
end
$$;

comment on function private.lock_attachments(public.messages) is 'The files of a new message, described: path, name, type, size in bytes. Refuses attachment_not_found, invalid_argument.';
revoke execute on function private.lock_attachments(public.messages) from public, anon, authenticated, service_role;

-- Not before the message is there: the retry of one that was sent is no second sending.
create or replace function private.mark_attachments(p_message public.messages)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_count bigint;
begin
  update storage.objects o
  set user_metadata = coalesce(o.user_metadata, '{}') || jsonb_build_object('message_id', p_message.id)
  where o.bucket_id = 'attachments'
    and o.name collate "C" = any (array(select a ->> 'path' from jsonb_array_elements(p_message.attachments) a))
    and (o.user_metadata -> 'message_id') is null;
  get diagnostics v_count = row_count;
  if v_count <> jsonb_array_length(p_message.attachments) then
    perform private.refuse('attachment_not_found');
  end if;
end
$$;

comment on function private.mark_attachments(public.messages) is 'Notes in its files that the message carries them. Refuses attachment_not_found.';
revoke execute on function private.mark_attachments(public.messages) from public, anon, authenticated, service_role;

create or replace function private.tg_messages__remove_files()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.file_removals (bucket_id, name)
  select 'attachments', a ->> 'path' from jsonb_array_elements(old.attachments) a
  on conflict do nothing;
  return null;
end
$$;

comment on function private.tg_messages__remove_files() is 'Has the files of a deleted message removed.';
revoke execute on function private.tg_messages__remove_files() from public, anon, authenticated, service_role;

create or replace function private.tg_chats__remove_files()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into private.file_removals (bucket_id, name)
  select o.bucket_id, o.name
  from old_rows c
  join storage.objects o on o.bucket_id = 'attachments'
    and o.name collate "C" > c.id || '/' and o.name collate "C" < c.id || '0'  -- what follows the slash
  on conflict do nothing;
  return null;
end
$$;

comment on function private.tg_chats__remove_files() is 'Has the files of deleted chats removed.';
revoke execute on function private.tg_chats__remove_files() from public, anon, authenticated, service_role;

create or replace function private.tg_settings__limit_files()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  update storage.buckets b set file_size_limit = (new.value #>> '{}')::bigint where b.id = 'attachments';
  return null;
end
$$;

comment on function private.tg_settings__limit_files() is 'Tells the bucket how large a file may be.';
revoke execute on function private.tg_settings__limit_files() from public, anon, authenticated, service_role;

-- Files that nobody will ever send: brought a day ago and not sent since, or brought while their chat was
-- being deleted. Older ones than a month have been looked at before. The lock decides beside a message that is
-- just being sent, as in lock_attachments.
create or replace function private.run_file_sweep()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_count bigint;
begin
  insert into private.file_removals (bucket_id, name)
  select o.bucket_id, o.name
  from storage.objects o
  where o.bucket_id = 'attachments'
    and o.created_at > now() - interval '30 days'
    and (
      (o.user_metadata -> 'message_id') is null and o.created_at < now() - interval '1 day'
      or not exists (select from public.chats c where c.id = private.chat_of_file(o.name))
    )
  for update of o skip locked
  on conflict do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

comment on function private.run_file_sweep() is 'Has files removed that were brought a day ago and never sent, or that belong to no chat; returns how many. A job of the service.';
revoke execute on function private.run_file_sweep() from public, anon, authenticated;
grant execute on function private.run_file_sweep() to service_role;

-- Whoever removes them holds them until he has: two do not do the same work.
create or replace function private.claim_file_removals(p_limit integer)
returns table (bucket_id text, name text)
language sql
volatile
security definer
set search_path = ''
as $$
  select r.bucket_id, r.name
  from private.file_removals r
  order by r.requested_at
  limit p_limit
  for update skip locked
$$;

comment on function private.claim_file_removals(integer) is 'The files that are to go, the oldest first, locked for this transaction. For the job that removes them.';
revoke execute on function private.claim_file_removals(integer) from public, anon, authenticated;
grant execute on function private.claim_file_removals(integer) to service_role;

create or replace function private.finish_file_removals(p_bucket_id text, p_names text[])
returns bigint
language sql
volatile
security definer
set search_path = ''
as $$
  with done as (
    delete from private.file_removals r where r.bucket_id = p_bucket_id and r.name = any (p_names)
    returning 1
  )
  select count(*) from done
$$;

comment on function private.finish_file_removals(text, text[]) is 'Says that these files are gone; returns how many had to go. For the job that removes them.';
revoke execute on function private.finish_file_removals(text, text[]) from public, anon, authenticated;
grant execute on function private.finish_file_removals(text, text[]) to service_role;

-- Files: what a message carries, and which files are to go.
--
-- The files themselves are rows of Supabase's storage.objects, or of its stand-in (supabase/), and bytes
-- wherever the web layer or Supabase keeps them. Who may do what with them is said by policies.
--
-- Rolled back by rollbacks/20261121000002_files.sql: messages lose their attachments; the buckets and what is
-- in them stay.

-- [{"path", "name", "type", "size"}], filled from storage.objects when the message is written.
alter table public.messages
  add column attachments jsonb not null default '[]' constraint messages_attachments_check
    check (jsonb_typeof(attachments) = 'array' and jsonb_array_length(attachments) <= 10),
  -- A picture needs no words.
  drop constraint messages_content_length,
  add constraint messages_content_length check (
    deleted_at is not null or octet_length(content) between 1 and 65536 or content = '' and attachments <> '[]'
  );

-- Nobody sees these any more; a job removes them with their bytes, which no transaction can.
create table private.file_removals (
  bucket_id text not null,
  name text not null,
  requested_at timestamptz not null default now(),
  primary key (bucket_id, name)
);

insert into public.settings (name, value, kind, description) values
  ('file_size_limit', '10485760', 'number', 'The largest file that may be attached to a message, in bytes');

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types) values
  ('attachments', 'attachments', false, 10485760, array[
    'image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/heic', 'application/pdf',
    'text/plain', 'text/csv', 'audio/mpeg', 'audio/ogg', 'audio/wav', 'audio/mp4', 'audio/webm',
    'video/mp4', 'video/webm',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    'application/vnd.openxmlformats-officedocument.presentationml.presentation'
  ]),
  ('avatars', 'avatars', true, 1048576, array['image/png', 'image/jpeg', 'image/gif', 'image/webp'])
on conflict (id) do nothing;

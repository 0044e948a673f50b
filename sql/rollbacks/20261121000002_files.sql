-- What has no words is told by the name of its first file, so that the old constraint holds.
update public.messages m
set content = coalesce(m.attachments -> 0 ->> 'name', 'file')
where m.content = '' and m.deleted_at is null;
alter table public.messages
  drop constraint messages_content_length,
  add constraint messages_content_length check (deleted_at is not null or octet_length(content) between 1 and 65536),
  drop column attachments;
drop table private.file_removals;
delete from public.settings s where s.name = 'file_size_limit';

-- Stand-in for Supabase on a plain Postgres, 5 of 5: what is done with files.
--
-- storage.foldername() is Supabase's; the rest is for the web's own keeper of files, which calls it as the
-- caller of the request, so that the policies on storage.objects decide. On Supabase its storage service does
-- this.

create or replace function storage.foldername(name text)
returns text[]
language sql
immutable
set search_path = ''
as $$ select t.tokens[1:cardinality(t.tokens) - 1] from (select string_to_array(name, '/') as tokens) t $$;

comment on function storage.foldername(text) is 'The folders of a file''s name, outermost first.';
revoke execute on function storage.foldername(text) from public;
grant execute on function storage.foldername(text) to anon, authenticated, service_role;

-- A file has the bytes that its owner has brought for it, and nobody else's: a row that was written by hand
-- gets a name that no bytes have.
create or replace function storage.tg_objects__take_bytes()
returns trigger
language plpgsql
security definer          -- the table of bytes is closed to everyone
set search_path = ''
as $$
begin
  if tg_op = 'UPDATE' and (new.version, new.metadata) is not distinct from (old.version, old.metadata) then
    return new;
  end if;
  delete from storage.loose_bytes b
  where b.version = new.version and b.owner_id = coalesce(auth.uid()::text, 'service');
  if not found then
    new.version := gen_random_uuid();
  end if;
  new.updated_at := now();
  return new;
end
$$;

comment on function storage.tg_objects__take_bytes() is 'Lets a file have the bytes that its owner has brought, or none.';
revoke execute on function storage.tg_objects__take_bytes() from public, anon, authenticated, service_role;

drop trigger if exists _100_take_bytes on storage.objects;
create trigger _100_take_bytes before insert or update on storage.objects
  for each row execute function storage.tg_objects__take_bytes();

create or replace function storage.tg_objects__leave_bytes()
returns trigger
language plpgsql
security definer          -- the table of bytes is closed to everyone
set search_path = ''
as $$
begin
  insert into storage.loose_bytes (version) values (old.version);
  return null;
end
$$;

comment on function storage.tg_objects__leave_bytes() is 'Has the bytes of a removed or replaced file removed.';
revoke execute on function storage.tg_objects__leave_bytes() from public, anon, authenticated, service_role;

drop trigger if exists _500_leave_bytes_delete on storage.objects;
create trigger _500_leave_bytes_delete after delete on storage.objects
  for each row execute function storage.tg_objects__leave_bytes();

drop trigger if exists _500_leave_bytes_update on storage.objects;
create trigger _500_leave_bytes_update after update on storage.objects
  for each row
  when (new.version <> old.version)
  execute function storage.tg_objects__leave_bytes();

create or replace function storage.reserve_bytes()
returns text
language sql
volatile
security definer          -- the table is closed to everyone
set search_path = ''
as $$
  insert into storage.loose_bytes (owner_id) values (coalesce(auth.uid()::text, 'service')) returning version
$$;

comment on function storage.reserve_bytes() is 'A name for bytes that the caller is about to write.';
revoke execute on function storage.reserve_bytes() from public, anon;
grant execute on function storage.reserve_bytes() to authenticated, service_role;

create or replace function storage.put_object(
  p_bucket_id text, p_name text, p_version text, p_metadata jsonb, p_user_metadata jsonb, p_is_upsert boolean
)
returns storage.objects
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_object storage.objects;
begin
  if p_is_upsert then
    update storage.objects o
    set version = p_version, metadata = p_metadata, user_metadata = p_user_metadata
    where o.bucket_id = p_bucket_id and o.name collate "C" = p_name
    returning o.* into v_object;
  end if;
  if v_object.id is null then
    insert into storage.objects (bucket_id, name, version, owner, owner_id, metadata, user_metadata)
    values (p_bucket_id, p_name, p_version, auth.uid(), auth.uid(), p_metadata, p_user_metadata)
    returning * into v_object;
  end if;
  return v_object;
end
$$;

comment on function storage.put_object(text, text, text, jsonb, jsonb, boolean) is 'Enters a file whose bytes the caller has written under this version, or replaces one. 23505 when the name is taken, 42501 when the policies refuse.';
revoke execute on function storage.put_object(text, text, text, jsonb, jsonb, boolean) from public, anon;
grant execute on function storage.put_object(text, text, text, jsonb, jsonb, boolean) to authenticated, service_role;

-- Enters the file and undoes it: what put_object would refuse is refused before the bytes are on their way.
create or replace function storage.begin_upload(p_bucket_id text, p_name text, p_is_upsert boolean)
returns text
language plpgsql
volatile
set search_path = ''
as $$
begin
  begin
    perform storage.put_object(p_bucket_id, p_name, '', '{}', '{}', p_is_upsert);
    raise sqlstate 'BT002' using message = 'Undone.';
  exception when sqlstate 'BT002' then
    null;
  end;
  return storage.reserve_bytes();
end
$$;

comment on function storage.begin_upload(text, text, boolean) is 'The version under which the bytes of this file may be written. 23503 for an unknown bucket, 23505 when the name is taken, 42501 when the policies refuse.';
revoke execute on function storage.begin_upload(text, text, boolean) from public, anon;
grant execute on function storage.begin_upload(text, text, boolean) to authenticated, service_role;

create or replace function storage.delete_objects(p_bucket_id text, p_names text[])
returns setof storage.objects
language sql
volatile
set search_path = ''
as $$ delete from storage.objects o where o.bucket_id = p_bucket_id and o.name collate "C" = any (p_names) returning o.* $$;

comment on function storage.delete_objects(text, text[]) is 'Removes those of the files that the caller may remove, and returns them.';
revoke execute on function storage.delete_objects(text, text[]) from public, anon;
grant execute on function storage.delete_objects(text, text[]) to authenticated, service_role;

-- What lies directly in a folder: its files, and the folders in it, without an id.
create or replace function storage.list_objects(
  p_bucket_id text, p_prefix text, p_search text, p_sort_by text, p_is_descending boolean, p_limit integer, p_offset integer
)
returns table (
  name text, id uuid, updated_at timestamptz, created_at timestamptz, last_accessed_at timestamptz, metadata jsonb
)
language sql
stable
set search_path = ''
as $$
  select e.*
  from (
    select distinct on (t.child, o.id)
      t.child, o.id, o.updated_at, o.created_at, o.last_accessed_at, o.metadata
    from storage.objects s
    cross join lateral (select substr(s.name, length(p_prefix) + 1) as rest) r
    cross join lateral (select split_part(r.rest, '/', 1) as child, strpos(r.rest, '/') = 0 as is_file) t
    left join lateral (select s.* where t.is_file) o on true
    where s.bucket_id = p_bucket_id
      -- Everything that begins with the prefix; chr(1114111) comes after every other character.
      and s.name collate "C" >= p_prefix and s.name collate "C" < p_prefix || chr(1114111)
      and starts_with(lower(t.child), lower(p_search))
  ) e (name, id, updated_at, created_at, last_accessed_at, metadata)
  order by
    case when p_sort_by = 'updated_at' and not p_is_descending then e.updated_at end,
    case when p_sort_by = 'updated_at' and p_is_descending then e.updated_at end desc,
    case when p_sort_by in ('created_at', 'last_accessed_at') and not p_is_descending then e.created_at end,
    case when p_sort_by in ('created_at', 'last_accessed_at') and p_is_descending then e.created_at end desc,
    case when not p_is_descending or p_sort_by <> 'name' then e.name collate "C" end,
    e.name collate "C" desc
  limit p_limit offset p_offset
$$;

comment on function storage.list_objects(text, text, text, text, boolean, integer, integer) is 'What the caller may see directly under a prefix (empty, or ending in a slash) and beginning with p_search, sorted by name, updated_at or created_at.';
revoke execute on function storage.list_objects(text, text, text, text, boolean, integer, integer) from public, anon;
grant execute on function storage.list_objects(text, text, text, text, boolean, integer, integer) to authenticated, service_role;

-- Uploads have an hour.
create or replace function storage.claim_loose_bytes(p_limit integer)
returns setof text
language sql
volatile
security definer          -- the table is closed to everyone
set search_path = ''
as $$
  delete from storage.loose_bytes b
  where b.version in (
    select x.version from storage.loose_bytes x
    where x.since < now() - interval '1 hour'
    limit p_limit
    for update skip locked
  )
  returning b.version
$$;

comment on function storage.claim_loose_bytes(integer) is 'Forgets bytes that have belonged to no file for an hour, and returns their names: the caller removes them before he commits.';
revoke execute on function storage.claim_loose_bytes(integer) from public, anon, authenticated;
grant execute on function storage.claim_loose_bytes(integer) to service_role;

-- Stand-in for Supabase on a plain Postgres, 4 of 5: the files, by bucket and name.
--
-- The columns are those of Supabase's that Baton uses. As there, row level security decides who may do what
-- with a row, and the product's policies are written for both. The bytes are not here: the web layer keeps
-- them in a folder, each file under its version.

create schema if not exists storage;
comment on schema storage is 'Baton: stand-in for Supabase''s storage schema on a plain Postgres';
grant usage on schema storage to anon, authenticated, service_role;

create table if not exists storage.buckets (
  id text primary key,
  name text not null unique,
  public boolean not null default false,  -- whoever knows a file's name may read it
  file_size_limit bigint,                 -- bytes
  allowed_mime_types text[],
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table storage.buckets is 'Kinds of files: how large they may be, and of which types.';

create table if not exists storage.objects (
  id uuid primary key default gen_random_uuid(),
  bucket_id text not null references storage.buckets (id),
  name text not null,
  owner uuid,
  owner_id text,                          -- the `sub` of whoever uploaded it
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_accessed_at timestamptz not null default now(),
  metadata jsonb,                         -- eTag, size in bytes, mimetype, cacheControl
  user_metadata jsonb,                    -- what the uploader says: `name`, as people see it
  path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  version text not null,                  -- the name of the bytes
  constraint objects_name_length check (octet_length(name) between 1 and 1024)
);
-- In the order of bytes, so that the files of a folder are a range.
create unique index if not exists bucketid_objname on storage.objects (bucket_id, name collate "C");
create unique index if not exists idx_objects_version on storage.objects (version);
create index if not exists idx_objects_owner on storage.objects (owner_id);
comment on table storage.objects is 'Files: their names, owners and types. Who may do what with a row is said by the policies.';

-- Names of bytes that no file has yet, or has any more: of an upload on its way, and of what was removed or
-- replaced. Who begins to write bytes enters their name first, so whatever is broken off is found here.
create table if not exists storage.loose_bytes (
  version text primary key default gen_random_uuid(),
  owner_id text,                          -- who may make a file of them; null: nobody, they are to go
  since timestamptz not null default now()
);
comment on table storage.loose_bytes is 'Bytes that belong to no file: on their way in, or to be removed.';

revoke all on storage.buckets, storage.objects, storage.loose_bytes from public, anon, authenticated, service_role;
grant select, insert, update, delete on storage.objects to authenticated, service_role;
grant select, insert, update, delete on storage.buckets to service_role;
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
alter table storage.loose_bytes enable row level security;
drop policy if exists all_service on storage.buckets;
create policy all_service on storage.buckets for all to service_role using (true) with check (true);
drop policy if exists all_service on storage.objects;
create policy all_service on storage.objects for all to service_role using (true) with check (true);

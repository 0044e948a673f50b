-- What the loader (loader.py) remembers in each database. Run before everything else that is loaded,
-- and only when something is: re-runnable.

create schema if not exists private;

-- The migrations that were applied, and what they said then: one that was applied is not edited.
create table if not exists private.schema_migrations (
  version text primary key,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now()
);
comment on table private.schema_migrations is 'The migrations that were applied here; written by the loader.';

-- One row: the hash of all code as it was loaded last.
create table if not exists private.loaded_code (
  sha256 text not null,
  loaded_at timestamptz not null default now()
);
create unique index if not exists loaded_code_one_row on private.loaded_code ((true));
comment on table private.loaded_code is 'The hash of the code that is loaded, in one row; written by the loader.';

-- Every function, view, trigger and policy that the code files made: what a newer version of them
-- no longer makes is dropped, and unloading drops these and nothing that others have made.
create table if not exists private.loaded_objects (
  kind text not null,
  identity text not null,
  primary key (kind, identity)
);
comment on table private.loaded_objects is 'What the code files made, as pg_identify_object names it; written by the loader.';

revoke all on private.schema_migrations, private.loaded_code, private.loaded_objects from public;

create or replace function private.record_migration(p_version text, p_name text, p_sha256 text)
returns void
language sql
volatile
set search_path = ''
as $$ insert into private.schema_migrations (version, name, sha256) values (p_version, p_name, p_sha256) $$;

comment on function private.record_migration(text, text, text) is 'The loader: this migration has been applied.';
revoke execute on function private.record_migration(text, text, text) from public;

create or replace function private.forget_migration(p_version text)
returns void
language sql
volatile
set search_path = ''
as $$ delete from private.schema_migrations where version = p_version $$;

comment on function private.forget_migration(text) is 'The loader: this migration has been rolled back.';
revoke execute on function private.forget_migration(text) from public;

-- `p_objects` is an array of [kind, identity] pairs. A null hash says that no code is loaded.
create or replace function private.record_code(p_sha256 text, p_objects jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  delete from private.loaded_code where true;
  insert into private.loaded_code (sha256) select p_sha256 where p_sha256 is not null;
  delete from private.loaded_objects where true;
  insert into private.loaded_objects (kind, identity)
  select o ->> 0, o ->> 1 from jsonb_array_elements(p_objects) as o;
end
$$;

comment on function private.record_code(text, jsonb) is 'The loader: this code is loaded, and these objects are what it made.';
revoke execute on function private.record_code(text, jsonb) from public;

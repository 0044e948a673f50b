-- What the loader (loader.py) remembers in each database, and what it has in common with the migrations
-- that `make supabase` writes. Run before everything else that is loaded, and only when something is:
-- re-runnable.

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
alter table private.loaded_code replica identity full;  -- or its row could not be deleted where all tables are published
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

-- What an earlier version of this file had.
drop function if exists private.record_code(text, jsonb);

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

-- Every object that code files could make, by class and object id, with what changes whenever it is made or
-- replaced: the place of its row does also when the transaction that replaces it has made it.
create or replace function private.code_versions()
returns jsonb
language sql
volatile  -- sees what its own statement's transaction has just made
set search_path = ''
as $$
  with objects (class, object, version, namespace) as (
    select 'pg_proc'::regclass, p.oid, (p.xmin, p.ctid)::text, p.pronamespace from pg_proc p
    union all
    select 'pg_class'::regclass, c.oid, (r.xmin, r.ctid)::text, c.relnamespace
    from pg_class c join pg_rewrite r on r.ev_class = c.oid and r.rulename = '_RETURN'
    union all
    select 'pg_trigger'::regclass, t.oid, (t.xmin, t.ctid)::text, c.relnamespace
    from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal
    union all
    select 'pg_policy'::regclass, p.oid, (p.xmin, p.ctid)::text, c.relnamespace
    from pg_policy p join pg_class c on c.oid = p.polrelid
  )
  select coalesce(jsonb_object_agg(format('%s %s', o.class::oid, o.object), o.version), '{}')
  from objects o
  where o.namespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
$$;

comment on function private.code_versions() is 'The loader: everything that code files could have made, and its version.';
revoke execute on function private.code_versions() from public;

-- What depends on columns would be in the way of a migration, and views on views in each other's way when
-- they are made anew. Functions depend on neither, and replacing them keeps what depends on them.
create or replace function private.table_bound_kinds()
returns text[]
language sql
immutable
set search_path = ''
as $$ select array['policy', 'trigger', 'view', 'materialized view'] $$;

comment on function private.table_bound_kinds() is 'The loader: what has to be dropped before migrations and code are run.';
revoke execute on function private.table_bound_kinds() from public;

-- Drops objects that code files made, [kind, identity] pairs as pg_identify_object quotes them, in
-- whatever order works, and returns those that others still depend on.
create or replace function private.drop_code(p_objects jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_before jsonb;
  v_left jsonb := p_objects;
  v_object jsonb;
begin
  loop
    v_before := v_left;
    v_left := '[]';
    -- Views, triggers and policies first: they are what depends on functions.
    for v_object in select o from jsonb_array_elements(v_before) as o order by o ->> 0 desc, o ->> 1 desc loop
      begin
        execute format('drop %s if exists %s', v_object ->> 0, v_object ->> 1);
        delete from private.loaded_objects l where l.kind = v_object ->> 0 and l.identity = v_object ->> 1;
      exception when dependent_objects_still_exist then
        v_left := v_left || jsonb_build_array(v_object);
      end;
    end loop;
    exit when jsonb_array_length(v_left) in (0, jsonb_array_length(v_before));
  end loop;
  return v_left;
end
$$;

comment on function private.drop_code(jsonb) is 'The loader: drops what code files made; returns what something else depends on.';
revoke execute on function private.drop_code(jsonb) from public;

-- `p_kinds` null: of every kind. Whatever is dropped, the code is no longer loaded.
create or replace function private.drop_loaded_code(p_kinds text[] = null)
returns jsonb
language sql
volatile
set search_path = ''
as $$
  delete from private.loaded_code where true;
  select private.drop_code(coalesce(jsonb_agg(jsonb_build_array(l.kind, l.identity)), '[]'))
  from private.loaded_objects l
  where p_kinds is null or l.kind = any (p_kinds);
$$;

comment on function private.drop_loaded_code(text[]) is 'The loader: drops what the code files have made here, of these kinds; returns what something else depends on.';
revoke execute on function private.drop_loaded_code(text[]) from public;

-- `p_before` is what private.code_versions() said before the code files ran: what is different now they have made.
create or replace function private.record_loaded_code(p_sha256 text, p_before jsonb)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_made jsonb;
  v_left jsonb;
begin
  select coalesce(jsonb_agg(jsonb_build_array(i.type, i.identity)), '[]') into v_made
  from jsonb_each_text(private.code_versions()) as v (object, version)
  cross join pg_identify_object(split_part(v.object, ' ', 1)::oid, split_part(v.object, ' ', 2)::oid, 0) as i
  where v.version is distinct from p_before ->> v.object;

  select private.drop_code(coalesce(jsonb_agg(jsonb_build_array(l.kind, l.identity)), '[]')) into v_left
  from private.loaded_objects l
  where not v_made @> jsonb_build_array(jsonb_build_array(l.kind, l.identity));
  if v_left <> '[]' then
    raise exception 'no longer in the code, but something depends on it: %',
      (select string_agg(format('%s %s', o ->> 0, o ->> 1), ', ' order by o) from jsonb_array_elements(v_left) as o);
  end if;

  delete from private.loaded_code where true;
  insert into private.loaded_code (sha256) values (p_sha256);
  delete from private.loaded_objects where true;
  insert into private.loaded_objects (kind, identity)
  select o ->> 0, o ->> 1 from jsonb_array_elements(v_made) as o;
end
$$;

comment on function private.record_loaded_code(text, jsonb) is 'The loader: the code with this hash is loaded. Drops what earlier code made and this no longer does.';
revoke execute on function private.record_loaded_code(text, jsonb) from public;

-- The rest is the loader for those who come with text only: the migrations that `make supabase` writes.
-- Like the loader it passes over what is there already, so that a database may be upgraded by either.

create or replace function private.apply_migration(p_version text, p_name text, p_sha256 text, p_sql text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
  v_applied private.schema_migrations;
begin
  select m.* into v_applied from private.schema_migrations m where m.version = p_version;
  if found and v_applied.sha256 = p_sha256 then
    return;
  elsif found then
    raise exception 'the migration % was applied to this database with another text', v_applied.name;
  end if;
  perform private.drop_loaded_code(private.table_bound_kinds());
  perform set_config('search_path', 'public', true);  -- the loader's; at the end of this function it is what it was
  execute p_sql;
  perform private.record_migration(p_version, p_name, p_sha256);
end
$$;

comment on function private.apply_migration(text, text, text, text) is 'Applies a migration of Baton''s, once.';
revoke execute on function private.apply_migration(text, text, text, text) from public;

-- begin_code, run_code for each file, end_code. What was there before is kept in a setting of the session
-- meanwhile; it is empty where all this is to be passed over.

-- `p_known` are the versions of all migrations that this code is for.
create or replace function private.begin_code(p_sha256 text, p_known text[])
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  perform set_config('baton.code_before', '', false);
  if exists (select from private.loaded_code c where c.sha256 = p_sha256)
     -- A newer Baton has been loaded already.
     or exists (select from private.schema_migrations m where m.version <> all (p_known)) then
    return;
  end if;
  perform set_config('baton.code_before', private.code_versions()::text, false);
  perform private.drop_loaded_code(private.table_bound_kinds());
end
$$;

comment on function private.begin_code(text, text[]) is 'Begins to make all of Baton''s code anew, unless it is there or older than what is there.';
revoke execute on function private.begin_code(text, text[]) from public;

create or replace function private.run_code(p_sql text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if current_setting('baton.code_before', true) <> '' then
    perform set_config('search_path', 'public', true);
    execute p_sql;
  end if;
end
$$;

comment on function private.run_code(text) is 'Runs a file of Baton''s code between begin_code and end_code.';
revoke execute on function private.run_code(text) from public;

create or replace function private.end_code(p_sha256 text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
  if current_setting('baton.code_before', true) <> '' then
    perform private.record_loaded_code(p_sha256, current_setting('baton.code_before')::jsonb);
    perform set_config('baton.code_before', '', false);
  end if;
end
$$;

comment on function private.end_code(text) is 'Ends what begin_code has begun: drops what earlier code made and this no longer does.';
revoke execute on function private.end_code(text) from public;

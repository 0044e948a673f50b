-- Stand-in for Supabase on a plain Postgres, 1 of 5: the roles that callers run as.
--
-- This folder is applied only where schema auth is absent or ours (web/loader.py), never on Supabase.
-- It is re-runnable, and is run again by every load that has something to do.
--
-- Roles belong to the whole cluster, while the loader's lock is one database's: two databases loaded
-- at once meet here. So each step is taken only where it is missing, and the loser of a race finds
-- his step done by the other. Roles that exist are left as they are.

do $$
declare
  v_role text;
begin
  foreach v_role in array array['anon', 'authenticated', 'service_role', 'authenticator'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      begin
        execute format('create role %I noinherit %s', v_role,
          case v_role when 'authenticator' then 'login' else 'nologin' end);
      exception when duplicate_object or unique_violation then
        null;  -- made by another database's load, which has committed by now
      end;
    end if;
  end loop;
end
$$;

-- service_role passes the policies, as on Supabase. Only who has the attribute (or a superuser) can
-- give it; elsewhere the policies name the role.
do $$
begin
  if not (select rolbypassrls from pg_roles where rolname = 'service_role') then
    alter role service_role bypassrls;
  end if;
exception
  when insufficient_privilege then null;
  when internal_error then null;  -- "tuple concurrently updated": another load has just done it
end
$$;

-- Who connects as authenticator (no password is set, so nobody over the network) can become one of
-- the three and is nothing by himself. So can the owner of the tables, as whom the web connects.
do $$
declare
  v_member text;
  v_role text;
  -- From 16 on a role's maker is its member without being able to become it.
  v_may_become text := case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end;
begin
  foreach v_member in array array['authenticator', current_user::text] loop
    foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
      if not pg_has_role(v_member, v_role, v_may_become) then
        begin
          execute format('grant %I to %I', v_role, v_member);
        exception
          when unique_violation or internal_error then null;  -- another load has just done it
        end;
      end if;
    end loop;
  end loop;
end
$$;

grant usage on schema public to anon, authenticated, service_role;

-- Personas: the names and faces under which a team answers.

create or replace function private.tg_fictional_users__audit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    perform private.audit('persona.added', new.id);
  elsif tg_op = 'DELETE' then
    perform private.audit('persona.removed', old.id);
  elsif new is distinct from old then
    perform private.audit('persona.changed', new.id, jsonb_build_object('is_active', new.is_active));
  end if;
  return null;
end
$$;

comment on function private.tg_fictional_users__audit() is 'Logs personas that come, go or change.';
revoke execute on function private.tg_fictional_users__audit() from public, anon, authenticated, service_role;

create or replace function private.save_persona(p_name text, p_avatar_url text, p_is_active boolean, p_id uuid)
returns public.fictional_users
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_name text := btrim(p_name);
  v_avatar_url text := nullif(btrim(p_avatar_url), '');
  v_persona public.fictional_users;
begin
  perform private.require_admin();
  if v_name is null or char_length(v_name) not between 1 and 200 then
    perform private.refuse('invalid_argument', 'name: has 1 to 200 characters.');
  elsif v_avatar_url !~ '^(https?://[a-zA-Z0-9.:-]+)?/storage/v1/object/public/avatars/[^[:space:]]+$' or char_length(v_avatar_url) > 2000 then
    perform private.refuse('invalid_argument', 'avatar_url: is a file of the bucket avatars: /storage/v1/object/public/avatars/….');
  elsif p_is_active is null then
    perform private.refuse('invalid_argument', 'is_active: is true or false.');
  end if;
  if p_id is null then
    insert into public.fictional_users (name, avatar_url, is_active, created_at)
    values (v_name, v_avatar_url, p_is_active, private.now())
    returning * into v_persona;
    return v_persona;
  end if;
  update public.fictional_users f
  set name = v_name, avatar_url = v_avatar_url, is_active = p_is_active
  where f.id = p_id
  returning f.* into v_persona;
  if not found then
    perform private.refuse('fictional_user_not_found', 'Check the id.');
  end if;
  return v_persona;
end
$$;

revoke execute on function private.save_persona(text, text, boolean, uuid) from public, anon;
grant execute on function private.save_persona(text, text, boolean, uuid) to authenticated, service_role;

create or replace function public.save_persona(p_name text, p_avatar_url text default null, p_is_active boolean default true, p_id uuid default null)
returns public.fictional_users
language sql
volatile
security invoker
set search_path = ''
as $$ select private.save_persona(p_name, p_avatar_url, p_is_active, p_id) $$;

comment on function public.save_persona(text, text, boolean, uuid) is 'Makes a persona, or replaces the one of this id; p_avatar_url: a file of the bucket avatars, /storage/v1/object/public/avatars/…, here or at the Supabase project. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument (the hint names the field), fictional_user_not_found.';
revoke execute on function public.save_persona(text, text, boolean, uuid) from public, anon;
grant execute on function public.save_persona(text, text, boolean, uuid) to authenticated, service_role;

create or replace function private.list_personas()
returns setof public.fictional_users
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_staff();
  return query select p.* from public.fictional_users p order by p.is_active desc, p.name, p.id;
end
$$;

revoke execute on function private.list_personas() from public, anon;
grant execute on function private.list_personas() to authenticated, service_role;

create or replace function public.list_personas()
returns setof public.fictional_users
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_personas() $$;

comment on function public.list_personas() is 'All personas, the active ones first. The staff. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.list_personas() from public, anon;
grant execute on function public.list_personas() to authenticated, service_role;

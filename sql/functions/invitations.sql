-- How people join: operators by invitation, and the first admin of an empty database.
--
-- Whoever joins needs an account too, which is kept by the embedded login or by a Supabase project. So the web
-- layer runs accept_invitation and make_first_admin in the transaction in which it has the account made; the
-- functions themselves make only the operator.

-- What a caller sees of an invitation: never the hash of its token.
create or replace function private.invitation_row(p_invitation private.operator_invitations)
returns jsonb
language sql
stable
security definer
set search_path = ''
as $$
  select to_jsonb(p_invitation) - 'token_hash' || jsonb_build_object(
    'invited_by_name', (select o.name from public.operators o where o.id = p_invitation.invited_by),
    'status', case
      when p_invitation.accepted_at is not null then 'accepted'
      when p_invitation.revoked_at is not null then 'revoked'
      when p_invitation.expires_at <= private.now() then 'expired'
      else 'open'
    end
  )
$$;

comment on function private.invitation_row(private.operator_invitations) is 'An invitation as admins see it, with its status.';
revoke execute on function private.invitation_row(private.operator_invitations) from public, anon, authenticated, service_role;

create or replace function private.tg_operator_invitations__audit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' or new.token_hash <> old.token_hash then
    perform private.audit('invitation.made', new.id, jsonb_build_object('role', new.role, 'capacity', new.capacity));
  elsif new.accepted_at is distinct from old.accepted_at then
    perform private.audit('invitation.accepted', new.id);
  elsif new.revoked_at is distinct from old.revoked_at then
    perform private.audit('invitation.revoked', new.id);
  end if;
  return null;
end
$$;

comment on function private.tg_operator_invitations__audit() is 'Logs who is invited, and what comes of it.';
revoke execute on function private.tg_operator_invitations__audit() from public, anon, authenticated, service_role;

create or replace function private.invite_operator(p_email text, p_name text, p_role text, p_capacity integer)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_email text := lower(btrim(p_email));
  v_name text := nullif(btrim(p_name), '');
  -- 244 random bits.
  v_token text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  v_now timestamptz := private.now();
  v_invitation private.operator_invitations;
begin
  perform private.require_admin();
  perform private.check_operator(
    jsonb_build_object('capacity', p_capacity, 'email', v_email, 'role', p_role)
    || case when v_name is null then '{}' else jsonb_build_object('name', v_name) end
  );
  if exists (select from public.operators o where lower(o.email) = v_email) then
    perform private.refuse('operator_exists');
  end if;
  -- Another invitation takes the place of one that is open: its link is good no more.
  insert into private.operator_invitations as i (email, name, role, capacity, token_hash, invited_by, created_at, expires_at)
  values (
    v_email, v_name, p_role, p_capacity, sha256(convert_to(v_token, 'UTF8')),
    (select o.id from public.operators o where o.id = auth.uid()), v_now, v_now + interval '7 days'
  )
  on conflict (email) where accepted_at is null and revoked_at is null do update set
    name = excluded.name,
    role = excluded.role,
    capacity = excluded.capacity,
    token_hash = excluded.token_hash,
    invited_by = excluded.invited_by,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at
  returning i.* into v_invitation;
  return private.invitation_row(v_invitation) || jsonb_build_object('token', v_token);
end
$$;

revoke execute on function private.invite_operator(text, text, text, integer) from public, anon;
grant execute on function private.invite_operator(text, text, text, integer) to authenticated, service_role;

create or replace function public.invite_operator(p_email text, p_name text, p_role text default 'operator', p_capacity integer default 1)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$ select private.invite_operator(p_email, p_name, p_role, p_capacity) $$;

comment on function public.invite_operator(text, text, text, integer) is 'Invites somebody to join, for 7 days; p_name: null if he is to say it. Returns the invitation with its token, which is told this once; an open invitation to the same address ends. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument (the hint names the field), operator_exists.';
revoke execute on function public.invite_operator(text, text, text, integer) from public, anon;
grant execute on function public.invite_operator(text, text, text, integer) to authenticated, service_role;

create or replace function private.revoke_invitation(p_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  update private.operator_invitations i
  set revoked_at = coalesce(i.revoked_at, private.now())
  where i.id = p_id and i.accepted_at is null;
  if not found then
    perform private.refuse('invitation_not_found', 'One that was accepted is an operator now: deactivate him.');
  end if;
end
$$;

revoke execute on function private.revoke_invitation(uuid) from public, anon;
grant execute on function private.revoke_invitation(uuid) to authenticated, service_role;

create or replace function public.revoke_invitation(p_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.revoke_invitation(p_id) $$;

comment on function public.revoke_invitation(uuid) is 'Takes an invitation back; twice is harmless. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, invitation_not_found (also when it was accepted).';
revoke execute on function public.revoke_invitation(uuid) from public, anon;
grant execute on function public.revoke_invitation(uuid) to authenticated, service_role;

create or replace function private.list_invitations()
returns setof jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
  perform private.require_admin();
  return query
    select private.invitation_row(i)
    from private.operator_invitations i
    order by i.created_at desc, i.id
    limit 200;
end
$$;

revoke execute on function private.list_invitations() from public, anon;
grant execute on function private.list_invitations() to authenticated, service_role;

create or replace function public.list_invitations()
returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.list_invitations() $$;

comment on function public.list_invitations() is 'The 200 latest invitations, newest first, each with "status" (open, accepted, revoked, expired) and "invited_by_name". Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.list_invitations() from public, anon;
grant execute on function public.list_invitations() to authenticated, service_role;

-- A token of whatever kind that opens nothing is answered alike.
create or replace function private.open_invitation(p_token text)
returns private.operator_invitations
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_invitation private.operator_invitations;
begin
  select i.* into v_invitation
  from private.operator_invitations i
  where i.token_hash = sha256(convert_to(coalesce(p_token, ''), 'UTF8'));
  if v_invitation.id is null or v_invitation.accepted_at is not null or v_invitation.revoked_at is not null
    or v_invitation.expires_at <= private.now()
  then
    perform private.refuse('invitation_not_found');
  end if;
  return v_invitation;
end
$$;

comment on function private.open_invitation(text) is 'The invitation that this token opens; else invitation_not_found.';
revoke execute on function private.open_invitation(text) from public, anon, authenticated, service_role;

create or replace function private.find_invitation(p_token text)
returns table (email text, name text, role text)
language sql
stable
security definer
set search_path = ''
as $$ select i.email, i.name, i.role from private.open_invitation(p_token) i $$;

revoke execute on function private.find_invitation(text) from public;
grant execute on function private.find_invitation(text) to anon, authenticated, service_role;

create or replace function public.find_invitation(p_token text)
returns table (email text, name text, role text)
language sql
stable
security invoker
set search_path = ''
as $$ select * from private.find_invitation(p_token) $$;

comment on function public.find_invitation(text) is 'Whom the invitation of this token is for; for everybody who has it. Refuses invitation_not_found: also when it has ended, was taken back or was used.';
revoke execute on function public.find_invitation(text) from public;
grant execute on function public.find_invitation(text) to anon, authenticated, service_role;

create or replace function private.accept_invitation(p_token text, p_name text)
returns public.operators
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_invitation private.operator_invitations;
  v_name text;
  v_operator public.operators;
begin
  v_invitation := private.open_invitation(p_token);
  perform from private.operator_invitations i where i.id = v_invitation.id for no key update;
  v_invitation := private.open_invitation(p_token);  -- two at once: the second finds it used
  v_name := coalesce(nullif(btrim(p_name), ''), v_invitation.name);
  perform private.check_operator(jsonb_build_object('name', v_name));
  insert into public.operators (id, name, email, role, capacity, status)
  values (v_invitation.id, v_name, v_invitation.email, v_invitation.role, v_invitation.capacity, 'offline')
  on conflict do nothing
  returning * into v_operator;
  if v_operator.id is null then
    perform private.refuse('operator_exists');
  end if;
  update private.operator_invitations i set accepted_at = private.now() where i.id = v_invitation.id;
  return v_operator;
end
$$;

comment on function private.accept_invitation(text, text) is 'Makes the operator whom the invitation of this token is for, offline, under its id; p_name: null for the name in it. For whoever makes his account in the same transaction. Refuses: invitation_not_found, operator_exists, invalid_argument.';
revoke execute on function private.accept_invitation(text, text) from public, anon, authenticated;
grant execute on function private.accept_invitation(text, text) to service_role;

create or replace function private.is_new()
returns boolean
language sql
stable
security definer
set search_path = ''
as $$ select not exists (select from public.operators o) $$;

revoke execute on function private.is_new() from public;
grant execute on function private.is_new() to anon, authenticated, service_role;

create or replace function public.is_new()
returns boolean
language sql
stable
security invoker
set search_path = ''
as $$ select private.is_new() $$;

comment on function public.is_new() is 'Whether there is no operator yet, so that the first visitor makes the first admin. For everybody.';
revoke execute on function public.is_new() from public;
grant execute on function public.is_new() to anon, authenticated, service_role;

create or replace function private.make_first_admin(p_id uuid, p_name text, p_email text)
returns public.operators
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_name text := btrim(p_name);
  v_email text := lower(btrim(p_email));
  v_operator public.operators;
begin
  perform private.check_operator(jsonb_build_object('email', v_email, 'name', v_name));
  -- Looked at first: on a server that is at work nobody has to wait for a stranger's lock.
  if not private.is_new() then
    perform private.refuse('already_set_up');
  end if;
  lock table public.operators in share row exclusive mode;
  if exists (select from public.operators o) then
    perform private.refuse('already_set_up');
  end if;
  insert into public.operators (id, name, email, role, capacity, status)
  values (p_id, v_name, v_email, 'admin', 1, 'offline')
  returning * into v_operator;
  return v_operator;
end
$$;

comment on function private.make_first_admin(uuid, text, text) is 'Makes the first admin, while there is no operator. For whoever makes his account in the same transaction. Refuses: already_set_up, invalid_argument (the hint names the field).';
revoke execute on function private.make_first_admin(uuid, text, text) from public, anon, authenticated;
grant execute on function private.make_first_admin(uuid, text, text) to service_role;

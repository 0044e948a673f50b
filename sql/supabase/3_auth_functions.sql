-- Stand-in for Supabase on a plain Postgres, 3 of 5: who is calling, and the login.
--
-- auth.uid(), auth.role() and auth.jwt() are Supabase's; the rest is for the web's embedded login,
-- which calls it as service_role. On Supabase the login is Supabase's own.

-- After a transaction that had set them the claims read '', not null. These two carry no search_path,
-- which makes them inlined into every query that asks: nothing in them depends on it.
create or replace function auth.jwt()
returns jsonb
language sql
stable
as $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;

comment on function auth.jwt() is 'The claims of the caller''s token; null without one.';
revoke execute on function auth.jwt() from public;
grant execute on function auth.jwt() to anon, authenticated, service_role;

create or replace function auth.uid()
returns uuid
language sql
stable
as $$ select nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid $$;

comment on function auth.uid() is 'The caller''s id, the `sub` of his token; null without one.';
revoke execute on function auth.uid() from public;
grant execute on function auth.uid() to anon, authenticated, service_role;

create or replace function auth.role()
returns text
language sql
stable
set search_path = ''
as $$ select auth.jwt() ->> 'role' $$;

comment on function auth.role() is 'The role that the caller''s token names. A claim, not a proof: whoever has SQL can set it.';
revoke execute on function auth.role() from public;
grant execute on function auth.role() to anon, authenticated, service_role;

create or replace function auth.create_user(
  p_email text,
  p_encrypted_password text,
  p_is_anonymous boolean,
  p_user_metadata jsonb = '{}',
  p_id uuid = gen_random_uuid()
)
returns auth.users
language sql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
  insert into auth.users (id, email, encrypted_password, is_anonymous, raw_app_meta_data, raw_user_meta_data)
  values (
    p_id,
    lower(p_email),
    p_encrypted_password,
    p_is_anonymous,
    case when p_is_anonymous then '{}' else '{"provider": "email", "providers": ["email"]}' end::jsonb,
    coalesce(p_user_metadata, '{}')
  )
  returning *
$$;

comment on function auth.create_user(text, text, boolean, jsonb, uuid) is 'Makes someone who can sign in; 23505 when the e-mail is taken.';
revoke execute on function auth.create_user(text, text, boolean, jsonb, uuid) from public, anon, authenticated;
grant execute on function auth.create_user(text, text, boolean, jsonb, uuid) to service_role;

create or replace function auth.find_user(p_email text)
returns setof auth.users
language sql
stable
security definer          -- the tables are closed to everyone
set search_path = ''
as $$ select * from auth.users where email = lower(p_email) $$;

comment on function auth.find_user(text) is 'The user with this e-mail, in whatever case; none or one row, with the password''s hash.';
revoke execute on function auth.find_user(text) from public, anon, authenticated;
grant execute on function auth.find_user(text) to service_role;

create or replace function auth.get_user(p_id uuid)
returns setof auth.users
language sql
stable
security definer          -- the tables are closed to everyone
set search_path = ''
as $$ select * from auth.users where id = p_id $$;

comment on function auth.get_user(uuid) is 'The user with this id; none or one row.';
revoke execute on function auth.get_user(uuid) from public, anon, authenticated;
grant execute on function auth.get_user(uuid) to service_role;

-- A null among the new values takes a key away, as on Supabase. A new password signs the person out
-- everywhere else: whoever knew the old one is still signed in somewhere.
create or replace function auth.update_user(
  p_id uuid,
  p_user_metadata jsonb = null,
  p_encrypted_password text = null,
  p_session_id uuid = null
)
returns setof auth.users
language plpgsql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
begin
  if p_encrypted_password is not null then
    perform auth.end_sessions(p_id, p_session_id);
  end if;
  return query
  update auth.users u set
    encrypted_password = coalesce(p_encrypted_password, u.encrypted_password),
    raw_user_meta_data = (
      select coalesce(jsonb_object_agg(m.key, m.value), '{}')
      from jsonb_each(u.raw_user_meta_data || coalesce(p_user_metadata, '{}')) m
      where m.value <> 'null'
    ),
    updated_at = now()
  where u.id = p_id
  returning u.*;
end
$$;

comment on function auth.update_user(uuid, jsonb, text, uuid) is 'Changes what a user says of himself, or his password, which ends his sessions except p_session_id; returns none or one row.';
revoke execute on function auth.update_user(uuid, jsonb, text, uuid) from public, anon, authenticated;
grant execute on function auth.update_user(uuid, jsonb, text, uuid) to service_role;

-- Not in the user's own name: an e-mail makes a visitor somebody, who is no longer anonymous.
create or replace function auth.change_user(
  p_id uuid,
  p_email text = null,
  p_encrypted_password text = null,
  p_user_metadata jsonb = null,
  p_app_metadata jsonb = null
)
returns setof auth.users
language plpgsql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
begin
  perform auth.update_user(p_id, p_user_metadata, p_encrypted_password);
  return query
  update auth.users u set
    email = coalesce(lower(p_email), u.email),
    is_anonymous = u.is_anonymous and p_email is null,
    raw_app_meta_data = (
      select coalesce(jsonb_object_agg(m.key, m.value), '{}')
      from jsonb_each(u.raw_app_meta_data || coalesce(p_app_metadata, '{}')) m
      where m.value <> 'null'
    )
  where u.id = p_id
  returning u.*;
end
$$;

comment on function auth.change_user(uuid, text, text, jsonb, jsonb) is 'Changes anybody''s account, as the service asks; a new password ends all his sessions. Returns none or one row; 23505 when the e-mail is taken.';
revoke execute on function auth.change_user(uuid, text, text, jsonb, jsonb) from public, anon, authenticated;
grant execute on function auth.change_user(uuid, text, text, jsonb, jsonb) to service_role;

-- A visitor who has become the host's user is no longer anonymous; one who is new gets his account. Whoever
-- else has the visitor's tokens must not come along, so his sessions end; but only now that he becomes it:
-- another page of his that comes at the same moment, and has waited for this, leaves the new one alone.
create or replace function auth.keep_host_user(p_id uuid, p_user_metadata jsonb)
returns setof auth.users
language sql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
  delete from auth.sessions s using auth.users u where u.id = p_id and u.is_anonymous and s.user_id = u.id;
  insert into auth.users as u (id, raw_app_meta_data, raw_user_meta_data)
  values (p_id, '{"provider": "host", "providers": ["host"]}', p_user_metadata)
  on conflict (id) do update set
    is_anonymous = false,
    raw_app_meta_data = u.raw_app_meta_data || excluded.raw_app_meta_data,
    raw_user_meta_data = u.raw_user_meta_data || excluded.raw_user_meta_data,
    updated_at = now()
  returning u.*
$$;

comment on function auth.keep_host_user(uuid, jsonb) is 'Makes or updates the login of a user whom the host page vouches for: no longer anonymous, without a password. The sessions of one who was anonymous end.';
revoke execute on function auth.keep_host_user(uuid, jsonb) from public, anon, authenticated;
grant execute on function auth.keep_host_user(uuid, jsonb) to service_role;

-- How long a refresh token can be used after it was given: so long may someone stay away.
create or replace function auth.refresh_token_lifetime()
returns interval
language sql
immutable
set search_path = ''
as $$ select interval '30 days' $$;

comment on function auth.refresh_token_lifetime() is 'How long after it was given a refresh token can be used.';
revoke execute on function auth.refresh_token_lifetime() from public, anon, authenticated;
grant execute on function auth.refresh_token_lifetime() to service_role;

create or replace function auth.start_session(p_user_id uuid, p_token_hash text)
returns uuid
language plpgsql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
declare
  v_session_id uuid;
begin
  update auth.users set last_sign_in_at = now(), updated_at = now() where id = p_user_id;
  insert into auth.sessions (user_id) values (p_user_id) returning id into v_session_id;
  insert into auth.refresh_tokens (token_hash, session_id, user_id) values (p_token_hash, v_session_id, p_user_id);
  return v_session_id;
end
$$;

comment on function auth.start_session(uuid, text) is 'Signs a user in: a new session with its first refresh token; returns the session''s id.';
revoke execute on function auth.start_session(uuid, text) from public, anon, authenticated;
grant execute on function auth.start_session(uuid, text) to service_role;

-- A token is used once. A second use says that two have it, the user and a thief, and nobody can say
-- which is which: the session ends for both. Not so
-- - within ten seconds: it is two tabs of one browser, and each gets a token of its own;
-- - while nothing that was given for it has been used: the answer was lost on the way, perhaps for hours. He
--   gets another, and what was lost is void. Should it turn up after all, somebody has a copy.
--
-- No row is an answer, not an error: the caller must commit, or the end of the session is undone.
create or replace function auth.rotate_refresh_token(p_token_hash text, p_new_hash text)
returns table (
  id uuid, email text, encrypted_password text, is_anonymous boolean, role text, raw_app_meta_data jsonb,
  raw_user_meta_data jsonb, created_at timestamptz, updated_at timestamptz, last_sign_in_at timestamptz,
  banned_until timestamptz, session_id uuid
)
language plpgsql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_token auth.refresh_tokens;
  v_is_again boolean;
begin
  -- The session's row first, then the token as it is now: two uses at once come one after the other.
  perform from auth.sessions s join auth.refresh_tokens t on t.session_id = s.id
  where t.token_hash = p_token_hash
  for update of s;

  select t.* into v_token from auth.refresh_tokens t where t.token_hash = p_token_hash;

  if not found or v_token.created_at < now() - auth.refresh_token_lifetime()
     or exists (select from auth.users u where u.id = v_token.user_id and u.banned_until > now()) then
    return;
  end if;

  v_is_again := coalesce(v_token.used_at < clock_timestamp() - interval '10 seconds', false);
  if v_token.revoked or v_is_again and exists (
    select from auth.refresh_tokens c
    where c.session_id = v_token.session_id and c.parent_hash = p_token_hash and c.used_at is not null
  ) then
    update auth.refresh_tokens set revoked = true where session_id = v_token.session_id;
    return;
  end if;

  if v_is_again then  -- but for what another tab was given just now
    update auth.refresh_tokens set revoked = true
    where session_id = v_token.session_id and parent_hash = p_token_hash
      and created_at < clock_timestamp() - interval '10 seconds';
  end if;
  update auth.refresh_tokens set used_at = coalesce(used_at, clock_timestamp()) where token_hash = p_token_hash;
  insert into auth.refresh_tokens (token_hash, session_id, user_id, parent_hash)
  values (p_new_hash, v_token.session_id, v_token.user_id, p_token_hash);
  update auth.sessions set updated_at = now() where id = v_token.session_id;

  return query select u.*, v_token.session_id from auth.users u where u.id = v_token.user_id;
end
$$;

comment on function auth.rotate_refresh_token(text, text) is 'Exchanges a refresh token for a new one; returns its user, or no row when it is unknown, revoked, too old, or what was given for it has been used.';
revoke execute on function auth.rotate_refresh_token(text, text) from public, anon, authenticated;
grant execute on function auth.rotate_refresh_token(text, text) to service_role;

-- Why rotate_refresh_token has found no row, in Supabase's words: asked afterwards, when what it has
-- changed is committed.
create or replace function auth.refresh_token_problem(p_token_hash text)
returns text
language sql
stable
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
  select coalesce((
    select case
      when u.banned_until > now() then 'user_banned'
      when t.revoked then 'refresh_token_already_used'
      when t.created_at < now() - auth.refresh_token_lifetime() then 'session_expired'
    end
    from auth.refresh_tokens t join auth.users u on u.id = t.user_id
    where t.token_hash = p_token_hash
  ), 'refresh_token_not_found')
$$;

comment on function auth.refresh_token_problem(text) is 'Why a refresh token was not exchanged: user_banned, refresh_token_already_used, session_expired or refresh_token_not_found.';
revoke execute on function auth.refresh_token_problem(text) from public, anon, authenticated;
grant execute on function auth.refresh_token_problem(text) to service_role;

create or replace function auth.end_session(p_session_id uuid)
returns void
language sql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$ delete from auth.sessions where id = p_session_id $$;

comment on function auth.end_session(uuid) is 'Signs out: the session and its refresh tokens are gone.';
revoke execute on function auth.end_session(uuid) from public, anon, authenticated;
grant execute on function auth.end_session(uuid) to service_role;

create or replace function auth.end_sessions(p_user_id uuid, p_except uuid = null)
returns void
language sql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$ delete from auth.sessions where user_id = p_user_id and id is distinct from p_except $$;

comment on function auth.end_sessions(uuid, uuid) is 'Signs a user out everywhere, except in the session p_except.';
revoke execute on function auth.end_sessions(uuid, uuid) from public, anon, authenticated;
grant execute on function auth.end_sessions(uuid, uuid) to service_role;

create or replace function auth.session_is_live(p_session_id uuid)
returns boolean
language sql
stable
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
  select exists (
    select
    from auth.refresh_tokens t join auth.users u on u.id = t.user_id
    where t.session_id = p_session_id and not t.revoked and (u.banned_until > now()) is not true
  )
$$;

comment on function auth.session_is_live(uuid) is 'Whether access tokens of this session are still good: neither signed out, nor revoked, nor the user banned.';
revoke execute on function auth.session_is_live(uuid) from public, anon, authenticated;
grant execute on function auth.session_is_live(uuid) to service_role;

-- A used token is remembered for as long as it could have been used, so that a second use is noticed;
-- a session goes with the last token that could be.
create or replace function auth.run_clean_up()
returns bigint
language sql
volatile
security definer          -- the tables are closed to everyone
set search_path = ''
as $$
  with old_tokens as (
    delete from auth.refresh_tokens where created_at < now() - auth.refresh_token_lifetime()
    returning 1
  ), old_sessions as (
    delete from auth.sessions s
    where s.created_at < now() - interval '1 hour'  -- not one that is just being started
      and not exists (
        select from auth.refresh_tokens t
        where t.session_id = s.id and not t.revoked and t.created_at >= now() - auth.refresh_token_lifetime()
      )
    returning 1
  )
  select (select count(*) from old_tokens) + (select count(*) from old_sessions)
$$;

comment on function auth.run_clean_up() is 'Removes refresh tokens that are too old and sessions without a token that can be used; returns how many.';
revoke execute on function auth.run_clean_up() from public, anon, authenticated;
grant execute on function auth.run_clean_up() to service_role;

-- Stand-in for Supabase on a plain Postgres, 2 of 5: who can sign in, and who is.
--
-- The tables have the columns of Supabase's that Baton uses. Nobody but the functions in the next
-- file reads or writes them. Changes are made with `add column if not exists`.

create schema if not exists auth;
-- The loader knows by the first word that this schema is ours and not Supabase's.
comment on schema auth is 'Baton: stand-in for Supabase''s auth schema on a plain Postgres';
grant usage on schema auth to anon, authenticated, service_role;

create table if not exists auth.users (
  id uuid primary key default gen_random_uuid(),
  email text constraint users_email_key unique
    constraint users_email_lower_case check (email = lower(email))
    constraint users_email_length check (char_length(email) <= 320),
  encrypted_password text,                 -- an argon2id hash, made by the web; null: no password
  is_anonymous boolean not null default false,
  role text not null default 'authenticated',
  raw_app_meta_data jsonb not null default '{}',
  raw_user_meta_data jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_sign_in_at timestamptz,
  banned_until timestamptz
);
-- It travels in every access token, and a header has 16 kB.
alter table auth.users drop constraint if exists users_user_metadata_check;
alter table auth.users add constraint users_user_metadata_check
  check (jsonb_typeof(raw_user_meta_data) = 'object' and octet_length(raw_user_meta_data::text) <= 8192) not valid;
comment on table auth.users is 'Everyone who can sign in: staff by e-mail and password, customers anonymously.';

-- One sign-in on one device. Its row is the lock under which its refresh tokens change.
create table if not exists auth.sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references auth.users (id) on delete cascade,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index if not exists idx_sessions_user on auth.sessions (user_id);
comment on table auth.sessions is 'One sign-in on one device; access tokens name it as session_id.';

-- Only hashes are kept: who reads the table can refresh nothing.
create table if not exists auth.refresh_tokens (
  token_hash text primary key,
  session_id uuid not null references auth.sessions (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  parent_hash text,                        -- the token that this one was given for
  created_at timestamptz not null default now(),
  used_at timestamptz,                     -- first use; a later one means that somebody has a copy
  revoked boolean not null default false
);
create index if not exists idx_refresh_tokens_user on auth.refresh_tokens (user_id);
create index if not exists idx_refresh_tokens_session on auth.refresh_tokens (session_id);
create index if not exists idx_refresh_tokens_created_at on auth.refresh_tokens (created_at);
comment on table auth.refresh_tokens is 'The refresh tokens of each session, by hash; each is used once.';

revoke all on auth.users, auth.sessions, auth.refresh_tokens from public, anon, authenticated, service_role;
alter table auth.users enable row level security;
alter table auth.sessions enable row level security;
alter table auth.refresh_tokens enable row level security;

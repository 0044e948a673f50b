-- Users of the host page: who they are here, and which of their tokens have been used.
--
-- Rolled back by rollbacks/20261121000003_host_users.sql: a host's user who comes back is then somebody
-- new, and a token that was used in the last ten minutes could be used again.

-- Who the host's user is here. The key to real_users is checked at commit: the row there is made once
-- it is settled here who he is. It goes with him when he is erased.
create table private.host_users (
  subject text primary key constraint host_users_subject_length check (char_length(subject) between 1 and 255),
  user_id uuid not null constraint host_users_user_key unique
    constraint host_users_user_id_fkey references public.real_users (id) on delete cascade deferrable initially deferred,
  created_at timestamptz not null default now()
);

-- The nonces of identity tokens that were used, until the tokens have long ended. By hash: what is
-- random to the host is nothing to keep.
create table private.host_nonces (
  nonce_hash bytea primary key,
  expires_at timestamptz not null
);
create index idx_host_nonces_expires_at on private.host_nonces (expires_at);

comment on table private.host_users is 'The host page''s users: its id of each (the sub of its tokens), and ours.';
comment on table private.host_nonces is 'Identity tokens that were used: a second use is refused.';

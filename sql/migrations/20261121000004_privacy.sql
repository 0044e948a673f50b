-- Privacy: who was erased, how long things are kept, and the audit log, which says what was done and
-- by whom, in ids, numbers and hashes.
--
-- Rolled back by rollbacks/20261121000004_privacy.sql: drops the audit log and the three settings. An
-- access token of somebody who was erased within the hour before could then start a chat again.

-- Whoever was erased does not come back by an access token that is still good. Kept for as long as
-- such tokens live, then the id is forgotten too.
create table private.erased_people (
  id uuid primary key,
  erased_at timestamptz not null default clock_timestamp(),
  xid xid8 not null default pg_current_xact_id()  -- the erasure itself may still write what it is about to delete
);
create index idx_erased_people_erased_at on private.erased_people (erased_at);

-- One row a deed, only ever added to, and each one signed by the hash of all before it. No names, no
-- words of anybody: the check lets nothing pass that could be any.
create table public.audit_log (
  id bigint primary key,            -- 1, 2, 3 … without gaps
  at timestamptz not null,
  actor_id uuid,                    -- null: the service
  actor_kind text not null,
  action text not null constraint audit_log_action_check check (action ~ '^[a-z_]+\.[a-z_]+$'),
  subject_id uuid,                  -- whom it was done to
  detail jsonb not null constraint audit_log_detail_check check (
    jsonb_typeof(detail) = 'object'
    and not jsonb_path_exists(detail, '$.** ? (@.type() == "string" && !(@ like_regex "^[a-z0-9_.:-]{1,64}$"))')
  ),
  previous_hash text not null,      -- of the row before; empty in the first one
  hash text not null                -- private.audit_hash
);

-- Where the log ends: without it nobody could tell that its last rows were cut off. Its row is the lock
-- under which the log grows, the last one in the order of locks.
create table private.audit_head (
  is_only boolean primary key default true constraint audit_head_is_only_check check (is_only),
  count bigint not null,
  last_hash text not null
) with (fillfactor = 50);
insert into private.audit_head (count, last_hash) values (0, '');

-- What a transaction has to say to the log. It is put there at its end, so that the log's lock is not
-- held meanwhile: at every commit this table is empty.
create unlogged table private.audit_entries (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor_id uuid,
  actor_kind text not null,
  action text not null,
  subject_id uuid,
  detail jsonb not null,
  rounds_waited integer not null default 0  -- of deferred triggers (functions/audit.sql)
);

insert into public.settings (name, value, kind, description) values
  ('chat_retention_days', '0', 'number', 'Chats that were completed so many days ago are erased; 0: kept until they or their customer are erased'),
  ('visitor_retention_days', '30', 'number', 'Anonymous visitors who have no chat and have not been here for so many days are erased; 0: never'),
  ('revision_retention_days', '0', 'number', 'What messages said before they were edited or deleted is erased after so many days; 0: kept as long as the chat');

-- For the jobs that look for what is old.
create index idx_message_revisions_replaced_at on public.message_revisions using brin (replaced_at);

comment on table public.audit_log is 'What was done to people, operators and settings, by whom, as a chain of hashes; only ever added to. check_audit_log() finds what was changed.';

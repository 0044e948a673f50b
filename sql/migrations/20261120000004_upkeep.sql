-- What keeps the house: rate limits and the schedule of the background jobs.
--
-- Rolled back by rollbacks/20261120000004_upkeep.sql: drops the tables with what is in them.

-- A token bucket per user. Unlogged: after a crash everyone simply starts with a full bucket, and
-- spending a token never waits for the disk.
create unlogged table private.rate_buckets (
  user_id uuid primary key,
  tokens double precision not null,
  refilled_at timestamptz not null
) with (fillfactor = 50);

-- When each background job was last begun, by whichever process. Unlogged: a claim a second must not
-- keep the disk busy, and after a crash every job is simply due.
create unlogged table private.jobs (
  name text primary key,
  last_run_at timestamptz not null
) with (fillfactor = 50);

-- Rate limits, the schedule of jobs, clean-up.

-- A token bucket: rate_limit_burst tokens at most, rate_limit_per_minute new ones a minute. The web
-- layer calls it before each request, in a transaction of its own: then a request that fails has
-- cost its token too, and one user's requests do not wait for each other.
create or replace function private.spend_token(p_user_id uuid)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_per_second double precision := private.setting('rate_limit_per_minute')::double precision / 60;
  v_burst double precision;
  v_now timestamptz := private.now();
begin
  if v_per_second = 0 then
    return;
  end if;
  v_burst := greatest(private.setting('rate_limit_burst')::double precision, 1);
  insert into private.rate_buckets as b (user_id, tokens, refilled_at)
  values (p_user_id, v_burst - 1, v_now)
  on conflict (user_id) do update set
    tokens = least(v_burst, b.tokens + greatest(extract(epoch from v_now - b.refilled_at), 0) * v_per_second) - 1,
    refilled_at = v_now
  where least(v_burst, b.tokens + greatest(extract(epoch from v_now - b.refilled_at), 0) * v_per_second) >= 1;
  if not found then
    perform private.refuse('rate_limited', format('Retry after %s s.', ceil(1 / v_per_second)));
  end if;
end
$$;

comment on function private.spend_token(uuid) is 'Spends one request of the user; refuses rate_limited, the wait in the hint.';
revoke execute on function private.spend_token(uuid) from public, anon, authenticated;
grant execute on function private.spend_token(uuid) to service_role;

create or replace function private.check_request()
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  -- PostgREST answers a GET in a transaction that only reads: nothing can be counted in it.
  if auth.uid() is not null and not private.is_service() and not current_setting('transaction_read_only')::boolean then
    perform private.spend_token(auth.uid());
  end if;
end
$$;

revoke execute on function private.check_request() from public, anon;
grant execute on function private.check_request() to anon, authenticated, service_role;

create or replace function public.check_request()
returns void
language sql
volatile
security invoker
set search_path = ''
as $$ select private.check_request() $$;

comment on function public.check_request() is 'Counts a request against the caller''s limit: PostgREST''s db-pre-request. Refuses rate_limited.';
revoke execute on function public.check_request() from public;
grant execute on function public.check_request() to anon, authenticated, service_role;

-- True for one of all the processes that ask. A tenth of tolerance: two timers that run at the same
-- pace would else skip every other turn.
create or replace function private.claim_job(p_name text, p_every interval)
returns boolean
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
  insert into private.jobs as j (name, last_run_at)
  values (p_name, clock_timestamp())
  on conflict (name) do update set last_run_at = excluded.last_run_at
  where j.last_run_at <= excluded.last_run_at - p_every * 0.9;
  return found;
end
$$;

comment on function private.claim_job(text, interval) is 'True for one caller per interval, however many processes ask. The scheduler''s.';
revoke execute on function private.claim_job(text, interval) from public, anon, authenticated;
grant execute on function private.claim_job(text, interval) to service_role;

create or replace function private.run_clean_up()
returns bigint
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_total bigint := 0;
  v_count bigint;
  v_logins bigint := 0;
begin
  delete from private.rate_buckets b where b.refilled_at < private.now() - interval '1 hour';
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  delete from private.events e
  where e.event_seq is null and e.at < private.now() - interval '1 hour';  -- signals: relays have seen them at once
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  -- Up to the newest old one, in case their times do not run with their numbers: no hole in what stays.
  with old as (
    select x.chat_id, max(x.event_seq) as last
    from private.events x
    where x.at < private.now() - private.setting('event_retention')::interval
    group by x.chat_id
  )
  delete from private.events e using old o where e.chat_id = o.chat_id and e.event_seq <= o.last;
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  -- Longer than any grace period or customer_idle that makes sense.
  with done as (
    select k.person_id, k.process_id
    from private.connections k
    where k.seen_at < private.now() - interval '1 day'
      -- One who was connecting while he was erased.
      or exists (select from private.erased_people e where e.id = k.person_id)
    for update skip locked
  )
  delete from private.connections k using done d where k.person_id = d.person_id and k.process_id = d.process_id;
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  delete from public.chat_drafts d where d.updated_at < private.now() - interval '30 days';
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  -- An hour longer than the tokens are good for: no clock is that wrong.
  delete from private.host_nonces n where n.expires_at < private.now() - interval '1 hour';
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  delete from private.operator_invitations i where i.expires_at < private.now() - interval '30 days';
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  -- By then no access token lives that was given before: a Supabase project's live a week at most.
  delete from private.erased_people e where e.erased_at < private.now() - interval '8 days';
  get diagnostics v_count = row_count;
  v_total := v_total + v_count;
  -- Where the login is Baton's own; a Supabase project keeps its own house.
  if to_regprocedure('auth.run_clean_up()') is not null then
    execute 'select auth.run_clean_up()' into v_logins;
  end if;
  return v_total + v_logins;
end
$$;

comment on function private.run_clean_up() is 'Removes rate buckets that nobody has used for an hour, events older than the setting event_retention, signals older than an hour, connections that ended a day ago, drafts that nobody has touched for 30 days, nonces of identity tokens that have ended, invitations that ended 30 days ago, who was erased 8 days ago, and ended logins; returns how many rows. A job of the service.';
revoke execute on function private.run_clean_up() from public, anon, authenticated;
grant execute on function private.run_clean_up() to service_role;

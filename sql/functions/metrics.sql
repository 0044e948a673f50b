-- The numbers over time. Each is defined once, for any span and by the hour or the day; the views show the
-- last days by it, and get_metrics any span. They run with the rights of whoever asks: under a view, of its
-- reader; inside get_metrics, of the owner, which spares an admin the question about every row.

-- The beginnings of the hours or days of a span, in the organisation's time zone; the first one may lie
-- before it. Rows are put between them, not cut to the hour, so that none is lost where a clock is changed.
create or replace function private.buckets(p_from timestamptz, p_to timestamptz, p_unit text)
returns timestamptz[]
language sql
stable
security definer
set search_path = ''
as $$
  select case p_unit
    when 'day' then array(
      select d.day at time zone z.name
      from generate_series(date_trunc('day', p_from at time zone z.name), p_to at time zone z.name, '1 day') d (day)
      where d.day at time zone z.name < p_to
      order by 1
    )
    else array(
      select h.hour
      from generate_series(date_trunc('hour', p_from, z.name), p_to, '1 hour') h (hour)
      where h.hour < p_to
      order by 1
    )
  end
  from (select private.time_zone() as name) z
$$;

comment on function private.buckets(timestamptz, timestamptz, text) is 'When each hour or day of a span begins.';
revoke execute on function private.buckets(timestamptz, timestamptz, text) from public, anon;
grant execute on function private.buckets(timestamptz, timestamptz, text) to authenticated, service_role;

-- What an index has in the order of time is counted bucket by bucket; in the history it is sought a block of
-- pages at a time, so it is read once.
create or replace function private.chat_volume(p_from timestamptz, p_to timestamptz, p_unit text)
returns table (bucket_start timestamptz, started bigint, completed bigint, messages_in bigint, messages_out bigint)
language sql
stable
security invoker
set search_path = ''
as $$
  with span as materialized (
    select private.buckets(p_from, p_to, p_unit) as starts
  ), buckets as (
    select b.start, b.n, lead(b.start, 1, p_to) over (order by b.n) as ending
    from span s cross join unnest(s.starts) with ordinality b (start, n)
  ), ends as (
    select width_bucket(h.at, s.starts) as n, count(*) as completed
    from public.chat_history h, span s
    where h.to_state = 'completed' and h.at >= s.starts[1] and h.at < p_to
    group by 1
  )
  select b.start, c.started, coalesce(e.completed, 0), m.messages_in, m.messages_out
  from buckets b
  cross join lateral (
    select count(*) as started from public.chats x where x.created_at >= b.start and x.created_at < b.ending
  ) c
  cross join lateral (
    select
      count(*) filter (where x.sender_type = 'real') as messages_in,
      count(*) filter (where x.sender_type = 'operator') as messages_out
    from public.messages x
    where x.created_at >= b.start and x.created_at < b.ending
  ) m
  left join ends e on e.n = b.n
  order by b.start
$$;

comment on function private.chat_volume(timestamptz, timestamptz, text) is 'Per hour or day: chats started and completed, messages of customers and of operators.';
revoke execute on function private.chat_volume(timestamptz, timestamptz, text) from public, anon;
grant execute on function private.chat_volume(timestamptz, timestamptz, text) to authenticated, service_role;

create or replace function private.wait_history(p_from timestamptz, p_to timestamptz, p_unit text)
returns table (bucket_start timestamptz, wait_median_seconds double precision, wait_p95_seconds double precision, assignments bigint)
language sql
stable
security invoker
set search_path = ''
as $$
  with buckets as (
    select b.start, lead(b.start, 1, p_to) over (order by b.start) as ending
    from unnest(private.buckets(p_from, p_to, p_unit)) b (start)
  )
  select b.start, w.of_all[1], w.of_all[2], w.assignments
  from buckets b
  cross join lateral (
    select
      percentile_cont(array[0.5, 0.95]) within group (order by x.seconds) as of_all,
      count(*) as assignments
    from (
      select extract(epoch from a.assigned_at - a.waiting_since)::double precision as seconds
      from public.chat_assignments a
      where a.assigned_at >= b.start and a.assigned_at < b.ending and a.waiting_since is not null
    ) x
  ) w
  order by b.start
$$;

comment on function private.wait_history(timestamptz, timestamptz, text) is 'Per hour or day: how long the chats that were given out of the queue had waited, and how many they were.';
revoke execute on function private.wait_history(timestamptz, timestamptz, text) from public, anon;
grant execute on function private.wait_history(timestamptz, timestamptz, text) to authenticated, service_role;

-- Counted back from now, by what has changed since: so it needs the history of the span and of what came
-- after it, not all of it. Of chats that are still there.
create or replace function private.state_history(p_from timestamptz, p_to timestamptz, p_unit text)
returns table (bucket_start timestamptz, waiting_assignment bigint, assigned bigint, waiting_real_user_reply bigint, completed bigint)
language sql
stable
security invoker
set search_path = ''
as $$
  with span as materialized (
    select private.buckets(p_from, p_to, p_unit) as starts
  ), states as (
    select c.chat_state as state, count(*) as chats from public.chats c group by c.chat_state
  ), moves as materialized (
    -- What comes after the span counts as in a bucket after the last.
    select
      case when h.at < p_to then width_bucket(h.at, s.starts) else cardinality(s.starts) + 1 end as n,
      h.from_state, h.to_state, count(*) as moves
    from public.chat_history h, span s
    where h.at >= s.starts[1]
    group by 1, 2, 3
  ), changes as (
    select x.n, x.state, sum(x.change) as change
    from (
      select m.n, m.to_state as state, m.moves as change from moves m
      union all
      select m.n, m.from_state, -m.moves from moves m
    ) x
    group by x.n, x.state
  ), ends as (
    select b.n, t.name as state, coalesce(c.chats, 0) - coalesce(
      sum(x.change) over (partition by t.name order by b.n desc rows between unbounded preceding and 1 preceding), 0
    ) as chats
    from span s
    cross join generate_series(1, cardinality(s.starts) + 1) b (n)
    cross join (values ('waiting_assignment'), ('assigned'), ('waiting_real_user_reply'), ('completed')) t (name)
    left join changes x on x.n = b.n and x.state = t.name
    left join states c on c.state = t.name
  )
  select
    s.starts[e.n],
    sum(e.chats) filter (where e.state = 'waiting_assignment')::bigint,
    sum(e.chats) filter (where e.state = 'assigned')::bigint,
    sum(e.chats) filter (where e.state = 'waiting_real_user_reply')::bigint,
    sum(e.chats) filter (where e.state = 'completed')::bigint
  from ends e
  cross join span s
  where e.n <= cardinality(s.starts)
  group by 1
  order by 1
$$;

comment on function private.state_history(timestamptz, timestamptz, text) is 'Per hour or day: how many chats were in each state when it ended, or are now.';
revoke execute on function private.state_history(timestamptz, timestamptz, text) from public, anon;
grant execute on function private.state_history(timestamptz, timestamptz, text) to authenticated, service_role;

-- The columns of a row as JSON are those of the views. Idle incidents are counted by the day.
create or replace function private.get_metrics(p_from timestamptz, p_to timestamptz, p_bucket interval)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_unit text := case p_bucket when interval '1 hour' then 'hour' when interval '1 day' then 'day' end;
  v_to timestamptz := coalesce(p_to, private.now());
  v_from timestamptz := coalesce(p_from, v_to - interval '14 days');
begin
  perform private.require_admin();
  if v_unit is null then
    perform private.refuse('invalid_argument', 'p_bucket is an hour or a day.');
  elsif not isfinite(v_from) or not isfinite(v_to) or v_from >= v_to then
    perform private.refuse('invalid_argument', 'p_from comes before p_to.');
  elsif v_to - v_from > (case v_unit when 'hour' then interval '31 days' else interval '366 days' end) then
    perform private.refuse('invalid_argument', 'By the hour at most 31 days, by the day at most 366.');
  end if;
  return jsonb_build_object(
    'from', v_from, 'to', v_to, 'bucket', v_unit, 'time_zone', private.time_zone(),
    'chat_volume', (select coalesce(jsonb_agg(v), '[]') from private.chat_volume(v_from, v_to, v_unit) v),
    'wait_history', (select coalesce(jsonb_agg(w), '[]') from private.wait_history(v_from, v_to, v_unit) w),
    'state_history', (select coalesce(jsonb_agg(s), '[]') from private.state_history(v_from, v_to, v_unit) s),
    'idle_history', (
      select coalesce(jsonb_agg(i order by i.date, i.operator_name, i.operator_id), '[]')
      from public.idle_history i
      where i.date between private.local_date(v_from) and private.local_date(v_to - interval '1 microsecond')
    ),
    'assignment_distribution', (select coalesce(jsonb_agg(d), '[]') from public.assignment_distribution d)
  );
end
$$;

revoke execute on function private.get_metrics(timestamptz, timestamptz, interval) from public, anon;
grant execute on function private.get_metrics(timestamptz, timestamptz, interval) to authenticated, service_role;

create or replace function public.get_metrics(p_from timestamptz default null, p_to timestamptz default null, p_bucket interval default '1 hour')
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_metrics(p_from, p_to, p_bucket) $$;

comment on function public.get_metrics(timestamptz, timestamptz, interval) is 'What the console draws, from p_from (14 days before) to p_to (now), by the hour (at most 31 days) or the day (at most 366 days): {"from", "to", "bucket", "time_zone", "chat_volume", "wait_history", "state_history", "idle_history", "assignment_distribution"}, rows as the views of these names have them. Admins, the service. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument.';
revoke execute on function public.get_metrics(timestamptz, timestamptz, interval) from public, anon;
grant execute on function public.get_metrics(timestamptz, timestamptz, interval) to authenticated, service_role;

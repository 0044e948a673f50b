-- What admins read. Views run with the rights of the reader: row level security makes an admin see
-- everything, an operator his own rows, a customer nothing. The clock and the time zone are asked for
-- once a query, in a select of their own, not once a row.

drop view if exists public.chat_state_summary;
create view public.chat_state_summary with (security_invoker = true) as
select
  s.chat_state,
  count(c.id) as chat_count,
  max(extract(epoch from (select private.now()) - c.state_since))::double precision as oldest_seconds,
  avg(extract(epoch from (select private.now()) - c.state_since))::double precision as average_seconds
from (values (1, 'waiting_assignment'), (2, 'assigned'), (3, 'waiting_real_user_reply'), (4, 'completed')) as s (rank, chat_state)
left join public.chats c on c.chat_state = s.chat_state
group by s.rank, s.chat_state
order by s.rank;
comment on view public.chat_state_summary is 'Always four rows: chats in each state, and for how long, in seconds.';

drop view if exists public.assignment_queue;
create view public.assignment_queue with (security_invoker = true) as
select
  row_number() over (order by c.priority desc, c.waiting_since, c.id) as position,
  c.id as chat_id,
  c.priority,
  c.waiting_since,
  extract(epoch from (select private.now()) - c.waiting_since)::double precision as wait_seconds,
  c.last_operator_id
from public.chats c
where c.chat_state = 'waiting_assignment'
order by c.priority desc, c.waiting_since, c.id;
comment on view public.assignment_queue is 'The queue in its order.';

drop view if exists public.operator_assignment_history;
create view public.operator_assignment_history with (security_invoker = true) as
with reasons as (
  select a.operator_id, coalesce(a.release_reason, 'active') as reason, a.assigned_at > (select private.now()) - interval '24 hours' as is_recent, count(*) as holds
  from public.chat_assignments a
  group by 1, 2, 3
), by_reason as (
  select r.operator_id, r.reason, sum(r.holds) as holds, sum(r.holds) filter (where r.is_recent) as recent
  from reasons r
  group by r.operator_id, r.reason
)
select
  o.id as operator_id,
  o.name as operator_name,
  coalesce(sum(b.holds), 0)::bigint as total_assignments,
  coalesce(sum(b.holds) filter (where b.reason <> 'active'), 0)::bigint as completed,
  coalesce(sum(b.holds) filter (where b.reason = 'active'), 0)::bigint as active,
  coalesce(jsonb_object_agg(b.reason, b.holds) filter (where b.reason <> 'active'), '{}') as by_reason,
  coalesce(sum(b.recent), 0)::bigint as total_assignments_24h,
  coalesce(sum(b.recent) filter (where b.reason <> 'active'), 0)::bigint as completed_24h,
  coalesce(jsonb_object_agg(b.reason, b.recent) filter (where b.reason <> 'active' and b.recent > 0), '{}') as by_reason_24h
from public.operators o
left join by_reason b on b.operator_id = o.id
where private.can_see_numbers_of(o.id)
group by o.id, o.name
order by total_assignments desc, o.name;
comment on view public.operator_assignment_history is 'Per operator: holds begun (total_assignments), ended (completed), open (active), and by reason; of the last 24 hours and in all.';

drop view if exists public.repeated_assignments;
create view public.repeated_assignments with (security_invoker = true) as
select a.chat_id, a.operator_id, count(*) as assignment_count
from public.chat_assignments a
group by a.chat_id, a.operator_id
having count(*) > 3
order by assignment_count desc, a.chat_id;
comment on view public.repeated_assignments is 'Chats that the same operator had more than three times.';

drop view if exists public.operator_performance;
create view public.operator_performance with (security_invoker = true) as
with replies as (
  select
    m.sender_id as operator_id,
    (m.created_at at time zone (select private.time_zone()))::date as date,
    extract(epoch from m.created_at - m.owed_since)::double precision as seconds,
    m.seq = (select min(f.seq) from public.messages f where f.chat_id = m.chat_id and f.sender_type = 'operator') as is_first
  from public.messages m
  where m.sender_type = 'operator' and m.owed_since is not null
), times as (
  select
    r.operator_id,
    r.date,
    percentile_cont(0.5) within group (order by r.seconds) filter (where r.is_first) as first_reply_median_seconds,
    percentile_cont(0.95) within group (order by r.seconds) filter (where r.is_first) as first_reply_p95_seconds,
    percentile_cont(0.5) within group (order by r.seconds) as reply_median_seconds,
    percentile_cont(0.95) within group (order by r.seconds) as reply_p95_seconds
  from replies r
  group by r.operator_id, r.date
)
select
  s.operator_id,
  o.name as operator_name,
  s.date,
  s.messages_sent,
  s.chats_handled,
  t.first_reply_median_seconds,
  t.first_reply_p95_seconds,
  t.reply_median_seconds,
  t.reply_p95_seconds,
  s.idle_incidents,
  s.chats_missed
from public.operator_stats s
join public.operators o on o.id = s.operator_id
left join times t on t.operator_id = s.operator_id and t.date = s.date
order by s.date desc, o.name;
comment on view public.operator_performance is 'Per operator and day: messages, chats replied in, seconds from owed to replied (of a chat''s first reply, of all; median and 95th percentile), idle incidents, missed chats.';

drop view if exists public.assignment_metrics;
create view public.assignment_metrics with (security_invoker = true) as
with per_operator as (
  select a.operator_id, count(*) as holds from public.chat_assignments a group by a.operator_id
), distribution as (
  select
    count(*) as operators,
    coalesce(sum(p.holds), 0)::bigint as assignments,
    min(p.holds) as fewest,
    max(p.holds) as most,
    avg(p.holds)::double precision as average,
    coalesce(jsonb_object_agg(p.operator_id, p.holds), '{}') as by_operator
  from per_operator p
), waits as (
  select
    percentile_cont(0.5) within group (order by extract(epoch from a.assigned_at - a.waiting_since)::double precision) as median,
    percentile_cont(0.95) within group (order by extract(epoch from a.assigned_at - a.waiting_since)::double precision) as p95
  from public.chat_assignments a
  where a.waiting_since is not null
)
select
  d.assignments,
  d.operators,
  d.fewest as fewest_per_operator,
  d.most as most_per_operator,
  d.average as average_per_operator,
  d.by_operator as distribution,
  w.median as wait_median_seconds,
  w.p95 as wait_p95_seconds,
  (select count(*) from public.repeated_assignments) as repeats,
  (select count(distinct s.chat_id) from public.detect_stuck_chats(1) s) as stuck
from distribution d, waits w;
comment on view public.assignment_metrics is 'One row: holds and how they are spread among operators, waits in the queue in seconds (median, 95th percentile), chats that one operator had more than three times, stuck chats.';

-- Over time: the last 14 days and today, in the organisation's time zone. All but the last two are numbers
-- of the whole, of which an operator's part would say nothing: he gets no row.

drop view if exists public.chat_volume;
create view public.chat_volume with (security_invoker = true) as
select v.*
from (select private.now() as now) n
cross join lateral private.chat_volume(n.now - interval '14 days', n.now, 'hour') v
where (select private.can_see_numbers_of(null));
comment on view public.chat_volume is 'Per hour of the last 14 days: chats started and completed, messages of customers (in) and of operators (out).';

drop view if exists public.wait_history;
create view public.wait_history with (security_invoker = true) as
select w.*
from (select private.now() as now) n
cross join lateral private.wait_history(n.now - interval '14 days', n.now, 'hour') w
where (select private.can_see_numbers_of(null));
comment on view public.wait_history is 'Per hour of the last 14 days: how many chats were given out of the queue, and how long they had waited, in seconds (median, 95th percentile).';

drop view if exists public.state_history;
create view public.state_history with (security_invoker = true) as
select s.*
from (select private.now() as now) n
cross join lateral private.state_history(n.now - interval '14 days', n.now, 'hour') s
where (select private.can_see_numbers_of(null));
comment on view public.state_history is 'Per hour of the last 14 days: how many chats were in each state when it ended; in the last row, are now.';

drop view if exists public.idle_history;
create view public.idle_history with (security_invoker = true) as
select s.date, s.operator_id, o.name as operator_name, s.idle_incidents
from public.operator_stats s
join public.operators o on o.id = s.operator_id
where s.idle_incidents > 0
order by s.date, o.name;
comment on view public.idle_history is 'Per day and operator: how often he let a customer wait for so long that the chat was taken from him; days without are left out.';

drop view if exists public.assignment_distribution;
create view public.assignment_distribution with (security_invoker = true) as
with recent as (
  select a.operator_id, count(*) as holds_7d, count(*) filter (where a.assigned_at > (select private.now()) - interval '24 hours') as holds_24h
  from public.chat_assignments a
  where a.assigned_at > (select private.now()) - interval '7 days'
  group by a.operator_id
)
select o.id as operator_id, o.name as operator_name, coalesce(r.holds_24h, 0) as holds_24h, coalesce(r.holds_7d, 0) as holds_7d
from public.operators o
left join recent r on r.operator_id = o.id
where private.can_see_numbers_of(o.id) and (o.is_active or r.operator_id is not null)
order by holds_7d desc, o.name;
comment on view public.assignment_distribution is 'Per operator: holds begun in the last 24 hours and in the last 7 days.';

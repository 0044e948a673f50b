-- What follows from the row in chats, written by triggers only: holds, activity, statistics,
-- history, and how many hands each operator has free.
--
-- Rolled back by rollbacks/20261120000003_assignments.sql: drops the tables with what is in them.

-- One operator having one chat for a time.
create table public.chat_assignments (
  id uuid primary key default gen_random_uuid(),
  chat_id uuid not null references public.chats (id) on delete cascade,
  operator_id uuid not null references public.operators (id),
  assigned_at timestamptz not null,
  released_at timestamptz,
  release_reason text constraint chat_assignments_reason_length check (char_length(release_reason) <= 500),
  waiting_since timestamptz,     -- where the chat stood in the queue when it was given; null: it was not in it
  first_replied_at timestamptz,
  last_replied_at timestamptz,
  -- Set while the hold is open: unique, and the target of the foreign key from chats.
  open_chat_id uuid generated always as (case when released_at is null then chat_id end) stored,
  open_operator_id uuid generated always as (case when released_at is null then operator_id end) stored,

  constraint chat_assignments_one_open_key unique (open_chat_id),
  constraint chat_assignments_open_key unique (open_chat_id, open_operator_id),
  constraint chat_assignments_released_check check ((released_at is null) = (release_reason is null))
) with (fillfactor = 90);

-- "Has held", for the policies.
create index idx_chat_assignments_operator_chat on public.chat_assignments (operator_id, chat_id);
create index idx_chat_assignments_chat on public.chat_assignments (chat_id, assigned_at);
create index idx_chat_assignments_assigned_at on public.chat_assignments (assigned_at);

-- A row per hold, gone when the hold ends.
create table public.operator_activity (
  chat_id uuid primary key references public.chats (id) on delete cascade,
  operator_id uuid not null,
  last_activity_at timestamptz not null
) with (fillfactor = 80);

create table public.operator_stats (
  operator_id uuid not null references public.operators (id) on delete cascade,
  date date not null,
  messages_sent integer not null default 0,
  chats_handled integer not null default 0,
  idle_incidents integer not null default 0,
  chats_missed integer not null default 0,
  primary key (operator_id, date)
) with (fillfactor = 50);

-- Every change of state or holder, in order; never rewritten.
create table public.chat_history (
  id bigint generated always as identity primary key,
  chat_id uuid not null references public.chats (id) on delete cascade,
  at timestamptz not null,
  actor_id uuid,
  from_state text,
  to_state text not null,
  operator_id uuid,   -- whose hold began, moved or ended
  reason text not null,
  note text           -- what the person who did it said
);
create index idx_chat_history_chat on public.chat_history (chat_id, id);

-- An operator's hands. A leaf in the order of locks: taken after the chats, and whoever has it takes
-- chats only with skip locked. `capacity` is 0 for an inactive operator.
create table private.operator_load (
  operator_id uuid primary key references public.operators (id) on delete cascade,
  capacity integer not null,
  held integer not null default 0,
  is_auto boolean not null,            -- active, online and auto_assign
  free_since timestamptz not null,     -- when his hands last changed: automatic assignment goes to the earliest
  constraint operator_at_capacity check (held between 0 and capacity)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

-- Never holds a row. Its table lock keeps a transaction that brings a chat and one that frees a hand
-- from missing each other (functions/dispatch.sql).
create table private.gate () with (autovacuum_enabled = false);

-- What the chats and operators that are there already have in hand: there are none on a new database,
-- but there are after a rollback to the migration before.
insert into public.chat_assignments (chat_id, operator_id, assigned_at)
select c.id, c.assigned_operator_id, c.assignment_time
from public.chats c
where c.chat_state = 'assigned';

insert into public.operator_activity (chat_id, operator_id, last_activity_at)
select a.chat_id, a.operator_id, a.assigned_at
from public.chat_assignments a;

insert into public.chat_history (chat_id, at, to_state, operator_id, reason)
select c.id, c.state_since, c.chat_state, c.assigned_operator_id, 'migrated'
from public.chats c;

insert into private.operator_load (operator_id, capacity, held, is_auto, free_since)
select
  o.id,
  case when o.is_active then o.capacity else 0 end,
  (select count(*) from public.chats c where c.assigned_operator_id = o.id),
  o.is_active and o.auto_assign and o.status = 'online',
  now()
from public.operators o;

-- A chat that is assigned has its open hold by the end of the transaction.
alter table public.chats add constraint chats_assigned_has_open_hold
  foreign key (id, assigned_operator_id) references public.chat_assignments (open_chat_id, open_operator_id)
  deferrable initially deferred;

comment on table public.chat_assignments is 'Holds: one operator having one chat for a time. Follows from chats.';
comment on table public.operator_activity is 'A row per open hold: when its operator last did something. Follows from chats.';
comment on table public.operator_stats is 'Counts per operator and day. Follows from messages and holds.';
comment on table public.chat_history is 'Every change of state or holder. Follows from chats, and is never rewritten.';

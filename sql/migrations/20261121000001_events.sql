-- Live events: what happened in each chat, numbered for its two audiences, and what the relays and
-- the connections of people say about themselves.
--
-- Rolled back by rollbacks/20261121000001_events.sql: drops the events, so that every client fetches afresh.

-- The numbers of the latest events. Counted in the change's own transaction, under the chat's lock: so they
-- have no gaps and run in commit order.
alter table public.chats
  add column event_seq bigint not null default 0,           -- of the staff's events
  add column customer_event_seq bigint not null default 0;  -- of the customer's

-- One row a change, written in the transaction that makes it. A row says what happened and where the
-- rest is to be found; texts and names are read when it is delivered, so that what is erased is
-- erased here too. Without a number it is a signal: it makes relays look, and nobody can ask for it later.
create table private.events (
  chat_id uuid,
  event_seq bigint,
  customer_event_seq bigint,     -- null: not for the customer
  xid xid8 not null default pg_current_xact_id(),
  event text not null,
  at timestamptz not null default clock_timestamp(),
  message_seq bigint,
  handled_after_seq bigint,      -- of a reply: it handled the customer's messages after this one
  history_id bigint,
  person_id uuid,                -- the operator who gets, has or loses the chat; of a signal or read mark, whom it is about
  from_person_id uuid,           -- the operator from whom a hold moves
  constraint events_number_check check (event_seq is not null or customer_event_seq is null)
);
create unique index events_chat_key on private.events (chat_id, event_seq);
-- For the relays: what was written by these transactions.
create index idx_events_xid on private.events (xid);
create index idx_events_at on private.events using brin (at);

-- Which server the events were written by. Their transaction ids mean nothing in another one.
create table private.epoch (
  is_only boolean primary key default true constraint epoch_is_only_check check (is_only),
  id uuid not null default gen_random_uuid(),
  server text not null,
  begun_at timestamptz not null default now()
);

-- The relays that sleep have to be woken by writers. Unlogged: after a crash all relays begin anew.
create unlogged table private.relays (
  id uuid primary key,
  is_asleep boolean not null,
  lease_until timestamptz not null
) with (fillfactor = 50);

-- Who has a live connection, by web process. A row stays for a while after the last one is lost: that
-- is how an operator who is gone is told from one who never had any. Logged: a crash must not forget it.
create table private.connections (
  person_id uuid not null,
  process_id uuid not null,
  is_open boolean not null default true,
  seen_at timestamptz not null,      -- when it was last known to live
  lease_until timestamptz not null,  -- past it, what is open counts as lost: its process was killed
  primary key (person_id, process_id)
) with (fillfactor = 50, autovacuum_vacuum_cost_delay = 0);

insert into public.settings (name, value, kind, description) values
  ('grace_period', '"60 seconds"', 'interval', 'An operator who has lost his last live connection for so long is gone: his holds end and he is offline'),
  ('event_retention', '"7 days"', 'interval', 'How long events are kept for clients that come back; who comes later fetches afresh');
update public.settings s
set description = 'A session chat is released when its customer has neither written nor been connected for so long'
where s.name = 'customer_idle';

comment on column public.chats.event_seq is 'The number of the latest event; in a customer''s row, of the latest one for customers.';
comment on column public.chats.customer_event_seq is 'The number of the customer''s latest event.';

-- The conversation: chats and their messages. The row in chats is the one truth about state and
-- holder; everything in 20261120000003 follows from it by trigger.
--
-- Rolled back by rollbacks/20261120000002_chats.sql: drops the tables with what is in them.

create table public.chats (
  id uuid primary key default gen_random_uuid(),
  real_user_id uuid not null references public.real_users (id) on delete cascade,
  fictional_user_id uuid references public.fictional_users (id) on delete set null,
  chat_state text not null default 'waiting_assignment' constraint chats_state_check
    check (chat_state in ('waiting_assignment', 'assigned', 'waiting_real_user_reply', 'completed')),
  handling text not null default 'turn' constraint chats_handling_check check (handling in ('turn', 'session')),
  priority integer not null default 0,
  assigned_operator_id uuid,  -- an operator: chats_assigned_has_open_hold
  last_operator_id uuid references public.operators (id),
  assignment_time timestamptz,
  operator_replied_at timestamptz,
  waiting_since timestamptz,
  last_message_at timestamptz,
  created_at timestamptz not null,
  is_active boolean generated always as (chat_state <> 'completed') stored,
  headline text constraint chats_headline_length check (char_length(headline) <= 500),
  context jsonb not null default '{}' constraint chats_context_check
    check (jsonb_typeof(context) = 'object' and octet_length(context::text) <= 16384),
  ip_address inet,
  -- Not part of the contract, kept by the triggers:
  state_since timestamptz not null,   -- when the chat came into its state, or to its holder
  owed_since timestamptz,             -- when the customer became owed a reply; null: nothing owed. His place in the queue.
  real_user_active_at timestamptz,    -- when the customer last wrote
  last_seq bigint not null default 0, -- messages.seq of the newest message
  replied_seq bigint not null default 0, -- messages up to here have had their reply
  let_go_by uuid,                     -- who let the chat go since it last entered the queue: never given back to him unasked

  constraint chats_holder_matches_state check ((chat_state = 'assigned') = (assigned_operator_id is not null)),
  constraint chats_hold_is_complete check (
    assigned_operator_id is null
    or (last_operator_id is not distinct from assigned_operator_id and assignment_time is not null)
  ),
  constraint chats_replied_when_waiting_for_reply check (chat_state <> 'waiting_real_user_reply' or operator_replied_at is not null),
  -- "A waiting chat is never forgotten": who waits is in the queue, and nobody else is.
  constraint chats_waiting_is_in_queue check ((chat_state = 'waiting_assignment') = (waiting_since is not null))
) with (
  fillfactor = 80,                     -- room for the updates of every message to stay on their page
  autovacuum_vacuum_scale_factor = 0.01, -- dead entries at the head of the queue are what makes picking slow
  autovacuum_vacuum_cost_delay = 0
);

-- The queue in its order.
create index idx_chats_waiting_assignment on public.chats (priority desc, waiting_since, id)
  where chat_state = 'waiting_assignment';
-- The same by last handler: the best chat of "everyone but me" is the best among the others' first ones.
create index idx_chats_last_operator on public.chats (last_operator_id, priority desc, waiting_since, id)
  where chat_state = 'waiting_assignment';
create index idx_chats_operator_replied on public.chats (operator_replied_at)
  where chat_state = 'waiting_real_user_reply';
create index idx_chats_assigned_operator on public.chats (assigned_operator_id)
  where chat_state = 'assigned';
create index idx_chats_real_user on public.chats (real_user_id, created_at, id);
create index idx_chats_created_at on public.chats (created_at, id);

create table public.messages (
  id uuid primary key default gen_random_uuid(),
  chat_id uuid not null references public.chats (id) on delete cascade,
  seq bigint not null,
  sender_type text not null constraint messages_sender_type_check check (sender_type in ('real', 'operator', 'system')),
  sender_id uuid,
  content text not null,
  handled_by_operator_id uuid,
  client_message_id uuid,
  created_at timestamptz not null,
  edited_at timestamptz,
  deleted_at timestamptz,
  metadata jsonb not null default '{}' constraint messages_metadata_check
    check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  owed_since timestamptz,  -- of an operator's reply: since when the customer had been owed it

  constraint messages_seq_key unique (chat_id, seq),
  constraint messages_content_length check (deleted_at is not null or octet_length(content) between 1 and 65536)
) with (fillfactor = 90);

create unique index messages_client_message_id_key on public.messages (sender_id, client_message_id)
  where client_message_id is not null;

-- What a message said before it was edited or deleted. For admins, until it is erased.
create table public.message_revisions (
  message_id uuid not null references public.messages (id) on delete cascade,
  revision integer not null,
  content text not null,
  replaced_at timestamptz not null,
  primary key (message_id, revision)
);

-- How far each reader has read each chat.
create table public.read_marks (
  chat_id uuid not null references public.chats (id) on delete cascade,
  reader_id uuid not null,
  seq bigint not null,
  read_at timestamptz not null,
  primary key (chat_id, reader_id)
);

comment on table public.chats is 'One row a conversation: the one truth about its state and holder.';
comment on table public.messages is 'What was written, numbered by seq without gaps in each chat.';
comment on table public.message_revisions is 'What a message said before it was edited or deleted; for admins.';
comment on table public.read_marks is 'How far each reader has read each chat; written by mark_read.';

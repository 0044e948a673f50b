-- Tickets: requests that are followed up, with their messages, and what each has to do with.
--
-- Rolled back by rollbacks/20261122000004_tickets.sql: drops the tickets with all that is in them.

create table public.tickets (
  id uuid primary key default gen_random_uuid(),
  real_user_id uuid not null references public.real_users (id) on delete cascade,
  type text not null constraint tickets_type_check check (type in ('support', 'product-inquiry', 'order-help', 'technical')),
  title text not null constraint tickets_title_length check (char_length(title) between 1 and 200),
  status text not null default 'open' constraint tickets_status_check check (status in ('open', 'in-progress', 'resolved', 'closed')),
  priority text not null default 'medium' constraint tickets_priority_check check (priority in ('low', 'medium', 'high', 'urgent')),
  contact_name text constraint tickets_contact_name_length check (char_length(contact_name) <= 200),
  contact_email text constraint tickets_contact_email_length check (char_length(contact_email) <= 320),
  context jsonb not null default '{}' constraint tickets_context_check
    check (jsonb_typeof(context) = 'object' and octet_length(context::text) <= 16384),
  summary text constraint tickets_summary_length check (char_length(summary) <= 10000),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  resolved_at timestamptz,
  client_message_id uuid,               -- of the request that made it
  last_seq bigint not null default 0,   -- ticket_messages.seq of the newest message

  constraint tickets_resolved_at_matches_status check (
    case status when 'resolved' then resolved_at is not null when 'closed' then true else resolved_at is null end
  )
);
create unique index tickets_client_message_id_key on public.tickets (real_user_id, client_message_id)
  where client_message_id is not null;
create index idx_tickets_created_at on public.tickets (created_at, id);
create index idx_tickets_status on public.tickets (status, created_at, id);
create index idx_tickets_real_user on public.tickets (real_user_id, created_at, id);

create table public.ticket_messages (
  id uuid primary key default gen_random_uuid(),
  ticket_id uuid not null references public.tickets (id) on delete cascade,
  seq bigint not null,
  sender_type text not null constraint ticket_messages_sender_type_check check (sender_type in ('real', 'operator', 'assistant', 'system')),
  sender_id uuid,
  message_type text not null default 'text' constraint ticket_messages_message_type_check
    check (message_type in ('text', 'action', 'suggestion', 'error')),
  content text not null constraint ticket_messages_content_length check (octet_length(content) between 1 and 65536),
  created_at timestamptz not null,
  metadata jsonb not null default '{}' constraint ticket_messages_metadata_check
    check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  constraint ticket_messages_seq_key unique (ticket_id, seq)
);

-- A ticket and a chat, or two tickets, the lower id first: a link is there once, and seen from both ends.
create table public.ticket_links (
  id uuid primary key default gen_random_uuid(),
  ticket_id uuid not null references public.tickets (id) on delete cascade,
  chat_id uuid references public.chats (id) on delete cascade,
  other_ticket_id uuid references public.tickets (id) on delete cascade,
  created_at timestamptz not null default now(),
  constraint ticket_links_has_one_other_end check (num_nonnulls(chat_id, other_ticket_id) = 1),
  constraint ticket_links_lower_first check (ticket_id < other_ticket_id),
  constraint ticket_links_chat_key unique (ticket_id, chat_id),
  constraint ticket_links_ticket_key unique (ticket_id, other_ticket_id)
);
create index idx_ticket_links_chat on public.ticket_links (chat_id);
create index idx_ticket_links_other_ticket on public.ticket_links (other_ticket_id);

insert into public.settings (name, value, kind, description) values
  ('ticket_retention_days', '0', 'number', 'Tickets that were resolved or closed so many days ago are erased; 0: kept until their customer is erased');

comment on table public.tickets is 'Requests that are followed up, with type, priority and status.';
comment on table public.ticket_messages is 'What was written to a ticket, numbered by seq.';
comment on table public.ticket_links is 'Which chats and other tickets a ticket has to do with.';

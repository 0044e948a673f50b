-- The workspace: what an operator has begun to write, which chats he has put aside, and the indexes of his
-- lists.
--
-- Rolled back by rollbacks/20261122000002_workspace.sql: drops drafts and snoozes with what is in them.

-- What an operator has written in a chat and not sent yet. His alone.
create table public.chat_drafts (
  chat_id uuid not null references public.chats (id) on delete cascade,
  operator_id uuid not null references public.operators (id) on delete cascade,
  content text not null constraint chat_drafts_content_length check (octet_length(content) between 1 and 65536),
  updated_at timestamptz not null,
  primary key (chat_id, operator_id)
) with (fillfactor = 70);
create index idx_chat_drafts_operator on public.chat_drafts (operator_id);
create index idx_chat_drafts_updated_at on public.chat_drafts (updated_at);

-- An operator has put a chat aside until then. His alone too; past `until` it counts for nothing, and a job
-- removes it.
create table public.chat_snoozes (
  chat_id uuid not null references public.chats (id) on delete cascade,
  operator_id uuid not null references public.operators (id) on delete cascade,
  until timestamptz not null,
  created_at timestamptz not null,
  primary key (chat_id, operator_id)
);
create index idx_chat_snoozes_operator on public.chat_snoozes (operator_id, until);
create index idx_chat_snoozes_until on public.chat_snoozes (until);

-- Who could see a chat before a change: it must have waited in an earlier transaction, not in this one alone
-- (private.left_queue). Null in rows from before.
alter table public.chat_history add column xid xid8;
alter table public.chat_history alter column xid set default pg_current_xact_id();

-- The lists that no index served yet.
create index idx_chats_waiting_reply on public.chats (last_operator_id, operator_replied_at, id)
  where chat_state = 'waiting_real_user_reply';
create index idx_chats_completed on public.chats (last_operator_id, state_since, id)
  where chat_state = 'completed';
create index idx_chats_active on public.chats (created_at, id)
  where chat_state <> 'completed';

comment on table public.chat_drafts is 'What operators have begun to write; written by save_draft, gone with the reply.';
comment on table public.chat_snoozes is 'Chats that operators have put aside, each for himself; written by snooze_chat.';

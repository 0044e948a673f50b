-- Bounds: the orders of the console's list of all chats, for those that have ended. They grow without end, so
-- each order has an index. Its columns are some that change with the chat's state or by an admin's hand, and are
-- in other indexes anyway: a message still changes none of them.
--
-- Rolled back by rollbacks/20261122000006_bounds.sql: drops the indexes.

create index idx_chats_ended on public.chats (state_since, id)
  where chat_state = 'completed';
create index idx_chats_ended_priority on public.chats ((-priority::bigint), id)
  where chat_state = 'completed';

-- Their results or arguments have changed.
drop function if exists private.console_page(jsonb, jsonb, integer);
drop function if exists public.list_notes(uuid);
drop function if exists private.list_notes(uuid);

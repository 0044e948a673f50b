-- Reading: what search and the numbers over time need to find their rows.
--
-- Words are found by full text search with the configuration `simple`, which knows no language: it cuts a
-- text into words and nothing else. functions/search.sql says why punctuation is made blank first. Each
-- index has a short list of what is not sorted in yet: whoever fills it pays for all of it, so a long one
-- would make one message in a thousand wait.
--
-- Rolled back by rollbacks/20261122000005_reading.sql: drops the indexes.

create index idx_messages_words on public.messages
  using gin (to_tsvector('simple', regexp_replace(lower(content), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')))
  with (gin_pending_list_limit = 256);
create index idx_chats_words on public.chats
  using gin (to_tsvector('simple', regexp_replace(lower(headline), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')))
  with (gin_pending_list_limit = 256)
  where headline is not null;
create index idx_real_users_words on public.real_users
  using gin (to_tsvector('simple', regexp_replace(lower(coalesce(name, '') || ' ' || coalesce(email, '')), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')))
  with (gin_pending_list_limit = 256);
create index idx_chat_notes_words on public.chat_notes
  using gin (to_tsvector('simple', regexp_replace(lower(content), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')))
  with (gin_pending_list_limit = 256);
create index idx_tickets_words on public.tickets
  using gin (to_tsvector('simple', regexp_replace(lower(title || ' ' || coalesce(contact_name, '') || ' ' || coalesce(contact_email, '')), '[\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e\u00a1\u00ab\u00b7\u00bb\u00bf\u060c\u061b\u061f\u2010-\u205e\u3000-\u303f]', ' ', 'g')))
  with (gin_pending_list_limit = 256);

-- What happened when.
create index idx_messages_created_at on public.messages (created_at);
create index idx_chat_history_at on public.chat_history using brin (at);

-- Working together: what the staff note about a chat and whom they mention there, answers kept ready, and
-- how each operator has his screen.
--
-- Rolled back by rollbacks/20261122000001_collaboration.sql: drops all four with what is in them. The events
-- of notes keep their numbers, but say nothing any more.

-- Beside the messages, never among them: no customer's query can come upon one.
create table public.chat_notes (
  id uuid primary key default gen_random_uuid(),
  chat_id uuid not null references public.chats (id) on delete cascade,
  author_id uuid not null references public.operators (id),
  content text not null,
  mentions uuid[] not null default '{}',
  client_note_id uuid,
  created_at timestamptz not null,
  edited_at timestamptz,
  deleted_at timestamptz,

  constraint chat_notes_content_length check (deleted_at is not null or octet_length(content) between 1 and 16384),
  constraint chat_notes_client_note_id_key unique (author_id, client_note_id)
);
create index idx_chat_notes_chat on public.chat_notes (chat_id, created_at, id);

-- A row for each operator whom a note mentions, kept by the trigger on chat_notes.
create table public.chat_mentions (
  note_id uuid not null references public.chat_notes (id) on delete cascade,
  operator_id uuid not null references public.operators (id) on delete cascade,
  chat_id uuid not null,   -- the note's, which never moves
  created_at timestamptz not null,
  read_at timestamptz,
  primary key (note_id, operator_id)
);
create index idx_chat_mentions_operator on public.chat_mentions (operator_id, created_at, note_id);
create index idx_chat_mentions_unread on public.chat_mentions (operator_id, chat_id) where read_at is null;

create table public.quick_responses (
  id uuid primary key default gen_random_uuid(),
  shortcut text not null,
  title text not null,
  content text not null,
  owner_id uuid references public.operators (id) on delete cascade,  -- null: everybody's
  created_at timestamptz not null,
  updated_at timestamptz not null,

  -- One among those that are everybody's, and one among each operator's own.
  constraint quick_responses_shortcut_key unique nulls not distinct (owner_id, shortcut)
);

-- Who has none has the defaults of private.preferences().
create table public.agent_preferences (
  operator_id uuid primary key references public.operators (id) on delete cascade,
  language text constraint agent_preferences_language_check check (language in ('en', 'ar')),  -- null: the browser's
  theme text not null constraint agent_preferences_theme_check check (theme in ('system', 'light', 'dark')),
  sound text not null constraint agent_preferences_sound_check check (sound in ('all', 'mine', 'none')),
  desktop_notifications boolean not null,
  send_key text not null constraint agent_preferences_send_key_check check (send_key in ('auto', 'enter', 'ctrl_enter')),
  density text not null constraint agent_preferences_density_check check (density in ('comfortable', 'compact')),
  updated_at timestamptz not null
);

-- The note that an event is about.
alter table private.events add column note_id uuid;
drop function if exists private.add_event(uuid, text, boolean, bigint, uuid, timestamptz);

comment on table public.chat_notes is 'What the staff note about a chat, for the staff alone; written by add_note.';
comment on table public.chat_mentions is 'Whom a note mentions, and when he has read it; follows from chat_notes.';
comment on table public.quick_responses is 'Answers kept ready under a shortcut: everybody''s, or an operator''s own.';
comment on table public.agent_preferences is 'How an operator has his screen; written by set_preferences.';

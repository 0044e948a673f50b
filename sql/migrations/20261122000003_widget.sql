-- What the customer meets: the widget as an admin has set it up, what he says of himself, his rating; and
-- how operators join, by invitation.
--
-- Rolled back by rollbacks/20261122000003_widget.sql: drops what was set up, ratings and invitations. How a
-- new chat is handled goes back into the setting default_handling.

-- One row. Each value is checked by the trigger on the table, which names the field that is wrong.
create table public.widget_settings (
  is_only boolean primary key default true constraint widget_settings_is_only_check check (is_only),
  title text not null default 'Chat with us',
  greeting jsonb not null default '{"en": "Hello! How can we help?", "ar": "مرحبًا! كيف يمكننا مساعدتك؟"}',
  offline_message jsonb not null
    default '{"en": "We are not here right now. Leave us a message and we will get back to you.", "ar": "نحن غير متاحين الآن. اترك لنا رسالة وسنعود إليك."}',
  colour text not null default '#b3361b',
  position text not null default 'right',          -- where text runs; mirrored where it runs from right to left
  languages text[] not null default '{en,ar}',     -- the first one where the visitor's is none of them
  fictional_user_id uuid references public.fictional_users (id) on delete set null,
  is_open_always boolean not null default true,
  business_hours jsonb not null default '{"mon": [["09:00", "17:00"]], "tue": [["09:00", "17:00"]], "wed": [["09:00", "17:00"]], "thu": [["09:00", "17:00"]], "fri": [["09:00", "17:00"]]}',
  pre_chat jsonb not null default '[]',
  mode text not null default 'queue',
  handling text not null default 'turn',
  allow_files boolean not null default true,
  allow_emoji boolean not null default true,
  ask_rating boolean not null default true,
  privacy_url text,
  updated_at timestamptz not null default now()
);

-- One truth about how a new chat is handled.
insert into public.widget_settings (handling)
select coalesce((select s.value #>> '{}' from public.settings s where s.name = 'default_handling'), 'turn');
delete from public.settings s where s.name = 'default_handling';

-- When a customer said himself who he is: nobody vouches for that, and it goes as he goes.
alter table public.real_users add column introduced_at timestamptz;

create table public.chat_ratings (
  chat_id uuid primary key references public.chats (id) on delete cascade,
  score integer not null constraint chat_ratings_score_check check (score between 1 and 5),
  comment text constraint chat_ratings_comment_length check (char_length(comment) between 1 and 2000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- An invitation's id becomes the id of the operator who accepts it, and of his account: so what was broken off
-- in the middle can be taken up again. Of its token only the hash is kept.
create table private.operator_invitations (
  id uuid primary key default gen_random_uuid(),
  email text not null,
  name text,
  role text not null,
  capacity integer not null,
  token_hash bytea not null,
  invited_by uuid references public.operators (id) on delete set null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz
);
create unique index operator_invitations_token_key on private.operator_invitations (token_hash);
-- One open invitation an address: another one takes its place.
create unique index operator_invitations_email_key on private.operator_invitations (email)
  where accepted_at is null and revoked_at is null;
create index idx_operator_invitations_invited_by on private.operator_invitations (invited_by);

-- For the foreign key: a persona that is deleted is looked for here.
create index idx_widget_settings_fictional_user on public.widget_settings (fictional_user_id);

comment on table public.widget_settings is 'How the widget looks and behaves, one row; changed with set_widget_settings.';
comment on table public.chat_ratings is 'What a customer thought of a chat: 1 to 5, and in his words.';
comment on column public.real_users.introduced_at is 'When he last said himself who he is.';

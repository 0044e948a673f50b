-- Who takes part: customers, the personas a team answers under, operators, and the settings that an
-- admin changes while everything runs.
--
-- Rolled back by rollbacks/20261120000001_people.sql: drops the four tables with what is in them.

create schema if not exists private;

-- A customer. The row is made when he first writes; its id is the `sub` of his token.
create table public.real_users (
  id uuid primary key default gen_random_uuid(),
  name text constraint real_users_name_length check (char_length(name) <= 200),
  email text constraint real_users_email_length check (char_length(email) <= 320),
  is_anonymous boolean not null default true,
  created_at timestamptz not null default now()
);

-- A persona: the name and face under which a team answers.
create table public.fictional_users (
  id uuid primary key default gen_random_uuid(),
  name text not null constraint fictional_users_name_length check (char_length(name) between 1 and 200),
  avatar_url text,
  is_active boolean not null default true,
  created_at timestamptz not null default now()
);

-- A person who answers; the id is the `sub` of his token. What the engine itself needs of him under
-- a lock (capacity, chats in hand) is mirrored in private.operator_load.
create table public.operators (
  id uuid primary key default gen_random_uuid(),
  name text not null constraint operators_name_length check (char_length(name) between 1 and 200),
  email text,
  role text not null default 'operator' constraint operators_role_check check (role in ('operator', 'admin')),
  is_active boolean not null default true,
  capacity integer not null default 1 constraint operators_capacity_check check (capacity between 0 and 1000),
  auto_assign boolean not null default false,
  status text not null default 'online' constraint operators_status_check check (status in ('online', 'away', 'offline')),
  status_reason text constraint operators_status_reason_length check (char_length(status_reason) <= 500),
  created_at timestamptz not null default now()
);

-- By expression: a column of a plain unique key would make every change of an address wait for, and be
-- waited for by, the foreign keys to operators, against the order of locks.
create unique index operators_email_key on public.operators (lower(email));

-- One row a setting. `kind` says what the value must parse as; the trigger on the table checks it.
create table public.settings (
  name text primary key,
  value jsonb not null,
  kind text not null constraint settings_kind_check check (kind in ('interval', 'number', 'boolean', 'time_zone', 'handling')),
  description text not null
);

insert into public.settings (name, value, kind, description) values
  ('idle_limit', '"5 minutes"', 'interval', 'A hold is idle when the operator has neither replied nor typed for so long while the customer is owed a reply'),
  ('customer_idle', '"30 minutes"', 'interval', 'A session chat is released when its customer has not written for so long'),
  ('time_zone', '"UTC"', 'time_zone', 'The organisation''s time zone; it decides where a day of the statistics begins'),
  ('allow_take', 'false', 'boolean', 'Whether operators may pick a waiting chat out of its order (take_chat)'),
  ('default_handling', '"turn"', 'handling', 'How a new chat is handled: turn or session'),
  ('rate_limit_per_minute', '600', 'number', 'Requests a minute that one user may make in the long run; 0: no limit'),
  ('rate_limit_burst', '200', 'number', 'Requests that one user may make at once');

comment on table public.real_users is 'Customers. The id is the sub of the token; the row is made when he first writes.';
comment on table public.fictional_users is 'Personas: names and faces under which a team answers.';
comment on table public.operators is 'Who answers, and admins. The id is the sub of the token.';
comment on table public.settings is 'What an admin may change while everything runs; changed with set_setting.';

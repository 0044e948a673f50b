"""The chats that are talked in: written in bulk, on either side's tables."""

import json
import time
from dataclasses import dataclass

from bench.cluster import connect
from bench.queue import CLAIMS
from web.tokens import Tokens

CHATS_PER_OPERATOR = 10  # each in a tab, so a socket, of its own

# Nothing may end a hold, nor slow a sender down, while it is measured.
SETTINGS = """
update public.settings set value = '"1 day"' where name in ('idle_limit', 'customer_idle', 'grace_period');
update public.settings set value = '0' where name = 'rate_limit_per_minute';
"""
_PEOPLE = """
insert into public.operators (id, name, capacity)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Operator ' || n, %(per_operator)s
from generate_series(1, %(operators)s) n;

insert into public.real_users (id, name)
select ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Customer ' || n
from generate_series(1, %(chats)s) n;
"""
_CHATS = """
insert into public.chats (id, real_user_id, handling)
select
  ('20000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
  ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
  'session'
from generate_series(1, %(chats)s) n;
"""
_HOLDS = """
update public.chats c
set chat_state = 'assigned',
  assigned_operator_id = ('00000000-0000-4000-8000-' || lpad((1 + (n - 1) / %(per_operator)s)::text, 12, '0'))::uuid
from generate_series(1, %(chats)s) n
where c.id = ('20000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid;
"""

# What the rival stores: the columns of Baton's messages that matter to the two who talk.
_RIVAL = """
create table chats (
  id uuid primary key,
  last_seq bigint not null default 0,
  last_message_at timestamptz
) with (fillfactor = 80);
create table messages (
  id uuid primary key default gen_random_uuid(),
  chat_id uuid not null references chats (id),
  seq bigint not null,
  sender_type text not null,
  sender_id uuid not null,
  content text not null,
  client_message_id uuid not null,
  created_at timestamptz not null default clock_timestamp(),
  unique (chat_id, seq),
  unique (sender_id, client_message_id)
);
insert into chats (id)
select ('20000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid from generate_series(1, %(chats)s) n;
"""


@dataclass(frozen=True)
class Person:
    """A customer or an operator, with his access token."""

    id: str
    token: str


@dataclass(frozen=True)
class Chat:
    """A chat, and the two who talk in it."""

    id: str
    customer: Person
    operator: Person


def fill_baton(url: str, chats: int) -> None:
    """Make `chats` chats, each held by an operator who keeps it, and lift the limits."""
    numbers = {"chats": chats, "per_operator": CHATS_PER_OPERATOR, "operators": -(-chats // CHATS_PER_OPERATOR)}
    with connect(url) as connection:
        connection.execute(SETTINGS)
        for statement in [*_PEOPLE.split("\n\n"), _CHATS, _HOLDS]:
            connection.execute(statement.encode(), numbers)
        connection.execute("vacuum (analyze)")


def fill_rival(url: str, chats: int) -> None:
    """Make the rival's tables, with the same chats."""
    with connect(url) as connection:
        for statement in _RIVAL.strip().split(";\n"):
            connection.execute(statement.encode(), {"chats": chats})
        connection.execute("vacuum (analyze)")


def list_chats(chats: int, secret: str) -> list[Chat]:
    """Return the chats that both fillers make; the tokens are good for a day."""
    tokens = Tokens(secret)
    times = {"iat": int(time.time()), "exp": int(time.time()) + 86_400}

    def person(kind: int, number: int) -> Person:
        person_id = f"{kind}0000000-0000-4000-8000-{number:012}"
        return Person(person_id, tokens.sign(json.loads(CLAIMS) | times | {"sub": person_id}))

    operators = {n: person(0, n) for n in range(1, -(-chats // CHATS_PER_OPERATOR) + 1)}
    return [
        Chat(f"20000000-0000-4000-8000-{n:012}", person(1, n), operators[1 + (n - 1) // CHATS_PER_OPERATOR])
        for n in range(1, chats + 1)
    ]

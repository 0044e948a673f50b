"""A queue of any length, written in bulk: what the triggers would derive is left out or given here."""

import json

from psycopg import Connection
from psycopg.sql import SQL

# The claims of a token as the embedded login makes them, %s for the caller's id: parsing them is
# part of what every call costs.
CLAIMS = json.dumps(
    {
        "iss": "http://127.0.0.1:8000/auth/v1",
        "sub": "%s",
        "aud": "authenticated",
        "role": "authenticated",
        "iat": 1764000000,
        "exp": 1764003600,
        "email": "somebody@baton.example",
        "is_anonymous": False,
        "session_id": "5b0e8a4c-3f5e-4d0c-9d0a-6f0f5f0c2b11",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"name": "Somebody"},
    }
)

_OPERATORS = """
insert into public.operators (id, name)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Operator ' || n
from generate_series(1, %(operators)s) n
"""
_CUSTOMERS = """
insert into public.real_users (id, name)
select ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Customer ' || n
from generate_series(1, %(customers)s) n
"""
# The first `head` were last handled by operator 1, the others by each operator in turn, or by nobody.
_CHATS = """
insert into public.chats (
  real_user_id, last_operator_id,
  waiting_since, owed_since, created_at, state_since, last_message_at, real_user_active_at
)
select
  ('10000000-0000-4000-8000-' || lpad((1 + n %% %(customers)s)::text, 12, '0'))::uuid,
  ('00000000-0000-4000-8000-' || lpad(nullif(o.number, 0)::text, 12, '0'))::uuid,
  t.at, t.at, t.at, t.at, t.at, t.at
from generate_series(1, %(chats)s) n
cross join lateral (select case when n <= %(head)s then 1 else n %% (%(operators)s + 1) end as number) o
cross join lateral (select timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second' as at) t
"""
_SECONDARY_INDEXES = """
select x.indexrelid::regclass::text, pg_get_indexdef(x.indexrelid)
from pg_index x
where x.indrelid = 'public.chats'::regclass and not x.indisunique
"""


def operator_id(number: int) -> str:
    """Return the id of an operator by his number, from 1."""
    return f"00000000-0000-4000-8000-{number:012}"


def fill(connection: Connection[tuple[object, ...]], chats: int, operators: int, head: int = 0) -> None:
    """Fill an empty database with `operators` operators and `chats` waiting chats; the first `head` operator 1's."""
    numbers = {"chats": chats, "operators": operators, "head": head, "customers": min(chats, 100_000)}
    connection.execute(_OPERATORS, numbers)
    connection.execute(_CUSTOMERS, numbers)
    # Indexes are built in one go afterwards, and triggers are not asked ten million times.
    indexes = connection.execute(_SECONDARY_INDEXES).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index {name}".encode())
    with connection.transaction():
        connection.execute("set local session_replication_role = replica")
        connection.execute(_CHATS, numbers)
    for _, definition in indexes:
        connection.execute(str(definition).encode())
    connection.execute(SQL("vacuum (freeze, analyze)"))

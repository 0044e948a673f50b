"""The demo data: `sql/seed.sql`, and a login for each of its operators."""

from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.types.json import Jsonb

from web import loader
from web.auth.passwords import hash_password
from web.sqlfile import SqlError, SqlFile, describe

PASSWORD = "baton-demo"  # noqa: S105 - meant to be known

_IS_EMPTY = """
select not exists (select from public.operators)
   and not exists (select from public.real_users)
   and not exists (select from public.chats)
"""
_LOGINS = "select id, name, email, role from public.operators where email is not null order by role, email"


class Login(NamedTuple):
    """One who can sign in with PASSWORD."""

    email: str
    role: str


def load_if_empty(url: str, folder: Path = loader.SQL_FOLDER) -> bool:
    """Load the demo data unless the database has data of its own; tell whether it was loaded.

    Raises LoadError, and then nothing is changed.
    """
    try:
        file = SqlFile.read(folder / "seed.sql", folder)
        with loader.connect(url, "baton demo data") as connection, connection.transaction():
            loader.lock(connection)
            row = connection.execute(_IS_EMPTY).fetchone()
            if not row or not row[0]:
                return False
            file.run(connection)
            if not loader.State.read(connection).is_supabase:
                _make_logins(connection)
    except SqlError as error:
        raise loader.LoadError(str(error)) from None
    except psycopg.Error as error:
        raise loader.LoadError(f"{folder.name}/seed.sql: {describe(error.diag)}") from None
    return True


def logins(url: str) -> list[Login]:
    """Return who of the demo can sign in here; empty where the demo data was not loaded."""
    with loader.connect(url, "baton demo data") as connection:
        rows = connection.execute(_LOGINS).fetchall()
    return [Login(email, role) for _, _, email, role in rows if email.endswith("@baton.example")]


def _make_logins(connection: Connection[Any]) -> None:
    # One hash for all: making one is meant to be slow, and the password is no secret.
    password = hash_password(PASSWORD)
    for user_id, name, email, _ in connection.execute(_LOGINS).fetchall():
        arguments = (email, password, Jsonb({"name": name}), user_id)
        connection.execute("select auth.create_user(%s, %s, false, %s, %s)", arguments)

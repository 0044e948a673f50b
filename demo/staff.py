"""The staff of the demo: their logins, which are made once, and how they get in."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from demo.http import Person, Refused, Server, sign_in
from web import loader
from web.auth.passwords import hash_password

NAMES = (
    *("Eva", "Finn", "Gil", "Hana", "Ivo", "Jana", "Kai", "Lena", "Milo", "Nora"),
    *("Otto", "Pia", "Quin", "Rosa", "Sami", "Tea", "Udo", "Vera", "Wim", "Xenia"),
)


class StaffError(Exception):
    """The staff cannot start work; the text is one line for a person."""


@dataclass(frozen=True)
class Login:
    """One who can sign in."""

    name: str
    email: str
    password: str
    role: str


def logins(count: int, secret: str) -> list[Login]:
    """Return the logins of one admin and `count` operators.

    Their passwords come out of the server's secret: the same in every run, and known only to those
    who could sign any token anyway.
    """
    people = [("Demo admin", "admin", "admin")]
    for number in range(1, count + 1):
        name = NAMES[number - 1] if number <= len(NAMES) else f"Operator {number}"
        people.append((name, f"operator-{number:02}", "operator"))
    return [
        Login(name, email, hmac.new(secret.encode(), email.encode(), hashlib.sha256).hexdigest(), role)
        for name, email, role in ((name, f"{user}@demo.baton.example", role) for name, user, role in people)
    ]


def ensure(connection: Connection[Any], people: list[Login]) -> None:
    """Make those who are not there yet, as `flask add-operator` does. Raises StaffError."""
    if loader.State.read(connection).is_supabase:
        raise StaffError("the login is Supabase's here; the demo needs operators of Baton's own login")
    found = connection.execute("select email from public.operators where email like '%@demo.baton.example'")
    known = {email for (email,) in found}
    for person in people:
        if person.email not in known:
            with connection.transaction():
                user = connection.execute(
                    "select id from auth.create_user(%s, %s, false, %s)",
                    (person.email, hash_password(person.password), Jsonb({"name": person.name})),
                ).fetchone()
                assert user is not None
                connection.execute(
                    "select public.register_operator(%s, %s, %s, %s)",
                    (user[0], person.name, person.email, person.role),
                )


async def sign_all_in(server: Server, people: list[Login]) -> list[Person]:
    """Sign everybody in. Raises StaffError, Unreachable."""
    try:
        return list(await asyncio.gather(*(sign_in(server, person.email, person.password) for person in people)))
    except Refused as refusal:
        raise StaffError(
            f"the demo's operators cannot sign in ({refusal}): their passwords come from the server's secret, "
            "so start the demo with the server's SUPABASE_JWT_SECRET or BATON_DATA"
        ) from None

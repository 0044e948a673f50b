"""A world for each test: an empty, loaded database, on every Postgres there is.

Making a database takes longer than most of these tests. So the tests of one server share one, which
is emptied after each; a test that changes more than rows asks for `own_world`.
"""

from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from tests.servers import Database, Server
from tests.sql.helpers import World


@pytest.fixture(scope="session")
def shared_database(server: Server) -> Iterator[tuple[Database, Jsonb]]:
    """A database that many tests use one after the other, and its settings."""
    with server.loaded_database() as database:
        yield database, Jsonb(database.rows("select name, value from settings"))


@pytest.fixture
def world(shared_database: tuple[Database, Jsonb]) -> Iterator[World]:
    """An empty world. Whatever a test did to it, its invariants hold at the end."""
    database, settings = shared_database
    world = World(database)
    try:
        yield world
        assert world.broken() == []
    finally:
        world.wipe(settings)


@pytest.fixture
def own_world(database: Database) -> World:
    """An empty world in a database of the test's own, in which anything may be broken."""
    return World(database)

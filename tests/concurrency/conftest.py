"""One database for all the scenarios of a module; each test starts with nobody in it."""

from collections.abc import Iterator

import pytest

from tests.concurrency.world import Session, clear, sessions
from tests.servers import Database, Server


@pytest.fixture(scope="module")
def arena_of_module(server: Server) -> Iterator[Database]:
    """The database that the tests of a module share."""
    with server.loaded_database() as database:
        yield database


@pytest.fixture
def arena(arena_of_module: Database) -> Database:
    """An empty database, without the time that a clone of the template takes."""
    clear(arena_of_module)
    return arena_of_module


@pytest.fixture(scope="module")
def pair(arena_of_module: Database) -> Iterator[list[Session]]:
    """Two sessions in the arena, kept for all the tests of a module: a new one would compile every function anew."""
    with sessions(arena_of_module, 2) as two:
        yield two

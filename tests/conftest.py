"""The fixtures that every test uses. `server` runs each test once on every Postgres there is."""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers import CLUSTERS, Baton, Database, NoContainerError, Server, running_baton

# Thousands of tests are a large heap that stays: the collector would walk through it again and again.
gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """Leave what was collected out of all later rounds of the garbage collector."""
    gc.freeze()


class Servers:
    """The servers of this pytest process, each started when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._servers: dict[str, Server] = {}
        self._missing: dict[str, str] = {}
        self._batons: dict[str, Baton] = {}

    def server(self, name: str) -> Server:
        """Return the server `name`; skip the test where it needs a container that cannot be had."""
        if name not in self._servers and name not in self._missing:
            try:
                server = Server(name, CLUSTERS[name]())
            except NoContainerError as error:
                self._missing[name] = str(error)
            else:
                self._stack.callback(server.stop)
                self._servers[name] = server
        if name in self._missing:
            # Where the tests decide, half of them left out must not look like success.
            if os.environ.get("CI") == "true":
                pytest.fail(f"no container, and this is CI: {self._missing[name]}")
            pytest.skip(f"no container: {self._missing[name]}")
        return self._servers[name]

    def baton(self, name: str) -> Baton:
        """Return the web server in front of the server `name`."""
        if name not in self._batons:
            self._batons[name] = self._stack.enter_context(running_baton(self.server(name)))
        return self._batons[name]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """All servers of this process. Kept apart from `server`, which pytest ends when its parameter changes."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(scope="session", params=list(CLUSTERS))
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """A Postgres server: `with server.empty_database() as database: …`."""
    return servers.server(request.param)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A database of the test's own, with all of sql/ and no data."""
    with server.loaded_database() as database:
        yield database


@pytest.fixture
def empty_database(server: Server) -> Iterator[Database]:
    """A database of the test's own with nothing in it."""
    with server.empty_database() as database:
        yield database


@pytest.fixture(scope="session")
def baton(server: Server, servers: Servers) -> Baton:
    """The web server as `make run` runs it, with a database that all its tests share."""
    return servers.baton(server.name)


# Of the routes these are tried on both Postgres servers: what they answer depends on it. All others, files and
# sockets pass on what SQL says, which tests/sql and tests/concurrency try on both.
PASS_ON = ("http", "files", "live")
ROUTES_ON_BOTH = ("test_callers.py", "test_chats.py", "test_rpc.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Try what passes on, and what is marked one_postgres, on the embedded Postgres alone."""
    left_out = {item for item in items if _is_on_15(item) and _is_enough_on_one(item)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _is_on_15(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("server") == "postgres-15-container"


def _is_enough_on_one(item: pytest.Item) -> bool:
    passes_on = item.path.parent.name in PASS_ON and item.path.name not in ROUTES_ON_BOTH
    return passes_on or item.get_closest_marker("one_postgres") is not None

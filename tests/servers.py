"""Real servers for the tests: Postgres 18 embedded, Postgres 15 in a container, and Baton in front.

Each pytest process starts its own, at most once and when first asked: tests of two processes share
nothing, not even roles. A test gets a database of its own, cloned from one that is loaded once.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import httpx
import psycopg
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

from web import loader
from web.keys import api_key
from web.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
TEMPLATE = "baton_template"

# For every httpx client: else each reads the authorities' certificates, which takes longer than most requests, and
# nobody here speaks TLS.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

# Nothing of a test's database has to survive the machine's fall: so it is in memory where there is room, which
# makes a new database for each test much cheaper.
MEMORY = Path("/dev/shm")  # noqa: S108 - only the parent: the folder in it is private and has a name of its own
ROOM = 4 * 1024**3  # bytes: what the clusters of some processes come to, several times over
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "max_wal_size": "256MB",
    "max_prepared_transactions": "10",
    "jit": "off",  # where there is one (in Debian's), it compiles for longer than what it speeds up takes
}


class Cluster(Protocol):
    """A running Postgres server, reached as its superuser."""

    @property
    def url(self) -> str:
        """The address of its database `postgres`."""

    def stop(self) -> None:
        """Stop it and remove its data."""


class EmbeddedCluster:
    """Postgres 18, as `make run` starts it."""

    def __init__(self) -> None:
        has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
        parent = MEMORY if has_room else None
        self._folder = tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True, dir=parent)
        self._server = EmbeddedPostgres(Path(self._folder.name) / "postgres", FAST)
        self._server.start()
        self.url = self._server.url

    def stop(self) -> None:
        """Stop it and remove its data."""
        self._server.stop()
        self._folder.cleanup()


class NoContainerError(Exception):
    """No container can be started here: no Docker answers, or it cannot get the image."""


class ContainerCluster:
    """Postgres 15 through testcontainers.

    Reached by its Unix socket where the machine and the container share one: Docker's proxy makes a short query
    several times dearer.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Start it, with some settings more. Raises NoContainerError."""
        from docker.errors import DockerException
        from testcontainers.community.postgres import PostgresContainer

        self._folder = tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True)
        sockets = Path(self._folder.name) / "sockets"
        sockets.mkdir()
        sockets.chmod(0o777)  # in there it is somebody else who makes the socket
        options = {**FAST, "unix_socket_directories": "/var/run/postgresql,/sockets", **(settings or {})}
        image = os.environ.get("TEST_POSTGRES_IMAGE", "postgres:15")
        try:
            container = PostgresContainer(image, username="postgres", password="postgres", driver=None)
            container.with_tmpfs_mount("/var/lib/postgresql/data")
            container.with_volume_mapping(str(sockets), "/sockets", "rw")
            container.with_command(" ".join(["postgres", *(f"-c {name}={value}" for name, value in options.items())]))
            container.start()
        except DockerException as error:
            self._folder.cleanup()
            raise NoContainerError(type(error).__name__) from error
        self._container = container
        by_socket = make_conninfo(host=str(sockets), port=5432, user="postgres", dbname="postgres")
        by_address = make_conninfo(container.get_connection_url(), dbname="postgres")
        self.url = by_socket if PGconn.ping(by_socket.encode()) == Ping.OK else by_address

    def stop(self) -> None:
        """Stop it and remove its data."""
        self._container.stop()
        self._folder.cleanup()


CLUSTERS: Mapping[str, type[EmbeddedCluster] | type[ContainerCluster]] = {
    "postgres-18-embedded": EmbeddedCluster,
    "postgres-15-container": ContainerCluster,
}


@dataclass
class Database:
    """A database of one test, loaded unless it was asked for empty."""

    url: str
    name: str
    _connections: list[Connection[Any]] = field(default_factory=list)

    def connect(
        self, role: str | None = None, sub: object = None, autocommit: bool = True, **claims: Any
    ) -> Connection[DictRow]:
        """Connect as the owner, or as `role` with the claims of a token; rows are dicts.

        Role and claims hold for the session. The connection is closed after the test.
        """
        connection = psycopg.connect(self.url, autocommit=True, row_factory=dict_row, prepare_threshold=None)
        self._connections.append(connection)
        if role is not None:
            become(connection, role, sub, **claims)
        connection.autocommit = autocommit
        return connection

    @cached_property
    def owner(self) -> Connection[DictRow]:
        """One connection of the owner, in autocommit, for setting things up and looking at them."""
        return self.connect()

    def rows(self, query: str, *parameters: object) -> list[DictRow]:
        """Run a query as the owner and return its rows."""
        cursor = self.owner.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description is not None else []

    def row(self, query: str, *parameters: object) -> DictRow:
        """Return the only row of a query."""
        (row,) = self.rows(query, *parameters)
        return row

    def value(self, query: str, *parameters: object) -> Any:
        """Return the only value of a query's only row."""
        (value,) = self.row(query, *parameters).values()
        return value

    def close(self) -> None:
        """Close every connection that was made."""
        for connection in self._connections:
            connection.close()


def become(connection: Connection[Any], role: str, sub: object = None, **claims: Any) -> None:
    """Make the session one of `role` whose token says `sub` and `claims`."""
    token = {"role": role, **({"sub": str(sub)} if sub is not None else {}), **claims}
    connection.execute("select set_config('request.jwt.claims', %s, false)", (json.dumps(token),))
    connection.execute(SQL("set role {}").format(Identifier(role)))


class Server:
    """A cluster, and databases in it."""

    def __init__(self, name: str, cluster: Cluster) -> None:
        self.name = name
        self.cluster = cluster
        self._admin = psycopg.connect(cluster.url, autocommit=True)
        self._numbers = itertools.count(1)

    @property
    def major_version(self) -> int:
        """15 or 18."""
        return self._admin.info.server_version // 10000

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return make_conninfo(self.cluster.url, dbname=database)

    def execute(self, query: str) -> None:
        """Run something that belongs to the whole cluster: roles, databases."""
        self._admin.execute(query)

    @contextmanager
    def empty_database(self, owner: str | None = None) -> Iterator[Database]:
        """Give an empty database; it is dropped afterwards, whoever is still connected."""
        with self._database("template0", owner) as database:
            yield database

    @contextmanager
    def loaded_database(self) -> Iterator[Database]:
        """Give a database with all of sql/ in it, without the demo data."""
        with self._database(self._template) as database:
            yield database

    def stop(self) -> None:
        """Stop the cluster."""
        self._admin.close()
        self.cluster.stop()

    @cached_property
    def _template(self) -> str:
        self._create(TEMPLATE, "template0")
        loader.load(self.url(TEMPLATE))
        return TEMPLATE

    @contextmanager
    def _database(self, template: str, owner: str | None = None) -> Iterator[Database]:
        name = f"baton_{next(self._numbers)}"
        self._create(name, template, owner)
        database = Database(self.url(name), name)
        try:
            yield database
        finally:
            database.close()
            self._admin.execute(SQL("drop database {} with (force)").format(Identifier(name)))

    def _create(self, name: str, template: str, owner: str | None = None) -> None:
        # Copying the files needs a checkpoint, which is cheap without fsync. With wal_log, the default,
        # making takes as long and dropping three times as long.
        command = SQL("create database {} template {} strategy file_copy encoding 'UTF8' {}")
        belongs = SQL("owner {}").format(Identifier(owner)) if owner else SQL("")
        self._admin.execute(command.format(Identifier(name), Identifier(template), belongs))


@dataclass
class Baton:
    """The web server, running on a database of its own."""

    base_url: str
    jwt_secret: str
    database: Database
    client: httpx.Client
    log: Path

    @property
    def url(self) -> str:
        """The same as base_url."""
        return self.base_url

    @cached_property
    def anon_key(self) -> str:
        """What everyone has."""
        return api_key("anon", self.jwt_secret)

    @cached_property
    def service_key(self) -> str:
        """What the service has."""
        return api_key("service_role", self.jwt_secret)


@contextmanager
def running_baton(server: Server, processes: int = 1, **environment: str) -> Iterator[Baton]:
    """Run gunicorn, as `make run` does, on a new database; `environment` is added to its own."""
    secret = environment.get("SUPABASE_JWT_SECRET", "a secret of the tests, long enough for HS256")
    with server.loaded_database() as database, tempfile.TemporaryDirectory(prefix="baton-test-") as folder:
        port = int(environment.get("PORT") or free_port())
        base_url = f"http://127.0.0.1:{port}"
        log = Path(folder) / "log"
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": database.url,
                "SUPABASE_JWT_SECRET": secret,
                "BATON_DATA": folder,
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "WEB_CONCURRENCY": str(processes),
                "BATON_POOL_SIZE": "8",
                **environment,
            },
            stdout=subprocess.DEVNULL,
            stderr=log.open("wb"),
            start_new_session=True,
        )
        try:
            with httpx.Client(base_url=base_url, timeout=30, verify=NO_AUTHORITIES) as client:
                wait_until_up(client, process, log)
                yield Baton(base_url, secret, database, client, log)
        finally:
            end(process)


def wait_until_up(client: httpx.Client, process: subprocess.Popen[bytes], log: Path, seconds: float = 30) -> None:
    """Return when the server answers; fail with its log when it ends or does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the web server did not start:\n{log.read_text(errors='replace')}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that leads a group of its own, with all its children."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

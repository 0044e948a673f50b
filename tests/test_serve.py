"""`make run`: starts all, stops all, keeps the data, and says in one line why it cannot."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.servers import NO_AUTHORITIES, ROOT, Server, end, free_port


class Run:
    """One `make run`: its process, what it has printed, and where it answers."""

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"log-{port}-{time.monotonic_ns()}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "web.serve"],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
                "BATON_DATA": str(folder / "data"),
                "PORT": str(port),
                "WEB_CONCURRENCY": "1",
                **environment,
            },
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has printed up to now."""
        return self.log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Return when it has said that it runs."""
        deadline = time.monotonic() + 60
        while "Ctrl-C stops it" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def descendants(self) -> list[psutil.Process]:
        """Return every process that it has started: its children's, and the database server's."""
        process = psutil.Process(self.process.pid)
        found: list[psutil.Process] = process.children(recursive=True)
        data = process.environ()["BATON_DATA"]
        found += [
            each for each in psutil.process_iter(["cmdline"]) if f"{data}/postgres" in (each.info["cmdline"] or [])
        ]
        return found


@contextmanager
def running(folder: Path, port: int | None = None, **environment: str) -> Iterator[Run]:
    """Run it until the block ends."""
    run = Run(folder, port or free_port(), **environment)
    try:
        run.wait_until_ready()
        yield run
    finally:
        end(run.process)  # by SIGTERM
    assert run.process.returncode == 0
    assert "Traceback" not in run.output


def outcome(folder: Path, environment: dict[str, str] | None = None, port: int | None = None) -> tuple[int, str]:
    """Return the exit code and the output of a run that ends by itself."""
    run = Run(folder, port or free_port(), **(environment or {}))
    try:
        code = run.process.wait(60)
    finally:
        end(run.process)
    return code, run.output


@pytest.fixture(scope="module")
def empty_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One without demo data for the tests that leave it as it is."""
    with running(tmp_path_factory.mktemp("run"), BATON_DEMO="0") as run:
        yield run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_all_of_its_group_stops_everything_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, BATON_DEMO="0") as run:
        started = run.descendants()
        assert {"postgres"} < {each.name() for each in started}
        os.killpg(run.process.pid, number)  # as the terminal does
        assert run.process.wait(30) == 0
        assert [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []


def test_the_first_start_loads_the_demo_data_and_the_second_keeps_what_is_there(tmp_path: Path) -> None:
    login = {"email": "ana@baton.example", "password": "baton-demo"}
    for _ in range(2):
        with running(tmp_path) as run:
            assert re.search(r"ana@baton\.example +operator", run.output)
            anon_key = re.search(r"anon key +(\S+)", run.output)
            assert anon_key
            answer = httpx.post(
                f"{run.url}/auth/v1/token?grant_type=password", json=login, headers={"apikey": anon_key[1]}
            )
            assert answer.status_code == 200, answer.text
            assert run.url in run.output
    assert "nothing to load" in run.output
    secret = tmp_path / "data" / "jwt-secret"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_database_that_is_killed_is_started_again(empty_run: Run) -> None:
    note = empty_run.folder / "data" / "postgres" / "postmaster.pid"
    os.kill(int(note.read_text().split()[0]), signal.SIGKILL)
    deadline = time.monotonic() + 30
    with httpx.Client(base_url=empty_run.url, verify=NO_AUTHORITIES) as client:
        while "starting it again" not in empty_run.output or client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline, empty_run.output
            time.sleep(0.1)


def test_a_second_one_on_the_same_data_says_so(empty_run: Run) -> None:
    code, output = outcome(empty_run.folder)
    assert code == 1
    where, pid = f"{empty_run.folder}/data", empty_run.process.pid
    assert output == f"baton: the data in {where} is in use by the Baton at {empty_run.url}, process {pid}\n"


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, output = outcome(tmp_path, port=port)
    assert (code, output) == (1, f"baton: port {port} is in use; choose another: make run PORT={port + 1}\n")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/x"}, "the database at DATABASE_URL cannot be reached"),
        ({"DATABASE_URL": "nonsense secret"}, "DATABASE_URL is not of the form"),
        ({"HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
        ({"PORT": "eighty"}, "PORT must be a whole number"),
        ({"BATON_IDENTITY_SECRET": "a short secret"}, "BATON_IDENTITY_SECRET must have at least 32 bytes"),
        ({"BATON_JWT_KEY_FILE": "/nowhere/key.pem"}, "BATON_JWT_KEY_FILE: /nowhere/key.pem cannot be read"),
    ],
)
def test_what_a_person_can_put_right_is_one_line(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    code, output = outcome(tmp_path, environment)
    assert code == 1
    assert output.startswith(f"baton: {message}")
    assert output.count("\n") == 1
    assert "secret" not in output


@pytest.mark.one_postgres
def test_another_postgres_can_be_used(server: Server, tmp_path: Path) -> None:
    with server.empty_database() as database, running(tmp_path, DATABASE_URL=database.url) as run:
        assert httpx.get(f"{run.url}/readyz").status_code == 200
        assert "demo logins" not in run.output
        assert not (tmp_path / "data" / "postgres").exists()

"""The embedded server: where its folder is, whoever kills it, and who may come in."""

import multiprocessing
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from tests.servers import FAST
from web import postgres
from web.postgres import EmbeddedPostgres, PostgresError, running_url


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a server may be; it is stopped afterwards, however the test ended."""
    place = tmp_path / "data"
    yield place
    EmbeddedPostgres(place).stop()


def answer(url: str, query: str = "select count(*) from kept") -> object:
    """Return the one value of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def keep_something(url: str) -> None:
    """Commit a row that must still be there later."""
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 1 as id")


def test_the_data_survives_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder, FAST) as server:
        keep_something(server.url)
    assert running_url(folder) is None
    with EmbeddedPostgres(folder, FAST) as server:
        assert answer(server.url) == 1


@pytest.mark.parametrize("name", ["x" * 120, "a, b 'c'"])
def test_a_path_that_no_socket_can_have_gets_a_private_folder_elsewhere(tmp_path: Path, name: str) -> None:
    server = EmbeddedPostgres(tmp_path / name / "data", FAST)
    with server:
        place = Path(str(answer(server.url, "show unix_socket_directories")).strip('"'))
        assert answer(server.url, "select 1") == 1
        assert place != server.folder
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert not place.exists()


def test_only_the_owner_of_the_data_can_connect(folder: Path) -> None:
    with EmbeddedPostgres(folder, FAST) as server:
        assert answer(server.url, "show listen_addresses") == ""
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_people_write_is_not_in_its_log(folder: Path) -> None:
    with EmbeddedPostgres(folder, FAST) as server, psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table kept (content text check (content = ''), id integer primary key)")
        for statement in (
            "insert into kept values ('sesame', 1)",
            "insert into kept values ('', 1), ('', 1)",
            "sesame",
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)
        with pytest.raises(psycopg.Error):
            connection.execute("do $$ begin perform 'sesame'::integer; end $$")
        connection.execute("select pg_sleep(1.1), 'sesame'")
    log = "".join(path.read_text() for path in folder.glob("log/*.log"))
    assert "violates check constraint" in log
    assert "invalid input syntax" in log
    assert log.count("sesame") == 2  # where it is the very mistake


def test_a_server_that_was_left_behind_is_taken_over(folder: Path) -> None:
    EmbeddedPostgres(folder, FAST).start()
    with EmbeddedPostgres(folder, FAST) as server:
        assert answer(server.url, "select 1") == 1
    assert running_url(folder) is None


def test_a_server_that_was_killed_can_be_started_again_under_the_same_address(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:  # with fsync, as data is to survive
        url = server.url
        keep_something(url)
        os.kill(int((folder / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        server.start()
        assert server.url == url
        assert answer(url) == 1


def test_data_of_another_version_is_refused_in_one_line(folder: Path) -> None:
    folder.mkdir()
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresError, match=r"was made by Postgres 16, this is 18"):
        EmbeddedPostgres(folder).start()


def test_a_start_that_fails_says_why_in_one_line(folder: Path) -> None:
    with pytest.raises(PostgresError, match=r"did not start: .*max_connections") as caught:
        EmbeddedPostgres(folder, {"max_connections": "-1"}).start()
    assert "\n" not in str(caught.value)


def user_id(barrier: Barrier) -> int | None:
    """Return whose a server would be that starts when all others do."""
    barrier.wait(20)
    user = postgres.server_user.__wrapped__()
    return user and user.pw_uid


def test_servers_that_start_at_the_same_moment_agree_on_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    name, count = f"baton-test-{os.getpid()}", 16
    removal = ["userdel", name]
    monkeypatch.setattr(postgres, "SYSTEM_USER", name)
    processes = multiprocessing.get_context("fork")
    try:
        with processes.Manager() as manager, processes.Pool(count) as pool:
            users = pool.map(user_id, [manager.Barrier(count)] * count, chunksize=1)
        assert len(set(users)) == 1  # None, unless we are root
    finally:
        if os.geteuid() == 0:
            subprocess.run(removal, check=True, capture_output=True)

"""Background jobs: each at its interval in one of many processes, whatever happens to the database."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from psycopg import Connection

import functions
from functions.job import Job
from functions.scheduler import Scheduler
from tests.servers import Database


@pytest.fixture
def counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database with one job that only counts how often it was run."""
    database.rows("create table public.runs (at timestamptz default clock_timestamp())")

    def run(connection: Connection[Any]) -> int:
        connection.execute("insert into public.runs default values")
        return 1

    monkeypatch.setattr("functions.scheduler.JOBS", {"counting": Job("counting", timedelta(seconds=0.5), run)})
    return database


@contextmanager
def schedulers(database: Database, count: int) -> Iterator[None]:
    """Run as many schedulers as there would be processes."""
    started = [Scheduler(database.url) for _ in range(count)]
    try:
        for scheduler in started:
            scheduler.start()
        yield
    finally:
        for scheduler in started:
            scheduler.stop()


def wait_for_runs(database: Database, count: int) -> None:
    """Return when the job has run so often."""
    deadline = time.monotonic() + 20
    while database.value("select count(*) from public.runs") < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_processes_run_a_job_once_an_interval(counted: Database) -> None:
    # When they were given it, not when they came to run it: a busy machine may take its time between the two.
    counted.rows(
        """
        create table public.claims (at timestamptz not null);
        create function public.note_claim() returns trigger language plpgsql as
        'begin insert into public.claims values (new.last_run_at); return null; end';
        create trigger note_claim after insert or update on private.jobs
        for each row execute function public.note_claim()
        """
    )
    with schedulers(counted, 4):
        wait_for_runs(counted, 5)
    runs = counted.value("select count(*) from public.runs")
    claims = [row["at"] for row in counted.rows("select at from public.claims order by at")]
    assert runs <= len(claims)
    assert min(later - earlier for earlier, later in pairwise(claims)) >= timedelta(seconds=0.45)


def test_a_lost_database_is_logged_once_and_tried_again(counted: Database, caplog: pytest.LogCaptureFixture) -> None:
    with schedulers(counted, 1):
        wait_for_runs(counted, 1)
        caplog.clear()
        counted.rows("alter table public.runs rename to elsewhere")
        deadline = time.monotonic() + 20
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.05)
        # A job that fails and connections that are cut.
        counted.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name = 'baton jobs'"
        )
        time.sleep(1.5)
        counted.rows("alter table public.elsewhere rename to runs")
        before = counted.value("select count(*) from public.runs")
        wait_for_runs(counted, before + 2)
    assert [record.levelname for record in caplog.records if "will be tried again" in record.message] == ["WARNING"]


@pytest.mark.parametrize("name", functions.JOBS)
def test_every_job_runs_and_counts_nothing_on_an_empty_database(database: Database, name: str) -> None:
    with database.connect(role="service_role") as connection:
        assert functions.run(name, connection) == 0

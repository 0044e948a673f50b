"""What Supabase adds to a Postgres is used where it is there: Realtime, pg_cron, PostgREST."""

import os
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

import functions
from tests.servers import ContainerCluster, Database, NoContainerError, Server
from tests.supabase.projects import OWNER, supabase_database
from web import loader

# --- Realtime

WATCHABLE = """
select c.relname as name
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and has_table_privilege('authenticated', c.oid, 'select')
  and exists (
    select from pg_policy p
    where p.polrelid = c.oid and p.polcmd in ('r', '*') and p.polroles && array['authenticated'::regrole::oid, 0]
  )
"""

PUBLISHED = "select tablename as name from pg_publication_tables where pubname = 'supabase_realtime'"


def test_what_authenticated_may_select_by_a_policy_can_be_watched(project: Database) -> None:
    loader.load(project.url)
    watchable = {row["name"] for row in project.rows(WATCHABLE)}
    assert {"chats", "messages", "operators"} <= watchable
    assert {row["name"] for row in project.rows(PUBLISHED)} == watchable
    assert set(project.value("select private.watched_tables()")) == watchable


def test_what_can_be_watched_has_row_level_security_and_tells_keys_of_deleted_rows_only(project: Database) -> None:
    # Realtime asks the policies for what is written, but tells everyone of what is deleted. Without a
    # primary key the update of a published table is refused.
    loader.load(project.url)
    rows = project.rows(
        """
        select c.relname, c.relrowsecurity, c.relreplident,
          exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) as has_key
        from pg_publication_rel r join pg_class c on c.oid = r.prrelid
        """
    )
    assert rows
    assert {(row["relrowsecurity"], row["relreplident"], row["has_key"]) for row in rows} == {(True, "d", True)}


def test_tables_of_others_in_the_publication_stay_and_ours_are_added_once(project: Database) -> None:
    project.rows("create table public.theirs (id integer primary key)")
    project.rows("alter publication supabase_realtime add table public.theirs")
    loader.load(project.url)
    project.rows("alter publication supabase_realtime drop table public.chats")
    for _ in range(2):
        project.rows("select private.publish_tables()")
        names = [row["name"] for row in project.rows(PUBLISHED)]
        assert {"theirs", "chats"} <= set(names)
        assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", ["", "for all tables"])
def test_without_a_publication_of_tables_nothing_is_added_to_one(empty_database: Database, kind: str) -> None:
    if kind:
        empty_database.rows(f"create publication supabase_realtime {kind}")
    loader.load(empty_database.url)
    assert empty_database.value("select count(*) from pg_publication_rel") == 0
    # All are published: what has no key must not become a row that cannot be deleted.
    empty_database.rows((loader.SQL_FOLDER / "seed.sql").read_text())
    empty_database.rows("set baton.now = '2099-01-01'")
    assert empty_database.value("select private.run_clean_up()") > 0
    empty_database.rows("delete from public.chats where true")
    loader.unload(empty_database.url)


def test_a_publication_of_somebody_else_is_a_clear_error(project: Database, server: Server) -> None:
    with psycopg.connect(server.url(project.name)) as superuser:
        superuser.execute("alter publication supabase_realtime owner to current_user")
    with pytest.raises(loader.LoadError, match=r"supabase_realtime belongs to postgres.*; alter publication"):
        loader.load(project.url)
    assert project.value("select to_regclass('public.chats') is null")


# --- PostgREST

PRE_REQUEST = """
select s.setconfig
from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
where d.datname = current_database() and s.setrole = 'authenticator'::regrole
"""


def test_postgrest_counts_requests_on_supabase_and_nowhere_else(project: Database, empty_database: Database) -> None:
    loader.load(project.url)
    assert [row["setconfig"] for row in project.rows(PRE_REQUEST)] == [["pgrst.db_pre_request=public.check_request"]]
    loader.load(empty_database.url)
    assert empty_database.rows(PRE_REQUEST) == []


def test_a_pre_request_of_the_project_stays_and_is_told_of(project: Database, caplog: pytest.LogCaptureFixture) -> None:
    project.rows(f"alter role authenticator in database {project.name} set pgrst.db_pre_request = 'public.theirs'")
    loader.load(project.url)
    assert [row["setconfig"] for row in project.rows(PRE_REQUEST)] == [["pgrst.db_pre_request=public.theirs"]]
    assert ["public.theirs" in record.getMessage() for record in caplog.records] == [True]
    loader.unload(project.url)
    assert [row["setconfig"] for row in project.rows(PRE_REQUEST)] == [["pgrst.db_pre_request=public.theirs"]]


def test_who_may_not_set_it_is_told_what_to_do(
    project: Database, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.execute(f'revoke set on parameter "pgrst.db_pre_request" from {OWNER}')
    loader.load(project.url)
    assert project.rows(PRE_REQUEST) == []
    assert ["alter role authenticator" in record.getMessage() for record in caplog.records] == [True]


def test_a_request_is_counted_and_one_that_only_reads_is_let_pass(database: Database) -> None:
    # PostgREST answers a GET in a transaction that may not write.
    caller = database.connect("authenticated", "00000000-0000-4000-8000-00000000cccc", autocommit=False)
    counted = "select count(*) from private.rate_buckets"
    caller.execute("set transaction read only")
    caller.execute("select public.check_request()")
    caller.commit()
    assert database.value(counted) == 0
    caller.execute("select public.check_request()")
    caller.commit()
    assert database.value(counted) == 1


# --- pg_cron

# Work on files needs more than the database: it stays with the web's scheduler.
ONLY_IN_PYTHON = {"file-removal", "file-sweep"}


def test_pg_cron_is_given_the_jobs_that_the_web_runs(database: Database) -> None:
    rows = database.rows("select name, every from private.job_schedule()")
    assert {row["name"]: row["every"] for row in rows} == {
        job.name: job.every for job in functions.JOBS.values() if job.name not in ONLY_IN_PYTHON
    }


@pytest.mark.parametrize(("every", "with_seconds", "without"), [
    ("1 second", "1 seconds", "* * * * *"),
    ("59 seconds", "59 seconds", "* * * * *"),
    ("1 minute", "* * * * *", "* * * * *"),
    ("5 minutes", "*/5 * * * *", "*/5 * * * *"),
    ("1 hour", "7 */1 * * *", "7 */1 * * *"),
    ("6 hours", "7 */6 * * *", "7 */6 * * *"),
    ("1 day", "7 3 * * *", "7 3 * * *"),
])  # fmt: skip
def test_an_interval_is_said_as_pg_cron_understands_it(
    database: Database, every: str, with_seconds: str, without: str
) -> None:
    # Seconds since pg_cron 1.5: from 1 to 59, in the plural.
    assert database.value("select private.cron_schedule(%s, true)", every) == with_seconds
    assert database.value("select private.cron_schedule(%s, false)", every) == without


def test_without_pg_cron_nothing_is_scheduled(database: Database) -> None:
    assert database.value("select private.schedule_jobs()") == 0


@pytest.fixture
def cron_project() -> Iterator[tuple[Database, Server]]:
    """A project on a server that runs pg_cron, for the one database that it serves."""
    settings = {
        "shared_preload_libraries": "pg_cron",
        "cron.database_name": "baton_1",  # the first that a server is asked for
        "cron.use_background_workers": "on",
        "max_worker_processes": "20",
    }
    try:
        server = Server("cron", ContainerCluster(settings))
    except NoContainerError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no container, and this is CI: {error}")
        pytest.skip(f"no container: {error}")
    try:
        with supabase_database(server) as database:
            assert database.name == "baton_1"
            yield database, server
    finally:
        server.stop()


def test_pg_cron_runs_the_jobs(cron_project: tuple[Database, Server]) -> None:
    project, server = cron_project
    loader.load(project.url)
    with psycopg.connect(server.url(project.name)) as superuser:
        superuser.execute("create extension pg_cron")
        superuser.execute(f"grant usage on schema cron to {OWNER}")
    # It came after Baton: nobody has to load again.
    assert project.value("select private.schedule_jobs()") == len(functions.JOBS) - len(ONLY_IN_PYTHON) + 1
    first = jobs(project)
    assert first["baton-idle-detection"] == (
        "* * * * *",
        "select private.run_idle_detection() where private.claim_job('idle-detection', '00:00:15')",
    )
    project.rows("select private.schedule_jobs()")
    assert jobs(project) == first

    # Whoever claims the job first runs it, pg_cron or a web process.
    sweep = first["baton-assignment-sweep"][1].replace("'00:00:01'", "'1 hour'")
    assert len(project.rows(sweep)) == 1
    assert project.rows(sweep) == []
    project.rows("delete from private.jobs where true")

    # The next minute begins within sixty seconds: this is the real thing, and there is no shorter one.
    runs = "select d.status from cron.job_run_details d join cron.job j using (jobid) where j.jobname = %s"
    each_minute = [name for name, (schedule, _) in first.items() if schedule == "* * * * *"]
    assert len(each_minute) >= 4
    for name in each_minute:
        wait_until(lambda: {"status": "succeeded"} in project.rows(runs, name), 90)  # noqa: B023 - called at once
    claimed = {f"baton-{row['name']}" for row in project.rows("select name from private.jobs")}
    assert claimed >= set(each_minute)

    project.rows(first["baton-cron-log"][1])
    project.rows("select cron.schedule('theirs', '* * * * *', 'select 1')")
    loader.unload(project.url)
    assert set(jobs(project)) == {"theirs"}


def jobs(database: Database) -> dict[str, tuple[str, str]]:
    """Return what pg_cron has been told, by name."""
    rows = database.rows("select jobname, schedule, command from cron.job")
    return {row["jobname"]: (row["schedule"], row["command"]) for row in rows}


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return when it is so; fail when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)

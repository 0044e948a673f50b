"""Runs every job at its interval, in as many processes as there are, each time in one of them.

Every process asks at every interval; `private.claim_job` says yes to one. So nothing needs to be
elected or taken over: when a process dies, the others go on asking.
"""

import logging
from datetime import UTC, datetime

import psycopg
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from psycopg_pool import ConnectionPool, PoolTimeout

from functions import JOBS
from functions.job import Job
from web.errors import ApiError

log = logging.getLogger("baton.jobs")


class Scheduler:
    """The jobs of one process. `stop` ends them; a lost database, or Supabase project, is logged and tried again."""

    def __init__(self, database_url: str) -> None:
        # Two: the hourly clean-up must not keep the sweep of every second waiting.
        self._pool = ConnectionPool(
            database_url,
            min_size=1,
            max_size=2,
            timeout=5,
            reconnect_timeout=5,  # the next tick tries anew: its pauses double without a bound
            open=False,
            kwargs={"application_name": "baton jobs", "prepare_threshold": None},
            check=ConnectionPool.check_connection,
        )
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._failing: set[str] = set()
        self._is_stopping = False

    def start(self) -> None:
        """Begin; the first ticks come at once."""
        # The library's own lines (every run, every missed tick) say nothing that ours do not.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self._pool.open()
        for job in JOBS.values():
            self._scheduler.add_job(
                self._tick,
                "interval",
                args=[job],
                seconds=job.every.total_seconds(),
                id=job.name,
                next_run_time=datetime.now(UTC),
            )
        self._scheduler.start()

    def stop(self) -> None:
        """End without waiting for a job that is running: its transaction is rolled back, or commits."""
        self._is_stopping = True
        self._scheduler.shutdown(wait=False)
        self._pool.close(timeout=2)

    def _tick(self, job: Job) -> None:
        """Run `job` if no other process has just done so."""
        try:
            with self._pool.connection() as connection:
                claim = connection.execute("select private.claim_job(%s, %s)", (job.name, job.every))
                row = claim.fetchone()
                connection.commit()  # the claim stands even if the job fails: the next interval tries again
                if not row or not row[0]:
                    return
                done = job.run(connection)
        except (psycopg.Error, PoolTimeout, ApiError) as error:
            self._report(job, error)
        else:
            if job.name in self._failing:
                self._failing.discard(job.name)
                log.info("%s works again", job.name)
            log.log(logging.INFO if done else logging.DEBUG, "%s: %d", job.name, done)

    def _report(self, job: Job, error: Exception) -> None:
        """Log a failure once, not every second, until the job has worked again."""
        if job.name not in self._failing and not self._is_stopping:
            self._failing.add(job.name)
            log.warning("%s failed and will be tried again: %s", job.name, " ".join(str(error).split()))

"""Background work, one file each: what it is for, how often it runs, and the SQL function it calls.

A job runs by the scheduler, by route (`POST /functions/v1/<name>`) and by `flask job <name>`.
"""

from typing import Any

from psycopg import Connection

from functions import (
    assignment_sweep,
    clean_up,
    customer_idle,
    file_removal,
    file_sweep,
    gone_detection,
    idle_detection,
    retention,
    snooze_end,
)
from functions.job import Job

JOBS: dict[str, Job] = {
    module.JOB.name: module.JOB
    for module in (
        assignment_sweep,
        gone_detection,
        idle_detection,
        customer_idle,
        snooze_end,
        file_removal,
        file_sweep,
        clean_up,
        retention,
    )
}


def run(name: str, connection: Connection[Any]) -> int:
    """Run a job now, in the connection's transaction, and return how many things it did.

    Raises:
        KeyError: There is no job of this name.
    """
    return JOBS[name].run(connection)

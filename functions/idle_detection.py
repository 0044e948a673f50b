"""Releases the holds of operators who let a customer wait: nothing replied or typed for the idle limit.

The limit is the setting `idle_limit`; the rule is in SQL.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Release what is idle; return how many holds ended."""
    return count(connection, "select private.run_idle_detection()")


JOB = Job("idle-detection", timedelta(seconds=15), run)

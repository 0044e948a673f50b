"""Removes what is no longer needed: rate buckets that nobody uses, old events, ended connections and sign-ins."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Remove it; return how many rows."""
    return count(connection, "select private.run_clean_up()")


JOB = Job("clean-up", timedelta(hours=1), run)

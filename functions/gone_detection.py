"""Ends the holds of operators who are gone: they had a live connection and lost the last one.

The grace period is the setting `grace_period`; the rule is in SQL.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Release what they hold; return how many operators are gone."""
    return count(connection, "select private.run_gone_detection()")


JOB = Job("gone-detection", timedelta(seconds=5), run)

"""Erases what is older than the retention settings say: completed chats, visitors who never came back, earlier texts.

Some of it at a time, so that no run holds its locks for long; the rest is the next hour's.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Erase it; return how many chats, visitors and texts."""
    return count(connection, "select private.run_retention()")


JOB = Job("retention", timedelta(hours=1), run)

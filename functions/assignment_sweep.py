"""Gives waiting chats to free operators where the moment for it was missed.

A chat is normally given in the commit that made it possible; what a crash left behind, and what a
transaction under REPEATABLE READ could not see, is caught here within a second.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Assign what can be assigned; return how many chats were."""
    return count(connection, "select private.run_assignment_sweep()")


JOB = Job("assignment-sweep", timedelta(seconds=1), run)

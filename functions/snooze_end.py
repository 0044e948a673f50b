"""Ends snoozes whose time has come, which puts the chats back on their operators' screens.

Lists leave them out from that very time on; the rule is in SQL.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """End them; return how many."""
    return count(connection, "select private.run_snooze_end()")


JOB = Job("snooze-end", timedelta(seconds=5), run)

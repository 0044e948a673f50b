"""Releases `session` chats whose customer has gone quiet: neither written nor been connected for the limit."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Release them; return how many chats."""
    return count(connection, "select private.run_customer_idle()")


JOB = Job("customer-idle", timedelta(minutes=1), run)

"""Releases `session` chats whose customer has left: he neither wrote nor was connected for the limit."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Release what the customer left; return how many chats."""
    return count(connection, "select private.run_customer_idle()")


JOB = Job("customer-idle", timedelta(minutes=1), run)

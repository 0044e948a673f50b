"""Removes what is no longer needed: what the settings say is too old, and old sign-ins."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count


def run(connection: Connection[Any]) -> int:
    """Remove it; return how many rows."""
    removed = count(connection, "select private.run_clean_up()")
    # On Supabase the schema auth is Supabase's, which cleans up by itself.
    if count(connection, "select count(to_regprocedure('auth.run_clean_up()'))"):
        removed += count(connection, "select auth.run_clean_up()")
    return removed


JOB = Job("clean-up", timedelta(hours=1), run)

"""Finds files that nobody will send any more, and bytes that broken uploads have left, and has them removed."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from functions.job import Job, count
from web.config import Config
from web.files import files_of


def run(connection: Connection[Any]) -> int:
    """Look for them; return how many were found."""
    return count(connection, "select private.run_file_sweep()") + files_of(Config.from_env()).sweep(connection)


JOB = Job("file-sweep", timedelta(minutes=10), run)

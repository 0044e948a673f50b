"""Removes the files that the database wants gone, of deleted messages, chats and customers: rows and bytes.

Nobody sees them any more from the moment of the deletion on; a transaction cannot remove bytes.
"""

from datetime import timedelta
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from functions.job import Job, count
from web.config import Config
from web.files import files_of

_BATCH = 200  # files that one run removes


def run(connection: Connection[Any]) -> int:
    """Remove some; return how many files."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        doomed = cursor.execute("select * from private.claim_file_removals(%s)", (_BATCH,)).fetchall()
    by_bucket: dict[str, list[str]] = {}
    for bucket_id, name in doomed:
        by_bucket.setdefault(bucket_id, []).append(name)
    done = 0
    files = files_of(Config.from_env())
    for bucket_id, names in by_bucket.items():
        files.discard(connection, bucket_id, names)
        done += count(connection, "select private.finish_file_removals(%s, %s)", bucket_id, names)
    return done


JOB = Job("file-removal", timedelta(seconds=10), run)

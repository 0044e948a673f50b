"""Files in a folder of ours: what is known of them is in storage.objects (sql/supabase/), their bytes are here.

A row never stands without its bytes: they are in their place before the row's transaction commits. Bytes that
belong to no row, because an upload was broken off or a process killed, are known by name to the database
(storage.loose_bytes), and the sweep removes them. Several web servers share the folder, or use a Supabase
project.
"""

import os
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row, scalar_row

from web.aside import aside
from web.db import database, invoke
from web.errors import ApiError
from web.files.incoming import Draft
from web.files.store import FileRow, Listing, described
from web.tokens import Caller

_DRAFTS = "incoming"
_BATCH = 500


class FolderFiles:
    """The keeper of files that needs nothing but a folder."""

    def __init__(self, folder: Path) -> None:
        """Keep files in `folder`, which is made when the first one comes."""
        self._folder = folder

    @property
    def drafts(self) -> Path:
        """The folder in which uploads are collected."""
        drafts = self._folder / _DRAFTS
        drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
        return drafts

    def begin(self, caller: Caller, bucket_id: str, name: str, is_upsert: bool) -> str:
        """Refuse what `put` would refuse, before the bytes are on their way; returns the version they are to have."""
        given = {"p_bucket_id": bucket_id, "p_name": name, "p_is_upsert": is_upsert}
        rows = database().run(caller, lambda connection: invoke(connection, "storage", "begin_upload", **given))
        version: str = rows[0]["begin_upload"]
        return version

    def put(self, caller: Caller, bucket_id: str, name: str, kind: str, draft: Draft, is_upsert: bool) -> UUID:
        """Enter a file with its bytes, both or neither; returns its id."""
        path = self._path(draft.version)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        os.link(draft.path, path)
        aside(lambda: _sync(path.parent, self._folder))  # there also when the power fails
        arguments = {
            "p_bucket_id": bucket_id,
            "p_name": name,
            "p_version": draft.version,
            "p_metadata": described(kind, draft),
            "p_user_metadata": draft.user_metadata,
            "p_is_upsert": is_upsert,
        }
        try:
            rows = database().run(caller, lambda connection: invoke(connection, "storage", "put_object", **arguments))
        except psycopg.Error as error:
            if _is_refusal(error):
                path.unlink()
            raise
        file_id: UUID = rows[0]["id"]
        return file_id

    def read(self, file: FileRow) -> Path | bytes:
        """Return where the bytes of a file are."""
        path = self._path(file.version)
        if not path.is_file():
            raise ApiError(404, "NoSuchKey", "Object not found")
        return path

    def remove(self, caller: Caller, bucket_id: str, names: list[str]) -> list[dict[str, Any]]:
        """Remove those of the files that the caller may remove; returns what was known of them."""
        rows = database().run(caller, lambda connection: _delete(connection, bucket_id, names))
        self._remove_bytes([row["version"] for row in rows])
        return rows

    def list_folder(self, caller: Caller, bucket_id: str, listing: Listing) -> list[dict[str, Any]]:
        """Return what the caller may see in a folder."""
        arguments = {
            "p_bucket_id": bucket_id,
            "p_prefix": listing.folder,
            "p_search": listing.search,
            "p_sort_by": listing.sort_by,
            "p_is_descending": listing.is_descending,
            "p_limit": listing.limit,
            "p_offset": listing.offset,
        }
        return database().run(caller, lambda connection: invoke(connection, "storage", "list_objects", **arguments))

    def discard(self, connection: Connection[Any], bucket_id: str, names: list[str]) -> None:
        """Remove files, whosever, in the connection's transaction: for the job, after which nobody asks for them."""
        self._remove_bytes([row["version"] for row in _delete(connection, bucket_id, names)])

    def sweep(self, connection: Connection[Any]) -> int:
        """Remove bytes that belong to no file, in the connection's transaction; returns how many."""
        count = 0
        while True:
            with connection.cursor(row_factory=scalar_row) as cursor:
                versions = cursor.execute("select * from storage.claim_loose_bytes(%s)", (_BATCH,)).fetchall()
            self._remove_bytes(versions)
            count += len(versions)
            if len(versions) < _BATCH:
                return count

    def _path(self, version: str) -> Path:
        return self._folder / version[:2] / str(UUID(version))

    def _remove_bytes(self, versions: list[str]) -> None:
        for version in versions:
            self._path(version).unlink(missing_ok=True)
            (self._folder / _DRAFTS / version).unlink(missing_ok=True)


def _is_refusal(error: psycopg.Error) -> bool:
    """Return whether the database has said no. One that is stopped, or does not answer, may have said yes before."""
    return error.sqlstate is not None and not error.sqlstate.startswith(("08", "57"))


def _delete(connection: Connection[Any], bucket_id: str, names: list[str]) -> list[DictRow]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("select * from storage.delete_objects(%s, %s)", (bucket_id, names)).fetchall()


def _sync(*folders: Path) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

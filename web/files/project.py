"""Files of a Supabase project: its storage keeps the bytes, and its policies say who may do what with them.

Size, type and viruses are looked at here, before a file goes there. What is known of files is read in
storage.objects, which is in the same database as the chats.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg import Connection

from web.db import database
from web.errors import ApiError
from web.files.incoming import Draft
from web.files.store import FileRow, Listing
from web.project import LONG_PATIENCE, Project
from web.tokens import SERVICE, Caller

_OLD = 3600  # seconds; an upload has fewer

# What the policies would say of the two buckets whose rules are known here (sql/policies.sql); others are left to
# the project.
_MAY_PUT: LiteralString = """
select case %(bucket_id)s
  when 'attachments' then private.may_put_file(%(name)s)
  when 'avatars' then private.is_operator() and private.may_put_avatar(%(name)s)
  else true
end as may_put
"""
_FIND_ID: LiteralString = """
select id from storage.objects where bucket_id = %(bucket_id)s and name collate "C" = %(name)s
"""


class ProjectFiles:
    """The keeper of files that passes them on to a Supabase project."""

    def __init__(self, project: Project, drafts: Path) -> None:
        """Ask `project`; collect uploads in the folder `drafts`, which is made when the first one comes."""
        self._project = project
        self._drafts = drafts

    @property
    def drafts(self) -> Path:
        """The folder in which uploads are collected."""
        self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._drafts

    def begin(self, caller: Caller, bucket_id: str, name: str, is_upsert: bool) -> str:
        """Refuse early what the project would refuse; it decides when the bytes are there."""
        given = {"bucket_id": bucket_id, "name": name}
        if caller.role != SERVICE.role and not database().ask(caller, _MAY_PUT, given).dicts()[0]["may_put"]:
            raise ApiError(403, "AccessDenied", "new row violates row-level security policy")
        if not is_upsert and database().ask(SERVICE, _FIND_ID, given).rows:
            raise ApiError(409, "ResourceAlreadyExists", "The resource already exists")
        return str(uuid4())

    def put(self, caller: Caller, bucket_id: str, name: str, kind: str, draft: Draft, is_upsert: bool) -> UUID:
        """Upload a file in the caller's name; returns its id."""
        options: Any = {
            "content-type": kind,
            "cache-control": draft.cache_control.removeprefix("max-age=").replace("no-cache", ""),  # in seconds, or not
            "upsert": str(is_upsert).lower(),
            "metadata": draft.user_metadata,
        }
        with self._project.as_caller(caller, LONG_PATIENCE) as client:
            client.storage.from_(bucket_id).upload(name, draft.path, options)
        rows = database().ask(SERVICE, _FIND_ID, {"bucket_id": bucket_id, "name": name}).rows
        if not rows:  # somebody has removed it in the meantime, or the project has another database
            raise ApiError(404, "NoSuchKey", "Object not found")
        file_id: UUID = rows[0][0]
        return file_id

    def read(self, file: FileRow) -> Path | bytes:
        """Download a file."""
        with self._project.as_service(LONG_PATIENCE) as client:
            return client.storage.from_(file.bucket_id).download(file.name)

    def remove(self, caller: Caller, bucket_id: str, names: list[str]) -> list[dict[str, Any]]:
        """Remove those of the files that the caller may remove; returns what was known of them."""
        with self._project.as_caller(caller) as client:
            return client.storage.from_(bucket_id).remove(names)

    def list_folder(self, caller: Caller, bucket_id: str, listing: Listing) -> list[dict[str, Any]]:
        """Return what the caller may see in a folder."""
        options: Any = {
            "limit": listing.limit,
            "offset": listing.offset,
            "sortBy": {"column": listing.sort_by, "order": "desc" if listing.is_descending else "asc"},
            "search": listing.search,
        }
        with self._project.as_caller(caller) as client:
            return client.storage.from_(bucket_id).list(listing.folder.rstrip("/"), options)

    def discard(self, connection: Connection[Any], bucket_id: str, names: list[str]) -> None:
        """Remove files, whosever they are. Those that are gone already are no error, so it can be tried again."""
        with self._project.as_service() as client:
            client.storage.from_(bucket_id).remove(names)

    def sweep(self, connection: Connection[Any]) -> int:
        """Remove what killed processes have left among the drafts; returns how many files."""
        count = 0
        for path in self.drafts.iterdir():
            with suppress(FileNotFoundError):  # it has become a file in the meantime
                if path.stat().st_mtime < time.time() - _OLD:
                    path.unlink()
                    count += 1
        return count

"""What the keepers of files have in common: their interface, and what is known of a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from psycopg import Connection

from web.files.incoming import Draft
from web.tokens import Caller


@dataclass(frozen=True)
class Bucket:
    """A kind of files: whether everybody may read them, how large they may be, and of which types (None: any known)."""

    id: str
    public: bool
    file_size_limit: int
    allowed_mime_types: list[str] | None


@dataclass(frozen=True)
class FileRow:
    """A file as storage.objects knows it."""

    id: UUID
    bucket_id: str
    name: str
    version: str
    created_at: Any
    updated_at: Any
    metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    label: str  # its name for people

    @property
    def kind(self) -> str:
        """Its MIME type."""
        return str(self.metadata.get("mimetype") or "application/octet-stream")


@dataclass(frozen=True)
class Listing:
    """Which files of a folder to list."""

    folder: str  # empty, or ending in a slash
    search: str
    sort_by: str
    is_descending: bool
    limit: int
    offset: int


class Files(Protocol):
    """What a keeper of files does. Refusals are `ApiError`s, or what Postgres says by its policies."""

    @property
    def drafts(self) -> Path:
        """The folder in which uploads are collected."""

    def begin(self, caller: Caller, bucket_id: str, name: str, is_upsert: bool) -> str:
        """Refuse early what `put` would refuse for its name or its caller, as far as can be told.

        Returns the name under which the bytes are collected among the drafts.
        """

    def put(self, caller: Caller, bucket_id: str, name: str, kind: str, draft: Draft, is_upsert: bool) -> UUID:
        """Keep a file under this name; returns its id."""

    def read(self, file: FileRow) -> Path | bytes:
        """Return a file's bytes, or where they are. Whether the caller may see it has been decided."""

    def remove(self, caller: Caller, bucket_id: str, names: list[str]) -> list[dict[str, Any]]:
        """Remove those of the files that the caller may remove; returns what was known of them."""

    def list_folder(self, caller: Caller, bucket_id: str, listing: Listing) -> list[dict[str, Any]]:
        """Return what the caller may see in a folder."""

    def discard(self, connection: Connection[Any], bucket_id: str, names: list[str]) -> None:
        """Remove files, whosever they are: for the job that does what the database has asked for."""

    def sweep(self, connection: Connection[Any]) -> int:
        """Remove what broken uploads have left; returns how many things."""


def described(kind: str, draft: Draft) -> dict[str, Any]:
    """Return what storage.objects.metadata says of a file, as Supabase Storage writes it."""
    return {
        "eTag": draft.etag,
        "size": draft.size,
        "mimetype": kind,
        "cacheControl": draft.cache_control,
        "contentLength": draft.size,
        "httpStatusCode": 200,
    }

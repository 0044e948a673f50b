"""A file is taken in: who may, how large, of what kind, is it clean, and only then is it kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
from flask import Request, current_app

from web.aside import aside
from web.config import Config
from web.errors import ApiError
from web.files import files
from web.files.incoming import Draft, finish_reading, received
from web.files.kinds import UnknownKindError, fitting, kind_of
from web.files.scan import scan
from web.files.store import Bucket
from web.tokens import Caller

_LABEL = 190  # characters: with an ending, not more than Postgres shows

_REFUSALS = {
    "23503": (404, "NoSuchBucket", "Bucket not found"),
    "23505": (409, "ResourceAlreadyExists", "The resource already exists"),
    "42501": (403, "AccessDenied", "new row violates row-level security policy"),
}


def take_in(request: Request, caller: Caller, bucket: Bucket, name: str, is_upsert: bool) -> UUID:
    """Keep the file in the body of `request`, whole or not at all; returns its id.

    Raises:
        ApiError: 400 InvalidRequest, 403 AccessDenied, 408 RequestTimeout, 409 ResourceAlreadyExists,
            413 EntityTooLarge, 415 InvalidMimeType, 422 Infected, 503 ScanFailed.
        ClientDisconnected: The client has gone in the middle.
    """
    keeper = files()
    with _in_words_of_storage(), _heard(request):
        version = keeper.begin(caller, bucket.id, name, is_upsert)
        with received(request, keeper.drafts, version, bucket.file_size_limit) as draft:
            kind = _inspect(draft, bucket, name)
            return keeper.put(caller, bucket.id, name, kind, draft, is_upsert)


def _inspect(draft: Draft, bucket: Bucket, name: str) -> str:
    """Return the file's type, if it may come in."""
    if draft.size == 0:
        raise ApiError(400, "InvalidRequest", "The file is empty", "Send at least one byte.")
    try:
        kind = aside(lambda: kind_of(draft.path, name, draft.declared_type))
    except UnknownKindError as error:
        raise ApiError(415, "InvalidMimeType", "The file type is not supported", f"{error}.") from None
    if bucket.allowed_mime_types is not None and kind not in bucket.allowed_mime_types:
        raise ApiError(415, "InvalidMimeType", f"mime type {kind} is not supported", "The bucket lists what is.")
    config: Config = current_app.extensions["baton_config"]
    scan(config.scan_command, draft.path)
    label = draft.user_metadata.get("name")
    if isinstance(label, str) and label.strip():
        draft.user_metadata["name"] = fitting(label.strip()[:_LABEL], kind)
    return kind


@contextmanager
def _heard(request: Request) -> Iterator[None]:
    """Read a refused body to its end, so that the client hears the refusal and not just a closed connection."""
    try:
        yield
    except (ApiError, psycopg.Error):
        finish_reading(request)
        raise


@contextmanager
def _in_words_of_storage() -> Iterator[None]:
    """Say what Postgres refuses as Supabase Storage says it."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate not in _REFUSALS:
            raise
        raise ApiError(*_REFUSALS[error.sqlstate]) from None

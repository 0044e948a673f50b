"""A file on its way in: streamed to a draft on the disk, whole or not at all."""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import gevent
import orjson
from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from web.aside import aside
from web.errors import ApiError

_CHUNK = 64 * 1024
_FRAME = 64 * 1024  # bytes: what a form may need around its file
_SECONDS = 900  # that an upload may take
_METADATA_LIMIT = 4096  # bytes
_DRAIN = 64 * 1024 * 1024  # bytes: what is read and thrown away so that the refusal can be heard
_DRAIN_SECONDS = 10


@dataclass(frozen=True)
class Draft:
    """A whole file that nobody knows of yet; gone when it has not been put anywhere."""

    version: str
    path: Path
    size: int  # bytes
    etag: str
    declared_type: str
    cache_control: str
    user_metadata: dict[str, Any]


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


class _Drain:
    """Writes to a file and counts, up to a limit."""

    def __init__(self, file: IO[bytes], digest: _Digest, limit: int) -> None:
        self._file = file
        self._digest = digest
        self._left = limit

    def write(self, data: bytes) -> int:
        """Write `data`; raises ApiError when it is too much."""
        self._left -= len(data)
        if self._left < 0:
            raise _too_large()
        self._digest.update(data)
        return self._file.write(data)


class _Part:
    """What the parser of forms takes for a file. There is one in a form."""

    def __init__(self, drain: _Drain) -> None:
        self._drain = drain
        self._is_begun = False

    def begin(self, *_: object, **__: object) -> Any:
        """Be the next file; raises ApiError when there was one already."""
        if self._is_begun:
            raise ApiError(400, "InvalidRequest", "The form has more than one file", "Upload them one by one.")
        self._is_begun = True
        return self

    def write(self, data: bytes) -> int:
        """Pass the bytes on."""
        return self._drain.write(data)

    def seek(self, offset: int) -> int:
        """Do nothing: nobody reads it from here."""
        return offset

    def close(self) -> None:
        """Do nothing: whoever opened the draft closes it."""


@contextmanager
def received(request: Request, folder: Path, version: str, limit: int) -> Iterator[Draft]:
    """Stream the body of an upload, a form or the bare bytes, into `folder`; the draft is gone afterwards.

    Args:
        request: The request whose body has not been touched.
        folder: Where drafts are; on the disk on which the file is to stay.
        version: The draft's name there, which nothing else has.
        limit: The most bytes that the file may have.

    Raises:
        ApiError: 413 EntityTooLarge, 400 InvalidRequest, 408 RequestTimeout.
        ClientDisconnected: The client has gone in the middle.
    """
    path = folder / version
    try:
        with gevent.Timeout(_SECONDS, _timed_out()), path.open("xb") as file:
            digest = hashlib.sha256()
            declared = _stream(request, _Drain(file, digest, limit), limit)
            file.flush()
            aside(lambda: os.fsync(file.fileno()))
        yield Draft(
            version,
            path,
            size=path.stat().st_size,
            etag=f'"{digest.hexdigest()[:32]}"',
            declared_type=declared.get("type", ""),
            cache_control=_max_age(declared.get("cacheControl", "")),
            user_metadata=_metadata(declared.get("metadata", "")),
        )
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def _too_large() -> ApiError:
    """Return the refusal of a file that is larger than its bucket allows."""
    return ApiError(413, "EntityTooLarge", "The object exceeded the maximum allowed size", "Send a smaller file.")


def _stream(request: Request, drain: _Drain, limit: int) -> dict[str, str]:
    """Write the file's bytes to `drain`; return what the client says of it."""
    request.max_content_length = limit + _FRAME
    try:
        if request.mimetype == "multipart/form-data":
            said = _stream_form(request, drain)
        else:
            while data := request.stream.read(_CHUNK):
                drain.write(data)
            said = {
                "type": request.content_type or "",
                "cacheControl": request.headers.get("Cache-Control", ""),
                "metadata": _decoded(request.headers.get("X-Metadata", "")),
            }
    except RequestEntityTooLarge:
        raise _too_large() from None
    except OSError as error:  # the server's reader of the body has met its early end
        raise ClientDisconnected from error
    # The server ends the stream where the client does: whether that was the end, only its length tells.
    if request.content_length is not None and request.stream.tell() != request.content_length:
        raise ClientDisconnected
    return said


def _stream_form(request: Request, drain: _Drain) -> dict[str, str]:
    """Do the same with a form, as browsers and Supabase's clients send it: one file, and what is said of it."""
    part = _Part(drain)
    # The parser counts what it has read in one go, 64 kB, and the rest of a line that it has kept from before.
    parser = FormDataParser(part.begin, max_form_memory_size=2 * _FRAME, silent=False, max_form_parts=20)
    try:
        _, form, parts = parser.parse(
            request.stream, "multipart/form-data", request.content_length, request.mimetype_params
        )
    except (ValueError, UnicodeError) as error:
        raise ApiError(400, "InvalidRequest", "The body is not a form with a file", str(error)[:200]) from None
    file = next(iter(parts.values()), None)
    if file is None:
        raise ApiError(400, "InvalidRequest", "The form has no file", None)
    return {"type": file.content_type or "", **form.to_dict()}


def finish_reading(request: Request) -> None:
    """Read what is left of a body, within reason: a client that is still sending hears no answer."""
    stream = request.environ["wsgi.input"]
    left = _DRAIN
    with suppress(OSError, ValueError), gevent.Timeout(_DRAIN_SECONDS, False):
        while left > 0 and (data := stream.read(_CHUNK)):
            left -= len(data)


def _decoded(header: str) -> str:
    try:
        return base64.b64decode(header, validate=True).decode()
    except (binascii.Error, ValueError):
        raise ApiError(400, "InvalidRequest", "X-Metadata is not base64 of UTF-8", None) from None


def _metadata(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict) or len(text.encode(errors="replace")) > _METADATA_LIMIT or "\\u0000" in text:
        hint = f"A JSON object of at most {_METADATA_LIMIT} bytes, without U+0000."
        raise ApiError(400, "InvalidRequest", "The metadata is not valid", hint)
    return value


def _max_age(text: str) -> str:
    """Return the header for a Cache-Control that is sent as such or, in forms, as a number of seconds."""
    seconds = re.fullmatch(r"(?:max-age=)?([0-9]{1,18})", text)
    return f"max-age={min(int(seconds[1]), 31_536_000)}" if seconds else "no-cache"


def _timed_out() -> ApiError:
    return ApiError(408, "RequestTimeout", "The upload took too long", f"An upload has {_SECONDS} seconds.")

"""What a call asks for: the arguments, and the headers by which clients say how they want the answer."""

import re
from collections.abc import Collection
from typing import NamedTuple

from flask import request

from web.errors import ApiError
from web.payload import parse, read_raw

JSON = "application/json"
ONE = "application/vnd.pgrst.object+json"  # what `single()` asks for

# Parameters of an address that are not arguments of a function, in PostgREST's syntax.
_CLAUSES = ("select", "columns", "on_conflict", "order", "limit", "offset", "and", "or")
_FILTER = re.compile(
    r"(not\.)?((eq|neq|gte?|lte?|i?like|i?match)(\((any|all)\))?|is|isdistinct|in|cs|cd|ov|sl|sr|nxr|nxl|adj"
    r"|(pl|ph|w)?fts(\(\w+\))?)\."
)
_KNOWN_PREFERENCES = {
    "count": ("exact", "planned", "estimated"),
    "return": ("representation", "minimal", "headers-only"),
    "handling": ("strict", "lenient"),
}


class Arguments(NamedTuple):
    """The arguments of a call: a JSON object as it came, or texts out of the address."""

    names: Collection[str]
    document: str = "{}"
    texts: dict[str, str] | None = None


class Wish(NamedTuple):
    """How the answer is wanted."""

    is_one: bool
    is_counted: bool
    is_minimal: bool


def read_wish() -> Wish:
    """Read the headers; what we do not do is refused, never left out in silence.

    Raises:
        ApiError: 406 schema_not_exposed, not_acceptable; 400 invalid_preference, query_unsupported.
    """
    header = "Accept-Profile" if request.method in ("GET", "HEAD") else "Content-Profile"
    schema = request.headers.get(header, "public")
    if schema != "public":
        hint = "Only the following schemas are exposed: public"
        raise ApiError(406, "schema_not_exposed", f"Invalid schema: {schema}", hint, "PGRST106")
    if "Range" in request.headers:
        raise _unsupported("Range")
    preferences = _preferences()
    return Wish(
        is_one=_media_type() == ONE,
        is_counted="count" in preferences,
        is_minimal=preferences.get("return") in ("minimal", "headers-only"),
    )


def body_arguments() -> Arguments:
    """Read the arguments of a POST: a JSON object; nothing, or null, is an empty one.

    Raises:
        ApiError: 413 too_large, 415 unsupported_media_type, 400 invalid_json, content_invalid, query_unsupported.
    """
    for name, value in request.args.items(multi=True):
        if (name, value) != ("select", "*"):
            raise _unsupported(name)
    raw = read_raw()
    if not raw:
        return Arguments(())
    if request.mimetype not in ("", JSON):
        raise ApiError(415, "unsupported_media_type", "The body must be JSON.", f"Send Content-Type: {JSON}.")
    value = parse(raw)
    if value is None:
        return Arguments(())
    if not isinstance(value, dict):
        hint = 'Send the arguments by name: {"p_chat_id": …}.'
        raise ApiError(400, "invalid_json", "The body must be a JSON object.", hint)
    return Arguments(tuple(value), raw.decode())


def query_arguments() -> Arguments:
    """Read the arguments of a GET: the parameters of the address, each as Postgres reads its type from text.

    What looks like a filter is one for PostgREST, whatever its name, and is refused.

    Raises:
        ApiError: 400 query_unsupported, content_invalid.
    """
    texts: dict[str, str] = {}
    for name, value in request.args.items(multi=True):
        if (name, value) == ("select", "*"):
            continue
        if name.rpartition(".")[2] in _CLAUSES or _FILTER.match(value) or name in texts:
            raise _unsupported(name)
        if "\0" in name + value:
            raise ApiError(400, "content_invalid", "A text contains a character that cannot be stored.")
        texts[name] = value
    return Arguments(tuple(texts), texts=texts)


def _media_type() -> str:
    accepted = request.accept_mimetypes
    if not accepted:
        return JSON
    best = accepted.best_match([JSON, ONE])
    if best is None:
        message = f"None of these media types are available: {', '.join(accepted.values())}"
        raise ApiError(406, "not_acceptable", message, f"There are {JSON} and {ONE}.", "PGRST107")
    return str(best)


def _preferences() -> dict[str, str]:
    """Read Prefer. Unknown ones are refused also without handling=strict: they would change what happens."""
    wanted = [item.strip() for item in ",".join(request.headers.getlist("Prefer")).split(",")]
    pairs = [item.partition("=") for item in wanted if item]
    unknown = [f"{name}{sign}{value}" for name, sign, value in pairs if value not in _KNOWN_PREFERENCES.get(name, ())]
    if unknown:
        hint = f"Invalid preferences: {', '.join(unknown)}"
        raise ApiError(400, "invalid_preference", "Invalid preferences given", hint, "PGRST122")
    return {name: value for name, _, value in pairs}


def _unsupported(name: str) -> ApiError:
    message = f"{name} is not supported: functions are called with their arguments only"
    hint = "Select, filter, sort and cut what the function has returned, or use its own arguments."
    return ApiError(400, "query_unsupported", message, hint, "PGRST100")

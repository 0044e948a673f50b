"""JSON in and out: a body is checked before a view sees it, rows become JSON as they come."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar

import orjson
from flask import Response, request
from flask.json.provider import JSONProvider
from pydantic import BaseModel, ValidationError

from web.errors import ApiError

Model = TypeVar("Model", bound=BaseModel)


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson: uuids, times with their zone, numerics as numbers, never bytes."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return `obj` as JSON text."""
        return dump(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return the value of a JSON text, which must be UTF-8."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a response with the JSON of its argument."""
        return Response(dump(self._prepare_response_obj(args, kwargs)), mimetype="application/json")


def dump(value: object) -> bytes:
    """Return `value` as JSON text, as every answer of ours is written."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_NON_STR_KEYS)


def read_body(model: type[Model]) -> Model:
    """Return the request's body as a `model`; no body at all counts as an empty object.

    Raises:
        ApiError: 413 too_large, 415 unsupported_media_type, 400 invalid_json, content_invalid, invalid_input.
    """
    raw = read_raw()
    if not raw:
        return _validated(model, {})
    if request.mimetype != "application/json":
        raise ApiError(415, "unsupported_media_type", "The body must be JSON.", "Send Content-Type: application/json.")
    value = parse(raw)
    return _validated(model, value)


def read_raw() -> bytes:
    """Return the request's body as it came.

    Raises:
        ApiError: 413 too_large.
    """
    raw = request.get_data()
    if len(raw) == request.max_content_length:  # Werkzeug cuts a chunked body there, and tells on the next read only
        request.stream.read(1)
    return raw


def parse(raw: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ApiError: 400 invalid_json, content_invalid.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "surrogate in" in str(error):
            raise _content_invalid() from None
        hint = "The body must be UTF-8." if "UTF-8" in str(error) else f"{error.msg}, at character {error.pos + 1}."
        raise ApiError(400, "invalid_json", "The body is not JSON.", hint) from None
    if b"\\u0000" in raw and _has_nul(value):
        raise _content_invalid()
    return value


def read_query(model: type[Model]) -> Model:
    """Return the address's query as a `model`.

    Raises:
        ApiError: 400 content_invalid, invalid_input.
    """
    values = {name: found if len(found) > 1 else found[0] for name, found in request.args.lists()}
    if _has_nul(values):
        raise _content_invalid()
    return _validated(model, values)


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _validated(model: type[Model], value: object) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        hint = f"{where}: {first['msg']}" if where else first["msg"]
        raise ApiError(400, "invalid_input", "The request does not have the right shape.", hint) from None


def _content_invalid() -> ApiError:
    hint = "Leave out U+0000 and lone surrogates."
    return ApiError(400, "content_invalid", "A text contains a character that cannot be stored.", hint)


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return _any_nul(value) or _any_nul(value.values())
    return isinstance(value, list) and _any_nul(value)


def _any_nul(values: Iterable[object]) -> bool:
    return any(_has_nul(value) for value in values)

"""One form for every error: a SQLSTATE, a sentence, a machine code, what to do."""

import re
import time
from dataclasses import dataclass, field
from http import HTTPStatus

import psycopg
import structlog
from flask import Flask, Response, g, jsonify, request
from flask_babel import gettext
from flask_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException

from web.config import Config
from web.html import page
from web.limits import limiter

log = structlog.get_logger("baton.errors")


@dataclass
class ApiError(Exception):
    """A refusal in the form in which it is sent; `code` is the machine code (`details` in the body)."""

    status: int
    code: str
    message: str
    hint: str | None = None
    sqlstate: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, object] = field(default_factory=dict)  # what Supabase's form of this error has besides

    def __post_init__(self) -> None:
        """Name the like of a SQLSTATE where Postgres gave none."""
        self.sqlstate = self.sqlstate or f"PT{self.status}"

    def __str__(self) -> str:
        return self.message


# What a constraint or Postgres itself refuses: SQLSTATE or its class → status, code, sentence, hint.
# Refusals by our own functions (PT…) bring all of it with them.
_NATIVE: dict[str, tuple[int, str, str, str | None]] = {
    "22": (400, "invalid_input", "A value has the wrong form or is out of range.", None),
    "23503": (409, "reference_missing", "Something that this refers to is not there.", None),
    "23505": (409, "already_there", "This is there already.", None),
    "23": (400, "constraint_violated", "A value breaks a rule of its table.", None),
    "25": (503, "database_unavailable", "The database is not available.", "Try again."),
    "40": (409, "conflict", "Somebody changed the same thing at the same moment.", "Try again."),
    "42501": (403, "not_allowed", "You may not do that.", None),
    "53": (503, "database_unavailable", "The database is busy.", "Try again."),
    "54": (400, "invalid_input", "A value is too large or too deep.", None),
    "55P03": (409, "conflict", "Somebody is changing the same thing at this moment.", "Try again."),
    "57014": (503, "timed_out", "That took too long and was stopped.", "Try again, or ask for less."),
    "57": (503, "database_unavailable", "The database is not available.", "Try again."),
    "08": (503, "database_unavailable", "The database is not available.", "Try again."),
}

# Under /auth/v1 what the login does not raise itself has Supabase's code and status.
_AUTH_CODES = {
    "not_signed_in": (401, "no_authorization"),
    "token_invalid": (403, "bad_jwt"),
    "token_expired": (403, "bad_jwt"),
    "invalid_json": (400, "bad_json"),
    "invalid_input": (400, "validation_failed"),
    "content_invalid": (400, "validation_failed"),
    "rate_limited": (429, "over_request_rate_limit"),
    "internal_error": (500, "unexpected_failure"),
}

_HTTP_CODES = {
    400: ("invalid_input", "The request does not have the right shape.", None),
    404: ("route_not_found", "There is nothing at this address.", "See /docs for what there is."),
    405: ("method_not_allowed", "This address does not know this method.", "See /docs for what it knows."),
    413: ("too_large", "The request is too large.", "A body has at most 1 MiB."),
    415: ("unsupported_media_type", "The body must be JSON.", "Send Content-Type: application/json."),
}

# Supabase Storage has two names for an error: one by which newer clients know it, `code`, and an older one.
_STORAGE_NAMES = {
    "NoSuchKey": "not_found",
    "NoSuchBucket": "Bucket not found",
    "ResourceAlreadyExists": "Duplicate",
    "AccessDenied": "Unauthorized",
    "EntityTooLarge": "Payload too large",
    "InvalidMimeType": "invalid_mime_type",
}
STORAGE_CODES = {name: code for code, name in _STORAGE_NAMES.items()}  # of a project that says only the older ones


def init_app(app: Flask, config: Config) -> None:
    """Answer every failure in the form of SPEC section 6, whatever raised it."""
    app.register_error_handler(ApiError, _respond)
    app.register_error_handler(psycopg.Error, lambda error: _respond(from_database(error)))
    app.register_error_handler(RateLimitExceeded, lambda error: _respond(_from_rate_limit(error)))
    app.register_error_handler(HTTPException, _from_http)
    app.register_error_handler(Exception, _unexpected)


def not_signed_in(sqlstate: str = "") -> ApiError:
    """Return the refusal of those who may do nothing before they have signed in."""
    return ApiError(401, "not_signed_in", "You are not signed in.", "Sign in and send the access token.", sqlstate)


def from_database(error: psycopg.Error) -> ApiError:
    """Translate what Postgres said. Only its SQLSTATE counts: PT404 arrives as a ProgrammingError."""
    state, diagnosis = error.sqlstate or "", error.diag
    if isinstance(error, psycopg.OperationalError) and not state:  # no answer: the connection or the pool failed
        state = "08000"
    if re.fullmatch(r"PT[45]\d\d", state):
        refusal = ApiError(
            int(state[2:]),
            diagnosis.message_detail or "refused",
            diagnosis.message_primary or "Refused.",
            diagnosis.message_hint,
            state,
        )
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            seconds = re.search(r"\d+", refusal.hint or "")
            refusal.headers["Retry-After"] = seconds.group() if seconds else "1"
        return refusal
    native = _NATIVE.get(state) or _NATIVE.get(state[:2])
    if native is None:
        return _internal(error)
    status, code, message, hint = native
    constraint = diagnosis.constraint_name
    if constraint == "operator_at_capacity":
        status, message = 409, "The operator has his hands full."
        hint = "Finish or hand back a chat first, or raise the capacity."
    if state == "42501" and g.get("role", "anon") == "anon":
        return not_signed_in(state)
    refusal = ApiError(status, constraint or code, message, hint, state)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        refusal.headers["Retry-After"] = "1"
        log.warning("database_unavailable", sqlstate=state, error=str(error).strip())
    return refusal


def _from_rate_limit(error: RateLimitExceeded) -> ApiError:
    limit = limiter.current_limit
    seconds = max(1, limit.reset_at - int(time.time())) if limit else 1
    return ApiError(
        429,
        "rate_limited",
        "Too many requests from this address.",
        f"Retry after {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )


def _from_http(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:
        return error
    name = error.name
    code, message, hint = _HTTP_CODES.get(status, (name.lower().replace(" ", "_"), f"{name}.", error.description))
    if status == HTTPStatus.BAD_REQUEST:
        hint = error.description
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return _respond(ApiError(status, code, message, hint, headers=headers))


def _unexpected(error: Exception) -> Response:
    return _respond(_internal(error))


def _internal(error: Exception) -> ApiError:
    log.error("internal_error", exc_info=error)
    return ApiError(
        500,
        "internal_error",
        "Something went wrong on our side.",
        f"Report it with the request id {g.get('request_id', '')}.",
        getattr(error, "sqlstate", None) or "XX000",
    )


def _respond(error: ApiError) -> Response:
    if request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
        # Somebody looks at it in a browser.
        said = {"message": gettext(error.message), "hint": error.hint and gettext(error.hint)}
        response = page("error.html", status=error.status, code=error.code, **said)
        response.status_code = error.status
    else:
        response = _told(error)
    response.vary.add("Accept")
    response.headers.extend(error.headers)
    return response


def _told(error: ApiError) -> Response:
    """Return the refusal for a program, in the form that those who ask at this address know."""
    body: dict[str, object]
    status = error.status
    if request.path.startswith("/auth/v1/"):  # what Supabase's clients parse
        status, code = _AUTH_CODES.get(error.code, (error.status, error.code))
        sentence = " ".join(filter(None, (error.message, error.hint)))
        body = {"code": status, "error_code": code, "msg": sentence, **error.body}
        if request.path.endswith("/token") and status == HTTPStatus.BAD_REQUEST:  # and OAuth's
            body |= {"error": "invalid_grant", "error_description": sentence}
    elif request.path.startswith("/storage/v1/"):
        name = _STORAGE_NAMES.get(error.code, error.code)
        body = {"statusCode": str(error.status), "error": name, "code": error.code, "message": error.message}
        if error.hint:
            body["hint"] = error.hint
    else:
        body = {
            "code": error.sqlstate,
            "message": error.message,
            "details": error.code,
            "hint": error.hint,
        }
        if request.path.startswith("/functions/v1/"):
            body["error"] = error.message  # where supabase-py looks for it
    response = jsonify(body)
    response.status_code = status
    return response

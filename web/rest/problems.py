"""Refusals under /rest/v1, in the form of PostgREST: its codes, and its statuses for what Postgres refuses.

`details` stays the machine code that it is everywhere in Baton, and messages of Postgres itself, which may
show rows, stay inside, as everywhere.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import psycopg
from flask.typing import ResponseReturnValue

from web.errors import ApiError, from_database

P = ParamSpec("P")

# PostgREST's table: SQLSTATE or its class → status, 400 where nothing fits. It differs from errors.py in what
# is a fault of the server there and a reason to try again here (40…, 55…, 57…, 54…), in 25006, which is a GET
# that writes here, and in what errors.py calls a fault of ours (42…, P0…).
_STATUSES = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "21": 500,
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57P01": 503,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0001": 400,
    "P0": 500,
    "XX": 500,
}
# Refusals of the web layer that PostgREST knows: machine code → its code.
_CODES = {
    "invalid_json": "PGRST102",
    "token_invalid": "PGRST301",
    "not_signed_in": "PGRST302",
    "token_expired": "PGRST303",
}


def as_postgrest(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let a view refuse as PostgREST does."""

    @wraps(view)
    def refusing(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        try:
            return view(*args, **kwargs)
        except psycopg.Error as error:
            raise _finished(_from_database(error)) from error
        except ApiError as error:
            error.sqlstate = _CODES.get(error.code, error.sqlstate)
            if error.code == "token_expired":
                error.message = "JWT expired"  # by this, programs know that it is time to refresh
            raise _finished(error) from None

    return refusing


def _from_database(error: psycopg.Error) -> ApiError:
    state, diagnosis = error.sqlstate or "", error.diag
    if state == "P0001":  # a plain `raise`: what it says is meant for the caller
        message = diagnosis.message_primary or "Refused."
        return ApiError(400, diagnosis.message_detail or "raised", message, diagnosis.message_hint, state)
    if state == "25006":
        message = "This call may only read: it is no POST, or the function is not declared volatile."
        return ApiError(405, "method_not_allowed", message, "Call it with POST.", state)
    refusal = from_database(error)
    if state and not state.startswith("PT") and refusal.status not in (401, 403):
        refusal.status = _STATUSES.get(state) or _STATUSES.get(state[:2], 400)
        if refusal.status != 503:
            refusal.headers.pop("Retry-After", None)
    return refusal


def _finished(error: ApiError) -> ApiError:
    """Add the headers by which clients know more: what is wrong with a token, and the code where HEAD has no body."""
    if error.status == 401:
        about = f' error="invalid_token", error_description="{error.message}"'
        error.headers["WWW-Authenticate"] = f"Bearer{about if error.sqlstate in ('PGRST301', 'PGRST303') else ''}"
    error.headers["Proxy-Status"] = f"PostgREST; error={error.sqlstate}"
    return error

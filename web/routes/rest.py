"""Functions under the addresses of Supabase, so that the `rpc` of its clients works against Baton."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from web.errors import ApiError
from web.openapi import operation
from web.rest.call import answer
from web.rest.problems import as_postgrest
from web.rest.request import body_arguments, query_arguments, read_wish
from web.schemas import AnyJson
from web.tokens import current_caller

blueprint = Blueprint("rest", __name__, url_prefix="/rest/v1")

_STATUSES = (200, 201, 204)  # a function may choose another
_ERRORS = (300, 405, 406, 500)


@blueprint.post("/rpc/<function>")
@as_postgrest
@operation("Supabase", AnyJson, status=_STATUSES, errors=_ERRORS)
def call_function(function: str) -> ResponseReturnValue:
    """Call any public function; the body is a JSON object of its arguments by name."""
    wish = read_wish()
    return answer(function, body_arguments(), wish)


@blueprint.get("/rpc/<function>")
@as_postgrest
@operation("Supabase", AnyJson, status=_STATUSES, errors=_ERRORS)
def read_function(function: str) -> ResponseReturnValue:
    """Call a public function that only reads; the query has its arguments by name."""
    wish = read_wish()
    return answer(function, query_arguments(), wish)


@blueprint.route("/", defaults={"path": ""}, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@blueprint.route("/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@as_postgrest
def refuse(path: str) -> ResponseReturnValue:
    """Say that there is nothing else here."""
    current_caller()
    hint = "Baton serves functions only: POST /rest/v1/rpc/<function>."
    folder, _, name = path.rpartition("/")
    if folder == "rpc" and name:
        message = f"Cannot use the {request.method} method on RPC"
        raise ApiError(405, "method_not_allowed", message, None, "PGRST101", {"Allow": "OPTIONS, GET, HEAD, POST"})
    if folder:
        raise ApiError(404, "route_not_found", "Invalid path specified in request URL", hint, "PGRST125")
    if not name:
        raise ApiError(404, "route_not_found", "Root endpoint metadata is disabled", hint, "PGRST126")
    message = f"Could not find the table 'public.{name}' in the schema cache"
    raise ApiError(404, "route_not_found", message, hint, "PGRST205")

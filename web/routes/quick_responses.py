"""Quick responses: answers kept ready under a shortcut."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import EMPTY, created, one, page
from web.schemas import QuickResponse, QuickResponses, SaveQuickResponse

blueprint = Blueprint("quick_responses", __name__, url_prefix="/api/quick-responses")


@blueprint.get("")
@operation("Operators", QuickResponses)
def list_quick_responses() -> ResponseReturnValue:
    """List everybody's quick responses and one's own, by shortcut."""
    return page(call("list_quick_responses"))


@blueprint.post("")
@operation("Operators", QuickResponse, status=201)
def add_quick_response(json: SaveQuickResponse) -> ResponseReturnValue:
    """Keep an answer ready for oneself or, as an admin, for everybody."""
    return created(call("save_quick_response", **json.arguments()))


@blueprint.put("/<uuid:response_id>")
@operation("Operators", QuickResponse)
def change_quick_response(response_id: UUID, json: SaveQuickResponse) -> ResponseReturnValue:
    """Change a quick response; what is left out of it is as in a new one."""
    return one(call("save_quick_response", p_id=response_id, **json.arguments()))


@blueprint.delete("/<uuid:response_id>")
@operation("Operators", status=204)
def delete_quick_response(response_id: UUID) -> ResponseReturnValue:
    """Delete a quick response of one's own or, as an admin, of everybody's."""
    call("delete_quick_response", p_id=response_id)
    return EMPTY

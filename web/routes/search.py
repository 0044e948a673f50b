"""Search in what the caller may see."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import page
from web.schemas import Found, Search

blueprint = Blueprint("search", __name__, url_prefix="/api")


@blueprint.get("/search")
@operation("Chats", Found)
def search(query: Search) -> ResponseReturnValue:
    """Find messages, chats, customers, tickets and notes by words and by how words begin."""
    return page(call("search", p_query=query.q, p_kind=query.kind, p_limit=query.limit))

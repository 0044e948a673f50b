"""An operator's lists, what he has begun to write, what he has put aside."""

from typing import Any
from uuid import UUID

import orjson
from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import EMPTY, one, page, value
from web.schemas import BoxList, Draft, Inbox, ListPage, SaveDraft, Snooze, SnoozeChat

blueprint = Blueprint("workspace", __name__, url_prefix="/api")


@blueprint.get("/operator/inbox")
@operation("Operators", Inbox)
def get_operator_inbox() -> ResponseReturnValue:
    """Return the operator's lists, what is next for him, the queue, and his numbers."""
    inbox: ResponseReturnValue = value(call("get_operator_inbox"))
    return inbox


@blueprint.get("/operator/boxes/<box>")
@operation("Operators", ListPage)
def list_box(box: str, query: BoxList) -> ResponseReturnValue:
    """List the chats in a box: held, waiting_customer, snoozed, queue, done, mentions, or, for admins, all."""
    one_more = {**query.arguments(), "p_limit": min(query.limit + 1, 500)}  # tells whether there is a next page
    rows: list[dict[str, Any]] = [row["list_box"] for row in call("list_box", p_box=box, **one_more)]
    shown = rows[: query.limit]
    has_more = len(rows) > query.limit or len(rows) == 500
    return page(shown, orjson.dumps(shown[-1]["cursor"]).decode() if has_more else None)


@blueprint.get("/chats/<uuid:chat_id>/draft")
@operation("Operators", Draft, status=(200, 204))
def get_draft(chat_id: UUID) -> ResponseReturnValue:
    """Return what the operator has begun to write in a chat; 204 when that is nothing."""
    drafts = call("get_draft", p_chat_id=chat_id)
    return drafts[0] if drafts else EMPTY


@blueprint.put("/chats/<uuid:chat_id>/draft")
@operation("Operators", status=204)
def save_draft(chat_id: UUID, json: SaveDraft) -> ResponseReturnValue:
    """Keep what the operator has begun to write; an empty text forgets it."""
    call("save_draft", p_chat_id=chat_id, **json.arguments())
    return EMPTY


@blueprint.post("/chats/<uuid:chat_id>/snooze")
@operation("Operators", Snooze, status=(200, 204))
def snooze_chat(chat_id: UUID, json: SnoozeChat) -> ResponseReturnValue:
    """Put a chat aside until then; with null take it up again (204)."""
    if json.until is None:
        call("unsnooze_chat", p_chat_id=chat_id)
        return EMPTY
    return one(call("snooze_chat", p_chat_id=chat_id, p_until=json.until))

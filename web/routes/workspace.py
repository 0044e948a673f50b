"""An operator's lists, what he has begun to write, what he has put aside."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.payload import dump
from web.replies import EMPTY, one, page_of, value, values
from web.schemas import BoxList, Draft, Inbox, ListPage, SaveDraft, Snooze, SnoozeChat

blueprint = Blueprint("workspace", __name__, url_prefix="/api")

MOST = 500  # rows that list_box returns


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
    asked = min(query.limit + 1, MOST)
    rows = values(call("list_box", p_box=box, **{**query.arguments(), "p_limit": asked}))
    return page_of(rows, query.limit, lambda row: dump(row["cursor"]).decode(), asked)


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

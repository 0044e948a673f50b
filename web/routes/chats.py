"""Chats, as their customer and the staff see them."""

from operator import itemgetter
from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import EMPTY, created, one, page, page_of, value
from web.schemas import (
    Chat,
    ChatList,
    ChatPage,
    ChatPanel,
    Customer,
    IntroduceMyself,
    Me,
    MessageList,
    MessagePage,
    QueuePosition,
    RateChat,
    Rating,
    ReadMark,
    Reason,
    StartChat,
)

blueprint = Blueprint("chats", __name__, url_prefix="/api")


@blueprint.get("/me")
@operation("Chats", Me)
def who_am_i() -> ResponseReturnValue:
    """Tell the caller who he is to the rules: his id and kind."""
    me: ResponseReturnValue = value(call("who_am_i"))
    return me


@blueprint.post("/me")
@operation("Chats", Customer)
def introduce_myself(json: IntroduceMyself) -> ResponseReturnValue:
    """Say who one is; what the host page has said stays."""
    return one(call("introduce_myself", **json.arguments()))


@blueprint.post("/chats")
@operation("Chats", Chat, status=(200, 201))
def start_chat(json: StartChat) -> ResponseReturnValue:
    """Start a chat with its first message; 200 when this message has started it before."""
    return created(call("start_chat", **json.arguments()))


@blueprint.get("/chats")
@operation("Chats", ChatPage)
def list_chats(query: ChatList) -> ResponseReturnValue:
    """List the chats that the caller may see, newest first."""
    asked = query.limit + 1
    rows = call("list_chats", **{**query.arguments(), "p_limit": asked})
    return page_of(rows, query.limit, itemgetter("id"), asked)


@blueprint.get("/chats/<uuid:chat_id>")
@operation("Chats", Chat)
def get_chat(chat_id: UUID) -> ResponseReturnValue:
    """Return one chat."""
    return one(call("get_chat", p_chat_id=chat_id))


@blueprint.get("/chats/<uuid:chat_id>/messages")
@operation("Messages", MessagePage)
def list_messages(chat_id: UUID, query: MessageList) -> ResponseReturnValue:
    """List messages of a chat in their order, from either side or around one of them."""
    rows = call("list_messages", p_chat_id=chat_id, **query.arguments())
    if not rows or query.around_seq is not None:
        return page(rows)
    if query.after_seq is not None:
        return page_of(rows, query.limit, itemgetter("seq"))
    return page(rows, rows[0]["seq"] if rows[0]["seq"] > 1 else None)


@blueprint.get("/chats/<uuid:chat_id>/queue-position")
@operation("Chats", QueuePosition)
def get_queue_position(chat_id: UUID) -> ResponseReturnValue:
    """Return a waiting chat's place in the queue and the expected wait."""
    return one(call("get_queue_position", p_chat_id=chat_id))


@blueprint.get("/chats/<uuid:chat_id>/panel")
@operation("Chats", ChatPanel)
def get_chat_panel(chat_id: UUID) -> ResponseReturnValue:
    """Return what stands beside a chat for its staff: the customer, what was before, from whom it came."""
    panel: ResponseReturnValue = value(call("get_chat_panel", p_chat_id=chat_id))
    return panel


@blueprint.post("/chats/<uuid:chat_id>/read")
@operation("Messages", status=204)
def mark_read(chat_id: UUID, json: ReadMark) -> ResponseReturnValue:
    """Remember how far the caller has read."""
    call("mark_read", p_chat_id=chat_id, **json.arguments())
    return EMPTY


@blueprint.get("/chats/<uuid:chat_id>/rating")
@operation("Chats", Rating, status=(200, 204))
def get_rating(chat_id: UUID) -> ResponseReturnValue:
    """Return what the customer thinks of the chat; 204 while he has not said it."""
    rows = call("get_rating", p_chat_id=chat_id)
    return rows[0] if rows else EMPTY


@blueprint.post("/chats/<uuid:chat_id>/rating")
@operation("Chats", Rating)
def rate_chat(chat_id: UUID, json: RateChat) -> ResponseReturnValue:
    """Rate a chat that was answered, as its customer; again replaces it."""
    return one(call("rate_chat", p_chat_id=chat_id, **json.arguments()))


@blueprint.post("/chats/<uuid:chat_id>/complete")
@operation("Chats", Chat)
def complete_chat(chat_id: UUID, json: Reason) -> ResponseReturnValue:
    """End a chat; it reopens when the customer writes again."""
    return one(call("complete_chat", p_chat_id=chat_id, **json.arguments()))

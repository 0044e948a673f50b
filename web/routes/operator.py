"""The operator's work: ask for a chat, answer it, hand it on."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import EMPTY, created, one
from web.schemas import (
    AskForChat,
    Chat,
    ChatRef,
    HandBack,
    Message,
    Operator,
    SetStatus,
    Transfer,
    WriteMessage,
)
from web.tokens import current_caller

blueprint = Blueprint("operator", __name__, url_prefix="/api/operator")


@blueprint.post("/assign")
@operation("Operators", Chat, status=(200, 204))
def assign_chat_to_operator(json: AskForChat) -> ResponseReturnValue:
    """Give the operator the next chat; 204 when nothing waits."""
    chats = call("assign_chat_to_operator", p_operator_id=json.operator_id or current_caller().id)
    return chats[0] if chats else EMPTY


@blueprint.post("/take")
@operation("Operators", Chat)
def take_chat(json: ChatRef) -> ResponseReturnValue:
    """Take a chosen waiting chat, where the setting `allow_take` is on."""
    return one(call("take_chat", **json.arguments()))


@blueprint.post("/messages")
@operation("Operators", Message, status=(200, 201))
def send_operator_message(json: WriteMessage) -> ResponseReturnValue:
    """Reply as the holder of the chat; 200 when the reply was there already."""
    return created(call(f"send_operator_{json.what}", **json.arguments()))


@blueprint.post("/activity")
@operation("Operators", status=204)
def record_operator_activity(json: ChatRef) -> ResponseReturnValue:
    """Tell that the holder is typing: he keeps the chat."""
    call("record_operator_activity", **json.arguments())
    return EMPTY


@blueprint.post("/unassign")
@operation("Operators", Chat)
def release_and_reassign_chat(json: HandBack) -> ResponseReturnValue:
    """Hand a chat back; it returns to its old place in the queue if the customer is owed a reply."""
    return one(call("release_and_reassign_chat", p_chat_id=json.chat_id, p_reason=json.reason))


@blueprint.post("/transfer")
@operation("Operators", Chat)
def transfer_chat(json: Transfer) -> ResponseReturnValue:
    """Pass a chat that one holds to another operator, in one step."""
    return one(call("transfer_chat", **json.arguments()))


@blueprint.post("/status")
@operation("Operators", Operator)
def set_operator_status(json: SetStatus) -> ResponseReturnValue:
    """Go online, away or offline."""
    return one(call("set_operator_status", **json.arguments()))

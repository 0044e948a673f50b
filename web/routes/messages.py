"""Messages that the customer writes, and everyone's own ones to edit and delete."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import created, one
from web.schemas import EditMessage, Message, WriteMessage

blueprint = Blueprint("messages", __name__, url_prefix="/api/messages")


@blueprint.post("")
@operation("Messages", Message, status=(200, 201))
def send_real_user_message(json: WriteMessage) -> ResponseReturnValue:
    """Write as the customer of the chat; 200 when the message was there already."""
    return created(call(f"send_real_user_{json.what}", **json.arguments()))


@blueprint.patch("/<uuid:message_id>")
@operation("Messages", Message)
def edit_message(message_id: UUID, json: EditMessage) -> ResponseReturnValue:
    """Change the text of one's own message."""
    return one(call("edit_message", p_message_id=message_id, **json.arguments()))


@blueprint.delete("/<uuid:message_id>")
@operation("Messages", Message)
def delete_message(message_id: UUID) -> ResponseReturnValue:
    """Delete one's own message; the row stays, without its text."""
    return one(call("delete_message", p_message_id=message_id))

"""Notes: what the staff say to each other about a chat, and whom they mention there."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import EMPTY, created, one, page
from web.schemas import EditNote, MentionList, Mentions, Note, NoteList, NotePage, WriteNote

blueprint = Blueprint("notes", __name__, url_prefix="/api")


@blueprint.get("/chats/<uuid:chat_id>/notes")
@operation("Notes", NotePage)
def list_notes(chat_id: UUID, query: NoteList) -> ResponseReturnValue:
    """List notes of a chat in their order, for its staff: the newest, or those before one of them."""
    rows = call("list_notes", p_chat_id=chat_id, p_before_id=query.before_id, p_limit=query.limit + 1)
    shown = rows[-query.limit :]
    return page(shown, shown[0]["id"] if len(rows) > query.limit else None)


@blueprint.post("/chats/<uuid:chat_id>/notes")
@operation("Notes", Note, status=(200, 201))
def add_note(chat_id: UUID, json: WriteNote) -> ResponseReturnValue:
    """Note something about a chat, for the staff alone; 200 when the note was there already."""
    return created(call("add_note", p_chat_id=chat_id, **json.arguments()))


@blueprint.patch("/notes/<uuid:note_id>")
@operation("Notes", Note)
def edit_note(note_id: UUID, json: EditNote) -> ResponseReturnValue:
    """Change one's own note."""
    return one(call("edit_note", p_note_id=note_id, **json.arguments()))


@blueprint.delete("/notes/<uuid:note_id>")
@operation("Notes", Note)
def delete_note(note_id: UUID) -> ResponseReturnValue:
    """Delete one's own note, as an admin anybody's; the row stays, without its text."""
    return one(call("delete_note", p_note_id=note_id))


@blueprint.get("/operator/mentions")
@operation("Notes", Mentions)
def list_mentions(query: MentionList) -> ResponseReturnValue:
    """List the notes that mention the caller, newest first; those that he has not read unless told otherwise."""
    return page(call("list_mentions", **query.arguments()))


@blueprint.post("/chats/<uuid:chat_id>/mentions/read")
@operation("Notes", status=204)
def read_mentions(chat_id: UUID) -> ResponseReturnValue:
    """Remember that the caller has read where a chat's notes mention him."""
    call("read_mentions", p_chat_id=chat_id)
    return EMPTY

"""What is kept about a person: to have, and to erase. The functions decide who may ask for whom."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import database, invoke
from web.openapi import operation
from web.replies import value
from web.schemas import Erased, Export
from web.tokens import current_caller

blueprint = Blueprint("privacy", __name__, url_prefix="/api")

TIMEOUT_MS = 60_000  # some have written a great deal


@blueprint.get("/me/export")
@operation("Privacy", Export)
def export_my_data() -> ResponseReturnValue:
    """Return everything that is kept about the caller."""
    return _answer("export_user_data", None)


@blueprint.delete("/me")
@operation("Privacy", Erased)
def erase_my_data() -> ResponseReturnValue:
    """Erase the caller for good: his chats, his sessions, his account."""
    return _answer("erase_user_data", None)


@blueprint.get("/admin/users/<uuid:user_id>/export")
@operation("Privacy", Export)
def export_user_data(user_id: UUID) -> ResponseReturnValue:
    """Return, for an admin, everything that is kept about a person, as that person would get it."""
    return _answer("export_user_data", user_id)


@blueprint.delete("/admin/users/<uuid:user_id>")
@operation("Privacy", Erased)
def erase_user_data(user_id: UUID) -> ResponseReturnValue:
    """Erase a person for good; of an operator who is deactivated the account and the name."""
    return _answer("erase_user_data", user_id)


def _answer(function: str, user_id: UUID | None) -> ResponseReturnValue:
    rows = database().run(
        current_caller(),
        lambda connection: invoke(connection, "public", function, p_user_id=user_id),
        TIMEOUT_MS,
    )
    answer: ResponseReturnValue = value(rows)
    return answer

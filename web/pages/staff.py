"""The screens of the staff: what is in them is fetched by their scripts, as whoever signs in."""

from http import HTTPStatus

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from web.html import page

blueprint = Blueprint("staff", __name__)

# The pages of the console, as templates/console/shell.html leads to them.
_CONSOLE = frozenset(
    {
        *("", "chats", "numbers", "tickets", "operators", "personas", "quick-responses"),
        *("widget", "settings", "stuck", "audit", "export"),
    }
)


@blueprint.get("/operator")
@blueprint.get("/operator/<path:place>")
def show_workspace(place: str = "") -> ResponseReturnValue:
    """Show the operator's workspace; the chat that is open in it is part of the address."""
    return page("operator.html")


@blueprint.get("/admin")
@blueprint.get("/admin/<path:place>")
def show_console(place: str = "") -> ResponseReturnValue:
    """Show the admin's console: one of its pages."""
    if place not in _CONSOLE:
        abort(HTTPStatus.NOT_FOUND)
    return page("admin.html")


@blueprint.get("/setup")
def show_setup() -> ResponseReturnValue:
    """Show the form that makes the first admin; once there is one, the way to the screens."""
    return page("door.html", door="setup")


@blueprint.get("/join")
def show_invitation() -> ResponseReturnValue:
    """Show the form with which an invitation is accepted; its token stands behind the #, where only scripts see it."""
    return page("door.html", door="join")

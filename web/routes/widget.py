"""What the widget asks before anybody has signed in."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import database
from web.openapi import operation
from web.replies import value
from web.schemas import PublicWidget
from web.tokens import NOBODY

blueprint = Blueprint("widget", __name__, url_prefix="/api/widget")


@blueprint.get("/settings")
@operation("Widget", PublicWidget, is_public=True)
def get_widget_settings() -> ResponseReturnValue:
    """Return how the widget looks and behaves, and whether anybody is there; the same for everybody."""
    return value(database().call(NOBODY, "get_widget_settings", {})), {"Cache-Control": "public, max-age=5"}

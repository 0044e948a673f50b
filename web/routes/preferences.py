"""How an operator has his screen."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import one
from web.schemas import PreferenceChanges, Preferences

blueprint = Blueprint("preferences", __name__, url_prefix="/api/operator/preferences")


@blueprint.get("")
@operation("Operators", Preferences)
def get_preferences() -> ResponseReturnValue:
    """Return how the caller has his screen."""
    return one(call("get_preferences"))


@blueprint.patch("")
@operation("Operators", Preferences)
def set_preferences(json: PreferenceChanges) -> ResponseReturnValue:
    """Change some of it: all that is given, or nothing where one is no preference or no value of it."""
    return one(call("set_preferences", p_changes=json.root))

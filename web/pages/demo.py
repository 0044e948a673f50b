"""The demo seen from all sides: the shop, two desks, and what happens in the database between them.

It exists with BATON_DEMO only. Its desks sign in by codes that are good once, as operators whose password everybody
knows; so they can be framed, by pages of our own, where other screens of the staff never are.
"""

from datetime import UTC, datetime
from uuid import uuid4

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature, URLSafeTimedSerializer

from web.auth import accounts
from web.config import Config
from web.db import database
from web.demo_crowd import take_turn
from web.demo_data import PASSWORD
from web.errors import ApiError
from web.html import page
from web.limits import limiter
from web.openapi import operation
from web.pages.shop import other_site
from web.replies import EMPTY
from web.schemas import DemoMessage, DemoScript, DemoSeats, Message
from web.security import refuse_other_sites
from web.tokens import AUDIENCE, SERVICE, Caller, as_json

blueprint = Blueprint("demo", __name__, url_prefix="/demo")

_SEATS = ("ana", "ben", "ada")  # two operators, and an admin who sees both
_SCRIPT_SECONDS = 3600  # how long a page that was given its seats may make the customer speak


def _scripts() -> URLSafeTimedSerializer:
    """Return what signs that a page was given its seats: where these accounts' password is not known, none is."""
    config: Config = current_app.extensions["baton_config"]
    return URLSafeTimedSerializer(config.jwt_secret, salt="baton demo")


@blueprint.before_request
def _exist_in_demos_only() -> None:
    config: Config = current_app.extensions["baton_config"]
    if not config.demo:
        raise ApiError(404, "route_not_found", "There is nothing at this address.", "See /docs for what there is.")


@blueprint.get("")
def show_demo() -> ResponseReturnValue:
    """Show all sides on one page."""
    shop = other_site()
    return page("demo.html", frames=f"'self' {shop}", shop=shop)


@blueprint.get("/desk")
def show_desk() -> ResponseReturnValue:
    """Show the workspace of whoever the page around it has a code for."""
    return page("desk.html", framed_by="'self'")


@blueprint.post("/seats")
@limiter.limit("30/minute")
@operation("Pages", DemoSeats, is_public=True)
def give_seats() -> ResponseReturnValue:
    """Give a code for each seat: a refresh token, good once, for POST /auth/v1/token?grant_type=refresh_token."""
    refuse_other_sites()
    codes = {name: accounts().sign_in(f"{name}@baton.example", PASSWORD).refresh_token for name in _SEATS}
    return {"seats": codes, "script": _scripts().dumps("say")}


@blueprint.post("/say")
@limiter.limit("60/minute")
@operation("Pages", Message, status=201, is_public=True)
def say(json: DemoMessage) -> ResponseReturnValue:
    """Write in a chat as its customer, while the page that shows it pulls the plug on everybody else."""
    _require_script(json.script)
    chat = database().call(SERVICE, "get_chat", {"p_chat_id": json.chat_id})[0]
    claims = {"role": AUDIENCE, "sub": str(chat["real_user_id"])}
    customer = Caller(AUDIENCE, as_json(claims), chat["real_user_id"])
    arguments = {"p_chat_id": json.chat_id, "p_content": json.content, "p_client_message_id": uuid4()}
    return database().call(customer, "send_real_user_message", arguments)[0], 201


@blueprint.post("/crowd")
@limiter.limit("120/minute")
@operation("Pages", status=204, is_public=True)
def move_crowd(json: DemoScript) -> ResponseReturnValue:
    """Let the scripted customers go on for a moment; a page asks for it as long as somebody looks at it."""
    _require_script(json.script)
    take_turn(database(), datetime.now(UTC))
    return EMPTY


def _require_script(script: str) -> None:
    """Refuse whoever was given no seats, or long ago."""
    refuse_other_sites()
    try:
        _scripts().loads(script, max_age=_SCRIPT_SECONDS)
    except BadSignature:
        raise ApiError(403, "not_allowed", "This page has no seats any more.", "Load it again.") from None

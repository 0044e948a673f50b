"""The demo's front: a small shop with the widget in it. Where there is no demo, the way to the real screens.

The shop is another site than Baton, as it would be: this machine has two names, localhost and 127.0.0.1, and to a
browser they have nothing in common. Its policy names nothing of Baton but its address.
"""

from urllib.parse import urlsplit

from flask import Blueprint, current_app, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from web.config import Config
from web.db import database
from web.replies import value
from web.tokens import SERVICE

blueprint = Blueprint("shop", __name__)

_OTHER_NAMES = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}


@blueprint.get("/")
def show_front() -> ResponseReturnValue:
    """Show the demo's shop; without the demo go to the workspace, or to where the first admin is made."""
    config: Config = current_app.extensions["baton_config"]
    if not config.demo:
        return redirect("/setup" if value(database().call(SERVICE, "is_new", {})) else "/operator")
    baton = other_site()
    response = make_response(render_template("shop.html", baton=baton, is_framed="try" in request.args))
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; script-src {baton};"
        f" frame-src {baton}; base-uri 'none'; form-action 'none'; frame-ancestors {baton}"
    )
    return response


def other_site() -> str:
    """Return this server's origin under the other of its names; in a network, under the one it was asked by."""
    parts = urlsplit(request.host_url)
    name = _OTHER_NAMES.get(parts.hostname or "", parts.hostname)
    return f"{parts.scheme}://{name}{f':{parts.port}' if parts.port else ''}"

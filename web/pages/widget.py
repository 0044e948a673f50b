"""The widget: the frame that its launcher, /widget.js, puts into the pages of others."""

from collections.abc import Mapping, Sequence

from babel import negotiate_locale
from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from web.config import Config
from web.db import database
from web.html import page
from web.languages import LANGUAGES, current_language, use_language
from web.pages.shop import other_site
from web.replies import value
from web.tokens import NOBODY

blueprint = Blueprint("widget_frame", __name__)


@blueprint.get("/widget")
def show_widget() -> ResponseReturnValue:
    """Show the widget, to be framed by the sites in BATON_ALLOWED_ORIGINS and by pages of our own.

    It brings its settings along, and is in one of its languages: the host page's (`?language=`), or the browser's.
    """
    config: Config = current_app.extensions["baton_config"]
    settings = value(database().call(NOBODY, "get_widget_settings", {}))
    use_language(_language(settings["languages"]))
    embedders = ["'self'", *config.allowed_origins, *([other_site()] if config.demo else [])]
    texts = {name: _text(settings[name], settings["languages"]) for name in ("greeting", "offline_message")}
    return page("widget.html", framed_by=" ".join(embedders), settings=settings, texts=texts)


def _language(offered: Sequence[str]) -> str:
    """Return the language that suits the visitor best, out of those that the widget and we have."""
    known = [code for code in (each.partition("-")[0] for each in offered) if code in LANGUAGES] or list(LANGUAGES)
    asked = request.args.get("language", "").partition("-")[0].lower()
    preferred = [asked, *request.accept_languages.values()]
    return negotiate_locale(preferred, known, sep="-") or known[0]


def _text(texts: Mapping[str, str], offered: Sequence[str]) -> str:
    """Return a text of the admin's in the page's language, as far as there is one: else in the widget's first."""
    wanted = current_language().code
    fitting = [code for code in texts if code.partition("-")[0] == wanted]
    return texts.get(wanted) or next((texts[code] for code in [*fitting, *offered, *texts] if code in texts), "")

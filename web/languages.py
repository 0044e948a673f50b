"""The languages of the screens: which one a person reads, and the sentences of the scripts in it.

Sentences stand in English where they are used, in templates and in JavaScript; web/translations has them in other
languages (`make translations` collects them). Templates are translated by Flask-Babel. A page brings the sentences
of its own scripts along as JSON, so that no script waits for another file.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, g, request
from flask_babel import Babel, get_locale
from markupsafe import Markup

from web.build import build
from web.config import Config

TRANSLATIONS = Path(__file__).parent / "translations"
COOKIE = "baton_language"


@dataclass(frozen=True)
class Language:
    """A language of the screens; `code` is its BCP 47 tag."""

    code: str
    name: str  # in itself
    direction: str  # ltr or rtl


LANGUAGES = {each.code: each for each in (Language("en", "English", "ltr"), Language("ar", "العربية", "rtl"))}


def init_app(app: Flask, config: Config) -> None:
    """Translate what templates say, each page in the language of its reader."""
    catalogues = {path.parent.parent.name: path for path in TRANSLATIONS.glob("*/LC_MESSAGES/messages.po")}

    def make(folder: Path) -> None:
        for code, path in catalogues.items():
            target = folder / code / "LC_MESSAGES"
            target.mkdir(parents=True)
            with path.open("rb") as source, (target / "messages.mo").open("wb") as compiled:
                write_mo(compiled, read_po(source, code))

    folder = build(config, "translations", catalogues.values(), make)
    Babel(app, default_translation_directories=str(folder), locale_selector=lambda: current_language().code)
    app.jinja_env.globals.update(
        current_language=current_language, languages=LANGUAGES.values(), script_sentences=script_sentences
    )


def current_language() -> Language:
    """Return the language of the page that is being made.

    It is the one the page was asked for in (`?language=`), the one that its reader has chosen, or the best of those
    that his browser asks for.
    """
    if "language" not in g:
        asked = (request.args.get("language"), request.cookies.get(COOKIE))
        accepted = negotiate_locale(list(request.accept_languages.values()), LANGUAGES, sep="-") or "en"
        g.language = next((LANGUAGES[each] for each in asked if each in LANGUAGES), LANGUAGES[accepted])
    language: Language = g.language
    return language


def use_language(code: str | None) -> None:
    """Make the page that is being made in this language, where it is one of ours."""
    if code in LANGUAGES:
        g.language = LANGUAGES[code]


def script_sentences(*folders: str) -> Markup:
    """Return the sentences that scripts in these folders of static/js say, in the page's language, as JSON.

    A sentence that depends on a number is a list of its forms, in the order zero, one, two, few, many, other, as far
    as the language has them. English needs none: its sentences stand in the scripts.
    """
    locale: Locale | None = get_locale()
    sentences = _sentences(str(locale), folders) if locale else {}
    # In a script element nothing but `</script` and `<!--` means anything.
    return Markup(orjson.dumps(sentences).decode().replace("<", "\\u003c"))  # noqa: S704


def _is_said_by(folders: tuple[str, ...], place: str) -> bool:
    if place in ("sql/functions/errors.sql", "web/errors.py"):  # whoever asks the server may hear these
        return True
    if place.startswith("sql/functions/"):  # the audit log's
        return "console" in folders
    return any(f"static/js/{folder}/" in place for folder in folders)


@cache
def _sentences(code: str, folders: tuple[str, ...]) -> dict[str, Any]:
    path = TRANSLATIONS / code / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return {}
    with path.open("rb") as source:
        catalogue = read_po(source, code)
    found: dict[str, Any] = {}
    for message in catalogue:
        if not any(_is_said_by(folders, place) for place, _ in message.locations):
            continue
        if isinstance(message.id, tuple | list):
            found[message.id[0]] = list(message.string or ())
        elif message.id:
            found[message.id] = message.string
    return found

"""Pieces of pages that both sides fill in: Jinja here, with data, and js/core/render.js in the browser, in clones.

A macro is written once. Called with data it renders that; called with `SLOT`, inside a `<template>`, it renders the
empty piece, whose attributes say where data belongs:

    {% macro operator(o) %}
    <li {{ bind(o, attr="data-status:status") }}><bdi {{ bind(o, text="name") }}>{{ o.name }}</bdi></li>
    {% endmacro %}

`text="name"` is written as `data-text="name"`: the content is what `name` is. `attr="href:url title:name"` gives the
attributes those values: none for null and false, an empty one for true. `show="unread"` hides the piece unless that is
something (`show="!unread"`: if it is). `rich="content"` is text in which http(s) addresses become links: the filter
`rich` makes the content. A name may lead into objects: `persona.name`.
"""

import re
from collections.abc import Mapping
from typing import Any

from flask import Flask, request
from lucide.jinja import lucide
from markupsafe import Markup, escape

from web.config import Config

THEME_COOKIE = "baton_theme"  # written by js/parts/theme.js when somebody prefers one to what his system says
_THEMES = frozenset({"light", "dark"})
# Icons that point along the line, and so the other way from right to left.
_DIRECTED = frozenset({"arrow-left", "arrow-up-right", "log-out", "send", "send-horizontal", "undo-2"})

# The same as in js/core/render.js: an address ends before what is more likely the sentence's than its own.
_ADDRESS = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}»”’…]")  # noqa: RUF001
_LINK = Markup('<a href="{0}" target="_blank" rel="noopener noreferrer nofollow ugc">{0}</a>')


class Slot:
    """Data that is not there yet: everything in it is empty."""

    def __getattr__(self, name: str) -> "Slot":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    __getitem__ = __getattr__

    def __str__(self) -> str:
        return ""

    def __html__(self) -> str:
        return ""

    def __bool__(self) -> bool:
        return False


SLOT = Slot()


def init_app(app: Flask, config: Config) -> None:
    """Give templates `bind`, `SLOT`, the filter `rich`, `icon` and `theme`."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = lambda value: "" if value is None else value
    app.jinja_env.globals.update(bind=bind, SLOT=SLOT, icon=icon, theme=theme)
    app.jinja_env.filters["rich"] = rich


def bind(data: Any, *, text: str = "", rich: str = "", attr: str = "", show: str = "") -> Markup:
    """Return the attributes of an element that is filled from `data`, and those that `data` gives it."""
    written: list[tuple[str, str]] = []
    for name, value in (("data-text", text), ("data-rich", rich), ("data-attr", attr), ("data-show", show)):
        if value:
            written.append((name, value))
    if not isinstance(data, Slot):
        for pair in attr.split():
            name, _, path = pair.partition(":")
            value = _look_up(data, path)
            if value is not None and value is not False:
                written.append((name, "" if value is True else str(value)))
        if show and bool(_look_up(data, show.removeprefix("!"))) == show.startswith("!"):
            written.append(("hidden", ""))
    return Markup(" ").join(Markup('{}="{}"').format(Markup(name), value) for name, value in written)  # noqa: S704


def rich(text: object) -> Markup:
    """Return text as HTML in which http(s) addresses are links."""
    if text is None or isinstance(text, Slot):
        return Markup("")
    parts: list[Markup] = []
    end = 0
    for match in _ADDRESS.finditer(str(text)):
        parts += [escape(str(text)[end : match.start()]), _LINK.format(match.group())]
        end = match.end()
    return Markup("").join([*parts, escape(str(text)[end:])])


def icon(name: str, size: int = 18) -> Markup:
    """Return an icon of Lucide; what it means is said beside it, so it is hidden from screen readers."""
    direction = {"class": "flip"} if name in _DIRECTED else {}
    return Markup(  # noqa: S704
        lucide(name, size=size, aria_hidden="true", focusable="false", stroke_width="1.75", **direction)
    )


def theme() -> str:
    """Return the theme that the page's reader has chosen: light, dark, or "" for his system's."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in _THEMES else ""


def _look_up(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, Mapping) else getattr(data, name, None)
    return data

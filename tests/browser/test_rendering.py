"""The server and the browser make the same nodes out of a template and data, and never anything else."""

import json
from typing import Any

import pytest
from flask import Flask, render_template_string
from playwright.sync_api import Browser, Page, Route

from web import create_app
from web.config import Config

# Texts that would run, or break out, wherever they were taken for HTML.
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea></template></script><b>out</b>",
    "javascript:alert(1)",
    'https://example.com/?a=1&b=<i>"quoted"</i>',
    "http://example.com/javascript:alert(1)//%0Aalert(1)",
    "{{ 7 * 7 }} {% raw %} ${7*7} <!-- ]]> \u202e evil \u2028 line",
    "data:text/html,<script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)
PLAIN = (
    "",
    "Hello",
    "Two\nlines,  and spaces",
    "See https://example.com/a(b), or http://127.0.0.1:8000/x?y=z#q. Not ftp://example.com; nor example.com!",
    "https://example.com/ä/ü?q=أهلا) and «https://example.com/»",
    "https:// http://. x",
    "مرحبا 👩‍💻 https://example.com",
)

MESSAGE = {
    "side": "mine",
    "sender_type": "operator",
    "state": "read",
    "is_first": True,
    "seq": 7,
    "is_deleted": False,
    "time": "14:05",
    "at": "2026-11-21T14:05:00+00:00",
    "author": "Ana",
    "content": "Hello",
    "state_text": "",
    "is_failed": False,
    "has_actions": True,
    "actions_label": "Actions",
}
NOTE = {
    "note_id": "1",
    "time": "14:05",
    "at": "2026-11-21T14:05:00+00:00",
    "author": "Ana",
    "content": "Hello",
    "state_text": "",
    "has_actions": False,
    "actions_label": None,
}
ATTACHMENT = {
    "kind": "file",
    "is_image": False,
    "name": "a.pdf",
    "size_text": "2 kB",
    "url": None,
    "download_name": None,
}

# Of each piece: its macro, its data, and which of that people write.
PIECES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "message": ("parts/thread.html", MESSAGE, ("author", "content", "state_text")),
    "note": ("parts/thread.html", NOTE, ("author", "content")),
    "notice": ("parts/thread.html", {"text": "", "time": "14:05", "at": "2026-11-21T14:05:00+00:00"}, ("text",)),
    "divider": ("parts/thread.html", {"divider": "day", "text": ""}, ("text",)),
    "attachment": ("parts/thread.html", ATTACHMENT, ("name",)),
}

PAGE = """
<!doctype html><meta charset="utf-8"><title>quiet</title>
{% from file import PIECE with context %}
<template id="PIECE">{{ PIECE(SLOT) }}</template>
<ol id="made">{% for data in all %}{{ PIECE(data) }}{% endfor %}</ol>
"""
POLICY = "default-src 'none'; script-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"


CONFIG = Config(jwt_secret="of a test that signs nothing, but long enough")


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browser.new_page(base_url="http://baton.invalid")


def show(page: Page, app: Flask, html: str) -> None:
    """Show a page that may load our scripts."""

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix("http://baton.invalid/")
        if path == "page":
            route.fulfill(body=html, content_type="text/html", headers={"Content-Security-Policy": POLICY})
        else:
            answer = app.test_client().get(f"/{path}")
            route.fulfill(body=answer.data, content_type=answer.mimetype, status=answer.status_code)

    page.unroute_all()
    page.route("**/*", serve)
    page.goto("http://baton.invalid/page")


@pytest.mark.parametrize("piece", PIECES)
def test_both_sides_make_the_same_nodes(page: Page, piece: str) -> None:
    file, data, written = PIECES[piece]
    texts = [*PLAIN, *HOSTILE]
    variants = [data | dict.fromkeys(written, text) for text in texts]
    variants += [data | {name: not value} for name, value in data.items() if isinstance(value, bool)]
    variants += [data | {name: None} for name in data]
    app = create_app(CONFIG)
    with app.test_request_context("/"):
        html = render_template_string(PAGE.replace("PIECE", piece), file=file, all=variants)
    show(page, app, html)
    different: list[str] = page.evaluate(
        """async ([name, all]) => {
          const { fill, make } = await import("/static/js/core/render.js");
          const reused = make(name, all[0]);
          const made = [...document.getElementById("made").children];
          return all.flatMap((data, place) => {
            fill(reused, data); // also when it was something else before
            const mine = [make(name, data), reused];
            const outer = mine.filter((each) => !each.isEqualNode(made[place])).map((each) => each.outerHTML);
            return outer.length ? [made[place].outerHTML, ...outer] : [];
          });
        }""",
        [piece, json.loads(json.dumps(variants))],
    )
    assert different == [], "\n\n".join(different)
    assert page.title() == "quiet"
    links = page.evaluate("[...document.querySelectorAll('#made a[href]')].map((each) => each.protocol)")
    assert set(links) <= {"http:", "https:"}
    assert page.evaluate("document.querySelectorAll('#made :is(script, img[src=x], b, i)').length") == 0


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ("abcdef", "abcdef", ""),
        ("abcdef", "bcdefa", "a"),
        ("abcdef", "bcdaef", "a"),
        ("abcdef", "fabcde", "f"),
        ("abcdef", "bacdef", "b"),
        ("abcdef", "bcefad", "ad"),
        ("abcdef", "acxef", "x"),
        ("abcdef", "cxbay", "bcxy"),
    ],
)
def test_what_has_moved_is_moved_and_nothing_else(page: Page, before: str, after: str, moved: str) -> None:
    """Each move costs time; and what is moved loses the focus, so what has it stays, if it can."""
    show(page, create_app(CONFIG), "<title>A list</title>")
    found = page.evaluate(
        """async ([before, after]) => {
          const { reconcile } = await import("/static/js/core/render.js");
          const list = document.createElement("ul");
          document.body.append(list);
          const tell = { key: (name) => name, make: (name) => {
            const item = document.createElement("li");
            item.tabIndex = 0;
            item.textContent = name;
            return item;
          } };
          reconcile(list, [...before], tell);
          const items = new Map([...list.children].map((item) => [item.textContent, item]));
          const observer = new MutationObserver(() => {});
          observer.observe(list, { childList: true });
          reconcile(list, [...after], tell);
          const added = observer.takeRecords().flatMap((record) => [...record.addedNodes]);
          const isSame = [...list.children].every((item) => (items.get(item.textContent) ?? item) === item);
          list.replaceChildren();
          reconcile(list, [...before], tell);
          list.firstElementChild.focus();
          reconcile(list, [...after], tell);
          const focused = document.activeElement.textContent;
          const order = [...list.children].map((item) => item.textContent).join("");
          list.remove();
          return { added: added.map((item) => item.textContent).sort().join(""), isSame, order, focused };
        }""",
        [before, after],
    )
    assert found["order"] == after
    assert found["isSame"]
    assert found["added"] == moved
    assert found["focused"] == before[0]

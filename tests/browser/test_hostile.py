"""Texts that would run, wherever they were taken for anything but text, in every field that is ever shown."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.furniture import Furniture, furnish
from tests.browser.house import House
from tests.browser.rooms import Rooms, furnished_rooms
from tests.browser.screens import SCREENS, Screen, rounds, visit
from tests.browser.test_rendering import HOSTILE
from tests.conftest import Servers

HOSTILE_TEXT = (
    "'\"></textarea></template></script><script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>"
)
# What of a page only such a text could have made.
STRANGE = """[...document.querySelectorAll("*")].filter((each) =>
  each.matches("script:not([src], [type='application/json']), img[src='x'], svg[onload]")
  || each.matches("a[href^='javascript:' i], a[href^='data:' i]")
  || [...each.attributes].some(({ name }) => /^on|['"<>]/.test(name))).map((each) => each.outerHTML)"""


def hostile(text: str) -> str:
    """Say it so that it would run, wherever it were taken for HTML, for a script, or for an address."""
    return text + HOSTILE_TEXT


def bring(house: House, people: dict[str, str]) -> Furniture:
    """Bring such texts in wherever somebody can write one."""
    there = furnish(house, people, hostile)
    for name, person_id in people.items():
        there.calls(there.ada, "PATCH", f"/api/admin/operators/{person_id}", {"name": hostile(name)})
    for text in HOSTILE:
        there.writes(there.customers["Kim Novák"], there.mine, text)
    persona = there.posts(there.ada, "/api/admin/personas", name=hostile("Juno"), avatar_url=None)["id"]
    settings = {
        "title": "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "fictional_user_id": persona,
        "is_open_always": True,
        "pre_chat": [],
        **{name: {"en": hostile(name)} for name in ("greeting", "offline_message")},
    }
    there.calls(there.ada, "PATCH", "/api/admin/widget-settings", settings)
    return there


@pytest.fixture(scope="module")
def rooms(servers: Servers, browser: Browser) -> Iterator[Rooms]:
    with furnished_rooms(servers, browser, bring) as rooms:
        yield rooms


WITH_TEXTS = [screen for screen in SCREENS if screen.has_texts and screen.language == "en"]


@pytest.mark.parametrize("screens", rounds(WITH_TEXTS), ids=lambda screens: f"{screens[0].who}-{screens[0].name}")
def test_no_text_runs_on_a_screen(rooms: Rooms, screens: list[Screen]) -> None:
    page = rooms.page(screens[0].who)
    for screen in visit(page, rooms.furniture, screens):
        assert page.evaluate(STRANGE) == [], screen.name
    assert rooms.house.problems == []


def test_no_text_runs_in_the_widget(rooms: Rooms) -> None:
    kim = rooms.house.visitor()
    expect(kim.find(".chat-who h1")).to_contain_text("<script>")
    kim.writes("Hello" + HOSTILE_TEXT)
    assert kim.frame.evaluate(STRANGE) == []
    assert (kim.problems, rooms.house.problems) == ([], [])

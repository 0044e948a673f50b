"""All screens, in their states, in light and in dark: everybody can use them."""

from collections.abc import Iterator, Mapping
from functools import cache

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.browser.furniture import NOW, furnish
from tests.browser.house import House
from tests.browser.screens import SCREENS, Screen
from tests.browser.test_rendering import HOSTILE
from tests.live.world import World
from tests.servers import ROOT

# Colours are another matter in the dark; all else was looked at in the light.
LIGHT = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
DARK = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}

HOSTILE_TEXT = (
    "'\"></textarea></template></script><script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>"
)
# What of a page only such a text could have made.
STRANGE = """[...document.querySelectorAll("*")].filter((each) =>
  each.matches("script:not([src], [type='application/json']), img[src='x'], svg[onload]")
  || each.matches("a[href^='javascript:' i], a[href^='data:' i]")
  || [...each.attributes].some(({ name }) => /^on|['"<>]/.test(name))).map((each) => each.outerHTML)"""


@cache
def axe() -> str:
    """The script that looks a page over."""
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text()


def violations(page: Page | Frame, options: Mapping[str, object]) -> list[str]:
    """Return what axe finds wrong with a page: the rules, each with the elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe())
    found: list[str] = page.evaluate(
        """async (options) => (await axe.run(document, { ...options, resultTypes: ["violations"], elementRef: false }))
          .violations.map(({ id, nodes }) => `${id}: ` + nodes.map(({ target, any, all, none }) =>
            `${target.join(" ")} (${[...any, ...all, ...none].map(({ message }) => message).join("; ")})`
          ).join(", "))""",
        options,
    )
    return found


class Rooms:
    """The furnished house, and a page for everybody who looks at it."""

    def __init__(self, house: House) -> None:
        self.house = house
        people = {}
        for name, role, capacity in (("Ana", "operator", 3), ("Ben", "operator", 2), ("Ada", "admin", 1)):
            house.hires(name, role, capacity)
            people[name.lower()] = str(house.world.value("select id::text from operators where name = %s", name))
        self.furniture = furnish(house, people)
        self._pages: dict[str, Page] = {}

    def page(self, who: str) -> Page:
        """Return the page of somebody, signed in."""
        if who not in self._pages:
            look = {"locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce", "color_scheme": "light"}
            context = self.house.context(viewport={"width": 1440, "height": 900}, **look)
            if who != "nobody":
                self.house.signs_in(context, f"{who}@baton.example")
            self._pages[who] = context.new_page()
            self._pages[who].clock.set_fixed_time(NOW)
        return self._pages[who]


@pytest.fixture(scope="module")
def rooms(world: World, browser: Browser) -> Iterator[Rooms]:
    house = House(world, browser)
    yield Rooms(house)
    house.leave()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_everybody_can_use_it(rooms: Rooms, screen: Screen) -> None:
    page = rooms.page(screen.who)
    screen.show(page, rooms.furniture)
    found = [f"light: {each}" for each in violations(page, LIGHT)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {each}" for each in violations(page, DARK)]
    page.emulate_media(color_scheme="light")
    assert found == []
    assert rooms.house.problems == []


def hostile(text: str) -> str:
    """Say it so that it would run, wherever it were taken for HTML, for a script, or for an address."""
    return text + HOSTILE_TEXT


def test_nothing_that_people_write_runs_anywhere(rooms: Rooms) -> None:
    house, ada = rooms.house, rooms.furniture.ada
    people = {name: getattr(rooms.furniture, name) for name in ("ana", "ben", "ada")}
    house.world.rows("update operators set capacity = 100 where true")
    house.world.rows("delete from quick_responses where true")
    house.world.rows("delete from private.operator_invitations where true")
    there = furnish(house, people, hostile)
    for name, person_id in people.items():
        there.calls(ada, "PATCH", f"/api/admin/operators/{person_id}", {"name": hostile(name)})
    customer = there.customers["Kim Novák"]
    for text in HOSTILE:
        there.writes(customer, there.mine, text)
    persona = there.posts(ada, "/api/admin/personas", name=hostile("Juno"), avatar_url=None)["id"]
    texts = {name: {"en": hostile(name)} for name in ("greeting", "offline_message")}
    there.calls(
        ada,
        "PATCH",
        "/api/admin/widget-settings",
        {"title": "<script>alert(1)</script><img src=x onerror=alert(1)>", "fictional_user_id": persona, **texts},
    )

    for screen in SCREENS:
        page = rooms.page(screen.who)
        screen.show(page, there)
        strange = page.evaluate(STRANGE)
        assert strange == [], screen.name
    kim = house.visitor()
    expect(kim.find(".chat-who h1")).to_contain_text("<script>")
    kim.writes("Hello" + HOSTILE_TEXT)
    assert kim.frame.evaluate(STRANGE) == []
    assert (kim.problems, house.problems) == ([], [])

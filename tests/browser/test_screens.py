"""All screens, in their states, in light and in dark: everybody can use them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cache

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect

from tests.browser.conftest import running_world
from tests.browser.corner import WALKS, Corner, Walk
from tests.browser.forms import FORMS, Form
from tests.browser.furniture import NOW, furnish
from tests.browser.house import House
from tests.browser.screens import ARABIC, SCREENS, Screen
from tests.browser.test_rendering import HOSTILE
from tests.servers import ROOT

# Colours are another matter in the dark; all else was looked at in the light.
LIGHT = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
DARK = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
NAMES = {"runOnly": {"type": "tag", "values": ["cat.name-role-value", "cat.forms", "cat.text-alternatives"]}}

HOSTILE_TEXT = (
    "'\"></textarea></template></script><script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>"
)
# What of a page only such a text could have made.
STRANGE = """[...document.querySelectorAll("*")].filter((each) =>
  each.matches("script:not([src], [type='application/json']), img[src='x'], svg[onload]")
  || each.matches("a[href^='javascript:' i], a[href^='data:' i]")
  || [...each.attributes].some(({ name }) => /^on|['"<>]/.test(name))).map((each) => each.outerHTML)"""
# The launcher's root is closed to the page that it is in; here we look into it.
OPEN_SHADOWS = """{
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (init) { return attach.call(this, { ...init, mode: "open" }); };
}"""


@cache
def axe() -> str:
    """The script that looks a page over."""
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text()


def violations(page: Page | Frame, options: Mapping[str, object]) -> list[str]:
    """Return what axe finds wrong with a page, but for what is in its frames: the rules, each with the elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe())
    found: list[str] = page.evaluate(
        """async (options) =>
          (await axe.run(document, { ...options, iframes: false, resultTypes: ["violations"], elementRef: false }))
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
        # Nothing changes by itself while one looks.
        house.world.rows("update settings set value = '\"20 hours\"' where name in ('customer_idle', 'grace_period')")
        # What came at the same moment stands in the order of its ids.
        house.world.rows("create sequence public.chat_numbers")
        number = "lpad(nextval('public.chat_numbers')::text, 12, '0')"
        house.world.rows(
            f"alter table chats alter column id set default ('00000000-0000-4000-9000-' || {number})::uuid"
        )
        self.furniture = furnish(house, people)
        self.is_as_furnished = True
        self._marks = house.world.rows("select * from read_marks")
        self._contexts: dict[tuple[str, str], BrowserContext] = {}

    def page(self, who: str, language: str = "en") -> Page:
        """Return a new page of somebody, signed in; nobody else has one open."""
        for context in self._contexts.values():
            for page in context.pages:
                page.close()
        if (who, language) not in self._contexts:
            locale = {"en": "en-GB"}.get(language, language)
            look = {"locale": locale, "timezone_id": "UTC", "reduced_motion": "reduce", "color_scheme": "light"}
            context = self.house.context(viewport={"width": 1440, "height": 900}, **look)
            context.add_init_script(OPEN_SHADOWS)
            if who != "nobody":
                self.house.signs_in(context, f"{who}@baton.example")
            context.clock.set_fixed_time(NOW)
            self._contexts[who, language] = context
        return self._contexts[who, language].new_page()

    def tidy(self) -> None:
        """Take away what looking at the screens has left: what was typed, how far it was read, who came."""
        self.house.world.rows("delete from private.connections where true")
        status = "update operators set status = 'away', status_reason = 'Back at three' where name = 'Ben'"
        self.house.world.rows(f"{status} and status <> 'away'")
        self.house.world.rows("delete from chat_drafts where true")
        self.house.world.rows("delete from read_marks where true")
        for mark in self._marks:
            query = "insert into read_marks (chat_id, reader_id, seq, read_at) values (%s, %s, %s, %s)"
            self.house.world.rows(query, *mark.values())


class Furnished:
    """Rooms as they were furnished, anew after somebody has changed something in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._rooms: Rooms | None = None
        self._stack = ExitStack()

    def rooms(self, *, may_be_changed: bool = False) -> Rooms:
        """Return them; whoever says that they may be changed gets them as they are."""
        if self._rooms is not None and not may_be_changed and not self._rooms.is_as_furnished:
            self.leave()
        if self._rooms is None:
            house = House(self._stack.enter_context(running_world()), self._browser)
            self._stack.callback(house.leave)
            self._rooms = Rooms(house)
        self._rooms.is_as_furnished &= not may_be_changed
        return self._rooms

    def leave(self) -> None:
        """Close everything."""
        self._stack.close()
        self._rooms = None


@pytest.fixture(scope="module")
def furnished(browser: Browser) -> Iterator[Furnished]:
    furnished = Furnished(browser)
    yield furnished
    furnished.leave()


@pytest.fixture
def rooms(furnished: Furnished) -> Rooms:
    return furnished.rooms()


@pytest.fixture
def changed(furnished: Furnished) -> Rooms:
    """Rooms in which one may do something."""
    return furnished.rooms(may_be_changed=True)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_everybody_can_use_it(rooms: Rooms, screen: Screen) -> None:
    page = rooms.page(screen.who, screen.language)
    rooms.tidy()
    page.set_viewport_size({"width": 1440, "height": screen.height})
    screen.show(page, rooms.furniture)
    found = [f"light: {each}" for each in violations(page, LIGHT)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {each}" for each in violations(page, DARK)]
    for width in screen.widths:
        page.set_viewport_size({"width": width, "height": screen.height})
        if page.evaluate("document.scrollingElement.scrollWidth > innerWidth"):
            found.append(f"at {width} it scrolls sideways")
    assert found == []
    assert rooms.house.problems == []


@pytest.mark.parametrize("path", ["/operator", "/admin", "/setup", "/join", "/widget"])
def test_what_can_be_used_has_a_name_before_anything_is_known(rooms: Rooms, path: str) -> None:
    page = rooms.page("ada")
    page.route("**/api/**", lambda route: None)  # the answer is still on its way
    page.goto(path, wait_until="load")
    assert violations(page, NAMES) == []
    assert rooms.house.problems == []


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.name)
def test_so_do_all_customers_in_their_corner(changed: Rooms, walk: Walk) -> None:
    corner = Corner(changed.house, changed.furniture, walk, changed.page("nobody", walk.language))
    found: list[str] = []
    for station in walk.stations:
        corner.go_to(station)
        for theme, options in (("light", LIGHT), ("dark", DARK)):
            corner.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            looked_at = [corner.page] if station.is_outside else [corner.frame]
            found += [f"{station.name}, {theme}: {each}" for place in looked_at for each in violations(place, options)]
        corner.page.emulate_media(color_scheme="light")
    assert found == []
    assert changed.house.problems == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(rooms: Rooms, form: Form) -> None:
    page = rooms.page(form.screen.who)
    rooms.tidy()
    form.screen.show(page, rooms.furniture)
    form.prepare(page)
    for selector, text in form.typed.items():
        page.locator(selector).focus()
        if page.locator(selector).get_attribute("type") == "datetime-local":
            page.locator(selector).fill(text)
            continue
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.keyboard.type(text)
    page.locator(form.submit).focus()
    page.keyboard.press("Enter")
    wrong = page.locator(form.wrong).first
    expect(wrong).to_be_focused()
    said: list[str] = wrong.evaluate(
        """(field) => field.getAttribute("aria-describedby").split(" ").map((id) => document.getElementById(id))
          .filter((each) => each.matches(".problem") && each.checkVisibility()).map((each) => each.textContent)"""
    )
    assert any(said)
    if wrong.get_attribute("type") != "radio":
        expect(wrong).to_have_attribute("aria-invalid", "true")
    for selector, text in form.typed.items():
        expect(page.locator(selector)).to_have_value(text)
    assert rooms.house.problems == []


def hostile(text: str) -> str:
    """Say it so that it would run, wherever it were taken for HTML, for a script, or for an address."""
    return text + HOSTILE_TEXT


def test_nothing_that_people_write_runs_anywhere(changed: Rooms) -> None:
    rooms, house, ada = changed, changed.house, changed.furniture.ada
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
        {
            "title": "<script>alert(1)</script><img src=x onerror=alert(1)>",
            "fictional_user_id": persona,
            "is_open_always": True,
            "pre_chat": [],
            **texts,
        },
    )

    for screen in (each for each in SCREENS if each.has_texts and each not in ARABIC):
        page = rooms.page(screen.who)
        screen.show(page, there)
        strange = page.evaluate(STRANGE)
        assert strange == [], screen.name
    kim = house.visitor()
    expect(kim.find(".chat-who h1")).to_contain_text("<script>")
    kim.writes("Hello" + HOSTILE_TEXT)
    assert kim.frame.evaluate(STRANGE) == []
    assert (kim.problems, house.problems) == ([], [])

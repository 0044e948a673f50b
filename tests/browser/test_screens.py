"""All screens in their states, in light and in dark: everybody can use them, and they look as they did.

Forms say what is wrong where it is wrong.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import DARK, LIGHT, NAMES, violations
from tests.browser.forms import FORMS, Form
from tests.browser.pictures import looks_otherwise
from tests.browser.rooms import Rooms, furnished_rooms, settle, turn
from tests.browser.screens import Screen, rounds, visit
from tests.conftest import Servers


@pytest.fixture(scope="module")
def rooms(servers: Servers, browser: Browser) -> Iterator[Rooms]:
    """Nothing in them is changed."""
    with furnished_rooms(servers, browser) as rooms:
        yield rooms


@pytest.mark.parametrize("screens", rounds(), ids=lambda screens: f"{screens[0].who}-{screens[0].name}")
def test_everybody_can_use_it_and_it_looks_as_it_did(rooms: Rooms, screens: list[Screen]) -> None:
    page = rooms.page(screens[0].who, screens[0].language)
    rooms.tidy()
    seen = visit(page, rooms.furniture, screens)
    found = [f"{screen.name}, {each}" for screen in seen for each in problems(page, screen)]
    assert found == []
    assert rooms.house.problems == []


def problems(page: Page, screen: Screen) -> Iterator[str]:
    """Look a screen over: of what lies over another one that has been looked at, only that."""
    settle(page)
    within = "dialog[open], :popover-open" if screen.lies_over else screen.part
    yield from (f"light: {each}" for each in violations(page, LIGHT, within))
    turn(page, "dark")
    yield from (f"dark: {each}" for each in violations(page, DARK, within))
    if len(screen.widths) > 1:
        yield from looks_otherwise(page, f"{screen.name}-dark")
    turn(page, "light")
    for width in screen.widths:
        page.set_viewport_size({"width": width, "height": screen.height})
        yield from looks_otherwise(page, f"{screen.name}-{width}")
        if page.evaluate("document.scrollingElement.scrollWidth > innerWidth"):
            yield f"at {width} it scrolls sideways"


@pytest.mark.parametrize("path", ["/admin", "/setup", "/join", "/widget"])
def test_what_can_be_used_has_a_name_before_anything_is_known(rooms: Rooms, path: str) -> None:
    page = rooms.page("ada").context.new_page()
    page.route("**/api/**", lambda route: None)  # the answer is still on its way
    page.goto(path, wait_until="load")
    assert violations(page, NAMES) == []
    page.close()
    assert rooms.house.problems == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_stays(rooms: Rooms, form: Form) -> None:
    page = rooms.page(form.screen.who, form.screen.language)
    rooms.tidy()
    form.screen.show(page, rooms.furniture)
    form.prepare(page)
    for selector, text in form.typed.items():
        page.locator(selector).focus()
        if page.locator(selector).get_attribute("type") in ("date", "datetime-local"):
            page.locator(selector).fill(text)
            continue
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.keyboard.type(text)
    page.locator(form.submit).focus()
    page.keyboard.press("Enter")
    expect(page.locator(form.wrong).first).to_be_focused()
    said = [problems_of(page, selector) for selector in (form.wrong, *form.also)]
    assert all(said)
    assert form.said in ("", *said[0])
    for selector, text in form.typed.items():
        expect(page.locator(selector)).to_have_value(text)
    assert rooms.house.problems == []


def problems_of(page: Page, selector: str) -> list[str]:
    """Return what is said about a field that is wrong."""
    field = page.locator(selector).first
    if field.get_attribute("type") != "radio":
        expect(field).to_have_attribute("aria-invalid", "true")
    said: list[str] = field.evaluate(
        """(field) => field.getAttribute("aria-describedby").split(" ").map((id) => document.getElementById(id))
          .filter((each) => each.matches(".problem") && each.checkVisibility()).map((each) => each.textContent)"""
    )
    return [each for each in said if each]

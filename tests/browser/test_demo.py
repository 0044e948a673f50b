"""The demo's page, with all sides of one chat: what it lets one try is so."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from tests.browser.house import House
from tests.live.world import World, wait_until

FIRST = "Do you have the rocking chair in ash?"
SCRIPT = ("One more thing:", "does it come in one piece?", "It would be a present.")


@pytest.fixture
def house(world: World, browser: Browser) -> Iterator[House]:
    house = House(world, browser)
    for name, role in (("Ana", "operator"), ("Ben", "operator"), ("Ada", "admin")):
        house.hires(name, role)
    house.world.rows("update settings set value = 'true' where name = 'allow_take'")
    yield house
    house.leave()


def frame(page: Page, path: str, number: int = 0) -> Frame:
    """Find a frame, however deep it lies."""

    def found() -> list[Frame]:
        return [each for each in page.frames if f"{path}?" in each.url.replace("#", "?") + "?"]

    wait_until(lambda: len(found()) > number or page.evaluate("undefined"), what=path)
    return found()[number]


def test_one_can_try_to_break_it(house: House) -> None:
    context = house.context(viewport={"width": 1440, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=house.base_url)
    page = context.new_page()
    page.goto("/demo")
    crowd, outcome, events = (page.locator(f'[data-part="{name}"]') for name in ("crowd", "outcome", "events"))
    desks = [frame(page, "/demo/desk", number) for number in (0, 1)]
    for desk in desks:
        expect(desk.locator('.lane-status .presence[data-status="online"]')).to_be_visible()
    expect(page.get_by_role("button", name="Take it 50 times at once")).to_be_disabled()
    crowd.click()
    expect(crowd).to_have_attribute("aria-pressed", "false")

    # The message is typed already.
    widget = frame(page, "/widget")
    said = widget.locator(".message-text")
    expect(widget.locator(".composer-text")).to_have_value(FIRST)
    widget.locator(".composer-text").press("Enter")
    expect(page.locator(".column").first).to_contain_text("waiting_assignment")

    page.get_by_role("button", name="Take it 50 times at once").click()
    expect(outcome).to_have_text("1 took it, 49 were refused.")
    expect(page.locator(".column").first).to_contain_text("assigned")
    assert house.world.value("select count(*) from chat_assignments") == 1

    page.get_by_role("button", name="Pull the plug for 5 seconds").click()
    expect(page.locator('[data-part="cut"]')).to_have_text(["Cut off: nothing reaches this desk"] * 2)
    expect(said).to_have_count(4)
    expect(outcome).to_have_text("3 messages came meanwhile: all are there, once.")
    expect(page.locator('[data-part="cut"]:not(:empty)')).to_have_count(0)
    expect(said).to_have_text([FIRST, *SCRIPT])
    holder = house.world.value("select o.name from chats c join operators o on o.id = c.assigned_operator_id")
    desk = desks[["Ana", "Ben"].index(holder)]
    expect(desk.locator('[data-box="held"] .row')).to_contain_text(SCRIPT[-1])

    page.get_by_role("button", name="Copy the SQL that writes into it").click()
    expect(outcome).to_contain_text("Copied")
    make, _, statement = page.evaluate("navigator.clipboard.readText()").partition("\n\n")
    assert make == "make psql"
    house.world.rows(statement)
    expect(said.last).to_have_text("Hello from psql")
    expect(events).to_contain_text("Hello from psql")
    assert house.problems == []

"""A customer who has no mouse."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, expect

from tests.browser.house import House
from tests.browser.test_widget import Shop
from tests.live.world import World, wait_until

IS_READY = "new Promise((resolve) => (window.Baton ??= []).push((Baton) => Baton.on('ready', resolve)))"
LAUNCHER_HAS_IT = "document.activeElement === document.body.lastElementChild"
SAY_MUCH = """
    insert into messages (chat_id, sender_type, sender_id, content)
    select c.id, 'real', c.real_user_id, 'No. ' || number
    from chats c, generate_series(1, 300) as number
    where c.id = %s
"""
ANSWER = """
    with held as (select c.id, c.assigned_operator_id from operators o, reassign_chat(%s, o.id) c where o.name = 'Ana')
    insert into messages (chat_id, sender_type, sender_id, content)
    select id, 'operator', assigned_operator_id, 'It is on its way.' from held
"""


@pytest.fixture
def house(world: World, browser: Browser) -> Iterator[House]:
    house = House(world, browser)
    yield house
    house.leave()


@pytest.fixture
def kim(house: House) -> Shop:
    """A visitor of a page in which there is nothing else that takes the keyboard."""
    house.world.rows("select complete_chat(id) from chats where is_active")
    house.world.rows("update widget_settings set handling = 'session' where is_only")
    kim = house.visitor(opens=False)
    bill = FilePayload(name="bill.txt", mimeType="text/plain", buffer=b"1")
    kim.page.on("filechooser", lambda chooser: chooser.set_files(bill))
    kim.page.evaluate(IS_READY)
    return kim


def presses(shop: Shop, *keys: str) -> None:
    """Press keys, one after the other."""
    for key in keys:
        shop.page.keyboard.press(key)


def presses_until(shop: Shop, key: str, wanted: Locator) -> None:
    """Press a key until something is there."""

    def is_there() -> bool:
        shop.page.keyboard.press(key)
        return wanted.count() == 1

    wait_until(is_there, what=f"there by {key}")


def is_on_launcher(shop: Shop) -> None:
    """Wait until the keyboard is at the launcher: in the element whose root is closed, and not in the frame."""
    wait_until(lambda: shop.page.evaluate(LAUNCHER_HAS_IT) and not shop.find("body").evaluate("document.hasFocus()"))


def tabs_to(shop: Shop, selector: str, key: str = "Tab") -> Locator:
    """Press Tab until the keyboard is there; nothing is more than a few presses away."""
    wanted = shop.find(selector).first
    expect(wanted).to_be_visible()
    for _ in range(12):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return wanted
        shop.page.keyboard.press(key)
    raise AssertionError(f"not within 12 presses of {key}: {selector}")


def test_a_customer_needs_no_mouse(house: House, kim: Shop) -> None:
    keys, field = kim.page.keyboard, kim.find(".composer-text")
    house.hires("Ana", status="online")
    presses(kim, "Tab")
    is_on_launcher(kim)
    presses(kim, "Enter")
    expect(field).to_be_focused()
    keys.type("Where is my order?")
    presses(kim, "Enter")
    kim.shows("Where is my order?")
    expect(field).to_be_focused()

    # A file, and a sign: both lead back to where he writes.
    tabs_to(kim, '[data-action="attach"]')
    presses(kim, "Enter")  # the browser asks, and gets this:
    expect(kim.find('.composer-file[data-state="ready"]')).to_be_visible()
    tabs_to(kim, '[data-action="emoji"]', "Shift+Tab")
    presses(kim, "Enter")
    expect(kim.find(".emoji-picker input")).to_be_focused()
    presses(kim, "Escape")  # closes the picker alone
    expect(kim.find('[data-action="emoji"]')).to_be_focused()
    presses(kim, "Enter")
    expect(kim.find(".emoji-grid button").first).to_be_visible()
    presses(kim, "ArrowDown", "ArrowRight", "Enter")
    expect(field).to_be_focused()
    expect(field).not_to_have_value("")
    tabs_to(kim, ".composer-send")
    presses(kim, "Enter")
    expect(kim.messages).to_have_count(2)
    expect(field).to_be_focused()

    # Put away, the keyboard is where it was before; and there again when the chat is.
    presses(kim, "Escape")
    is_on_launcher(kim)
    presses(kim, "Space")
    expect(field).to_be_focused()

    # What was said long ago.
    chat_id = str(house.world.value("select id::text from chats where is_active"))
    house.world.rows(SAY_MUCH, chat_id)
    kim.opens()
    kim.page.evaluate(IS_READY)
    expect(kim.messages.last).to_have_text("No. 300")
    presses(kim, "Tab")
    if kim.page.evaluate(LAUNCHER_HAS_IT):
        tabs_to(kim, ".composer-text", "Shift+Tab")
    tabs_to(kim, ".thread-scroll", "Shift+Tab")
    first = kim.messages.filter(has_text="Where is my order?")
    presses_until(kim, "Home", first)
    expect(kim.find(".thread-scroll")).to_be_focused()

    # Ended by himself, and rated.
    house.world.rows(ANSWER, chat_id)
    answer = kim.messages.filter(has_text="It is on its way.")
    presses_until(kim, "End", answer)
    tabs_to(kim, '[popovertarget="chat-menu"]', "Shift+Tab")
    presses(kim, "Enter")
    tabs_to(kim, '[data-action="end"]')
    presses(kim, "Enter")
    expect(kim.find("#rating")).to_be_visible()
    expect(kim.find('[popovertarget="chat-menu"]')).to_be_focused()
    tabs_to(kim, '[name="score"]')
    presses(kim, "ArrowRight", "ArrowRight", "ArrowRight")
    expect(kim.find('[name="score"][value="4"]')).to_be_checked()
    tabs_to(kim, "#rating-comment")
    keys.type("Quick")
    tabs_to(kim, '#rating [type="submit"]')
    presses(kim, "Enter")
    expect(kim.find(".end-thanks")).to_be_focused()
    expect(kim.find("#rating")).to_be_hidden()
    rating = house.world.rows("select score, comment from chat_ratings where chat_id = %s", chat_id)
    assert rating == [{"score": 4, "comment": "Quick"}]

    tabs_to(kim, 'header [data-action="close"]', "Shift+Tab")
    presses(kim, "Enter")
    is_on_launcher(kim)
    assert (kim.problems, house.problems) == ([], [])

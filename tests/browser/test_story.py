"""The whole story of a chat, at the screens of everybody who has a part in it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.house import Desk, House
from tests.live.world import World


@pytest.fixture(scope="module")
def house(world: World, browser: Browser) -> Iterator[House]:
    house = House(world, browser)
    yield house
    house.leave()


def lane(board: Page, name: str) -> Locator:
    """Find the lane of an operator on the admin's board."""
    return board.locator('.lane[data-kind="operator"]').filter(has=board.locator(".lane-name", has_text=name))


def test_a_chat_goes_through_all_hands(house: House) -> None:
    house.world.rows("update widget_settings set handling = 'turn' where is_only")
    for name, role in (("Ana", "operator"), ("Ben", "operator"), ("Ada", "admin")):
        house.hires(name, role)
    ana, ben = (Desk(house.enters(f"{name}@baton.example")) for name in ("ana", "ben"))
    board = house.enters("ada@baton.example", "/admin")
    for desk in (ana, ben):
        desk.goes_online()

    # He writes, and one of the two takes it: the other one's card folds.
    kim = house.visitor()
    kim.writes("Where is my order?")
    expect(kim.find(".room-label")).to_have_text("You are next")
    for desk in (ana, ben):
        expect(desk.next).to_contain_text("Where is my order?")
    expect(board.locator('.lane[data-kind="queue"] .chip')).to_have_count(1)
    ana.takes()
    expect(kim.find(".room-label")).to_have_text("Ana has your message")
    expect(ben.next).to_be_hidden()
    expect(lane(board, "Ana").locator(".chip")).to_have_count(1)

    # Each sees the other type.
    ana.reply.press_sequentially("One")
    expect(kim.find(".thread-typing")).to_contain_text("Ana is typing")
    kim.find(".composer-text").press_sequentially("And")
    expect(ana.chat.locator(".thread-typing")).to_be_visible()

    # What he writes meanwhile leaves it where it is.
    for text in ("And when?", "Before Monday?", "It is a present."):
        kim.writes(text)
    said = ["Where is my order?", "And when?", "Before Monday?", "It is a present."]
    ana.shows(*said)
    ana.stands("mine")
    expect(ben.next).to_be_hidden()

    # The reply ends her turn; what he writes then is somebody else's.
    ana.replies("On its way: it is with you on Friday.")
    said.append("On its way: it is with you on Friday.")
    kim.shows(*said)
    ana.stands("customer")
    expect(kim.find(".room")).to_be_hidden()
    kim.writes("In the morning?")
    said.append("In the morning?")
    # She had it last: it comes to her only as long as nothing else waits, and somebody else does now.
    expect(ana.next).to_contain_text("You had it last")
    house.writes_by_sql("Lee", "Do you have it in green?")
    expect(ana.next).to_contain_text("Do you have it in green?")

    # Handed back, it does not come to the same one again.
    expect(ben.next).to_contain_text("In the morning?")
    ben.takes()
    ben.shows(*said)
    expect(ben.part("handover")).to_contain_text("Friday")
    ben.lets_go("hand-back")
    expect(ben.next).to_contain_text("Do you have it in green?")
    expect(ana.next).to_contain_text("In the morning?")
    ana.takes()

    # Given to a colleague, and by the admin back again.
    ana.lets_go("transfer", ana.page.locator("#transfer").get_by_label("Ben"))
    ana.stands("theirs")
    ben.stands("mine")
    expect(ana.part("closed-text")).to_contain_text("Ben")
    lane(board, "Ben").locator(".chip-face").click()
    board.locator("#chat-menu").get_by_role("button", name="Ana").click()
    expect(lane(board, "Ana").locator(".chip")).to_have_count(1)
    ben.stands("theirs")
    ana.stands("mine")

    # Done, until he writes again.
    ana.lets_go("complete")
    ana.stands("completed")
    expect(kim.find(".end-said")).to_be_visible()
    ana.takes()
    ana.shows("Do you have it in green?")
    kim.writes("Thank you. It is broken, though.")
    expect(ben.next).to_contain_text("It is broken, though.")
    ben.takes()
    ben.replies("You get another one.")
    kim.shows(*said, "Thank you. It is broken, though.", "You get another one.")
    assert house.problems == []
    assert house.world.rows("select * from check_invariants()") == []

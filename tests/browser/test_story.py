"""The whole story of a chat, at the screens of everybody who has a part in it."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, WebSocketRoute, expect

from tests.browser.house import Desk, House
from tests.browser.rooms import settle
from tests.live.world import World, wait_until
from web.demo_data import PASSWORD

AGAIN_MS = 45_000  # within which a page without connection has tried again


@pytest.fixture
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
    expect(ben.page.locator('[data-part="next-gone"]')).to_have_text(re.compile("Ana.? has it"))
    expect(lane(board, "Ana").locator(".chip")).to_have_count(1)

    # Each sees the other type.
    ana.reply.press_sequentially("One")
    expect(kim.find(".thread-typing")).to_contain_text("Ana is typing")
    kim.find(".composer-text").press_sequentially("And")
    expect(ana.chat.locator(".thread-typing")).to_contain_text("is typing")

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


@pytest.fixture
def ana(house: House) -> Desk:
    """Somebody who is online, and alone with a queue in which nobody waits."""
    house.world.rows("select complete_chat(id) from chats where is_active")
    house.world.rows("update operators set status = 'offline' where true")
    house.world.rows("update widget_settings set handling = 'session' where is_only")
    return Desk(house.enters(house.hires("Ana", status="online"), timezone_id=morning()))


def morning() -> str:
    """Name a time zone in which it is about eight: what happens in the next hours happens today."""
    hours = (8 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-hours:+d}"  # where plus is west


def test_a_reload_loses_nothing_in_any_state(house: House, ana: Desk) -> None:
    kim = house.visitor()
    kim.writes("one")
    ana.page.reload()
    expect(ana.next).to_contain_text("one")
    kim.opens()
    kim.shows("one")
    expect(kim.find(".room-label")).to_have_text("You are next")

    ana.takes()
    ana.reply.fill("half a sen")
    expect(ana.part("saved")).to_have_text("Draft saved")
    ana.page.reload()
    ana.stands("mine")
    expect(ana.reply).to_have_value("half a sen")
    kim.opens()
    expect(kim.find(".room-label")).to_have_text("Ana has your message")

    ana.replies("two")
    kim.shows("one", "two")
    ana.page.reload()
    ana.shows("one", "two")
    expect(ana.reply).to_have_value("")
    kim.opens()
    kim.shows("one", "two")

    ana.lets_go("complete")
    ana.page.reload()
    ana.stands("completed")
    kim.opens()
    expect(kim.find(".end-said")).to_be_visible()
    kim.shows("one", "two")
    assert house.problems == []


def test_whoever_is_offline_for_a_while_catches_up_and_sends_what_he_wrote(house: House, ana: Desk) -> None:
    kim = house.visitor()
    kim.writes("one")
    ana.takes()
    ana.replies("two")
    kim.shows("one", "two")
    expect(ana.page.locator(".row")).to_contain_text("two")
    link = ana.page.locator('[data-part="connection"]')

    ana.page.context.set_offline(True)
    kim.writes("three")
    kim.writes("four")
    ana.replies("five")
    expect(link).to_have_text("Reconnecting …")
    ana.page.context.set_offline(False)
    expect(link).to_have_text("Back online · 2 caught up")
    said = ["one", "two", "three", "four", "five"]
    for side in (ana, kim):
        side.shows(*said)

    # The server is stopped, and started again.
    (web,) = house.world.webs
    web.terminate()
    web.wait_for_end(20)
    try:
        ana.replies("six")
        kim.find(".composer-text").fill("seven")
        kim.find(".composer-text").press("Enter")
        expect(link).to_have_text("Reconnecting …")
        expect(kim.find(".chat-strip")).to_have_text("No connection. We keep trying.")
    finally:
        web.start()
    # Each of them tries for itself, at times that lie up to half a minute apart.
    expect(link).to_contain_text("Back online", timeout=AGAIN_MS)
    for side in (ana, kim):
        expect(side.messages).to_have_text([*said, *[re.compile("six|seven")] * 2], timeout=AGAIN_MS)
    texts = ana.messages.all_text_contents()
    assert sorted(texts) == sorted([*said, "six", "seven"])
    kim.shows(*texts)
    ana.shows(*texts)
    expect(kim.find(".chat-strip")).to_be_hidden(timeout=AGAIN_MS)


def test_what_is_pressed_twice_is_done_once_and_what_is_begun_stays_where_it_is(house: House) -> None:
    page = house.enters(house.hires("Cleo", capacity=3, status="online"), has_touch=True)
    cleo = Desk(page)
    for name in ("Kim", "Sam", "Alex"):
        house.writes_by_sql(name, f"{name} writes")
    expect(cleo.next).to_be_visible()
    with page.expect_response("**/api/operator/assign"):  # the chat may be there before: until then it is one press
        page.locator('[data-command="take"]').dblclick()
    cleo.stands("mine")
    cleo.replies("and one takes it up again")  # by then a second one would be in hand, too
    expect(page.locator('[data-box="held"] .row')).to_have_count(0)

    # A note waits in its chat until one is there again.
    cleo.takes()
    first = page.url
    page.locator('[data-part="tab-note"]').click()
    page.locator("#note-text").fill("to be said later")
    cleo.takes()
    expect(page.locator("#note-text")).to_have_value("")
    page.goto(first) if page.url == first else page.go_back()
    expect(page.locator("#note-text")).to_have_value("to be said later")

    # Of two menus the second one is meant, and what one is told stays to be pressed by a finger.
    cleo.chat.locator('[data-action="more"]').last.click()
    page.locator('baton-lane [data-part="status"]').click()
    page.locator('#menu [data-value="away:lunch"]').click()
    expect(page.locator('baton-lane [data-part="status"] .presence')).to_have_attribute("data-status", "away")
    assert house.problems == []


def test_an_operator_needs_no_mouse(house: House) -> None:
    house.world.rows("select complete_chat(id) from chats where is_active")
    house.world.rows("update widget_settings set handling = 'session' where is_only")
    email = house.hires("Bo")
    house.writes_by_sql("Kim", "Where is my order?", handling="session")
    page = house.context().new_page()
    page.goto("/operator")
    desk, keys = Desk(page), page.keyboard
    expect(page.locator("#sign-in-email")).to_be_focused()
    keys.type(email)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.locator('[data-part="go-online"]')).to_be_visible()
    keys.press("o")
    expect(desk.next).to_contain_text("Where is my order?")

    keys.press("t")
    expect(desk.reply).to_be_focused()
    keys.type("I look for it.")
    keys.press("Control+Enter")
    desk.shows("Where is my order?", "I look for it.")
    house.writes_by_sql("Lee", "Is it in green, too?", handling="session")
    keys.press("Escape")  # out of the field, where letters are letters
    keys.press("b")
    expect(page.locator("#hand-back")).to_be_visible()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#hand-back")).to_be_hidden()
    desk.stands("customer")  # she has answered: nothing is owed

    expect(desk.next).to_contain_text("Is it in green, too?")
    keys.press("t")
    expect(desk.reply).to_be_focused()
    keys.press("Escape")
    keys.press("e")
    expect(page.locator("#complete")).to_be_visible()
    keys.type("answered")
    keys.press("Enter")
    desk.stands("completed")

    keys.press("/")
    expect(page.locator("#search-words")).to_be_focused()
    keys.type("order")
    expect(page.locator(".row.result").first).to_be_visible()
    keys.press("Tab")
    expect(page.locator(".row.result .row-link").first).to_be_focused()
    keys.press("Enter")
    desk.shows("Where is my order?", "I look for it.")
    page.locator(".message-more").first.focus()  # many presses of Tab away
    keys.press("Enter")
    expect(page.locator("#menu")).to_be_visible()
    keys.press("Escape")
    expect(page.locator(".message-more").first).to_be_focused()
    assert house.problems == []


def test_a_conversation_comes_without_moving(house: House, ana: Desk) -> None:
    """It is drawn some lines a frame; they are shown once they fill the view, or are all there."""
    texts = [f"{number} of forty" for number in range(1, 41)]
    house.writes_by_sql("Kim", *texts)
    ana.takes()
    ana.shows(*texts)
    ana.page.add_init_script("""
      globalThis.moved = [];
      new PerformanceObserver((list) => moved.push(...list.getEntries().flatMap(({ sources }) => sources)
        .map(({ node }) => (node?.closest ? node : node?.parentElement)?.closest(".message")?.textContent)
        .filter(Boolean))).observe({ type: "layout-shift", buffered: true });
    """)
    ana.page.reload()
    ana.shows(*texts)
    settle(ana.page)
    assert ana.page.evaluate("moved") == []


# What moves by itself: the beginnings of what has moved, but for half a second after something was pressed.
NOTE_MOVES = """() => {
  globalThis.moved = [];
  new PerformanceObserver((list) => {
    const entries = list.getEntries().filter(({ hadRecentInput }) => !hadRecentInput);
    const nodes = entries.flatMap(({ sources }) => sources.map(({ node }) => node));
    moved.push(...nodes.map((node) => (node?.outerHTML ?? node?.textContent ?? "gone").slice(0, 200)));
  }).observe({ type: "layout-shift" });
}"""


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_moves_by_itself(house: House, ana: Desk, width: int) -> None:
    """Not when the connection is lost, nor when it is back and what was missed comes, nor when ages grow."""
    kims = house.writes_by_sql("Kim", "one", "two")
    house.writes_by_sql("Lee", "I wait")
    ana.takes()
    ana.shows("one", "two")
    ana.page.set_viewport_size({"width": width, "height": 844})
    board = house.enters(house.hires("Ada", "admin"), "/admin", timezone_id=morning())
    board.set_viewport_size({"width": width, "height": 844})
    expect(board.locator(".chip")).to_have_count(2)
    expect(board.locator(".chat-row")).to_have_count(2)
    expect(ana.chat.locator('[data-action="send"]:visible')).to_be_in_viewport(ratio=1)
    pages = (ana.page, board)
    for page in pages:
        page.clock.set_fixed_time(time.time())  # the first time a page may for a moment see another day
    expect(ana.chat.locator(".divider[data-kind=day]")).to_have_text("Today")
    for page in pages:
        settle(page)
        page.evaluate(NOTE_MOVES)
        page.context.set_offline(True)
    link = ana.page.locator('[data-part="connection"]')
    expect(link).to_have_text("Reconnecting …")
    later = time.time() + 65 * 60
    board.clock.set_fixed_time(later)  # as long as the server cannot tell the time
    expect(board.locator(".chip-age").first).to_have_text("1 h 5 min")
    expect(board.locator("td.cell-wait").first).to_have_text("1 h 5 min")
    house.adds_by_sql(kims, "three")
    for page in pages:
        page.context.set_offline(False)
    expect(ana.chat.locator(".divider[data-kind=new]")).to_be_attached()
    expect(link).to_have_text("Back online · 1 caught up")
    ana.shows("one", "two", "three")
    ana.page.clock.set_fixed_time(later)
    house.adds_by_sql(kims, "four")
    ana.shows("one", "two", "three", "four")
    expect(ana.page.locator(".lane-slot-age").first).to_have_text("1 h")
    expect(board.locator(".chat-row", has_text="Kim").locator(".cell-messages")).to_have_text("4")
    expect(board.locator(".chip-age").first).to_have_text(re.compile(r"^\d+ s$"))
    for page in pages:
        settle(page)
        assert page.evaluate("moved") == []


def test_what_was_missed_is_marked_though_the_lists_know_of_it_first(house: House, ana: Desk) -> None:
    chat_id = house.writes_by_sql("Kim", "one")
    ana.takes()
    ana.shows("one")
    held: list[Callable[[], None]] = []
    sockets: list[WebSocketRoute] = []
    is_held = is_cut = False

    def pass_on(socket: WebSocketRoute) -> None:
        if is_cut:
            socket.close(code=4999)
            return
        sockets.append(socket)

        def hear(message: str | bytes) -> None:
            if is_held and '"event"' in str(message):
                held.append(lambda: socket.send(message))
            else:
                socket.send(message)

        socket.connect_to_server().on_message(hear)

    ana.page.route_web_socket("**/ws*", pass_on)
    ana.page.reload()
    ana.shows("one")
    link = ana.page.locator('[data-part="connection"]')
    is_held = is_cut = True
    ana.page.context.set_offline(True)
    sockets[-1].close(code=4999)
    expect(link).to_have_text("Reconnecting …")
    house.adds_by_sql(chat_id, "two")
    is_cut = False
    ana.page.context.set_offline(False)
    expect(link).to_have_text("Back online · 1 caught up")
    ana.shows("one")
    is_held = False
    for let_go in held:
        let_go()
    ana.shows("one", "two")
    expect(ana.chat.locator(".divider[data-kind=new]")).to_be_attached()


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_moves_when_a_chat_has_been_loaded(house: House, ana: Desk, width: int) -> None:
    chat_id = house.writes_by_sql("Kim", "one", "two")
    ana.takes()
    ana.page.set_viewport_size({"width": width, "height": 844})
    held: list[Route] = []
    ana.page.route(f"**/api/**{chat_id}**", lambda route: held.append(route))
    ana.page.add_init_script(f"({NOTE_MOVES})()")
    ana.page.reload()
    expect(ana.chat.locator(".thread-skeleton")).to_be_visible()
    settle(ana.page)
    assert held
    ana.page.unroute_all()  # which lets them go
    ana.shows("one", "two")
    settle(ana.page)
    assert ana.page.evaluate("moved") == []


def test_no_line_moves_for_what_is_said_above_or_below_it(house: House, ana: Desk) -> None:
    kim = house.visitor()
    kim.writes("Line 1")
    expect(ana.next).to_contain_text("Line 1")
    house.world.rows(
        "insert into messages (chat_id, sender_type, content)"
        " select id, 'real', 'Line ' || n from chats, generate_series(2, 150) n where is_active order by n"
    )
    ana.takes()
    expect(ana.messages.last).to_have_text("Line 150")
    settle(ana.page)
    place = ana.messages.last.bounding_box()
    kim.find(".composer-text").press_sequentially("And")
    expect(ana.chat.locator(".thread-typing")).to_contain_text("is typing")
    assert ana.messages.last.bounding_box() == place

    held: list[Route] = []
    ana.page.route("**/messages?before_seq=*", lambda route: held.append(route))

    def is_asked() -> bool:
        ana.chat.locator(".thread-scroll").evaluate("(scroll) => { scroll.scrollTop = 0; }")
        return bool(held)

    wait_until(is_asked)
    older = ana.chat.locator(".thread-older")
    expect(older).to_be_visible()
    place = ana.messages.first.bounding_box()
    held[0].abort()
    expect(older).to_be_hidden()
    assert ana.messages.first.bounding_box() == place


# What a test asks a page counts as a press of its user, so the browser would let it sound.
SILENT = """globalThis.maySound = false;
const Context = AudioContext;
globalThis.AudioContext = class extends Context {
  constructor() {
    super();
    void super.suspend();
  }
  async resume() {
    if (!maySound) throw new DOMException("a gesture is needed", "NotAllowedError");
    await super.resume();
  }
};"""


def test_it_is_to_be_seen_that_the_browser_blocks_sound(house: House, ana: Desk) -> None:
    ana.page.add_init_script(SILENT)
    ana.page.reload()
    sign = ana.page.get_by_label("The browser blocks sound: allow it")
    expect(sign).to_be_visible()
    sign.click()
    expect(sign).to_be_visible()
    ana.page.evaluate("maySound = true")
    sign.click()
    expect(sign).to_be_hidden()
    ana.page.set_viewport_size({"width": 390, "height": 844})
    ana.page.reload()
    more = ana.page.locator('.bottom-bar [data-command="more"]')
    expect(more.locator('[data-part="sound"]')).to_be_visible()
    more.click()
    ana.page.evaluate("maySound = true")
    ana.page.get_by_role("menuitem", name="Allow sound").click()
    expect(more.locator('[data-part="sound"]')).to_be_hidden()


# As one who looks for something: half a view after the other, up to the first line. What is in view is noted, how far
# the line at the top was moved by what came in above it (where it ends: a name above its text may go), and how many
# lines there were at most.
READ_UP = """async () => {
  const scroll = document.querySelector("baton-chat .thread-scroll");
  const seen = new Set();
  let moved = 0, most = 0;
  for (const begun = Date.now(); !seen.has(1); ) {
    if (Date.now() - begun > 20_000) throw new Error(`the beginning does not come: ${Math.min(...seen)}`);
    const view = scroll.getBoundingClientRect();
    const lines = [...scroll.querySelectorAll(".message")];
    const boxes = new Map(lines.map((line) => [line, line.getBoundingClientRect()]));
    const shown = lines.filter((line) => boxes.get(line).bottom > view.top && boxes.get(line).top < view.bottom);
    for (const line of shown) seen.add(Number(line.dataset.seq));
    most = Math.max(most, lines.length);
    const [line] = shown;
    const before = boxes.get(line).bottom + scroll.scrollTop;
    scroll.scrollTop -= scroll.clientHeight / 2;
    const wanted = before - scroll.scrollTop;
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
    if (line.isConnected) moved = Math.max(moved, Math.abs(line.getBoundingClientRect().bottom - wanted));
  }
  return { seen: seen.size, moved, most };
}"""


def test_a_long_conversation_is_read_up_to_its_beginning(house: House) -> None:
    ana = house.hires("Ana")
    chat_id = house.writes_by_sql("Kim", "Line 1")
    house.world.rows(
        "insert into messages (chat_id, sender_type, sender_id, content)"
        " select id, 'real', real_user_id, 'Line ' || n from chats, generate_series(2, 300) n where id = %s order by n",
        chat_id,
    )
    desk = Desk(house.enters(ana, f"/operator/queue/{chat_id}"))
    expect(desk.messages.last).to_have_text("Line 300")
    read = desk.page.evaluate(READ_UP)
    assert read["seen"] == 300
    assert read["moved"] < 2
    assert read["most"] < 150
    expect(desk.messages.first).to_have_text("Line 1")
    desk.chat.locator(".thread-latest").click()
    expect(desk.messages.last).to_have_text("Line 300")
    expect(desk.chat.locator(".thread-latest")).to_be_hidden()
    assert house.problems == []

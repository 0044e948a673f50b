"""The staff's screens with nothing to show: nothing has happened yet, answers are on their way, or they fail."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, WebSocketRoute, expect

from tests.browser.furniture import Furniture
from tests.browser.house import House
from tests.browser.rooms import Rooms, furnished_rooms, settle
from tests.browser.screens import GO, Screen
from tests.browser.test_corner import empty
from tests.browser.test_screens import problems
from tests.conftest import Servers

# By who looks: where, and by what one sees that nothing has happened; "": there is always something.
BARE = {
    "ana": (
        ("queue", "/operator/queue", '[data-box="queue"] .part-empty:visible'),
        ("mentions", "/operator/mentions", '[data-part="mentions-part"] .part-empty:visible'),
        ("done", "/operator/done", '[data-box="done"] .part-empty:visible'),
        ("search", "/operator/search?q=word", '[data-part="results-part"] .part-empty:visible'),
        ("chat", "/operator/00000000-0000-4000-8000-000000000000", ""),
        ("desk", "/operator", ".calm:visible"),
    ),
    "ada": (
        ("chats", "/admin/chats", '[data-place="chats"] .empty:visible'),
        ("live", "/admin", '[data-place="chats"] .empty:visible'),
        ("numbers", "/admin/numbers", ".chart-none:visible"),
        ("tickets", "/admin/tickets", '[data-place="tickets"] .empty:visible'),
        ("operators", "/admin/operators", '[data-part="no-invitations"]:visible'),
        ("personas", "/admin/personas", '[data-place="personas"] .empty:visible'),
        ("quick-responses", "/admin/quick-responses", '[data-place="quick-responses"] .empty:visible'),
        ("widget-settings", "/admin/widget", ""),
        ("stuck", "/admin/stuck", '[data-place="stuck"] .empty:visible'),
        ("audit", "/admin/audit", ""),
        ("all", "/operator/all", '[data-box="all"] .part-empty:visible'),
    ),
}
SHOWS = {"loading": ".skeleton:visible", "failing": ".trouble:visible"}
# What is around them is looked at on other screens.
PARTS = ".list, .chat-pane, .panel, .page:not([hidden])"


def only_timers_below(most: int) -> str:
    """Return a script by which none of a page's timers of so many ms or more ever runs."""
    return f"""{{
      const set = setTimeout;
      globalThis.setTimeout = (run, ms = 0, ...rest) => (ms < {most} ? set(run, ms, ...rest) : 0);
    }}"""


NO_OTHER_TRY = only_timers_below(100)  # it is not tried again by itself
PATIENCE = only_timers_below(15_000)  # what is not answered is not given up either, however long one looks

# At once: some of it is tried again by itself.
TRY_AGAIN = """() => document.querySelectorAll(".trouble:not([hidden]) button").forEach((each) => each.click())"""


def staff(house: House, people: dict[str, str]) -> Furniture:
    """Bring nobody but the staff, of whom Ana is at her desk."""
    there = empty(house, people)
    there.posts(there.ana, "/api/operator/status", status="online")
    return there


@pytest.fixture(scope="module")
def rooms(servers: Servers, browser: Browser) -> Iterator[Rooms]:
    """Nothing in them is changed."""
    with furnished_rooms(servers, browser, staff) as rooms:
        yield rooms


@pytest.mark.parametrize("who", BARE)
def test_what_is_empty_can_be_used_and_looks_as_it_did(rooms: Rooms, who: str) -> None:
    page = rooms.page(who)
    rooms.tidy()
    found = []
    for name, path, shows in BARE[who]:
        if shows:
            screen = Screen(f"{name}-empty", who, path, shows, part=PARTS)
            screen.go(page, rooms.furniture)
            found += [f"{screen.name}, {each}" for each in problems(page, screen)]
    assert found == []
    assert rooms.house.problems == []


@pytest.mark.parametrize("state", SHOWS)
@pytest.mark.parametrize("who", BARE)
def test_what_is_not_there_yet_can_be_used_looks_as_it_did_and_is_tried_again(
    rooms: Rooms, who: str, state: str
) -> None:
    page = rooms.page(who).context.new_page()  # of its own: what is done to it stays
    rooms.tidy()
    page.add_init_script(PATIENCE)
    answers: tuple[str, ...] = ()
    held: list[Route] = []

    def answer(route: Route) -> None:
        if route.request.url.endswith(answers):
            route.continue_()
        elif state == "failing":
            route.abort()
        else:
            held.append(route)

    page.route("**/api/**", answer)
    found = []
    for name, path, _ in BARE[who]:
        is_known = name != "desk"  # it comes with who one is
        answers = ("/api/operator/inbox",) if is_known else ()
        screen = Screen(f"{name}-{state}", who, path, SHOWS[state], is_known=is_known, part=PARTS)
        if not is_known:
            page.goto("about:blank")
        screen.go(page, rooms.furniture)
        found += [f"{screen.name}, {each}" for each in problems(page, screen)]
        if state == "failing":
            answers = ("",)
            page.evaluate(TRY_AGAIN)
            expect(page.locator(".trouble:visible")).to_have_count(0)
    for route in held:
        route.abort()
    page.close()
    assert found == []
    assert rooms.house.problems == []


def without_news(socket: WebSocketRoute) -> None:
    """Keep back whatever may have lists fetched afresh."""
    server = socket.connect_to_server()
    server.on_message(lambda message: None if '"inbox"' in str(message) else socket.send(message))


def test_a_list_is_tried_again_with_who_one_is(rooms: Rooms) -> None:
    page = rooms.page("ana").context.new_page()
    page.add_init_script(NO_OTHER_TRY)
    page.route_web_socket("**/ws*", without_news)
    page.route("**/api/operator/inbox", lambda route: route.abort())
    page.goto("/operator/queue")
    again = page.locator(".list .trouble button")
    expect(again).to_be_visible()
    page.unroute("**/api/operator/inbox")
    again.click()
    expect(page.locator('[data-box="queue"] .part-empty')).to_be_visible()
    page.close()


def test_a_list_that_could_not_be_fetched_says_so_though_another_one_is_there(rooms: Rooms) -> None:
    page = rooms.page("ana").context.new_page()
    sockets: list[WebSocketRoute] = []

    def pass_on(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket("**/ws*", pass_on)
    page.goto("/operator/queue")
    expect(page.locator('[data-box="queue"] .part-empty')).to_be_visible()
    held: list[Route] = []
    page.route("**/api/operator/boxes/queue?*", lambda route: held.append(route))
    page.route("**/api/operator/boxes/done?*", lambda route: route.abort())
    with page.expect_request("**/api/operator/boxes/queue?*"):
        sockets[-1].close(code=4999)  # connected again, it fetches all lists, one after the other
    page.evaluate(GO, "/operator/done")
    again = page.locator(".list .trouble button")
    expect(again).to_be_visible()
    with page.expect_response("**/api/operator/boxes/queue?*") as answer:
        held[0].continue_()
    answer.value.finished()
    settle(page)
    expect(again).to_be_visible()
    page.unroute("**/api/operator/boxes/done?*")
    again.click()
    expect(page.locator('[data-box="done"] .part-empty')).to_be_visible()
    page.close()


def test_a_search_that_fails_when_another_one_is_sought_is_forgotten(rooms: Rooms) -> None:
    page = rooms.page("ana").context.new_page()
    held: list[Route] = []
    page.route("**/api/search?*slow*", lambda route: held.append(route))
    with page.expect_request("**/api/search?*slow*"):
        page.goto("/operator/search?q=slow")
    page.locator(".list-search input").fill("word")
    expect(page.locator('[data-part="results-part"] .part-empty')).to_be_visible()
    with page.expect_event("requestfailed"):
        held[0].abort()
    settle(page)
    expect(page.locator(".list .trouble")).to_be_hidden()
    page.close()

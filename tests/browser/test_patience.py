"""What the client does when it is refused, or hears nothing for a while: it tries again, and not too often.

The page's clock is moved on where something is to be waited for, or is never to happen.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute

from tests.browser.conftest import Chat, Open, Screen, Switch
from tests.live.world import World, wait_until

MINUTE = 60


class Line:
    """Stands between a page and its sockets: notes what is sent, refuses in the server's place, keeps it silent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.is_silent = False
        self.refusals: dict[str, list[dict[str, Any]]] = {}  # by chat: the answers to the next that subscribe to it
        self.kept: set[str] = set()  # chats to which no subscribe is passed on
        self._has_ping = False

    def __call__(self, page: Page) -> None:
        """Stand there, and give the page a clock that the test may move on."""
        page.clock.install()
        page.add_init_script("Math.random = () => 0.999")  # as late as it may be
        page.route_web_socket("**/ws", self._opened)

    def subscribes(self, chat_id: str) -> int:
        """Return how often the page has subscribed to a chat."""
        return sum(frame["type"] == "subscribe" and frame["chat_id"] == chat_id for frame in self.sent)

    def passes(self, screen: Screen, seconds: int) -> None:
        """Let time pass for the page; returns when all that it did meanwhile is known here, and its pings answered."""
        for _ in range(0, seconds, 5):
            passes(screen, min(seconds, 5))
            wait_until(lambda: screen.do("true") and (self.is_silent or not self._has_ping))

    def _opened(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def from_page(message: str | bytes) -> None:
            frame = json.loads(message)
            self.sent.append(frame)
            self._has_ping = self._has_ping or frame["type"] == "ping"
            chat_id = frame.get("chat_id", "")
            if frame["type"] == "subscribe" and self.refusals.get(chat_id):
                page.send(json.dumps(self.refusals[chat_id].pop()))
            elif frame["type"] != "subscribe" or chat_id not in self.kept:
                server.send(message)

        def from_server(message: str | bytes) -> None:
            if not self.is_silent:
                self._has_ping = False
                self.told.append(json.loads(message))
                page.send(message)

        page.on_message(from_page)
        server.on_message(from_server)


def error(details: str, chat_id: str | None = None) -> dict[str, Any]:
    """What the server says when it refuses a frame."""
    frame = {"type": "error", "code": "PT503", "message": "No.", "details": details, "hint": None}
    return frame if chat_id is None else {**frame, "chat_id": chat_id}


def watches(screen: Screen, *chat_ids: str) -> None:
    """Subscribe to chats, beside the one that the screen shows."""
    screen.do(
        "chats.forEach((id) => client.live.subscribe(id, { afterEvent: 0, epoch: null }, () => {}))", chats=chat_ids
    )


def passes(screen: Screen, seconds: int) -> None:
    """Let time pass for the page; returns when all that it did meanwhile is known here."""
    screen.page.clock.run_for(seconds * 1000)
    screen.do("client.api.get('/healthz')")


# Refused


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "rate limited"])
def test_chats_that_are_refused_are_asked_for_once_more_each_time(
    world: World, chat: Chat, open_screen: Open, is_named: bool
) -> None:
    chat_id, _, operator_id = chat
    others = [other for other, _ in world.new_chats(3, operator_id)]
    line = Line()
    operator = open_screen(operator_id, "staff", chat_id, prepare=line)
    operator.hears("subscribed")
    for other in others:
        line.refusals[other] = [error("database_unavailable", other) if is_named else error("rate_limited")] * 4
    watches(operator, *others)

    def are_subscribed() -> bool:
        line.passes(operator, 1)
        return {frame["chat_id"] for frame in line.told if frame["type"] == "subscribed"} == {chat_id, *others}

    wait_until(are_subscribed)
    line.passes(operator, MINUTE)
    assert [line.subscribes(each) for each in (chat_id, *others)] == [1, 5, 5, 5]


def test_what_still_waits_to_be_sent_is_not_sent_twice(world: World, chat: Chat, open_screen: Open) -> None:
    chat_id, _, operator_id = chat
    others = [other for other, _ in world.new_chats(150, operator_id)]
    line = Line()
    operator = open_screen(operator_id, "staff", chat_id, prepare=line)
    operator.hears("subscribed")
    operator.page.clock.pause_at((operator.do("Date.now()") + MINUTE * 1000) / 1000)  # however long the answers take
    line.kept = set(others)
    line.refusals[others[0]] = [error("rate_limited")]
    watches(operator, *others)
    operator.hears("error")
    line.passes(operator, MINUTE)
    assert line.subscribes(others[0]) == 2
    assert line.subscribes(others[-1]) == 1  # it was still waiting when they were asked for again


@pytest.mark.parametrize("is_named", [True, False], ids=["of this chat", "of another chat"])
def test_an_error_of_something_else_asks_for_nothing_again(
    world: World, chat: Chat, open_screen: Open, is_named: bool
) -> None:
    """Typing is refused in a chat that is not subscribed."""
    chat_id, _, operator_id = chat
    (other, _), (unwatched, _) = world.new_chats(2, operator_id)
    line = Line()
    operator = open_screen(operator_id, "staff", chat_id, prepare=line)
    operator.hears("subscribed")
    line.kept = {other}
    watches(operator, other)
    operator.do("client.live.typing(chatId, true)", chatId=other if is_named else unwatched)
    wait_until(lambda: operator.do("1") and "not_subscribed" in [frame.get("details") for frame in line.told])
    line.passes(operator, MINUTE)
    assert line.subscribes(other) == 1
    operator.shows("state", "online")


# Silent


def test_a_server_that_is_busy_is_waited_for(world: World, chat: Chat, open_screen: Open) -> None:
    line = Line()
    customer = open_screen(chat[1], "customer", chat[0], prepare=line)
    customer.hears("subscribed")
    line.is_silent = True
    line.passes(customer, 30)
    assert customer.do("states") == ["online"]
    assert line.sent[-1] == {"type": "ping"}
    line.is_silent = False
    world.rows("select complete_chat(%s)", chat[0])
    customer.shows("chat", "completed")  # as good as a pong
    line.passes(customer, MINUTE)
    assert customer.do("states") == ["online"]


def test_a_server_that_stays_silent_is_given_up(chat: Chat, open_screen: Open) -> None:
    line = Line()
    customer = open_screen(chat[1], "customer", chat[0], prepare=line)
    customer.hears("subscribed")
    line.is_silent = True
    for _ in range(4):
        line.passes(customer, 10)
        customer.do("client.live.hurry()")  # who asks again and again does not put it off
    wait_until(lambda: "reconnecting" in customer.do("states"))
    line.is_silent = False
    customer.shows("state", "online")


# No socket, no token


def test_a_browser_without_sockets_polls(chat: Chat, open_screen: Open, operator: Screen) -> None:
    def prepare(page: Page) -> None:
        page.add_init_script("delete globalThis.WebSocket")

    customer = open_screen(chat[1], "customer", chat[0], prepare=prepare)
    customer.shows("state", "polling")
    operator.sends("hello")
    customer.shows_messages("hello")


def test_whoever_polls_tries_a_socket_as_soon_as_the_server_answers_again(chat: Chat, open_screen: Open) -> None:
    switch = Switch()
    switch.is_on = True

    def prepare(page: Page) -> None:
        page.clock.install()
        page.add_init_script("Math.random = () => 0.999")
        switch(page)

    customer = open_screen(chat[1], "customer", chat[0], prepare=prepare)
    customer.shows("state", "online")
    customer.page.route("**/api/**", lambda route: route.abort())
    switch.turn_off()

    def is_half_a_minute_between_two_attempts() -> bool:
        customer.page.clock.run_for(1_000)
        return switch.refused >= 8

    wait_until(is_half_a_minute_between_two_attempts)
    customer.shows("state", "reconnecting")
    customer.page.unroute("**/api/**")
    customer.comes_to_show("state", "polling")
    switch.is_on = True
    customer.page.clock.run_for(2_000)
    customer.shows("state", "online")


def test_a_token_that_never_comes_is_asked_for_again(chat: Chat, open_screen: Open) -> None:
    customer = open_screen(chat[1], "customer", chat[0], prepare=lambda page: page.clock.install())
    customer.shows("state", "online")
    customer.page.evaluate("""() => {
        const { fetchToken } = globalThis;
        const answers = [new Promise(() => {})];
        globalThis.fetchToken = (stale) => answers.shift() ?? fetchToken(stale);
    }""")
    customer.do("client.close()")
    customer.asked.clear()
    customer.do("start({ person, role: 'customer', chatId: null })", person=chat[1])
    customer.shows("state", "connecting")
    customer.page.clock.run_for(30_000)
    customer.shows("state", "online")
    assert customer.asked == [None]


# Polling


def every_request(status: int) -> Callable[[str], int | None]:
    """Let each request about the first chat fail: with a status, or (0) without an answer."""
    return lambda which: status if which == "first" else None


def every_other_request() -> Callable[[str], int | None]:
    """Let every other request fail, since there were too many."""
    answers = iter([None, 429] * 1000)
    return lambda which: next(answers)


@pytest.mark.parametrize(
    "fails", [every_request(500), every_request(0), every_other_request()], ids=["500", "no answer", "429"]
)
def test_a_chat_that_cannot_be_asked_for_does_not_keep_others_waiting(
    world: World, chat: Chat, open_screen: Open, operator: Screen, fails: Callable[[str], int | None]
) -> None:
    chat_id, _, operator_id = chat
    ((first, _),) = world.new_chats(1, operator_id)

    def prepare(page: Page) -> None:
        page.clock.install()
        Switch()(page)

    poller = open_screen(operator_id, "staff", first, prepare=prepare)
    poller.shows("chat", f"assigned {operator_id}")  # and is therefore asked for before the other one

    def answer(route: Route) -> None:
        status = fails("first" if first in route.request.url else "second")
        if status is None:
            route.continue_()
        elif status == 0:
            route.abort()
        else:
            route.fulfill(status=status, body="no")

    poller.page.route("**/events?*", answer)
    poller.do("void client.live.subscribe(chatId, { afterEvent: 0, epoch: null }, () => {})", chatId=chat_id)
    operator.sends("do you read me?")

    def is_told() -> bool:
        passes(poller, 1)
        return bool(poller.do("frames.some((frame) => frame.data?.content === 'do you read me?')"))

    wait_until(is_told)

"""What pages rely on: the modules in web/static/js/core, in a real browser against a real server."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import APIResponse, BrowserContext, Page, Request, Route, expect

from tests.browser.conftest import PLAIN_HOST, Chat, Open, Screen, Switch
from tests.http.conftest import Person
from tests.live.play import Play
from tests.live.world import World, wait_until
from tests.servers import Baton


def waits_for_the_network(screen: Screen, first: str, *others: str) -> None:
    """Wait until the first message was tried and had no answer; the others wait behind it."""
    pending = [f"pending: unreachable: {first}", *(f"pending: {content}" for content in others)]
    expect(screen.unsent).to_have_text(pending)


def has_written(world: World, chat: Chat, contents: list[str]) -> None:
    """Let the operator write much at once, by SQL: his browser sends one behind the other."""
    world.rows(
        "insert into messages (chat_id, sender_type, sender_id, content)"
        " select %s, 'operator', %s, content from unnest(%s::text[]) with ordinality as c (content, n) order by n",
        *(chat[0], chat[2], contents),
    )


# Watching


def test_two_screens_see_everything_at_once(world: World, open_screen: Open) -> None:
    world.rows("select complete_chat(id) from chats where chat_state = 'waiting_assignment'")  # or they come first
    operator_id = world.new_operator()
    ((chat_id, customer_id),) = world.new_chats(1)
    customer, operator = open_screen(customer_id, "customer", chat_id), open_screen(operator_id, "staff", chat_id)
    for screen in (customer, operator):
        screen.shows("state", "online")
        screen.shows("chat", "waiting_assignment")

    customer.sends("hello")
    customer.shows_messages("hello")
    operator.shows_messages("hello")

    operator.posts("/api/operator/assign")
    customer.shows("chat", "assigned")  # but not who it is
    operator.shows("chat", f"assigned {operator_id}")
    operator.posts(f"/api/chats/{chat_id}/read", seq=1)
    customer.shows("read", "operator 1")

    operator.do("client.live.typing(chatId, true)", chatId=chat_id)
    customer.shows("typing", "operator")
    operator.sends("good day")
    customer.shows_messages("hello", "good day")
    customer.do("client.live.typing(chatId, true)", chatId=chat_id)
    operator.shows("typing", "real")
    customer.posts(f"/api/chats/{chat_id}/read", seq=2)
    operator.shows("read", "operator 1, real 2")

    operator.posts("/api/operator/unassign", chat_id=chat_id, reason="lunch")
    customer.shows("chat", "waiting_real_user_reply")
    operator.shows("chat", "waiting_real_user_reply")

    hello, good_day = operator.do("chat.view.messages")
    assert hello["handled_by_operator_id"] == good_day["sender_id"] == operator_id
    customer.do("client.api.request('PATCH', path, { content: 'hello!' })", path=f"/api/messages/{hello['id']}")
    operator.do("client.api.request('DELETE', path)", path=f"/api/messages/{good_day['id']}")
    for screen in (customer, operator):
        screen.shows_messages("hello!", "")
        screen.has_missed_nothing()


def test_who_loses_a_chat_is_told(world: World, open_screen: Open) -> None:
    ana_id, ben_id = world.new_operator("Ana"), world.new_operator("Ben")
    ((chat_id, _),) = world.new_chats(1)
    ben = open_screen(ben_id, "staff", chat_id)
    ben.shows("chat", "waiting_assignment")
    ben.hears("subscribed")
    world.rows("select reassign_chat(%s, %s)", chat_id, ana_id)
    ben.shows("chat", f"assigned {ana_id}")
    wait_until(lambda: ben.do("ends") == ["chat_not_found"])
    ben.shows("state", "online")  # other chats go on


def test_a_chat_that_is_not_there_is_like_one_of_somebody_else(world: World, open_screen: Open, chat: Chat) -> None:
    stranger = open_screen(world.new_chats(1)[0][1], "customer", chat[0])
    wait_until(lambda: stranger.do("ends") == ["chat_not_found"])
    # Nor can it be subscribed by who has guessed its id.
    refusals = stranger.do(
        "new Promise((told) => client.live.subscribe(chatId, { afterEvent: 0, epoch: null }, told))", chatId=chat[0]
    )
    assert (refusals["type"], refusals["details"]) == ("error", "chat_not_found")


def test_many_chats_are_taken_up_again_within_the_limits(world: World, open_screen: Open, chat: Chat) -> None:
    chat_id, _, operator_id = chat
    others = [other for other, _ in world.new_chats(150, operator_id)]
    operator = open_screen(operator_id, "staff", chat_id)
    operator.shows("state", "online")
    operator.do(
        "chats.forEach((id) => client.live.subscribe(id, { afterEvent: 0, epoch: null }, () => {}))", chats=others
    )
    counted = "frames.filter((frame) => frame.type === type).length"
    wait_until(lambda: operator.do(counted, type="subscribed") == 151, what="all are subscribed")
    operator.do("client.live.stop()")
    operator.do("client.live.start()")
    wait_until(lambda: operator.do(counted, type="subscribed") == 302, what="all are subscribed again")
    assert operator.do(counted, type="error") == 0


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "reset"])
def test_what_happens_to_older_messages_while_they_are_on_their_way(
    world: World, open_screen: Open, chat: Chat, operator: Screen, is_told: bool
) -> None:
    contents = [str(number) for number in range(52)]  # a page has 50
    has_written(world, chat, contents)
    operator.shows_messages(*contents)
    switch = Switch()
    switch.is_on = True
    customer = open_screen(chat[1], "customer", chat[0], prepare=switch)
    customer.shows_messages(*contents[2:])

    late: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))

    customer.page.route("**/messages?before_seq=*", hold)
    customer.do("void chat.loadOlder()")
    wait_until(lambda: customer.do("true") and late)
    if not is_told:
        switch.turn_off()
    zero, one = operator.do("chat.view.messages.slice(0, 2)")
    operator.do("client.api.request('DELETE', path)", path=f"/api/messages/{zero['id']}")
    operator.do("client.api.request('PATCH', path, { content: 'one' })", path=f"/api/messages/{one['id']}")
    operator.shows_messages("", "one", *contents[2:])
    if not is_told:
        world.forget_events([chat[0]])
        switch.is_on = True
    last = operator.do("chat.view.event_seq")
    wait_until(lambda: customer.do("chat.view.event_seq") == last)

    ((route, response),) = late
    route.fulfill(response=response)
    customer.shows_messages("", "one", *contents[2:])
    path = f"/api/chats/{chat[0]}/messages?after_seq=0&limit=100"
    assert customer.do("chat.view.messages") == customer.do("client.api.get(path).then((page) => page.data)", path=path)


def test_older_notes_come_with_older_messages(world: World, open_screen: Open, chat: Chat) -> None:
    contents = [str(number) for number in range(220)]
    for columns, sender, second in (
        ("messages (chat_id, content, sender_id, created_at, sender_type)", ", 'operator'", 30),
        ("chat_notes (chat_id, content, author_id, created_at)", "", 0),
    ):
        world.rows(
            f"insert into {columns} select %s, content, %s,"
            f" timestamptz '2026-03-02' + make_interval(mins => n::integer, secs => %s)"
            f"{sender} from unnest(%s::text[]) with ordinality as c (content, n) order by n",
            *(chat[0], chat[2], second, contents),
        )
    operator = open_screen(chat[2], "staff", chat[0])
    operator.shows_messages(*contents[170:])
    notes = "chat.view.notes.map((note) => note.content)"
    assert operator.do(notes) == contents[170:]
    assert operator.do("chat.loadOlder()")
    operator.shows_messages(*contents[70:])
    assert operator.do(notes) == contents[70:]
    # One that is not there yet is changed: it comes as it is now, in its place.
    (note,) = world.rows("select id from chat_notes where chat_id = %s and content = '3'", chat[0])
    operator.do("client.api.request('PATCH', path, { content: 'three' })", path=f"/api/notes/{note['id']}")
    contents[3] = "three"
    assert not operator.do("chat.loadOlder()")
    assert operator.do(notes) == contents


# Being cut off


def test_offline_and_back(customer: Screen, operator: Screen) -> None:
    customer.shows("state", "online")
    operator.shows("state", "online")
    customer.context.set_offline(True)
    operator.sends("one", "two")
    operator.shows_messages("one", "two")
    customer.sends("three", "four")
    waits_for_the_network(customer, "three", "four")
    expect(customer.thread).to_have_count(0)
    customer.context.set_offline(False)
    for screen in (customer, operator):
        screen.shows_messages("one", "two", "three", "four")
        screen.has_missed_nothing()
    customer.shows("state", "online")


def test_the_server_is_stopped_and_started(world: World, customer: Screen, operator: Screen) -> None:
    (web,) = world.webs
    operator.sends("before")
    customer.shows_messages("before")
    web.terminate()
    web.wait_for_end(20)
    try:
        customer.shows("state", "reconnecting")
        customer.sends("during")
        waits_for_the_network(customer, "during")
        operator.sends("too")
    finally:
        web.start()
    for screen in (customer, operator):
        screen.shows("state", "online")
        expect(screen.thread).to_have_count(3)
        expect(screen.unsent).to_have_count(0)
        screen.has_missed_nothing()
    assert customer.thread.all_text_contents() == operator.thread.all_text_contents()


def test_the_web_process_is_killed_in_the_middle(world: World, customer: Screen, operator: Screen) -> None:
    contents = [str(number) for number in range(40)]
    customer.sends(*contents[:20])
    world.webs[0].kill_worker()
    customer.sends(*contents[20:])
    for screen in (customer, operator):
        screen.shows_messages(*contents)
        screen.has_missed_nothing()


def test_polling_while_no_socket_can_be_had(open_screen: Open, chat: Chat, operator: Screen) -> None:
    chat_id, customer_id, _ = chat
    switch = Switch()

    def prepare(page: Page) -> None:
        page.clock.install()
        switch(page)

    customer = open_screen(customer_id, "customer", chat_id, prepare=prepare)
    customer.shows("state", "polling")
    operator.sends("do you read me?")
    customer.shows_messages("do you read me?")
    customer.sends("yes")
    customer.shows_messages("do you read me?", "yes")
    operator.posts(f"/api/chats/{chat_id}/read", seq=2)
    customer.shows("read", "operator 2")
    customer.do("client.live.typing(chatId, true)", chatId=chat_id)
    operator.shows("typing", "real")
    customer.has_missed_nothing()

    switch.is_on = True
    customer.comes_to_show("state", "online")
    polls: list[str] = []
    customer.page.on("request", lambda request: polls.append(request.url) if "/events?" in request.url else None)
    operator.sends("now I do")
    customer.shows_messages("do you read me?", "yes", "now I do")
    customer.has_missed_nothing()
    customer.page.clock.run_for(10_000)  # longer than from one poll to the next
    customer.is_up_to_date()  # it has asked for something after that
    assert polls == []

    switch.turn_off()
    customer.shows("state", "polling")
    operator.sends("again")
    customer.shows_messages("do you read me?", "yes", "now I do", "again")
    customer.has_missed_nothing()


@pytest.mark.parametrize("is_polling", [False, True], ids=["socket", "polling"])
@pytest.mark.parametrize("what", ["forgotten", "another server"])
def test_history_that_is_gone_is_fetched_afresh(
    world: World, open_screen: Open, chat: Chat, operator: Screen, what: str, is_polling: bool
) -> None:
    chat_id, customer_id, _ = chat
    switch = Switch()
    switch.is_on = not is_polling
    customer = open_screen(customer_id, "customer", chat_id, prepare=switch)
    customer.shows("state", "polling" if is_polling else "online")
    operator.sends("before")
    customer.shows_messages("before")
    customer.context.set_offline(True)
    switch.turn_off()
    operator.sends("missed", "missed too")
    operator.shows_messages("before", "missed", "missed too")
    if what == "forgotten":
        world.forget_events([chat_id])
    else:
        world.become_another_server()
        operator.hears("reset")
    switch.is_on = not is_polling
    customer.context.set_offline(False)
    customer.shows_messages("before", "missed", "missed too")
    assert [frame["type"] for frame in customer.do("frames")].count("reset") == 1
    operator.sends("after")
    customer.shows_messages("before", "missed", "missed too", "after")
    customer.is_up_to_date()


# Being let in


def test_a_deactivated_operator_is_told_and_stops(world: World, chat: Chat, operator: Screen) -> None:
    operator.shows("state", "online")
    operator.page.clock.install()
    sockets: list[str] = []
    operator.page.on("websocket", lambda socket: sockets.append(socket.url))
    world.rows("update operators set is_active = false where id = %s", chat[2])
    expect(operator.page.locator("#state")).to_have_text("closed: deactivated")
    operator.do("client.live.hurry()")
    operator.page.clock.run_for(60_000)  # longer than it would wait to try again
    assert sockets == []
    operator.shows("state", "closed: deactivated")


def test_who_has_too_many_sockets_polls(chat: Chat, open_screen: Open, operator: Screen) -> None:
    """The server allows three to each user here."""
    context = operator.context

    def prepare(page: Page) -> None:
        page.clock.install()

    screens = [operator, *(open_screen(chat[2], "staff", chat[0], context=context, prepare=prepare) for _ in range(3))]
    for screen in screens[:3]:
        screen.shows("state", "online")
    screens[3].shows("state", "polling")
    screens[0].sends("hello")
    for screen in screens:
        screen.shows_messages("hello")
    screens[0].page.close()
    screens[3].comes_to_show("state", "online")


def test_a_token_is_renewed_before_it_ends(world: World, chat: Chat, open_screen: Open, operator: Screen) -> None:
    customer = open_screen(chat[1], "customer", chat[0])
    customer.shows("state", "online")
    customer.token = lambda: world.token(chat[1], seconds=4)
    sockets: list[str] = []
    customer.page.on("websocket", lambda socket: sockets.append(socket.url))
    customer.reload()
    wait_until(lambda: customer.do("frames.filter((frame) => frame.type === 'ready').length") >= 4)
    assert len(customer.asked) >= 4  # each time with another one
    operator.sends("still there?")
    customer.shows_messages("still there?")
    assert len(sockets) == 1
    assert customer.do("states") == ["online"]


@pytest.mark.parametrize("watches", [False, True], ids=["socket", "requests too"])
def test_a_refused_token_is_replaced(world: World, chat: Chat, open_screen: Open, watches: bool) -> None:
    customer = open_screen(chat[1], "customer", chat[0])
    customer.shows("state", "online")
    tokens = iter(["not a token", world.token(chat[1], seconds=-10)])
    customer.token = lambda: next(tokens, world.token(chat[1]))
    customer.asked.clear()
    customer.reload(watches)
    customer.shows("state", "online")
    assert customer.asked[:2] == [None, "not a token"]
    assert len(customer.asked) == 3


def test_who_is_signed_out_is_not_connected(chat: Chat, open_screen: Open) -> None:
    customer = open_screen(chat[1], "customer", chat[0])
    customer.shows("state", "online")
    customer.token = lambda: None
    customer.reload()
    customer.shows("state", "closed: signed_out")


# Sending


def refuse_posts(context: BrowserContext) -> Callable[[], None]:
    """Let no message out of this browser; returns what lets them out again."""
    context.route("**/api/messages", lambda route: route.abort())
    return lambda: context.unroute("**/api/messages")


def test_unsent_messages_outlive_the_page(customer: Screen, operator: Screen) -> None:
    contents = [str(number) for number in range(10)]  # many: a store that gives them back in any order is found out
    let_out = refuse_posts(customer.context)
    customer.sends(*contents)
    waits_for_the_network(customer, *contents)
    customer.reload()
    waits_for_the_network(customer, *contents)
    let_out()
    for screen in (customer, operator):
        screen.shows_messages(*contents)
    customer.reload()
    customer.shows_messages(*contents)
    assert customer.do("Object.keys(localStorage)") == []


def test_of_two_tabs_one_sends(chat: Chat, customer: Screen, open_screen: Open, operator: Screen) -> None:
    sent: list[str] = []
    let_out = refuse_posts(customer.context)
    customer.sends("one", "two")
    waits_for_the_network(customer, "one", "two")
    tab = open_screen(chat[1], "customer", chat[0], context=customer.context)
    expect(tab.unsent).to_have_count(2)
    tab.sends("three")
    for screen in (customer, tab):
        expect(screen.unsent).to_have_count(3)

    def note(request: Request) -> None:
        if request.url.endswith("/api/messages"):
            sent.append((request.post_data_json or {})["content"])

    customer.context.on("requestfinished", note)  # those before are refused, even if just being made
    let_out()
    for screen in (customer, tab, operator):
        screen.shows_messages("one", "two", "three")
    assert sent == ["one", "two", "three"]


def test_a_refused_message_says_why_and_can_be_sent_again(world: World, open_screen: Open) -> None:
    operator_id = world.new_operator()
    ((chat_id, _),) = world.new_chats(1)
    operator = open_screen(operator_id, "staff", chat_id)
    operator.sends("hello", "are you there?")
    expect(operator.unsent).to_have_text(
        ["failed: chat_not_assigned: hello", "failed: chat_not_assigned: are you there?"]
    )
    operator.reload()
    expect(operator.unsent).to_have_count(2)
    world.rows("select reassign_chat(%s, %s)", chat_id, operator_id)
    hello, other = operator.do("chat.unsent")
    operator.do("client.outbox.discard(id)", id=other["client_message_id"])
    operator.do("client.outbox.retry(id)", id=hello["client_message_id"])
    operator.shows_messages("hello")


def test_an_answer_that_was_lost_is_no_second_message(customer: Screen, operator: Screen) -> None:
    """The message was stored, but nobody told; what is stored comes back as an event."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    customer.context.route("**/api/messages", lose)
    customer.sends("hello")
    customer.shows_messages("hello")
    customer.context.unroute("**/api/messages")
    customer.sends("once?")
    for screen in (customer, operator):
        screen.shows_messages("hello", "once?")


def test_what_is_sent_to_a_chat_that_nobody_watches_is_forgotten(customer: Screen, operator: Screen) -> None:
    operator.shows("state", "online")
    customer.reload(watches=False)
    customer.sends("hello")
    wait_until(lambda: customer.do("outgoing").count([]) == 1)
    assert customer.do("outgoing") == [["pending"], ["sent"], []]
    operator.shows_messages("hello")


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_what_was_sent_long_before_what_is_shown_is_not_on_its_way(
    world: World, open_screen: Open, chat: Chat, operator: Screen, is_late: bool
) -> None:
    """Its event was missed, and the fresh snapshot begins behind it; the answer comes before or after that."""
    switch = Switch()
    customer = open_screen(chat[1], "customer", chat[0], prepare=switch)
    customer.shows("state", "polling")
    customer.page.route("**/events?*", lambda route: route.abort())
    late: list[tuple[Route, APIResponse]] = []
    if is_late:
        customer.page.route("**/api/messages", lambda route: late.append((route, route.fetch())))
    customer.sends("hello")
    operator.shows_messages("hello")
    if not is_late:
        expect(customer.unsent).to_have_text(["sent: hello"])
    contents = [str(number) for number in range(50)]
    has_written(world, chat, contents)
    operator.shows_messages("hello", *contents)
    world.forget_events([chat[0]])
    customer.page.unroute("**/events?*")
    expect(customer.thread).to_have_text(contents)
    for route, response in late:
        route.fulfill(response=response)
    customer.shows_messages(*contents)


def test_who_writes_too_much_waits(world: World, customer: Screen, operator: Screen) -> None:
    world.rows("update settings set value = '60' where name = 'rate_limit_per_minute'")
    world.rows("update settings set value = '1' where name = 'rate_limit_burst'")
    try:
        customer.sends("one", "two", "three")
        operator.shows_messages("one", "two", "three")
        customer.shows_messages("one", "two", "three")
    finally:
        world.rows("update settings set value = '0' where name = 'rate_limit_per_minute'")


def test_without_what_only_secure_pages_have(chat: Chat, open_screen: Open, operator: Screen) -> None:
    customer = open_screen(chat[1], "customer", chat[0], host=PLAIN_HOST)
    assert customer.do("[typeof crypto.randomUUID, typeof navigator.locks]") == ["undefined", "undefined"]
    customer.shows("state", "online")
    customer.sends("one", "two")
    operator.shows_messages("one", "two")
    customer.shows_messages("one", "two")


def test_where_nothing_can_be_kept(chat: Chat, open_screen: Open, operator: Screen) -> None:
    customer = open_screen(chat[1], "customer", chat[0], query="sandboxed")
    assert customer.page.evaluate(
        "() => { try { return localStorage.length } catch (error) { return error.name } }"
    ) == ("SecurityError")
    customer.sends("one", "two")
    for screen in (customer, operator):
        screen.shows_messages("one", "two")


# The pure part


def event(number: int) -> dict[str, Any]:
    """An event's frame, as far as it is looked at."""
    return {"type": "event", "chat_id": "c", "event_seq": number}


SUBSCRIBED = {"type": "subscribed", "chat_id": "c", "event_seq": 3}
RESET = {"type": "reset", "chat_id": "c", "event_seq": 8}
REFUSED = {"type": "error", "chat_id": "c", "details": "chat_not_found"}
ENDED = {"type": "unsubscribed", "chat_id": "c", "details": "chat_not_found"}
BUSY = {"type": "error", "chat_id": "c", "details": "database_unavailable"}
NOT_SUBSCRIBED = {"type": "error", "chat_id": "c", "details": "not_subscribed"}  # the answer to typing

# What comes, what is told of it, after which events is asked, and whether it is over then.
FOLLOWED: list[tuple[list[Any], list[Any], list[int], bool]] = [
    ([SUBSCRIBED, event(4), event(5)], [SUBSCRIBED, event(4), event(5)], [3], False),
    ([SUBSCRIBED, event(4), event(4), event(3), event(5)], [SUBSCRIBED, event(4), event(5)], [3], False),
    # What comes before the answer is of an earlier subscription.
    ([event(4), SUBSCRIBED, event(4)], [SUBSCRIBED, event(4)], [3], False),
    # One is missing: it is asked for, and what comes before the answer will come again.
    (
        [SUBSCRIBED, event(4), event(6), event(7), SUBSCRIBED, event(5)],
        [SUBSCRIBED, event(4), SUBSCRIBED, event(5)],
        [3, 4],
        False,
    ),
    (
        [RESET, SUBSCRIBED, event(9), None, event(9), SUBSCRIBED, event(9)],
        [RESET, SUBSCRIBED, event(9)],
        [3, 8],
        False,
    ),
    ([RESET, RESET, None, SUBSCRIBED, event(9), event(9)], [RESET, SUBSCRIBED, event(9)], [3, 8], False),
    ([REFUSED, SUBSCRIBED, event(4)], [REFUSED], [3], True),
    ([BUSY, SUBSCRIBED, REFUSED, event(4)], [BUSY, SUBSCRIBED, REFUSED, event(4)], [3], False),
    # It is over while it is asked for again.
    ([SUBSCRIBED, event(6), REFUSED, event(4)], [SUBSCRIBED, REFUSED], [3, 3], True),
    ([NOT_SUBSCRIBED, SUBSCRIBED, event(4)], [NOT_SUBSCRIBED, SUBSCRIBED, event(4)], [3], False),
    ([SUBSCRIBED, NOT_SUBSCRIBED, event(4)], [SUBSCRIBED, NOT_SUBSCRIBED, event(4)], [3], False),
    ([SUBSCRIBED, ENDED, event(4)], [SUBSCRIBED, ENDED], [3], True),
    ([ENDED, SUBSCRIBED, event(4)], [SUBSCRIBED, event(4)], [3], False),
]


def test_whatever_comes_each_event_is_told_once_and_in_order(customer: Screen) -> None:
    for incoming, heard, asked_after, is_over in FOLLOWED:
        found = customer.do("followed(incoming)", incoming=incoming)
        assert found["heard"] == heard, incoming
        assert [frame["after_event"] for frame in found["sent"]] == asked_after, incoming
        assert found["isOver"] is is_over, incoming


def test_what_apply_makes_of_events_is_what_a_fresh_snapshot_says(
    baton: Baton, new_context: Callable[[], BrowserContext]
) -> None:
    """For everything that can be done to a chat: from the snapshot before it, and from the first one."""
    page = new_context().new_page()
    page.goto(f"{baton.base_url}/test/page.html")
    play = Play(baton)
    path = f"/api/chats/{play.chat['id']}"

    def fetch(who: Person) -> dict[str, Any] | None:
        answer = who.get(f"{path}/snapshot")
        snapshot: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return snapshot

    def since(who: Person, snapshot: dict[str, Any]) -> list[dict[str, Any]]:
        frames, cursor = [], snapshot["chat"]["event_seq"]
        while cursor is not None:
            answer = who.get(f"{path}/events", after_event=cursor, limit=20).json()
            frames += answer.get("data", [])
            cursor = answer.get("next_cursor")
        return frames

    def check(what: str, who: Person, *cases: tuple[dict[str, Any], list[dict[str, Any]]]) -> dict[str, Any] | None:
        if (fresh := fetch(who)) is not None:
            script = "async (given) => (await import('/test/page.js')).differences(given)"
            assert page.evaluate(script, {"cases": cases, "fresh": fresh}) == [], what
        return fresh

    try:
        first: dict[str, Any] = {}  # by name: what was seen first, and what was told since then
        last: dict[str, Any] = {}
        told: dict[str, list[dict[str, Any]]] = {}
        for step, do in play.steps():
            do()
            for name, who in play.everyone.items():
                if name in last:
                    new = since(who, last[name])
                    told[name] += new
                    last[name] = check(f"{step}, {name}", who, (last[name], new))
                else:
                    first[name] = last[name] = fetch(who)
                    told[name] = []
                if last[name] is None:  # he may not see it any more, and will begin anew
                    del last[name]
        for name in last:
            who = play.everyone[name]
            check(f"all at once, {name}", who, (first[name], told[name]), (first[name], since(who, first[name])))
            assert len(told[name]) > 10
    finally:
        play.end()

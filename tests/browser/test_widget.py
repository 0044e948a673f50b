"""The widget in a page of another site, whose policy names nothing of Baton but its address."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Locator, Page, Route, expect
from psycopg import sql

from tests.browser.conftest import ARGUMENTS, CHROMIUM, needed
from tests.conftest import Servers
from tests.http.test_host_users import SECRET, identity
from tests.live.world import wait_until
from tests.servers import Baton, running_baton

# Of another origin than Baton, and of another site: localhost and 127.0.0.1 have nothing in common.
SHOP = "http://localhost:8001"
PAGE = """<!doctype html><html lang="{language}"><title>Shop</title><main><h1>Shop</h1></main>
<script nonce="own">
  const told = [];
  (window.Baton ??= []).push((Baton) => {{
    for (const name of ["unread", "chat_started", "error"]) Baton.on(name, (detail) => told.push([name, detail]));
  }}, {calls});
</script>
<script src="{baton}/widget.js" data-baton async></script>"""
POLICY = (
    "default-src 'none'; script-src {baton} 'nonce-own'; frame-src {baton}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@pytest.fixture(scope="module")
def baton(servers: Servers) -> Iterator[Baton]:
    """A server whose widget the shop may frame, and whose users it may name."""
    server = servers.server("postgres-18-embedded")
    with running_baton(server, BATON_ALLOWED_ORIGINS=SHOP, BATON_IDENTITY_SECRET=SECRET) as baton:
        yield baton


class Shop:
    """A page of the shop with the widget in it."""

    def __init__(self, baton: Baton, page: Page) -> None:
        self.page = page
        self.baton = baton
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda said: self.problems.append(said.text) if "Security Policy" in said.text else None)

    def opens(self, *calls: list[Any], language: str = "en") -> "Shop":
        """Load the page, in which these calls are made before the launcher is there."""
        body = PAGE.format(baton=self.baton.base_url, calls=", ".join(map(json.dumps, calls)), language=language)
        headers = {"Content-Security-Policy": POLICY.format(baton=self.baton.base_url)}
        self.page.route(f"{SHOP}/**", lambda route: route.fulfill(body=body, content_type="text/html", headers=headers))
        self.page.goto(f"{SHOP}/")
        return self

    @property
    def frame(self) -> Frame:
        """The widget's frame, whose place in the page nobody can look into."""

        def found() -> Frame | None:
            address = f"{self.baton.base_url}/widget"
            return next((frame for frame in self.page.frames if frame.url.startswith(address)), None)

        wait_until(lambda: found() is not None or self.page.evaluate("undefined"), what="the widget's frame")
        frame = found()
        assert frame is not None
        return frame

    def find(self, selector: str) -> Locator:
        """Find something in the widget."""
        return self.frame.locator(selector)

    @property
    def messages(self) -> Locator:
        """The texts of its messages."""
        return self.find(".message-text")

    def shows(self, *texts: str) -> None:
        """Wait until it shows these messages, all of them sent."""
        expect(self.messages).to_have_text(list(texts))
        expect(self.find('.message:not([data-state="sent"], [data-state="read"])')).to_have_count(0)

    def writes(self, text: str) -> None:
        """Write as the visitor, and wait until the server has it."""
        field = self.find("baton-composer:defined .composer-text")
        field.fill(text)
        field.press("Enter")
        expect(self.find(".message").filter(has_text=text)).to_have_attribute("data-state", re.compile("sent|read"))

    @property
    def stored(self) -> dict[str, str]:
        """What the host page has in its storage."""
        found: dict[str, str] = self.page.evaluate("({ ...localStorage, ...sessionStorage })")
        return found

    def hears(self, event: str) -> Any:
        """Wait until its listeners are told of an event; return what."""
        found: list[Any] = []

        def is_told() -> bool:
            found[:] = self.page.evaluate("(name) => told.filter(([each]) => each === name).slice(0, 1)", event)
            return bool(found)

        wait_until(is_told, what=event)
        return found[0][1]


@pytest.fixture
def shop(browser: Browser, baton: Baton) -> Iterator[Shop]:
    """A shop in a browser of its own."""
    context = browser.new_context()
    yield Shop(baton, context.new_page())
    context.close()


@pytest.fixture
def blocked(browser: Browser, baton: Baton, tmp_path: Path) -> Iterator[Shop]:
    """A shop in a browser that keeps nothing at all for Baton's frame."""
    (tmp_path / "Default").mkdir()
    exceptions = {"cookies": {"127.0.0.1,*": {"setting": 2}}}
    preferences = {"profile": {"content_settings": {"exceptions": exceptions}}}
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(preferences))
    path = needed(CHROMIUM)
    context = browser.browser_type.launch_persistent_context(tmp_path, executable_path=path, args=ARGUMENTS)
    yield Shop(baton, context.new_page())
    context.close()


def people_count(baton: Baton) -> int:
    """Return how many people there are."""
    return int(baton.database.value("select count(*) from auth.users"))


def cookies_of(context: BrowserContext) -> dict[str, str | None]:
    """Return the sites under which Baton's cookies are kept, by their names."""
    return {cookie["name"]: cookie.get("partitionKey") for cookie in context.cookies()}


def test_a_visitor_writes_and_is_still_there_on_the_next_page(shop: Shop) -> None:
    people = people_count(shop.baton)
    shop.opens(["open"])
    expect(shop.find(".composer-text")).to_be_focused()
    assert people_count(shop.baton) == people
    assert (shop.stored, cookies_of(shop.page.context)) == ({}, {})
    shop.writes("Where is my order?")
    expect(shop.find(".room-label")).to_have_text(re.compile("You are next|Your place in the queue"))
    site = "http://localhost"
    assert cookies_of(shop.page.context) == {"baton_visitor_access": site, "baton_visitor_refresh": site}
    shop.opens()  # it is open on the next page too, though nobody has asked for that
    shop.shows("Where is my order?")
    assert shop.stored == {"baton:open": "1"}
    assert shop.problems == []


def test_who_has_the_chat_is_still_shown_on_the_next_page(shop: Shop) -> None:
    shop.opens(["open"])
    shop.writes("Where is my order?")
    chat_id, database = shop.hears("chat_started")["chat_id"], shop.baton.database
    picture = "/storage/v1/object/public/avatars/mara.png"
    give = """
        with o as (insert into operators (name) values ('Ana') returning id),
          f as (insert into fictional_users (name, avatar_url) values ('Mara', %s) returning id)
        update chats set chat_state = 'assigned', assigned_operator_id = o.id, fictional_user_id = f.id from o, f
        where chats.id = %s
    """
    database.rows(give, picture, chat_id)
    expect(shop.find(".chat-who h1")).to_have_text("Mara")
    database.rows("delete from private.events where chat_id = %s", chat_id)  # as time does
    shop.opens()
    expect(shop.find(".chat-who h1")).to_have_text("Mara")
    expect(shop.find(".face img")).to_have_attribute("src", picture)
    database.rows("update chats set chat_state = 'completed', assigned_operator_id = null where id = %s", chat_id)


def test_a_reply_that_he_does_not_see_sounds_unless_he_has_turned_that_off(shop: Shop) -> None:
    shop.page.add_init_script(
        """window.sounds = 0;
        const start = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function (...when) { window.sounds += 1; return start.apply(this, when); };
        const Context = AudioContext;
        window.AudioContext = class extends Context { constructor(...how) { super(...how); window.audio = this; } };"""
    )
    shop.opens(["open"])
    shop.writes("Where is my order?")
    chat_id, database = shop.hears("chat_started")["chat_id"], shop.baton.database
    shop.frame.wait_for_function("window.audio?.state === 'running'")  # where there is much to do it takes its time
    operator_id = database.value("insert into operators (name) values ('Ana') returning id")
    give = "update chats set handling = 'session', chat_state = 'assigned', assigned_operator_id = %s where id = %s"
    database.rows(give, operator_id, chat_id)

    def sounds_after(reply: str) -> int:
        say = "insert into messages (chat_id, sender_type, sender_id, content) values (%s, 'operator', %s, %s)"
        database.rows(say, chat_id, operator_id, reply)
        expect(shop.messages.last).to_have_text(reply)
        count: int = shop.frame.evaluate("window.sounds")
        return count

    assert sounds_after("He is looking at it.") == 0
    shop.page.evaluate("Baton.close()")
    once = sounds_after("He is not.")
    assert once > 0
    shop.page.evaluate("Baton.open()")
    shop.find('[popovertarget="chat-menu"]').click()
    shop.find('[data-action="mute"]').click()
    shop.page.evaluate("Baton.close()")
    assert sounds_after("He wants to hear nothing.") == once
    shop.opens(["open"])
    shop.find('[popovertarget="chat-menu"]').click()
    expect(shop.find('[data-action="unmute"]')).to_be_visible()
    expect(shop.find('[data-action="mute"]')).to_be_hidden()
    database.rows("update chats set chat_state = 'completed', assigned_operator_id = null where id = %s", chat_id)


def test_what_he_writes_while_his_chat_is_being_made_follows_it(shop: Shop) -> None:
    shop.opens(["open"])
    held: list[Route] = []
    shop.page.context.route("**/api/chats", lambda route: held.append(route))
    field = shop.find("baton-composer:defined .composer-text")
    for text in ("one", "two", "three"):
        field.fill(text)
        field.press("Enter")
    expect(shop.messages).to_have_text(["one", "two", "three"])
    wait_until(lambda: len(held) == 1 or shop.page.evaluate("undefined"), what="the chat's request")
    held[0].continue_()
    shop.shows("one", "two", "three")


def test_where_the_browser_keeps_nothing_for_us_the_page_keeps_a_key_until_its_user_signs_out(blocked: Shop) -> None:
    blocked.opens(["open"])
    assert blocked.stored == {}
    blocked.writes("Hello")
    assert set(blocked.stored) == {"baton:open", "baton:resume"}
    blocked.opens()
    blocked.shows("Hello")
    blocked.page.evaluate("Baton.logout()")
    expect(blocked.find(".message-text")).to_have_count(0)
    expect(blocked.find(".chat-greeting").first).to_be_visible()
    assert cookies_of(blocked.page.context) == {}
    assert blocked.stored == {}
    blocked.writes("Somebody else")
    blocked.shows("Somebody else")


def test_two_users_of_the_page_do_not_see_each_others_chats(shop: Shop) -> None:
    kim, lee = uuid4().hex, uuid4().hex
    shop.opens(["setUser", identity(kim, name="Kim")], ["updateUserContext", {"currentPage": "/spades"}], ["open"])
    shop.writes("I am Kim")
    chat_id = shop.hears("chat_started")["chat_id"]
    query = "select u.name, c.context from chats c join real_users u on u.id = c.real_user_id where c.id = %s"
    chat = shop.baton.database.row(query, chat_id)
    assert chat == {"name": "Kim", "context": {"currentPage": "/spades"}}
    shop.opens(["setUser", identity(lee)], ["open"])
    expect(shop.find(".composer-text")).to_be_focused()
    expect(shop.find(".message-text")).to_have_count(0)
    shop.writes("I am Lee")
    shop.page.evaluate("(token) => Baton.setUser(() => Promise.resolve(token))", identity(kim))
    shop.shows("I am Kim")
    shop.page.evaluate("Baton.setUser('none')")
    assert shop.hears("error")["code"] == "identity_token_invalid"
    expect(shop.find(".message-text")).to_have_count(0)
    somebody = f"Who am I? {uuid4().hex}"
    shop.writes(somebody)
    query = "select u.name, u.is_anonymous from messages m join real_users u on u.id = m.sender_id where m.content = %s"
    assert shop.baton.database.row(query, somebody) == {"name": None, "is_anonymous": True}


def test_nobody_but_the_page_and_its_frame_get_the_port_between_them(shop: Shop) -> None:
    shop.opens(["open"])
    expect(shop.find(".composer-text")).to_be_focused()
    shop.page.evaluate("document.body.append(document.createElement('iframe'))")
    other = next(frame for frame in shop.page.frames if frame.url == "about:blank")
    answers: int = other.evaluate(
        """async () => {
          let count = 0;
          addEventListener("message", () => (count += 1));
          parent.postMessage("baton:hello", "*");
          await new Promise((resolve) => setTimeout(resolve, 300));
          return count;
        }"""
    )
    assert answers == 0
    assert other.evaluate("parent.frames.length") == 1  # the widget is not among them
    shop.writes("still with its page")
    shop.hears("chat_started")


def test_what_is_missing_is_said_beside_the_field_and_nothing_that_was_typed_is_lost(shop: Shop) -> None:
    asked = [{"field": "name", "is_required": True}, {"field": "email", "is_required": False}]
    with widget(shop.baton, pre_chat=json.dumps(asked)):
        shop.opens(["open"])
        expect(shop.find("#pre-chat-name")).to_be_focused()
        shop.find(".composer-text").fill("Do you have it in green?")
        shop.find("#pre-chat-email").fill("kim@")
        shop.find(".composer-send").click()
        expect(shop.find("#pre-chat-name")).to_be_focused()
        expect(shop.find("#pre-chat-name-problem")).to_have_text("This is needed.")
        expect(shop.find("#pre-chat-email-problem")).to_have_text("This is no email address.")
        expect(shop.find(".composer-text")).to_have_value("Do you have it in green?")
        shop.find("#pre-chat-name").fill("Kim")
        shop.find("#pre-chat-email").fill("")
        shop.find(".composer-send").click()
        shop.shows("Do you have it in green?")
    chat_id = shop.hears("chat_started")["chat_id"]
    query = "select u.name from real_users u join chats c on c.real_user_id = u.id where c.id = %s"
    assert shop.baton.database.value(query, chat_id) == "Kim"


def test_who_hesitates_sees_that_somebody_comes(shop: Shop) -> None:
    database = shop.baton.database
    database.rows("update operators set status = 'offline' where true")
    shop.opens(["open"])
    expect(shop.find(".chat-presence")).to_contain_text("Nobody is at the desk")
    database.rows("insert into operators (name, status) values (%s, 'online')", uuid4().hex)
    expect(shop.find(".chat-presence")).to_have_text("Somebody is here now")


def test_when_it_is_closed_he_leaves_a_message_that_becomes_a_ticket(shop: Shop) -> None:
    with widget(shop.baton, is_open_always=False, business_hours="{}"):
        shop.opens(["open"], language="ar")
        expect(shop.find("html")).to_have_attribute("dir", "rtl")
        message = f"Please call me back {uuid4().hex}"
        shop.find("#offline-message").fill(message)
        shop.find("#offline-contact_email").fill("kim@shop.example")
        shop.find("#offline button").click()
        expect(shop.find(".left-for")).to_have_text("kim@shop.example")
    ticket = shop.baton.database.row("select status, contact_email from tickets where title = %s", message)
    assert ticket == {"status": "open", "contact_email": "kim@shop.example"}


@contextmanager
def widget(baton: Baton, **settings: object) -> Iterator[None]:
    """Set up the widget otherwise for a while."""
    before = baton.database.row("select * from widget_settings")
    names = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in settings)
    query = sql.SQL("update widget_settings set {}").format(names).as_string()
    baton.database.rows(query, *settings.values())
    try:
        yield
    finally:
        values = [before[name] for name in settings]
        baton.database.rows(query, *[json.dumps(each) if isinstance(each, dict | list) else each for each in values])

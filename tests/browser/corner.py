"""The widget in the corner of a page, in its states: walks through a conversation, each looked at from end to end."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from playwright.sync_api import FilePayload, Frame, Page, expect

from tests.browser.furniture import Furniture
from tests.browser.house import House
from tests.browser.test_widget import Shop
from tests.files.corpus import png


class Corner:
    """A visitor at a station of his walk, and Ana, who answers."""

    def __init__(self, house: House, there: Furniture, walk: "Walk", page: Page) -> None:
        self.there = there
        self.page = page
        house.world.rows("select complete_chat(id) from chats where is_active")
        status = "online" if walk.is_staffed else "offline"
        house.world.rows("update operators set status = %s where name = 'Ana'", status)
        usual = {"pre_chat": "[]", "is_open_always": True, "ask_rating": True, "handling": "session"}
        settings = {**usual, **walk.settings}
        changes = ", ".join(f"{name} = %s" for name in settings)
        house.world.rows(f"update widget_settings set {changes} where is_only", *settings.values())
        page.context.clear_cookies()
        page.context.set_offline(False)
        page.unroute_all()
        page.set_viewport_size({"width": walk.width, "height": walk.height})
        page.mouse.move(0, 0)
        self.shop = Shop(house.baton, page)
        self.shop.opens(language=walk.language)
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.shop.opens(language=walk.language)
        self._house = house

    @property
    def frame(self) -> Frame:
        """The widget's frame."""
        return self.shop.frame

    def go_to(self, station: "Station") -> None:
        """Do what leads to it, and see that one is there."""
        station.step(self)
        place = self.page if station.is_outside else self.frame
        expect(place.locator(station.shows).first).to_be_visible()
        if not station.is_cut_off:
            expect(self.frame.locator('.message[data-state="pending"]')).to_have_count(0)

    def clicks(self, selector: str) -> None:
        """Click something in the widget."""
        self.frame.locator(selector).first.click()

    def closes_menus(self) -> None:
        """Put away what lies over the conversation."""
        self.frame.evaluate("document.querySelectorAll(':popover-open').forEach((each) => each.hidePopover())")

    def writes(self, text: str) -> None:
        """Type and send."""
        self.frame.locator(".composer-text").fill(text)
        self.frame.locator(".composer-text").press("Enter")

    @property
    def chat_id(self) -> str:
        """The chat that goes on."""
        return str(self._house.world.value("select id::text from chats where is_active"))

    def is_taken(self) -> None:
        """Let Ana have it."""
        path = f"/api/admin/chats/{self.chat_id}/reassign"
        self.there.posts(self.there.ada, path, operator_id=self.there.ana, reason="hers")

    def is_answered(self, text: str) -> None:
        """Let Ana write."""
        self.there.replies(self.there.ana, self.chat_id, text)

    def is_completed(self) -> None:
        """Let Ana end it."""
        self.there.posts(self.there.ana, f"/api/chats/{self.chat_id}/complete", reason="answered")


Step = Callable[[Corner], object]


def clicks(selector: str) -> Step:
    """Click something in the widget."""
    return lambda corner: corner.clicks(selector)


def opens(corner: Corner) -> None:
    """Press the launcher."""
    corner.page.locator(".launcher").click()
    corner.page.mouse.move(0, 0)


def writes(text: str) -> Step:
    """Type and send."""
    return lambda corner: corner.writes(text)


@dataclass(frozen=True)
class Station:
    """A state of the widget: how one comes to it from the one before, and by what one sees that one is there."""

    name: str
    shows: str
    step: Step = lambda corner: None
    is_outside: bool = False  # of the page, not in the widget's frame
    is_cut_off: bool = False  # what is on its way does not arrive


@dataclass(frozen=True)
class Walk:
    """A conversation, from one state to the next."""

    name: str
    stations: tuple[Station, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    language: str = "en"
    width: int = 520
    height: int = 760
    is_staffed: bool = True  # whether somebody is at the desk


def asks(corner: Corner) -> None:
    """Write all that is asked for, and the first message."""
    corner.frame.locator("#pre-chat-name").fill("Kim Novák")
    corner.frame.locator("#pre-chat-email").fill("")
    corner.writes("Do you have the rocking chair in ash?")


def answered(corner: Corner) -> None:
    """Be answered, in two messages."""
    corner.is_answered("We do: it is in the window, see https://shop.example/ash")
    corner.is_answered("Shall I put one aside for you?")
    corner.page.mouse.move(0, 0)


def attaches(corner: Corner) -> None:
    """Choose files."""
    files: list[FilePayload] = [
        {"name": "door.png", "mimeType": "image/png", "buffer": png()},
        {
            "name": "A bill whose name is too long for this little place.txt",
            "mimeType": "text/plain",
            "buffer": b"1",
        },
    ]
    corner.frame.locator('input[type="file"]').set_input_files(files)
    expect(corner.frame.locator('.composer-file[data-state="ready"]')).to_have_count(2)


def sends_files(corner: Corner) -> None:
    """Send what was chosen."""
    if corner.frame.locator(".composer-file").count() == 0:
        attaches(corner)
    corner.clicks(".composer-send")


def is_told_unseen(corner: Corner) -> None:
    """Put it away, and be answered."""
    corner.clicks('[data-action="close"]')
    corner.is_answered("Are you still there?")


def comes_back(corner: Corner) -> None:
    """Find that it has ended."""
    corner.is_completed()
    opens(corner)


def opens_menu(corner: Corner) -> None:
    """Look what else there is to do."""
    corner.closes_menus()
    corner.clicks('[popovertarget="chat-menu"]')


def writes_too_much(corner: Corner) -> None:
    """Send what no message takes."""
    corner.closes_menus()
    corner.writes("é " * 30_000)


def is_content(corner: Corner) -> None:
    """Choose four of five stars."""
    corner.frame.locator('[name="score"]').nth(3).check(force=True)


def leaves_a_message(corner: Corner) -> None:
    """Leave a message."""
    corner.frame.locator("#offline-message").fill("Please call me back")
    corner.frame.locator("#offline-contact_email").fill("kim@shop.example")
    corner.clicks("#offline [type=submit]")


def loses_connection(corner: Corner) -> None:
    """Have a conversation, and write on where no network is."""
    opens(corner)
    corner.writes("Do you have the rocking chair in ash?")
    expect(corner.frame.locator('.message[data-state="sent"]')).to_have_count(1)
    corner.is_taken()
    answered(corner)
    expect(corner.frame.locator(".message-text")).to_have_count(3)
    corner.page.context.set_offline(True)
    corner.writes("Please do! I am in a tunnel.")


def finds_nobody(corner: Corner) -> None:
    """Open it where its frame does not come."""
    corner.page.route(re.compile(r"/widget(\?|$)"), lambda route: route.abort())
    corner.shop.opens(["open"])


WAY = (
    Station("closed", ".launcher", is_outside=True),
    Station("start", "#pre-chat-name", opens),
    Station("asked", "#pre-chat-name-problem:not(:empty)", writes("Do you have the rocking chair in ash?")),
    Station("waiting", ".room[data-size=large] .room-number", asks),
    Station("in-hand", ".room[data-size=hand]", Corner.is_taken),
    Station("answered", ".message-text >> nth=2", answered),
    Station("files", '.composer-file[data-state="ready"] >> nth=1', attaches),
    Station("talk", ".attachment-image >> nth=0", sends_files),
    Station("emoji", ".emoji-grid button", clicks('[data-action="emoji"]')),
    Station("menu", "#chat-menu:popover-open", opens_menu),
    Station("refused", '.message[data-state="failed"]', writes_too_much),
    Station("unread", ".badge:not([hidden])", is_told_unseen, is_outside=True),
    Station("ended", "#rating", comes_back),
    Station("rating", ".rating-more", is_content),
    Station("rated", ".end-thanks", clicks("#rating [type=submit]")),
)


def some(*names: str) -> tuple[Station, ...]:
    """Return some of the stations."""
    return tuple(each for each in WAY if each.name in names)


ASKED = json.dumps([{"field": "name", "is_required": True}, {"field": "email", "is_required": False}])
CLOSED = {"is_open_always": False, "business_hours": "{}"}

WALKS = (
    Walk("widget", WAY, {"pre_chat": ASKED}),
    Walk(
        "widget-phone",
        some("closed", "start", "waiting", "in-hand", "answered", "talk"),
        {"pre_chat": ASKED},
        width=390,
        height=844,
    ),
    Walk(
        "widget-ar",
        some("closed", "start", "asked", "waiting", "in-hand", "answered", "menu"),
        {"pre_chat": ASKED},
        language="ar",
    ),
    Walk(
        "widget-offline",
        (
            Station("form", "#offline-message", opens),
            Station("asked", "#offline-message-problem:not(:empty)", clicks("#offline [type=submit]")),
            Station("left", ".left-for", leaves_a_message),
        ),
        CLOSED,
    ),
    Walk(
        "widget-alone",
        (
            Station("start", '.chat-presence [data-status="away"]', opens),
            Station("waiting", ".room-trouble:not(:empty)", writes("Do you have the rocking chair in ash?")),
        ),
        is_staffed=False,
    ),
    Walk("widget-lost", (Station("talk", ".chat-strip:not(:empty)", loses_connection, is_cut_off=True),)),
    Walk(
        "widget-unreachable",
        (Station("open", ".trouble:visible", finds_nobody, is_outside=True, is_cut_off=True),),
    ),
)

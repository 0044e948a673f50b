"""Every screen in its states: what the tests go through that look at all of them. A new screen is a new line here."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from playwright.sync_api import Page, expect

from tests.browser.furniture import Furniture

Step = Callable[[Page], object]


def clicks(selector: str) -> Step:
    """Click something."""
    return lambda page: page.locator(selector).first.click()


def presses(key: str) -> Step:
    """Press a key."""
    return lambda page: page.keyboard.press(key)


def types(selector: str, text: str) -> Step:
    """Type something."""
    return lambda page: page.locator(selector).first.fill(text)


def sits(page: Page) -> None:
    """See both desks of the demo, in their frames."""
    for seat in ("ana", "ben"):
        expect(
            page.frame_locator(f'[data-seat="{seat}"]').locator('.presence[data-status="online"]').first
        ).to_be_visible()
    shop = page.frame_locator("iframe >> nth=0")
    expect(shop.frame_locator("iframe").locator(".composer-text")).to_have_value(re.compile("rocking chair"))


# What lies over a page is gone.
PUT_AWAY = """() => {
  for (const dialog of document.querySelectorAll("dialog[open]:not(#sign-in)")) dialog.close();
  for (const menu of document.querySelectorAll(":popover-open")) menu.hidePopover();
}"""


# As going back does it.
GO = """(path) => {
  history.pushState({ isInside: true }, "", path);
  dispatchEvent(new PopStateEvent("popstate", { state: history.state }));
}"""


@dataclass(frozen=True)
class Screen:
    """A screen in one state: who looks at it, where, how he gets there, and by what one sees that it is there."""

    name: str
    who: str  # ana, ada; nobody: not signed in
    path: str  # with {fields} of Furniture
    shows: str
    steps: tuple[Step, ...] = ()
    widths: tuple[int, ...] = (1440,)  # at which it is looked at
    height: int = 900
    language: str = "en"
    has_texts: bool = True  # whether something that people have written is shown
    lies_over: bool = False  # it is a dialog or a menu over what is at the same address without its steps
    is_known: bool = True  # whether the page has been told who looks at it
    part: str | None = None  # all that is looked at by axe, where the rest is as on other screens

    @property
    def place(self) -> tuple[str, str, str]:
        """Who looks, where, in which language: screens of one place are one page."""
        return self.who, self.path, self.language

    def show(self, page: Page, there: Furniture) -> None:
        """Load it in a page."""
        if "#" in self.path:
            page.goto("about:blank")  # addresses may differ in their fragment alone
        page.goto(self.path.format(**vars(there), shop=there.shop))
        self.open(page)

    def go(self, page: Page, there: Furniture) -> None:
        """Go there in a page, without loading it where one would not when one presses a link."""
        path = self.path.format(**vars(there), shop=there.shop)
        app = re.match(r"/operator(?!/chats/)|/admin", path)
        if app is None or not re.search(rf"//[^/]+{app[0]}(?!/chats/)", page.url):
            self.show(page, there)
            return
        page.evaluate(PUT_AWAY)
        page.evaluate(GO, path)
        self.open(page)

    def open(self, page: Page) -> None:
        """Take its steps; a page that was there before is there without them."""
        page.evaluate(PUT_AWAY)
        for step in self.steps:
            step(page)
        expect(page.locator(self.shows).first).to_be_visible()
        if self.is_known:
            expect(page.locator("baton-desk:not([hidden], [data-ready])")).to_have_count(0)
        expect(page.locator(".row:has([aria-current]) .badge:not([hidden])")).to_have_count(0)  # what is open is read


DESK = ".next-card:visible, .calm:visible"
MINE = 'baton-chat[data-state="mine"] .attachment-name >> nth=1'
ALL = (1440, 1024, 390)

WORKSPACE = (
    Screen("sign-in", "nobody", "/operator", "#sign-in[open]", widths=(1440, 390), has_texts=False),
    Screen(
        "sign-in-refused",
        "nobody",
        "/operator",
        "#sign-in-email-problem:not(:empty)",
        (clicks("#sign-in button"),),
        has_texts=False,
    ),
    Screen("desk", "ana", "/operator", ".next-card", widths=ALL),
    Screen("chat-mine", "ana", "/operator/{mine}", MINE, widths=ALL),
    Screen(
        "chat-note",
        "ana",
        "/operator/{mine}",
        "#note-text:focus",
        (clicks("#tab-note"), clicks("#note-text")),
        has_texts=False,
    ),
    Screen(
        "chat-staged",
        "ana",
        "/operator/{mine}",
        ".composer-send:visible",
        (types("#reply-text", "One line"),),
        has_texts=False,
    ),
    Screen("chat-waiting", "ana", "/operator/queue/{queued}", 'baton-chat[data-state="waiting"] .message'),
    Screen("chat-customer", "ana", "/operator/{waiting}", 'baton-chat[data-state="customer"] .message'),
    Screen("chat-snoozed", "ana", "/operator/{snoozed}", '[data-part="unsnooze"]', has_texts=False),
    Screen("chat-done", "ana", "/operator/done/{done}", 'baton-chat[data-state="completed"] .message'),
    Screen("chat-lost", "ana", "/operator/00000000-0000-4000-8000-000000000000", '[data-part="lost"]', has_texts=False),
    Screen(
        "chat-message-menu",
        "ana",
        "/operator/{mine}",
        "#menu:popover-open",
        (lambda page: page.locator(".message-more").first.press("Enter"),),
        has_texts=False,
        lies_over=True,
    ),
    Screen("chat-panel", "ana", "/operator/{mine}#customer", ".panel-body", widths=(1024, 390), has_texts=False),
    Screen("queue", "ana", "/operator/queue", '[data-box="queue"] .row', widths=(1440, 390)),
    Screen("mentions", "ana", "/operator/mentions", ".row.mention"),
    Screen("done", "ana", "/operator/done", '[data-box="done"] .row'),
    Screen("all", "ada", "/operator/all", '[data-box="all"] .row'),
    Screen("search", "ana", "/operator/search", ".list-search", widths=(1440,), has_texts=False),
    Screen("search-found", "ana", "/operator/search?q=order", ".row.result"),
    Screen("palette", "ana", "/operator", "#palette[open]", (clicks(".next-card"), presses("Control+k"))),
    Screen(
        "keys",
        "ana",
        "/operator",
        "#shortcuts[open]",
        (clicks('[data-command="shortcuts"]'),),
        has_texts=False,
        lies_over=True,
    ),
    Screen(
        "preferences",
        "ana",
        "/operator",
        "#preferences[open]",
        (clicks('[data-command="preferences"]'),),
        has_texts=False,
        lies_over=True,
    ),
    Screen("colleagues", "ana", "/operator", "#team:popover-open", (clicks(".lane-team"),), lies_over=True),
    Screen(
        "status",
        "ana",
        "/operator",
        "#menu:popover-open",
        (clicks('.lane-status[data-part="status"]'),),
        has_texts=False,
        lies_over=True,
    ),
    *(
        Screen(
            name,
            "ana",
            "/operator/{mine}",
            f"#{name}[open]",
            (clicks(f'[data-part="{name}"]'),),
            has_texts=name == "transfer",
            lies_over=True,
        )
        for name in ("transfer", "hand-back", "complete")
    ),
    Screen(
        "snooze",
        "ana",
        "/operator/{waiting}",
        "#snooze[open]",
        (clicks('[data-part="snooze"]'),),
        has_texts=False,
        lies_over=True,
    ),
    Screen("transcript", "ana", "/operator/chats/{mine}/transcript?notes=1", ".sheet .message", widths=(1440, 390)),
)

CONSOLE = (
    Screen("live", "ada", "/admin", ".chip", widths=ALL),
    Screen(
        "live-menu",
        "ada",
        "/admin",
        "#chat-menu:popover-open",
        (clicks('.lane[data-kind="operator"] .chip-face'),),
        lies_over=True,
    ),
    Screen("chats", "ada", "/admin/chats", ".chat-row", widths=(1440, 390)),
    Screen("chats-selected", "ada", "/admin/chats", ".bulk", (clicks('[data-part="select-all"]'),), has_texts=False),
    Screen(
        "give",
        "ada",
        "/admin/chats",
        "#give-dialog[open] .give-choice",
        (clicks('[data-part="select-all"]'), clicks('[data-action="bulk-reassign"]')),
    ),
    Screen("numbers", "ada", "/admin/numbers", "baton-numbers svg", widths=ALL),
    Screen("tickets", "ada", "/admin/tickets", ".cell-ticket", widths=(1440, 390)),
    Screen(
        "ticket",
        "ada",
        "/admin/tickets",
        "#ticket-dialog .ticket-message",
        (clicks('[data-action="ticket"]'),),
        lies_over=True,
    ),
    Screen("operators", "ada", "/admin/operators", "baton-operators tbody tr", widths=(1440, 390)),
    Screen(
        "operator",
        "ada",
        "/admin/operators",
        "#operator-dialog[open]",
        (clicks('baton-operators [data-action="edit"]'),),
        lies_over=True,
    ),
    Screen(
        "invite",
        "ada",
        "/admin/operators",
        "#invite-dialog[open]",
        (clicks('[data-action="invite"]'),),
        has_texts=False,
        lies_over=True,
    ),
    Screen("personas", "ada", "/admin/personas", "baton-personas .initials"),
    Screen(
        "persona",
        "ada",
        "/admin/personas",
        "#persona-dialog[open]",
        (clicks('baton-personas [data-action="edit"]'),),
        lies_over=True,
    ),
    Screen("quick-responses", "ada", "/admin/quick-responses", ".response-text"),
    Screen(
        "quick-response",
        "ada",
        "/admin/quick-responses",
        "#response-dialog[open]",
        (clicks(".response-actions [data-action=edit]"),),
        lies_over=True,
    ),
    Screen("widget-settings", "ada", "/admin/widget", '[data-place="widget"] input[name=title]', widths=ALL),
    Screen("settings", "ada", "/admin/settings", "baton-settings input", has_texts=False),
    Screen("stuck", "ada", "/admin/stuck", "baton-stuck .verdict:not(:empty)", has_texts=False),
    Screen("audit", "ada", "/admin/audit", ".audit-table tbody tr"),
    Screen("export", "ada", "/admin/export", ".export-choice", has_texts=False),
    Screen(
        "transcript-gone",
        "ana",
        "/operator/chats/00000000-0000-4000-8000-000000000000/transcript",
        "main",
        has_texts=False,
    ),
    Screen("no-admin", "ana", "/admin", '[data-part="refused"]', has_texts=False),
)

DOORS = (
    Screen("setup", "nobody", "/setup", ".door-ways", has_texts=False),
    Screen("join", "nobody", "/join#{invitation}", "#join-form", widths=(1440, 390)),
    Screen("join-gone", "nobody", "/join#gone", ".door-ways", has_texts=False),
)

# The same in a language that is written from right to left.
ARABIC = tuple(
    replace(screen, name=f"{screen.name}-ar", language="ar", widths=(1440, 390))
    for screen in (*WORKSPACE, *CONSOLE, *DOORS)
    if screen.name in ("sign-in", "desk", "chat-mine", "snooze", "live", "numbers", "widget-settings", "join")
)

# Of another site, and with all sides at once.
SHOP = Screen("shop", "nobody", "{shop}/", ".launcher", widths=(1440, 390), has_texts=False)
DEMO = Screen("demo", "nobody", "/demo", "[data-act]", (sits,), has_texts=False)

PLACES = 6  # of a round: enough of them to share between the processes of the tests
SCREENS = (*WORKSPACE, *CONSOLE, *DOORS, *ARABIC, SHOP, DEMO)


def rounds(screens: Iterable[Screen] = SCREENS) -> list[list[Screen]]:
    """Return screens in rounds, of one person's in one language; what lies over a screen comes right after it."""
    places: dict[tuple[str, str, str], list[Screen]] = {}
    for screen in screens:
        places.setdefault(screen.place, []).append(screen)
    found: dict[tuple[str, str, str], list[list[Screen]]] = {}
    for (who, path, language), there in places.items():
        _, app, *_ = path.split("/")
        in_turn = sorted(there, key=lambda each: (each.steps != (), not each.lies_over))
        found.setdefault((who, app, language), []).append(in_turn)
    return [
        [screen for place in each[begin : begin + PLACES] for screen in place]
        for each in found.values()
        for begin in range(0, len(each), PLACES)
    ]


def visit(page: Page, there: Furniture, screens: list[Screen]) -> Iterator[Screen]:
    """Go through a round, from place to place as one does who presses links."""
    before = None
    for screen in screens:
        page.set_viewport_size({"width": screen.widths[0], "height": screen.height})
        if before is not None and screen.place != before.place:
            screen.go(page, there)
        elif before is not None and screen.lies_over:
            screen.open(page)
        else:
            screen.show(page, there)  # without what others have done there
        before = screen
        yield screen

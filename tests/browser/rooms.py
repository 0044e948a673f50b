"""A house with its staff, furnished, and a page for everybody who looks at it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import running_world
from tests.browser.furniture import NOW, Furniture, furnish
from tests.browser.house import House
from tests.conftest import Servers

# The launcher's root is closed to the page that it is in; here we look into it.
OPEN_SHADOWS = """{
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (init) { return attach.call(this, { ...init, mode: "open" }); };
}"""


# A colour that turns another one is caught on its way, and what inherits it turns a frame later.
NO_TRANSITIONS = """addEventListener("DOMContentLoaded", () => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("*, ::before, ::after { transition: none !important }");
  document.adoptedStyleSheets.push(sheet);
});"""

# On a busy machine a font may come after the first drawing; the page does without it then, the pictures do not.
ALL_FONTS = """addEventListener("DOMContentLoaded", () => {
  const weights = { Regular: 400, Medium: 500, SemiBold: 600 };
  for (const { href } of document.querySelectorAll("link[as=font]")) {
    const weight = weights[/-([A-Za-z]+)[^/]*$/.exec(href)[1]];
    const font = new FontFace("Hanken Grotesk", `url("${href}")`, { weight, display: "block" });
    document.fonts.add(font);
    void font.load();
  }
});"""

# What is still on its way has come, and is drawn.
SETTLED = """async () => {
  await document.fonts.ready;
  const images = [...document.images].filter((each) => !each.complete && each.checkVisibility());
  await Promise.all(images.map((each) => new Promise((done) => { each.onload = each.onerror = done; })));
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
}"""


class Rooms:
    """The furnished house, and a page for everybody who looks at it."""

    def __init__(self, house: House, bring: Callable[[House, dict[str, str]], Furniture]) -> None:
        self.house = house
        people = {}
        for name, role, capacity in (("Ana", "operator", 3), ("Ben", "operator", 2), ("Ada", "admin", 1)):
            house.hires(name, role, capacity)
            people[name.lower()] = str(house.world.value("select id::text from operators where name = %s", name))
        # Nothing changes by itself while one looks.
        house.world.rows("update settings set value = '\"20 hours\"' where name in ('customer_idle', 'grace_period')")
        # What came at the same moment stands in the order of its ids.
        house.world.rows("create sequence public.chat_numbers")
        number = "lpad(nextval('public.chat_numbers')::text, 12, '0')"
        house.world.rows(
            f"alter table chats alter column id set default ('00000000-0000-4000-9000-' || {number})::uuid"
        )
        self.furniture = bring(house, people)
        self._marks = house.world.rows("select * from read_marks")
        self._contexts: dict[tuple[str, str], BrowserContext] = {}

    def page(self, who: str, language: str = "en") -> Page:
        """Return the page of somebody, signed in; nobody else has one open."""
        for person, context in self._contexts.items():
            for page in context.pages:
                if person == (who, language):
                    return page
                page.close()
        if (who, language) not in self._contexts:
            locale = {"en": "en-GB"}.get(language, language)
            look = {"locale": locale, "timezone_id": "UTC", "reduced_motion": "reduce", "color_scheme": "light"}
            context = self.house.context(viewport={"width": 1440, "height": 900}, **look)
            context.add_init_script(OPEN_SHADOWS)
            context.add_init_script(NO_TRANSITIONS)
            context.add_init_script(ALL_FONTS)
            # The demo's scripted customers stay out: they would be in the house for whoever looks at it next.
            context.route("**/demo/crowd", lambda route: route.abort())
            if who != "nobody":
                self.house.signs_in(context, f"{who}@baton.example")
            context.clock.set_fixed_time(NOW)
            self._contexts[who, language] = context
        return self._contexts[who, language].new_page()

    def tidy(self) -> None:
        """Take away what looking at the screens has left: what was typed, how far it was read, who came."""
        self.house.world.rows("delete from private.connections where true")
        status = "update operators set status = 'away', status_reason = 'Back at three' where name = 'Ben'"
        self.house.world.rows(f"{status} and status <> 'away'")
        self.house.world.rows("delete from chat_drafts where true")
        self.house.world.rows("delete from read_marks where true")
        for mark in self._marks:
            query = "insert into read_marks (chat_id, reader_id, seq, read_at) values (%s, %s, %s, %s)"
            self.house.world.rows(query, *mark.values())


def settle(page: Page) -> None:
    """Wait until what a page and its frames show is drawn."""
    for frame in page.frames:
        frame.evaluate(SETTLED)


def turn(page: Page, theme: Literal["light", "dark"]) -> None:
    """Let it be light or dark, and wait until all frames know."""
    page.emulate_media(color_scheme=theme)
    for frame in page.frames:
        frame.wait_for_function(f"matchMedia('(prefers-color-scheme: {theme})').matches")
    settle(page)


@contextmanager
def furnished_rooms(
    servers: Servers, browser: Browser, bring: Callable[[House, dict[str, str]], Furniture] = furnish
) -> Iterator[Rooms]:
    """Furnish a house of its own."""
    with running_world(servers) as world:
        house = House(world, browser)
        try:
            yield Rooms(house, bring)
        finally:
            house.leave()

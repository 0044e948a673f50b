"""A real browser, and people in it who each watch one chat through the modules that pages use.

Their page is the tests' own, served at the server's address under a policy as strict as any that
Baton's pages could have: scripts of its own origin only, and no way from a string to a script.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, WebSocketRoute, expect, sync_playwright

from tests.browser.fonts import write_configuration
from tests.conftest import Servers
from tests.live.world import World, wait_until
from tests.servers import Baton

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
# Of no origin at all, as in a frame that may not keep anything: looking at localStorage throws.
SANDBOXED = POLICY + "; sandbox allow-scripts"
# A name of this machine that browsers do not count as secure, as that of a server in the local network.
PLAIN_HOST = "baton.test"
CHROMIUM = shutil.which("chromium")
# Chromium without its windows: a quarter less work, but it heeds no profile's settings.
BROWSER = shutil.which("chromium-headless-shell") or CHROMIUM
ARGUMENTS = [
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
    # A page that the test serves itself comes from no network at all, and may then not ask this machine.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
    # What is drawn is the same on every machine.
    "--disable-lcd-text",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    # Nor does it depend on what was pressed before whether there is sound.
    "--autoplay-policy=no-user-gesture-required",
]

expect.set_options(timeout=15_000)


def needed(browser: str | None) -> str:
    """Return the path of a browser; where this machine has none, the test is skipped, but in CI it fails."""
    if browser is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no chromium, and this is CI")
        pytest.skip("no chromium")
    return browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as this machine has it."""
    path = needed(BROWSER)
    # Not for the whole session: while it runs, nobody else in this process can run an event loop.
    with tempfile.TemporaryDirectory(prefix="baton-fonts-") as folder, sync_playwright() as playwright:
        fonts: dict[str, str | float | bool] = {**os.environ, "FONTCONFIG_FILE": str(write_configuration(Path(folder)))}
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS, env=fonts)
        yield browser
        browser.close()


@contextmanager
def running_world(servers: Servers) -> Iterator[World]:
    """Start a web server in front of a database of its own."""
    with (
        servers.server("postgres-18-embedded").loaded_database() as database,
        tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True) as folder,
    ):
        world = World(Path(folder), database_url=database.url)
        try:
            world.start(webs=1, BATON_ALLOWED_ORIGINS="*", BATON_SOCKETS_PER_USER="3", BATON_DEMO="1")
            yield world
        finally:
            world.stop()


@pytest.fixture(scope="module")
def world(servers: Servers) -> Iterator[World]:
    """A database and one web server, which these tests may stop and start."""
    with running_world(servers) as world:
        yield world


@pytest.fixture(scope="session")
def baton(servers: Servers) -> Baton:
    """The web server of other tests. To a browser one version of Postgres is as good as another."""
    return servers.baton("postgres-18-embedded")


class Screen:
    """A page of one person that watches one chat."""

    def __init__(self, world: World, page: Page, person_id: str, role: str, chat_id: str) -> None:
        self.page = page
        self.context = page.context
        self.person_id = person_id
        self.asked: list[str | None] = []  # the tokens in whose place another one was asked for
        self.token: Callable[[], str | None] = lambda: world.token(person_id)
        self._options = {"person": person_id, "role": role}
        self._chat_id = chat_id

    def open(self, base_url: str, query: str = "") -> "Screen":
        """Load the page, connect, and watch the chat."""
        self.page.goto(f"{base_url}/test/page.html?{query}")
        self.do("start(options)", options={**self._options, "chatId": self._chat_id})
        return self

    def reload(self, watches: bool = True) -> None:
        """Load the page anew and connect, and watch the chat or none."""
        self.page.reload()
        self.do("start(options)", options={**self._options, "chatId": self._chat_id if watches else None})

    def do(self, script: str, **values: Any) -> Any:
        """Evaluate an expression on what tests/browser/page.js exports; `values` are variables in it."""
        names = "client, chat, told, frames, states, outgoing, ends, start, fromSnapshot, followed"
        given = ", ".join(values)
        return self.page.evaluate(
            f"async ({{ {given} }}) => {{"
            f" const {{ {names} }} = await import('/test/page.js'); return await ({script}); }}",
            values,
        )

    def fetch_token(self, stale: str | None) -> str | None:
        """Answer the page's question for a token."""
        self.asked.append(stale)
        return self.token()

    # What it does.

    def sends(self, *contents: str) -> None:
        """Send messages, one behind the other."""
        for content in contents:
            self.do("void client.outbox.send(chatId, content)", chatId=self._chat_id, content=content)

    def posts(self, path: str, **body: Any) -> Any:
        """Post something, as this person."""
        return self.do("client.api.post(path, body)", path=path, body=body)

    # What it shows.

    @property
    def thread(self) -> Locator:
        """The messages."""
        return self.page.locator("#thread li")

    @property
    def unsent(self) -> Locator:
        """The messages on their way."""
        return self.page.locator("#unsent li")

    def shows(self, what: str, text: str) -> None:
        """Wait until one of its fields shows that: state, chat, read, typing."""
        expect(self.page.locator(f"#{what}")).to_have_text(text)

    def comes_to_show(self, what: str, text: str) -> None:
        """Wait until it shows that, with time passing faster; the page has a clock for that."""

        def shows() -> bool:
            self.page.clock.run_for(1_000)
            return self.page.locator(f"#{what}").text_content() == text

        wait_until(shows, what=text)

    def hears(self, kind: str) -> None:
        """Wait until it has been told a frame of that type."""
        wait_until(lambda: self.do("frames.some((frame) => frame.type === kind)", kind=kind), what=kind)

    def shows_messages(self, *contents: str) -> None:
        """Wait until it shows these messages and no others, all of them sent."""
        expect(self.thread).to_have_text(list(contents))
        expect(self.unsent).to_have_count(0)

    def is_up_to_date(self) -> None:
        """Wait until its view of the chat is what is fetched afresh."""
        script = "client.api.snapshot(chatId).then((fresh) => [fromSnapshot(fresh), chat.view])"

        def differs() -> bool:
            fresh, view = self.do(script, chatId=self._chat_id)
            return bool(fresh != view)

        wait_until(lambda: not differs(), what="its view is what is fetched afresh")

    def has_missed_nothing(self) -> None:
        """Wait until it is up to date, and fail unless it was told every event once and in order."""
        self.is_up_to_date()
        told: list[int] = self.do("told")
        assert told == list(range(told[0], told[0] + len(told)))


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Make browsers of their own: what one stores another does not see."""
    contexts: list[BrowserContext] = []

    def make() -> BrowserContext:
        context = browser.new_context()
        contexts.append(context)
        context.route("**/test/*", serve)
        return context

    yield make
    for context in contexts:
        context.close()


def serve(route: Route) -> None:
    """Answer with one of the tests' own files."""
    address = urlsplit(route.request.url)
    name = Path(address.path).name
    headers = {
        "Content-Type": f"text/{'javascript' if name.endswith('.js') else 'html'}; charset=utf-8",
        "Content-Security-Policy": SANDBOXED if address.query == "sandboxed" else POLICY,
        "Access-Control-Allow-Origin": "*",
    }
    route.fulfill(body=(HERE / name).read_text(), headers=headers)


Chat = tuple[str, str, str]  # the ids of a chat, its customer, its operator
Open = Callable[..., Screen]


class Switch:
    """Refuses sockets while it is off."""

    def __init__(self) -> None:
        self.is_on = False
        self.refused = 0
        self._sockets: list[WebSocketRoute] = []

    def __call__(self, page: Page) -> None:
        """Stand between a page and its sockets."""
        page.route_web_socket("**/ws", self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        if self.is_on:
            socket.connect_to_server()
            self._sockets.append(socket)
        else:
            self.refused += 1
            socket.close(code=4999)

    def turn_off(self) -> None:
        """Cut what is open, and refuse what comes."""
        self.is_on = False
        for socket in self._sockets:
            socket.close(code=4999)
        self._sockets.clear()


@pytest.fixture
def open_screen(world: World, new_context: Callable[[], BrowserContext]) -> Iterator[Open]:
    """Open screens: `open_screen(person_id, role, chat_id)`; each a browser of its own unless one is given."""
    errors: list[str] = []

    def make(
        person_id: str,
        role: str,
        chat_id: str,
        context: BrowserContext | None = None,
        host: str = "127.0.0.1",
        query: str = "",
        prepare: Callable[[Page], None] = lambda page: None,
    ) -> Screen:
        page = (context or new_context()).new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        prepare(page)
        screen = Screen(world, page, person_id, role, chat_id)
        page.expose_function("fetchToken", screen.fetch_token)
        return screen.open(f"http://{host}:{world.webs[0].port}", query)

    yield make
    assert errors == []


@pytest.fixture
def chat(world: World) -> Chat:
    """A chat that an operator holds for long: the ids of the chat, its customer, its operator."""
    operator_id = world.new_operator()
    ((chat_id, customer_id),) = world.new_chats(1, operator_id)
    return chat_id, customer_id, operator_id


@pytest.fixture
def customer(open_screen: Open, chat: Chat) -> Screen:
    """The customer's screen."""
    return open_screen(chat[1], "customer", chat[0])


@pytest.fixture
def operator(open_screen: Open, chat: Chat) -> Screen:
    """The operator's screen."""
    return open_screen(chat[2], "staff", chat[0])

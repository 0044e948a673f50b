"""What is measured: weight, times, long tasks, memory, shifts of the layout."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median, quantiles
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import CDPSession, Frame, Page
from websockets.sync.server import ServerConnection, serve

from bench.live import chats
from bench.screens.stage import HELD, HELD_IDS, LONG, LONG_ID, SECRET, WAITING, WAITING_IDS, Stage, Writer

SLOWED = 4  # times
ROWS = '[data-box="queue"] .row'
POSTS_PER_SECOND = 10
CHANGES_PER_SECOND = 50
SETTLING_SECONDS = 1.5
CUT_OFF_SECONDS = 6
EMPTY = (
    '<!doctype html><html lang="en"><title>Empty</title><script src="{}/widget.js" data-baton data-open async></script>'
)
LATE_MS = 50

# As if one scrolled up as fast as one can.
_TO_THE_BEGINNING = """async () => {
  const begun = probe.now();
  const scroll = document.querySelector("baton-chat .thread-scroll");
  while (!document.querySelector('.message[data-seq="1"]')) {
    if (probe.now() - begun > 120_000) throw new Error("the beginning of the chat does not come");
    scroll.scrollTop -= scroll.clientHeight / 2;
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  return probe.now() - begun;
}"""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    rounds: int
    seconds: float


@dataclass(frozen=True)
class Figure:
    """What was measured, its limit, and something known that was measured in the same run."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    beside: str = ""
    beside_value: float | None = None


def machine(stage: Stage, _: Options) -> list[Figure]:
    """Measure the processor as it is at this moment, and that it is slowed down."""
    with stage.page() as (page, tools):
        page.goto("/healthz")
        quick = median(page.evaluate("probe.work()") for _ in range(5))
        tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        slow = median(page.evaluate("probe.work()") for _ in range(5))
    return [Figure(f"five million turns of a loop, slowed {SLOWED} times", slow, "ms", None, "as it is", quick)]


# The widget


def widget(stage: Stage, options: Options) -> list[Figure]:
    """Measure what the widget weighs, and how soon one can write in it."""
    launcher, closed = _weigh(stage, "/")
    _, whole = _weigh(stage, "/?try")
    bare = [_load_bare(stage) for _ in range(options.rounds)]
    loaded = [_load(stage) for _ in range(options.rounds)]
    alone = [_load(stage, is_empty=True) for _ in range(options.rounds)]
    pressed = [_press(stage) for _ in range(options.rounds)]
    page = "the page without it"
    return [
        Figure("launcher, with headers", launcher / 1000, "kB", 10),
        Figure("all until the chat is opened, with headers", closed / 1000, "kB"),
        Figure("all of it with the chat open, with headers", whole / 1000, "kB", 60),
        Figure(
            "from the page's address to where one can write",
            median(whole for whole, _ in loaded),
            "ms",
            None,
            page,
            median(bare),
        ),
        Figure(
            "from asking for the launcher to where one can write",
            median(own for _, own in loaded),
            "ms",
            1000,
            page,
            median(bare),
        ),
        Figure(
            "the same, in a page with nothing else in it",
            median(own for _, own in alone),
            "ms",
            1000,
            "from its address",
            median(whole for whole, _ in alone),
        ),
        Figure("from pressing the button to where one can write", median(pressed), "ms", 1000, page, median(bare)),
    ]


def _weigh(stage: Stage, path: str) -> tuple[int, int]:
    """Return the bytes that come over the wire for the launcher, and for all of the widget, headers included."""
    sizes: dict[str, int] = {}
    addresses: dict[str, str] = {}
    with stage.page() as (page, tools):
        tools.send("Network.enable")
        tools.on(
            "Network.requestWillBeSent", lambda told: addresses.update({told["requestId"]: told["request"]["url"]})
        )
        tools.on("Network.loadingFinished", lambda told: sizes.update({told["requestId"]: told["encodedDataLength"]}))
        page.goto(stage.shop + path)
        page.wait_for_function("window.Baton && !Array.isArray(window.Baton)")
        if path != "/":
            _writable(page)
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
    ours = {each: size for each, size in sizes.items() if addresses[each].startswith(stage.url)}
    launcher = sum(size for each, size in ours.items() if addresses[each].endswith("/widget.js"))
    return launcher, sum(ours.values())


def _load(stage: Stage, is_empty: bool = False) -> tuple[float, float]:
    """Return the ms until one can write, from the page's beginning, and from when it has asked for the launcher.

    The page is the shop or, of the same site, an empty one.
    """
    with _tab(stage) as (page, _):
        if is_empty:
            empty = EMPTY.format(stage.url)
            page.route(f"{stage.shop}/?try", lambda route: route.fulfill(body=empty, content_type="text/html"))
        page.goto(f"{stage.shop}/?try", wait_until="load")
        ready = _writable(page)
        begun = page.evaluate("performance.timeOrigin")
        asked = page.evaluate(
            "performance.getEntriesByType('resource').find((each) => each.name.endsWith('/widget.js')).startTime"
        )
        return ready - begun, ready - begun - asked


def _load_bare(stage: Stage) -> float:
    """Return the ms from the page's beginning until it is loaded, without the widget."""
    with _tab(stage) as (page, tools):
        tools.send("Network.enable")
        tools.send("Network.setBlockedURLs", {"urls": ["*/widget.js"]})
        page.goto(f"{stage.shop}/?try", wait_until="load")
        return float(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))


def _press(stage: Stage) -> float:
    with _tab(stage) as (page, _):
        page.goto(f"{stage.shop}/")
        page.wait_for_function("window.Baton && !Array.isArray(window.Baton)")
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
        pressed = page.evaluate("() => { const at = probe.now(); Baton.open(); return at; }")
        return _writable(page) - float(pressed)


@contextmanager
def _tab(stage: Stage) -> Iterator[tuple[Page, CDPSession]]:
    """Open a page, slowed down, and wait until the browser is done with that: it would be measured, too."""
    with stage.page(slowed=SLOWED) as (page, tools):
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
        yield page, tools


def _writable(page: Page) -> float:
    """Return when one could write in the page's widget."""
    return float(_frame(page).evaluate("probe.writable"))


def _frame(page: Page) -> Frame:
    """Return the widget's frame, once it is there; nobody can look into the place where it is."""
    while True:
        for frame in page.frames:
            if "/widget" in frame.url:
                return frame
        page.wait_for_timeout(5)


# The workspace


def delay(stage: Stage, options: Options) -> list[Figure]:
    """Measure how soon the workspace shows what customers post, with HELD chats in hand."""
    plain = _plain_delays(stage, options)
    with stage.page("ana", viewport={"width": 1440, "height": 900}) as (page, _):
        page.goto(f"/operator/{HELD_IDS[0]}")
        page.locator(".message-text").first.wait_for()
        page.evaluate("probe.watch('.message-text, .row-text bdi')")
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
        is_open: dict[str, bool] = {}
        posted: dict[str, float] = {}
        with _posts(stage, posted, is_open):
            page.wait_for_timeout(options.seconds * 1000)
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
        seen = dict(page.evaluate("[...probe.seen]"))
    missing = posted.keys() - seen.keys()
    # The list shows the last message of a chat alone: of two in one frame of it the first is never seen.
    if any(is_open[mark] for mark in missing):
        raise RuntimeError(f"{len(missing)} of {len(posted)} messages were never shown")
    found = {
        kind: [seen[mark] - posted[mark] for mark in posted.keys() & seen.keys() if is_open[mark] == kind]
        for kind in (True, False)
    }
    socket = "a bare socket"
    return [
        Figure("a post in the chat that is looked at, median", median(found[True]), "ms", None, socket, median(plain)),
        Figure("a post in the chat that is looked at, p95", _p95(found[True]), "ms", 100, socket, _p95(plain)),
        Figure(
            f"a post in the {HELD - 1} others, in the list, median",
            median(found[False]),
            "ms",
            None,
            socket,
            median(plain),
        ),
        Figure(
            f"a post in the {HELD - 1} others, in the list, p95", _p95(found[False]), "ms", 100, socket, _p95(plain)
        ),
    ]


@contextmanager
def _posts(stage: Stage, posted: dict[str, float], is_open: dict[str, bool]) -> Iterator[None]:
    """Let customers post over HTTP meanwhile, half of them in the first chat; note when."""
    people = chats.list_chats(HELD, SECRET)
    random.seed(5)
    with httpx.Client(base_url=stage.url) as client:

        def post(_: Writer, number: int) -> None:
            chat = people[0] if number % 2 else random.choice(people[1:])
            mark = f"#{number}"
            is_open[mark] = chat is people[0]
            content = f"{mark} and the text of a message"
            body = {"chat_id": chat.id, "content": content, "client_message_id": str(uuid4())}
            posted[mark] = time.time() * 1000
            headers = {"Authorization": f"Bearer {chat.customer.token}"}
            answer = client.post("/api/messages", json=body, headers=headers)
            answer.raise_for_status()

        with stage.changes(POSTS_PER_SECOND, post):
            yield


def _plain_delays(stage: Stage, options: Options) -> list[float]:
    """Measure the same with a socket that sends texts, and a page that shows them."""
    sent: dict[str, float] = {}

    def talk(connection: ServerConnection) -> None:
        connection.recv()
        for number in range(int(options.seconds * POSTS_PER_SECOND)):
            sent[f"#{number}"] = time.time() * 1000
            connection.send(f"#{number} and the text of a message")
            time.sleep(1 / POSTS_PER_SECOND)
        connection.recv()

    with serve(talk, "127.0.0.1", 0) as server, stage.page() as (page, _):
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            page.goto("about:blank")
            page.evaluate(
                """(port) => {
                  probe.watch("p");
                  globalThis.socket = new WebSocket(`ws://127.0.0.1:${port}`);
                  socket.onopen = () => socket.send("begin");
                  socket.onmessage = ({ data }) => document.body.append(
                    Object.assign(document.createElement("p"), { textContent: data }));
                }""",
                server.socket.getsockname()[1],
            )
            page.wait_for_timeout(options.seconds * 1000 + 500)
            seen = dict(page.evaluate("[...probe.seen]"))
            page.evaluate("socket.send('end')")
        finally:
            server.shutdown()
            thread.join()
    return [seen[mark] - at for mark, at in sent.items() if mark in seen]


class Tasks:
    """What keeps a page's main thread busy: how long its tasks take, the processor slowed down.

    On a machine that does other things too a task takes longer than it works, and slowing down multiplies that. So the
    same is measured a second time, not slowed: the time that the thread itself has used, as many times.
    """

    def __init__(self, page: Page, tools: CDPSession, slowed: float) -> None:
        self.is_slowed = slowed > 1
        self.longest: list[float] = []
        self._page = page
        self._tools = tools
        self._events: list[dict[str, Any]] = []
        self._is_complete = False
        if not self.is_slowed:
            tools.on("Tracing.dataCollected", lambda told: self._events.extend(told["value"]))
            tools.on("Tracing.tracingComplete", self._complete)
            self._begin()

    def worst(self) -> float:
        """Return the ms of the longest task since the last time that one looked; slowed, none under 50 is told: 0."""
        if self.is_slowed:
            self.longest = self._page.evaluate("probe.tasks.splice(0).map((each) => each.duration)")
        else:
            self._is_complete = False
            self._tools.send("Tracing.end")
            while not self._is_complete:
                self._page.wait_for_timeout(20)
            self.longest = [ms * SLOWED for ms in self._used()]
            self._begin()
        return max(self.longest, default=0)

    def _begin(self) -> None:
        self._events.clear()
        wanted = {"includedCategories": ["toplevel"]}
        self._tools.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": wanted})

    def _complete(self, _: object) -> None:
        self._is_complete = True

    def _used(self) -> list[float]:
        names = [each for each in self._events if each.get("name") == "thread_name"]
        mains = {(each["pid"], each["tid"]) for each in names if each["args"]["name"] == "CrRendererMain"}
        return [
            each.get("tdur", 0) / 1000
            for each in self._events
            if each["name"].endswith("::RunTask") and (each["pid"], each["tid"]) in mains
        ]


def _both_ways(stage: Stage, measure: Callable[[Page, CDPSession, Tasks], list[Figure]]) -> list[Figure]:
    """Measure slowed down, then what the tasks use by themselves; figures of the first, with the second beside."""
    found: list[list[Figure]] = []
    for slowed in (SLOWED, 1):
        with stage.page("ana", slowed, viewport={"width": 1440, "height": 900}) as (page, tools):
            found.append(measure(page, tools, Tasks(page, tools, slowed)))
    by_itself = f"by itself, times {SLOWED}"
    return [
        replace(one, beside=by_itself, beside_value=other.value) if one.what.startswith("longest task") else one
        for one, other in zip(*found, strict=True)
    ]


def rows(stage: Stage, options: Options) -> list[Figure]:
    """Measure what keeps the browser busy while hundreds of rows are fetched, and while they change."""
    found = _both_ways(stage, lambda page, _, tasks: _rows(stage, options, page, tasks))
    return [*found, *_fetches(stage)]


def _rows(stage: Stage, options: Options, page: Page, tasks: Tasks) -> list[Figure]:
    page.goto("/operator/queue")
    page.locator(ROWS).nth(50).wait_for()
    page.wait_for_timeout(SETTLING_SECONDS * 1000)
    begun = tasks.worst()
    more = page.locator('[data-part="load-more"]')
    while more.is_visible():
        count = page.locator(ROWS).count()
        more.evaluate("(button) => button.click()")  # a pointer would look through all rows, too
        page.locator(ROWS).nth(count).wait_for(state="attached")
        page.wait_for_timeout(SETTLING_SECONDS * 1000)
    fetched = tasks.worst()
    shown = page.locator(ROWS).count()
    if shown < WAITING * 0.9:
        raise RuntimeError(f"only {shown} rows were shown")
    page.wait_for_timeout(options.seconds * 500)
    idle = tasks.worst()
    random.seed(5)
    with stage.changes(CHANGES_PER_SECOND, _change):
        page.wait_for_timeout(options.seconds * 1000)
        changed = tasks.worst()
        late = sum(each > LATE_MS for each in tasks.longest) / options.seconds
    return [
        Figure("longest task, the workspace begins with 100 rows", begun, "ms"),
        Figure("longest task, 200 rows more come, twice", fetched, "ms", 100),
        Figure(f"longest task, {shown} rows, nothing changes", idle, "ms"),
        Figure(f"longest task, {shown} rows, {CHANGES_PER_SECOND} changes a second", changed, "ms", 100),
        Figure(f"tasks over {LATE_MS} ms of these, a second", late, ""),
    ]


def _change(pen: Writer, number: int) -> None:
    """Change something about a chat that waits: mostly, its customer writes; some rows move, some go and come back."""
    chat = random.choice(WAITING_IDS)
    if number % 10 == 0:
        pen.runs("update public.chats set priority = 1 - priority where id = %s and priority < 2", chat)
    elif number % 25 == 1:
        pen.runs("update public.chats set chat_state = 'completed' where id = %s", chat)
    else:
        pen.writes(chat, f"Change {number}: is anybody there?")  # a chat that was completed comes back by this


def _fetches(stage: Stage) -> list[Figure]:
    """Measure how long the server takes for a list of 500 rows, beside one of a single row."""
    with stage.page("ana") as (page, _):
        page.goto("/operator")
        found: dict[int, float] = {}
        for limit in (1, 500):
            found[limit] = page.evaluate(
                """async (limit) => {
                  const { access_token: token } = await (await fetch("/session/token", { method: "POST" })).json();
                  const headers = { Authorization: `Bearer ${token}` };
                  const times = [];
                  for (let turn = 0; turn < 7; turn += 1) {
                    const begun = performance.now();
                    const answer = await fetch(`/api/operator/boxes/queue?limit=${limit}`, { headers });
                    await answer.text();
                    if (!answer.ok) throw new Error(`it was answered with ${answer.status}`);
                    times.push(performance.now() - begun);
                  }
                  return times.sort((one, other) => one - other)[3];
                }""",
                limit,
            )
    return [Figure("the server answers with 500 rows", found[500], "ms", None, "with one row", found[1])]


def thread(stage: Stage, options: Options) -> list[Figure]:
    """Measure a chat of thousands of messages: opened, read to its beginning, and added to."""
    del options
    return _both_ways(stage, lambda page, tools, tasks: _thread(stage, page, tools, tasks))


def _thread(stage: Stage, page: Page, tools: CDPSession, tasks: Tasks) -> list[Figure]:
    page.goto("/operator")
    page.locator(f'.row-link[href$="{LONG_ID}"]').wait_for()
    short = _open(page, HELD_IDS[1])
    page.wait_for_timeout(SETTLING_SECONDS * 1000)
    memory = _memory(page, tools)
    tasks.worst()
    opened = _open(page, LONG_ID)
    page.wait_for_timeout(SETTLING_SECONDS * 1000)
    opening = tasks.worst()
    took = page.evaluate(_TO_THE_BEGINNING)
    page.wait_for_timeout(SETTLING_SECONDS * 1000)
    scrolling = tasks.worst()
    after = _memory(page, tools)
    tasks.worst()  # that garbage was collected is nobody's doing but ours
    with stage.changes(2, lambda pen, number: pen.writes(LONG_ID, f"{number} is the newest")):
        page.wait_for_timeout(4000)
    coming = tasks.worst()
    lines = page.locator(".message").count()
    many = f"of {LONG:,} messages"
    return [
        Figure(f"a chat {many} is opened", opened, "ms", None, "one of a few", short),
        Figure("longest task, it is opened", opening, "ms", 100),
        Figure("all the way to its beginning", took, "ms"),
        Figure("longest task, on that way", scrolling, "ms", 100),
        Figure("longest task, messages come at its end meanwhile", coming, "ms", 100),
        Figure("memory of the scripts, all messages there", after / 1e6, "MB", None, "before", memory / 1e6),
        Figure("messages in the page", lines, ""),
    ]


def _open(page: Page, chat: str) -> float:
    """Press a row; return the ms until the chat's messages are shown."""
    return float(
        page.evaluate(
            """async (chat) => {
              const begun = probe.now();
              for (const line of document.querySelectorAll(".message")) line.dataset.old = "";
              document.querySelector(`.row-link[href$="${chat}"]`).click();
              return (await probe.shown(".message:not([data-old])")) - begun;
            }""",
            chat,
        )
    )


def _memory(page: Page, tools: CDPSession) -> float:
    tools.send("HeapProfiler.collectGarbage")
    tools.send("Performance.enable")
    page.wait_for_timeout(200)
    metrics = tools.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize"))


# Shifts


def shifts(stage: Stage, options: Options) -> list[Figure]:
    """Measure how much of the layout shifts by itself: loading, changes, ages that grow, a lost connection."""
    looks: list[tuple[str, str | None, str, Callable[[Page], object]]] = [
        ("shop, the widget opens", None, f"{stage.shop}/", _open_widget),
        ("demo", None, "/demo", lambda page: page.wait_for_timeout(2000)),
        ("workspace, desk", "ana", "/operator", lambda page: page.locator(".row").first.wait_for()),
        (
            "workspace, a chat",
            "ana",
            f"/operator/{HELD_IDS[0]}",
            lambda page: page.locator(".message").first.wait_for(),
        ),
        ("workspace, queue", "ana", "/operator/queue", lambda page: page.locator(ROWS).first.wait_for()),
        ("console", "ada", "/admin", lambda page: page.locator(".chip").first.wait_for()),
        ("console, chats", "ada", "/admin/chats", lambda page: page.locator(".chat-row").first.wait_for()),
        ("console, numbers", "ada", "/admin/numbers", lambda page: page.locator("baton-numbers svg").first.wait_for()),
    ]
    found: list[Figure] = []
    for width, height in ((1440, 900), (390, 844)):
        for name, who, path, ready in looks:
            random.seed(5)
            with stage.page(who, viewport={"width": width, "height": height}) as (page, _):
                page.goto(path)
                ready(page)
                page.wait_for_timeout(SETTLING_SECONDS * 1000)
                moved = {"loading": _shifted(page)}
                with stage.changes(CHANGES_PER_SECOND / 5, _write_somewhere):
                    page.wait_for_timeout(min(options.seconds, 4) * 1000)
                    moved["live"] = _shifted(page)
                    _let_time_pass(page)
                    moved["later"] = _shifted(page)
                    _lose_the_connection(page)
                    moved["cut off"] = _shifted(page)
            what = "; ".join(f"{phase}: {names}" for phase, (value, names) in moved.items() if value)
            total = sum(value for value, _ in moved.values())
            found.append(Figure(f"{name}, {width} px" + (f" ({what})" if what else ""), total, "", 0))
    return found


def _open_widget(page: Page) -> None:
    page.wait_for_function("window.Baton && !Array.isArray(window.Baton)")
    page.evaluate("Baton.open()")
    _writable(page)


def _write_somewhere(pen: Writer, number: int) -> None:
    """Let customers write. What moves because it belongs elsewhere now, a row whose priority changes, is no shift."""
    pen.writes(random.choice([*HELD_IDS, *WAITING_IDS] if number % 2 else HELD_IDS), f"Change {number}")


def _lose_the_connection(page: Page) -> None:
    """Cut the browser off until it says so, and let it come back."""
    for is_offline in (True, False):
        page.context.set_offline(is_offline)
        page.wait_for_timeout(CUT_OFF_SECONDS * 1000)


def _let_time_pass(page: Page) -> None:
    """Let the browser's clock go on so that ages grow: by a digit, by another one, to hours."""
    now = time.time()
    for minutes in (8, 12, 65):
        page.clock.set_fixed_time(now + minutes * 60)
        page.wait_for_timeout(SETTLING_SECONDS * 1000)


def _shifted(page: Page) -> tuple[float, str]:
    """Return how much has shifted in the page and its frames since the last time, and what."""
    total, names = 0.0, []
    for frame in page.frames:
        for each in frame.evaluate("globalThis.probe ? probe.shifts.splice(0) : []"):
            total += each["value"]
            names.append(each["what"])
    return total, "; ".join(dict.fromkeys(names))[:200]


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


Measure = Callable[[Stage, Options], list[Figure]]
MEASURES: dict[str, tuple[str, Measure]] = {
    "machine": ("The machine", machine),
    "widget": (f"The widget, processor slowed {SLOWED} times, nothing in the browser's cache", widget),
    "delay": (f"From posting to being seen, {HELD} chats in hand, {POSTS_PER_SECOND} posts a second", delay),
    "rows": (f"Lists, processor slowed {SLOWED} times", rows),
    "thread": (f"A long chat, processor slowed {SLOWED} times", thread),
    "shifts": ("Layout shift without input: loading, ten changes a second, an hour later, cut off and back", shifts),
}

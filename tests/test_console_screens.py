"""What the console's pages make of the documents that they fetch: without a page, in Node."""

from typing import Any

from tests.node import run_module

# The modules read their language from the page they are in.
PAGE = 'globalThis.document = { documentElement: { lang: "en" }, getElementById: () => null };'


def runs(module: str, expression: str, **values: Any) -> Any:
    """Return what an expression over `given` and a module of the console's, `it`, is."""
    path = f"./web/static/js/console/{module}.js"
    return run_module(
        f"{PAGE}\nconst it = await import({path!r});\nconsole.log(JSON.stringify({expression}));", **values
    )


def overview(**operator: Any) -> dict[str, Any]:
    """Return an overview with one operator, who holds a chat that somebody waits for."""
    held = {
        "id": "a",
        "customer_name": None,
        "headline": None,
        "priority": 0,
        "since": "2026-11-21T10:00:00Z",
        "owed_since": "2026-11-21T09:59:00Z",
        "idle_at": "2026-11-21T10:05:00Z",
    }
    ana = {"id": "ana", "name": "Ana", "role": "operator", "status": "online", "status_reason": None}
    return {
        "numbers": {"waiting_count": 2},
        "queue": [],
        "operators": [{**ana, "auto_assign": False, "capacity": 2, "held": 1, "chats": [held], **operator}],
    }


def lane_of_ana(now: str, **operator: Any) -> dict[str, Any]:
    """Return her lane at that time."""
    lane: dict[str, Any] = runs(
        "board", "it.lanesOf(given.overview, Date.parse(given.now))[1]", overview=overview(**operator), now=now
    )
    return lane


def test_a_lane_warns_in_the_last_minute_before_a_hold_is_idle() -> None:
    (calm,) = lane_of_ana("2026-11-21T10:03:59Z")["chips"]
    assert (calm["is_urgent"], calm["idle_text"]) == (False, "")
    (urgent,) = lane_of_ana("2026-11-21T10:04:30Z")["chips"]
    assert (urgent["is_urgent"], urgent["idle_text"]) == (True, "idle in 30 s")


def test_a_lane_offers_the_hands_that_are_free_of_those_who_are_there() -> None:
    now = "2026-11-21T10:01:00Z"
    assert (lane_of_ana(now)["free"], lane_of_ana(now)["is_full"]) == (["free"], False)
    assert (lane_of_ana(now, capacity=1)["free"], lane_of_ana(now, capacity=1)["is_full"]) == ([], True)
    assert lane_of_ana(now, status="away")["free"] == []
    assert lane_of_ana(now, capacity=9)["free"] == ["free", "free", "free", "5 more free"]


def test_the_scale_of_a_chart_ends_above_what_is_in_it_and_has_few_lines() -> None:
    for most in (0, 1, 3, 7, 10, 11, 99, 101, 12_345):
        scale = runs("series", "it.niceScale(given.most, [1, 2, 5])", most=most)
        assert scale["most"] >= most
        assert 1 <= len(scale["lines"]) <= 4, most


def widget() -> dict[str, Any]:
    """Return settings that use all there is, and a language that no form of ours has."""
    return {
        "title": "Help",
        "colour": "#0a7d5a",
        "position": "left",
        "fictional_user_id": None,
        "greeting": {"en": "Hello", "fr": "Bonjour"},
        "offline_message": {"en": "Closed"},
        "languages": ["ar", "en", "fr"],
        "is_open_always": False,
        "business_hours": {"mon": [["09:00", "24:00"]]},
        "pre_chat": [{"field": "email", "is_required": True}, {"field": "topic", "is_required": False}],
        "mode": "queue",
        "handling": "session",
        "allow_files": True,
        "allow_emoji": False,
        "ask_rating": True,
        "privacy_url": "https://shop.example/privacy",
    }


def test_a_form_that_nobody_has_touched_changes_nothing_of_the_widget() -> None:
    settings = widget()
    # The form has fields for English and Arabic; French is somebody else's.
    read = """(() => {
      const fields = it.fieldsOf(given.settings);
      for (const name of Object.keys(fields)) if (name.endsWith("-fr")) delete fields[name];
      return it.settingsOf(fields, given.settings.business_hours, given.settings);
    })()"""
    assert runs("widget_form", read, settings=settings) == settings

"""The views over time and get_metrics; the numbers are counted by hand."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.sql.helpers import STATES, World, noon, refused

WAITING, ASSIGNED, WAITING_REPLY, COMPLETED = STATES

VIEWS = ("chat_volume", "wait_history", "state_history")


@pytest.fixture
def _noon(world: World) -> None:
    world.clock(noon())


def by_hour(world: World, view: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a view in which something happened, by the hour."""
    rows = world.owner.rows(f"select * from {view}")
    starts = [row.pop("bucket_start") for row in rows]
    assert starts == sorted(starts)
    assert {b - a for a, b in pairwise(starts)} == {timedelta(hours=1)}
    assert starts[-1] - starts[0] == timedelta(days=14)
    return {start.strftime("%d %H:%M"): row for start, row in zip(starts, rows, strict=True) if any(row.values())}


@pytest.fixture
def _busy(world: World) -> None:
    """Two chats around noon: one answered and completed, one that waits."""
    ana = world.operator("Ana", speaks_as=None, capacity=5)
    world.clock(noon(-30))
    chat = world.chat()
    world.clock(noon(10))
    world.gives(chat, ana)
    world.clock(noon(20))
    ana.replies(chat)
    world.clock(noon(70))
    world.completes(chat)
    world.chat()
    world.gives(world.chat(), ana)
    world.clock(noon(100))


@pytest.mark.usefixtures("_busy")
def test_volume_waits_and_states_by_the_hour(world: World) -> None:
    assert by_hour(world, "chat_volume") == {
        "02 11:00": {"started": 1, "completed": 0, "messages_in": 1, "messages_out": 0},
        "02 12:00": {"started": 0, "completed": 0, "messages_in": 0, "messages_out": 1},
        "02 13:00": {"started": 2, "completed": 1, "messages_in": 2, "messages_out": 0},
    }
    assert by_hour(world, "wait_history") == {
        "02 12:00": {"wait_median_seconds": 2400, "wait_p95_seconds": 2400, "assignments": 1},
        "02 13:00": {"wait_median_seconds": 0, "wait_p95_seconds": 0, "assignments": 1},
    }
    assert [tuple(row.values()) for row in by_hour(world, "state_history").values()] == [
        (1, 0, 0, 0),
        (0, 0, 1, 0),
        (1, 1, 0, 1),
    ]


@pytest.mark.usefixtures("_busy")
def test_the_state_of_an_hour_stays_what_it_was(world: World) -> None:
    before = by_hour(world, "state_history")
    world.clock(noon(190))
    world.owner.rows("select complete_chat(id) from chats where is_active")
    world.clock(noon(191))
    after = by_hour(world, "state_history")
    assert {hour: after[hour] for hour in before} == before
    ended = world.owner.ask("get_metrics", p_from=noon(0), p_to=noon(100))["state_history"]
    assert {**ended[-1], "bucket_start": None} == {**before["02 13:00"], "bucket_start": None}
    assert after["02 15:00"] == {"waiting_assignment": 0, "assigned": 0, "waiting_real_user_reply": 0, "completed": 3}


@pytest.mark.usefixtures("_busy")
def test_the_metrics_are_the_views_numbers(world: World) -> None:
    metrics = world.owner.ask("get_metrics", p_from=noon(100) - timedelta(days=14), p_to=noon(100))
    for view in (*VIEWS, "idle_history", "assignment_distribution"):
        shown = world.owner.value(f"select coalesce(jsonb_agg(v), '[]') from {view} v")
        assert metrics[view] == shown, view
    assert (metrics["bucket"], metrics["time_zone"]) == ("hour", "UTC")


@pytest.mark.usefixtures("_busy")
def test_days_begin_where_the_organisation_is(world: World) -> None:
    world.set("time_zone", "Pacific/Auckland")  # thirteen hours ahead: noon is one o'clock of the next day there
    metrics = world.owner.ask("get_metrics", p_from=noon(-61), p_to=noon(100), p_bucket=timedelta(days=1))
    starts = [datetime.fromisoformat(row["bucket_start"]) for row in metrics["chat_volume"]]
    assert starts == [datetime(2026, 3, 1, 11, tzinfo=UTC), datetime(2026, 3, 2, 11, tzinfo=UTC)]
    assert [row["started"] for row in metrics["chat_volume"]] == [0, 3]


def test_a_leap_year_is_one_span(world: World) -> None:
    year = {"p_from": datetime(2028, 1, 1, tzinfo=UTC), "p_to": datetime(2029, 1, 1, tzinfo=UTC)}
    metrics = world.owner.ask("get_metrics", **year, p_bucket=timedelta(days=1))
    assert {name: len(metrics[name]) for name in VIEWS} == dict.fromkeys(VIEWS, 366)


def test_no_hour_is_lost_or_doubled_where_clocks_are_changed(world: World) -> None:
    world.set("time_zone", "Europe/Berlin")
    kim = world.customer()
    begin = datetime(2025, 10, 25, 22, tzinfo=UTC)  # midnight before the day of 25 hours
    for hour in range(26):
        world.insert("chats", real_user_id=kim.id, created_at=begin + timedelta(hours=hour))
    span = {"p_from": begin, "p_to": begin + timedelta(hours=26)}
    hours = world.owner.ask("get_metrics", **span)["chat_volume"]
    assert [row["started"] for row in hours] == [1] * 26
    days = world.owner.ask("get_metrics", **span, p_bucket=timedelta(days=1))["chat_volume"]
    assert [row["started"] for row in days] == [25, 1]


@pytest.mark.usefixtures("_noon")
def test_idle_incidents_and_the_distribution_of_holds(world: World) -> None:
    ana, ben = world.operator("Ana", speaks_as=None, capacity=9), world.operator("Ben")
    world.chat(ASSIGNED, ana)
    world.clock(noon(6))
    world.owner.call_all("release_idle_assignments")
    assert world.owner.rows("select * from idle_history") == [
        {"date": noon().date(), "operator_id": ana.id, "operator_name": "Ana", "idle_incidents": 1}
    ]
    world.clock(noon(6 * 24 * 60))
    world.gives(world.chat(), ana)
    rows = world.owner.rows("select operator_name, holds_24h, holds_7d from assignment_distribution")
    assert [tuple(row.values()) for row in rows] == [("Ana", 1, 2), ("Ben", 0, 0)]
    # An operator sees his own, and nothing of the whole.
    assert [row["operator_id"] for row in ben.rows("select * from assignment_distribution")] == [ben.id]
    assert ben.rows("select * from idle_history") == []
    for view in VIEWS:
        assert ben.rows(f"select * from {view}") == world.customer().rows(f"select * from {view}") == []
        assert len(world.admin().rows(f"select * from {view}")) == 14 * 24 + 1


@pytest.mark.parametrize(
    "span",
    [
        {"p_from": noon(), "p_to": noon()},
        {"p_from": noon(), "p_to": noon(-1)},
        {"p_from": noon(), "p_to": noon(32 * 24 * 60)},
        {"p_from": noon(), "p_to": noon(367 * 24 * 60), "p_bucket": timedelta(days=1)},
        {"p_bucket": timedelta(minutes=1)},
        {"p_bucket": None},
        {"p_to": "infinity"},
    ],
    ids=lambda span: "-".join(span),
)
def test_a_span_that_is_none_is_refused(world: World, span: dict[str, object]) -> None:
    with refused("PT400", "invalid_argument"):
        world.owner.call_all("get_metrics", **span)

"""How the widget is set up, when it is open, and what a customer says of himself."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.sql.helpers import Caller, World, refused

WEEKDAYS = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}


def told(who: Caller) -> dict[str, Any]:
    settings: dict[str, Any] = who.ask("get_widget_settings")
    return settings


def opens(world: World, hours: dict[str, Any], at: str, zone: str = "Europe/Berlin") -> str | None:
    """Return when it opens, in UTC, for somebody who comes at that time, in UTC; "open" when it is."""
    # Whatever the session's own time zone is.
    world.owner.does("set timezone = 'America/Santiago'")
    row = world.owner.row(
        "select private.is_open_at(at, hours, zone) as is_open, private.next_opening(at, hours, zone) as opens_at"
        " from (select %s::timestamptz as at, %s::jsonb as hours, %s as zone) as given",
        datetime.fromisoformat(at).replace(tzinfo=UTC),
        Jsonb(hours),
        zone,
    )
    if row["is_open"]:
        return "open"
    opens_at: datetime | None = row["opens_at"]
    return opens_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if opens_at else None


# Business hours. In Berlin clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-25 07:59", "2026-03-25 08:00"),  # a Wednesday
        ("2026-03-25 08:00", "open"),
        ("2026-03-25 15:59:59", "open"),
        ("2026-03-25 16:00", "2026-03-26 08:00"),
        ("2026-03-27 16:00", "2026-03-30 07:00"),  # over the weekend in which summer time begins
        ("2026-10-23 15:00", "2026-10-26 08:00"),  # and over the one in which it ends
    ],
)
def test_the_next_opening_is_right_over_nights_weekends_and_changes_of_the_clock(
    world: World, at: str, expected: str
) -> None:
    assert opens(world, WEEKDAYS, at) == expected


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        # From 02:30 on: a clock shows that first when it jumps to 03:00.
        ({"sun": [["02:30", "10:00"]]}, "2026-03-29 00:30", "2026-03-29 01:00"),
        # An hour that is left out does not happen: a week later then.
        ({"sun": [["02:00", "03:00"]]}, "2026-03-29 00:30", "2026-04-05 00:00"),
        ({"sun": [["02:00", "03:00"]]}, "2026-03-22 02:30", "2026-04-05 00:00"),
        # An hour that comes twice: from its first time on, and again when the clock is put back.
        ({"sun": [["02:30", "10:00"]]}, "2026-10-25 00:00", "2026-10-25 00:30"),
        ({"sun": [["01:00", "02:30"]]}, "2026-10-25 00:45", "2026-10-25 01:00"),
    ],
)
def test_business_hours_are_what_the_clock_on_the_wall_shows(
    world: World, hours: dict[str, Any], at: str, expected: str
) -> None:
    assert opens(world, hours, at) == expected


def test_an_interval_may_last_until_midnight_and_go_on_from_there(world: World) -> None:
    hours = {"mon": [["22:00", "24:00"]], "tue": [["00:00", "02:00"]]}
    assert opens(world, hours, "2026-06-01 20:30") == "open"
    assert opens(world, hours, "2026-06-01 21:59:59") == "open"  # 23:59:59 in Berlin
    assert opens(world, hours, "2026-06-01 22:00") == "open"
    assert opens(world, hours, "2026-06-02 00:00") == "2026-06-08 20:00"


def test_the_days_are_those_of_the_organisation(world: World) -> None:
    # Sunday evening in New York is Monday in London and in Auckland.
    assert opens(world, {"mon": [["00:00", "24:00"]]}, "2026-06-07 23:30", "America/New_York") == "2026-06-08 04:00"
    assert opens(world, {"mon": [["00:00", "24:00"]]}, "2026-06-07 23:30", "Pacific/Auckland") == "open"
    assert opens(world, {"mon": [["00:00", "24:00"]]}, "2026-06-07 22:59", "Europe/London") == "2026-06-07 23:00"


def test_without_hours_it_never_opens(world: World) -> None:
    assert opens(world, {}, "2026-06-01 12:00") is None
    assert opens(world, {"mon": []}, "2026-06-01 12:00") is None


def test_everybody_is_told_when_it_opens_by_the_organisations_clock(world: World) -> None:
    world.set("time_zone", "Europe/Berlin")
    world.service.call("set_widget_settings", p_changes={"is_open_always": False, "business_hours": WEEKDAYS})
    world.clock(datetime(2026, 3, 27, 16, tzinfo=UTC))
    widget = told(world.owner)
    opens_at = datetime(2026, 3, 30, 7, tzinfo=UTC)
    assert (widget["is_open"], datetime.fromisoformat(widget["opens_at"])) == (False, opens_at)
    world.clock(opens_at)
    widget = told(world.owner)
    assert (widget["is_open"], widget["opens_at"]) == (True, None)
    world.service.call("set_widget_settings", p_changes={"business_hours": {}})
    widget = told(world.owner)
    assert (widget["is_open"], widget["opens_at"]) == (False, None)
    world.service.call("set_widget_settings", p_changes={"is_open_always": True})
    widget = told(world.owner)
    assert (widget["is_open"], widget["opens_at"]) == (True, None)


# What everybody is told


def test_everybody_is_told_what_he_needs_and_nothing_of_the_staffs(world: World) -> None:
    ava = world.persona("Ava", avatar_url="/ava.png")
    world.service.call("set_widget_settings", p_changes={"fictional_user_id": str(ava), "title": "Ask us"})
    for who in (world.anonymous, world.customer(), world.operator()):
        widget = told(who)
        assert (widget["title"], widget["persona"]) == ("Ask us", {"name": "Ava", "avatar_url": "/ava.png"})
        assert not {"business_hours", "is_open_always", "fictional_user_id", "updated_at"} & set(widget)
    world.owner.does("update fictional_users set is_active = false where id = %s", ava)
    assert told(world.anonymous)["persona"] is None


def test_it_says_whether_somebody_is_there(world: World) -> None:
    assert told(world.anonymous)["available"] is False
    world.operator(status="away")
    world.operator(is_active=False)
    world.operator(capacity=0)
    assert told(world.anonymous)["available"] is False
    world.operator()
    assert told(world.anonymous)["available"] is True


# Setting it up


def test_an_admin_changes_what_he_names_and_it_is_logged(world: World) -> None:
    ada, ava = world.admin(), world.persona()
    before = ada.call("get_all_widget_settings")
    changes = {
        "title": "مرحبا",
        "greeting": {"en": "Hi", "pt-BR": "Oi"},
        "colour": "#0B57D0",
        "position": "left",
        "languages": ["ar", "en"],
        "fictional_user_id": str(ava),
        "business_hours": {"mon": [["00:00", "12:00"], ["12:00", "24:00"]], "tue": []},
        "pre_chat": [{"field": "email", "is_required": True}, {"field": "topic", "is_required": False}],
        "mode": "race",
        "handling": "session",
        "allow_files": False,
        "privacy_url": "https://shop.example/privacy",
    }
    after = ada.call("set_widget_settings", p_changes=changes)
    kept = {name for name in before if name not in changes} - {"updated_at"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert {name: str(after[name]) if name == "fictional_user_id" else after[name] for name in changes} == changes
    assert after["updated_at"] > before["updated_at"]
    logged = world.owner.rows("select detail from audit_log where action = 'widget_setting.changed'")
    assert {row["detail"]["name"] for row in logged} == set(changes)
    assert ada.call("set_widget_settings", p_changes={"fictional_user_id": None})["fictional_user_id"] is None


BAD = [
    ("title", ["", "   ", "x" * 81, None, 7]),
    ("greeting", ["hello", {"en": ""}, {"en": 7}, {"English": "hello"}, {"en": "x" * 2001}, None]),
    ("colour", ["red", "#fff", "#12345g", None, "#b3361b; x"]),
    ("position", ["top", None]),
    ("languages", [[], ["en", "en"], ["EN"], "en", [7], None]),
    ("fictional_user_id", ["Ava", str(uuid4()), 7]),
    ("is_open_always", ["yes", 1, None]),
    (
        "business_hours",
        [
            None,
            [],
            {"monday": []},
            {"mon": "09:00-17:00"},
            {"mon": ["09:00", "17:00"]},
            {"mon": [["9:00", "17:00"]]},
            {"mon": [["09:00"]]},
            {"mon": [["09:00", "17:00", "18:00"]]},
            {"mon": [["17:00", "09:00"]]},
            {"mon": [["09:00", "09:00"]]},
            {"mon": [["09:00", "24:01"]]},
            {"mon": [["24:00", "24:00"]]},
            {"mon": [["09:00", "12:00"], ["11:00", "17:00"]]},
            {"mon": [["13:00", "17:00"], ["09:00", "12:00"]]},
            {"mon": [[9, 17]]},
        ],
    ),
    (
        "pre_chat",
        [
            {},
            ["name"],
            [{"field": "name"}],
            [{"field": "phone", "is_required": True}],
            [{"field": "name", "is_required": "yes"}],
            [{"field": "name", "is_required": True, "label": "x"}],
            [{"field": "name", "is_required": True}, {"field": "name", "is_required": False}],
        ],
    ),
    ("mode", ["both", None]),
    ("handling", ["forever", None]),
    ("ask_rating", [None, "true"]),
    ("privacy_url", ["javascript:alert(1)", "shop.example", "https://a b", 7]),
    ("is_only", [True]),
    ("updated_at", ["2026-01-01"]),
    ("id", [1]),
]


@pytest.mark.parametrize(("name", "values"), BAD, ids=[name for name, _ in BAD])
def test_a_value_that_cannot_be_is_refused_by_its_name_and_nothing_is_changed(
    world: World, name: str, values: list[object]
) -> None:
    ada = world.admin()
    for value in values:
        with world.unchanged(), pytest.raises(Exception, match=f"HINT:  {name}: ") as caught:
            ada.call("set_widget_settings", p_changes={"title": "Another title", name: value})
        assert caught.value.diag.message_detail == "invalid_argument", value  # type: ignore[attr-defined]


def test_what_is_no_object_is_refused(world: World) -> None:
    ada = world.admin()
    for changes in (None, Jsonb([]), Jsonb("title")):
        with world.refused("PT400", "invalid_argument"):
            ada.call("set_widget_settings", p_changes=changes)


def test_plain_sql_is_held_to_the_same(world: World) -> None:
    with world.refused("PT400", "invalid_argument"):
        world.owner.does("update widget_settings set colour = 'red' where is_only")
    with world.refused("23505"):
        world.owner.does("insert into widget_settings default values")


def test_a_persona_that_is_deleted_is_the_widgets_no_more(world: World) -> None:
    ava = world.persona()
    world.service.call("set_widget_settings", p_changes={"fictional_user_id": str(ava)})
    world.owner.does("delete from fictional_users where id = %s", ava)
    assert world.owner.value("select fictional_user_id from widget_settings") is None


# Who he is


def test_a_customer_says_who_he_is_before_his_first_chat(world: World) -> None:
    kim = world.stranger()
    kim.claims["is_anonymous"] = True
    row = kim.call("introduce_myself", p_name="  Kim Lee ", p_email="kim@shop.example")
    assert (row["id"], row["name"], row["email"], row["is_anonymous"]) == (kim.id, "Kim Lee", "kim@shop.example", True)
    assert kim.call("introduce_myself", p_email="lee@shop.example")["name"] == "Kim Lee"
    assert kim.call("introduce_myself", p_name="Kim")["email"] == "lee@shop.example"


def test_what_the_host_page_says_of_him_stays(world: World) -> None:
    kim = world.stranger()
    world.service.rows(
        "select private.identify_host_user('kim', 'n', now(), now() + interval '1 minute', 'Kim', null, %s)", kim.id
    )
    row = kim.call("introduce_myself", p_name="The Boss", p_email="kim@shop.example")
    assert (row["name"], row["email"]) == ("Kim", "kim@shop.example")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", "x" * 201),
        ("email", "kim"),
        ("email", ""),
        ("email", "kim@shop.example, lee@shop.example"),
        ("email", "kim@shop.example\nBcc: x@y"),
        ("email", "x" * 320 + "@shop.example"),
    ],
)
def test_a_name_or_address_that_cannot_be_is_refused_by_its_field(world: World, field: str, value: str) -> None:
    kim = world.customer()
    with world.unchanged(), pytest.raises(Exception, match=f"HINT:  {field}: "):
        kim.call("introduce_myself", **{f"p_{field}": value})


def test_whoever_says_nothing_becomes_nobody(world: World) -> None:
    stranger = world.stranger()
    with world.refused("PT400", "invalid_argument"):
        stranger.call("introduce_myself")


def test_operators_have_their_names_from_admins(world: World) -> None:
    ana = world.operator()
    with world.refused("PT403", "not_allowed"):
        ana.call("introduce_myself", p_name="Ana the Great")
    with refused("42501"):
        world.anonymous.call("introduce_myself", p_name="Nobody")

"""Answers kept ready: everybody's and one's own."""

from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from tests.sql.helpers import Caller, World, refused_for

HELLO = {"p_shortcut": "hi", "p_title": "Hello", "p_content": "Hello {{customer.name}}, this is {{persona.name}}."}


def shortcuts(who: Caller) -> list[tuple[str, bool]]:
    """Return what somebody may use, and which of it is everybody's."""
    return [(row["shortcut"], row["owner_id"] is None) for row in who.call_all("list_quick_responses")]


def saves(who: Caller, **changes: object) -> DictRow:
    return who.call("save_quick_response", **{**HELLO, **changes})


def test_everybody_s_are_the_admins_and_one_s_own_are_one_s_own(world: World) -> None:
    ana, ben, ada = world.operator("Ana"), world.operator("Ben"), world.admin()
    shared = saves(ada, p_is_shared=True)
    assert shared["owner_id"] is None
    own = saves(ana)
    assert own["owner_id"] == ana.id
    saves(ana, p_shortcut="bye")
    # Of two of the same name one's own comes first.
    assert shortcuts(ana) == [("bye", False), ("hi", False), ("hi", True)]
    assert shortcuts(ben) == shortcuts(world.service) == [("hi", True)]
    for more in ({"p_is_shared": True}, {"p_id": shared["id"]}):
        with world.refused("PT403", "not_allowed"):
            saves(ana, **more)
    with world.refused("PT403", "not_allowed"):
        ana.call("delete_quick_response", p_id=shared["id"])
    for who, response in ((ben, own["id"]), (ada, own["id"]), (ana, uuid4())):
        with world.refused("PT404", "quick_response_not_found"):
            saves(who, p_id=response)
        with world.refused("PT404", "quick_response_not_found"):
            who.call("delete_quick_response", p_id=response)
    changed = saves(ana, p_id=own["id"], p_content="Good day!")
    assert (changed["id"], changed["content"], changed["created_at"]) == (own["id"], "Good day!", own["created_at"])
    assert changed["updated_at"] > own["updated_at"]
    ana.call("delete_quick_response", p_id=own["id"])
    ada.call("delete_quick_response", p_id=shared["id"])
    assert shortcuts(ana) == [("bye", False)]


def test_customers_and_who_has_left_have_none(world: World) -> None:
    kim, gone = world.customer(), world.operator("Gone", is_active=False)
    for who, code in ((kim, "not_allowed"), (gone, "operator_inactive")):
        with world.refused("PT403", code):
            saves(who)
        with world.refused("PT403", code):
            shortcuts(who)
        with world.refused("PT403", code):
            who.call("delete_quick_response", p_id=uuid4())
    with world.refused("PT401", "not_signed_in"):
        saves(world.service)
    assert saves(world.service, p_is_shared=True)["owner_id"] is None


def test_a_shortcut_is_one_among_everybody_s_and_one_among_each_operator_s_own(world: World) -> None:
    ana, ada = world.operator("Ana"), world.admin()
    for who, is_shared in ((ana, False), (ada, False), (ada, True)):
        saves(who, p_is_shared=is_shared)
        with world.refused("23505", "quick_responses_shortcut_key"):
            saves(who, p_is_shared=is_shared)
    other = saves(ana, p_shortcut="bye")
    with world.refused("23505", "quick_responses_shortcut_key"):
        saves(ana, p_id=other["id"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("shortcut", value) for value in ("", "Hi", "-hi", "a b", "a" * 33, "hi\n", None)),
        *(("title", value) for value in ("", "  ", "a" * 201, None)),
        *(
            ("content", value)
            for value in ("", "\n", "é" * 8193, None, "{{order.id}}", "{{ customer.name }}", "{{\n}}")
        ),
    ],
)
def test_what_is_wrong_is_said_by_its_field(world: World, field: str, value: str | None) -> None:
    ana = world.operator()
    own = saves(ana)
    for more in ({}, {"p_id": own["id"]}):
        with world.unchanged(), refused_for(field):
            saves(ana, **{f"p_{field}": value}, **more)


def test_a_placeholder_that_is_none_is_told_beside_those_there_are(world: World) -> None:
    ana = world.operator()
    known = "{{customer.name}} {{customer.email}} {{operator.name}} {{persona.name}} {{chat.headline}} {single} }}{{"
    assert saves(ana, p_content=known)["content"] == known
    with pytest.raises(psycopg.Error) as caught:
        saves(ana, p_shortcut="x", p_content="{{customer.name}} {{order.id}}")
    hint = caught.value.diag.message_hint or ""
    assert hint.startswith("content: {{order.id}} is no placeholder")
    assert all(name in hint for name in known.split()[:5])
    # By plain SQL too.
    with world.refused("PT400", "invalid_argument"):
        world.owner.does("update quick_responses set content = '{{order.id}}' where true")


def test_what_is_done_to_everybody_s_is_logged_and_to_one_s_own_is_not(world: World) -> None:
    ana, ada = world.operator("Ana"), world.admin()
    own = saves(ada)["id"]
    saves(ana, p_shortcut="private")
    for is_shared in (True, True, False):
        saves(ada, p_id=own, p_is_shared=is_shared)
    saves(ada, p_id=own)
    ada.call("delete_quick_response", p_id=saves(ada, p_is_shared=True)["id"])
    rows = world.owner.rows("select * from audit_log where action like 'quick_response.%' order by id")
    assert [row["action"].partition(".")[2] for row in rows] == ["added", "changed", "removed", "added", "removed"]
    assert {(row["actor_id"], row["subject_id"]) for row in rows} == {(ada.id, None)}
    assert rows[0]["detail"] == {"id": str(own)}


def test_there_are_not_more_than_a_screen_can_have(world: World) -> None:
    ana, ben, ada = world.operator("Ana"), world.operator("Ben"), world.admin()
    for owner in (ana.id, None):
        world.owner.does(
            "insert into quick_responses (shortcut, title, content, owner_id)"
            " select 'q' || n, 'One', 'Many', %s from generate_series(1, 499) n",
            owner,
        )
    own, shared = saves(ana), saves(ada, p_is_shared=True)
    for who, more in ((ana, {}), (ada, {"p_is_shared": True}), (ada, {"p_is_shared": True, "p_id": saves(ada)["id"]})):
        with world.refused("PT409", "too_many_quick_responses"):
            saves(who, p_shortcut="more", **more)
    saves(ana, p_id=own["id"], p_title="Changed")
    saves(ben, p_shortcut="more")
    ada.call("delete_quick_response", p_id=shared["id"])
    saves(ada, p_shortcut="more", p_is_shared=True)

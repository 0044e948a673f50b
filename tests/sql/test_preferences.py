"""How an operator has his screen: kept for him, whole or not at all."""

import pytest

from tests.sql.helpers import World, refused, refused_for

DEFAULTS = {
    "language": None,
    "theme": "system",
    "sound": "all",
    "desktop_notifications": False,
    "send_key": "auto",
    "density": "comfortable",
}


def test_who_has_said_nothing_has_the_defaults(world: World) -> None:
    ana = world.operator()
    with world.unchanged():
        assert ana.call("get_preferences") == {"operator_id": ana.id, **DEFAULTS, "updated_at": None}


def test_what_he_changes_is_kept_and_the_rest_is_as_it_was(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    first = ana.call("set_preferences", p_changes={"theme": "dark", "language": "ar"})
    assert first == {
        "operator_id": ana.id,
        **DEFAULTS,
        "theme": "dark",
        "language": "ar",
        "updated_at": first["updated_at"],
    }
    changes = {
        "language": None,
        "sound": "mine",
        "desktop_notifications": True,
        "send_key": "enter",
        "density": "compact",
    }
    second = ana.call("set_preferences", p_changes=changes)
    assert second == {"operator_id": ana.id, **changes, "theme": "dark", "updated_at": second["updated_at"]}
    assert second["updated_at"] > first["updated_at"]
    assert ana.call("get_preferences") == second
    assert ben.call("get_preferences")["theme"] == "system"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ('{"theme": "dark", "colour": "red"}', "colour"),
        ('{"theme": "dark", "operator_id": "00000000-0000-0000-0000-000000000001"}', "operator_id"),
        ('{"theme": "dark", "updated_at": null}', "updated_at"),
        ('{"theme": "pink"}', "theme"),
        ('{"theme": null}', "theme"),
        ('{"theme": ["dark"]}', "theme"),
        ('{"language": "de"}', "language"),
        ('{"desktop_notifications": "true"}', "desktop_notifications"),
        ('{"send_key": 1}', "send_key"),
        ('{"density": {}, "theme": "dark"}', "density"),
        ('["theme"]', "p_changes is a JSON object."),
        ("null", "p_changes is a JSON object."),
        (None, "p_changes is a JSON object."),
    ],
)
def test_what_is_no_preference_or_no_value_of_it_changes_nothing(world: World, changes: str | None, name: str) -> None:
    ana = world.operator()
    with world.unchanged(), refused_for(name):
        ana.rows("select set_preferences(%s::jsonb)", changes)


def test_they_are_operators_alone(world: World) -> None:
    for who, state, code in (
        (world.customer(), "PT403", "not_allowed"),
        (world.operator("Gone", is_active=False), "PT403", "operator_inactive"),
        (world.service, "PT401", "not_signed_in"),
    ):
        with world.refused(state, code):
            who.call("get_preferences")
        with world.refused(state, code):
            who.call("set_preferences", p_changes={"theme": "dark"})
    with refused("42501"):
        world.anonymous.call("get_preferences")


def test_every_preference_has_a_column_that_takes_its_values_and_no_others(world: World) -> None:
    ana = world.operator()
    ana.call("set_preferences", p_changes={})
    for row in world.owner.rows("select * from private.preferences()"):
        name = row["name"]
        assert row["initial"] in row["allowed"]
        for value in row["allowed"]:
            world.owner.does(f"update agent_preferences set {name} = %s where true", value)
        if name != "desktop_notifications":
            with world.refused("23514", f"agent_preferences_{name}_check"):
                world.owner.does(f"update agent_preferences set {name} = 'no such thing' where true")


@pytest.mark.parametrize("function", ["set_preferences", "set_widget_settings", "update_operator"])
def test_of_several_wrong_fields_the_first_by_name_is_told(world: World, function: str) -> None:
    ada = world.admin()
    whom = {"p_operator_id": ada.id} if function == "update_operator" else {}
    with refused_for("aaa_colour"):
        ada.call(function, p_changes={"zebra": 1, "aaa_colour": 1, "z": 1, "language": 1}, **whom)
    with refused_for("x" * 100):
        ada.call(function, p_changes={"x" * 101: 1}, **whom)
    ada.call(function, p_changes={}, **whom)

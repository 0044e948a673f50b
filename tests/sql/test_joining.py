"""How operators join, change and leave: invitations, the first admin, and what admins change of them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from tests.sql.helpers import NOON, Operator, World, refused


def invites(ada: Operator, email: str = "eve@shop.example", name: str | None = "Eve", **more: Any) -> dict[str, Any]:
    invitation: dict[str, Any] = ada.ask("invite_operator", p_email=email, p_name=name, **more)
    return invitation


def accepts(world: World, token: str, name: str | None = None) -> DictRow:
    """Accept an invitation, as the web layer does when it makes the account."""
    return world.owner.row("select * from private.accept_invitation(%s, %s)", token, name)


# Invitations


def test_who_is_invited_joins_with_what_was_chosen_for_him(world: World) -> None:
    ada = world.admin()
    invitation = invites(ada, " Eve@Shop.example ", None, p_role="admin", p_capacity=3)
    assert (invitation["email"], invitation["status"], invitation["invited_by_name"]) == (
        "eve@shop.example",
        "open",
        "Ada",
    )
    found = world.anonymous.call("find_invitation", p_token=invitation["token"])
    assert found == {"email": "eve@shop.example", "name": None, "role": "admin"}
    eve = accepts(world, invitation["token"], " Eve ")
    told = {name: eve[name] for name in ("name", "email", "role", "capacity", "status", "is_active")}
    assert told == {
        "name": "Eve",
        "email": "eve@shop.example",
        "role": "admin",
        "capacity": 3,
        "status": "offline",
        "is_active": True,
    }
    # So an account whose operator was not made yet is known for what it is.
    assert str(eve["id"]) == invitation["id"]
    assert ada.ask("list_invitations")["status"] == "accepted"
    actions = [row["action"] for row in world.owner.rows("select action from audit_log order by id")]
    assert actions == ["operator.added", "invitation.made", "operator.added", "invitation.accepted"]


def test_the_token_is_told_once_and_kept_nowhere(world: World) -> None:
    ada = world.admin()
    token = invites(ada)["token"]
    (listed,) = (row["list_invitations"] for row in ada.call_all("list_invitations"))
    assert not {"token", "token_hash"} & set(listed)
    assert token not in str(world.dump())
    assert len({token, *(invites(ada, f"{n}@shop.example")["token"] for n in range(5))}) == 6


@pytest.mark.parametrize("end", ["revoked", "expired", "used", "replaced", "never made"])
def test_a_link_that_is_good_no_more_opens_nothing(world: World, end: str) -> None:
    ada = world.operator(role="admin", speaks_as=None)
    world.clock(NOON)
    invitation = invites(ada)
    token = invitation["token"]
    if end == "revoked":
        for _ in range(2):
            ada.call("revoke_invitation", p_id=invitation["id"])
    elif end == "expired":
        world.clock(NOON + timedelta(days=7))
    elif end == "used":
        accepts(world, token)
    elif end == "replaced":
        again = invites(ada, "EVE@shop.example")
        assert (again["id"], len(ada.call_all("list_invitations"))) == (invitation["id"], 1)
    else:
        token = "f" * 64
    for bad in (token, "", None):
        with world.refused("PT404", "invitation_not_found"):
            world.owner.call("find_invitation", p_token=bad)
        with world.refused("PT404", "invitation_not_found"):
            accepts(world, bad)  # type: ignore[arg-type]


def test_an_expired_one_is_renewed(world: World) -> None:
    ada = world.operator(role="admin", speaks_as=None)
    world.clock(NOON)
    invites(ada)
    world.clock(NOON + timedelta(days=8))
    assert accepts(world, invites(ada)["token"])["name"] == "Eve"


def test_of_two_who_accept_at_once_one_joins(world: World) -> None:
    token = invites(world.admin())["token"]
    first, second = world.connect(), world.connect()
    with first.transaction(), ThreadPoolExecutor() as pool:
        first.execute("select private.accept_invitation(%s, null)", (token,))
        other = pool.submit(lambda: second.execute("select private.accept_invitation(%s, null)", (token,)))
        world.until(lambda: world.waits_for_a_lock(second))
        first.execute("commit")
        with pytest.raises(psycopg.Error) as caught:
            other.result()
        first.execute("begin")
    assert caught.value.diag.message_detail == "invitation_not_found"


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("email", {"p_email": "eve"}),
        ("email", {"p_email": None}),
        ("email", {"p_email": "eve@shop.example, x@y"}),
        ("name", {"p_name": "E\nve"}),
        ("name", {"p_name": "x" * 201}),
        ("role", {"p_role": "owner"}),
        ("role", {"p_role": None}),
        ("capacity", {"p_capacity": -1}),
        ("capacity", {"p_capacity": 1001}),
        ("capacity", {"p_capacity": None}),
    ],
)
def test_an_invitation_that_cannot_be_is_refused_by_its_field(
    world: World, field: str, arguments: dict[str, Any]
) -> None:
    ada = world.admin()
    with world.unchanged(), pytest.raises(Exception, match=f"HINT:  {field}: "):
        ada.call("invite_operator", **{"p_email": "eve@shop.example", "p_name": "Eve", **arguments})


def test_who_is_an_operator_is_not_invited_and_does_not_join_twice(world: World) -> None:
    ada = world.admin()
    token, nameless = invites(ada)["token"], invites(ada, "dan@shop.example", None)["token"]
    world.operator(email="Eve@shop.example", is_active=False)
    with world.refused("PT409", "operator_exists"):
        invites(ada)
    with world.refused("PT409", "operator_exists"):
        accepts(world, token)
    with world.refused("PT400", "invalid_argument"):
        accepts(world, nameless)


def test_only_the_service_makes_operators_of_invitations(world: World) -> None:
    ada = world.admin()
    token = invites(ada)["token"]
    for who in (ada, world.customer(), world.anonymous):
        with refused("42501"):
            who.rows("select private.accept_invitation(%s, null)", token)
        with refused("42501"):
            who.rows("select private.make_first_admin(%s, 'Eve', 'eve@shop.example')", uuid4())


def test_an_invitation_that_was_accepted_is_taken_back_by_deactivating(world: World) -> None:
    ada = world.admin()
    invitation = invites(ada)
    accepts(world, invitation["token"])
    for unknown in (invitation["id"], uuid4(), None):
        with world.refused("PT404", "invitation_not_found"):
            ada.call("revoke_invitation", p_id=unknown)


def test_invitations_are_forgotten_with_their_operator_or_a_while_after_their_end(world: World) -> None:
    ada = world.operator(role="admin", speaks_as=None)
    world.clock(NOON)
    eve = accepts(world, invites(ada)["token"])["id"]
    assert world.owner.ask("export_user_data", p_user_id=eve)["invitation"]["email"] == "eve@shop.example"
    invites(ada, "dan@shop.example")
    ada.call("update_operator", p_operator_id=eve, p_changes={"is_active": False})
    world.owner.call("erase_user_data", p_user_id=eve)
    emails = "select email from private.operator_invitations"
    assert world.owner.value(emails) == "dan@shop.example"
    world.clock(NOON + timedelta(days=36))
    world.owner.rows("select private.run_clean_up()")
    assert world.owner.rows(emails)
    world.clock(NOON + timedelta(days=38))
    world.owner.rows("select private.run_clean_up()")
    assert world.owner.rows(emails) == []


# The first admin


def first_admin(world: World, name: str = "Eve", email: str = "Eve@shop.example") -> DictRow:
    return world.owner.row("select * from private.make_first_admin(%s, %s, %s)", uuid4(), name, email)


def test_the_first_admin_is_made_once(world: World) -> None:
    assert world.anonymous.ask("is_new") is True
    for name, email in (("", "eve@shop.example"), ("Eve", "eve")):
        with world.refused("PT400", "invalid_argument"):
            first_admin(world, name, email)
    eve = first_admin(world)
    assert (eve["role"], eve["email"], eve["status"]) == ("admin", "eve@shop.example", "offline")
    assert world.anonymous.ask("is_new") is False
    with world.refused("PT409", "already_set_up"):
        first_admin(world, email="mallory@shop.example")
    world.owner.does("update operators set is_active = false where id = %s", eve["id"])
    with world.refused("PT409", "already_set_up"):
        first_admin(world, email="mallory@shop.example")


def test_of_two_first_admins_at_once_one_is_made(world: World) -> None:
    first, second = world.connect(), world.connect()
    make = "select private.make_first_admin(gen_random_uuid(), 'Eve', %s)"
    with first.transaction(), ThreadPoolExecutor() as pool:
        first.execute(make, ("eve@shop.example",))
        other = pool.submit(lambda: second.execute(make, ("mallory@shop.example",)))
        world.until(lambda: world.waits_for_a_lock(second))
        first.execute("commit")
        with pytest.raises(psycopg.Error) as caught:
            other.result()
        first.execute("begin")
    assert caught.value.diag.message_detail == "already_set_up"


# Changing operators


def test_an_admin_changes_what_he_names(world: World) -> None:
    ada, ana = world.admin(), world.operator(email="ana@shop.example")
    changes = {"name": "Anna", "email": "Anna@shop.example", "role": "admin", "capacity": 4, "auto_assign": True}
    after = ada.call("update_operator", p_operator_id=ana.id, p_changes=changes)
    assert {name: after[name] for name in changes} == {**changes, "email": "anna@shop.example"}
    assert (after["is_active"], after["status"]) == (True, "online")
    actions = {row["action"] for row in world.owner.rows("select action from audit_log where actor_id = %s", ada.id)}
    assert actions == {"operator.role_changed", "operator.capacity_changed"}


def test_who_is_deactivated_lets_go_and_is_offline(world: World) -> None:
    ada, ana = world.admin(), world.operator()
    chat = world.chat("assigned", ana)
    after = ada.call("update_operator", p_operator_id=ana.id, p_changes={"is_active": False})
    assert (after["is_active"], after["status"]) == (False, "offline")
    assert (world.state(chat), world.holder(chat)) == ("waiting_assignment", None)
    assert ada.call("update_operator", p_operator_id=ana.id, p_changes={"is_active": True})["status"] == "offline"


def test_the_last_active_admin_stays_one(world: World) -> None:
    ada, bo = world.admin(), world.admin("Bo", is_active=False)
    for changes in ({"role": "operator"}, {"is_active": False}, {"name": "Ada", "role": "operator"}):
        for who in (ada, world.service):
            with world.refused("PT409", "last_admin"):
                who.call("update_operator", p_operator_id=ada.id, p_changes=changes)
    ada.call("update_operator", p_operator_id=ada.id, p_changes={"role": "admin", "is_active": True})
    ada.call("update_operator", p_operator_id=bo.id, p_changes={"is_active": True})
    assert bo.call("update_operator", p_operator_id=ada.id, p_changes={"role": "operator"})["role"] == "operator"


def test_two_admins_who_demote_each_other_at_once_leave_one(world: World) -> None:
    ada, bo = world.admin("Ada"), world.admin("Bo")
    first, second = world.connect(), world.connect()
    demote = 'select update_operator(%s, \'{"role": "operator"}\')'
    with first.transaction(), ThreadPoolExecutor() as pool:
        first.execute(demote, (ada.id,))
        other = pool.submit(lambda: second.execute(demote, (bo.id,)))
        world.until(lambda: world.waits_for_a_lock(second))
        first.execute("commit")
        with pytest.raises(psycopg.Error) as caught:
            other.result()
        first.execute("begin")
    assert caught.value.diag.message_detail == "last_admin"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", None),
        ("email", "ana"),
        ("role", "boss"),
        ("capacity", 1.5),
        ("capacity", "2"),
        ("capacity", 1001),
        ("is_active", None),
        ("auto_assign", "yes"),
        ("status", "online"),
        ("id", str(uuid4())),
    ],
    ids=lambda value: str(value)[:10] if not isinstance(value, str) or len(value) < 30 else "uuid",
)
def test_a_change_that_cannot_be_is_refused_by_its_field(world: World, field: str, value: object) -> None:
    ada, ana = world.admin(), world.operator()
    with world.unchanged(), pytest.raises(Exception, match=f"HINT:  {field}: "):
        ada.call("update_operator", p_operator_id=ana.id, p_changes={"auto_assign": True, field: value})


def test_what_is_not_there_taken_or_in_hand_is_refused(world: World) -> None:
    ada, ana = world.admin(email="ada@shop.example"), world.operator()
    with world.refused("PT404", "operator_not_found"):
        ada.call("update_operator", p_operator_id=uuid4(), p_changes={"name": "Nobody"})
    with world.refused("PT409", "operator_exists"):
        ada.call("update_operator", p_operator_id=ana.id, p_changes={"email": "Ada@shop.example"})
    world.chat("assigned", ana)
    with world.refused("23514", "operator_at_capacity"):
        ada.call("update_operator", p_operator_id=ana.id, p_changes={"capacity": 0})


def test_admins_see_who_is_at_work(world: World) -> None:
    ada, ana = world.admin(), world.operator("Ana")
    world.operator("Zoe", is_active=False)
    world.chat("assigned", ana)
    world.service.rows("select private.open_connection(%s, %s)", uuid4(), ana.id)
    rows = [row["list_operators"] for row in ada.call_all("list_operators")]
    assert [(row["name"], row["held"], row["is_connected"], row["last_seen_at"] is None) for row in rows] == [
        ("Ada", 0, False, True),
        ("Ana", 1, True, False),
        ("Zoe", 0, False, True),
    ]


# Personas and settings


def test_an_admin_keeps_the_personas(world: World) -> None:
    ada, ana = world.admin(), world.operator()
    ava = ada.call("save_persona", p_name=" Ava ", p_avatar_url="/storage/v1/object/public/avatars/ava.png")
    assert (ava["name"], ava["is_active"]) == ("Ava", True)
    theo = ada.call("save_persona", p_name="Theo", p_id=ava["id"], p_is_active=False)
    assert (theo["id"], theo["name"], theo["avatar_url"], theo["is_active"]) == (ava["id"], "Theo", None, False)
    assert ana.call_all("list_personas") == [theo]
    logged = world.owner.rows("select action from audit_log where subject_id = %s order by id", ava["id"])
    assert [row["action"] for row in logged] == ["persona.added", "persona.changed"]


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("name", {"p_name": " "}),
        ("name", {"p_name": None}),
        ("avatar_url", {"p_avatar_url": "javascript:alert(1)"}),
        ("avatar_url", {"p_avatar_url": "https://a b"}),
        ("avatar_url", {"p_avatar_url": "//shop.example/ava.png"}),
        ("avatar_url", {"p_avatar_url": "https://shop.example/ava.png"}),
        ("is_active", {"p_is_active": None}),
    ],
)
def test_a_persona_that_cannot_be_is_refused_by_its_field(world: World, field: str, arguments: dict[str, Any]) -> None:
    ada = world.admin()
    with world.unchanged(), pytest.raises(Exception, match=f"HINT:  {field}: "):
        ada.call("save_persona", **{"p_name": "Ava", **arguments})
    with world.refused("PT404", "fictional_user_not_found"):
        ada.call("save_persona", p_name="Ava", p_id=uuid4())


def test_settings_are_changed_together_or_not_at_all(world: World) -> None:
    ada = world.admin()
    changes = {"idle_limit": "10 minutes", "allow_take": True}
    rows = ada.call_all("set_settings", p_changes=changes)
    assert {row["name"]: row["value"] for row in rows if row["name"] in changes} == changes
    assert ada.call_all("list_settings") == rows
    with world.unchanged(), pytest.raises(Exception, match="HINT:  time_zone: "):
        ada.call_all("set_settings", p_changes={"allow_take": False, "time_zone": "Middle/Earth"})
    wrong = {"allow_take": "no", "idle_limit": "soon", "grace_period": None, "time_zone": "Middle/Earth"}
    with world.unchanged(), pytest.raises(Exception, match="HINT:  allow_take: ") as caught:
        ada.call_all("set_settings", p_changes={**wrong, "customer_idle": "20 minutes"})
    assert [line.partition(":")[0] for line in caught.value.diag.message_hint.splitlines()] == sorted(wrong)  # type: ignore[attr-defined]
    with world.unchanged(), pytest.raises(Exception, match="HINT:  colour: ") as caught:
        ada.call_all("set_settings", p_changes={"allow_take": False, "colour": 1})
    assert caught.value.diag.message_detail == "setting_not_found"  # type: ignore[attr-defined]
    with world.refused("PT400", "invalid_argument"):
        ada.call_all("set_settings", p_changes=None)

"""The audit log: what is in it, that nobody changes it, and that whoever does is found out."""

import hashlib
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.sql.helpers import Caller, World, refused, refused_by_any_of, switched_off


def log(world: World) -> list[dict[str, Any]]:
    """Return the log in its order."""
    return world.owner.rows("select * from audit_log order by id")


def told(world: World) -> list[tuple[str, UUID | None, dict[str, Any]]]:
    """Return what was done, to whom, and the details."""
    return [(row["action"], row["subject_id"], row["detail"]) for row in log(world)]


def problems(world: World) -> list[tuple[int, str]]:
    """Return what the check finds."""
    return [(row["id"], row["problem"]) for row in world.owner.call_all("check_audit_log")]


# What is logged


def test_a_new_log_is_empty_and_whole(world: World) -> None:
    assert log(world) == []
    assert problems(world) == []


def test_operators_who_come_change_and_go_are_logged(world: World) -> None:
    ana = world.operator("Ana")
    for change in ("role = 'admin'", "capacity = 3", "is_active = false", "is_active = true, capacity = 5"):
        world.owner.does(f"update operators set {change} where id = %s", ana.id)
    world.owner.does("delete from operators where id = %s", ana.id)
    assert told(world) == [
        ("operator.added", ana.id, {"role": "operator", "capacity": 1}),
        ("operator.role_changed", ana.id, {"from": "operator", "to": "admin"}),
        ("operator.capacity_changed", ana.id, {"from": 1, "to": 3}),
        ("operator.deactivated", ana.id, {}),
        ("operator.capacity_changed", ana.id, {"from": 3, "to": 5}),
        ("operator.activated", ana.id, {}),
        ("operator.removed", ana.id, {}),
    ]


def test_an_operator_s_day_is_not_logged(world: World) -> None:
    ana = world.operator("Ana")
    before = log(world)
    ana.call("set_operator_status", p_status="away", p_reason="lunch")
    world.owner.does("update operators set name = 'Anna', capacity = capacity where id = %s", ana.id)
    world.chat("assigned", ana)
    assert log(world) == before


def test_a_changed_setting_is_logged_in_numbers_and_hashes(world: World) -> None:
    ada = world.admin()
    ada.call("set_setting", p_name="rate_limit_burst", p_value="5")
    ada.call("set_setting", p_name="rate_limit_burst", p_value="5")
    ada.call("set_setting", p_name="idle_limit", p_value='"9 minutes"')
    number, text = log(world)[1:]
    assert (number["actor_id"], number["actor_kind"], number["subject_id"]) == (ada.id, "admin", None)
    assert number["detail"] == {"name": "rate_limit_burst", "from": 200, "to": 5}
    digest = world.owner.value("select encode(sha256(convert_to('\"9 minutes\"', 'UTF8')), 'hex')")
    assert (text["detail"]["name"], text["detail"]["to"]) == ("idle_limit", digest)


def test_what_was_refused_or_rolled_back_is_not_logged(world: World) -> None:
    ana = world.operator("Ana")
    with world.refused("PT403", "not_allowed"):
        ana.call("set_setting", p_name="allow_take", p_value="true")
    connection = world.connect()
    with connection.transaction(force_rollback=True):
        connection.execute("update operators set capacity = 7 where true")
    assert len(log(world)) == 1


@pytest.mark.parametrize("text", ["Ana Lee", "ana@baton.example", "Straße", "x" * 65, ""])
@pytest.mark.parametrize("path", ["%s", '{"a": %s}', "[[%s]]"])
def test_what_could_be_anybody_s_words_does_not_get_in(world: World, text: str, path: str) -> None:
    detail = '{"name": ' + path.replace("%s", f'"{text}"') + "}"
    with world.unchanged(), refused("23514", "audit_log_detail_check"):
        world.owner.rows("select private.audit('user.erased', null, %s)", detail)


# The chain


def test_each_row_follows_from_the_one_before(world: World) -> None:
    for _ in range(3):
        world.operator()
    rows = log(world)
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert [row["previous_hash"] for row in rows] == ["", rows[0]["hash"], rows[1]["hash"]]
    assert len({row["hash"] for row in rows}) == 3
    assert world.owner.row("select count, last_hash from private.audit_head") == {
        "count": 3,
        "last_hash": rows[-1]["hash"],
    }
    assert problems(world) == []


def test_several_rows_of_one_transaction_keep_their_order(world: World) -> None:
    people = [uuid4() for _ in range(4)]
    with world.owner.transaction() as connection:
        for person in people:
            connection.execute("insert into operators (id, name) values (%s, 'Ana')", (person,))
        row = connection.execute("select count(*) as count from private.audit_entries").fetchone()
        assert row == {"count": 4}
    assert [subject for _, subject, _ in told(world)] == people
    assert world.owner.value("select count(*) from private.audit_entries") == 0
    assert problems(world) == []


def test_the_hash_is_what_anybody_can_compute(world: World) -> None:
    world.operator()
    (row,) = log(world)
    at = row["at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    content = [
        row["id"],
        at,
        row["actor_id"],
        row["actor_kind"],
        row["action"],
        str(row["subject_id"]),
        {"role": row["detail"]["role"], "capacity": row["detail"]["capacity"]},
        row["previous_hash"],
    ]
    assert row["hash"] == hashlib.sha256(json.dumps(content).encode()).hexdigest()


# Nobody writes it


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_log set action = 'x.y' where true",
        "update audit_log set detail = detail where true",
        "delete from audit_log where true",
        "truncate audit_log",
        "insert into audit_log select * from audit_log",
        "update private.audit_head set count = 0 where true",
        "delete from private.audit_head where true",
        "insert into private.audit_head (is_only, count, last_hash) values (true, 0, '')",
        "truncate private.audit_head",
    ],
)
@pytest.mark.parametrize("role", ["owner", "service_role"])
def test_it_is_only_added_to_by_what_is_done(world: World, statement: str, role: str) -> None:
    world.operator()
    caller = world.owner if role == "owner" else world.service
    with world.unchanged(), refused_by_any_of("PT409", "42501"):
        caller.does(statement)
    assert problems(world) == []


# Who changes it is found out: a superuser with the triggers switched off

FORGED = """
insert into audit_log (id, at, actor_kind, action, detail, previous_hash, hash)
  values (%s, now(), 'service', 'user.erased', '{}', 'x', 'x');
"""
RESEALED = "update audit_log l set hash = private.audit_hash(l) where id = %s;"
SWAPPED = """
update audit_log set id = 100 where id = 2;
update audit_log set id = 2 where id = 3;
update audit_log set id = 3 where id = 100;
"""

TAMPERING = {
    "a word is changed": ("update audit_log set action = 'user.exported' where id = 3", [(3, "hash_mismatch")]),
    "the actor is changed": (
        "update audit_log set actor_id = gen_random_uuid() where id = 1",
        [(1, "hash_mismatch")],
    ),
    "the subject is changed": (
        "update audit_log set subject_id = gen_random_uuid() where id = 5",
        [(5, "hash_mismatch")],
    ),
    "the time is changed": (
        "update audit_log set at = at + interval '1 microsecond' where id = 2",
        [(2, "hash_mismatch")],
    ),
    "a number is changed": (
        'update audit_log set detail = \'{"role": "operator", "capacity": 2}\' where id = 2',
        [(2, "hash_mismatch")],
    ),
    "a row is changed and hashed anew": (
        "update audit_log set action = 'user.exported' where id = 3;" + RESEALED % 3,
        [(4, "chain_broken")],
    ),
    "the last row is changed and hashed anew": (
        "update audit_log set action = 'user.exported' where id = 5;" + RESEALED % 5,
        [(5, "chain_broken")],
    ),
    "a row is deleted": ("delete from audit_log where id = 3", [(3, "row_missing")]),
    "the first rows are deleted": ("delete from audit_log where id < 3", [(1, "row_missing")]),
    "a row is deleted and the others moved up": (
        "delete from audit_log where id = 4; update audit_log set id = 4 where id = 5",
        [(4, "chain_broken"), (4, "hash_mismatch"), (5, "tail_missing")],
    ),
    "the last row is cut off": ("delete from audit_log where id = 5", [(5, "tail_missing")]),
    "all is cut off": ("delete from audit_log where true", [(1, "tail_missing")]),
    "a row is put behind": (FORGED % 6, [(6, "chain_broken"), (6, "hash_mismatch")]),
    "a row is put before": (FORGED % 0, [(0, "chain_broken"), (0, "hash_mismatch"), (1, "chain_broken")]),
    "a row is put in the place of another": (
        "delete from audit_log where id = 3;" + FORGED % 3,
        [(3, "chain_broken"), (3, "hash_mismatch"), (4, "chain_broken")],
    ),
    "two rows change places": (
        SWAPPED,
        [(2, "chain_broken"), (2, "hash_mismatch"), (3, "chain_broken"), (3, "hash_mismatch"), (4, "chain_broken")],
    ),
    "the end is said to be elsewhere": (
        "update private.audit_head set count = 4 where true",
        [(4, "chain_broken"), (5, "chain_broken")],
    ),
    "the end is taken away": (
        "delete from private.audit_head where true",
        [(number, "chain_broken") for number in range(1, 6)],
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_whoever_changes_the_log_is_found_out(world: World, what: str) -> None:
    statement, found = TAMPERING[what]
    for _ in range(5):
        world.operator()
    assert problems(world) == []
    connection = world.connect()
    with connection.transaction(force_rollback=True), switched_off(connection):
        connection.execute(statement)
        rows = connection.execute("select * from check_audit_log()").fetchall()
    assert [(row["id"], row["problem"]) for row in rows] == found


def test_the_check_is_for_admins_and_the_service(world: World) -> None:
    ada, ana, kim = world.admin(), world.operator(), world.customer()
    for caller in (ada, world.service, world.owner):
        assert caller.call_all("check_audit_log") == []
    for caller in (ana, kim, world.stranger()):
        with refused("PT403", "not_allowed"):
            caller.call_all("check_audit_log")
        assert caller.rows("select * from audit_log") == []
    assert len(ada.rows("select * from audit_log")) == 2


def test_the_actor_is_who_calls_not_whom_he_says_he_is(world: World) -> None:
    ada = world.admin()
    forger = Caller(ada.connection, "authenticated", ada.id, {"role": "service_role"})
    forger.call("set_setting", p_name="allow_take", p_value="true")
    last = log(world)[-1]
    assert (last["actor_id"], last["actor_kind"]) == (ada.id, "admin")
    world.set("allow_take", False)
    last = log(world)[-1]
    assert (last["actor_id"], last["actor_kind"]) == (None, "service")

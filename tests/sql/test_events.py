"""Section 6 of the specification: every change of a chat is an event, numbered for each of its two audiences.

After every step here both audiences are compared with a fresh look at the chat: the events since the
last one have the next numbers, carry the rows as that audience sees them, and lead from the old look
to the new one; and the customer's carry nothing of the staff's (tests/sql/replay.py).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.helpers import STATES, Caller, World, noon, refused
from tests.sql.replay import Audience, Json, Snapshot, events, staff_in

BIGGEST = 2**63 - 1
MESSAGE_EVENTS = {"message.created", "message.edited", "message.deleted"}


class Told(NamedTuple):
    """What the two audiences were told."""

    staff: list[Json]
    customer: list[Json]

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """The names of the events, for staff and customer."""
        return [e["event"] for e in self.staff], [e["event"] for e in self.customer]


class Stage:
    """A chat of Kim's, Ana who holds it or held it, Ben who has hands free, Ada the admin."""

    def __init__(self, world: World, state: str = "waiting_assignment", **columns: object) -> None:
        self.world = world
        self.kim = world.customer("Kim")
        self.ana = world.operator("Ana Abendroth", capacity=5, email=f"{uuid4()}@baton.example")
        self.ben = world.operator("Ben Birnbaum", capacity=5)
        self.ada = world.admin("Ada Ahorn")
        holder = self.ana if state in ("assigned", "waiting_real_user_reply") else None
        self.chat = world.chat(state, holder, self.kim, **columns)
        self.staff = Audience(self.ada, self.chat)
        self.customer = Audience(self.kim, self.chat)

    def told(self) -> Told:
        """Return what was told since the last time, and check it."""
        told = Told(self.staff.told(), self.customer.told())
        for event in told.customer:
            check_customers(event, self.world)
        return told

    def only(self) -> Json:
        """Return the one event that both were told, as the staff got it."""
        told = self.told()
        assert told.names[0] == told.names[1]
        (event,) = told.staff
        return event

    def sql(self, query: str, *parameters: object) -> int:
        """Do something by plain SQL; return how many rows it touched."""
        return self.world.owner.does(query, *parameters)

    def message(self, seq: int = 1) -> UUID:
        """Return the id of a message."""
        return UUID(
            str(self.world.owner.value("select id from messages where (chat_id, seq) = (%s, %s)", self.chat, seq))
        )


def check_customers(event: Json, world: World) -> None:
    """A customer's event has the shape that his events have, and tells nothing of the staff."""
    name, detail = event["event"], event["detail"]
    if name == "chat.assigned":
        assert set(detail) == {"name", "fictional_user_id", "avatar_url"}
        if detail["fictional_user_id"] is None:
            # Where there is no persona the operator answers under his own name.
            event = event | {"detail": detail | {"name": None}}
    elif name == "message.read":
        assert set(detail) == {"reader_type", "reader_id", "seq"}
    else:
        assert detail == {}
    assert name not in ("chat.transferred", "chat.reassigned")
    assert (event["message"] is not None) == (name in MESSAGE_EVENTS)
    assert staff_in(event, world) == []


CREATED, EDITED, DELETED, READ = "message.created", "message.edited", "message.deleted", "message.read"
ASSIGNED, RELEASED, TRANSFERRED = "chat.assigned", "chat.released", "chat.transferred"
REASSIGNED, COMPLETED, REOPENED, UPDATED = "chat.reassigned", "chat.completed", "chat.reopened", "chat.updated"


def both(*names: str) -> tuple[list[str], list[str]]:
    """What both audiences are told."""
    return list(names), list(names)


def staff_only(*names: str) -> tuple[list[str], list[str]]:
    """What the staff are told, and the customer is not."""
    return list(names), []


# Started


def test_a_chat_begins_with_its_first_message(world: World) -> None:
    kim, ada = world.customer(), world.admin()
    chat = kim.starts("hey")
    assert chat["event_seq"] == 1
    for person in (kim, ada):
        (event,) = events(person, chat["id"])
        assert (event["event_seq"], event["event"], event["message"]["content"]) == (1, CREATED, "hey")


def test_a_chat_that_is_given_away_at_once_says_so(world: World) -> None:
    world.operator(auto_assign=True)
    kim = world.customer()
    chat = kim.starts()["id"]
    for person in (kim, world.admin()):
        assert [(e["event_seq"], e["event"]) for e in events(person, chat)] == [(1, CREATED), (2, ASSIGNED)]


def test_a_chat_inserted_by_plain_sql_has_no_event_before_its_first_message(world: World) -> None:
    kim, ada = world.customer(), world.admin()
    chats = {
        state: world.insert("chats", real_user_id=kim.id, chat_state=state, operator_replied_at=noon())
        for state in STATES
        if state != "assigned"
    }
    for chat in chats.values():
        for person in (kim, ada):
            assert events(person, chat) == []
            assert person.call("get_chat", p_chat_id=chat)["event_seq"] == 0


def test_a_chat_inserted_as_assigned_begins_with_its_assignment(world: World) -> None:
    kim, ada, ana = world.customer(), world.admin(), world.operator()
    chat = world.insert("chats", real_user_id=kim.id, chat_state="assigned", assigned_operator_id=ana.id)
    (event,) = events(ada, chat)
    assert (event["event_seq"], event["event"], event["detail"]["operator_id"]) == (1, ASSIGNED, str(ana.id))
    (event,) = events(kim, chat)
    assert (event["event_seq"], event["event"], event["detail"]["name"]) == (1, ASSIGNED, "Ana")


def test_what_an_insert_says_of_the_numbers_does_not_count(world: World) -> None:
    kim = world.customer()
    chat = world.insert("chats", real_user_id=kim.id, event_seq=7, customer_event_seq=5)
    world.writes(chat)
    assert [e["event_seq"] for e in events(world.admin(), chat)] == [1]
    assert [e["event_seq"] for e in events(kim, chat)] == [1]


# Written


WRITTEN = {
    "waiting_assignment": both(CREATED),
    "assigned": both(CREATED),
    "waiting_real_user_reply": both(CREATED),
    "completed": both(CREATED, REOPENED),
}


@pytest.mark.parametrize("state", STATES)
def test_the_customer_writes(world: World, state: str) -> None:
    stage = Stage(world, state)
    stage.kim.writes(stage.chat, "more")
    told = stage.told()
    assert told.names == WRITTEN[state]
    assert told.staff[0]["message"]["content"] == told.customer[0]["message"]["content"] == "more"
    assert told.staff[0]["detail"] == {}


@pytest.mark.parametrize("state", STATES)
def test_the_customer_writes_by_plain_sql(world: World, state: str) -> None:
    stage = Stage(world, state)
    world.writes(stage.chat)
    assert stage.told().names == WRITTEN[state]


@pytest.mark.parametrize("state", STATES)
def test_a_message_of_the_system_is_an_event_and_changes_nothing_else(world: World, state: str) -> None:
    stage = Stage(world, state)
    world.insert("messages", chat_id=stage.chat, sender_type="system", content="We close at six.")
    assert stage.told().names == both(CREATED)
    assert world.state(stage.chat) == state


def test_a_customer_who_writes_is_given_to_whoever_works_automatically(world: World) -> None:
    stage = Stage(world, "waiting_real_user_reply")
    stage.sql("update operators set auto_assign = true where id = %s", stage.ben.id)
    stage.kim.writes(stage.chat)
    told = stage.told()
    assert told.names == both(CREATED, ASSIGNED)
    assert (told.staff[1]["detail"]["reason"], told.staff[1]["detail"]["actor_id"]) == ("auto", None)


def test_one_statement_writes_many_messages_into_one_chat(world: World) -> None:
    stage = Stage(world, "completed")
    stage.sql(
        "insert into messages (chat_id, sender_type, content)"
        " select %s, case when n %% 2 = 0 then 'system' else 'real' end, n::text from generate_series(1, 9) n",
        stage.chat,
    )
    told = stage.told()
    assert told.names == both(CREATED, REOPENED, *[CREATED] * 8)
    assert [e["message"]["seq"] for e in told.customer if e["message"]] == list(range(2, 11))


def test_one_statement_writes_into_many_chats(world: World) -> None:
    stages = [Stage(world, state) for state in STATES]
    stages[0].sql(
        "insert into messages (chat_id, sender_type, content)"
        " select c.id, 'real', n::text from chats c, generate_series(1, 3) n order by c.id"
    )
    for state, stage in zip(STATES, stages, strict=True):
        assert stage.told().names == both(*WRITTEN[state][0], CREATED, CREATED)


# Replied


@pytest.mark.parametrize("is_plain", [False, True])
@pytest.mark.parametrize(("handling", "names"), [("turn", both(CREATED, RELEASED)), ("session", both(CREATED))])
def test_the_holder_replies(world: World, handling: str, names: tuple[list[str], list[str]], is_plain: bool) -> None:
    stage = Stage(world, "assigned", handling=handling)
    if is_plain:
        world.replies(stage.chat, stage.ana)
    else:
        stage.ana.replies(stage.chat)
    told = stage.told()
    assert told.names == names
    assert told.staff[0]["detail"] == {"handled_after_seq": 0}
    assert told.staff[0]["message"]["sender_id"] == str(stage.ana.id)
    if handling == "turn":
        assert told.staff[1]["detail"] == {
            "operator_id": str(stage.ana.id),
            "operator_name": "Ana Abendroth",
            "from_operator_id": None,
            "from_operator_name": None,
            "actor_id": None if is_plain else str(stage.ana.id),
            "reason": "replied",
            "note": None,
        }


def test_a_reply_says_which_messages_it_handled(world: World) -> None:
    stage = Stage(world, "assigned", handling="session")
    stage.ana.replies(stage.chat)  # seq 2, after 1
    stage.kim.writes(stage.chat)
    world.insert("messages", chat_id=stage.chat, sender_type="system", content="seq 4")
    message = stage.kim.writes(stage.chat)
    stage.kim.call("delete_message", p_message_id=message["id"])
    stage.ana.replies(stage.chat)  # seq 6, after 3 and 5
    stage.ana.replies(stage.chat)  # seq 7, after nothing
    after = [e["detail"].get("handled_after_seq") for e in stage.told().staff if e["event"] == CREATED]
    assert after == [0, None, None, None, 2, 6]


def test_a_reply_does_not_handle_what_was_written_before_the_chat_was_completed(world: World) -> None:
    stage = Stage(world, "completed")
    stage.kim.writes(stage.chat)
    world.gives(stage.chat, stage.ana)
    stage.ana.replies(stage.chat)
    assert [e["detail"].get("handled_after_seq") for e in stage.told().staff] == [None, None, None, 1, None]


def test_question_and_answer_in_one_statement(world: World) -> None:
    stage = Stage(world, "assigned", handling="session")
    stage.sql(
        "insert into messages (chat_id, sender_type, content) values"
        " (%(chat)s, 'operator', 'a'), (%(chat)s, 'real', 'b'), (%(chat)s, 'operator', 'c')".replace(
            "%(chat)s", f"'{stage.chat}'"
        )
    )
    told = stage.told()
    assert told.names == both(CREATED, CREATED, CREATED)
    assert [e["detail"].get("handled_after_seq") for e in told.staff] == [0, None, 2]


# Edited, deleted


@pytest.mark.parametrize("state", STATES)
def test_the_customer_edits_and_deletes(world: World, state: str) -> None:
    stage = Stage(world, state)
    stage.kim.call("edit_message", p_message_id=stage.message(), p_content="hello")
    event = stage.only()
    assert (event["event"], event["message"]["content"], event["detail"]) == (EDITED, "hello", {})
    stage.kim.call("delete_message", p_message_id=stage.message())
    event = stage.only()
    assert (event["event"], event["message"]["content"], event["detail"]) == (DELETED, "", {})


def test_an_operator_edits_and_deletes(world: World) -> None:
    stage = Stage(world, "waiting_real_user_reply")
    stage.ana.call("edit_message", p_message_id=stage.message(2), p_content="good day")
    assert stage.told().names == both(EDITED)
    stage.ana.call("delete_message", p_message_id=stage.message(2))
    assert stage.told().names == both(DELETED)


def test_what_changes_no_message_is_no_event(world: World) -> None:
    stage = Stage(world)
    stage.kim.call("edit_message", p_message_id=stage.message(), p_content="hey")
    stage.sql("update messages set content = content, metadata = metadata where chat_id = %s", stage.chat)
    assert stage.told().names == both()
    stage.kim.call("delete_message", p_message_id=stage.message())
    stage.kim.call("delete_message", p_message_id=stage.message())
    assert stage.told().names == both(DELETED)


def test_messages_changed_by_plain_sql(world: World) -> None:
    stage = Stage(world)
    stage.sql("update messages set content = 'hello' where chat_id = %s", stage.chat)
    assert stage.told().names == both(EDITED)
    stage.sql("update messages set metadata = %s where chat_id = %s", Jsonb({"tone": "kind"}), stage.chat)
    assert stage.told().names == both(EDITED)
    stage.sql("update messages set deleted_at = now() where chat_id = %s", stage.chat)
    assert stage.told().names == both(DELETED)


def test_many_messages_of_many_chats_changed_in_one_statement(world: World) -> None:
    stages = [Stage(world, state) for state in STATES]
    for stage in stages:
        world.insert("messages", chat_id=stage.chat, sender_type="system", content="noted")
        stage.told()
    stages[0].sql("update messages set content = content || '!' where sender_type <> 'operator'")
    for stage in stages:
        assert stage.told().names == both(EDITED, EDITED)
    stages[0].sql("update messages set deleted_at = now() where sender_type = 'real'")
    for stage in stages:
        assert stage.told().names == both(DELETED)


def test_taking_back_the_only_question_ends_what_is_owed_and_both_see_it(world: World) -> None:
    stage = Stage(world, "waiting_real_user_reply")
    message = stage.kim.writes(stage.chat)
    world.gives(stage.chat, stage.ben)
    stage.told()
    stage.kim.call("delete_message", p_message_id=message["id"])
    assert world.get(stage.chat)["owed_since"] is None
    assert stage.only()["chat"]["owed_since"] is None


# Read


def test_the_customer_reads(world: World) -> None:
    stage = Stage(world, "waiting_real_user_reply")
    stage.kim.call("mark_read", p_chat_id=stage.chat, p_seq=2)
    told = stage.told()
    assert told.names == both(READ)
    detail = {"reader_type": "real", "reader_id": str(stage.kim.id), "seq": 2}
    assert told.staff[0]["detail"] == told.customer[0]["detail"] == detail


def test_the_holder_reads(world: World) -> None:
    stage = Stage(world, "assigned")
    stage.ana.call("mark_read", p_chat_id=stage.chat, p_seq=1)
    told = stage.told()
    assert told.names == both(READ)
    assert told.staff[0]["detail"] == {"reader_type": "operator", "reader_id": str(stage.ana.id), "seq": 1}
    assert told.customer[0]["detail"] == {"reader_type": "operator", "reader_id": None, "seq": 1}


def test_the_customer_is_told_how_far_the_staff_have_read_and_not_how_many(world: World) -> None:
    stage = Stage(world)
    for _ in range(2):
        stage.kim.writes(stage.chat)
    stage.told()
    for person, seq, names in [
        (stage.ana, 1, both(READ)),
        (stage.ben, 1, staff_only(READ)),
        (stage.ada, 2, both(READ)),
        (stage.ben, 2, staff_only(READ)),
        (stage.kim, 3, both(READ)),
        (stage.ana, 3, both(READ)),
        (stage.ada, 3, staff_only(READ)),
    ]:
        person.call("mark_read", p_chat_id=stage.chat, p_seq=seq)
        assert stage.told().names == names, (person, seq)
    (mark,) = [
        row for row in stage.kim.call_all("list_read_marks", p_chat_id=stage.chat) if row["reader_type"] != "real"
    ]
    assert (mark["reader_id"], mark["seq"]) == (None, 3)


def test_reading_what_was_read_is_no_event(world: World) -> None:
    stage = Stage(world, "waiting_real_user_reply")
    for seq, names in [(0, both()), (2, both(READ)), (2, both()), (1, both()), (BIGGEST, both())]:
        stage.kim.call("mark_read", p_chat_id=stage.chat, p_seq=seq)
        assert stage.told().names == names, seq


def test_a_read_mark_beyond_the_newest_message_is_told_as_the_newest(world: World) -> None:
    stage = Stage(world)
    stage.ada.call("mark_read", p_chat_id=stage.chat, p_seq=99)
    assert stage.only()["detail"]["seq"] == 1


def test_read_marks_written_by_plain_sql_for_many_chats(world: World) -> None:
    stages = [Stage(world) for _ in range(3)]
    stages[0].sql(
        "insert into read_marks (chat_id, reader_id, seq, read_at)"
        " select id, real_user_id, 1, now() from chats order by id"
    )
    for stage in stages:
        assert stage.told().names == both(READ)


# Assigned


def asks(stage: Stage) -> None:
    assert stage.ben.takes_next() == stage.chat


def takes(stage: Stage) -> None:
    stage.world.set("allow_take", True)
    stage.ben.call("take_chat", p_chat_id=stage.chat)


def is_automatic(stage: Stage) -> None:
    stage.sql("update operators set auto_assign = true where id = %s", stage.ben.id)


def is_given_by_plain_sql(stage: Stage) -> None:
    stage.world.gives(stage.chat, stage.ben)


def is_given_by_an_admin(stage: Stage) -> None:
    stage.ada.reassigns(stage.chat, stage.ben, "a note on Kim")


ASSIGNMENTS: dict[str, tuple[Callable[[Stage], None], str, str, str | None]] = {
    "asked": (asks, ASSIGNED, "assigned", "ben"),
    "taken": (takes, ASSIGNED, "taken", "ben"),
    "automatic": (is_automatic, ASSIGNED, "auto", None),
    "plain SQL": (is_given_by_plain_sql, ASSIGNED, "sql", None),
    "an admin": (is_given_by_an_admin, REASSIGNED, "reassigned", "ada"),
}


def face(stage: Stage) -> Json | None:
    """Return whom a fresh screen of the customer shows answering."""
    found: Json | None = stage.kim.ask("get_chat_extras", p_chat_id=stage.chat)["face"]
    return found


@pytest.mark.parametrize("way", ASSIGNMENTS)
@pytest.mark.parametrize("has_persona", [False, True])
def test_a_waiting_chat_is_assigned(world: World, way: str, has_persona: bool) -> None:
    act, name, reason, actor = ASSIGNMENTS[way]
    persona = world.persona("Ava", avatar_url="https://baton.example/ava.png") if has_persona else None
    stage = Stage(world, fictional_user_id=persona)
    assert face(stage) is None
    act(stage)
    told = stage.told()
    assert told.names == ([name], [ASSIGNED])
    assert face(stage) == told.customer[0]["detail"]  # so that he sees it after a reload, too
    assert told.staff[0]["detail"] == {
        "operator_id": str(stage.ben.id),
        "operator_name": "Ben Birnbaum",
        "from_operator_id": None,
        "from_operator_name": None,
        "actor_id": str(getattr(stage, actor).id) if actor else None,
        "reason": reason,
        "note": "a note on Kim" if way == "an admin" else None,
    }
    assert told.customer[0]["detail"] == (
        {"name": "Ava", "fictional_user_id": str(persona), "avatar_url": "https://baton.example/ava.png"}
        if persona
        else {"name": "Ben Birnbaum", "fictional_user_id": None, "avatar_url": None}
    )


def test_the_customer_is_told_the_names_as_they_are_now(world: World) -> None:
    stage = Stage(world)
    asks(stage)
    stage.sql("update operators set name = 'Benedikt' where id = %s", stage.ben.id)
    told = stage.told()
    assert (told.staff[0]["detail"]["operator_name"], told.customer[0]["detail"]["name"]) == ("Benedikt", "Benedikt")


def test_many_chats_assigned_in_one_statement(world: World) -> None:
    stages = [Stage(world) for _ in range(3)]
    stages[0].sql("update chats set chat_state = 'assigned', assigned_operator_id = %s where true", stages[0].ben.id)
    for stage in stages:
        assert stage.told().names == both(ASSIGNED)


# Released


def hands_back(stage: Stage) -> None:
    stage.ana.hands_back(stage.chat, "Kim is a bore")


def is_taken_away(stage: Stage) -> None:
    stage.ada.hands_back(stage.chat)


def is_idle(stage: Stage) -> None:
    stage.world.service.call_all("release_idle_assignments", p_idle=timedelta(0))


def is_said_to_be_idle(stage: Stage) -> None:
    stage.world.service.call("release_and_reassign_chat", p_chat_id=stage.chat, p_reason="idle")


def has_a_quiet_customer(stage: Stage) -> None:
    stage.sql("update chats set handling = 'session' where id = %s", stage.chat)
    assert stage.told().names == both(UPDATED)
    stage.world.set("customer_idle", "1 microsecond")
    assert stage.world.service.value("select private.run_customer_idle()") == 1


def is_deactivated(stage: Stage) -> None:
    stage.sql("update operators set is_active = false where id = %s", stage.ana.id)


def is_gone(stage: Stage) -> None:
    process = uuid4()
    stage.world.service.rows("select private.open_connection(%s, %s)", process, stage.ana.id)
    stage.world.service.rows("select private.close_connections(%s, %s)", process, [stage.ana.id])
    stage.world.set("grace_period", "1 microsecond")
    assert stage.world.service.value("select private.run_gone_detection()") == 1


def is_released_by_plain_sql(stage: Stage) -> None:
    stage.sql(
        "update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where id = %s", stage.chat
    )


def is_answered_elsewhere(stage: Stage) -> None:
    stage.sql(
        "update chats set chat_state = 'waiting_real_user_reply', assigned_operator_id = null,"
        " operator_replied_at = clock_timestamp() where id = %s",
        stage.chat,
    )


RELEASES: dict[str, tuple[Callable[[Stage], None], str, str | None]] = {
    "by the holder": (hands_back, "Kim is a bore", "ana"),
    "by an admin": (is_taken_away, "manual", "ada"),
    "idle": (is_idle, "idle", None),
    "idle, as a job elsewhere says": (is_said_to_be_idle, "idle", None),
    "customer idle": (has_a_quiet_customer, "customer_idle", None),
    "deactivated": (is_deactivated, "deactivated", None),
    "gone": (is_gone, "gone", None),
    "plain SQL": (is_released_by_plain_sql, "sql", None),
    "plain SQL, answered": (is_answered_elsewhere, "sql", None),
}


@pytest.mark.parametrize("has_persona", [False, True])
@pytest.mark.parametrize("way", RELEASES)
def test_a_hold_ends(world: World, way: str, has_persona: bool) -> None:
    act, reason, actor = RELEASES[way]
    stage = Stage(world, "assigned", fictional_user_id=world.persona() if has_persona else None)
    shown = face(stage)
    act(stage)
    told = stage.told()
    assert told.names == both(RELEASED)
    assert shown is not None
    assert face(stage) == shown  # he is told of nobody else yet
    assert told.staff[0]["detail"] == {
        "operator_id": str(stage.ana.id),
        "operator_name": "Ana Abendroth",
        "from_operator_id": None,
        "from_operator_name": None,
        "actor_id": str(getattr(stage, actor).id) if actor else None,
        "reason": reason,
        "note": reason if way == "by the holder" else "idle" if "elsewhere says" in way else None,
    }


def test_many_holds_end_together(world: World) -> None:
    stages = [Stage(world, "assigned") for _ in range(3)]
    stages[0].sql("update operators set is_active = false where role = 'operator'")
    for stage in stages:
        assert stage.told().names == both(RELEASED)


def test_a_chat_that_is_let_go_and_given_at_once_says_both(world: World) -> None:
    stage = Stage(world, "assigned")
    stage.sql("update operators set auto_assign = true where id = %s", stage.ben.id)
    hands_back(stage)
    assert stage.told().names == both(RELEASED, ASSIGNED)


# Moved


def is_transferred(stage: Stage) -> None:
    stage.ana.transfers(stage.chat, stage.ben, "Ben knows Kim")


def is_reassigned(stage: Stage) -> None:
    stage.ada.reassigns(stage.chat, stage.ben, "Ben knows Kim")


def is_moved_by_plain_sql(stage: Stage) -> None:
    stage.sql("update chats set assigned_operator_id = %s where id = %s", stage.ben.id, stage.chat)


MOVES: dict[str, tuple[Callable[[Stage], None], str, str, str | None, str | None]] = {
    "transferred": (is_transferred, TRANSFERRED, "transferred", "ana", "Ben knows Kim"),
    "reassigned": (is_reassigned, REASSIGNED, "reassigned", "ada", "Ben knows Kim"),
    "plain SQL": (is_moved_by_plain_sql, REASSIGNED, "sql", None, None),
}


@pytest.mark.parametrize("has_persona", [False, True])
@pytest.mark.parametrize("way", MOVES)
def test_a_hold_moves(world: World, way: str, has_persona: bool) -> None:
    act, name, reason, actor, note = MOVES[way]
    stage = Stage(world, "assigned", fictional_user_id=world.persona() if has_persona else None)
    before = stage.customer.current.chat
    act(stage)
    told = stage.told()
    # Who is answered by a persona does not learn that the person behind it has changed: not by a row either.
    assert told.names == ([name], [] if has_persona else [ASSIGNED])
    assert told.staff[0]["detail"] == {
        "operator_id": str(stage.ben.id),
        "operator_name": "Ben Birnbaum",
        "from_operator_id": str(stage.ana.id),
        "from_operator_name": "Ana Abendroth",
        "actor_id": str(getattr(stage, actor).id) if actor else None,
        "reason": reason,
        "note": note,
    }
    if has_persona:
        assert stage.customer.current.chat == before
    else:
        assert told.customer[0]["detail"] == {"name": "Ben Birnbaum", "fictional_user_id": None, "avatar_url": None}
        assert face(stage) == told.customer[0]["detail"]


def test_two_operators_swap_chats_in_one_statement(world: World) -> None:
    one, other = Stage(world, "assigned"), Stage(world, "assigned")
    one.sql(
        "update chats set assigned_operator_id = case id when %s then %s else %s end where true",
        *(one.chat, other.ana.id, one.ana.id),
    )
    assert one.told().names == other.told().names == ([REASSIGNED], [ASSIGNED])


def test_giving_a_chat_to_its_holder_is_no_event(world: World) -> None:
    stage = Stage(world, "assigned")
    stage.ada.reassigns(stage.chat, stage.ana)
    stage.sql("update chats set assigned_operator_id = assigned_operator_id, chat_state = chat_state where true")
    assert stage.told().names == both()


# Completed, reopened, changed otherwise


@pytest.mark.parametrize("who", ["kim", "ana", "ada", "plain SQL"])
@pytest.mark.parametrize("state", ["waiting_assignment", "assigned", "waiting_real_user_reply"])
def test_a_chat_is_completed(world: World, state: str, who: str) -> None:
    stage = Stage(world, state)
    if who == "plain SQL":
        world.completes(stage.chat)
    elif who == "ana" and state != "assigned":
        return
    else:
        getattr(stage, who).call("complete_chat", p_chat_id=stage.chat, p_reason="Kim is happy")
    told = stage.told()
    assert told.names == both(COMPLETED)
    detail = told.staff[0]["detail"]
    held_by = stage.ana.id if state == "assigned" else None
    assert detail["operator_id"] == (str(held_by) if held_by else None)
    assert (detail["reason"], detail["note"]) == (("sql", None) if who == "plain SQL" else ("Kim is happy",) * 2)
    stage.kim.call("complete_chat", p_chat_id=stage.chat)
    assert stage.told().names == both()


def test_all_chats_are_completed_in_one_statement(world: World) -> None:
    stages = [Stage(world, state) for state in STATES]
    stages[0].sql("update chats set chat_state = 'completed', assigned_operator_id = null where is_active")
    for state, stage in zip(STATES, stages, strict=True):
        assert stage.told().names == (both() if state == "completed" else both(COMPLETED))


def test_plain_sql_puts_chats_back_into_the_queue(world: World) -> None:
    for state, name in (("completed", REOPENED), ("waiting_real_user_reply", UPDATED)):
        stage = Stage(world, state)
        stage.sql("update chats set chat_state = 'waiting_assignment' where id = %s", stage.chat)
        assert stage.told().names == both(name)


@pytest.mark.parametrize(
    ("column", "value", "is_for_customer"),
    [
        ("priority", 9, False),
        ("ip_address", "203.0.113.7", False),
        ("handling", "session", True),
        ("headline", "An order is late", True),
        ("context", Jsonb({"order": 7}), True),
        ("waiting_since", noon(), True),
        ("created_at", noon(), True),
    ],
)
def test_a_column_is_changed_by_hand(world: World, column: str, value: Any, is_for_customer: bool) -> None:
    stage = Stage(world)
    for names in (both(UPDATED) if is_for_customer else staff_only(UPDATED), both()):
        stage.sql(f"update chats set {column} = %s where id = %s", value, stage.chat)
        told = stage.told()
        assert told.names == names
        assert all(e["detail"] == {} for e in told.staff)


def test_a_chat_is_given_another_face(world: World) -> None:
    stage = Stage(world)
    stage.sql("update chats set fictional_user_id = %s where id = %s", world.persona(), stage.chat)
    assert stage.told().names == both(UPDATED)


def test_state_and_columns_in_one_statement_are_two_events(world: World) -> None:
    stage = Stage(world)
    stage.sql(
        "update chats set chat_state = 'assigned', assigned_operator_id = %s, priority = 3, headline = 'x'"
        " where id = %s",
        *(stage.ben.id, stage.chat),
    )
    assert stage.told().names == both(ASSIGNED, UPDATED)


def test_many_columns_of_many_chats_in_one_statement(world: World) -> None:
    stages = [Stage(world, state) for state in STATES]
    stages[0].sql("update chats set priority = priority + 1 where true")
    for stage in stages:
        assert stage.told().names == staff_only(UPDATED)


# What leaves nothing


REFUSED: dict[str, Callable[[Stage], object]] = {
    "written by another": lambda s: s.world.customer().writes(s.chat),
    "written empty": lambda s: s.kim.writes(s.chat, ""),
    "replied by another": lambda s: s.ben.replies(s.chat),
    "handed back by another": lambda s: s.ben.hands_back(s.chat),
    "transferred to nobody": lambda s: s.ana.call("transfer_chat", p_chat_id=s.chat, p_operator_id=uuid4()),
    "transferred to one who is full": lambda s: s.ana.transfers(s.chat, s.world.operator("Full", capacity=0)),
    "read by another": lambda s: s.world.customer().call("mark_read", p_chat_id=s.chat, p_seq=1),
    "edited by another": lambda s: s.ana.call("edit_message", p_message_id=s.message(), p_content="forged"),
    "half a change": lambda s: s.sql("update chats set assigned_operator_id = null where id = %s", s.chat),
    "its numbers": lambda s: s.sql("update chats set event_seq = 99 where id = %s", s.chat),
    "the customer's numbers": lambda s: s.sql("update chats set customer_event_seq = 0 where id = %s", s.chat),
    "a message removed": lambda s: s.sql("delete from messages where chat_id = %s", s.chat),
    "one good row and a bad one": lambda s: s.sql(
        "insert into messages (chat_id, sender_type, content) values (%s, 'real', 'good'), (%s, 'real', '')",
        *(s.chat, s.chat),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_leaves_no_event_and_no_gap(world: World, what: str) -> None:
    stage = Stage(world, "assigned")
    with pytest.raises(psycopg.Error):
        REFUSED[what](stage)
    assert stage.told().names == both()
    stage.kim.writes(stage.chat)
    assert stage.told().names == both(CREATED)


def test_what_is_rolled_back_leaves_no_event_and_no_gap(world: World) -> None:
    stage = Stage(world, "assigned", handling="session")
    connection = world.connect()
    write = "insert into messages (chat_id, sender_type, content) values (%s, %s, %s)"
    connection.execute("begin")
    connection.execute("savepoint a")
    connection.execute(write, (stage.chat, "real", "never written"))
    connection.execute("rollback to a")
    connection.execute(write, (stage.chat, "real", "written"))
    connection.execute("savepoint b")
    connection.execute(write, (stage.chat, "operator", "never written"))
    connection.execute("update chats set priority = 9 where id = %s", (stage.chat,))
    connection.execute("rollback to b")
    connection.execute("commit")
    told = stage.told()
    assert told.names == both(CREATED)
    assert told.staff[0]["message"]["content"] == "written"
    connection.execute("begin")
    connection.execute(write, (stage.chat, "real", "never written"))
    connection.execute("rollback")
    assert stage.told().names == both()
    stage.kim.writes(stage.chat)
    assert stage.told().names == both(CREATED)


def test_a_message_sent_again_is_no_event(world: World) -> None:
    stage = Stage(world, "assigned", handling="session")
    once = uuid4()
    for names in (both(CREATED), both()):
        stage.kim.writes(stage.chat, "once", once)
        assert stage.told().names == names
    for names in (both(CREATED), both()):
        stage.ana.replies(stage.chat, "once", once)
        assert stage.told().names == names


def test_a_row_that_on_conflict_drops_is_no_event(world: World) -> None:
    stage = Stage(world)
    once = uuid4()
    rows = [(stage.chat, "real", stage.kim.id, str(n), once if n < 3 else uuid4()) for n in range(5)]
    values = ", ".join(["(%s, %s, %s, %s, %s)"] * len(rows))
    count = stage.sql(
        f"insert into messages (chat_id, sender_type, sender_id, content, client_message_id) values {values}"
        " on conflict do nothing",
        *(value for row in rows for value in row),
    )
    assert count == 3
    assert stage.told().names == both(CREATED, CREATED, CREATED)


def test_events_are_not_written_by_anyone_but_triggers(world: World) -> None:
    stage = Stage(world)
    for person in (stage.kim, stage.ana, stage.ada):
        for query in ("select from private.events", "select from private.read_events('{}', '{}', '{}', 1)"):
            with refused("42501"):
                person.rows(query)


# list_events


@pytest.fixture
def stage(world: World) -> Stage:
    """A chat that Ana holds, with seven events: the customer was told of all but the fifth."""
    stage = Stage(world, "assigned", handling="session", context=Jsonb({"order": 7}), ip_address="203.0.113.7")
    stage.ana.replies(stage.chat)
    stage.kim.writes(stage.chat)
    stage.sql("update chats set priority = 5 where id = %s", stage.chat)
    stage.ana.call("mark_read", p_chat_id=stage.chat, p_seq=3)
    stage.kim.call("edit_message", p_message_id=stage.message(3), p_content="in other words")
    return stage


def test_events_are_listed_to_those_who_may_see_the_chat(world: World, stage: Stage) -> None:
    for person in (stage.ana, stage.ada, world.service, world.owner):
        assert [e["event_seq"] for e in events(person, stage.chat)] == [1, 2, 3, 4, 5, 6, 7]
    assert [e["event_seq"] for e in events(stage.kim, stage.chat)] == [1, 2, 3, 4, 5, 6]
    gone = world.operator("Gone", is_active=False)
    outsiders: list[Caller] = [stage.ben, gone, world.customer(), world.stranger()]
    for person in outsiders:
        for unseen in (stage.chat, uuid4(), None):
            with refused("PT404", "chat_not_found"):
                events(person, unseen)  # type: ignore[arg-type]
            with refused("PT404", "chat_not_found"):
                person.call_all("list_read_marks", p_chat_id=unseen)
    with refused("42501"):
        events(world.anonymous, stage.chat)
    stage.ana.hands_back(stage.chat)
    assert len(events(stage.ben, stage.chat)) == len(events(stage.ana, stage.chat)) == 8
    stage.sql("update operators set is_active = false where id = %s", stage.ana.id)
    with refused("PT404", "chat_not_found"):
        events(stage.ana, stage.chat)


def test_rows_in_events_are_those_that_the_caller_gets_elsewhere(world: World, stage: Stage) -> None:
    for person in (stage.kim, stage.ana, stage.ada, world.service):
        snapshot = Snapshot.fetch(person, stage.chat)
        told = events(person, stage.chat)
        assert [e["chat"] for e in told] == [snapshot.chat] * len(told)
        shown = [e for e in told if e["event"] in MESSAGE_EVENTS]
        assert [e["message"] for e in shown] == [snapshot.messages[seq] for seq in (1, 2, 3, 3)]
        assert all(e["message"] is None for e in told if e["event"] not in MESSAGE_EVENTS)
        assert snapshot.event_seq == told[-1]["event_seq"]
    hers = Snapshot.fetch(stage.kim, stage.chat)
    assert (hers.chat["customer_event_seq"], hers.chat["priority"], hers.chat["ip_address"]) == (None, None, None)


def test_nothing_of_the_staffs_is_in_a_customers_events(world: World) -> None:
    stage = Stage(world, "completed", fictional_user_id=world.persona())
    stage.sql("update operators set status_reason = 'a reason of hers' where id = %s", stage.ana.id)
    for handling in ("turn", "session"):
        stage.sql("update chats set handling = %s where id = %s", handling, stage.chat)
        stage.kim.writes(stage.chat)
        world.gives(stage.chat, stage.ana)
        stage.ana.call("mark_read", p_chat_id=stage.chat, p_seq=1)
        stage.ana.transfers(stage.chat, stage.ben, "a note of hers")
        stage.ben.hands_back(stage.chat, "a note of his")
        stage.ada.reassigns(stage.chat, stage.ana, "a note of an admin's")
        reply = stage.ana.replies(stage.chat, client_message_id=uuid4())
        stage.ana.call("edit_message", p_message_id=reply["id"], p_content="good day")
        stage.ada.call("complete_chat", p_chat_id=stage.chat, p_reason="a note at the end")
    stage.told()
    told = [*stage.customer.told_from_the_beginning(), *stage.kim.call_all("list_read_marks", p_chat_id=stage.chat)]
    # The walk finds what there is to find.
    assert len(staff_in(stage.staff.told_from_the_beginning(), world)) > 50
    assert staff_in(told, world) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_events_page_by_page(stage: Stage, limit: int) -> None:
    for person in (stage.kim, stage.ada):
        after, found = 0, []
        while page := events(person, stage.chat, after, limit):
            assert len(page) <= limit
            found += page
            after = page[-1]["event_seq"]
        assert found == events(person, stage.chat)


def test_a_page_has_200_events_unless_told_otherwise(world: World, stage: Stage) -> None:
    stage.sql(
        "insert into messages (chat_id, sender_type, content)"
        " select %s, 'real', n::text from generate_series(1, 600) n",
        stage.chat,
    )
    for person in (stage.kim, stage.ada):
        page = person.call_all("list_events", p_chat_id=stage.chat, p_after_event=0)
        assert [e["event_seq"] for e in page] == list(range(1, 201))
        assert len(events(person, stage.chat, 3, 500)) == 500


@pytest.mark.parametrize(
    ("after", "limit"), [(-1, 1), (-BIGGEST, 1), (None, 1), (0, 0), (0, -1), (0, 501), (0, None), (BIGGEST, 0)]
)
def test_numbers_out_of_range_are_refused(stage: Stage, after: int | None, limit: int | None) -> None:
    for person in (stage.kim, stage.ada):
        with stage.world.refused("PT400", "invalid_argument"):
            events(person, stage.chat, after, limit)  # type: ignore[arg-type]


def test_there_is_nothing_after_the_latest(stage: Stage) -> None:
    assert events(stage.ada, stage.chat, 7) == events(stage.kim, stage.chat, 6) == []


def test_a_number_that_was_never_given_is_gone(stage: Stage) -> None:
    for person, last in ((stage.ada, 7), (stage.kim, 6)):
        for after in (last + 1, 2**31, BIGGEST):
            with refused("PT410", "events_gone"):
                events(person, stage.chat, after)


def age(stage: Stage, numbers: str) -> None:
    """Make events of these numbers old, as time would."""
    stage.sql(
        f"update private.events set at = at - interval '8 days' where chat_id = %s and event_seq {numbers}", stage.chat
    )


def test_old_events_are_gone_and_the_rest_is_still_there(world: World, stage: Stage) -> None:
    age(stage, "<= 3")
    assert world.service.value("select private.run_clean_up()") == 3
    for person, last in ((stage.ada, 7), (stage.kim, 6)):
        for after in (0, 2):
            with refused("PT410", "events_gone"):
                events(person, stage.chat, after)
        assert [e["event_seq"] for e in events(person, stage.chat, 3)] == list(range(4, last + 1))
    stage.kim.writes(stage.chat)
    assert [e["event_seq"] for e in events(stage.ada, stage.chat, 7)] == [8]
    assert [e["event_seq"] for e in events(stage.kim, stage.chat, 6)] == [7]


def test_a_customer_s_history_ends_where_his_events_do(world: World, stage: Stage) -> None:
    # Of the two that are left one is the staff's alone.
    age(stage, "<= 4")
    world.service.rows("select private.run_clean_up()")
    assert [e["event_seq"] for e in events(stage.kim, stage.chat, 4)] == [5, 6]
    age(stage, "<= 5")
    world.service.rows("select private.run_clean_up()")
    assert [e["event_seq"] for e in events(stage.kim, stage.chat, 4)] == [5, 6]
    with refused("PT410", "events_gone"):
        events(stage.ada, stage.chat, 4)


def test_when_all_events_are_gone_only_the_latest_number_is_good(world: World, stage: Stage) -> None:
    world.clock(datetime.now(UTC) + timedelta(days=7, minutes=1))
    assert world.owner.value("select private.run_clean_up()") > 0
    for person, last in ((stage.ada, 7), (stage.kim, 6)):
        assert events(person, stage.chat, last) == []
        for after in (0, last - 1, last + 1):
            with refused("PT410", "events_gone"):
                events(person, stage.chat, after)
    stage.kim.writes(stage.chat)
    assert [e["event_seq"] for e in events(stage.ada, stage.chat, 7)] == [8]
    with refused("PT410", "events_gone"):
        events(stage.ada, stage.chat, 6)


def test_a_time_that_somebody_set_leaves_no_hole(world: World, stage: Stage) -> None:
    stage.sql("insert into read_marks values (%s, %s, 1, '2020-01-01')", stage.chat, stage.kim.id)
    stage.kim.writes(stage.chat)
    world.service.rows("select private.run_clean_up()")
    for person, last in ((stage.ada, 9), (stage.kim, 8)):
        with refused("PT410", "events_gone"):
            events(person, stage.chat)
        assert [e["event_seq"] for e in events(person, stage.chat, last - 1)] == [last]


def test_signals_are_kept_for_an_hour(world: World, stage: Stage) -> None:
    signals = "select count(*) from private.events where event_seq is null"
    world.clock(datetime.now(UTC) + timedelta(minutes=59))
    world.service.rows("select private.run_clean_up()")
    assert world.owner.value(signals) > 0
    world.clock(datetime.now(UTC) + timedelta(minutes=61))
    world.service.rows("select private.run_clean_up()")
    assert world.owner.value(signals) == 0
    assert len(events(stage.ada, stage.chat)) == 7


def test_retention_is_a_setting(world: World, stage: Stage) -> None:
    world.clock(datetime.now(UTC) + timedelta(days=6, hours=23))
    world.owner.rows("select private.run_clean_up()")
    assert len(events(stage.ada, stage.chat)) == 7
    world.set("event_retention", "1 day")
    world.owner.rows("select private.run_clean_up()")
    with refused("PT410", "events_gone"):
        events(stage.ada, stage.chat)


# What the relays read: many chats, both audiences, unchecked


def test_events_of_many_chats_are_read_at_once(world: World) -> None:
    stages = [Stage(world, state) for state in STATES]
    asked = [(s.chat, n, is_staff) for s in stages for n in (0, 1) for is_staff in (True, False)]
    query = (
        "select e.chat_id, e.is_staff, to_jsonb(e) - 'chat_id' - 'is_staff' as event"
        " from private.read_events(%s, %s, %s, %s) e"
    )
    for limit in (1, 500):
        for n in (0, 1):
            some = [pair for pair in asked if pair[1] == n]
            rows = world.service.rows(query, *map(list, zip(*some, strict=True)), limit)
            for stage in stages:
                for person, is_staff in ((stage.ada, True), (stage.kim, False)):
                    mine = [r["event"] for r in rows if (r["chat_id"], r["is_staff"]) == (stage.chat, is_staff)]
                    assert mine == events(person, stage.chat, n, limit)


def test_events_of_unknown_chats_and_of_none_are_none(world: World) -> None:
    query = "select * from private.read_events(%s, %s, %s, 10)"
    assert world.service.rows(query, [uuid4()], [0], [True]) == []
    assert world.service.rows(query, [], [], []) == []


# What is deleted


def test_with_a_chat_go_its_events(world: World) -> None:
    stage, other = Stage(world, "assigned"), Stage(world)
    stage.sql("delete from chats where id = %s", stage.chat)
    for person in (stage.kim, stage.ana, stage.ada, world.service):
        with refused("PT404", "chat_not_found"):
            events(person, stage.chat)
    left = world.owner.rows("select event, event_seq, person_id from private.events where chat_id = %s", stage.chat)
    assert [tuple(row.values()) for row in left] == [("chat.deleted", None, stage.ana.id)]
    assert len(events(other.ada, other.chat)) == 1


def test_with_a_customer_go_the_events_of_all_his_chats(world: World) -> None:
    stage, other = Stage(world), Stage(world)
    chats = {stage.chat, *(stage.kim.starts()["id"] for _ in range(2))}
    stage.sql("delete from real_users where id = %s", stage.kim.id)
    left = world.owner.rows("select * from private.events where chat_id = any(%s)", list(chats))
    assert {(row["event"], row["chat_id"]) for row in left} == {("chat.deleted", chat) for chat in chats}
    assert world.owner.value("select count(*) from private.events where event = 'person.deleted'") == 1
    assert events(other.kim, other.chat)[0]["event_seq"] == 1


def test_what_an_operator_did_is_told_also_when_he_is_renamed_or_gone(world: World) -> None:
    stage = Stage(world)
    stage.ben.call("mark_read", p_chat_id=stage.chat, p_seq=1)
    stage.sql("delete from operators where id = %s", stage.ben.id)
    told = stage.told()
    assert told.names == both(READ)
    assert told.staff[0]["detail"]["reader_id"] == str(stage.ben.id)


def test_an_erased_message_is_erased_from_events_that_told_of_it(world: World) -> None:
    stage = Stage(world)
    message = stage.kim.writes(stage.chat, "my card is 4242")
    stage.kim.call("edit_message", p_message_id=message["id"], p_content="my card is 5555")
    stage.kim.call("delete_message", p_message_id=message["id"])
    for person in (stage.kim, stage.ada, world.service):
        told = events(person, stage.chat)
        assert [e["event"] for e in told] == [CREATED, CREATED, EDITED, DELETED]
        assert "my card" not in str(told)


# list_read_marks


def test_read_marks_are_listed_by_reader_to_the_staff_and_summed_up_to_the_customer(world: World) -> None:
    stage = Stage(world, "assigned")
    for _ in range(3):
        stage.kim.writes(stage.chat)
    assert stage.kim.call_all("list_read_marks", p_chat_id=stage.chat) == []
    for person, seq in ((stage.kim, 4), (stage.ana, 2), (stage.ada, 3)):
        person.call("mark_read", p_chat_id=stage.chat, p_seq=seq)
    for staff in (stage.ana, stage.ada, world.service):
        marks = staff.call_all("list_read_marks", p_chat_id=stage.chat)
        assert {(m["reader_type"], m["reader_id"], m["seq"]) for m in marks} == {
            ("real", stage.kim.id, 4),
            ("operator", stage.ana.id, 2),
            ("operator", stage.ada.id, 3),
        }
    marks = stage.kim.call_all("list_read_marks", p_chat_id=stage.chat)
    assert [(m["reader_type"], m["reader_id"], m["seq"]) for m in marks] == [
        ("real", stage.kim.id, 4),
        ("operator", None, 3),
    ]


# Replayed


def test_events_make_of_an_old_snapshot_what_a_fresh_one_is(world: World) -> None:
    """One chat's long life, by every function and by plain SQL: told at each step, and all at once at the end."""
    stage = Stage(world, fictional_user_id=None)
    world.set("allow_take", True)
    kim, ana, ben, ada, chat = stage.kim, stage.ana, stage.ben, stage.ada, stage.chat

    def last(sender: Caller) -> UUID:
        query = "select id from messages where chat_id = %s and sender_id = %s order by seq desc limit 1"
        return UUID(str(world.owner.value(query, chat, sender.id)))

    steps: list[Callable[[], object]] = [
        lambda: kim.writes(chat),
        lambda: ben.call("mark_read", p_chat_id=chat, p_seq=1),
        lambda: ana.takes_next(),
        lambda: kim.writes(chat),
        lambda: ana.call("mark_read", p_chat_id=chat, p_seq=3),
        lambda: ana.call("record_operator_activity", p_chat_id=chat),
        lambda: ana.replies(chat),
        lambda: kim.call("edit_message", p_message_id=last(kim), p_content="in other words"),
        lambda: ana.call("edit_message", p_message_id=last(ana), p_content="in other words"),
        lambda: kim.call("mark_read", p_chat_id=chat, p_seq=4),
        lambda: kim.writes(chat),
        lambda: ben.call("take_chat", p_chat_id=chat),
        lambda: ben.transfers(chat, ana),
        lambda: ana.hands_back(chat, "lunch"),
        lambda: ada.reassigns(chat, ben),
        lambda: stage.sql("update chats set handling = 'session', headline = 'x' where id = %s", chat),
        lambda: ben.replies(chat),
        lambda: ben.call("delete_message", p_message_id=last(ben)),
        lambda: kim.writes(chat),
        lambda: kim.call("delete_message", p_message_id=last(kim)),
        lambda: ben.hands_back(chat),
        lambda: kim.writes(chat),
        lambda: kim.call("complete_chat", p_chat_id=chat),
        lambda: kim.writes(chat),
        lambda: stage.sql("update chats set fictional_user_id = %s where id = %s", world.persona(), chat),
        lambda: is_automatic(stage),
        lambda: ada.reassigns(chat, ana),
        lambda: ana.call("set_operator_status", p_status="away"),
        lambda: is_idle(stage),
        lambda: stage.sql("update operators set auto_assign = false, is_active = false where id = %s", ben.id),
        lambda: stage.sql(
            "insert into messages (chat_id, sender_type, content) values (%s, 'real', 'a'), (%s, 'system', 'b')",
            *(chat, chat),
        ),
        lambda: world.gives(chat, ana),
        lambda: world.replies(chat, ana),
        lambda: world.completes(chat),
    ]
    for step in steps:
        step()
        stage.told()
    told = Told(stage.staff.told_from_the_beginning(), stage.customer.told_from_the_beginning())
    assert len(told.staff) > len(told.customer) > len(steps) * 0.9
    # An event that comes twice does no harm: a snapshot may have been taken after its number was.
    for audience in (stage.staff, stage.customer):
        for event in events(audience.who, chat, 5):
            audience.current.apply(event)
        assert audience.current == Snapshot.fetch(audience.who, chat)

"""The table of section 2 of the specification, row by row and column by column.

Each row three times: through the functions, by plain SQL on one row, and by plain SQL on chats in
many states in one statement. A refused change leaves every row of every table as it was.
"""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from tests.sql.helpers import STATES, Operator, World, noon, refused, refused_by_any_of

WAITING, ASSIGNED, WAITING_REPLY, COMPLETED = STATES


class Cast:
    """A chat in some state, and who has to do with it."""

    def __init__(self, world: World, state: str, handling: str = "turn") -> None:
        self.world = world
        self.customer = world.customer()
        self.ana = world.operator("Ana")  # holds the chat, or held it
        self.ben = world.operator("Ben")
        self.ada = world.admin()
        if state == WAITING_REPLY and handling == "session":
            # A session ends with an owed reply paid only by a release.
            self.chat = world.chat(ASSIGNED, self.ana, self.customer, handling=handling)
            world.replies(self.chat, self.ana)
            self.ana.hands_back(self.chat)
        else:
            # To have held it lets Ana see it in every state, so that what is refused is not the seeing.
            self.chat = world.chat(state, None if state == WAITING else self.ana, self.customer, handling=handling)
        if state == WAITING:
            world.gives(self.chat, self.ana)
            self.ana.hands_back(self.chat)
        assert world.state(self.chat) == state


@pytest.fixture
def cast(world: World) -> Callable[..., Cast]:
    """Make a chat in a state with its people around it."""

    def make(state: str, handling: str = "turn") -> Cast:
        return Cast(world, state, handling)

    return make


MakeCast = Callable[..., Cast]

# The customer writes


@pytest.mark.parametrize("way", ["function", "sql"])
class TestTheCustomerWrites:
    """Never costs an operator his chat."""

    @staticmethod
    def write(cast: Cast, way: str) -> None:
        if way == "function":
            cast.customer.writes(cast.chat, "how are you?")
        else:
            cast.world.writes(cast.chat, "how are you?")

    def test_into_a_waiting_chat_which_keeps_its_place(self, cast: MakeCast, way: str) -> None:
        c = cast(WAITING)
        before = c.world.get(c.chat)
        history = c.world.history(c.chat)
        self.write(c, way)
        after = c.world.get(c.chat)
        assert after["chat_state"] == WAITING
        assert after["waiting_since"] == before["waiting_since"]
        assert after["last_message_at"] > before["last_message_at"]
        assert c.world.history(c.chat) == history

    @pytest.mark.parametrize("handling", ["turn", "session"])
    def test_into_an_assigned_chat_which_stays_with_its_operator(self, cast: MakeCast, way: str, handling: str) -> None:
        c = cast(ASSIGNED, handling)
        before = c.world.get(c.chat)
        holds = c.world.holds(c.chat)
        history = c.world.history(c.chat)
        self.write(c, way)
        after = c.world.get(c.chat)
        assert (after["chat_state"], after["assigned_operator_id"]) == (ASSIGNED, c.ana.id)
        assert after["assignment_time"] == before["assignment_time"]
        assert c.world.holds(c.chat) == holds == [(c.ana.id, None)]
        assert c.world.history(c.chat) == history
        # In the same turn: his reply answers both.
        c.ana.replies(c.chat)
        assert [m["handled_by_operator_id"] for m in c.world.messages(c.chat)] == [c.ana.id, c.ana.id, None]

    def test_into_a_chat_that_waited_for_him_which_enters_the_queue(self, cast: MakeCast, way: str) -> None:
        c = cast(WAITING_REPLY)
        self.write(c, way)
        after = c.world.get(c.chat)
        message = c.world.messages(c.chat)[-1]
        assert after["chat_state"] == WAITING
        assert after["waiting_since"] == message["created_at"]
        assert after["last_operator_id"] == c.ana.id
        assert c.world.history(c.chat)[-1][:2] == (WAITING_REPLY, WAITING)

    def test_into_a_completed_chat_which_reopens(self, cast: MakeCast, way: str) -> None:
        c = cast(COMPLETED)
        assert c.world.get(c.chat)["is_active"] is False
        self.write(c, way)
        after = c.world.get(c.chat)
        assert (after["chat_state"], after["is_active"]) == (WAITING, True)
        assert after["waiting_since"] == c.world.messages(c.chat)[-1]["created_at"]
        assert c.world.history(c.chat)[-1][:2] == (COMPLETED, WAITING)


def test_the_customer_himself_is_the_actor_of_what_his_message_changes(cast: MakeCast) -> None:
    c = cast(WAITING_REPLY)
    c.customer.writes(c.chat)
    assert c.world.last_change(c.chat)["actor_id"] == c.customer.id


def test_customers_write_into_chats_of_all_states_in_one_statement(world: World) -> None:
    ana = world.operator(capacity=9)
    chats = {state: world.chat(state, ana if state in (ASSIGNED, WAITING_REPLY) else None) for state in STATES}
    place = world.get(chats[WAITING])["waiting_since"]
    written = world.owner.does(
        "insert into messages (chat_id, sender_type, content)"
        " select id, 'real', 'message ' || n from chats, generate_series(1, 2) n order by n"
    )
    assert written == 8
    assert {state: world.state(chat) for state, chat in chats.items()} == {
        WAITING: WAITING,
        ASSIGNED: ASSIGNED,
        WAITING_REPLY: WAITING,
        COMPLETED: WAITING,
    }
    assert world.get(chats[WAITING])["waiting_since"] == place
    assert world.holder(chats[ASSIGNED]) == ana.id
    # The second message of each chat found it where the first had brought it.
    assert [h[:2] for h in world.history(chats[COMPLETED])][-1] == (COMPLETED, WAITING)
    assert len([h for h in world.history(chats[COMPLETED]) if h[:2] == (COMPLETED, WAITING)]) == 1
    for chat in chats.values():
        assert [m["seq"] for m in world.messages(chat)] == list(range(1, len(world.messages(chat)) + 1))


# An operator is assigned


def test_an_operator_who_is_assigned_a_waiting_chat_holds_it(world: World) -> None:
    ana, chat = world.operator(), world.chat()
    since = world.get(chat)["waiting_since"]
    given = ana.call("assign_chat_to_operator", p_operator_id=ana.id)
    after = world.get(chat)
    assert given == after
    assert (after["chat_state"], after["assigned_operator_id"], after["last_operator_id"]) == (ASSIGNED, ana.id, ana.id)
    assert after["assignment_time"] is not None
    assert after["waiting_since"] is None
    assert world.holds(chat) == [(ana.id, None)]
    hold = world.owner.row("select * from chat_assignments")
    assert (hold["assigned_at"], hold["waiting_since"]) == (after["assignment_time"], since)
    activity = world.owner.row("select * from operator_activity")
    assert (activity["operator_id"], activity["chat_id"]) == (ana.id, chat)
    change = world.last_change(chat)
    assert (change["from_state"], change["to_state"], change["operator_id"]) == (WAITING, ASSIGNED, ana.id)
    assert (change["actor_id"], change["reason"]) == (ana.id, "assigned")


@pytest.mark.parametrize(
    ("state", "code"),
    [(ASSIGNED, "chat_not_waiting"), (WAITING_REPLY, "chat_not_waiting"), (COMPLETED, "chat_completed")],
)
def test_a_chat_that_does_not_wait_is_assigned_to_nobody(cast: MakeCast, state: str, code: str) -> None:
    c = cast(state)
    c.world.set("allow_take", True)
    # Who may see it is told why; Ben must have held it for that.
    cleo = c.world.operator("Cleo", capacity=2)
    if state == ASSIGNED:
        c.ana.transfers(c.chat, cleo)
        c.world.owner.does("update chats set assigned_operator_id = %s where id = %s", c.ana.id, c.chat)
        taker = cleo
    else:
        taker = c.ana
    with c.world.refused("PT409", code):
        taker.call("take_chat", p_chat_id=c.chat)
    with c.world.unchanged():
        assert c.ben.takes_next() is None


# The holder replies


@pytest.mark.parametrize("way", ["function", "sql"])
class TestTheHolderReplies:
    """His hold ends with the turn, or lasts for the session."""

    @staticmethod
    def reply(cast: Cast, way: str) -> None:
        if way == "function":
            cast.ana.replies(cast.chat)
        else:
            cast.world.replies(cast.chat, cast.ana)

    def test_and_his_turn_ends(self, cast: MakeCast, way: str) -> None:
        c = cast(ASSIGNED)
        self.reply(c, way)
        after, reply = c.world.get(c.chat), c.world.messages(c.chat)[-1]
        assert (after["chat_state"], after["assigned_operator_id"]) == (WAITING_REPLY, None)
        assert after["operator_replied_at"] == reply["created_at"]
        assert after["assignment_time"] is None
        assert after["last_operator_id"] == c.ana.id
        assert c.world.holds(c.chat) == [(c.ana.id, "replied")]
        assert c.world.owner.rows("select * from operator_activity") == []
        change = c.world.last_change(c.chat)
        assert (change["from_state"], change["to_state"], change["reason"]) == (ASSIGNED, WAITING_REPLY, "replied")
        assert change["operator_id"] == c.ana.id
        assert change["actor_id"] == (c.ana.id if way == "function" else None)

    def test_and_his_hands_are_free_for_the_next_chat(self, cast: MakeCast, way: str) -> None:
        c = cast(ASSIGNED)
        other = c.world.chat()
        self.reply(c, way)
        assert c.ana.takes_next() == other

    def test_and_keeps_a_session(self, cast: MakeCast, way: str) -> None:
        c = cast(ASSIGNED, "session")
        history = c.world.history(c.chat)
        self.reply(c, way)
        self.reply(c, way)
        after, reply = c.world.get(c.chat), c.world.messages(c.chat)[-1]
        assert (after["chat_state"], after["assigned_operator_id"]) == (ASSIGNED, c.ana.id)
        assert after["operator_replied_at"] == reply["created_at"]
        assert c.world.holds(c.chat) == [(c.ana.id, None)]
        assert c.world.history(c.chat) == history

    @pytest.mark.parametrize(
        ("state", "code"),
        [(WAITING, "chat_not_assigned"), (WAITING_REPLY, "chat_not_assigned"), (COMPLETED, "chat_completed")],
    )
    @pytest.mark.parametrize("handling", ["turn", "session"])
    def test_but_not_to_a_chat_that_nobody_holds(
        self, cast: MakeCast, way: str, state: str, code: str, handling: str
    ) -> None:
        c = cast(state, handling)
        with c.world.refused("PT409", code):
            self.reply(c, way)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("way", ["function", "sql"])
def test_someone_else_who_replies_is_refused(cast: MakeCast, state: str, way: str) -> None:
    c = cast(state)
    if state == ASSIGNED:
        # Ben once held it, so that he may see it.
        c.ana.transfers(c.chat, c.ben)
        c.ben.transfers(c.chat, c.ana)
    sqlstate, code = {
        WAITING: ("PT409", "chat_not_assigned"),
        ASSIGNED: ("PT409", "not_the_holder"),
        WAITING_REPLY: ("PT404", "chat_not_found") if way == "function" else ("PT409", "chat_not_assigned"),
        COMPLETED: ("PT404", "chat_not_found") if way == "function" else ("PT409", "chat_completed"),
    }[state]
    with c.world.refused(sqlstate, code):
        if way == "function":
            c.ben.replies(c.chat)
        else:
            c.world.replies(c.chat, c.ben)


def test_an_admin_who_does_not_hold_the_chat_cannot_reply_either(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    with c.world.refused("PT409", "not_the_holder"):
        c.ada.replies(c.chat)


def test_holders_reply_to_many_chats_in_one_statement(world: World) -> None:
    ana, ben = world.operator("Ana", capacity=3), world.operator("Ben")
    turns = [world.chat(ASSIGNED, ana), world.chat(ASSIGNED, ben)]
    session = world.chat(ASSIGNED, ana, handling="session")
    world.owner.does(
        "insert into messages (chat_id, sender_type, sender_id, content)"
        " select id, 'operator', assigned_operator_id, 'hello' from chats"
    )
    assert [world.state(chat) for chat in turns] == [WAITING_REPLY, WAITING_REPLY]
    assert world.holds(turns[1]) == [(ben.id, "replied")]
    assert world.holder(session) == ana.id
    assert (world.stats(ana), world.stats(ben)) == ((2, 2, 0), (1, 1, 0))


def test_one_refused_row_refuses_its_whole_statement(world: World) -> None:
    ana = world.operator()
    world.chat(ASSIGNED, ana)
    world.chat(WAITING)
    with world.refused("PT409", "chat_not_assigned"):
        world.owner.does(
            "insert into messages (chat_id, sender_type, sender_id, content)"
            " select id, 'operator', %s, 'hello' from chats order by chat_state",
            ana.id,
        )


def test_the_second_reply_of_a_statement_finds_the_turn_over(world: World) -> None:
    ana = world.operator()
    chat = world.chat(ASSIGNED, ana)
    with world.refused("PT409", "chat_not_assigned"):
        world.owner.does(
            "insert into messages (chat_id, sender_type, sender_id, content)"
            " select %s, 'operator', %s, 'hello ' || n from generate_series(1, 2) n",
            chat,
            ana.id,
        )


def test_a_message_and_its_reply_in_one_statement_are_the_same_as_one_by_one(world: World) -> None:
    ana = world.operator(capacity=2)
    chats = [world.chat(ASSIGNED, ana, handling="session") for _ in range(2)]
    for chat in chats:
        world.replies(chat, ana)
    both = "insert into messages (chat_id, sender_type, content) values (%s, 'real', 'so?'), (%s, 'operator', 'so!')"
    world.owner.does(both, chats[0], chats[0])
    world.writes(chats[1], "so?")
    world.insert("messages", chat_id=chats[1], sender_type="operator", content="so!")
    told = [
        [
            (m["seq"], m["sender_id"] == ana.id, m["handled_by_operator_id"], m["owed_since"] is not None)
            for m in world.messages(chat)
        ]
        for chat in chats
    ]
    assert told[0] == told[1]


# Released


def idle(cast: Cast) -> None:
    cast.world.service.call_all("release_idle_assignments", p_idle="0 s")


def gone_quiet(cast: Cast) -> None:
    cast.world.clock(noon(60 * 24 * 365 * 50))
    cast.world.owner.value("select private.run_customer_idle()")


def deactivated(cast: Cast) -> None:
    cast.world.owner.does("update operators set is_active = false where id = %s", cast.ana.id)


def plainly(cast: Cast) -> None:
    cast.world.owner.does(
        "update chats set chat_state = %s, assigned_operator_id = null where id = %s",
        WAITING if cast.world.get(cast.chat)["owed_since"] else WAITING_REPLY,
        cast.chat,
    )


RELEASES: dict[str, Callable[[Cast], object]] = {
    "manual": lambda c: c.ana.hands_back(c.chat),
    "lunch": lambda c: c.ana.hands_back(c.chat, "lunch"),
    "manual_fix": lambda c: c.ada.hands_back(c.chat, "manual_fix"),
    "service": lambda c: c.world.service.call("release_and_reassign_chat", p_chat_id=c.chat, p_reason="service"),
    "idle": idle,
    "customer_idle": gone_quiet,
    "deactivated": deactivated,
    "sql": plainly,
}


@pytest.mark.parametrize("reason", RELEASES)
def test_a_released_chat_whose_customer_is_owed_a_reply_returns_to_its_old_place(cast: MakeCast, reason: str) -> None:
    c = cast(WAITING, "session")
    place = c.world.get(c.chat)["waiting_since"]
    c.world.chat()  # came later
    c.ana.takes_next()  # the other one: he was the last to handle this
    c.ana.replies(c.world.owner.value("select id from chats where assigned_operator_id is not null"))
    c.world.gives(c.chat, c.ana)
    c.customer.writes(c.chat, "still there?")
    RELEASES[reason](c)
    after = c.world.get(c.chat)
    assert (after["chat_state"], after["assigned_operator_id"]) == (WAITING, None)
    assert after["waiting_since"] == place
    assert after["assignment_time"] is None
    assert after["last_operator_id"] == c.ana.id
    assert c.world.holds(c.chat)[-1] == (c.ana.id, reason)
    assert c.world.history(c.chat)[-1] == (ASSIGNED, WAITING, reason)
    assert c.world.owner.rows("select * from operator_activity where chat_id = %s", c.chat) == []
    assert c.world.owner.value("select held from private.operator_load where operator_id = %s", c.ana.id) == 0


@pytest.mark.parametrize("reason", [reason for reason in RELEASES if reason != "idle"])
def test_a_released_chat_whose_customer_is_owed_nothing_waits_for_him(cast: MakeCast, reason: str) -> None:
    c = cast(ASSIGNED, "session")
    c.ana.replies(c.chat)
    replied_at = c.world.get(c.chat)["operator_replied_at"]
    RELEASES[reason](c)
    after = c.world.get(c.chat)
    assert (after["chat_state"], after["assigned_operator_id"]) == (WAITING_REPLY, None)
    assert (after["operator_replied_at"], after["waiting_since"]) == (replied_at, None)
    assert c.world.holds(c.chat) == [(c.ana.id, reason)]
    assert c.world.history(c.chat)[-1] == (ASSIGNED, WAITING_REPLY, reason)


def test_idleness_leaves_a_chat_alone_whose_customer_is_owed_nothing(cast: MakeCast) -> None:
    c = cast(ASSIGNED, "session")
    c.ana.replies(c.chat)
    with c.world.unchanged():
        idle(c)


@pytest.mark.parametrize(
    ("state", "code"),
    [(WAITING, "chat_not_assigned"), (WAITING_REPLY, "chat_not_assigned"), (COMPLETED, "chat_completed")],
)
@pytest.mark.parametrize("who", ["ana", "ada"])
def test_a_chat_that_nobody_holds_cannot_be_released(cast: MakeCast, state: str, code: str, who: str) -> None:
    c = cast(state)
    with c.world.refused("PT409", code):
        getattr(c, who).hands_back(c.chat)
    with c.world.refused("PT409", code):
        c.world.service.call("release_and_reassign_chat", p_chat_id=c.chat, p_reason="x")


@pytest.mark.parametrize("state", [WAITING, WAITING_REPLY, COMPLETED])
def test_jobs_leave_chats_alone_that_nobody_holds(cast: MakeCast, state: str) -> None:
    c = cast(state, "session")
    c.world.clock(noon(60 * 24 * 365 * 50))
    with c.world.unchanged():
        idle(c)
        c.world.owner.value("select private.run_customer_idle()")


def test_someone_else_cannot_release_it(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    c.ana.transfers(c.chat, c.ben)
    with c.world.refused("PT409", "not_the_holder"):
        c.ana.hands_back(c.chat)
    cleo = c.world.operator("Cleo")
    with c.world.refused("PT404", "chat_not_found"):
        cleo.hands_back(c.chat)
    with c.world.refused("PT403", "not_allowed"):
        c.customer.call("release_and_reassign_chat", p_chat_id=c.chat, p_reason="x")


def test_a_deactivated_operator_lets_go_of_everything_each_to_where_it_belongs(world: World) -> None:
    ana = world.operator(capacity=3)
    owed = world.chat(ASSIGNED, ana)
    place = world.owner.value("select waiting_since from chat_assignments where chat_id = %s", owed)
    paid = world.chat(ASSIGNED, ana, handling="session")
    world.replies(paid, ana)
    world.owner.does("update operators set is_active = false where id = %s", ana.id)
    assert (world.state(owed), world.state(paid)) == (WAITING, WAITING_REPLY)
    assert world.get(owed)["waiting_since"] == place
    assert [world.holds(chat) for chat in (owed, paid)] == [[(ana.id, "deactivated")]] * 2


def test_many_chats_are_released_in_one_statement(world: World) -> None:
    ana, ben = world.operator("Ana", capacity=2), world.operator("Ben")
    chats = [world.chat(ASSIGNED, ana), world.chat(ASSIGNED, ana), world.chat(ASSIGNED, ben)]
    world.owner.does(
        "update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where chat_state = 'assigned'"
    )
    assert [world.holds(chat) for chat in chats] == [[(ana.id, "sql")], [(ana.id, "sql")], [(ben.id, "sql")]]
    assert world.queue() == chats
    assert world.owner.rows("select held from private.operator_load where held <> 0") == []


# Reassigned, transferred


def test_an_admin_gives_a_waiting_chat_to_an_operator(cast: MakeCast) -> None:
    c = cast(WAITING)
    given = c.ada.reassigns(c.chat, c.ben, "knows him")
    assert (given["chat_state"], given["assigned_operator_id"]) == (ASSIGNED, c.ben.id)
    assert c.world.holds(c.chat)[-1] == (c.ben.id, None)
    change = c.world.last_change(c.chat)
    assert (change["from_state"], change["to_state"], change["operator_id"]) == (WAITING, ASSIGNED, c.ben.id)
    assert (change["actor_id"], change["reason"]) == (c.ada.id, "reassigned")


@pytest.mark.parametrize("handling", ["turn", "session"])
def test_an_admin_moves_a_hold_in_one_step(cast: MakeCast, handling: str) -> None:
    c = cast(ASSIGNED, handling)
    given = c.ada.reassigns(c.chat, c.ben)
    assert (given["chat_state"], given["assigned_operator_id"], given["last_operator_id"]) == (
        ASSIGNED,
        c.ben.id,
        c.ben.id,
    )
    assert c.world.holds(c.chat) == [(c.ana.id, "reassigned"), (c.ben.id, None)]
    ended, begun = c.world.owner.rows("select * from chat_assignments order by assigned_at")
    assert ended["released_at"] == begun["assigned_at"]
    assert c.world.history(c.chat)[-1] == (ASSIGNED, ASSIGNED, "reassigned")
    assert c.world.owner.row("select operator_id from operator_activity")["operator_id"] == c.ben.id
    held = c.world.owner.rows("select operator_id, held from private.operator_load where held > 0")
    assert held == [{"operator_id": c.ben.id, "held": 1}]


def test_an_admin_gives_out_a_chat_that_waits_for_its_customer(cast: MakeCast) -> None:
    c = cast(WAITING_REPLY)
    given = c.ada.reassigns(c.chat, c.ben)
    assert (given["chat_state"], given["assigned_operator_id"]) == (ASSIGNED, c.ben.id)
    assert c.world.holds(c.chat) == [(c.ana.id, "replied"), (c.ben.id, None)]
    # Nobody owes him a reply: handed back, it waits for him again.
    assert c.ben.hands_back(c.chat)["chat_state"] == WAITING_REPLY


def test_nobody_gets_a_completed_chat(cast: MakeCast) -> None:
    c = cast(COMPLETED)
    with c.world.refused("PT409", "chat_completed"):
        c.ada.reassigns(c.chat, c.ben)
    with c.world.refused("PT409", "chat_completed"):
        c.world.service.call("reassign_chat", p_chat_id=c.chat, p_operator_id=c.ben.id)
    with c.world.refused("PT409", "chat_completed"):
        c.ana.transfers(c.chat, c.ben)


def test_taking_over_is_reassigning_to_oneself(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    assert c.ada.reassigns(c.chat, c.ada)["assigned_operator_id"] == c.ada.id
    c.ada.replies(c.chat)
    assert c.world.state(c.chat) == WAITING_REPLY


def test_reassigning_to_the_holder_changes_nothing(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    with c.world.unchanged():
        assert c.ada.reassigns(c.chat, c.ana)["assigned_operator_id"] == c.ana.id


def test_reassigning_is_for_admins_and_the_service(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    for person in (c.ana, c.ben, c.customer):
        with c.world.refused("PT403", "not_allowed"):
            person.call("reassign_chat", p_chat_id=c.chat, p_operator_id=c.ben.id)
    given = c.world.service.call("reassign_chat", p_chat_id=c.chat, p_operator_id=c.ben.id)
    assert given["assigned_operator_id"] == c.ben.id


@pytest.mark.parametrize("handling", ["turn", "session"])
def test_the_holder_transfers_in_one_step(cast: MakeCast, handling: str) -> None:
    c = cast(ASSIGNED, handling)
    given = c.ana.transfers(c.chat, c.ben, "his customer")
    assert (given["chat_state"], given["assigned_operator_id"]) == (ASSIGNED, c.ben.id)
    assert c.world.holds(c.chat) == [(c.ana.id, "transferred"), (c.ben.id, None)]
    change = c.world.last_change(c.chat)
    assert (change["from_state"], change["to_state"], change["reason"]) == (ASSIGNED, ASSIGNED, "transferred")
    assert (change["actor_id"], change["operator_id"]) == (c.ana.id, c.ben.id)
    # Back to the old place in the queue also from the second hands.
    place = c.world.owner.value("select waiting_since from chat_assignments where waiting_since is not null")
    assert c.ben.hands_back(c.chat)["waiting_since"] == place


@pytest.mark.parametrize(
    ("state", "code"),
    [(WAITING, "chat_not_assigned"), (WAITING_REPLY, "chat_not_assigned"), (COMPLETED, "chat_completed")],
)
def test_what_nobody_holds_cannot_be_transferred(cast: MakeCast, state: str, code: str) -> None:
    c = cast(state)
    with c.world.refused("PT409", code):
        c.ana.transfers(c.chat, c.ben)


def test_only_the_holder_transfers(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    with c.world.refused("PT409", "not_the_holder"):
        c.ada.transfers(c.chat, c.ben)
    with c.world.refused("PT404", "chat_not_found"):
        c.ben.transfers(c.chat, c.ben)
    with c.world.refused("PT403", "not_allowed"):
        c.customer.call("transfer_chat", p_chat_id=c.chat, p_operator_id=c.ben.id)


@pytest.mark.parametrize("way", ["transfer", "reassign"])
@pytest.mark.parametrize("case", ["full", "inactive", "unknown", "missing"])
def test_a_hold_moves_only_to_an_active_operator_with_a_free_hand(cast: MakeCast, way: str, case: str) -> None:
    c = cast(ASSIGNED)
    to = c.ben
    if case == "full":
        c.world.chat(ASSIGNED, c.ben)
    elif case == "inactive":
        c.world.owner.does("update operators set is_active = false where id = %s", c.ben.id)
    else:
        to = Operator(c.ben.connection, id=uuid4() if case == "unknown" else None)
    sqlstate, code = {
        "full": ("PT409", "operator_at_capacity"),
        "inactive": ("PT403", "operator_inactive"),
        "unknown": ("PT404", "operator_not_found"),
        "missing": ("PT404", "operator_not_found"),
    }[case]
    with c.world.refused(sqlstate, code):
        if way == "transfer":
            c.ana.transfers(c.chat, to)
        else:
            c.ada.reassigns(c.chat, to)


# Completed


@pytest.mark.parametrize("state", [WAITING, ASSIGNED, WAITING_REPLY])
@pytest.mark.parametrize("way", ["admin", "customer", "service", "sql"])
def test_a_chat_is_completed_from_every_state(cast: MakeCast, state: str, way: str) -> None:
    c = cast(state)
    match way:
        case "admin":
            c.ada.call("complete_chat", p_chat_id=c.chat, p_reason="spam")
        case "customer":
            c.customer.call("complete_chat", p_chat_id=c.chat, p_reason="spam")
        case "service":
            c.world.service.call("complete_chat", p_chat_id=c.chat, p_reason="spam")
        case "sql":
            c.world.completes(c.chat)
    after = c.world.get(c.chat)
    assert (after["chat_state"], after["assigned_operator_id"], after["waiting_since"]) == (COMPLETED, None, None)
    assert after["is_active"] is False
    reason = "sql" if way == "sql" else "spam"
    assert c.world.history(c.chat)[-1] == (state, COMPLETED, reason)
    if state == ASSIGNED:
        assert c.world.holds(c.chat) == [(c.ana.id, reason)]


def test_the_holder_completes_his_chat(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    assert c.ana.call("complete_chat", p_chat_id=c.chat)["chat_state"] == COMPLETED
    assert c.world.holds(c.chat) == [(c.ana.id, "completed")]
    change = c.world.last_change(c.chat)
    assert (change["actor_id"], change["operator_id"], change["reason"]) == (c.ana.id, c.ana.id, "completed")


@pytest.mark.parametrize("who", ["ana", "ada", "customer"])
def test_completing_a_completed_chat_changes_nothing(cast: MakeCast, who: str) -> None:
    c = cast(COMPLETED)
    with c.world.unchanged():
        getattr(c, who).call("complete_chat", p_chat_id=c.chat)
        c.world.completes(c.chat)


def test_an_operator_completes_only_what_he_holds(cast: MakeCast) -> None:
    c = cast(WAITING)
    with c.world.refused("PT409", "chat_not_assigned"):
        c.ana.call("complete_chat", p_chat_id=c.chat)
    c.ada.reassigns(c.chat, c.ben)
    with c.world.refused("PT409", "not_the_holder"):
        c.ana.call("complete_chat", p_chat_id=c.chat)


def test_all_chats_are_completed_in_one_statement(world: World) -> None:
    ana = world.operator(capacity=2)
    chats = {state: world.chat(state, ana if state in (ASSIGNED, WAITING_REPLY) else None) for state in STATES}
    history = {chat: world.history(chat) for chat in chats.values()}
    world.owner.does("update chats set chat_state = 'completed', assigned_operator_id = null where true")
    for state, chat in chats.items():
        assert world.state(chat) == COMPLETED
        assert world.history(chat) == history[chat] + ([] if state == COMPLETED else [(state, COMPLETED, "sql")])
    assert world.holds(chats[ASSIGNED]) == [(ana.id, "sql")]


# Reasons


@pytest.mark.parametrize(
    "function", ["release_and_reassign_chat", "transfer_chat", "reassign_chat", "complete_chat", "set_operator_status"]
)
def test_a_reason_has_at_most_500_characters(cast: MakeCast, function: str) -> None:
    c = cast(ASSIGNED)
    caller = c.ada if function == "reassign_chat" else c.ana
    arguments: dict[str, object] = {"p_chat_id": c.chat}
    if function in ("transfer_chat", "reassign_chat"):
        arguments["p_operator_id"] = c.ben.id
    if function == "set_operator_status":
        arguments = {"p_status": "away"}
    with c.world.refused("PT400", "content_too_long"):
        caller.call(function, p_reason="é" * 501, **arguments)
    caller.call(function, p_reason="é" * 500, **arguments)


def test_what_was_said_of_a_move_stands_in_the_history(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    c.ana.transfers(c.chat, c.ben, "speaks Finnish")
    assert (c.world.last_change(c.chat)["reason"], c.world.last_change(c.chat)["note"]) == (
        "transferred",
        "speaks Finnish",
    )
    c.ada.reassigns(c.chat, c.ana)
    assert c.world.last_change(c.chat)["note"] is None


@pytest.mark.parametrize("word", ["idle", "replied", "auto", "transferred"])
def test_a_reason_that_somebody_gives_is_a_word_and_no_event(cast: MakeCast, word: str) -> None:
    c = cast(ASSIGNED)
    before = c.world.stats(c.ana)
    c.ana.call("release_and_reassign_chat", p_chat_id=c.chat, p_reason=word)
    assert c.world.last_change(c.chat)["actor_id"] == c.ana.id
    c.ada.reassigns(c.chat, c.ana)
    c.customer.call("complete_chat", p_chat_id=c.chat, p_reason=word)
    last = c.world.last_change(c.chat)
    assert (last["reason"], last["note"], last["actor_id"]) == ("completed", word, c.customer.id)
    assert [reason for _, reason in c.world.holds(c.chat)] == ["manual", "completed"]
    assert c.world.stats(c.ana) == before
    assert c.world.owner.rows("select 1 from chat_assignments where last_replied_at is not null") == []


@pytest.mark.parametrize(
    "change", ["last_seq = 50", "replied_seq = 1", "owed_since = null", "let_go_by = last_operator_id"]
)
def test_what_messages_derive_in_a_chat_is_not_written_by_hand(world: World, change: str) -> None:
    ana = world.operator()
    world.chat(ASSIGNED, ana)
    with world.refused("PT409", "transition_refused"):
        world.owner.does(f"update chats set {change} where true")


# Plain updates: which changes of state there are


ALLOWED = {
    (WAITING, ASSIGNED),
    (WAITING, COMPLETED),
    (ASSIGNED, WAITING),
    (ASSIGNED, WAITING_REPLY),
    (ASSIGNED, COMPLETED),
    (WAITING_REPLY, WAITING),
    (WAITING_REPLY, ASSIGNED),
    (WAITING_REPLY, COMPLETED),
    (COMPLETED, WAITING),
}


@pytest.mark.parametrize("way", ["one", "many"])
@pytest.mark.parametrize("to_state", STATES)
@pytest.mark.parametrize("from_state", STATES)
def test_a_plain_update_makes_the_changes_of_the_table_and_no_others(
    world: World, from_state: str, to_state: str, way: str
) -> None:
    ana, ben = world.operator("Ana", capacity=3), world.operator("Ben", capacity=3)
    chats = [world.chat(from_state, None if from_state == WAITING else ana) for _ in range(1 if way == "one" else 3)]

    def update() -> int:
        return world.owner.does(
            "update chats set chat_state = %s, assigned_operator_id = %s,"
            " operator_replied_at = coalesce(%s, operator_replied_at) where id = any (%s)",
            to_state,
            ben.id if to_state == ASSIGNED else None,
            noon() if to_state == WAITING_REPLY else None,
            chats,
        )

    if from_state == to_state and to_state != ASSIGNED:
        histories = [world.history(chat) for chat in chats]
        update()
        assert [world.history(chat) for chat in chats] == histories
    elif (from_state, to_state) in ALLOWED or from_state == to_state == ASSIGNED:
        assert update() == len(chats)
        for chat in chats:
            change = world.last_change(chat)
            assert (change["from_state"], change["to_state"], change["reason"]) == (from_state, to_state, "sql")
            assert change["actor_id"] is None
            if from_state == ASSIGNED:
                assert world.holds(chat)[0] == (ana.id, "sql")
            if to_state == ASSIGNED:
                assert world.holds(chat)[-1] == (ben.id, None)
                assert world.get(chat)["last_operator_id"] == ben.id
    else:
        with world.refused("PT409", "transition_refused"):
            update()


def test_the_actor_of_a_plain_write_is_its_caller(world: World) -> None:
    ada = world.admin(speaks_as="service_role")
    chat = world.chat()
    ada.does("update chats set chat_state = 'completed' where id = %s", chat)
    change = world.last_change(chat)
    assert (change["actor_id"], change["reason"]) == (ada.id, "sql")


def test_the_cause_of_a_function_does_not_leak_into_a_plain_write_of_the_same_transaction(world: World) -> None:
    ana = world.operator()
    first, second = world.chat(), world.chat()
    with world.owner.transaction() as connection:
        connection.execute("select * from assign_chat_to_operator(%s)", (ana.id,))
        connection.execute("update chats set chat_state = 'completed' where id = %s", (second,))
    assert world.history(first)[-1] == (WAITING, ASSIGNED, "assigned")
    assert world.history(second)[-1] == (WAITING, COMPLETED, "sql")


def test_the_cause_of_a_refused_function_does_not_leak_either(world: World) -> None:
    ana, chat = world.operator(capacity=0), world.chat()
    with world.owner.transaction() as connection:
        with refused("PT409", "operator_at_capacity"), connection.transaction():
            connection.execute("select reassign_chat(%s, %s)", (chat, ana.id))
        connection.execute("update chats set chat_state = 'completed' where id = %s", (chat,))
    assert world.history(chat)[-1] == (WAITING, COMPLETED, "sql")


@pytest.mark.parametrize(
    "change",
    [
        "chat_state = 'assigned'",
        "assigned_operator_id = '{ben}'",
        "chat_state = null",
        "waiting_since = null",
    ],
)
def test_a_waiting_row_left_inconsistent_is_refused(world: World, change: str) -> None:
    ben, chat = world.operator("Ben"), world.chat()
    with world.unchanged(), refused_by_any_of("23514", "23502", "PT409"):
        world.owner.does(f"update chats set {change.format(ben=ben.id)} where id = '{chat}'")


@pytest.mark.parametrize(
    "change",
    [
        "chat_state = 'waiting_assignment'",
        "chat_state = 'completed'",
        "chat_state = 'waiting_real_user_reply', operator_replied_at = now()",
        "assigned_operator_id = null",
        "last_operator_id = '{ben}'",
        "last_operator_id = null",
        "assignment_time = null",
        "waiting_since = now()",
        "assigned_operator_id = '00000000-0000-0000-0000-000000000000'",
    ],
)
def test_an_assigned_row_left_inconsistent_is_refused(world: World, change: str) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    chat = world.chat(ASSIGNED, ana)
    with world.unchanged(), refused_by_any_of("23514", "23503", "PT404", "PT409"):
        world.owner.does(f"update chats set {change.format(ben=ben.id)} where id = '{chat}'")


@pytest.mark.parametrize(
    "columns",
    [
        "chat_state) values ('{customer}', 'assigned'",
        "chat_state, assigned_operator_id) values ('{customer}', 'waiting_assignment', '{ben}'",
        "chat_state, assigned_operator_id) values ('{customer}', 'completed', '{ben}'",
        "chat_state) values ('{customer}', 'waiting_real_user_reply'",
        "chat_state) values ('{customer}', 'sleeping'",
        "chat_state) values ('{customer}', null",
        "handling) values ('{customer}', 'forever'",
        "chat_state, waiting_since) values ('{customer}', 'completed', now()",
        "chat_state, assigned_operator_id, waiting_since) values ('{customer}', 'assigned', '{ben}', now()",
        "context) values ('{customer}', '[]'",
        "chat_state) values ('00000000-0000-0000-0000-000000000000', 'waiting_assignment'",
    ],
)
def test_an_inconsistent_new_row_is_refused(world: World, columns: str) -> None:
    ben, customer = world.operator("Ben"), world.customer()
    with world.unchanged(), refused_by_any_of("23514", "23503", "23502"):
        world.owner.does(
            f"insert into chats (real_user_id, {columns.format(ben=ben.id, customer=customer.id)})",
        )


def test_an_unknown_state_is_refused(world: World) -> None:
    chat = world.chat()
    with world.refused("23514", "chats_state_check"):
        world.owner.does("update chats set chat_state = 'sleeping' where id = %s", chat)


def test_a_new_row_may_come_in_every_state(world: World) -> None:
    ana, customer = world.operator(), world.customer()
    world.insert("chats", real_user_id=customer.id, chat_state=WAITING)
    chat = world.insert("chats", real_user_id=customer.id, chat_state=ASSIGNED, assigned_operator_id=ana.id)
    world.insert("chats", real_user_id=customer.id, chat_state=WAITING_REPLY, operator_replied_at=noon())
    world.insert("chats", real_user_id=customer.id, chat_state=COMPLETED)
    assert world.holds(chat) == [(ana.id, None)]
    assert world.get(chat)["last_operator_id"] == ana.id
    assert world.history(chat) == [(None, ASSIGNED, "sql")]
    assert world.owner.value("select count(*) from chat_history") == 4


def test_a_new_row_in_full_hands_is_refused(world: World) -> None:
    ana, customer = world.operator(), world.customer()
    with world.refused("PT409", "operator_at_capacity"):
        world.owner.does(
            "insert into chats (real_user_id, chat_state, assigned_operator_id)"
            " select %s, 'assigned', %s from generate_series(1, 2)",
            customer.id,
            ana.id,
        )


def test_only_the_service_says_without_a_message_that_the_operator_replied_and_says_when(world: World) -> None:
    ana = world.operator()
    chat = world.chat(ASSIGNED, ana)
    with world.refused("PT409", "transition_refused"):
        world.owner.does(
            "update chats set chat_state = 'waiting_real_user_reply', assigned_operator_id = null where id = %s", chat
        )
    statement = (
        "update chats set chat_state = 'waiting_real_user_reply', assigned_operator_id = null,"
        " operator_replied_at = %s where id = %s"
    )
    for person in (ana, world.admin()):
        with world.refused("42501"):
            person.does(statement, noon(), chat)
    world.service.does(statement, noon(), chat)
    assert world.get(chat)["operator_replied_at"] == noon()
    assert world.holds(chat) == [(ana.id, "sql")]


def test_an_owed_reply_is_not_forgotten_by_a_plain_update(world: World) -> None:
    ana = world.operator()
    chat = world.chat(ASSIGNED, ana, handling="session")
    world.replies(chat, ana)
    world.writes(chat, "and now?")
    with world.refused("PT409", "transition_refused"):
        world.owner.does(
            "update chats set chat_state = 'waiting_real_user_reply', assigned_operator_id = null where id = %s", chat
        )


def test_a_chat_owed_nothing_is_not_put_back_into_the_queue_by_a_plain_update(world: World) -> None:
    ana = world.operator()
    chat = world.chat(ASSIGNED, ana, handling="session")
    world.replies(chat, ana)
    with world.refused("PT409", "transition_refused"):
        world.owner.does(
            "update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where id = %s", chat
        )


# Capacity


def test_a_hold_beyond_capacity_is_refused_by_plain_sql(world: World) -> None:
    ana = world.operator()
    world.chat(ASSIGNED, ana)
    chat = world.chat()
    with world.refused("PT409", "operator_at_capacity"):
        world.gives(chat, ana)


def test_many_holds_beyond_capacity_are_refused_as_one(world: World) -> None:
    ana = world.operator(capacity=2)
    for _ in range(3):
        world.chat()
    with world.refused("PT409", "operator_at_capacity"):
        world.owner.does("update chats set chat_state = 'assigned', assigned_operator_id = %s where true", ana.id)


def test_two_full_operators_swap_chats_in_one_statement(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    hers, his = world.chat(ASSIGNED, ana), world.chat(ASSIGNED, ben)
    world.owner.does(
        "update chats set assigned_operator_id = case assigned_operator_id when %s then %s::uuid else %s end"
        " where true",
        ana.id,
        ben.id,
        ana.id,
    )
    assert (world.holder(hers), world.holder(his)) == (ben.id, ana.id)
    assert world.holds(hers) == [(ana.id, "sql"), (ben.id, None)]


def test_an_inactive_or_unknown_operator_is_given_nothing_by_plain_sql(world: World) -> None:
    ben, chat = world.operator("Ben", is_active=False), world.chat()
    with world.refused("PT403", "operator_inactive"):
        world.gives(chat, ben)
    with world.unchanged(), refused_by_any_of("23503", "PT404"):
        world.gives(chat, Operator(ben.connection, id=uuid4()))


@pytest.mark.parametrize("capacity", [-1, -2147483648, 1001])
def test_a_capacity_out_of_range_is_refused(world: World, capacity: int) -> None:
    ana = world.operator()
    with world.refused("23514", "operators_capacity_check"):
        world.owner.does("update operators set capacity = %s where id = %s", capacity, ana.id)


def test_a_capacity_below_what_he_holds_is_refused(world: World) -> None:
    ana = world.operator(capacity=2)
    world.chat(ASSIGNED, ana)
    world.chat(ASSIGNED, ana)
    with world.refused("23514", "operator_at_capacity"):
        world.owner.does("update operators set capacity = 1 where id = %s", ana.id)
    world.owner.does("update operators set capacity = 3 where id = %s", ana.id)
    world.chat(ASSIGNED, ana)
    chat = world.chat()
    with world.refused("PT409", "operator_at_capacity"):
        world.gives(chat, ana)


# What is derived is written by nobody


@pytest.mark.parametrize(
    "statement",
    [
        "insert into chat_assignments (chat_id, operator_id, assigned_at) select id, '{ana}', now() from chats",
        "insert into chat_assignments (chat_id, operator_id, assigned_at, released_at, release_reason)"
        " select id, '{ana}', now(), now(), 'manual' from chats",
        "update chat_assignments set released_at = now(), release_reason = 'manual' where true",
        "update chat_assignments set operator_id = '{ben}' where true",
        "delete from chat_assignments where true",
        "insert into chat_history (chat_id, at, to_state, reason) select id, now(), 'completed', 'x' from chats",
        "update chat_history set reason = 'nothing' where true",
        "delete from chat_history where true",
        "truncate chat_history",
        "truncate chat_assignments cascade",
        "truncate chats cascade",
        "truncate messages cascade",
        "truncate real_users cascade",
        "delete from messages where true",
    ],
)
@pytest.mark.parametrize("role", ["owner", "service_role"])
def test_a_direct_write_to_what_is_derived_is_refused(world: World, statement: str, role: str) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    world.chat(ASSIGNED, ana)
    caller = world.owner if role == "owner" else world.service
    with world.unchanged(), refused_by_any_of("PT409", "42501"):
        caller.does(statement.format(ana=ana.id, ben=ben.id))


def test_deleting_a_customer_takes_his_chats_and_frees_the_hands_that_held_them(world: World) -> None:
    ana, customer = world.operator(), world.customer()
    world.chat(ASSIGNED, ana, customer)
    world.owner.does("delete from real_users where id = %s", customer.id)
    assert world.owner.value("select count(*) from chats") == 0
    assert world.owner.value("select held from private.operator_load") == 0
    assert world.owner.value("select count(*) from chat_history") == 0


@pytest.mark.parametrize(
    "change", ["chat_id = '{other}'", "seq = seq + 1", "sender_type = 'system'", "sender_id = null"]
)
def test_a_message_keeps_its_chat_its_number_and_its_sender(world: World, change: str) -> None:
    chat, other = world.chat(), world.chat()
    with world.refused("PT409", "transition_refused"):
        world.owner.does(f"update messages set {change.format(other=other)} where chat_id = '{chat}'")


# Owed


def test_a_deleted_message_owes_nothing(cast: MakeCast) -> None:
    c = cast(ASSIGNED, "session")
    c.ana.replies(c.chat)
    message = c.customer.writes(c.chat, "never mind")
    c.customer.call("delete_message", p_message_id=message["id"])
    assert c.ana.hands_back(c.chat)["chat_state"] == WAITING_REPLY


def test_one_deleted_message_of_two_still_leaves_a_reply_owed(cast: MakeCast) -> None:
    c = cast(ASSIGNED, "session")
    c.ana.replies(c.chat)
    message = c.customer.writes(c.chat, "never mind")
    c.customer.writes(c.chat, "but this")
    c.customer.call("delete_message", p_message_id=message["id"])
    assert c.ana.hands_back(c.chat)["chat_state"] == WAITING


def test_a_deleted_reply_does_not_make_the_customer_owed_again(cast: MakeCast) -> None:
    c = cast(ASSIGNED, "session")
    reply = c.ana.replies(c.chat)
    c.ana.call("delete_message", p_message_id=reply["id"])
    assert c.ana.hands_back(c.chat)["chat_state"] == WAITING_REPLY


def test_system_messages_neither_owe_nor_pay(world: World) -> None:
    ana = world.operator()
    chat = world.chat(ASSIGNED, ana, handling="session")
    world.insert("messages", chat_id=chat, sender_type="system", content="Ana has joined.")
    assert ana.hands_back(chat)["chat_state"] == WAITING
    world.gives(chat, ana)
    world.replies(chat, ana)
    world.insert("messages", chat_id=chat, sender_type="system", content="Ana is typing.")
    assert ana.hands_back(chat)["chat_state"] == WAITING_REPLY
    world.insert("messages", chat_id=chat, sender_type="system", content="It is Monday.")
    assert world.state(chat) == WAITING_REPLY


def test_a_chat_without_any_reply_is_owed_one(world: World) -> None:
    ana = world.operator()
    chat = world.waiting_chat()
    world.gives(chat, ana)
    assert ana.hands_back(chat)["chat_state"] == WAITING


def test_a_customer_who_writes_again_in_a_session_is_owed_from_then_on(cast: MakeCast) -> None:
    c = cast(ASSIGNED, "session")
    c.ana.replies(c.chat)
    second = c.customer.writes(c.chat)
    c.customer.writes(c.chat)
    assert c.ana.hands_back(c.chat)["waiting_since"] == second["created_at"]


def test_the_old_place_outlives_a_row_of_holds(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    old, young = world.chat(), world.chat()
    place = world.get(old)["waiting_since"]
    for operator in (ana, ben, ana):
        world.gives(old, operator)
        operator.hands_back(old)
    assert world.get(old)["waiting_since"] == place
    assert world.queue() == [old, young]


# Statistics


def test_several_messages_of_a_turn_are_one_assignment(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    c.customer.writes(c.chat)
    c.customer.writes(c.chat)
    c.ana.replies(c.chat)
    assert c.world.holds(c.chat) == [(c.ana.id, "replied")]
    assert c.world.stats(c.ana) == (1, 1, 0)
    assert [m["handled_by_operator_id"] for m in c.world.messages(c.chat)] == [c.ana.id] * 3 + [None]
    history = c.ada.row("select * from operator_assignment_history where operator_id = %s", c.ana.id)
    assert (history["total_assignments"], history["completed"], history["active"]) == (1, 1, 0)


def test_a_chat_replied_in_twice_a_day_is_one_chat_handled(cast: MakeCast) -> None:
    c = cast(WAITING_REPLY)
    c.customer.writes(c.chat)
    c.world.gives(c.chat, c.ana)
    c.ana.replies(c.chat)
    assert c.world.stats(c.ana) == (2, 1, 0)


def test_a_chat_replied_in_on_two_days_is_handled_on_both(world: World) -> None:
    ana = world.operator(capacity=2)
    chat = world.chat(ASSIGNED, ana, handling="session")
    for hours in (0, 1, 24, 25):
        world.replies(chat, ana, created_at=noon(hours * 60))
    rows = world.owner.rows("select date, messages_sent, chats_handled from operator_stats order by date")
    assert [(r["date"].day, r["messages_sent"], r["chats_handled"]) for r in rows] == [(2, 2, 1), (3, 2, 1)]


def test_the_day_of_the_statistics_is_the_organisations(world: World) -> None:
    world.set("time_zone", "Pacific/Auckland")  # noon in London is tomorrow there
    ana = world.operator()
    world.replies(world.chat(ASSIGNED, ana, handling="session"), ana, created_at=noon())
    assert world.owner.value("select date from operator_stats").day == 3


def test_who_answers_is_noted_on_the_messages_of_his_turn_only(world: World) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    customer = world.customer()
    chat = world.chat(WAITING_REPLY, ana, customer)
    customer.writes(chat)
    assert world.messages(chat)[-1]["handled_by_operator_id"] is None
    world.gives(chat, ben)
    ben.replies(chat)
    assert [m["handled_by_operator_id"] for m in world.messages(chat)] == [ana.id, None, ben.id, None]


def test_a_hold_that_moved_counts_for_both_and_the_reply_for_the_one_who_gave_it(cast: MakeCast) -> None:
    c = cast(ASSIGNED)
    c.ana.transfers(c.chat, c.ben)
    c.ben.replies(c.chat)
    assert (c.world.stats(c.ana), c.world.stats(c.ben)) == ((0, 0, 0), (1, 1, 0))
    assert c.world.holds(c.chat) == [(c.ana.id, "transferred"), (c.ben.id, "replied")]


# The SQL of the specification's section 4, as printed


def test_plain_sql_needs_nothing_more_to_set_up_a_chat(world: World) -> None:
    operator, customer, persona, chat = (UUID(int=n) for n in range(1, 5))
    world.owner.does("insert into operators (id, name) values (%s, 'Ana')", operator)
    world.owner.does("insert into real_users (id, name) values (%s, 'Kim')", customer)
    world.owner.does("insert into fictional_users (id, name) values (%s, 'Ava')", persona)
    world.owner.does(
        "insert into chats (id, real_user_id, fictional_user_id, chat_state) values (%s, %s, %s, 'waiting_assignment')",
        chat,
        customer,
        persona,
    )
    world.owner.does("insert into messages (chat_id, sender_type, content) values (%s, 'real', 'hey')", chat)
    row = world.owner.row("select * from operators")
    assert (row["role"], row["capacity"], row["is_active"], row["status"]) == ("operator", 1, True, "online")
    (message,) = world.messages(chat)
    assert (message["sender_id"], message["seq"], message["content"]) == (customer, 1, "hey")
    got = world.owner.call("assign_chat_to_operator", p_operator_id=operator)
    assert (got["id"], got["chat_state"], got["handling"], got["priority"]) == (chat, ASSIGNED, "turn", 0)

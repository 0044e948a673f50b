"""Section 5 of the specification: idle operators and customers, by a clock that the test sets."""

from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import pytest

from tests.sql.helpers import Operator, World, noon, refused


@pytest.fixture(autouse=True)
def _noon(world: World) -> None:
    world.clock(noon())


@pytest.fixture
def ana(world: World) -> Operator:
    """An operator who calls as the owner does, so that her time is the test's."""
    return world.operator("Ana", speaks_as=None)


@pytest.fixture
def chat(world: World, ana: Operator) -> UUID:
    """A chat that waits since noon and that Ana holds since five past."""
    chat = world.chat()
    world.clock(noon(5))
    assert ana.takes_next() == chat
    return chat


def released(world: World, **arguments: object) -> list[UUID]:
    """Release idle holds, and return their chats."""
    return [row["id"] for row in world.owner.call_all("release_idle_assignments", **arguments)]


def status(world: World, operator: Operator) -> tuple[str, str | None]:
    row = world.owner.row("select status, status_reason from operators where id = %s", operator.id)
    return row["status"], row["status_reason"]


# Idle


@pytest.mark.parametrize(("minutes", "is_idle"), [(0, False), (4.99, False), (5, True), (600, True)])
def test_a_hold_is_idle_after_five_minutes_of_nothing(
    world: World, ana: Operator, chat: UUID, minutes: float, is_idle: bool
) -> None:
    world.clock(noon(5 + minutes))
    assert released(world) == ([chat] if is_idle else [])


def test_an_idle_chat_returns_to_its_old_place(world: World, ana: Operator, chat: UUID) -> None:
    world.chat()
    world.clock(noon(20))
    (row,) = world.owner.call_all("release_idle_assignments")
    assert row == world.get(chat)
    assert (row["chat_state"], row["waiting_since"]) == ("waiting_assignment", noon())
    assert world.queue()[0] == chat
    assert world.holds(chat) == [(ana.id, "idle")]
    assert world.history(chat)[-1] == ("assigned", "waiting_assignment", "idle")
    assert world.last_change(chat)["at"] == noon(20)


def test_idleness_counts_one_incident_and_sets_the_operator_away(world: World, ana: Operator, chat: UUID) -> None:
    world.clock(noon(20))
    released(world)
    assert world.stats(ana) == (0, 0, 1)
    assert status(world, ana) == ("away", "idle")
    with world.unchanged():
        assert released(world) == []


def test_each_idle_hold_is_an_incident(world: World, ana: Operator) -> None:
    world.owner.does("update operators set capacity = 3 where id = %s", ana.id)
    chats = [world.chat("assigned", ana) for _ in range(2)]
    world.clock(noon(3))
    fresh = world.chat("assigned", ana)
    world.clock(noon(6))
    assert sorted(released(world)) == sorted(chats)
    assert world.stats(ana) == (0, 0, 2)
    assert world.holder(fresh) == ana.id


def test_an_incident_is_counted_on_its_day(world: World, ana: Operator, chat: UUID) -> None:
    world.clock(noon(24 * 60))
    released(world)
    assert world.owner.value("select date from operator_stats").day == noon().day + 1


def test_an_operator_who_is_offline_is_not_made_away(world: World, ana: Operator, chat: UUID) -> None:
    ana.call("set_operator_status", p_status="offline", p_reason="train")
    world.clock(noon(20))
    assert released(world) == [chat]
    assert status(world, ana) == ("offline", "train")


@pytest.mark.parametrize("handling", ["turn", "session"])
def test_idleness_never_touches_a_chat_that_waits_for_its_customer(world: World, ana: Operator, handling: str) -> None:
    chat = world.chat("assigned", ana, handling=handling)
    ana.replies(chat)
    world.clock(noon(600))
    with world.unchanged():
        assert released(world) == []


def test_idleness_is_counted_from_when_the_customer_became_owed(world: World, ana: Operator) -> None:
    chat = world.chat("assigned", ana, handling="session")
    ana.replies(chat)
    world.clock(noon(60))
    world.writes(chat)
    world.clock(noon(64))
    assert released(world) == []
    world.clock(noon(65))
    assert released(world) == [chat]


def test_a_customer_who_goes_on_writing_does_not_keep_a_hold_alive(world: World, ana: Operator, chat: UUID) -> None:
    for minutes in (7, 9):
        world.clock(noon(minutes))
        world.writes(chat)
    world.clock(noon(10))
    assert released(world) == [chat]


def test_typing_keeps_a_hold(world: World, ana: Operator, chat: UUID) -> None:
    world.clock(noon(9))
    ana.call("record_operator_activity", p_chat_id=chat)
    assert world.owner.value("select last_activity_at from operator_activity") == noon(9)
    world.clock(noon(13))
    assert released(world) == []
    world.clock(noon(14))
    assert released(world) == [chat]


def test_who_tells_that_he_types_keeps_a_hold(world: World, ana: Operator, chat: UUID) -> None:
    activity = "select last_activity_at from operator_activity"
    types = partial(ana.call, "set_typing", p_chat_id=chat)
    began = world.owner.value(activity)
    world.clock(noon(8))
    types(p_is_typing=False)
    assert world.owner.value(activity) == began
    types(p_is_typing=True)
    assert world.owner.value(activity) == noon(8)
    for second, noted in ((9, 0), (10, 10), (19, 10)):
        world.clock(noon(8 + second / 60))
        types(p_is_typing=True)
        assert world.owner.value(activity) == noon(8 + noted / 60), "every ten seconds"
    world.clock(noon(13))
    assert released(world) == []


def test_a_reply_keeps_a_session(world: World, ana: Operator) -> None:
    chat = world.chat("assigned", ana, handling="session")
    world.clock(noon(4))
    ana.replies(chat)
    world.writes(chat)
    world.clock(noon(8))
    assert released(world) == []
    world.clock(noon(9))
    assert released(world) == [chat]


def test_a_hold_that_moved_is_idle_by_its_new_holder_only(world: World, ana: Operator, chat: UUID) -> None:
    ben = world.operator("Ben", speaks_as=None)
    world.clock(noon(9))
    ana.transfers(chat, ben)
    world.clock(noon(13))
    assert released(world) == []
    world.clock(noon(14))
    assert released(world) == [chat]
    assert (world.stats(ana), world.stats(ben)) == ((0, 0, 0), (0, 0, 1))
    assert (status(world, ana)[0], status(world, ben)[0]) == ("online", "away")


def test_the_limit_can_be_given(world: World, ana: Operator, chat: UUID) -> None:
    world.clock(noon(6))
    assert released(world, p_idle="61 s") == []
    assert released(world, p_idle="60 s") == [chat]


def test_no_time_at_all_is_a_limit_and_less_is_none(world: World, ana: Operator, chat: UUID) -> None:
    for limit in ("-1 s", None):
        with world.refused("PT400", "invalid_argument"):
            released(world, p_idle=limit)
    assert released(world, p_idle="0 s") == [chat]


def test_the_job_takes_its_limit_from_the_settings(world: World, ana: Operator, chat: UUID) -> None:
    world.set("idle_limit", "10 minutes")
    world.clock(noon(14))
    assert world.owner.value("select private.run_idle_detection()") == 0
    world.clock(noon(15))
    assert world.owner.value("select private.run_idle_detection()") == 1
    assert world.state(chat) == "waiting_assignment"


def test_idleness_is_judged_by_the_service_only(world: World, chat: UUID) -> None:
    world.clock(noon(60))
    for person in (world.operator("Ben"), world.admin(), world.customer(), world.anonymous):
        with world.refused("42501"):
            person.call_all("release_idle_assignments")
    assert len(world.service.call_all("release_idle_assignments")) == 1


def test_a_chat_that_is_being_worked_on_is_not_waited_for(world: World, ana: Operator, chat: UUID) -> None:
    ben = world.operator("Ben")
    other = world.chat("assigned", ben)
    world.clock(noon(60))
    locker = world.connect()
    world.owner.connection.execute("set lock_timeout = '1ms'")
    with locker.transaction():
        locker.execute("select from chats where id = %s for no key update", (chat,))
        assert released(world) == [other]
    assert released(world) == [chat]


def test_an_idle_chat_goes_to_another_in_the_same_commit(world: World, ana: Operator, chat: UUID) -> None:
    ben = world.operator("Ben", auto_assign=True)
    world.clock(noon(60))
    assert released(world) == [chat]
    assert world.holder(chat) == ben.id


# Recording activity


def test_only_the_holder_records_activity(world: World, ana: Operator, chat: UUID) -> None:
    ben, ada, customer = world.operator("Ben"), world.admin(), world.customer()
    has_held = world.operator("Cleo")
    world.gives(chat, has_held)
    world.gives(chat, ana)
    with world.refused("PT404", "chat_not_found"):
        ben.call("record_operator_activity", p_chat_id=chat)
    for person in (has_held, ada):
        with world.refused("PT409", "not_the_holder"):
            person.call("record_operator_activity", p_chat_id=chat)
    with world.refused("PT403", "not_allowed"):
        customer.call("record_operator_activity", p_chat_id=chat)
    with world.refused("PT404", "chat_not_found"):
        ana.call("record_operator_activity", p_chat_id=uuid4())
    ana.hands_back(chat)
    with world.refused("PT409", "chat_not_assigned"):
        ana.call("record_operator_activity", p_chat_id=chat)
    world.completes(chat)
    with world.refused("PT409", "chat_completed"):
        ana.call("record_operator_activity", p_chat_id=chat)


# A customer who is gone from a session


def run_customer_idle(world: World) -> int:
    released: int = world.owner.value("select private.run_customer_idle()")
    return released


def test_a_session_whose_customer_is_quiet_for_thirty_minutes_is_released(world: World, ana: Operator) -> None:
    chat = world.chat("assigned", ana, handling="session")
    world.clock(noon(1))
    ana.replies(chat)
    world.clock(noon(29.9))
    assert run_customer_idle(world) == 0
    world.clock(noon(30))
    assert run_customer_idle(world) == 1
    assert world.state(chat) == "waiting_real_user_reply"
    assert world.holds(chat) == [(ana.id, "customer_idle")]
    assert world.stats(ana)[2] == 0
    assert status(world, ana)[0] == "online"
    assert run_customer_idle(world) == 0


def test_a_customer_who_writes_keeps_his_session(world: World, ana: Operator) -> None:
    chat = world.chat("assigned", ana, handling="session")
    ana.replies(chat)
    world.clock(noon(20))
    world.writes(chat)
    ana.replies(chat)
    world.clock(noon(49))
    assert run_customer_idle(world) == 0
    world.clock(noon(50))
    assert run_customer_idle(world) == 1


def test_how_long_a_customer_may_be_quiet_is_a_setting(world: World, ana: Operator) -> None:
    world.set("customer_idle", "2 hours")
    world.chat("assigned", ana, handling="session")
    world.clock(noon(119))
    assert run_customer_idle(world) == 0
    world.clock(noon(120))
    assert run_customer_idle(world) == 1


def test_a_turn_does_not_mind_a_quiet_customer(world: World, ana: Operator, chat: UUID) -> None:
    world.clock(noon(600))
    assert run_customer_idle(world) == 0
    assert world.holder(chat) == ana.id


# should_keep_assignment


def test_an_assignment_is_kept_while_an_operator_is_working_on_it(world: World) -> None:
    world.clock(datetime.now(UTC))
    ana, customer = world.operator(), world.customer()
    chat = customer.starts()["id"]
    assert customer.ask("should_keep_assignment", p_chat_id=chat) is False
    world.gives(chat, ana)
    for person in (customer, ana, world.admin(), world.service):
        assert person.ask("should_keep_assignment", p_chat_id=chat) is True
    ana.replies(chat)
    assert ana.ask("should_keep_assignment", p_chat_id=chat) is False
    world.completes(chat)
    assert customer.ask("should_keep_assignment", p_chat_id=chat) is False


def test_whether_an_assignment_is_kept_is_not_told_to_strangers(world: World, chat: UUID) -> None:
    for person in (world.stranger(), world.operator("Ben")):
        for unseen in (chat, uuid4()):
            with refused("PT404", "chat_not_found"):
                person.ask("should_keep_assignment", p_chat_id=unseen)


# The clock


def test_the_clock_listens_to_the_service(world: World) -> None:
    for caller in (world.owner, world.service):
        assert caller.value("select private.now()") == noon()


def test_the_clock_listens_to_nobody_else(world: World) -> None:
    before = datetime.now(UTC)
    for person in (world.customer(), world.operator("Ben"), world.admin()):
        assert person.value("select private.now()") > noon(1)
    chat = world.customer().starts()
    assert chat["created_at"].year >= before.year
    assert chat["created_at"] > noon(1)


def test_an_operator_cannot_make_his_hold_look_young_by_setting_the_clock(world: World) -> None:
    world.owner.connection.execute("reset baton.now")
    ben = world.operator("Ben")
    chat = world.chat("assigned", ben)
    with ben.transaction() as connection:
        connection.execute("select set_config('baton.now', '2999-01-01', true)")
        connection.execute("select record_operator_activity(%s)", (chat,))
    assert world.owner.value("select last_activity_at < '2998-01-01' from operator_activity") is True


def test_without_a_set_clock_it_is_the_real_time(world: World) -> None:
    for value in ("", None):
        if value is None:
            world.owner.connection.execute("reset baton.now")
        else:
            world.owner.connection.execute("set baton.now = ''")
        assert world.owner.value("select abs(extract(epoch from private.now() - clock_timestamp())) < 5") is True

"""What is old goes by itself, and nothing else does."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.sql.helpers import NOON, World

DAY = timedelta(days=1)


def run(world: World, at: datetime) -> int:
    """Run the job at that time; return how much it erased."""
    world.clock(at)
    count: int = world.owner.value("select private.run_retention()")
    return count


def chats(world: World) -> set[UUID]:
    return {row["id"] for row in world.owner.rows("select id from chats")}


# Chats


def test_chats_are_kept_unless_somebody_says_for_how_long(world: World) -> None:
    world.clock(NOON)
    world.chat("completed")
    assert run(world, NOON + 10_000 * DAY) == 0


def test_a_chat_goes_when_it_was_completed_long_enough_ago(world: World) -> None:
    world.set("chat_retention_days", 30)
    world.clock(NOON - 50 * DAY)
    ana = world.operator()
    others = {world.chat(), world.chat("assigned", ana), world.chat("waiting_real_user_reply", world.operator())}
    late, written = world.chat(), world.chat("completed")
    world.clock(NOON)
    old = world.chat("completed")
    world.completes(late)
    world.insert("messages", chat_id=written, sender_type="system", content="The order was sent.")
    assert run(world, NOON + 30 * DAY) == 0
    kept = others | {late, written, old}
    assert chats(world) == kept
    assert run(world, NOON + 30 * DAY + timedelta(seconds=1)) == 3
    assert chats(world) == others
    assert world.owner.value("select count(*) from private.events where chat_id = %s and event_seq > 0", old) == 0
    assert run(world, NOON + 31 * DAY) == 0


def test_a_fraction_of_a_day_counts_and_a_number_beyond_all_time_is_for_ever(world: World) -> None:
    world.clock(NOON)
    world.chat("completed")
    world.set("chat_retention_days", 1_000_000_000)
    assert run(world, NOON + 10_000 * DAY) == 0
    world.set("chat_retention_days", 0.5)
    assert run(world, NOON + timedelta(hours=11)) == 0
    assert run(world, NOON + timedelta(hours=13)) == 1


def test_a_chat_that_somebody_has_locked_is_passed_over(world: World) -> None:
    world.set("chat_retention_days", 1)
    world.clock(NOON)
    locked, other = world.chat("completed"), world.chat("completed")
    connection = world.connect()
    with connection.transaction():
        connection.execute("select from chats where id = %s for no key update", (locked,))
        assert run(world, NOON + 2 * DAY) == 1
        assert chats(world) == {locked}
    assert run(world, NOON + 2 * DAY) == 1
    assert other not in chats(world)


def test_it_is_done_some_at_a_time(world: World) -> None:
    world.set("chat_retention_days", 1)
    world.clock(NOON)
    world.owner.does(
        "insert into chats (real_user_id, chat_state) select %s, 'completed' from generate_series(1, 1500)",
        world.customer().id,
    )
    assert run(world, NOON + 2 * DAY) == 1000
    assert run(world, NOON + 2 * DAY) == 500


# Visitors


def visitor(world: World, days: float, is_anonymous: bool = True) -> UUID:
    """Make an account that was made, and last used, so many days before noon; with a session since then."""
    user_id = uuid4()
    email = None if is_anonymous else f"{user_id}@shop.example"
    world.owner.rows("select auth.create_user(%s, null, %s, '{}', %s)", email, is_anonymous, user_id)
    world.owner.rows("select auth.start_session(%s, %s)", user_id, str(user_id))
    at = NOON - days * DAY
    for table, column in (("users", "id"), ("sessions", "user_id")):
        world.owner.does(
            f"update auth.{table} set created_at = %s, updated_at = %s where {column} = %s", at, at, user_id
        )
    world.owner.does("update auth.users set last_sign_in_at = %s where id = %s", at, user_id)
    return user_id


def accounts(world: World) -> set[UUID]:
    return {row["id"] for row in world.owner.rows("select id from auth.users")}


def test_anonymous_visitors_who_left_no_chat_and_did_not_come_back_go(world: World) -> None:
    old, young, identified, talker, active, operator = (
        visitor(world, 31),
        visitor(world, 29),
        visitor(world, 400, is_anonymous=False),
        visitor(world, 31),
        visitor(world, 31),
        visitor(world, 31),
    )
    world.insert("real_users", id=talker)
    world.insert("chats", real_user_id=talker, chat_state="completed")
    world.owner.rows("select auth.start_session(%s, 'another device')", active)  # just now
    world.owner.does("update auth.users set last_sign_in_at = created_at where id = %s", active)
    world.insert("operators", id=operator, name="Ana")
    assert run(world, NOON) == 1
    assert accounts(world) == {young, identified, talker, active, operator}
    assert world.owner.value("select count(*) from auth.sessions where user_id = %s", old) == 0
    assert world.owner.value("select count(*) from auth.sessions where user_id = %s", active) == 2
    assert world.owner.value("select count(*) from auth.refresh_tokens where user_id = %s", old) == 0


def test_the_row_of_an_anonymous_customer_goes_when_neither_chat_nor_login_is_left(world: World) -> None:
    at = NOON - 31 * DAY
    empty, named, talker = uuid4(), uuid4(), uuid4()
    signed_in = visitor(world, 3)
    for person in (empty, talker, signed_in):
        world.insert("real_users", id=person, created_at=at)
    world.insert("real_users", id=named, created_at=at, name="Kim")
    identified = world.insert("real_users", created_at=at, is_anonymous=False)
    young = world.insert("real_users", created_at=NOON - 29 * DAY)
    world.insert("chats", real_user_id=talker)
    assert run(world, NOON) == 1
    left = {row["id"] for row in world.owner.rows("select id from real_users")}
    assert left == {named, talker, signed_in, identified, young}


def test_visitors_stay_where_the_setting_says_so_and_where_the_login_is_not_ours(own_world: World) -> None:
    world = own_world
    person = visitor(world, 10_000)
    world.set("visitor_retention_days", 0)
    assert run(world, NOON) == 0
    world.set("visitor_retention_days", 30)
    # A Supabase project has no such function; its visitors may be another program's.
    world.owner.does("alter function auth.run_clean_up() rename to run_clean_up_of_ours")
    assert run(world, NOON) == 0
    assert accounts(world) == {person}
    world.owner.does("alter function auth.run_clean_up_of_ours() rename to run_clean_up")
    assert run(world, NOON) == 1


# What messages said before


def test_earlier_texts_go_after_their_time(world: World) -> None:
    world.clock(NOON)
    chat = world.chat()
    world.owner.does("update messages set content = 'two' where chat_id = %s", chat)
    world.clock(NOON + 5 * DAY)
    world.owner.does("update messages set content = 'three' where chat_id = %s", chat)
    assert run(world, NOON + 100 * DAY) == 0
    world.set("revision_retention_days", 30)
    assert run(world, NOON + 31 * DAY) == 1
    assert [row["content"] for row in world.owner.rows("select content from message_revisions")] == ["two"]
    assert world.messages(chat)[0]["content"] == "three"


# The log


def test_what_was_erased_is_logged_in_numbers(world: World) -> None:
    world.set("chat_retention_days", 1)
    visitor(world, 31)
    world.clock(NOON)
    world.chat("completed")
    assert run(world, NOON + 2 * DAY) == 2
    run(world, NOON + 2 * DAY)
    rows = world.owner.rows("select * from audit_log where action = 'retention.applied'")
    assert [row["detail"] for row in rows] == [{"chats": 1, "tickets": 0, "revisions": 0, "accounts": 1, "visitors": 0}]


@pytest.mark.parametrize(
    "name", ["chat_retention_days", "ticket_retention_days", "visitor_retention_days", "revision_retention_days"]
)
@pytest.mark.parametrize("value", ["-1", '"30"', '"for ever"', "null", "[]"])
def test_days_are_a_number_from_nought(world: World, name: str, value: str) -> None:
    ada = world.admin()
    with world.refused("PT400", "invalid_argument"):
        ada.call("set_setting", p_name=name, p_value=value)

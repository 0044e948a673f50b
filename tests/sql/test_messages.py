"""Messages: sending twice, numbers, limits, editing, deleting, reading, paging."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from tests.sql.helpers import Caller, Customer, World, noon, refused

# Sending twice


def count(world: World) -> tuple[int, int]:
    """Return how many chats and messages there are."""
    row = world.owner.row("select (select count(*) from chats) as c, (select count(*) from messages) as m")
    return row["c"], row["m"]


def test_a_chat_started_twice_is_one_chat(world: World) -> None:
    customer, key = world.customer(), uuid4()
    first = customer.starts("hey", key)
    with world.unchanged():
        assert customer.starts("hey", key) == first
    assert count(world) == (1, 1)


def test_the_first_chat_comes_back_also_when_the_other_arguments_differ(world: World) -> None:
    customer, key = world.customer(), uuid4()
    first = customer.starts("hey", key, p_context={"page": "/"})
    with world.unchanged():
        assert customer.starts("hey", key, p_context={"page": "/help"}) == first


def test_a_chat_started_twice_with_other_content_is_refused(world: World) -> None:
    customer, key = world.customer(), uuid4()
    customer.starts("hey", key)
    with world.refused("PT409", "client_message_id_reused"):
        customer.starts("hello", key)


def test_a_chat_started_twice_comes_back_as_it_is_now(world: World) -> None:
    customer, ana, key = world.customer(), world.operator(), uuid4()
    chat = customer.starts("hey", key)["id"]
    world.gives(chat, ana)
    ana.replies(chat)
    ana_replied = world.get(chat)
    with world.unchanged():
        again = customer.starts("hey", key)
    assert (again["id"], again["chat_state"]) == (chat, ana_replied["chat_state"])


def test_a_message_into_a_chat_does_not_pass_for_the_start_of_one(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts("hey")["id"]
    customer.writes(chat, "and this", key)
    with world.refused("PT409", "client_message_id_reused"):
        customer.starts("and this", key)


def test_a_message_sent_twice_is_one_message(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts()["id"]
    first = customer.writes(chat, "again", key)
    with world.unchanged():
        assert customer.writes(chat, "again", key) == first


@pytest.mark.parametrize("content", ["something else", "again ", "AGAIN"])
def test_a_message_sent_twice_with_other_content_is_refused(world: World, content: str) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts()["id"]
    customer.writes(chat, "again", key)
    with world.refused("PT409", "client_message_id_reused"):
        customer.writes(chat, content, key)


def test_a_message_sent_twice_into_another_chat_is_refused(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat, other = customer.starts()["id"], customer.starts()["id"]
    customer.writes(chat, "again", key)
    with world.refused("PT409", "client_message_id_reused"):
        customer.writes(other, "again", key)


def test_the_message_that_started_a_chat_may_be_retried_as_a_message(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts("hey", key)["id"]
    with world.unchanged():
        assert customer.writes(chat, "hey", key)["seq"] == 1


def test_a_reply_that_ended_the_hold_may_be_retried(world: World) -> None:
    ana, key = world.operator(), uuid4()
    chat = world.chat("assigned", ana)
    first = ana.replies(chat, "hello", key)
    assert world.state(chat) == "waiting_real_user_reply"
    with world.unchanged():
        again = ana.replies(chat, "hello", key)
    assert again == first
    with world.refused("PT409", "client_message_id_reused"):
        ana.replies(chat, "hullo", key)


def test_a_reply_may_be_retried_when_somebody_else_holds_the_chat_or_it_is_completed(world: World) -> None:
    ana, ben, key = world.operator("Ana"), world.operator("Ben"), uuid4()
    chat = world.chat("assigned", ana)
    first = ana.replies(chat, "hello", key)
    world.writes(chat)
    world.gives(chat, ben)
    assert ana.replies(chat, "hello", key)["id"] == first["id"]
    world.completes(chat)
    assert ana.replies(chat, "hello", key)["id"] == first["id"]


def test_a_message_may_be_retried_after_it_was_edited(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts()["id"]
    message = customer.writes(chat, "first", key)
    customer.call("edit_message", p_message_id=message["id"], p_content="second")
    customer.call("edit_message", p_message_id=message["id"], p_content="third")
    with world.unchanged():
        again = customer.writes(chat, "first", key)
    assert (again["id"], again["content"]) == (message["id"], "third")
    with world.refused("PT409", "client_message_id_reused"):
        customer.writes(chat, "third", key)


def test_a_message_may_be_retried_after_it_was_deleted(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts()["id"]
    message = customer.writes(chat, "first", key)
    customer.call("delete_message", p_message_id=message["id"])
    with world.unchanged():
        again = customer.writes(chat, "first", key)
    assert (again["id"], again["deleted_at"] is None) == (message["id"], False)


def test_a_retried_message_does_not_reopen_a_completed_chat(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts()["id"]
    customer.writes(chat, "last words", key)
    world.completes(chat)
    with world.unchanged():
        customer.writes(chat, "last words", key)


def test_the_same_id_of_two_senders_is_two_messages(world: World) -> None:
    kim, lee, ana, key = world.customer("Kim"), world.customer("Lee"), world.operator(), uuid4()
    chats = [kim.starts("hey", key)["id"], lee.starts("hey", key)["id"]]
    assert len(set(chats)) == 2
    world.gives(chats[0], ana)
    ana.replies(chats[0], "hey", key)
    assert count(world) == (2, 3)


def test_messages_without_an_id_are_never_the_same(world: World) -> None:
    customer = world.customer()
    chat = customer.call("start_chat", p_content="hey", p_client_message_id=None)["id"]
    for _ in range(2):
        customer.call("send_real_user_message", p_chat_id=chat, p_content="hey", p_client_message_id=None)
    assert count(world) == (1, 3)


def test_two_retries_at_once_are_one_message(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = customer.starts()["id"]
    first, second = world.elsewhere(customer), world.elsewhere(customer)
    with ThreadPoolExecutor(1) as pool:
        with first.transaction() as connection:
            sent = connection.execute("select id from send_real_user_message(%s, 'now', %s)", (chat, key)).fetchone()
            other = pool.submit(second.writes, chat, "now", key)
            world.until(lambda: world.waits_for_a_lock(second.connection))
        assert sent is not None
        assert other.result(10)["id"] == sent["id"]
    assert [m["seq"] for m in world.messages(chat)] == [1, 2]


def test_two_starts_at_once_are_one_chat(world: World) -> None:
    customer, key = world.customer(), uuid4()
    first, second = world.elsewhere(customer), world.elsewhere(customer)
    with ThreadPoolExecutor(1) as pool:
        with first.transaction() as connection:
            started = connection.execute("select id from start_chat('hey', %s)", (key,)).fetchone()
            other = pool.submit(second.starts, "hey", key)
            world.until(lambda: world.waits_for_a_lock(second.connection))
        assert started is not None
        assert other.result(10)["id"] == started["id"]
    assert count(world) == (1, 1)


def test_a_plain_insert_of_the_same_id_keeps_the_databases_own_refusal(world: World) -> None:
    customer, key = world.customer(), uuid4()
    chat = world.chat(customer=customer)
    world.writes(chat, client_message_id=key)
    with world.refused("23505", "messages_client_message_id_key"):
        world.writes(chat, client_message_id=key)


def test_a_retry_tells_the_web_layer_that_nothing_was_made(world: World) -> None:
    customer, key = world.customer(), uuid4()
    query = "select current_setting('response.status', true) as status from start_chat('hey', %s)"
    assert customer.value(query, key) in (None, "")
    assert customer.value(query, key) == "200"


# Numbers


def test_numbers_have_no_gaps_whatever_was_refused_in_between(world: World) -> None:
    customer, ana = world.customer(), world.operator()
    chat = customer.starts()["id"]
    with refused("PT400", "content_empty"):
        customer.writes(chat, "")
    world.gives(chat, ana)
    with refused("PT404", "chat_not_found"):
        world.stranger().writes(chat)
    customer.writes(chat)
    with customer.connection.transaction(force_rollback=True):
        customer.writes(chat, "undone")
    ana.replies(chat)
    assert [m["seq"] for m in world.messages(chat)] == [1, 2, 3]


def test_on_conflict_do_nothing_leaves_no_gap(world: World) -> None:
    chat, key = world.chat(), uuid4()
    insert = (
        "insert into messages (chat_id, sender_type, content, client_message_id)"
        " select %s, 'real', 'n' || n, case when n < 4 then %s::uuid end from generate_series(1, 5) n"
        " on conflict do nothing"
    )
    assert world.owner.does(insert, chat, key) == 3
    assert world.owner.does(insert, chat, key) == 2
    assert [m["seq"] for m in world.messages(chat)] == list(range(1, 7))
    assert [m["content"] for m in world.messages(chat)][1:] == ["n1", "n4", "n5", "n4", "n5"]


def test_a_dropped_row_has_no_effect_on_its_chat(world: World) -> None:
    ana, key = world.operator(), uuid4()
    chat = world.chat("assigned", ana)
    world.writes(chat, client_message_id=key)
    ana.replies(chat)
    with world.unchanged():
        world.owner.does(
            "insert into messages (chat_id, sender_type, content, client_message_id)"
            " values (%s, 'real', 'hey', %s) on conflict do nothing",
            chat,
            key,
        )


def test_many_messages_in_one_statement_are_numbered_in_their_order(world: World) -> None:
    one, two = world.chat(), world.chat()
    world.owner.does(
        "insert into messages (chat_id, sender_type, content)"
        " select case n %% 2 when 0 then %s::uuid else %s end, 'real', n::text from generate_series(1, 8) n order by n",
        one,
        two,
    )
    assert [(m["seq"], m["content"]) for m in world.messages(one)][1:] == [(2, "2"), (3, "4"), (4, "6"), (5, "8")]
    assert [(m["seq"], m["content"]) for m in world.messages(two)][1:] == [(2, "1"), (3, "3"), (4, "5"), (5, "7")]


def test_a_number_that_is_given_is_not_listened_to(world: World) -> None:
    chat = world.chat()
    world.writes(chat, seq=99)
    assert [m["seq"] for m in world.messages(chat)] == [1, 2]


# Limits


@pytest.mark.parametrize(
    "content",
    ["x", "x" * 65536, "é" * 32768, "€" * 21845, "😀" * 16384, " ", "\n", "\x01", "\u202e", "'; drop table chats; --"],
    ids=["1", "65536", "65536 of 2", "65535 of 3", "65536 of 4", "space", "line", "control", "bidi", "quote"],
)
def test_content_of_1_to_65536_bytes_is_kept_as_it_is(world: World, content: str) -> None:
    customer, ana = world.customer(), world.operator()
    chat = customer.starts(content)["id"]
    assert customer.writes(chat, content)["content"] == content
    world.gives(chat, ana)
    assert ana.replies(chat, content)["content"] == content
    assert customer.call_all("list_messages", p_chat_id=chat)[0]["content"] == content


CONTENT_REFUSED: list[Any] = [
    pytest.param("", "content_empty", id="empty"),
    pytest.param(None, "content_empty", id="null"),
    pytest.param("x" * 65537, "content_too_long", id="65537"),
    pytest.param("é" * 32768 + "x", "content_too_long", id="65537 of 2"),
    pytest.param("€" * 21846, "content_too_long", id="65538 of 3"),
    pytest.param("😀" * 16385, "content_too_long", id="65540 of 4"),
    pytest.param("x" * 200_000, "content_too_long", id="200 kB"),
]


@pytest.mark.parametrize(("content", "code"), CONTENT_REFUSED)
def test_other_content_is_refused(world: World, content: str, code: str) -> None:
    customer, ana = world.customer(), world.operator()
    chat = customer.starts()["id"]
    world.gives(chat, ana)
    message = customer.writes(chat, "hey")
    with world.refused("PT400", code):
        customer.starts(content)
    with world.refused("PT400", code):
        customer.writes(chat, content)
    with world.refused("PT400", code):
        ana.replies(chat, content)
    with world.refused("PT400", code):
        customer.call("edit_message", p_message_id=message["id"], p_content=content)
    with world.refused("PT400", code):
        world.writes(chat, content)
    with world.unchanged(), pytest.raises(psycopg.Error):
        world.owner.does("update messages set content = %s where id = %s", content, message["id"])


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80"])
def test_invalid_utf8_is_refused(world: World, raw: bytes) -> None:
    chat = world.chat()
    with world.refused("22021"):
        world.owner.does(
            b"insert into messages (chat_id, sender_type, content) values ('%s', 'real', '%s')"  # type: ignore[arg-type]
            % (str(chat).encode(), raw)
        )


def test_a_null_byte_is_refused(world: World) -> None:
    chat = world.chat()
    with world.refused("22021"):
        world.owner.does(
            "insert into messages (chat_id, sender_type, content) values (%s, 'real', convert_from(%s, 'UTF8'))",
            chat,
            b"a\x00b",
        )


def context_of(size: int) -> dict[str, str]:
    """Return a context whose JSON text in Postgres has so many bytes."""
    return {"page": "x" * (size - len('{"page": ""}'))}


@pytest.mark.parametrize("size", [16384, 16385, 100_000])
def test_a_context_has_at_most_16_kb(world: World, size: int) -> None:
    customer = world.customer()
    if size <= 16384:
        chat = customer.starts(p_context=context_of(size))
        assert chat["context"] == context_of(size)
    else:
        with world.refused("PT413", "too_large"):
            customer.starts(p_context=context_of(size))
        with world.refused("23514", "chats_context_check"):
            world.insert("chats", real_user_id=customer.id, context=context_of(size))


@pytest.mark.parametrize("context", ["[]", '"text"', "1", "null", None])
def test_a_context_is_an_object(world: World, context: str | None) -> None:
    customer = world.customer()
    with world.refused("PT400", "invalid_argument"):
        customer.starts(p_context=context)


def test_a_chat_starts_under_an_active_persona_only(world: World) -> None:
    customer, ava, gone = world.customer(), world.persona(), world.persona("Gone", is_active=False)
    assert customer.starts(p_fictional_user_id=ava)["fictional_user_id"] == ava
    for persona in (gone, uuid4()):
        with world.refused("PT404", "fictional_user_not_found"):
            customer.starts(p_fictional_user_id=persona)


def test_the_row_of_a_customer_is_made_when_he_first_writes(world: World) -> None:
    stranger = world.stranger()
    stranger.claims["is_anonymous"] = True
    chat = stranger.starts()
    assert chat["real_user_id"] == stranger.id
    assert world.owner.row("select id, is_anonymous from real_users") == {"id": stranger.id, "is_anonymous": True}


def test_a_new_chat_is_handled_and_answered_as_the_widget_says(world: World) -> None:
    customer, ava, theo = world.customer(), world.persona("Ava"), world.persona("Theo")
    chat = customer.starts()
    assert (chat["handling"], chat["fictional_user_id"]) == ("turn", None)
    changes = {"handling": "session", "fictional_user_id": str(ava)}
    world.service.call("set_widget_settings", p_changes=changes)
    chat = customer.starts()
    assert (chat["handling"], chat["fictional_user_id"]) == ("session", ava)
    assert customer.starts(p_fictional_user_id=theo)["fictional_user_id"] == theo
    world.owner.does("update fictional_users set is_active = false where id = %s", ava)
    assert customer.starts()["fictional_user_id"] is None


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ('{"x-forwarded-for": "203.0.113.7"}', "203.0.113.7"),
        ('{"x-forwarded-for": "203.0.113.7, 10.0.0.1"}', "203.0.113.7"),
        ('{"x-forwarded-for": "2001:db8::1"}', "2001:db8::1"),
        ('{"x-forwarded-for": "<script>"}', None),
        ('{"x-forwarded-for": ""}', None),
        ("{}", None),
        ("", None),
        ("not json", None),
    ],
)
def test_a_chat_notes_the_address_it_came_from(world: World, headers: str, address: str | None) -> None:
    customer = world.customer()
    with customer.transaction() as connection:
        connection.execute("select set_config('request.headers', %s, true)", (headers,))
        started = connection.execute("select id from start_chat('hey', null)").fetchone()
    assert started is not None
    noted = world.get(started["id"])["ip_address"]
    assert (str(noted) if noted else None) == address


def test_operators_do_not_start_chats(world: World) -> None:
    for person in (world.operator(), world.admin(), world.operator(is_active=False)):
        with world.refused("PT403", "not_allowed"):
            person.call("start_chat", p_content="hey", p_client_message_id=uuid4())


def test_a_message_into_an_unknown_chat_or_that_of_another_looks_the_same(world: World) -> None:
    customer = world.customer()
    for chat in (world.chat(), uuid4(), None):
        with world.refused("PT404", "chat_not_found"):
            customer.writes(chat)  # type: ignore[arg-type]


def test_staff_cannot_write_as_the_customer(world: World) -> None:
    ana, ada = world.operator(), world.admin()
    chat = world.chat("assigned", ana)
    for person in (ana, ada):
        with world.refused("PT403", "not_your_chat"):
            person.call("send_real_user_message", p_chat_id=chat, p_content="hey", p_client_message_id=uuid4())


def test_a_customer_cannot_write_as_an_operator(world: World) -> None:
    ana, customer = world.operator(), world.customer()
    chat = world.chat("assigned", ana, customer)
    with world.refused("PT403", "not_allowed"):
        customer.call("send_operator_message", p_chat_id=chat, p_content="hello", p_client_message_id=uuid4())


# Edited, deleted


@pytest.fixture
def kim(world: World) -> Customer:
    """The customer whose chat it is."""
    return world.customer("Kim")


@pytest.fixture
def chat(world: World, kim: Customer) -> UUID:
    """A chat with one message of his."""
    started: UUID = kim.starts("hey")["id"]
    return started


def edit(person: Caller, message: UUID, content: str) -> DictRow:
    return person.call("edit_message", p_message_id=message, p_content=content)


def delete(person: Caller, message: UUID) -> DictRow:
    return person.call("delete_message", p_message_id=message)


def revisions(person: Caller) -> list[str]:
    """Return the earlier texts that this person can read."""
    return [row["content"] for row in person.rows("select content from message_revisions order by revision")]


def test_the_author_edits_his_message_and_admins_keep_the_earlier_texts(
    world: World, kim: Customer, chat: UUID
) -> None:
    message = world.messages(chat)[0]
    edited = edit(kim, message["id"], "hello")
    assert edited["content"] == "hello"
    assert edited["edited_at"] >= message["created_at"]
    assert (edited["id"], edited["seq"], edited["created_at"]) == (message["id"], 1, message["created_at"])
    edit(kim, message["id"], "good day")
    assert revisions(world.admin()) == ["hey", "hello"]
    for person in (kim, world.operator()):
        assert revisions(person) == []


def test_an_edit_to_the_same_text_changes_nothing(world: World, kim: Customer, chat: UUID) -> None:
    message = world.messages(chat)[0]
    with world.unchanged():
        assert edit(kim, message["id"], "hey")["edited_at"] is None


def test_an_edit_changes_neither_state_nor_place(world: World, kim: Customer, chat: UUID) -> None:
    before = world.get(chat)
    edit(kim, world.messages(chat)[0]["id"], "hello")
    assert world.get(chat) == before | {"event_seq": 2, "customer_event_seq": 2}


def test_an_operator_edits_and_deletes_his_own_also_after_his_hold(world: World, kim: Customer, chat: UUID) -> None:
    ana = world.operator()
    world.gives(chat, ana)
    reply = ana.replies(chat)
    assert edit(ana, reply["id"], "hello!")["content"] == "hello!"
    assert delete(ana, reply["id"])["deleted_at"] is not None


def test_only_the_author_edits_and_deletes(world: World, kim: Customer, chat: UUID) -> None:
    ana, ada, gone = world.operator(), world.admin(), world.operator("Gone")
    world.gives(chat, gone)
    reply = gone.replies(chat)
    hers = world.messages(chat)[0]["id"]
    world.owner.does("update operators set is_active = false where id = %s", gone.id)
    stranger = world.stranger()
    for person in (ana, ada, stranger):
        with world.refused("PT404", "message_not_found"):
            edit(person, hers, "forged")
        with world.refused("PT404", "message_not_found"):
            delete(person, hers)
    with world.refused("PT404", "message_not_found"):
        edit(kim, reply["id"], "forged")
    with world.refused("PT403", "operator_inactive"):
        edit(gone, reply["id"], "farewell")
    for unknown in (uuid4(), None):
        with world.refused("PT404", "message_not_found"):
            edit(kim, unknown, "hello")  # type: ignore[arg-type]


def test_a_deleted_message_keeps_its_place_and_loses_its_text(world: World, kim: Customer, chat: UUID) -> None:
    message = kim.writes(chat, "my secret")
    kim.writes(chat, "never mind")
    deleted = delete(kim, message["id"])
    assert (deleted["seq"], deleted["content"]) == (2, "")
    assert deleted["deleted_at"] is not None
    assert [m["seq"] for m in kim.call_all("list_messages", p_chat_id=chat)] == [1, 2, 3]
    ana = world.operator()
    assert [m["content"] for m in ana.call_all("list_messages", p_chat_id=chat)] == ["hey", "", "never mind"]
    assert revisions(world.admin()) == ["my secret"]


def test_deleting_twice_changes_nothing_and_editing_a_deleted_one_is_refused(
    world: World, kim: Customer, chat: UUID
) -> None:
    message = kim.writes(chat)
    delete(kim, message["id"])
    with world.unchanged():
        delete(kim, message["id"])
    with world.refused("PT404", "message_not_found"):
        edit(kim, message["id"], "back again")
    with world.refused("PT404", "message_not_found"):
        world.owner.does("update messages set deleted_at = null, content = 'x' where id = %s", message["id"])


def test_nothing_is_left_of_a_deleted_message_and_more_may_go(world: World, kim: Customer, chat: UUID) -> None:
    message = kim.writes(chat)
    told = "update messages set metadata = jsonb_build_object('card', %s::text) where id = %s"
    world.owner.does(told, "4711", message["id"])
    assert delete(kim, message["id"])["metadata"] == {}
    world.owner.does(told, "none", message["id"])
    assert world.owner.value("select content from messages where id = %s", message["id"]) == ""


# Read


def marks(world: World) -> dict[UUID, int]:
    return {row["reader_id"]: row["seq"] for row in world.owner.rows("select reader_id, seq from read_marks")}


def test_both_sides_mark_what_they_have_read(world: World, kim: Customer, chat: UUID) -> None:
    ana = world.operator()
    world.gives(chat, ana)
    kim.writes(chat)
    kim.call("mark_read", p_chat_id=chat, p_seq=1)
    ana.call("mark_read", p_chat_id=chat, p_seq=2)
    assert marks(world) == {kim.id: 1, ana.id: 2}


def test_a_read_mark_never_goes_back_and_never_past_the_newest_message(world: World, kim: Customer, chat: UUID) -> None:
    kim.writes(chat)
    kim.call("mark_read", p_chat_id=chat, p_seq=0)
    assert marks(world) == {}
    for seq, mark in ((2, 2), (1, 2), (2**62, 2)):
        kim.call("mark_read", p_chat_id=chat, p_seq=seq)
        assert marks(world) == {kim.id: mark}


@pytest.mark.parametrize("seq", [-1, None])
def test_a_read_mark_is_a_number_of_a_message(world: World, kim: Customer, chat: UUID, seq: int | None) -> None:
    with world.refused("PT400", "invalid_argument"):
        kim.call("mark_read", p_chat_id=chat, p_seq=seq)


def test_a_chat_that_one_may_not_see_cannot_be_marked(world: World, chat: UUID) -> None:
    lee = world.customer("Lee")
    for unseen in (chat, uuid4()):
        with world.refused("PT404", "chat_not_found"):
            lee.call("mark_read", p_chat_id=unseen, p_seq=1)


# Paging


@pytest.fixture
def long_chat(world: World, kim: Customer) -> UUID:
    """A chat with 300 messages."""
    chat = world.waiting_chat(created_at=noon())
    world.owner.does("update chats set real_user_id = %s where id = %s", kim.id, chat)
    world.owner.does(
        "insert into messages (chat_id, sender_type, content)"
        " select %s, 'real', n::text from generate_series(1, 300) n",
        chat,
    )
    return chat


BIGGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        ({}, 251, 300),
        ({"p_limit": 1}, 300, 300),
        ({"p_limit": 200}, 101, 300),
        ({"p_after_seq": 0}, 1, 50),
        ({"p_after_seq": 10, "p_limit": 5}, 11, 15),
        ({"p_after_seq": 298}, 299, 300),
        ({"p_after_seq": -5, "p_limit": 2}, 1, 2),
        ({"p_after_seq": -BIGGEST, "p_limit": 2}, 1, 2),
        ({"p_before_seq": 301, "p_limit": 2}, 299, 300),
        ({"p_before_seq": 100, "p_limit": 3}, 97, 99),
        ({"p_before_seq": 3}, 1, 2),
        ({"p_before_seq": BIGGEST, "p_limit": 3}, 298, 300),
        ({"p_around_seq": 100, "p_limit": 5}, 98, 102),
        ({"p_around_seq": 100, "p_limit": 4}, 98, 101),
        ({"p_around_seq": 100, "p_limit": 1}, 100, 100),
    ],
)
def test_a_page_of_messages(
    world: World, kim: Customer, long_chat: UUID, arguments: dict[str, int], first: int, last: int
) -> None:
    page = kim.call_all("list_messages", p_chat_id=long_chat, **arguments)
    assert [m["seq"] for m in page] == list(range(first, last + 1))
    assert [m["content"] for m in page] == [str(n) for n in range(first, last + 1)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_after_seq": 300},
        {"p_after_seq": BIGGEST},
        {"p_before_seq": 1},
        {"p_before_seq": 0},
        {"p_before_seq": -BIGGEST},
    ],
)
def test_a_page_beyond_the_ends_is_empty(
    world: World, kim: Customer, long_chat: UUID, arguments: dict[str, int]
) -> None:
    assert kim.call_all("list_messages", p_chat_id=long_chat, **arguments) == []


@pytest.mark.parametrize("seq", [1, 2, 300, 299])
def test_a_page_around_a_message_near_the_end_shows_it(world: World, kim: Customer, long_chat: UUID, seq: int) -> None:
    page = [m["seq"] for m in kim.call_all("list_messages", p_chat_id=long_chat, p_around_seq=seq, p_limit=5)]
    assert seq in page
    assert page == list(range(page[0], page[-1] + 1))


@pytest.mark.parametrize("seq", [0, -1, -BIGGEST, 301, BIGGEST])
def test_a_page_around_what_is_not_there_is_a_page_all_the_same(
    world: World, kim: Customer, long_chat: UUID, seq: int
) -> None:
    page = [m["seq"] for m in kim.call_all("list_messages", p_chat_id=long_chat, p_around_seq=seq, p_limit=5)]
    assert page == list(range(page[0], page[-1] + 1)) if page else True


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_limit": 0},
        {"p_limit": -1},
        {"p_limit": 201},
        {"p_limit": None},
        {"p_after_seq": 1, "p_before_seq": 2},
        {"p_after_seq": 1, "p_around_seq": 2},
        {"p_before_seq": 1, "p_around_seq": 2},
    ],
)
def test_a_page_out_of_range_is_refused(world: World, kim: Customer, chat: UUID, arguments: dict[str, object]) -> None:
    with world.refused("PT400", "invalid_argument"):
        kim.call_all("list_messages", p_chat_id=chat, **arguments)


def test_an_empty_chat_has_an_empty_page(world: World) -> None:
    chat = world.waiting_chat()
    for arguments in ({}, {"p_after_seq": 0}, {"p_before_seq": 5}, {"p_around_seq": 1}):
        assert world.service.call_all("list_messages", p_chat_id=chat, **arguments) == []


def test_messages_of_an_unknown_chat_or_that_of_another_look_the_same(world: World, chat: UUID) -> None:
    lee = world.customer("Lee")
    for unseen in (chat, uuid4(), None):
        with refused("PT404", "chat_not_found"):
            lee.call_all("list_messages", p_chat_id=unseen)


def pages(person: Caller, **arguments: object) -> list[UUID]:
    """Return the ids of all chats that a person lists page by page."""
    found: list[UUID] = []
    cursor = None
    while page := person.call_all("list_chats", p_cursor=cursor, **arguments):
        found += [chat["id"] for chat in page]
        cursor = found[-1]
    return found


def test_chats_are_listed_page_by_page_newest_first(world: World, kim: Customer) -> None:
    dice = random.Random(2)  # noqa: S311 - a test that can be repeated
    expected = []
    for _ in range(23):
        minutes = dice.randint(0, 3)  # many at the same moment: the id decides
        chat = world.insert("chats", real_user_id=kim.id, created_at=noon(minutes))
        expected.append((minutes, chat))
    newest_first = [chat for _, chat in sorted(expected, reverse=True)]
    world.chat()  # of somebody else
    for limit in (1, 4, 23, 200):
        assert pages(kim, p_limit=limit) == newest_first


def test_chats_are_listed_by_state(world: World, kim: Customer) -> None:
    ana = world.operator(capacity=9)
    chats = {
        state: world.chat(state, ana if state in ("assigned", "waiting_real_user_reply") else None, kim)
        for state in ("waiting_assignment", "assigned", "waiting_real_user_reply", "completed")
    }
    for person in (kim, world.admin(), world.service):
        assert len(pages(person, p_limit=1)) == 4
        for state, chat in chats.items():
            assert pages(person, p_chat_state=state) == [chat]


def test_everyone_lists_what_he_may_see(world: World, kim: Customer) -> None:
    ana, ben = world.operator("Ana"), world.operator("Ben")
    held = world.chat("assigned", ana, kim)
    has_held = world.chat("completed", ben)
    waits = world.chat()
    forgotten = world.chat("completed")
    assert set(pages(world.admin())) == {held, has_held, waits, forgotten}
    assert set(pages(world.service)) == {held, has_held, waits, forgotten}
    assert set(pages(ana)) == {held, waits}
    assert set(pages(ben)) == {has_held, waits}
    assert pages(kim) == [held]
    assert pages(world.stranger()) == []


@pytest.mark.parametrize("arguments", [{"p_limit": 0}, {"p_limit": 201}, {"p_limit": None}])
def test_a_list_out_of_range_is_refused(world: World, kim: Customer, arguments: dict[str, object]) -> None:
    with world.refused("PT400", "invalid_argument"):
        kim.call_all("list_chats", **arguments)


def test_a_cursor_that_one_may_not_see_is_refused(world: World, kim: Customer) -> None:
    for cursor in (world.chat(), uuid4()):
        with world.refused("PT404", "chat_not_found"):
            kim.call_all("list_chats", p_cursor=cursor)


def test_one_chat_is_read_by_those_who_may_see_it(world: World, kim: Customer, chat: UUID) -> None:
    for person in (kim, world.operator(), world.admin(), world.service):
        assert person.call("get_chat", p_chat_id=chat)["id"] == chat
    for person in (world.customer("Lee"), world.stranger()):
        for unseen in (chat, uuid4(), None):
            with refused("PT404", "chat_not_found"):
                person.call("get_chat", p_chat_id=unseen)

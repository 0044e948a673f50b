"""What a person gets who asks for everything that is kept about him, and what he does not."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.sql.helpers import Caller, Customer, World
from tests.sql.replay import staff_in


@pytest.fixture
def kim(world: World) -> Customer:
    """A customer with an account, signed in on one device."""
    return with_account(world, world.customer("Kim"))


def with_account(world: World, customer: Customer) -> Customer:
    """Give a customer an account with one session."""
    world.service.rows(
        "select auth.create_user(%s, 'a hash', false, '{\"colour\": \"blue\"}', %s)",
        f"{customer.id}@shop.example",
        customer.id,
    )
    world.service.rows("select auth.start_session(%s, %s)", customer.id, str(uuid4()))
    return customer


def export(who: Caller, of: UUID | None = None) -> dict[str, Any]:
    data: dict[str, Any] = who.ask("export_user_data", **({"p_user_id": of} if of else {}))
    return data


def test_it_has_all_that_is_kept_about_him(world: World, kim: Customer) -> None:
    ana = world.operator("Ana")
    persona = world.persona("Ava from Support")
    with kim.transaction() as connection:
        connection.execute("select set_config('request.headers', %s, true)", ('{"x-forwarded-for": "192.0.2.7"}',))
        connection.execute(
            "select start_chat('where is it?', %s, %s, %s)", (uuid4(), persona, json.dumps({"page": "/cart"}))
        )
    chat = world.owner.value("select id from chats")
    world.owner.does("update chats set headline = 'An order' where id = %s", chat)
    ana.takes_next()
    ana.replies(chat, "which one?")
    question = kim.writes(chat, "number 41")
    kim.call("edit_message", p_message_id=question["id"], p_content="number 42")
    regretted = kim.writes(chat, "my card is 4111")
    kim.call("delete_message", p_message_id=regretted["id"])
    kim.call("mark_read", p_chat_id=chat, p_seq=2)
    ana.call("mark_read", p_chat_id=chat, p_seq=3)
    kim.call("check_request")
    world.service.rows("select private.open_connection(%s, %s)", uuid4(), kim.id)
    kim.call("rate_chat", p_chat_id=chat, p_score=4, p_comment="quick")
    ticket = kim.call("create_ticket", p_type="support", p_title="A lamp", p_initial_message="It is broken.")["id"]
    world.insert("ticket_messages", ticket_id=ticket, sender_type="operator", sender_id=ana.id, content="Which one?")

    data = export(kim)
    assert data["user_id"] == str(kim.id)
    account = data["account"]
    assert (account["email"], account["is_anonymous"]) == (f"{kim.id}@shop.example", False)
    assert account["user_metadata"] == {"colour": "blue"}
    assert len(account["sessions"]) == 1
    assert (data["customer"]["name"], data["operator"]) == ("Kim", None)
    assert len(data["presence"]["connections"]) == 1
    assert data["presence"]["last_request_at"]
    (told,) = data["chats"]
    assert (told["id"], told["headline"], told["context"]) == (str(chat), "An order", {"page": "/cart"})
    assert (told["ip_address"], told["fictional_user_name"]) == ("192.0.2.7", "Ava from Support")
    assert told["read"] == {"customer": 2, "staff": 3}
    assert (told["rating"]["score"], told["rating"]["comment"]) == (4, "quick")
    (asked,) = data["tickets"]
    assert (asked["title"], asked["contact_name"]) == ("A lamp", "Kim")
    assert [(m["content"], m["sender_id"]) for m in asked["messages"]] == [
        ("It is broken.", str(kim.id)),
        ("Which one?", None),
    ]
    assert [(line["from_state"], line["to_state"]) for line in told["history"]] == [
        (None, "waiting_assignment"),
        ("waiting_assignment", "assigned"),
        ("assigned", "waiting_real_user_reply"),
        ("waiting_real_user_reply", "waiting_assignment"),
    ]
    messages = told["messages"]
    assert [(m["seq"], m["sender_type"], m["content"]) for m in messages] == [
        (1, "real", "where is it?"),
        (2, "operator", "which one?"),
        (3, "real", "number 42"),
        (4, "real", ""),
    ]
    assert [[text["content"] for text in m["earlier"]] for m in messages] == [
        [],
        [],
        ["number 41"],
        ["my card is 4111"],
    ]


def test_every_column_is_told_or_is_the_staffs(world: World, kim: Customer) -> None:
    """A column that is added is exported, unless somebody says here that it is not for the customer."""
    kim.starts()
    kim.call("create_ticket", p_type="support", p_title="A lamp", p_initial_message="It is broken.")
    (told,) = export(kim)["chats"]
    (asked,) = export(kim)["tickets"]
    columns = {
        table: {
            row["name"]
            for row in world.owner.rows(
                "select attname::text as name from pg_attribute"
                " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
                table,
            )
        }
        for table in ("chats", "messages", "real_users", "tickets", "ticket_messages")
    }
    assert columns["chats"] - told.keys() == {
        "real_user_id",
        "assigned_operator_id",
        "last_operator_id",
        "priority",
        "let_go_by",
        "state_since",
        "last_seq",
        "replied_seq",
        "event_seq",
        "customer_event_seq",
    }
    assert columns["messages"] - told["messages"][0].keys() == {"chat_id", "handled_by_operator_id", "owed_since"}
    assert columns["real_users"] - export(kim)["customer"].keys() == {"id"}
    assert columns["tickets"] - asked.keys() == {"real_user_id", "client_message_id", "last_seq"}
    assert columns["ticket_messages"] - asked["messages"][0].keys() == {"ticket_id"}


def test_nothing_of_the_staffs_is_in_it_nor_of_other_customers(world: World, kim: Customer) -> None:
    ana, ben, ada = world.operator("Ana Ipek"), world.operator("Ben Okri"), world.admin("Ada Byron")
    lee = with_account(world, world.customer("Lee"))
    lee.starts("lee's secret")
    world.owner.does("update chats set chat_state = 'completed' where true")
    chat = kim.starts(p_fictional_user_id=world.persona())["id"]
    ana.takes_next()
    ana.transfers(chat, ben, "she is difficult")
    reply = ben.replies(chat, "you are wrong")
    ben.call("edit_message", p_message_id=reply["id"], p_content="let me see")
    ada.reassigns(chat, ana, "a word of the staff")
    ana.notes(chat, "never again", ben)
    for data in (export(kim), export(ada, kim.id), export(world.service, kim.id)):
        assert staff_in(data, world) == []
        (told,) = data["chats"]
        assert told["assignment_time"] is None  # behind a persona nobody is seen to change
        text = json.dumps(data)
        assert not [
            secret
            for secret in (
                "lee's secret",
                "Lee",
                str(lee.id),
                "difficult",
                "you are wrong",
                "a word",
                "never again",
                "a hash",
            )
            if secret in text
        ]


def test_admins_and_the_service_get_what_he_gets(world: World, kim: Customer) -> None:
    kim.starts()
    own, ada = export(kim), world.admin()
    for other in (export(ada, kim.id), export(world.service, kim.id), export(kim, kim.id)):
        assert {**other, "exported_at": None} == {**own, "exported_at": None}


def test_who_never_wrote_gets_what_little_there_is(world: World) -> None:
    stranger = world.stranger()
    data = export(stranger)
    assert (data["account"], data["customer"], data["chats"]) == (None, None, [])
    with_account(world, stranger)
    assert export(stranger)["account"]["email"]


def test_an_operator_gets_his_own_row_and_no_chats_of_others(world: World) -> None:
    ana = world.operator("Ana")
    ana.notes(world.chat("assigned", ana), "difficult")
    assert (export(ana)["operator"]["preferences"], export(ana)["operator"]["quick_responses"]) == (None, [])
    ana.call("set_preferences", p_changes={"theme": "dark"})
    ana.call("save_quick_response", p_shortcut="hi", p_title="Hello", p_content="Hello!")
    world.operator("Ben").call("save_quick_response", p_shortcut="hi", p_title="Hello", p_content="Ben's")
    data = export(ana)
    assert (data["operator"]["name"], data["chats"]) == ("Ana", [])
    assert data["operator"]["preferences"]["theme"] == "dark"
    assert [response["content"] for response in data["operator"]["quick_responses"]] == ["Hello!"]
    assert "difficult" not in json.dumps(data)


def test_whom_nobody_knows_is_not_found(world: World, kim: Customer) -> None:
    ada = world.admin()
    for who in (ada, world.service):
        with world.refused("PT404", "user_not_found"):
            export(who, uuid4())
    world.service.ask("erase_user_data", p_user_id=kim.id)
    with world.refused("PT404", "user_not_found"):
        export(ada, kim.id)
    with world.refused("PT401", "not_signed_in"):
        export(kim)


def test_nobody_gets_somebody_else_s(world: World, kim: Customer) -> None:
    lee, ana, gone = world.customer("Lee"), world.operator("Ana"), world.operator("Gone", is_active=False)
    for who in (lee, ana, world.stranger()):
        with world.refused("PT403", "not_allowed"):
            export(who, kim.id)
    for of in (kim.id, gone.id, None):
        with world.refused("PT403", "operator_inactive"):
            export(gone, of)
    with world.refused("PT401", "not_signed_in"):
        export(world.service)
    with world.refused("42501"):
        export(world.anonymous)


def test_it_is_logged_who_had_it(world: World, kim: Customer) -> None:
    ada = world.admin()
    kim.starts()
    export(kim)
    export(ada, kim.id)
    rows = world.owner.rows("select * from audit_log where action = 'user.exported' order by id")
    assert [(row["actor_id"], row["actor_kind"], row["subject_id"]) for row in rows] == [
        (kim.id, "customer", kim.id),
        (ada.id, "admin", kim.id),
    ]
    assert rows[0]["detail"] == {"chats": 1}


@pytest.mark.one_postgres
def test_ten_thousand_messages_are_no_trouble(world: World, kim: Customer) -> None:
    chats = [world.chat(customer=kim) for _ in range(4)]
    for chat in chats:
        world.floods(chat, 2499)
    world.owner.does("update messages set content = content || '.' where chat_id = %s", chats[0])
    with kim.transaction() as connection:
        connection.execute("set local statement_timeout = '30 s'")
        row = connection.execute("select export_user_data() as data").fetchone()
    assert row is not None
    assert sum(len(chat["messages"]) for chat in row["data"]["chats"]) == 10_000
    assert sum(len(m["earlier"]) for chat in row["data"]["chats"] for m in chat["messages"]) == 2500

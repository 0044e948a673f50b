"""Tickets: who makes and sees them, and how their status moves."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from tests.sql.helpers import NOON, Customer, World, refused


def asks(customer: Customer, title: str = "A lamp is broken", **arguments: Any) -> DictRow:
    """Make a ticket."""
    return customer.call("create_ticket", p_type="support", p_title=title, **arguments)


def ticket_of(world: World, ticket_id: UUID) -> DictRow:
    return world.owner.row("select * from tickets where id = %s", ticket_id)


def test_a_customer_asks_for_something_and_the_staff_find_it(world: World) -> None:
    kim, ana = world.customer("Kim"), world.operator()
    context = {"page": "/lamps", "contact_name": "Kim Lee", "contact_email": "kim@shop.example"}
    ticket = asks(kim, "  The lamp ", p_initial_message="It is broken.", p_context=context)
    assert (ticket["title"], ticket["type"], ticket["status"], ticket["priority"]) == (
        "The lamp",
        "support",
        "open",
        "medium",
    )
    # How he is reached is in one place.
    assert (ticket["contact_name"], ticket["contact_email"]) == ("Kim Lee", "kim@shop.example")
    assert ticket["context"] == {"page": "/lamps"}
    for who in (kim, ana, world.service):
        assert who.call("get_ticket", p_ticket_id=ticket["id"]) == ticket
        (message,) = who.call_all("list_ticket_messages", p_ticket_id=ticket["id"])
        assert (message["seq"], message["sender_type"], message["content"]) == (1, "real", "It is broken.")
        assert [row["id"] for row in who.call_all("list_tickets")] == [ticket["id"]]
    assert world.owner.value("select count(*) from private.events where event = 'ticket.changed'") > 0


def test_it_needs_no_message_and_knows_what_the_customer_has_said_of_himself(world: World) -> None:
    kim = world.stranger()
    kim.call("introduce_myself", p_name="Kim", p_email="kim@shop.example")
    ticket = asks(kim, p_context={"contact_name": " "})
    assert (ticket["contact_name"], ticket["contact_email"]) == ("Kim", "kim@shop.example")
    assert kim.call_all("list_ticket_messages", p_ticket_id=ticket["id"]) == []


def test_a_retry_makes_no_second_one(world: World) -> None:
    kim, key = world.customer(), uuid4()
    first = asks(kim, p_initial_message="hello", p_client_message_id=key)
    assert asks(kim, p_initial_message="hello", p_client_message_id=key) == first
    for title, content in (("Another", "hello"), ("A lamp is broken", "other words"), ("A lamp is broken", None)):
        with world.refused("PT409", "client_message_id_reused"):
            asks(kim, title, p_initial_message=content, p_client_message_id=key)
    assert asks(world.customer(), p_client_message_id=key)["id"] != first["id"]


def test_nobody_sees_the_tickets_of_others(world: World) -> None:
    kim, lee, gone = world.customer("Kim"), world.customer("Lee"), world.operator(is_active=False)
    ticket = asks(kim, p_initial_message="my number is 0170 555")
    for who in (lee, world.stranger(), gone):
        assert who.call_all("list_tickets") == []
        for function in ("get_ticket", "list_ticket_messages"):
            with refused("PT404", "ticket_not_found"):
                who.call_all(function, p_ticket_id=ticket["id"])
        with refused("PT404", "ticket_not_found"):
            who.call_all("list_tickets", p_cursor=ticket["id"])
    with refused("42501"):
        world.anonymous.call_all("list_tickets")


def test_its_customer_does_not_see_who_of_the_staff_wrote(world: World) -> None:
    kim, ana = world.customer(), world.operator()
    ticket = asks(kim, p_initial_message="hello")["id"]
    world.insert("ticket_messages", ticket_id=ticket, sender_type="operator", sender_id=ana.id, content="hi")
    assert [row["sender_id"] for row in kim.call_all("list_ticket_messages", p_ticket_id=ticket)] == [kim.id, None]
    assert [row["sender_id"] for row in ana.call_all("list_ticket_messages", p_ticket_id=ticket)] == [kim.id, ana.id]


def test_they_are_listed_page_by_page_newest_first(world: World) -> None:
    world.clock(NOON)
    kim = world.customer(speaks_as=None)
    kim.role = None
    made = []
    for minutes in range(4):
        world.clock(NOON + timedelta(minutes=minutes))
        made.append(asks(kim, f"number {minutes}")["id"])
    world.owner.does("update tickets set status = 'closed' where id = %s", made[1])
    ana = world.operator()
    first = [row["id"] for row in ana.call_all("list_tickets", p_limit=2)]
    rest = [row["id"] for row in ana.call_all("list_tickets", p_limit=10, p_cursor=first[-1])]
    assert first + rest == made[::-1]
    assert [row["id"] for row in ana.call_all("list_tickets", p_status="closed")] == [made[1]]


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("type", {"p_type": "complaint"}),
        ("type", {"p_type": None}),
        ("title", {"p_title": "  "}),
        ("title", {"p_title": "x" * 201}),
        ("title", {"p_title": None}),
        ("contact_email", {"p_context": {"contact_email": "kim"}}),
        ("contact_email", {"p_context": {"contact_email": ["kim@shop.example"]}}),
        ("contact_name", {"p_context": {"contact_name": "x" * 201}}),
        ("p_context", {"p_context": Jsonb([])}),
        ("p_context", {"p_context": None}),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(world: World, field: str, arguments: dict[str, Any]) -> None:
    kim = world.customer()
    with world.unchanged(), pytest.raises(Exception, match=rf"HINT:  {field}\b"):
        kim.call("create_ticket", **{"p_type": "support", "p_title": "A lamp", **arguments})


def test_a_message_has_words_and_a_context_its_bounds(world: World) -> None:
    kim = world.customer()
    with world.refused("PT400", "content_empty"):
        asks(kim, p_initial_message="")
    with world.refused("PT400", "content_too_long"):
        asks(kim, p_initial_message="x" * 65537)
    with world.refused("PT413", "too_large"):
        asks(kim, p_context={"page": "x" * 17000})
    for arguments in ({"p_limit": 0}, {"p_limit": None}, {"p_status": "new"}):
        with world.refused("PT400", "invalid_argument"):
            kim.call_all("list_tickets", **arguments)


def test_operators_make_none(world: World) -> None:
    ana = world.operator()
    with world.refused("PT403", "not_allowed"):
        ana.call("create_ticket", p_type="support", p_title="mine")


# Status


MOVES = {
    "open": {"in-progress", "resolved", "closed"},
    "in-progress": {"open", "resolved", "closed"},
    "resolved": {"open", "closed"},
    "closed": set(),
}


def test_a_status_moves_as_it_may_and_says_since_when_it_is_resolved(world: World) -> None:
    customer = world.customer()
    for before, allowed in MOVES.items():
        for after in MOVES.keys() - {before}:
            world.clock(NOON)
            ticket = world.insert("tickets", real_user_id=customer.id, type="support", title="x", status=before)
            was = ticket_of(world, ticket)
            assert was["resolved_at"] == (NOON if before == "resolved" else None)
            world.clock(NOON + timedelta(hours=1))
            change = "update tickets set status = %s where id = %s"
            if after not in allowed:
                with world.refused("PT409", "transition_refused"):
                    world.owner.does(change, after, ticket)
                continue
            world.owner.does(change, after, ticket)
            now = ticket_of(world, ticket)
            expected = {"resolved": NOON + timedelta(hours=1), "closed": was["resolved_at"]}.get(after)
            assert (now["status"], now["resolved_at"]) == (after, expected), f"{before} to {after}"
            assert now["updated_at"] == NOON + timedelta(hours=1)


def test_a_customers_message_reopens_a_resolved_one_and_a_closed_one_takes_none(world: World) -> None:
    kim = world.customer()
    ticket = asks(kim, p_initial_message="hello")["id"]
    write = "insert into ticket_messages (ticket_id, sender_type, content) values (%s, %s, 'and?')"
    world.owner.does("update tickets set status = 'resolved' where id = %s", ticket)
    world.owner.does(write, ticket, "operator")
    assert ticket_of(world, ticket)["status"] == "resolved"
    world.owner.does(write, ticket, "real")
    now = ticket_of(world, ticket)
    assert (now["status"], now["resolved_at"], now["last_seq"]) == ("open", None, 3)
    world.owner.does("update tickets set status = 'closed' where id = %s", ticket)
    with world.refused("PT409", "ticket_closed"):
        world.owner.does(write, ticket, "real")
    with world.refused("PT404", "ticket_not_found"):
        world.owner.does(write, uuid4(), "real")


def test_a_link_has_one_other_end_and_is_there_once(world: World) -> None:
    kim = world.customer()
    low, high = sorted(asks(kim)["id"] for _ in range(2))
    chat = world.chat(customer=kim)
    world.insert("ticket_links", ticket_id=low, other_ticket_id=high)
    world.insert("ticket_links", ticket_id=low, chat_id=chat)
    for sqlstate, link in (
        ("23514", {}),
        ("23514", {"other_ticket_id": high, "chat_id": chat}),
        ("23514", {"other_ticket_id": low}),
        ("23505", {"other_ticket_id": high}),
        ("23505", {"chat_id": chat}),
    ):
        with world.refused(sqlstate):
            world.insert("ticket_links", ticket_id=low, **link)
    with world.refused("23514", "ticket_links_lower_first"):
        world.insert("ticket_links", ticket_id=high, other_ticket_id=low)


# How long they are kept


def test_what_was_settled_long_ago_is_erased_when_an_admin_says_so(world: World) -> None:
    world.set("ticket_retention_days", 30)
    world.clock(datetime(2026, 1, 1, tzinfo=UTC))
    kim = world.customer()
    kept = world.insert("tickets", real_user_id=kim.id, type="support", title="x")
    for status in ("resolved", "closed"):
        world.insert("tickets", real_user_id=kim.id, type="support", title="x", status=status)
    late = world.insert("tickets", real_user_id=kim.id, type="support", title="x", status="resolved")
    world.clock(datetime(2026, 1, 20, tzinfo=UTC))
    world.owner.does("update tickets set status = 'closed' where id = %s", late)
    world.clock(datetime(2026, 2, 2, tzinfo=UTC))
    assert world.owner.value("select private.run_retention()") == 2
    assert {row["id"] for row in world.owner.rows("select id from tickets")} == {kept, late}


def test_a_visitor_who_left_a_ticket_stays_and_one_who_only_said_his_name_goes(world: World) -> None:
    world.clock(datetime(2026, 1, 1, tzinfo=UTC))
    asker, passer, known = (Customer(world.owner.connection, None, uuid4()) for _ in range(3))
    for visitor in (asker, passer):
        visitor.claims["is_anonymous"] = True
        visitor.call("introduce_myself", p_name="Kim")
    asks(asker)
    world.insert("real_users", id=known.id, name="Lee", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    # The clock of the row is the database's own.
    world.owner.does("update real_users set created_at = '2026-01-01' where true")
    world.clock(datetime(2026, 2, 2, tzinfo=UTC))
    assert world.owner.value("select private.run_retention()") == 1
    assert {row["id"] for row in world.owner.rows("select id from real_users")} == {asker.id, known.id}

"""Search: what is found by words, what of it is shown to whom, and by which index."""

import re
from uuid import UUID

import pytest

from tests.sql.helpers import STATES, Caller, World, noon, refused

WAITING, ASSIGNED, WAITING_REPLY, COMPLETED = STATES


def found(caller: Caller, query: str, **arguments: object) -> list[tuple[str, UUID]]:
    """Search, and return kind and id of what is found, in its order."""
    rows = caller.call_all("search", p_query=query, **arguments)
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    return [(row["kind"], row["id"]) for row in rows]


@pytest.mark.parametrize(
    ("content", "query"),
    [
        ("Where is my order?", "order"),
        ("Where is my order?", "ORD whe"),
        ("It is order-1042.", "1042"),
        ("It is order-1042.", "order-1042"),
        ("Write to kim@shop.example!", "shop"),
        ("see https://shop.example/carts/77?x=1", "carts 77"),
        ("أين طلبي؟", "طلب"),
        ("Ich hätte gern die äpfel", "äpf"),
        ("50% off, isn't it?", "isn't 50"),
        ("it's 'quoted' & \\ ! <-> :* | ()", "quoted ' & \\ ! <-> :* | ()"),
        ("a b c", "b"),
    ],
)
def test_words_and_beginnings_of_words_are_found(world: World, content: str, query: str) -> None:
    chat = world.chat()
    message = world.writes(chat, content)
    assert found(world.owner, query) == [("message", message)]


@pytest.mark.parametrize("query", ["rder", "order please", "b", "", "!?", "' | order"])
def test_what_has_not_all_the_words_is_not_found(world: World, query: str) -> None:
    world.writes(world.chat(), "Where is my big order?")
    assert found(world.owner, query) == ([("message", world.messages(_only(world))[1]["id"])] if "|" in query else [])


def _only(world: World) -> UUID:
    chat: UUID = world.owner.value("select id from chats")
    return chat


def test_a_row_says_where_it_is_and_shows_the_words(world: World) -> None:
    chat = world.chat()
    world.writes(chat, "word " * 100 + "the needle\n\nis here " + "word " * 100)
    (row,) = world.owner.call_all("search", p_query="need")
    assert (row["chat_id"], row["seq"], row["title"]) == (chat, 2, "Kim")
    assert "the needle is here" in row["snippet"]
    assert len(row["snippet"]) <= 160


@pytest.fixture
def _noon(world: World) -> None:
    world.clock(noon())


@pytest.mark.usefixtures("_noon")
def test_of_each_kind_the_newest_comes_first_and_none_hides_another(world: World) -> None:
    kim = world.customer("Kim Needle")
    chat = world.chat(customer=kim, headline="needles")
    messages = []
    lee = world.customer("Lee Needle")
    world.owner.does("update real_users set created_at = %s where id = %s", noon(-5), lee.id)
    for minutes in range(5):
        world.clock(noon(minutes))
        messages.append(world.writes(chat, "needle"))
    newest, *others = [("message", message) for message in reversed(messages)]
    everything = [("customer", kim.id), ("chat", chat), newest, ("customer", lee.id), *others]
    assert found(world.owner, "needle") == everything
    assert found(world.owner, "needle", p_limit=3) == everything[:3]
    for kind in ("customer", "chat", "message"):
        assert found(world.owner, "needle", p_kind=kind) == [row for row in everything if row[0] == kind]
    assert found(world.owner, "needle", p_kind="ticket") == []


def test_everyone_finds_what_he_may_see(world: World) -> None:
    ana, ben, kim, lee = world.operator("Ana"), world.operator("Ben"), world.customer("Kim"), world.customer("Lee")
    waiting = world.chat(WAITING, None, lee, headline="needle")
    mine = world.chat(COMPLETED, ana, kim, headline="needle")
    for chat in (mine, waiting):
        world.owner.does("update messages set content = 'a needle' where chat_id = %s", chat)

    def chats(caller: Caller, query: str = "needle") -> set[tuple[str, UUID]]:
        return {(row["kind"], row["chat_id"]) for row in caller.call_all("search", p_query=query)}

    both = {("chat", mine), ("message", mine), ("chat", waiting), ("message", waiting)}
    for caller in (ana, world.admin(), world.service):
        assert chats(caller) == both
    assert chats(ben) == {("chat", waiting), ("message", waiting)}  # he has never had Kim's
    assert chats(kim) == {("chat", mine), ("message", mine)}
    assert chats(world.stranger()) == chats(world.operator("Gone", is_active=False)) == set()
    # Nor is the newest message looked at for him: it would take the place of one that he may see.
    assert [row["chat_id"] for row in ben.call_all("search", p_query="needle", p_kind="message", p_limit=1)] == [
        waiting
    ]
    # Customers are found by staff who may see a chat of theirs, and by admins.
    assert (chats(ana, "kim"), chats(ben, "kim"), chats(kim, "kim")) == ({("customer", mine)}, set(), set())
    nobody = world.customer("Noor")
    assert found(world.admin(), "noor") == [("customer", nobody.id)]
    assert found(ana, "noor") == []
    with refused("42501"):
        world.anonymous.call_all("search", p_query="needle")


def test_notes_and_tickets_are_found_by_those_who_may_see_them(world: World) -> None:
    ana, ben, kim = world.operator("Ana"), world.operator("Ben"), world.customer("Kim")
    chat = world.chat(ASSIGNED, ana, kim)
    note = ana.notes(chat, "He is a needle.")
    gone = ana.notes(chat, "Not a needle.")
    ana.call("delete_note", p_note_id=gone["id"])
    mine = kim.call("create_ticket", p_type="support", p_title="A needle", p_initial_message="It is lost.")
    theirs = world.customer("Lee").call(
        "create_ticket",
        p_type="support",
        p_title="Thread",
        p_context={"contact_name": "Needle", "contact_email": "lee@example.com"},
    )
    tickets = {("ticket", mine["id"]), ("ticket", theirs["id"])}
    for caller in (ana, world.admin()):
        assert set(found(caller, "needle")) == tickets | {("note", note["id"])}
    assert set(found(ben, "needle")) == tickets  # he has never had Kim's chat
    assert found(kim, "needle") == [("ticket", mine["id"])]
    assert found(ben, "lee", p_kind="ticket") == [("ticket", theirs["id"])]
    assert found(world.stranger(), "needle") == []


def test_a_deleted_message_is_not_found_an_edited_one_by_its_new_words(world: World) -> None:
    chat = world.chat()
    first, second = world.writes(chat, "needle one"), world.writes(chat, "needle two")
    world.owner.does("update messages set deleted_at = now() where id = %s", first)
    world.owner.does("update messages set content = 'thread two' where id = %s", second)
    assert found(world.owner, "needle") == []
    assert found(world.owner, "thread") == [("message", second)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_query": None},
        {"p_query": "x" * 201},
        {"p_query": "x", "p_kind": "cat"},
        {"p_query": "x", "p_limit": 0},
        {"p_query": "x", "p_limit": 101},
        {"p_query": "x", "p_limit": None},
    ],
    ids=lambda arguments: str(arguments)[:40],
)
def test_what_cannot_be_searched_is_refused(world: World, arguments: dict[str, object]) -> None:
    with refused("PT400", "invalid_argument"):
        world.customer().call_all("search", **arguments)


def test_every_query_has_the_expression_of_the_indexes(world: World) -> None:
    """Where they differ, every row is read."""
    rows = world.owner.rows(
        "select indexdef as text from pg_indexes where indexname like 'idx\\_%%\\_words'"
        " union all select prosrc from pg_proc where prosrc like '%%regexp_replace(lower(%%'"
    )
    texts = [row["text"] for row in rows]
    blanks = [re.findall(r"regexp_replace\(lower\(.*?'(\[.*?\])'", text) for text in texts]
    assert len(blanks) >= 5 + 7
    assert all(blanks)
    assert len({blank for found in blanks for blank in found}) == 1


WORDS = ("idx_messages_words", "idx_chats_words", "idx_real_users_words", "idx_chat_notes_words", "idx_tickets_words")


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        ("select * from search('needle')", WORDS),
        ("""select * from list_console_chats('{"text": "needle"}')""", WORDS[1:3]),
    ],
    ids=["search", "list_console_chats"],
)
def test_the_words_are_looked_up(world: World, query: str, indexes: tuple[str, ...]) -> None:
    with world.owner.transaction() as connection:
        connection.execute("set local enable_seqscan = off")
        connection.execute(query)
        for index in indexes:
            row = connection.execute("select pg_stat_get_xact_numscans(%s::regclass) as scans", (index,)).fetchone()
            assert row is not None
            assert row["scans"] > 0, index

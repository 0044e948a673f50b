"""Notes: the staff's alone, told to the staff alone, and mentions that open no chat."""

from typing import NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.sql.helpers import Caller, Customer, Operator, World, noon, refused
from tests.sql.replay import Audience, events, staff_in


class Scene(NamedTuple):
    """Kim's chat that Ana holds and Ben held before; Cleo never had to do with it."""

    world: World
    kim: Customer
    ana: Operator
    ben: Operator
    cleo: Operator
    ada: Operator
    chat: UUID

    def mentions(self, who: Operator) -> list[str]:
        """Return what the notes say that mention somebody and that he has not read."""
        return [row["content"] for row in who.call_all("list_mentions")]

    def contents(self, who: Caller) -> list[str]:
        """Return what the notes of the chat say, as somebody gets them."""
        return [row["content"] for row in who.call_all("list_notes", p_chat_id=self.chat)]


@pytest.fixture
def scene(world: World) -> Scene:
    kim, ana, ben, cleo = world.customer("Kim"), world.operator("Ana"), world.operator("Ben"), world.operator("Cleo")
    chat = world.chat("assigned", ben, kim)
    ben.transfers(chat, ana)
    return Scene(world, kim, ana, ben, cleo, world.admin("Ada"), chat)


@pytest.mark.parametrize("state", ["waiting_assignment", "assigned", "waiting_real_user_reply", "completed"])
def test_a_note_changes_nothing_in_its_chat_but_the_number_of_the_staffs_events(world: World, state: str) -> None:
    ana = world.operator("Ana")
    chat = world.chat(state, None if state == "waiting_assignment" else ana)
    before = world.get(chat)
    note = ana.notes(chat, "an order of last year")
    assert (note["chat_id"], note["author_id"], note["content"]) == (chat, ana.id, "an order of last year")
    assert world.get(chat) == {**before, "event_seq": before["event_seq"] + 1}
    (listed,) = ana.call_all("list_notes", p_chat_id=chat)
    assert listed == {**note, "author_name": "Ana"}


def test_the_staff_are_told_of_notes_and_the_customer_of_nothing_not_even_a_gap(scene: Scene) -> None:
    staff, customer = Audience(scene.ada, scene.chat), Audience(scene.kim, scene.chat)
    note = scene.ana.notes(scene.chat, "he is ill", scene.ben)
    scene.ana.call("edit_note", p_note_id=note["id"], p_content="he is very ill")
    scene.ana.call("edit_note", p_note_id=note["id"], p_content="he is very ill")  # nothing new
    scene.ana.notes(scene.chat, "send flowers")
    told = staff.told()
    assert [event["event"] for event in told] == ["note.created", "note.edited", "note.created"]
    # As it is now, whatever it was.
    assert {event["detail"]["content"] for event in told[:2]} == {"he is very ill"}
    assert {event["detail"]["author_name"] for event in told} == {"Ana"}
    scene.ada.call("delete_note", p_note_id=note["id"])
    (deleted,) = staff.told()
    assert (deleted["event"], deleted["detail"]["content"], deleted["detail"]["mentions"]) == ("note.deleted", "", [])
    assert customer.told() == []
    scene.kim.writes(scene.chat)
    (written,) = customer.told()
    assert staff_in(written, scene.world) == []
    staff.told_from_the_beginning()


def test_notes_come_page_by_page_from_the_newest(scene: Scene) -> None:
    written: list[UUID] = []
    for minute in (0, 1, 1, 1, 2, 3):  # some at the same moment
        scene.world.clock(noon(minute))
        written.append(scene.ana.notes(scene.chat, str(len(written)))["id"])
    scene.ana.call("delete_note", p_note_id=written[4])

    def page(**arguments: object) -> list[UUID]:
        return [row["id"] for row in scene.ana.call_all("list_notes", p_chat_id=scene.chat, **arguments)]

    whole = page()
    assert set(whole) == {*written} - {written[4]}
    assert page(p_limit=2) == whole[-2:]
    assert page(p_limit=2, p_before_id=whole[-2]) == whole[1:3]
    assert page(p_limit=2, p_before_id=whole[1]) == whole[:1]
    assert page(p_before_id=whole[0]) == []
    assert page(p_before_id=written[4]) == whole[:-1]  # what is deleted keeps its place
    other = scene.ada.notes(scene.world.chat())["id"]
    for before in (other, uuid4()):
        with refused("PT404", "note_not_found"):
            page(p_before_id=before)
    for limit in (0, 201, None):
        with refused("PT400", "invalid_argument"):
            page(p_limit=limit)


def test_a_screen_begins_with_the_newest_notes(scene: Scene) -> None:
    def begins() -> tuple[list[str], bool]:
        extras = scene.ana.ask("get_chat_extras", p_chat_id=scene.chat)
        return [note["content"] for note in extras["notes"]], extras["has_older_notes"]

    for number in range(50):
        scene.ana.notes(scene.chat, str(number))
    assert begins() == ([str(number) for number in range(50)], False)
    last = scene.ana.notes(scene.chat, "50")["id"]
    assert begins() == ([str(number) for number in range(1, 51)], True)
    scene.ana.call("delete_note", p_note_id=last)
    assert begins()[1] is False


def test_a_customer_neither_reads_nor_writes_notes(scene: Scene) -> None:
    note = scene.ana.notes(scene.chat, "difficult")
    for deed in (
        lambda: scene.contents(scene.kim),
        lambda: scene.kim.call("add_note", p_chat_id=scene.chat, p_content="x", p_client_note_id=uuid4()),
        lambda: scene.kim.call("edit_note", p_note_id=note["id"], p_content="x"),
        lambda: scene.kim.call("delete_note", p_note_id=note["id"]),
        lambda: scene.mentions(scene.kim),  # type: ignore[arg-type]
        lambda: scene.kim.call("read_mentions", p_chat_id=scene.chat),
    ):
        with scene.world.refused("PT403", "not_allowed"):
            deed()
    assert scene.kim.ask("get_chat_extras", p_chat_id=scene.chat).keys() == {"face"}
    assert "difficult" not in str(scene.kim.ask("export_user_data"))


def test_only_who_may_see_the_chat_has_to_do_with_its_notes(scene: Scene) -> None:
    note = scene.ana.notes(scene.chat, "difficult")
    for name in ("list_notes", "get_chat_extras", "read_mentions"):
        with scene.world.refused("PT404", "chat_not_found"):
            scene.cleo.call_all(name, p_chat_id=scene.chat)
    with scene.world.refused("PT404", "chat_not_found"):
        scene.cleo.notes(scene.chat)
    for name, more in (("edit_note", {"p_content": "x"}), ("delete_note", {})):
        with scene.world.refused("PT404", "note_not_found"):
            scene.cleo.call(name, p_note_id=note["id"], **more)
    assert (
        scene.contents(scene.ben) == scene.contents(scene.ada) == scene.contents(scene.world.service) == ["difficult"]
    )
    scene.world.owner.does("update operators set is_active = false where id = %s", scene.ana.id)
    with scene.world.refused("PT403", "operator_inactive"):
        scene.ana.notes(scene.chat)
    with scene.world.refused("PT401", "not_signed_in"):
        scene.world.service.call("add_note", p_chat_id=scene.chat, p_content="x", p_client_note_id=uuid4())


def test_its_author_edits_a_note_and_an_admin_may_delete_it(scene: Scene) -> None:
    note = scene.ana.notes(scene.chat, "one")["id"]
    for who in (scene.ben, scene.ada):
        with scene.world.refused("PT403", "not_allowed"):
            who.call("edit_note", p_note_id=note, p_content="two")
    with scene.world.refused("PT403", "not_allowed"):
        scene.ben.call("delete_note", p_note_id=note)
    edited = scene.ana.call("edit_note", p_note_id=note, p_content="two")
    assert edited["content"] == "two"
    assert edited["edited_at"]
    deleted = scene.ada.call("delete_note", p_note_id=note)
    assert (deleted["content"], deleted["mentions"]) == ("", [])
    assert scene.contents(scene.ana) == []
    with scene.world.unchanged():
        assert scene.ada.call("delete_note", p_note_id=note) == deleted
    with scene.world.refused("PT404", "note_not_found"):
        scene.ana.call("edit_note", p_note_id=note, p_content="three")
    row = scene.world.owner.row("select * from audit_log where action = 'note.deleted'")
    assert (row["actor_id"], row["subject_id"], row["detail"]) == (scene.ada.id, scene.ana.id, {"note_id": str(note)})
    scene.ana.call("delete_note", p_note_id=scene.ana.notes(scene.chat)["id"])
    assert scene.world.owner.value("select count(*) from audit_log where action = 'note.deleted'") == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "content_empty"), (None, "content_empty"), ("é" * 8193, "content_too_long")],
    ids=["empty", "null", "too long"],
)
def test_a_note_has_1_to_16384_bytes(scene: Scene, content: str | None, code: str) -> None:
    note = scene.ana.notes(scene.chat, "é" * 8192)
    with scene.world.refused("PT400", code):
        scene.ana.call("add_note", p_chat_id=scene.chat, p_content=content, p_client_note_id=uuid4())
    with scene.world.refused("PT400", code):
        scene.ana.call("edit_note", p_note_id=note["id"], p_content=content)


def test_the_same_note_again_is_the_same_note(scene: Scene) -> None:
    key = uuid4()
    note = scene.ana.notes(scene.chat, "once", scene.ben, client_note_id=key)
    other = scene.world.chat()
    with scene.world.unchanged():
        assert scene.ana.notes(scene.chat, "once", scene.ben, client_note_id=key) == note
    for chat, content, mentioned in (
        (scene.chat, "twice", [scene.ben]),
        (other, "once", [scene.ben]),
        (scene.chat, "once", []),
    ):
        with scene.world.refused("PT409", "client_message_id_reused"):
            scene.ana.notes(chat, content, *mentioned, client_note_id=key)
    # Also when the first answer was late: who was mentioned has gone, the author has edited it.
    scene.world.owner.does("update operators set is_active = false where id = %s", scene.ben.id)
    assert scene.ana.notes(scene.chat, "once", scene.ben, client_note_id=key) == note
    edited = scene.ana.call("edit_note", p_note_id=note["id"], p_content="at last")
    assert scene.ana.notes(scene.chat, "once", scene.ben, client_note_id=key) == edited
    assert scene.ben.id in edited["mentions"]  # stays mentioned
    # Another author's id is another id.
    assert scene.ada.notes(scene.chat, "once", client_note_id=key)["id"] != note["id"]


# Mentions


def test_who_is_mentioned_finds_it_until_he_has_read_it(scene: Scene) -> None:
    scene.ana.notes(scene.chat, "Ben, you know her?", scene.ben, scene.ben, scene.ana)
    assert scene.mentions(scene.ana) == []  # she wrote it herself
    assert scene.ben.ask("get_operator_inbox")["mentions"] == 1
    (row,) = scene.ben.call_all("list_mentions")
    assert (row["chat_id"], row["author_name"], row["read_at"]) == (scene.chat, "Ana", None)
    scene.ben.call("read_mentions", p_chat_id=scene.chat)
    assert (scene.mentions(scene.ben), scene.ben.ask("get_operator_inbox")["mentions"]) == ([], 0)
    (read,) = scene.ben.call_all("list_mentions", p_unread_only=False)
    assert read["read_at"]
    scene.ana.notes(scene.chat, "Ben?", scene.ben)
    assert scene.mentions(scene.ben) == ["Ben?"]


def test_a_mention_follows_its_note(scene: Scene) -> None:
    note = scene.ana.notes(scene.chat, "look", scene.ben)["id"]
    scene.ben.call("read_mentions", p_chat_id=scene.chat)
    scene.ana.call("edit_note", p_note_id=note, p_content="look here")
    assert scene.mentions(scene.ben) == []  # he has read it
    scene.ana.call("edit_note", p_note_id=note, p_content="look", p_mentions=[scene.ada.id])
    assert (scene.mentions(scene.ada), scene.ben.call_all("list_mentions", p_unread_only=False)) == (["look"], [])
    scene.ana.call("delete_note", p_note_id=note)
    assert scene.mentions(scene.ada) == []


def test_a_mention_opens_no_chat(scene: Scene) -> None:
    waiting = scene.world.chat()
    left = scene.world.operator("Left", is_active=False)
    for whom in (scene.cleo.id, scene.kim.id, left.id, uuid4(), None):
        with scene.world.refused("PT409", "mention_refused"):
            scene.ana.call(
                "add_note",
                p_chat_id=scene.chat,
                p_content="x",
                p_client_note_id=uuid4(),
                p_mentions=[scene.ben.id, whom],
            )
    note = scene.ana.notes(scene.chat)
    with scene.world.refused("PT409", "mention_refused"):
        scene.ana.call("edit_note", p_note_id=note["id"], p_content="x", p_mentions=[scene.cleo.id])
    with scene.world.refused("PT400", "invalid_argument"):
        scene.ana.call(
            "add_note",
            p_chat_id=scene.chat,
            p_content="x",
            p_client_note_id=uuid4(),
            p_mentions=[uuid4() for _ in range(51)],
        )
    # Who may see it while it waits may be mentioned, and loses sight of the mention with the chat.
    scene.ana.notes(waiting, "for Cleo?", scene.cleo)
    assert (scene.mentions(scene.cleo), scene.cleo.ask("get_operator_inbox")["mentions"]) == (["for Cleo?"], 1)
    scene.ada.reassigns(waiting, scene.ben)
    assert (scene.mentions(scene.cleo), scene.cleo.ask("get_operator_inbox")["mentions"]) == ([], 0)


def test_relays_are_told_whose_mentions_have_changed(scene: Scene) -> None:
    def told() -> set[UUID]:
        ids = {
            row["person_id"]
            for row in scene.world.owner.rows("select person_id from private.events where event = 'mention.changed'")
        }
        scene.world.owner.does("delete from private.events where event = 'mention.changed'")
        return ids

    note = scene.ana.notes(scene.chat, "look", scene.ben)["id"]
    assert told() == {scene.ben.id}
    scene.ana.call("edit_note", p_note_id=note, p_content="look here", p_mentions=[scene.ben.id])
    assert told() == set()
    scene.ana.call("edit_note", p_note_id=note, p_content="look", p_mentions=[scene.ada.id])
    assert told() == {scene.ben.id, scene.ada.id}
    for expected in ({scene.ada.id}, set()):
        scene.ada.call("read_mentions", p_chat_id=scene.chat)
        assert told() == expected


# Plain SQL


def test_a_plain_write_obeys_too(scene: Scene) -> None:
    world, staff = scene.world, Audience(scene.ada, scene.chat)
    insert = "insert into chat_notes (chat_id, author_id, content, mentions) values (%s, %s, %s, %s) returning id"
    note = world.service.value(insert, scene.chat, scene.ana.id, "plainly", [scene.ben.id, scene.ben.id])
    assert scene.mentions(scene.ben) == ["plainly"]
    world.service.does("update chat_notes set content = 'in other words' where id = %s", note)
    assert [event["event"] for event in staff.told()] == ["note.created", "note.edited"]
    with world.refused("PT409", "mention_refused"):
        world.service.value(insert, scene.chat, scene.ana.id, "x", [scene.cleo.id])
    with world.refused("PT400", "content_empty"):
        world.service.does("update chat_notes set content = '' where id = %s", note)
    with world.refused("PT409", "transition_refused"):
        world.service.does("update chat_notes set author_id = %s where id = %s", scene.ben.id, note)
    with world.refused("PT409", "transition_refused"):
        world.owner.does("delete from chat_notes where id = %s", note)
    world.service.does("update chat_notes set deleted_at = now() where id = %s", note)
    assert [event["event"] for event in staff.told()] == ["note.deleted"]
    with world.refused("PT404", "note_not_found"):
        world.service.does("update chat_notes set deleted_at = null where id = %s", note)
    with world.unchanged(), pytest.raises(psycopg.Error):
        world.service.value(insert, scene.chat, scene.kim.id, "not of the staff", [])
    world.owner.does("delete from chats where id = %s", scene.chat)
    for table in ("chat_notes", "chat_mentions"):
        assert world.owner.value(f"select count(*) from {table}") == 0, table


def test_events_of_notes_are_listed_to_whoever_of_the_staff_comes_later(scene: Scene) -> None:
    scene.ana.notes(scene.chat, "one")
    last = events(scene.ben, scene.chat)[-1]
    assert (last["event"], last["detail"]["content"], last["message"]) == ("note.created", "one", None)
    with refused("PT404", "chat_not_found"):
        events(scene.cleo, scene.chat)

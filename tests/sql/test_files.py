"""Files: who may bring, see and remove them, what a message carries, and which are to go."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.helpers import Caller, Customer, Operator, World, refused

DENIED = psycopg.errors.InsufficientPrivilege


def held_chat(world: World) -> tuple[UUID, Customer, Operator]:
    """Make a chat that an operator holds; return it with its customer and him."""
    customer, operator = world.customer(), world.operator()
    return world.chat("assigned", operator, customer), customer, operator


def removals(world: World) -> set[str]:
    return {row["name"] for row in world.owner.rows("select name from private.file_removals")}


# Who may bring a file, and who sees it


def test_the_customer_and_the_holder_may_bring_files_and_nobody_else(world: World) -> None:
    chat, customer, holder = held_chat(world)
    colleague, admin = world.operator("Ben"), world.admin()
    world.brings(customer, chat, "mine.png")
    world.brings(holder, chat, "his.png")
    for person in (world.customer("Lee"), world.stranger(), colleague, admin, world.anonymous):
        with pytest.raises(DENIED):
            world.brings(person, chat, "theirs.png")
    assert world.files(world.owner) == {f"{chat}/mine.png", f"{chat}/his.png"}


def test_a_release_takes_the_right_to_bring_files(world: World) -> None:
    chat, _, operator = held_chat(world)
    operator.hands_back(chat)
    with pytest.raises(DENIED):
        world.brings(operator, chat)


def test_a_deactivated_operator_brings_and_sees_nothing(world: World) -> None:
    chat, _, operator = held_chat(world)
    world.sends(operator, chat, world.brings(operator, chat))
    world.owner.does("update operators set is_active = false where id = %s", operator.id)
    assert world.files(operator) == set()
    with pytest.raises(DENIED):
        world.brings(operator, chat, "b.png")


@pytest.mark.parametrize("folder", ["", "nobody/", f"{UUID(int=0)}/", "../"], ids=["none", "a word", "no chat", "up"])
def test_a_file_lies_in_the_folder_of_a_chat(world: World, folder: str) -> None:
    customer = world.customer()
    world.chat(customer=customer)
    with pytest.raises(DENIED):
        customer.rows("select storage.put_object('attachments', %s, '', '{}', '{}', false)", f"{folder}a.png")


def test_nobody_brings_a_file_in_anothers_name_or_marked_as_sent(world: World) -> None:
    chat, customer, operator = held_chat(world)
    insert = (
        "insert into storage.objects (bucket_id, name, version, owner_id, user_metadata)"
        " values ('attachments', %s, '', %s, %s)"
    )
    with pytest.raises(DENIED):
        customer.rows(insert, f"{chat}/a.png", str(operator.id), None)
    with pytest.raises(DENIED):
        customer.rows(insert, f"{chat}/a.png", str(customer.id), Jsonb({"message_id": str(uuid4())}))
    customer.rows(insert, f"{chat}/a.png", str(customer.id), Jsonb({"name": "a"}))


def test_a_file_is_its_uploaders_alone_until_it_is_sent(world: World) -> None:
    chat, customer, holder = held_chat(world)
    admin, colleague = world.admin(), world.operator("Ben")
    path = world.brings(customer, chat)
    everybody = (customer, holder, admin, colleague, world.customer("Lee"), world.service)
    assert [len(world.files(person)) for person in everybody] == [1, 0, 0, 0, 0, 1]
    world.sends(customer, chat, path)
    assert [len(world.files(person)) for person in everybody] == [1, 1, 1, 0, 0, 1]
    with pytest.raises(DENIED):
        world.files(world.anonymous)


def test_who_has_held_a_chat_goes_on_seeing_its_files(world: World) -> None:
    chat, customer, operator = held_chat(world)
    path = world.brings(customer, chat)
    world.sends(customer, chat, path)
    operator.replies(chat)
    assert world.files(operator) == {path}


# Sending


def test_a_message_carries_its_files_as_they_are_described(world: World) -> None:
    chat, customer, holder = held_chat(world)
    second = world.brings(customer, chat, "b/c.png", size=7, name="Grüße aus Köln.png")
    first = world.brings(customer, chat)
    message = world.sends(customer, chat, second, first)
    assert message["attachments"] == [
        {"path": second, "name": "Grüße aus Köln.png", "type": "image/png", "size": 7},
        {"path": first, "name": "a.png", "type": "image/png", "size": 10},
    ]
    for person in (customer, holder):
        assert person.call_all("list_messages", p_chat_id=chat)[-1]["attachments"] == message["attachments"]
        events = "select (e.message).attachments from list_events(%s, 0) e order by event_seq desc limit 1"
        assert person.value(events, chat) == message["attachments"]


def test_the_holder_sends_files_and_his_turn_ends(world: World) -> None:
    chat, customer, holder = held_chat(world)
    path = world.brings(holder, chat)
    world.sends(holder, chat, path)
    assert world.state(chat) == "waiting_real_user_reply"
    assert world.files(customer) == {path}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "....etcpasswd"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("a\nb\tc", "abc"),
        ("  \u200b ", "file"),
        ("x" * 5000, "x" * 200),
    ],
    ids=["folders", "reversed", "lines", "nothing", "long"],
)
def test_a_name_for_people_hides_nothing(world: World, given: str, shown: str) -> None:
    chat, customer, _ = held_chat(world)
    message = world.sends(customer, chat, world.brings(customer, chat, name=given))
    assert message["attachments"][0]["name"] == shown


def test_files_need_no_words_but_a_message_needs_one_of_them(world: World) -> None:
    chat, customer, _ = held_chat(world)
    for content in ("", None):
        message = world.sends(customer, chat, world.brings(customer, chat, f"{uuid4()}.png"), content=content)
        assert message["content"] == ""
    with world.refused("PT400", "content_empty"):
        world.sends(customer, chat, content="")
    assert world.sends(customer, chat, content="words")["attachments"] == []


def test_a_file_is_sent_once_and_by_whoever_brought_it(world: World) -> None:
    chat, customer, holder = held_chat(world)
    path = world.brings(customer, chat)
    with world.refused("PT404", "attachment_not_found"):
        world.sends(holder, chat, path)
    with world.refused("PT404", "attachment_not_found"):
        world.sends(customer, chat, path, path)
    world.sends(customer, chat, path)
    with world.refused("PT404", "attachment_not_found"):
        world.sends(customer, chat, path)


def test_a_file_is_sent_in_its_own_chat(world: World) -> None:
    chat, customer, _ = held_chat(world)
    other = world.chat(customer=customer)
    path = world.brings(customer, chat)
    with world.refused("PT404", "attachment_not_found"):
        world.sends(customer, other, path)
    with world.refused("PT404", "attachment_not_found"):
        world.sends(customer, chat, f"{chat}/nothing.png")


def test_two_rows_of_one_statement_do_not_share_a_file(world: World) -> None:
    chat, customer, _ = held_chat(world)
    path = world.brings(customer, chat)
    with world.refused("PT404", "attachment_not_found"):
        customer.does(
            "insert into messages (chat_id, sender_type, content, attachments)"
            " select %s, 'real', 'twice', %s from generate_series(1, 2)",
            chat,
            Jsonb([path]),
        )


def test_plain_sql_sends_files_too(world: World) -> None:
    chat, customer, _ = held_chat(world)
    path = world.brings(customer, chat)
    insert = "insert into messages (chat_id, sender_type, content, attachments) values (%s, 'real', 'x', %s)"
    for bad, code in (
        ({"path": path}, "invalid_argument"),
        ([path] * 11, "invalid_argument"),
        ([1], "attachment_not_found"),
        ([{"path": path, "name": "other"}, None], "attachment_not_found"),
    ):
        with world.unchanged(), refused("PT400" if code == "invalid_argument" else "PT404", code):
            customer.does(insert, chat, Jsonb(bad))
    customer.does(insert, chat, Jsonb([{"path": path, "name": "made up", "type": "text/html", "size": 1}]))
    (attachment,) = world.messages(chat)[-1]["attachments"]
    assert (attachment["name"], attachment["type"]) == ("a.png", "image/png")


def test_the_service_may_send_anybodys_file_of_the_chat(world: World) -> None:
    chat, customer, _ = held_chat(world)
    path = world.brings(customer, chat)
    world.writes(chat, attachments=Jsonb([path]))
    assert world.messages(chat)[-1]["attachments"][0]["path"] == path


def test_a_message_sent_twice_is_one_message_with_its_files(world: World) -> None:
    chat, customer, holder = held_chat(world)
    for person, side in ((customer, "real_user"), (holder, "operator")):
        path = world.brings(person, chat, f"{side}.png")
        sent = {"p_chat_id": chat, "p_content": "", "p_client_message_id": uuid4(), "p_attachments": [path]}
        first = person.call(f"send_{side}_attachments", **sent)
        for content in ("", None):
            with world.unchanged():
                assert person.call(f"send_{side}_attachments", **{**sent, "p_content": content}) == first
        other = world.brings(customer, chat, f"{side}-other.png") if side == "real_user" else f"{chat}/other.png"
        with world.refused("PT409", "client_message_id_reused"):
            person.call(f"send_{side}_attachments", **{**sent, "p_attachments": [other]})
        with world.refused("PT409", "client_message_id_reused"):
            person.call(
                f"send_{side}_message",
                p_chat_id=chat,
                p_content="words",
                p_client_message_id=sent["p_client_message_id"],
            )


def test_a_message_keeps_its_files(world: World) -> None:
    chat, customer, _ = held_chat(world)
    message = world.sends(customer, chat, world.brings(customer, chat))
    with world.refused("PT409", "transition_refused"):
        world.owner.does("update messages set attachments = '[]' where id = %s", message["id"])
    edited = customer.call("edit_message", p_message_id=message["id"], p_content="")
    assert (edited["content"], edited["attachments"]) == ("", message["attachments"])


# Removing


def test_a_file_that_was_not_sent_may_be_taken_back_by_its_uploader(world: World) -> None:
    chat, customer, holder = held_chat(world)
    path = world.brings(customer, chat)
    delete = "select name from storage.delete_objects('attachments', %s)"
    assert holder.rows(delete, [path]) == []
    assert customer.rows(delete, [path]) == [{"name": path}]


def test_a_file_that_was_sent_goes_with_its_message_only(world: World) -> None:
    chat, customer, holder = held_chat(world)
    path = world.brings(customer, chat)
    message = world.sends(customer, chat, path)
    for person in (customer, holder, world.admin()):
        assert person.rows("select name from storage.delete_objects('attachments', %s)", [path]) == []
        assert person.does("update storage.objects set metadata = '{}' where true") == 0
    assert customer.call("delete_message", p_message_id=message["id"])["attachments"] == []
    assert removals(world) == {path}
    assert world.files(customer) == world.files(holder) == set()


def test_nobody_removes_what_he_does_not_see(world: World) -> None:
    chat, customer, holder = held_chat(world)
    path = world.brings(customer, chat)
    # Where nothing is read, Postgres does not ask the policies for reading.
    assert holder.does("delete from storage.objects") == 0
    assert world.files(customer) == {path}


def test_a_deleted_chat_takes_its_files_with_it_and_no_others(world: World) -> None:
    chat, customer, _ = held_chat(world)
    other = world.chat(customer=customer)
    paths = {world.brings(customer, chat, f"{number}.png") for number in range(3)}
    kept = world.brings(customer, other)
    world.owner.does("delete from chats where id = %s", chat)
    assert removals(world) == paths
    assert world.files(customer) == {kept}


def test_the_sweep_finds_what_nobody_will_send(world: World) -> None:
    chat, customer, _ = held_chat(world)
    sent = world.brings(customer, chat, "sent.png")
    world.sends(customer, chat, sent)
    old, new = world.brings(customer, chat, "old.png"), world.brings(customer, chat, "new.png")
    late = f"{uuid4()}/late.png"
    world.owner.rows("select storage.put_object('attachments', %s, '', '{}', '{\"message_id\": 1}', false)", late)
    world.owner.does("update storage.objects set created_at = now() - interval '25 hours' where name <> %s", new)
    assert world.service.value("select private.run_file_sweep()") == 2
    assert removals(world) == {old, late}
    assert world.service.value("select private.run_file_sweep()") == 0


def test_what_the_sweep_has_found_is_not_sent_any_more(world: World) -> None:
    chat, customer, _ = held_chat(world)
    path = world.brings(customer, chat)
    world.owner.does("update storage.objects set created_at = now() - interval '25 hours' where true")
    assert world.service.value("select private.run_file_sweep()") == 1
    with world.refused("PT404", "attachment_not_found"):
        world.sends(customer, chat, path)


def test_the_sweep_leaves_what_is_just_being_sent(world: World) -> None:
    chat, customer, _ = held_chat(world)
    path = world.brings(customer, chat)
    world.owner.does("update storage.objects set created_at = now() - interval '25 hours' where true")
    sender = world.elsewhere(customer)
    with sender.transaction() as connection:
        connection.execute("select send_real_user_attachments(%s, '', %s, %s)", (chat, uuid4(), [path]))
        assert world.service.value("select private.run_file_sweep()") == 0
    assert world.service.value("select private.run_file_sweep()") == 0
    assert removals(world) == set()


def test_a_file_that_a_message_names_is_held_until_the_message_is_there(own_world: World) -> None:
    chat, customer, _ = held_chat(own_world)
    path = own_world.brings(customer, chat)
    own_world.owner.does("update storage.objects set created_at = now() - interval '25 hours' where true")
    own_world.owner.does(PAUSE)
    gate, sender = own_world.connect(), own_world.elsewhere(customer)
    with ThreadPoolExecutor(1) as thread:
        with gate.transaction():
            gate.execute("select pg_advisory_xact_lock(7)")
            sent = thread.submit(own_world.sends, sender, chat, path)
            own_world.until(lambda: own_world.waits_for_a_lock(sender.connection))
            assert own_world.service.value("select private.run_file_sweep()") == 0
        assert sent.result(20)["attachments"][0]["path"] == path
    assert removals(own_world) == set()


# Between the look at a message's files and the message.
PAUSE = """
create function public.pause() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7);
  return new;
end
$$;
create trigger _150_pause before insert on public.messages for each row execute function public.pause();
"""


def test_only_a_message_makes_a_file_one_that_was_sent(world: World) -> None:
    chat, customer, holder = held_chat(world)
    message = world.sends(customer, chat, world.brings(customer, chat))
    for mark in (message["id"], uuid4(), "yes"):
        forged = Jsonb({"message_id": str(mark)})
        world.owner.rows("select storage.put_object('attachments', %s, '', '{}', %s, true)", f"{chat}/b.png", forged)
        assert world.files(holder) == {f"{chat}/a.png"}


def test_removals_are_claimed_by_one_and_forgotten_when_done(world: World) -> None:
    chat, customer, _ = held_chat(world)
    paths = sorted(world.brings(customer, chat, f"{number}.png") for number in range(3))
    world.owner.does("delete from chats where id = %s", chat)
    claim = "select name from private.claim_file_removals(10) order by name"
    first, second = Caller(world.connect(), "service_role"), Caller(world.connect(), "service_role")
    with first.transaction() as connection:
        claimed = [row["name"] for row in connection.execute(claim)]
        assert claimed == paths
        assert second.rows(claim) == []
        connection.execute("select private.finish_file_removals('attachments', %s)", (paths[:2],))
    assert [row["name"] for row in second.rows(claim)] == paths[2:]


def test_sending_a_file_and_taking_it_back_at_once_ends_in_one_of_them(world: World) -> None:
    chat, customer, _ = held_chat(world)
    path = world.brings(customer, chat)
    sender, remover = world.elsewhere(customer), world.elsewhere(customer)
    with sender.transaction() as connection:
        connection.execute(
            "select send_real_user_attachments(%s, '', %s, %s)",
            (chat, uuid4(), [path]),
        )
        remover.connection.execute("set statement_timeout = '100ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):  # it waits for the sender
            remover.rows("select name from storage.delete_objects('attachments', %s)", [path])
        remover.connection.execute("reset statement_timeout")
    assert remover.rows("select name from storage.delete_objects('attachments', %s)", [path]) == []
    assert world.files(customer) == {path}


# Avatars


def test_operators_keep_their_own_face_and_admins_all(world: World) -> None:
    ana, ben, ada, customer = world.operator(), world.operator("Ben"), world.admin(), world.customer()
    put = "select (storage.put_object('avatars', %s, '', '{\"mimetype\": \"image/png\"}', null, true)).name"
    kept: list[tuple[Caller, object]] = [(ana, ana.id), (ada, ana.id), (ada, "personas")]
    for person, folder in kept:
        assert person.value(put, f"{folder}/face.png") == f"{folder}/face.png"
    for person, name in (
        (ben, f"{ana.id}/face.png"),
        (ben, "personas/face.png"),
        (ben, "face.png"),
        (ben, str(ben.id)),
        (customer, f"{customer.id}/face.png"),
        (world.anonymous, "a/face.png"),
    ):
        with pytest.raises((DENIED, psycopg.errors.UniqueViolation)):
            person.value(put, name)
    assert ben.rows("select * from storage.delete_objects('avatars', %s)", [f"{ana.id}/face.png"]) == []
    assert len(ana.rows("select * from storage.delete_objects('avatars', %s)", [f"{ana.id}/face.png"])) == 1


def test_a_face_that_is_to_go_is_seen_by_nobody(world: World) -> None:
    ana, ada = world.operator(), world.admin()
    ana.rows("select storage.put_object('avatars', %s, '', '{}', null, false)", f"{ana.id}/face.png")
    world.owner.does("update operators set is_active = false where id = %s", ana.id)
    assert ada.call("erase_user_data", p_user_id=ana.id)
    assert removals(world) == {f"{ana.id}/face.png"}
    assert world.files(ada) == set()


# Limits and bytes


def test_the_setting_decides_how_large_a_file_may_be(world: World) -> None:
    admin = world.admin()
    admin.call("set_setting", p_name="file_size_limit", p_value=Jsonb(2000))
    limit = "select file_size_limit from storage.buckets where id = 'attachments'"
    assert world.service.value(limit) == 2000
    with world.refused("PT400", "invalid_argument"):
        admin.call("set_setting", p_name="file_size_limit", p_value=Jsonb("big"))
    assert world.service.value(limit) == 2000
    admin.call("set_setting", p_name="file_size_limit", p_value=Jsonb(10485760))


def test_nobody_gets_at_anothers_bytes_by_their_name(world: World) -> None:
    chat, customer, holder = held_chat(world)
    put = "select (storage.put_object('attachments', %s, %s, '{}', '{}', false)).version"
    mine = customer.value("select storage.begin_upload('attachments', %s, false)", f"{chat}/a.png")
    assert holder.value(put, f"{chat}/stolen.png", mine) != mine
    assert customer.value(put, f"{chat}/a.png", mine) == mine
    assert customer.value(put, f"{chat}/again.png", mine) != mine


def test_bytes_that_belong_to_no_file_are_known_until_they_are_removed(world: World) -> None:
    chat, customer, _ = held_chat(world)
    loose = "select array_agg(version order by version) from storage.loose_bytes"
    world.owner.does("delete from storage.loose_bytes where true")
    begun = [customer.value("select storage.begin_upload('attachments', %s, false)", f"{chat}/a.png") for _ in "ab"]
    assert world.owner.value(loose) == sorted(begun)
    customer.rows("select storage.put_object('attachments', %s, %s, '{}', '{}', false)", f"{chat}/a.png", begun[0])
    assert world.owner.value(loose) == begun[1:]
    customer.rows("select * from storage.delete_objects('attachments', %s)", [f"{chat}/a.png"])
    assert world.owner.value(loose) == sorted(begun)
    assert world.service.rows("select storage.claim_loose_bytes(10)") == []
    world.owner.does("update storage.loose_bytes set since = now() - interval '61 minutes' where true")
    claimed = world.service.rows("select storage.claim_loose_bytes(10) as version")
    assert {row["version"] for row in claimed} == set(begun)
    assert world.owner.value(loose) is None


def test_an_upload_is_refused_before_it_begins(world: World) -> None:
    chat, customer, _ = held_chat(world)
    begin = "select storage.begin_upload(%s, %s, false)"
    world.brings(customer, chat)
    with world.unchanged():
        with pytest.raises(psycopg.errors.UniqueViolation):
            customer.value(begin, "attachments", f"{chat}/a.png")
        with pytest.raises(DENIED):
            customer.value(begin, "nothing", f"{chat}/b.png")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            world.service.value(begin, "nothing", f"{chat}/b.png")


# Lists


def test_a_folder_lists_its_files_and_folders(world: World) -> None:
    chat, customer, _ = held_chat(world)
    for name in ("b.png", "a.png", "deep/er/x.png", "deep/y.png", "A.png"):
        world.brings(customer, chat, name)
    other = world.customer("Lee")
    world.brings(other, world.chat(customer=other))

    def listed(prefix: str, search: str = "", descending: bool = False, limit: int = 10, offset: int = 0) -> list[str]:
        rows = customer.rows(
            "select * from storage.list_objects('attachments', %s, %s, 'name', %s, %s, %s)",
            prefix,
            search,
            descending,
            limit,
            offset,
        )
        return [row["name"] + ("" if row["id"] else "/") for row in rows]

    assert listed("") == [f"{chat}/"]
    assert listed(f"{chat}/") == ["A.png", "a.png", "b.png", "deep/"]
    assert listed(f"{chat}/", descending=True, limit=2) == ["deep/", "b.png"]
    assert listed(f"{chat}/", limit=2, offset=3) == ["deep/"]
    assert listed(f"{chat}/", search="a") == ["A.png", "a.png"]
    assert listed(f"{chat}/deep/") == ["er/", "y.png"]

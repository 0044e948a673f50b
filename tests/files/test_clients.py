"""Supabase's own clients keep files at Baton."""

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from storage3.exceptions import StorageApiError

from tests.files.conftest import Chat, Person, folder_of, path_in, reads, sends
from tests.files.corpus import png
from tests.http.supabase_clients import python_client
from tests.live.conftest import Socket
from tests.node import MODULES, run_module
from tests.servers import Baton


def bucket_of(baton: Baton, person: Person, bucket: str = "attachments") -> Any:
    """Return a bucket as supabase-py gives it to a person who has signed in."""
    client = python_client(baton, baton.anon_key)
    client.options.headers["Authorization"] = f"Bearer {person.token}"
    return client.storage.from_(bucket)


def in_javascript(baton: Baton, person: Person, scenario: str, chat: Chat) -> Any:
    """Run a scenario with supabase-js."""
    return run_module(
        (MODULES / "storage.mjs").read_text(),
        scenario=scenario,
        url=baton.base_url,
        key=baton.anon_key,
        token=person.token,
        chat=chat["id"],
        png=base64.b64encode(png()).decode(),
    )


# Python


def test_python_uploads_what_it_has(baton: Baton, customer: Person, chat: Chat, tmp_path: Path) -> None:
    bucket = bucket_of(baton, customer)
    local = tmp_path / "local.png"
    local.write_bytes(png())
    options = {"content-type": "image/png", "cache-control": "60", "metadata": {"name": "Grüße.png"}, "upsert": "false"}
    for name, body in {"bytes": png(), "path": local, "text": str(local)}.items():
        path = f"{chat['id']}/{name}.png"
        uploaded = bucket.upload(path, body, options)
        assert (uploaded.path, uploaded.full_path) == (path, f"attachments/{path}")
        assert bucket.download(path) == png()
    with local.open("rb") as file:
        bucket.upload(f"{chat['id']}/file.png", file)
    info = bucket.info(path)
    assert (info["name"], info["size"], info["content_type"]) == (path, len(png()), "image/png")
    assert (info["cache_control"], info["metadata"]) == ("max-age=60", {"name": "Grüße.png"})
    assert bucket.exists(path)
    assert not bucket.exists(f"{path}x")
    assert {row["name"] for row in bucket.list(chat["id"])} == {"bytes.png", "path.png", "text.png", "file.png"}


def test_python_signs_links(baton: Baton, customer: Person, chat: Chat) -> None:
    bucket = bucket_of(baton, customer)
    path = path_in(chat)
    bucket.upload(path, png(), {"metadata": {"name": "theirs.png"}})
    links = {
        bucket.create_signed_url(path, 60)["signedUrl"]: "theirs.png",
        bucket.create_signed_url(path, 60, {"download": True})["signedUrl"]: "theirs.png",
        bucket.create_signed_url(path, 60, {"download": "ours.png"})["signedUrl"]: "ours.png",
    }
    many = bucket.create_signed_urls([path, "nothing.png"], 60, {"download": "many.png"})
    assert [bool(each["error"]) for each in many] == [False, True]
    for link, name in {**links, many[0]["signedUrl"]: "many.png"}.items():
        answer = httpx.get(link)
        assert (answer.status_code, answer.content) == (200, png())
        assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"


def test_python_lists_and_removes(baton: Baton, customer: Person, chat: Chat) -> None:
    bucket = bucket_of(baton, customer)
    for name in ("b", "a", "c", "deep/d"):
        bucket.upload(f"{chat['id']}/{name}.png", png())

    def listed(**options: Any) -> list[str]:
        return [row["name"] for row in bucket.list(chat["id"], options)]

    assert [(row["name"], row["id"]) for row in bucket.list()] == [(chat["id"], None)]
    assert listed() == ["a.png", "b.png", "c.png", "deep"]
    assert listed(sortBy={"column": "name", "order": "desc"}, limit=2) == ["deep", "c.png"]
    assert listed(sortBy={"column": "created_at", "order": "asc"}, search="", limit=1, offset=1) == ["a.png"]
    assert listed(search="B") == ["b.png"]
    removed = bucket.remove([f"{chat['id']}/a.png", f"{chat['id']}/nothing.png"])
    assert [row["name"] for row in removed] == [f"{chat['id']}/a.png"]
    assert listed() == ["b.png", "c.png", "deep"]


def test_python_understands_every_refusal(baton: Baton, customer: Person, chat: Chat) -> None:
    bucket = bucket_of(baton, customer)
    path = path_in(chat)
    bucket.upload(path, png())
    refusals: dict[tuple[str, int], Callable[[], Any]] = {
        ("Duplicate", 409): lambda: bucket.upload(path, png()),
        ("Unauthorized", 403): lambda: bucket.upload(f"{uuid4()}/a.png", png()),
        ("invalid_mime_type", 415): lambda: bucket.upload(f"{chat['id']}/a.html", b"<html>"),
        ("InvalidKey", 400): lambda: bucket.upload(f"{chat['id']}/ü.png", png()),
        ("InvalidRequest", 400): lambda: bucket.upload(path_in(chat), b""),
        ("Payload too large", 413): lambda: bucket.upload(path_in(chat), bytes(11_000_000)),
        ("not_found", 404): lambda: bucket.download(path_in(chat)),
        ("Bucket not found", 404): lambda: bucket_of(baton, customer, "nothing").upload("a.png", png()),
        ("method_not_allowed", 405): lambda: bucket.move(path, path_in(chat)),
    }
    for (code, status), refused in refusals.items():
        with pytest.raises(StorageApiError) as refusal:
            refused()
        assert (refusal.value.code, int(refusal.value.status)) == (code, status)
    for change in (bucket.update, partial(bucket.upload, file_options={"upsert": "true"})):
        with pytest.raises(StorageApiError) as refusal:
            change(path, png())
        assert refusal.value.code == "Duplicate"  # nobody changes a file of a chat


def test_python_keeps_faces_that_everybody_sees(baton: Baton, operator: Person, customer: Person) -> None:
    bucket, path = bucket_of(baton, operator, "avatars"), f"{operator.id}/face.png"
    bucket.upload(path, png(), {"cache-control": "3600"})
    address = bucket.get_public_url(path)
    answer = httpx.get(address)
    assert answer.content == png()
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    newer = png((b"tEXt", b"Comment\0newer"))
    bucket.update(path, newer)
    assert httpx.get(address).content == newer
    bucket.upload(path, png(), {"upsert": "true"})
    assert httpx.get(address).content == png()
    assert (
        httpx.get(bucket.get_public_url(path, {"download": "ana.png"}))
        .headers["Content-Disposition"]
        .endswith("filename=ana.png")
    )
    with pytest.raises(StorageApiError):
        bucket_of(baton, customer, "avatars").update(path, png())
    bucket.remove([path])
    assert httpx.get(address).status_code == 404


# JavaScript


def test_javascript_uploads_what_it_has_and_reads_it_back(baton: Baton, customer: Person, chat: Chat) -> None:
    seen = in_javascript(baton, customer, "bodies", chat)
    assert set(seen) == {"blob", "file", "form", "buffer", "view", "stream"}
    for name, each in seen.items():
        path = f"{chat['id']}/{name}.png"
        assert each["uploaded"]["error"] is None, each
        assert (each["uploaded"]["data"]["path"], each["uploaded"]["data"]["fullPath"]) == (path, f"attachments/{path}")
        assert each["content"] == base64.b64encode(png()).decode()
        info = each["info"]["data"]
        assert info["id"] == each["uploaded"]["data"]["id"]
        assert (info["contentType"], info["cacheControl"]) == ("image/png", "max-age=60")
        assert info["metadata"] == {"name": "Grüße.png"}
    linked = in_javascript(baton, customer, "links", chat)
    for name in ("one", "many", "named"):
        assert (linked[name][0], linked[name][2]) == (200, base64.b64encode(png()).decode())
    assert "Gr%C3%BC%C3%9Fe.png" in linked["one"][1]
    assert linked["named"][1] == "attachment; filename=ours.png"
    assert linked["missing"]["error"]
    names = sorted(f"{name}.png" for name in seen)
    assert in_javascript(baton, customer, "folder", chat) == {
        "root": [[chat["id"], None]],
        "all": names,
        "sorted": names[::-1][:2],
        "found": ["file.png"],
        "rest": names[4:],
        "exists": True,
        "missing": False,
        "removed": [f"{chat['id']}/blob.png"],
        "gone": False,
    }


def test_javascript_understands_every_refusal(baton: Baton, customer: Person, chat: Chat) -> None:
    seen = in_javascript(baton, customer, "refusals", chat)
    assert seen.pop("download") == "StorageApiError"
    told = {name: (each["error"]["status"], each["error"]["name"]) for name, each in seen.items()}
    expected = {"twice": 409, "upsert": 409, "updated": 409, "elsewhere": 403, "kind": 415, "key": 400}
    expected |= {"large": 413, "empty": 400, "info": 404, "sign": 404, "bounds": 400, "bucket": 404}
    expected |= {"move": 405, "copy": 405}
    assert told == {name: (status, "StorageApiError") for name, status in expected.items()}


@pytest.mark.usefixtures("nothing_new")
def test_javascript_gives_up_and_nothing_is_left(baton: Baton, customer: Person, chat: Chat) -> None:
    assert in_javascript(baton, customer, "abort", chat) == "AbortError"


# Messages with files


def test_both_sides_send_files_and_see_them_everywhere(baton: Baton, customer: Person, operator: Person) -> None:
    chat = customer.starts_chat()
    assert operator.takes_next().json()["id"] == chat["id"]
    with Socket(baton.base_url) as theirs, Socket(baton.base_url) as ours:
        for socket, person in ((theirs, customer), (ours, operator)):
            socket.send(type="auth", token=person.token)
            socket.expect("ready")
            socket.subscribe(chat["id"])
        for sender in (customer, operator):
            path = path_in(chat)
            bucket_of(baton, sender).upload(path, png(), {"metadata": {"name": "a.png"}})
            message = sends(sender, chat, path, is_staff=sender is operator)
            shown = [{"path": path, "name": "a.png", "type": "image/png", "size": len(png())}]
            assert message["attachments"] == shown
            for person, socket in ((customer, theirs), (operator, ours)):
                event = socket.expect("event", event="message.created")
                assert event["data"]["attachments"] == shown
                listed = person.get(f"/api/chats/{chat['id']}/messages").json()
                assert listed["data"][-1]["attachments"] == shown
                events = json.dumps(person.get(f"/api/chats/{chat['id']}/events", after_event=0).json())
                assert path in events
                assert bucket_of(baton, person).download(path) == png()


def test_the_files_of_a_deleted_message_go(baton: Baton, customer: Person, chat: Chat, service: Person) -> None:
    path = path_in(chat)
    bucket_of(baton, customer).upload(path, png())
    message = sends(customer, chat, path)
    version = baton.database.value("select version from storage.objects where name = %s", path)
    bytes_of = folder_of(baton) / version[:2] / version
    assert bytes_of.read_bytes() == png()
    assert customer.delete(f"/api/messages/{message['id']}").json()["attachments"] == []
    assert reads(customer, path).status_code == 404
    assert service.post("/functions/v1/file-removal").json()["count"] >= 0
    assert baton.database.value("select count(*) from storage.objects where name = %s", path) == 0
    assert not bytes_of.exists()


def test_a_message_names_files_that_are_there(customer: Person, chat: Chat) -> None:
    for attachments, status in (([path_in(chat)], 404), (["a"] * 11, 400), ("a", 400), ([1], 400), (["\0"], 400)):
        body = {"chat_id": chat["id"], "content": "", "client_message_id": str(uuid4()), "attachments": attachments}
        assert customer.post("/api/messages", **body).status_code == status
    body = {"chat_id": chat["id"], "content": "", "client_message_id": str(uuid4()), "attachments": []}
    assert customer.post("/api/messages", **body).status_code == 400

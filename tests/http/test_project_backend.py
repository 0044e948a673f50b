"""Login and files of a Supabase project: one Baton is the project, a second one uses it through the package.

Both work on one database, as they do on Supabase: the project's own, into which sql/ was pushed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from supabase_auth.errors import AuthApiError

import functions
from tests.http.conftest import PASSWORD, Person, check_answer
from tests.http.supabase_clients import python_client
from tests.http.test_host_users import SECRET as IDENTITY_SECRET
from tests.http.test_host_users import exchange, identity, session_of
from tests.http.test_login import refuses, sign_in
from tests.keys import ec_file, header_of
from tests.live.world import wait_until
from tests.servers import ROOT, Baton, Database, Server, free_port, running_baton
from web.auth.passwords import hash_password
from web.config import Config
from web.errors import ApiError
from web.files import files_of
from web.keys import api_key

PROJECT_SECRET = "the secret of the project, which only the project has"
OTHER_SECRET = "the secret with which the second Baton would sign its own"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000 1f15c489".replace(" ", "")
    + "0000000d49444154789c6360f8cf500f0003860180 5a347b1e".replace(" ", "")
    + "0000000049454e44ae426082"
)


def pointed_at(url: str, **given: str) -> dict[str, str]:
    """Return what tells a Baton to use the project at this address."""
    return {
        "SUPABASE_URL": url,
        "SUPABASE_ANON_KEY": api_key("anon", PROJECT_SECRET),
        "SUPABASE_SERVICE_ROLE_KEY": api_key("service_role", PROJECT_SECRET),
        "SUPABASE_JWT_SECRET": OTHER_SECRET,
        "BATON_IDENTITY_SECRET": IDENTITY_SECRET,
        **given,
    }


def check_login_answer(answer: httpx.Response) -> None:
    """Fail unless the login's answer is one that /docs describes; files are not described field by field."""
    if answer.request.url.path.startswith("/auth/v1/"):
        check_answer(answer)


class Pair:
    """The Baton that is the project, its folder of files, and the one that uses it."""

    def __init__(self, project: Baton, folder: Path, user: Baton) -> None:
        self.project = project
        self.folder = folder
        self.user = user

    @property
    def bytes_kept(self) -> int:
        """How many files the project has on its disk."""
        return len([path for path in (self.folder / "files").glob("[0-9a-f][0-9a-f]/*") if path.is_file()])

    def visitor(self) -> Person:
        """Sign up a visitor at the second Baton."""
        return self.person(session_of(self.user.client.post("/auth/v1/signup", json={"data": {"page": "/shoes"}})))

    def operator(self, name: str = "Ana") -> Person:
        """Make an operator who can sign in at the project, and have him do so at the second Baton."""
        email = f"{uuid4().hex}@baton.example"
        user_id = self.rows("select id from auth.create_user(%s, %s, false)", email, hash_password(PASSWORD))[0]["id"]
        self.rows("insert into operators (id, name) values (%s, %s)", user_id, name)
        return self.person(session_of(sign_in(self.user, email=email, password=PASSWORD)))

    def person(self, session: dict[str, Any]) -> Person:
        """Return whose session it is, at the second Baton."""
        person = Person(self.user.base_url, session["access_token"], session["user"]["id"])
        person.http.event_hooks["response"] = [check_login_answer]
        return person

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Ask the database of both, as its owner."""
        return self.project.database.rows(query, *parameters)


@pytest.fixture(scope="module")
def pair(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Run both. The project signs with a key that it publishes; its secret the other one does not know."""
    folder = tmp_path_factory.mktemp("project")
    key = ec_file(folder)
    secrets = {"SUPABASE_JWT_SECRET": PROJECT_SECRET, "BATON_JWT_KEY_FILE": str(key.path), "BATON_DATA": str(folder)}
    with (
        running_baton(server, 1, **secrets) as project,
        running_baton(server, 1, **pointed_at(project.base_url, DATABASE_URL=project.database.url)) as user,
    ):
        user.client.event_hooks["response"] = [check_login_answer]
        yield Pair(project, folder, user)


def upload(
    person: Person, chat: dict[str, Any], content: bytes = PNG, name: str = "", headers: dict[str, str] | None = None
) -> httpx.Response:
    """Upload a picture into a chat."""
    path = f"/storage/v1/object/attachments/{chat['id']}/{name or uuid4().hex + '.png'}"
    return person.http.post(path, content=content, headers={"Content-Type": "image/png"} | (headers or {}))


def says(answer: httpx.Response, status: int, code: str) -> bool:
    """Return whether the answer is this refusal in the form of Supabase's storage."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["statusCode"]) == (status, code, str(status)), answer.text
    return True


# Login


def test_a_visitor_signs_in_by_the_project_and_is_one_person_at_both(pair: Pair) -> None:
    session = session_of(pair.user.client.post("/auth/v1/signup", json={"data": {"page": "/shoes"}}))
    assert session["user"]["is_anonymous"] is True
    assert session["user"]["user_metadata"] == {"page": "/shoes"}
    assert header_of(session["access_token"])["alg"] == "ES256"
    claims = jwt.decode(session["access_token"], options={"verify_signature": False})
    assert claims["iss"] == f"{pair.project.base_url}/auth/v1"
    visitor = Person(pair.user.base_url, session["access_token"])
    chat = visitor.starts_chat()
    assert chat["real_user_id"] == session["user"]["id"]
    at_project = Person(pair.project.base_url, session["access_token"])
    assert [found["id"] for found in at_project.get("/api/chats").json()["data"]] == [chat["id"]]
    # And the other way.
    own = pair.project.client.post("/auth/v1/signup").json()
    assert Person(pair.user.base_url, own["access_token"]).get("/auth/v1/user").json()["id"] == own["user"]["id"]


def test_a_session_is_renewed_and_a_token_counts_once(pair: Pair) -> None:
    first = pair.user.client.post("/auth/v1/signup").json()
    second = session_of(sign_in(pair.user, "refresh_token", refresh_token=first["refresh_token"]))
    assert second["user"]["id"] == first["user"]["id"]
    assert second["refresh_token"] != first["refresh_token"]
    third = session_of(sign_in(pair.user, "refresh_token", refresh_token=second["refresh_token"]))
    pair.rows("update auth.refresh_tokens set used_at = used_at - interval '1 minute' where used_at < now()")
    again = sign_in(pair.user, "refresh_token", refresh_token=first["refresh_token"])
    assert refuses(again, 400, "refresh_token_already_used")
    follower = sign_in(pair.user, "refresh_token", refresh_token=third["refresh_token"])
    assert refuses(follower, 400, "refresh_token_already_used")
    assert refuses(sign_in(pair.user, "refresh_token", refresh_token="unknown"), 400, "refresh_token_not_found")


def test_an_operator_signs_in_by_password(pair: Pair) -> None:
    operator = pair.operator()
    assert operator.get("/api/me").json()["kind"] == "operator"
    wrong = sign_in(pair.user, email="nobody@baton.example", password="wrong")
    assert refuses(wrong, 400, "invalid_credentials")
    assert wrong.json()["error"] == "invalid_grant"
    assert wrong.json() == sign_in(pair.project, email="nobody@baton.example", password="wrong").json()


def test_a_person_changes_what_is_said_of_him_and_his_password(pair: Pair) -> None:
    operator = pair.operator()
    changed = operator.http.put("/auth/v1/user", json={"data": {"theme": "dark", "page": None}})
    assert changed.json()["user_metadata"] == {"theme": "dark"}
    assert operator.get("/auth/v1/user").json()["user_metadata"] == {"theme": "dark"}
    weak = operator.http.put("/auth/v1/user", json={"password": "short"})
    assert refuses(weak, 422, "weak_password")
    assert weak.json()["weak_password"] == {"reasons": ["length"]}
    assert refuses(operator.http.put("/auth/v1/user", json={"password": PASSWORD}), 422, "same_password")
    email = operator.http.put("/auth/v1/user", json={"password": "another horse"}).json()["email"]
    assert refuses(sign_in(pair.user, email=email, password=PASSWORD), 400, "invalid_credentials")
    session_of(sign_in(pair.user, email=email, password="another horse"))


@pytest.mark.parametrize(("scope", "left"), [("local", 1), ("global", 0), ("others", 1)])
def test_signing_out_ends_sessions_at_the_project(pair: Pair, scope: str, left: int) -> None:
    here = pair.operator()
    email = here.get("/auth/v1/user").json()["email"]
    there = Person(pair.user.base_url, session_of(sign_in(pair.user, email=email, password=PASSWORD))["access_token"])
    assert here.http.post("/auth/v1/logout", params={"scope": scope}).status_code == 204
    found = pair.rows("select id from auth.sessions where user_id = %s", here.id)
    assert len(found) == left
    gone, stays = (there, here) if scope == "others" else (here, there)
    assert refuses(gone.get("/auth/v1/user"), 403, "session_not_found")
    assert (stays.get("/auth/v1/user").status_code == 200) is bool(left)


def test_the_keys_of_the_project_are_published_here_too(pair: Pair) -> None:
    at_project, here = (each.client.get("/auth/v1/.well-known/jwks.json").json() for each in (pair.project, pair.user))
    assert at_project["keys"]
    assert here == at_project


def test_supabase_py_pointed_at_the_second_baton_signs_in_and_keeps_files(pair: Pair) -> None:
    client = python_client(pair.user, pair.user.anon_key)
    visitor = client.auth.sign_in_anonymously()
    assert visitor.user
    claims = client.auth.get_claims()
    assert claims
    assert claims["claims"]["sub"] == visitor.user.id
    arguments = {"p_content": "hello", "p_client_message_id": str(uuid4())}
    chat: Any = client.rpc("start_chat", arguments).execute().data
    bucket = client.storage.from_("attachments")
    bucket.upload(f"{chat['id']}/a.png", PNG, {"content-type": "image/png"})
    assert bucket.download(f"{chat['id']}/a.png") == PNG
    assert [file["name"] for file in bucket.list(chat["id"])] == ["a.png"]
    link = bucket.create_signed_url(f"{chat['id']}/a.png", 60)["signedURL"]
    assert link
    assert link.startswith(pair.user.base_url)
    assert httpx.get(link).content == PNG
    assert len(bucket.remove([f"{chat['id']}/a.png"])) == 1
    client.auth.refresh_session()
    session = client.auth.get_session()
    assert session
    client.auth.sign_out()
    with pytest.raises(AuthApiError) as refusal:
        client.auth.get_user(session.access_token)
    assert refusal.value.code == "session_not_found"


# Users of the host page


def test_the_hosts_user_gets_an_account_at_the_project_and_comes_back_to_it(pair: Pair) -> None:
    subject = uuid4().hex
    first = session_of(exchange(pair.user, identity(subject, name="Kim", email="kim@shop.example")))
    assert first["user"]["is_anonymous"] is False
    assert first["user"]["user_metadata"] == {"name": "Kim"}
    assert first["user"]["app_metadata"] == {"provider": "host", "providers": ["host"]}
    assert Person(pair.user.base_url, first["access_token"]).get("/api/me").json()["kind"] == "customer"
    second = session_of(exchange(pair.user, identity(subject, name="Kim Lee")))
    assert second["user"]["id"] == first["user"]["id"]
    assert second["user"]["user_metadata"] == {"name": "Kim Lee"}
    assert Person(pair.user.base_url, first["access_token"]).get("/auth/v1/user").status_code == 200  # both go on
    token = identity(subject)
    session_of(exchange(pair.user, token))
    assert refuses(exchange(pair.user, token), 400, "identity_token_used")
    # The address that the host gave is nobody's login.
    assert pair.rows("select id from auth.users where email = 'kim@shop.example'") == []


def test_a_visitor_becomes_the_hosts_user_and_his_old_sessions_end(pair: Pair) -> None:
    session = pair.user.client.post("/auth/v1/signup", json={"data": {"page": "/shoes"}}).json()
    chat = Person(pair.user.base_url, session["access_token"]).starts_chat()
    kim = session_of(exchange(pair.user, identity(name="Kim"), session["access_token"]))
    assert (kim["user"]["id"], kim["user"]["is_anonymous"]) == (session["user"]["id"], False)
    assert kim["user"]["user_metadata"] == {"page": "/shoes", "name": "Kim"}
    found = Person(pair.user.base_url, kim["access_token"]).get("/api/chats").json()["data"]
    assert [each["id"] for each in found] == [chat["id"]]
    answer = sign_in(pair.user, "refresh_token", refresh_token=session["refresh_token"])
    assert refuses(answer, 400, "refresh_token_not_found")
    gone = exchange(pair.user, identity(), session["access_token"])
    assert refuses(gone, 403, "session_not_found")


def test_a_new_identity_secret_finds_the_same_person(pair: Pair) -> None:
    subject = uuid4().hex
    first = session_of(exchange(pair.user, identity(subject)))
    user_id = first["user"]["id"]
    pair.rows("select auth.change_user(%s, null, %s)", user_id, hash_password("as another secret has it"))
    assert session_of(exchange(pair.user, identity(subject)))["user"]["id"] == user_id


def test_an_account_of_his_own_at_the_project_stays_his(pair: Pair) -> None:
    subject, email = uuid4().hex, f"{uuid4().hex}@shop.example"
    user_id = session_of(exchange(pair.user, identity(subject)))["user"]["id"]
    pair.rows("select auth.change_user(%s, %s)", user_id, email)
    again = session_of(exchange(pair.user, identity(subject)))
    assert (again["user"]["id"], again["user"]["email"]) == (user_id, email)


def test_two_pages_of_a_new_user_at_once_make_one_account(pair: Pair) -> None:
    tokens = [identity("twice", name="Kim") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        sessions = [session_of(answer) for answer in threads.map(lambda token: exchange(pair.user, token), tokens)]
    assert len({session["user"]["id"] for session in sessions}) == 1


# The service's accounts


@pytest.mark.parametrize("which", ["project", "user"])
def test_the_service_makes_accounts_and_nobody_else(pair: Pair, which: str) -> None:
    baton: Baton = getattr(pair, which)
    admin = python_client(baton, baton.service_key).auth.admin
    email = f"{uuid4().hex}@baton.example"
    made = admin.create_user({"email": email.upper(), "password": PASSWORD, "user_metadata": {"name": "Ada"}}).user
    assert (made.email, made.is_anonymous, made.user_metadata) == (email, False, {"name": "Ada"})
    session = session_of(sign_in(pair.user, email=email, password=PASSWORD))
    assert admin.get_user_by_id(made.id).user.email == email
    changed = admin.update_user_by_id(made.id, {"app_metadata": {"team": "blue"}, "user_metadata": {"name": None}}).user
    assert changed.app_metadata["team"] == "blue"
    assert changed.user_metadata == {}
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: admin.create_user({"email": email, "password": PASSWORD}), "email_exists"),
        (lambda: admin.create_user({"email": "no address", "password": PASSWORD}), "validation_failed"),
        (lambda: admin.create_user({"password": PASSWORD}), "validation_failed"),
        (lambda: admin.update_user_by_id(made.id, {"ban_duration": "1h"}), "validation_failed"),
        (lambda: admin.get_user_by_id(str(uuid4())), "user_not_found"),
        (lambda: admin.update_user_by_id(str(uuid4()), {"password": "long enough"}), "user_not_found"),
    ]
    for refused, code in refusals:
        with pytest.raises(AuthApiError) as refusal:
            refused()
        assert refusal.value.code == code
    for stranger in (session["access_token"], baton.anon_key):
        for method, path in (("POST", ""), ("GET", f"/{made.id}"), ("PUT", f"/{made.id}")):
            headers = {"Authorization": f"Bearer {stranger}"}
            body = None if method == "GET" else {"email": "eve@baton.example"}
            answer = baton.client.request(method, f"/auth/v1/admin/users{path}", headers=headers, json=body)
            assert refuses(answer, 403, "not_admin")
    admin.update_user_by_id(made.id, {"password": "another horse"})
    assert refuses(Person(pair.user.base_url, session["access_token"]).get("/auth/v1/user"), 403, "session_not_found")


def command(pair: Pair, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a `flask` command as the second Baton would."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"DATABASE_URL": pair.project.database.url, "BATON_DATA": folder}
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment, **pointed_at(pair.project.base_url), **given},
            capture_output=True,
            text=True,
            timeout=60,
        )


def test_an_operator_is_added_with_his_account_at_the_project(pair: Pair) -> None:
    email = f"{uuid4().hex}@baton.example"
    arguments = ("add-operator", "--email", email, "--name", "Ada", "--role", "admin", "--password", PASSWORD)
    added = command(pair, *arguments)
    assert added.returncode == 0, added.stderr
    session = session_of(sign_in(pair.user, email=email, password=PASSWORD))
    assert Person(pair.user.base_url, session["access_token"]).get("/api/me").json()["kind"] == "admin"
    again = command(pair, *arguments)
    assert again.returncode == 1
    assert "already been registered" in again.stderr
    assert "Traceback" not in again.stderr


# Files


def test_a_file_goes_to_the_project_and_comes_back(pair: Pair) -> None:
    visitor = pair.visitor()
    chat = visitor.starts_chat()
    before = pair.bytes_kept
    answer = upload(visitor, chat, name="shoe.png", headers={"Cache-Control": "max-age=60"})
    assert answer.status_code == 200, answer.text
    assert pair.bytes_kept == before + 1
    path = f"attachments/{chat['id']}/shoe.png"
    row = pair.project.database.row("select * from storage.objects where id = %s", answer.json()["Id"])
    known = row["metadata"]
    assert (known["mimetype"], known["size"], known["cacheControl"]) == ("image/png", len(PNG), "max-age=60")
    assert row["owner_id"] == visitor.id
    read = visitor.get(f"/storage/v1/object/{path}")
    assert (read.content, read.headers["Content-Type"]) == (PNG, "image/png")
    assert read.headers["Content-Disposition"].startswith("attachment")
    signed = visitor.post(f"/storage/v1/object/sign/{path}", expiresIn=60).json()["signedURL"]
    assert pair.user.client.get(f"/storage/v1{signed}").content == PNG
    (listed,) = visitor.post("/storage/v1/object/list/attachments", prefix=chat["id"]).json()
    assert (listed["name"], listed["id"]) == ("shoe.png", str(row["id"]))
    assert says(upload(visitor, chat, name="shoe.png"), 409, "ResourceAlreadyExists")
    names = {"prefixes": [f"{chat['id']}/shoe.png", f"{chat['id']}/none.png"]}
    removed = visitor.http.request("DELETE", "/storage/v1/object/attachments", json=names)
    assert [file["name"] for file in removed.json()] == [f"{chat['id']}/shoe.png"]
    assert pair.bytes_kept == before
    assert says(visitor.get(f"/storage/v1/object/{path}"), 404, "NoSuchKey")
    assert "shoe.png" not in pair.user.log.read_text()


def test_what_is_said_of_a_file_goes_along_and_a_message_carries_it(pair: Pair) -> None:
    visitor, operator = pair.visitor(), pair.operator()
    chat = visitor.starts_chat()
    files = {"file": ("x.png", PNG, "image/png")}
    path = f"{chat['id']}/{uuid4().hex}.png"
    metadata = {"metadata": '{"name": "my shoe.png"}'}
    answer = visitor.http.post(f"/storage/v1/object/attachments/{path}", files=files, data=metadata)
    assert answer.status_code == 200, answer.text
    assert says(operator.get(f"/storage/v1/object/attachments/{path}"), 404, "NoSuchKey")
    message = {"chat_id": chat["id"], "content": "look", "client_message_id": str(uuid4())}
    sent = visitor.post("/api/messages", **message, attachments=[path])
    assert sent.status_code == 201, sent.text
    (attachment,) = sent.json()["attachments"]
    assert (attachment["name"], attachment["type"], attachment["size"]) == ("my shoe.png", "image/png", len(PNG))
    assert operator.get(f"/storage/v1/object/attachments/{path}").content == PNG


def test_a_foreign_chat_is_refused_before_the_bytes_have_gone_anywhere(pair: Pair) -> None:
    chat = pair.visitor().starts_chat()
    stranger = pair.visitor()
    assert says(upload(stranger, chat), 403, "AccessDenied")
    assert stranger.post("/storage/v1/object/list/attachments", prefix=chat["id"]).json() == []
    assert pair.rows("select name from storage.objects where name like %s", f"{chat['id']}/%") == []


def test_what_the_project_refuses_is_refused_with_its_code(pair: Pair) -> None:
    visitor, operator = pair.visitor(), pair.operator()
    chat = visitor.starts_chat()
    # To replace an attachment passes the look ahead; the project lets nobody.
    assert upload(visitor, chat, name="a.png").status_code == 200
    replacing = upload(visitor, chat, name="a.png", headers={"X-Upsert": "true"})
    assert says(replacing, 409, "ResourceAlreadyExists")
    face = f"/storage/v1/object/avatars/{operator.id}/face.png"
    for _ in range(2):
        answer = operator.http.post(face, content=PNG, headers={"Content-Type": "image/png", "X-Upsert": "true"})
        assert answer.status_code == 200, answer.text
    assert pair.user.client.get(face.replace("object/", "object/public/")).content == PNG
    answer = visitor.http.post(face, content=PNG, headers={"Content-Type": "image/png", "X-Upsert": "true"})
    assert says(answer, 403, "AccessDenied")


def test_who_has_not_signed_in_hears_the_same_at_both(pair: Pair) -> None:
    names = {"prefixes": ["a/b.png"]}
    for method, path, body in (("POST", "list/attachments", {"prefix": ""}), ("DELETE", "attachments", names)):
        answers = [
            baton.client.request(method, f"/storage/v1/object/{path}", json=body, headers={"apikey": baton.anon_key})
            for baton in (pair.project, pair.user)
        ]
        assert answers[0].status_code in (401, 403)
        assert answers[0].json() == answers[1].json()


def test_a_bad_file_does_not_reach_the_project(pair: Pair) -> None:
    visitor = pair.visitor()
    chat = visitor.starts_chat()
    before = pair.bytes_kept
    for content, status, code in (
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "InvalidMimeType"),
        (b"", 400, "InvalidRequest"),
        (PNG + bytes(60 * 1024 * 1024), 413, "EntityTooLarge"),
    ):
        assert says(upload(visitor, chat, content), status, code)
    assert pair.bytes_kept == before


def test_the_service_removes_anybodys_files(pair: Pair) -> None:
    visitor = pair.visitor()
    chat = visitor.starts_chat()
    upload(visitor, chat, name="a.png")
    headers = {"Authorization": f"Bearer {pair.user.service_key}"}  # the project does not know this one
    names = {"prefixes": [f"{chat['id']}/a.png"]}
    answer = pair.user.client.request("DELETE", "/storage/v1/object/attachments", json=names, headers=headers)
    assert len(answer.json()) == 1


# Background work


def test_the_job_removes_the_projects_bytes(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = pair.visitor()
    chat = visitor.starts_chat()
    assert upload(visitor, chat, name="a.png").status_code == 200
    before = pair.bytes_kept
    for name, value in pointed_at(pair.project.base_url, DATABASE_URL=pair.project.database.url).items():
        monkeypatch.setenv(name, value)
    # In a transaction that is still open: no other job sees what is to be removed.
    connection = pair.project.database.connect("service_role", autocommit=False)
    connection.execute("reset role")
    connection.execute(
        "insert into private.file_removals (bucket_id, name) values ('attachments', %s)", (f"{chat['id']}/a.png",)
    )
    assert functions.run("file-removal", connection) == 1
    assert pair.bytes_kept == before - 1
    connection.commit()
    assert pair.rows("select name from storage.objects where name = %s", f"{chat['id']}/a.png") == []


def test_the_sweep_removes_old_drafts_only(pair: Pair, tmp_path: Path, database: Database) -> None:
    config = replace(Config.from_env({**pointed_at("http://127.0.0.1:1"), "DATABASE_URL": "-"}), data_dir=tmp_path)
    files = files_of(config)
    assert files.sweep(database.owner) == 0
    for name, age in (("old", 3700), ("new", 0)):
        (files.drafts / name).write_bytes(b"x")
        os.utime(files.drafts / name, (time.time() - age,) * 2)
    assert files.sweep(database.owner) == 1
    assert [path.name for path in files.drafts.iterdir()] == ["new"]


# The project is gone, or does not know us


def test_without_the_project_there_is_no_login_and_no_file_but_chats_go_on(server: Server, database: Database) -> None:
    database.rows("insert into private.file_removals (bucket_id, name) values ('attachments', 'a/b.png')")
    given = pointed_at(
        f"http://127.0.0.1:{free_port()}",
        SUPABASE_JWT_SECRET=PROJECT_SECRET,
        DATABASE_URL=database.url,
        BATON_IDENTITY_SECRET=IDENTITY_SECRET,
    )
    with running_baton(server, 1, **given) as baton:
        for answer in (
            baton.client.post("/auth/v1/signup"),
            sign_in(baton, email="ana@baton.example", password=PASSWORD),
            sign_in(baton, "refresh_token", refresh_token="any"),
            exchange(baton, identity()),
        ):
            assert refuses(answer, 503, "project_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            assert "127.0.0.1" not in answer.text
        token = {"sub": str(uuid4()), "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 600}
        customer = Person(baton.base_url, jwt.encode(token, PROJECT_SECRET))
        assert refuses(customer.get("/auth/v1/user"), 503, "project_unavailable")
        chat = customer.starts_chat()
        customer.writes(chat)
        assert says(upload(customer, chat), 503, "project_unavailable")
        assert says(upload(customer, {"id": uuid4()}), 403, "AccessDenied")  # known without asking
        assert says(customer.post("/storage/v1/object/list/attachments", prefix=""), 503, "project_unavailable")
        # The scheduler has met it too.
        wait_until(lambda: "file-removal failed and will be tried again: The Supabase project" in baton.log.read_text())
        service = Person(baton.base_url, api_key("service_role", PROJECT_SECRET))
        answer = service.post("/functions/v1/file-removal")
        assert (answer.status_code, answer.json()["details"]) == (503, "project_unavailable")
        assert len(database.rows("select name from private.file_removals")) == 1
        assert baton.client.get("/readyz").status_code == 200
        assert "Traceback" not in baton.log.read_text()


def test_a_wrong_key_is_said_to_be_wrong(pair: Pair, server: Server) -> None:
    forged = api_key("service_role", "no secret of the project, but as long as one")
    given = {"SUPABASE_SERVICE_ROLE_KEY": forged, "DATABASE_URL": pair.project.database.url}
    with running_baton(server, 1, **pointed_at(pair.project.base_url, **given)) as baton:
        visitor = pair.visitor()
        chat = visitor.starts_chat()
        upload(visitor, chat, name="a.png")
        answer = Person(baton.base_url, visitor.token).get(f"/storage/v1/object/attachments/{chat['id']}/a.png")
        assert says(answer, 503, "project_key_refused")
        assert "SUPABASE_SERVICE_ROLE_KEY" in answer.json()["hint"]
        assert forged not in answer.text
        assert refuses(exchange(baton, identity()), 503, "project_key_refused")
        assert "project_key_refused" in baton.log.read_text()


def test_the_package_says_nothing_of_its_own(pair: Pair) -> None:
    config = Config.from_env({**pointed_at(pair.project.base_url), "DATABASE_URL": pair.project.database.url})
    with pytest.raises(ApiError, match="Bucket not found") as refusal:
        files_of(config).discard(pair.project.database.owner, "none", ["a"])
    assert (refusal.value.status, refusal.value.code) == (404, "NoSuchBucket")


# Who is who


def test_the_identity_of_one_request_is_never_the_next_ones(pair: Pair) -> None:
    people = [pair.visitor() for _ in range(6)]
    chats = [person.starts_chat() for person in people]

    def act(number: int) -> None:
        index = number % len(people)
        person, chat = people[index], chats[index]
        other = chats[(index + 1) % len(chats)]
        assert person.get("/auth/v1/user").json()["id"] == person.id
        assert upload(person, chat).status_code == 200
        assert says(upload(person, other), 403, "AccessDenied")
        assert refuses(sign_in(pair.user, "refresh_token", refresh_token="unknown"), 400, "refresh_token_not_found")
        changed = person.http.put("/auth/v1/user", json={"data": {"number": index}})
        assert (changed.json()["id"], changed.json()["user_metadata"]["number"]) == (person.id, index)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(act, range(36)))
    for person, chat in zip(people, chats, strict=True):
        owners = pair.rows("select owner_id from storage.objects where name like %s", f"{chat['id']}/%")
        assert [row["owner_id"] for row in owners] == [person.id] * 6


def test_an_embedded_baton_does_not_load_the_package() -> None:
    program = (
        "import sys, web, functions; web.create_app(); print([n for n in sys.modules if n.startswith('supabase')])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUPABASE")}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.strip() == "[]"

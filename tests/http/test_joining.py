"""The first admin and invitations over HTTP, with either keeper of accounts; one of the two servers sends mail."""

from collections.abc import Iterator
from email import message_from_bytes
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession

from tests.http.conftest import PASSWORD, Person, refuses
from tests.http.test_login import sign_in
from tests.http.test_project_backend import PROJECT_SECRET, pointed_at
from tests.servers import Baton, Server, free_port, running_baton

SENDER = "support@shop.example"


class Mailbox:
    """Takes all mail, but for those who are not known here."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: SmtpSession, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("unknown"):
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        self.taken.append(envelope)
        return "250 OK"


class Place:
    """A server of whose database nobody knows yet, and the mail that it has sent."""

    def __init__(self, baton: Baton, mailbox: Mailbox | None, project: Baton | None = None) -> None:
        self.baton = baton
        self.mailbox = mailbox
        self.project = project  # which keeps the accounts

    @property
    def nobody(self) -> Person:
        """Somebody who has not signed in."""
        return Person(self.baton.base_url, None)

    def person(self, session: httpx.Response) -> Person:
        """Return whose new session it is."""
        assert session.status_code in (200, 201), session.text
        return Person(self.baton.base_url, session.json()["access_token"], session.json()["user"]["id"])

    def admin(self) -> Person:
        """Make an admin who is signed in."""
        email = f"{uuid4().hex}@shop.example"
        service = Person(self.baton.base_url, self.baton.service_key)
        account = service.post("/auth/v1/admin/users", email=email, password=PASSWORD, email_confirm=True)
        self.baton.database.rows(
            "insert into operators (id, name, email, role) values (%s, 'Ada', %s, 'admin')", account.json()["id"], email
        )
        return self.person(sign_in(self.baton, email=email, password=PASSWORD))

    def invite(self, ada: Person, email: str, **more: Any) -> str:
        """Have an admin invite somebody; return the token in the link that he gets."""
        answer = ada.post("/api/admin/invitations", email=email, **more)
        assert answer.status_code == 201, answer.text
        invitation = answer.json()
        assert "token" not in invitation
        if self.mailbox is None:
            assert invitation["is_mailed"] is False
            address, _, token = invitation["link"].partition("#")
        else:
            assert (invitation["is_mailed"], invitation["link"]) == (True, None)
            mail = self.mailbox.taken[-1]
            assert (mail.mail_from, mail.rcpt_tos) == (SENDER, [email])
            assert isinstance(mail.content, bytes)
            message = message_from_bytes(mail.content)
            assert (message["From"], message["To"]) == (SENDER, email)
            text = bytes(message.get_payload(decode=True)).decode()
            address, _, token = next(line for line in text.splitlines() if "/join" in line).partition("#")
        assert address == f"{self.baton.base_url}/join"
        return str(token)

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        return self.baton.database.rows(query, *parameters)


@pytest.fixture(scope="module", params=["embedded", "project"])
def place(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if request.param == "embedded":
        with running_baton(server, 1) as baton:
            yield Place(baton, None)
        return
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    secrets = {"SUPABASE_JWT_SECRET": PROJECT_SECRET, "BATON_DATA": str(tmp_path_factory.mktemp("project"))}
    try:
        with running_baton(server, 1, **secrets) as project:
            rest = {"DATABASE_URL": project.database.url, "SUPABASE_JWT_SECRET": PROJECT_SECRET}
            rest["SMTP_URL"] = f"smtp://127.0.0.1:{controller.port}?from={SENDER}"
            with running_baton(server, 1, **pointed_at(project.base_url, **rest)) as baton:
                baton.database = project.database
                yield Place(baton, mailbox, project)
    finally:
        controller.stop()


def test_the_first_visitor_makes_the_first_admin_and_no_other_does(place: Place) -> None:
    place.rows("delete from operators")
    nobody, email = place.nobody, f"{uuid4().hex}@shop.example"
    new = {"name": "Eve", "email": email, "password": PASSWORD}
    assert nobody.get("/api/setup").json() == {"is_new": True}
    assert refuses(nobody.post("/api/setup", **{**new, "password": "short"}), 422, "weak_password")
    for field in ("name", "email"):
        answer = nobody.post("/api/setup", **{**new, field: " "})
        assert refuses(answer, 400, "invalid_argument")
        assert answer.json()["hint"].startswith(f"{field}: ")
    # Nothing is left of those: neither an operator nor an account.
    assert nobody.get("/api/setup").json() == {"is_new": True}
    assert place.rows("select from auth.users where email = %s", email) == []

    eve = place.person(nobody.post("/api/setup", **new))
    assert eve.get("/api/me").json() == {"id": eve.id, "kind": "admin"}
    assert nobody.get("/api/setup").json() == {"is_new": False}
    other = {**new, "email": f"{uuid4().hex}@shop.example"}
    assert refuses(nobody.post("/api/setup", **other), 409, "already_set_up")
    assert place.rows("select from auth.users where email = %s", other["email"]) == []
    assert sign_in(place.baton, email=email, password=PASSWORD).status_code == 200


def test_who_is_invited_joins_and_is_signed_in(place: Place) -> None:
    ada, nobody, email = place.admin(), place.nobody, f"{uuid4().hex}@shop.example"
    token = place.invite(ada, email, name="Dan", capacity=2)
    found = {"email": email, "name": "Dan", "role": "operator"}
    assert nobody.post("/api/invitations/find", token=token).json() == found
    dan = place.person(nobody.post("/api/invitations/accept", token=token, name="Daniel", password=PASSWORD))
    assert dan.get("/api/me").json() == {"id": dan.id, "kind": "operator"}
    (row,) = (row for row in ada.get("/api/admin/operators").json()["data"] if row["id"] == dan.id)
    assert (row["name"], row["email"], row["capacity"], row["status"]) == ("Daniel", email, 2, "offline")
    assert sign_in(place.baton, email=email, password=PASSWORD).status_code == 200
    again = nobody.post("/api/invitations/accept", token=token, password=PASSWORD)
    assert refuses(again, 404, "invitation_not_found")
    assert refuses(nobody.post("/api/invitations/find", token=token), 404, "invitation_not_found")


def test_what_is_refused_leaves_nothing_and_the_invitation_open(place: Place) -> None:
    ada, nobody, email = place.admin(), place.nobody, f"{uuid4().hex}@shop.example"
    token = place.invite(ada, email)

    def accept(**more: str) -> httpx.Response:
        return nobody.post("/api/invitations/accept", **{"token": token, "password": PASSWORD, "name": "Dan", **more})

    assert refuses(accept(password="short"), 422, "weak_password")
    assert refuses(accept(name=" "), 400, "invalid_argument")  # and there is none in the invitation
    assert refuses(accept(token="f" * 64), 404, "invitation_not_found")
    assert place.rows("select from auth.users where email = %s", email) == []
    # Somebody has an account under this address already: it is his, and stays as it is.
    service = Person(place.baton.base_url, place.baton.service_key)
    assert service.post("/auth/v1/admin/users", email=email, password="another password").status_code == 200
    assert refuses(accept(), 422, "email_exists")
    assert sign_in(place.baton, email=email, password="another password").status_code == 200
    assert place.rows("select from operators where email = %s", email) == []
    assert nobody.post("/api/invitations/find", token=token).status_code == 200


def test_an_account_that_a_broken_try_has_left_at_the_project_is_taken_up(place: Place) -> None:
    ada, nobody, email = place.admin(), place.nobody, f"{uuid4().hex}@shop.example"
    token = place.invite(ada, email, name="Dan")
    (invitation,) = place.rows("select id from private.operator_invitations where email = %s", email)
    service = Person(place.baton.base_url, place.baton.service_key)
    left = {"id": str(invitation["id"]), "email": email, "password": "the password of the first try"}
    assert service.post("/auth/v1/admin/users", **left).status_code == 200
    answer = nobody.post("/api/invitations/accept", token=token, password=PASSWORD)
    if place.mailbox is None:  # there both are one transaction: such a thing cannot be
        assert refuses(answer, 422, "email_exists")
    else:
        assert place.person(answer).id == str(invitation["id"])


def test_who_has_joined_but_could_not_be_signed_in_is_not_told_that_it_failed(place: Place) -> None:
    ada, nobody, email = place.admin(), place.nobody, f"{uuid4().hex}@shop.example"
    token = place.invite(ada, email, name="Dan")
    if place.project is not None:
        while sign_in(place.project, email=email, password="").status_code != 429:  # until it lets nobody try
            pass
    answer = nobody.post("/api/invitations/accept", token=token, password=PASSWORD)
    if place.project is None:  # there the session begins in the same transaction
        place.person(answer)
    else:
        assert (answer.status_code, answer.content) == (204, b"")
        assert len(place.rows("select from operators where email = %s", email)) == 1
        assert refuses(
            nobody.post("/api/invitations/accept", token=token, password=PASSWORD), 404, "invitation_not_found"
        )


def test_a_mail_that_nobody_takes_makes_a_link_to_copy(place: Place) -> None:
    ada = place.admin()
    answer = ada.post("/api/admin/invitations", email=f"unknown-{uuid4().hex}@shop.example", name="Dan").json()
    assert answer["is_mailed"] is False
    assert place.nobody.post("/api/invitations/find", token=answer["link"].partition("#")[2]).status_code == 200


def test_only_admins_invite_and_take_back(place: Place) -> None:
    ada, nobody = place.admin(), place.nobody
    token = place.invite(ada, f"{uuid4().hex}@shop.example", name="Dan")
    dan = place.person(nobody.post("/api/invitations/accept", token=token, password=PASSWORD))
    email = f"{uuid4().hex}@shop.example"
    for who, status, code in ((dan, 403, "not_allowed"), (nobody, 401, "not_signed_in")):
        assert refuses(who.post("/api/admin/invitations", email=email), status, code)
        assert refuses(who.get("/api/admin/invitations"), status, code)
    bad = ada.post("/api/admin/invitations", email="eve")
    assert refuses(bad, 400, "invalid_argument")
    assert bad.json()["hint"].startswith("email: ")
    token = place.invite(ada, email)
    invitation = ada.get("/api/admin/invitations").json()["data"][0]
    assert (invitation["email"], invitation["status"], invitation["invited_by_name"]) == (email, "open", "Ada")
    path = f"/api/admin/invitations/{invitation['id']}"
    assert refuses(dan.delete(path), 403, "not_allowed")
    assert ada.delete(path).status_code == 204
    assert refuses(nobody.post("/api/invitations/find", token=token), 404, "invitation_not_found")
    assert refuses(ada.delete(f"/api/admin/invitations/{uuid4()}"), 404, "invitation_not_found")


def test_a_project_that_does_not_answer_leaves_the_invitation_open(server: Server) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    with (
        server.loaded_database() as database,
        running_baton(server, 1, **pointed_at(gone, DATABASE_URL=database.url)) as baton,
    ):
        admin_id = database.value("insert into operators (name, role) values ('Ada', 'admin') returning id")
        invite = "select invite_operator('eve@shop.example', 'Eve') ->> 'token'"
        token = database.value(invite)
        nobody = Person(baton.base_url, None)
        answer = nobody.post("/api/invitations/accept", token=token, password=PASSWORD)
        assert refuses(answer, 503, "project_unavailable")
        assert database.rows("select id from operators") == [{"id": admin_id}]
        assert nobody.post("/api/invitations/find", token=token).status_code == 200

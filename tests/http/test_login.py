"""Login in the shapes of Supabase's clients."""

import time
from collections.abc import Callable
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.http.conftest import PASSWORD, Person
from tests.servers import Baton, Database

USER = {"id", "aud", "role", "email", "is_anonymous", "app_metadata", "user_metadata", "created_at", "last_sign_in_at"}


def refuses(answer: httpx.Response, status: int, code: str) -> bool:
    """Return whether the answer is this refusal in the form of Supabase's login."""
    body = answer.json()
    assert (answer.status_code, body["error_code"]) == (status, code), answer.text
    assert body["code"] == status
    assert body["msg"]
    return True


def sign_in(baton: Baton, grant_type: str = "password", **body: object) -> httpx.Response:
    """Ask for a session."""
    return baton.client.post("/auth/v1/token", params={"grant_type": grant_type}, json=body)


def sign_up(baton: Baton, **body: object) -> httpx.Response:
    """Ask for an account."""
    return baton.client.post("/auth/v1/signup", json=body)


def test_signing_in_by_password_begins_a_session(baton: Baton, account: str) -> None:
    answer = sign_in(baton, email=account.upper(), password=PASSWORD)
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert session["token_type"] == "bearer"
    assert session["expires_in"] == 3600
    assert abs(session["expires_at"] - time.time() - 3600) < 30
    assert set(session["user"]) >= USER
    assert session["user"]["email"] == account
    assert session["user"]["last_sign_in_at"]
    claims = jwt.decode(session["access_token"], baton.jwt_secret, ["HS256"], audience="authenticated")
    assert claims["sub"] == session["user"]["id"]
    assert claims["role"] == "authenticated"
    assert claims["email"] == account
    assert claims["is_anonymous"] is False
    assert claims["exp"] == session["expires_at"]
    assert {"iss", "iat", "session_id", "app_metadata", "user_metadata"} <= set(claims)
    assert PASSWORD not in answer.text
    assert "argon2" not in answer.text


def test_an_anonymous_visitor_signs_up_and_writes(baton: Baton, owner: Database) -> None:
    session = sign_up(baton, data={"page": "/shoes"}).json()
    assert session["user"]["is_anonymous"] is True
    assert session["user"]["user_metadata"] == {"page": "/shoes"}
    visitor = Person(baton.base_url, session["access_token"])
    assert visitor.starts_chat()["real_user_id"] == session["user"]["id"]


def test_an_empty_body_signs_up_too(baton: Baton) -> None:
    answer = baton.client.post("/auth/v1/signup")
    assert answer.status_code == 200, answer.text


def test_a_wrong_password_and_an_unknown_email_are_one_answer(baton: Baton, account: str) -> None:
    wrong = sign_in(baton, email=account, password="wrong")
    unknown = sign_in(baton, email=f"{uuid4().hex}@baton.example", password=PASSWORD)
    assert refuses(wrong, 400, "invalid_credentials")
    assert wrong.json() == unknown.json()
    assert wrong.json()["error"] == "invalid_grant"


def test_an_unknown_email_takes_as_long_as_a_wrong_password(baton: Baton, account: str) -> None:
    def seconds(email: str) -> float:
        start = time.perf_counter()
        sign_in(baton, email=email, password="wrong")
        return time.perf_counter() - start

    # By turns, and the quickest of each: a machine that does something else makes others longer, never that one.
    times = [(seconds(account), seconds(f"{uuid4().hex}@baton.example")) for _ in range(10)]
    known, unknown = (min(each) for each in zip(*times, strict=True))
    assert unknown > known / 2


@pytest.mark.parametrize("password", ["x" * 5000, "", None])
def test_an_odd_password_is_refused(baton: Baton, account: str, password: str | None) -> None:
    assert sign_in(baton, email=account, password=password).status_code == 400


@pytest.mark.parametrize(
    ("grant_type", "body", "code"),
    [
        ("password", {"email": "a@baton.example"}, "validation_failed"),
        ("password", {}, "validation_failed"),
        ("refresh_token", {}, "validation_failed"),
        ("refresh_token", {"refresh_token": "unknown"}, "refresh_token_not_found"),
        ("password", {"email": 5, "password": "x"}, "validation_failed"),
        ("password", {"email": "a\0b", "password": "x"}, "validation_failed"),
        ("pkce", {}, "validation_failed"),
        ("", {}, "validation_failed"),
    ],
)
def test_an_odd_request_for_a_token_is_refused(
    baton: Baton, grant_type: str, body: dict[str, object], code: str
) -> None:
    assert refuses(sign_in(baton, grant_type, **body), 400, code)


def test_what_is_not_json_is_refused_in_the_same_form(baton: Baton) -> None:
    answer = baton.client.post("/auth/v1/signup", content=b"{", headers={"Content-Type": "application/json"})
    assert refuses(answer, 400, "bad_json")


def test_accounts_with_an_email_are_not_for_everyone(baton: Baton) -> None:
    answer = sign_up(baton, email="eve@baton.example", password=PASSWORD)
    assert refuses(answer, 422, "signup_disabled")
    assert refuses(sign_up(baton, phone="1", password=PASSWORD), 422, "signup_disabled")


def test_metadata_has_its_limit(baton: Baton) -> None:
    assert refuses(sign_up(baton, data={"text": "x" * 5000}), 422, "validation_failed")


def test_a_refresh_token_is_exchanged_for_a_new_session(baton: Baton) -> None:
    first = sign_up(baton).json()
    second = sign_in(baton, "refresh_token", refresh_token=first["refresh_token"]).json()
    assert second["user"]["id"] == first["user"]["id"]
    assert second["refresh_token"] != first["refresh_token"]
    third = sign_in(baton, "refresh_token", refresh_token=second["refresh_token"])
    assert third.status_code == 200


def test_an_old_refresh_token_ends_the_whole_session(baton: Baton, owner: Database) -> None:
    first = sign_up(baton).json()
    second = sign_in(baton, "refresh_token", refresh_token=first["refresh_token"]).json()
    third = sign_in(baton, "refresh_token", refresh_token=second["refresh_token"]).json()
    owner.rows(
        "update auth.refresh_tokens set used_at = used_at - interval '1 minute' where user_id = %s",
        first["user"]["id"],
    )
    for token in (first["refresh_token"], third["refresh_token"]):
        answer = sign_in(baton, "refresh_token", refresh_token=token)
        assert refuses(answer, 400, "refresh_token_already_used")
    person = Person(baton.base_url, third["access_token"])
    assert refuses(person.get("/auth/v1/user"), 403, "session_not_found")


def test_refresh_tokens_and_passwords_are_stored_as_hashes(baton: Baton, account: str, owner: Database) -> None:
    session = sign_in(baton, email=account, password=PASSWORD).json()
    token = owner.row("select * from auth.refresh_tokens where user_id = %s", session["user"]["id"])
    assert session["refresh_token"] not in token.values()
    user = owner.row("select * from auth.users where email = %s", account)
    assert user["encrypted_password"].startswith("$argon2id$")


def test_signing_out_ends_the_session(baton: Baton) -> None:
    session = sign_up(baton).json()
    person = Person(baton.base_url, session["access_token"])
    assert person.get("/auth/v1/user").json()["id"] == session["user"]["id"]
    assert person.http.post("/auth/v1/logout", params={"scope": "local"}).status_code == 204
    assert refuses(person.get("/auth/v1/user"), 403, "session_not_found")
    answer = sign_in(baton, "refresh_token", refresh_token=session["refresh_token"])
    assert refuses(answer, 400, "refresh_token_not_found")


@pytest.mark.parametrize(
    ("scope", "alive"), [("local", [False, True]), ("global", [False] * 2), ("others", [True, False])]
)
def test_signing_out_has_a_scope(baton: Baton, account: str, scope: str, alive: list[bool]) -> None:
    sessions = [sign_in(baton, email=account, password=PASSWORD).json() for _ in range(2)]
    people = [Person(baton.base_url, session["access_token"]) for session in sessions]
    people[0].http.post("/auth/v1/logout", params={"scope": scope})
    assert [person.get("/auth/v1/user").status_code == 200 for person in people] == alive


def test_a_key_is_no_person(baton: Baton, sign: Callable[..., str]) -> None:
    for token in (baton.anon_key, baton.service_key):
        assert refuses(Person(baton.base_url, token).get("/auth/v1/user"), 401, "no_authorization")
        assert refuses(Person(baton.base_url, token).post("/auth/v1/logout"), 401, "no_authorization")
    assert refuses(Person(baton.base_url, None).get("/auth/v1/user"), 401, "no_authorization")
    assert refuses(Person(baton.base_url, "x").get("/auth/v1/user"), 403, "bad_jwt")
    assert refuses(Person(baton.base_url, sign(exp=int(time.time()) - 1)).get("/auth/v1/user"), 403, "bad_jwt")
    assert refuses(Person(baton.base_url, sign()).get("/auth/v1/user"), 403, "user_not_found")


def test_a_banned_person_signs_in_no_more(baton: Baton, account: str, owner: Database) -> None:
    session = sign_in(baton, email=account, password=PASSWORD).json()
    owner.rows("update auth.users set banned_until = now() + interval '1 hour' where email = %s", account)
    assert refuses(sign_in(baton, email=account, password=PASSWORD), 400, "user_banned")
    again = sign_in(baton, "refresh_token", refresh_token=session["refresh_token"])
    assert refuses(again, 400, "user_banned")


def test_a_refresh_token_ends_after_a_month(baton: Baton, owner: Database) -> None:
    session = sign_up(baton).json()
    owner.rows(
        "update auth.refresh_tokens set created_at = now() - interval '31 days' where user_id = %s",
        session["user"]["id"],
    )
    answer = sign_in(baton, "refresh_token", refresh_token=session["refresh_token"])
    assert refuses(answer, 400, "session_expired")


def test_a_session_that_has_ended_ends_no_other(baton: Baton, account: str) -> None:
    ended, other = (sign_in(baton, email=account, password=PASSWORD).json() for _ in range(2))
    person = Person(baton.base_url, ended["access_token"])
    assert person.http.post("/auth/v1/logout", params={"scope": "local"}).status_code == 204
    assert refuses(person.http.post("/auth/v1/logout", params={"scope": "global"}), 403, "session_not_found")
    assert Person(baton.base_url, other["access_token"]).get("/auth/v1/user").status_code == 200


# Changing oneself


def changes(person: Person, **body: object) -> httpx.Response:
    """Ask for a change of one's own account."""
    return person.http.put("/auth/v1/user", json=body)


def test_what_a_user_says_of_himself_is_changed_key_by_key(baton: Baton) -> None:
    session = sign_up(baton, data={"page": "/shoes", "theme": "dark"}).json()
    person = Person(baton.base_url, session["access_token"])
    answer = changes(person, data={"theme": None, "name": "Kim"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["user_metadata"] == {"page": "/shoes", "name": "Kim"}
    assert person.get("/auth/v1/user").json()["user_metadata"] == {"page": "/shoes", "name": "Kim"}
    again = sign_in(baton, "refresh_token", refresh_token=session["refresh_token"]).json()
    claims = jwt.decode(again["access_token"], options={"verify_signature": False})
    assert claims["user_metadata"] == {"page": "/shoes", "name": "Kim"}


def test_what_a_user_says_of_himself_stays_small_enough_for_a_header(baton: Baton) -> None:
    session = sign_up(baton).json()
    person = Person(baton.base_url, session["access_token"])
    assert refuses(changes(person, data={"text": "x" * 5000}), 422, "validation_failed")
    answers = [changes(person, data={f"text {number}": "x" * 3900}) for number in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert refuses(answers[2], 400, "users_user_metadata_check")
    renewed = sign_in(baton, "refresh_token", refresh_token=session["refresh_token"]).json()
    assert Person(baton.base_url, renewed["access_token"]).get("/api/me").status_code == 200


def test_a_new_password_ends_the_other_sessions(baton: Baton, account: str) -> None:
    mine, other = (sign_in(baton, email=account, password=PASSWORD).json() for _ in range(2))
    person = Person(baton.base_url, mine["access_token"])
    assert changes(person, password="another horse").status_code == 200
    assert refuses(sign_in(baton, email=account, password=PASSWORD), 400, "invalid_credentials")
    assert sign_in(baton, email=account, password="another horse").status_code == 200
    assert person.get("/auth/v1/user").status_code == 200
    assert refuses(Person(baton.base_url, other["access_token"]).get("/auth/v1/user"), 403, "session_not_found")
    renewed = sign_in(baton, "refresh_token", refresh_token=other["refresh_token"])
    assert refuses(renewed, 400, "refresh_token_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"password": "1234567"}, "weak_password"),
        ({"password": ""}, "weak_password"),
        ({"password": PASSWORD}, "same_password"),
        ({"password": "x" * 1025}, "validation_failed"),
        ({"email": "eve@baton.example"}, "validation_failed"),
        ({"phone": "1"}, "validation_failed"),
    ],
    ids=range(6),
)
def test_an_odd_change_of_oneself_changes_nothing(
    baton: Baton, account: str, body: dict[str, object], code: str
) -> None:
    session = sign_in(baton, email=account, password=PASSWORD).json()
    person = Person(baton.base_url, session["access_token"])
    assert refuses(changes(person, **body, data={"name": "Eve"}), 422, code)
    assert person.get("/auth/v1/user").json()["user_metadata"] == {}
    assert sign_in(baton, email=account, password=PASSWORD).status_code == 200


def test_who_has_no_password_gets_none(baton: Baton) -> None:
    visitor = Person(baton.base_url, sign_up(baton).json()["access_token"])
    assert refuses(changes(visitor, password="long enough"), 422, "validation_failed")
    assert refuses(changes(Person(baton.base_url, baton.anon_key), data={}), 401, "no_authorization")

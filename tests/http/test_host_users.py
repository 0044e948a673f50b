"""setUser: the host page's backend signs who its user is, and he is signed in here as the same person each time."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.http.conftest import PASSWORD, Person, check_answer
from tests.http.test_login import refuses, sign_in
from tests.keys import encoded, token
from tests.node import node
from tests.servers import ROOT, Baton, Server, running_baton
from web.auth.passwords import hash_password

SECRET = "the secret that the host's backend signs with, long enough for each algorithm"

Sign = Callable[..., str]


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Baton]:
    """Run a server whose host page can identify its users."""
    with running_baton(server, BATON_IDENTITY_SECRET=SECRET) as baton:
        baton.client.event_hooks["response"] = [check_answer]
        yield baton


def identity(subject: str = "", secret: str = SECRET, **claims: Any) -> str:
    """Sign who a user of the host is; what is given replaces the usual, None takes one away."""
    now = int(time.time())
    usual = {"aud": "baton", "sub": subject or uuid4().hex, "iat": now, "exp": now + 300, "jti": uuid4().hex}
    return token({"alg": "HS256", "typ": "JWT"}, {**usual, **claims}, secret.encode())


def exchange(shop: Baton, id_token: object, bearer: str | None = None, provider: object = "host") -> httpx.Response:
    """Exchange the host's token for a session."""
    return shop.client.post(
        "/auth/v1/token",
        params={"grant_type": "id_token"},
        json={"provider": provider, "id_token": id_token},
        headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
    )


def session_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the session of an answer."""
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


def visitor_of(shop: Baton) -> dict[str, Any]:
    """Return the session of a new anonymous visitor."""
    return session_of(shop.client.post("/auth/v1/signup", json={"data": {"page": "/shoes"}}))


def test_the_hosts_user_is_signed_in_by_his_name(shop: Baton) -> None:
    session = session_of(exchange(shop, identity("42", name="Kim", email="kim@shop.example")))
    assert session["user"]["is_anonymous"] is False
    assert session["user"]["user_metadata"] == {"name": "Kim"}
    assert session["user"]["app_metadata"] == {"provider": "host", "providers": ["host"]}
    claims = jwt.decode(session["access_token"], shop.jwt_secret, ["HS256"], audience="authenticated")
    assert claims["user_metadata"]["name"] == "Kim"
    assert claims["is_anonymous"] is False
    kim = Person(shop.base_url, session["access_token"])
    assert kim.get("/api/me").json() == {"id": session["user"]["id"], "kind": "customer"}
    kim.starts_chat()
    row = shop.database.row("select name, email, is_anonymous from real_users where id = %s", session["user"]["id"])
    assert row == {"name": "Kim", "email": "kim@shop.example", "is_anonymous": False}
    renewed = session_of(sign_in(shop, "refresh_token", refresh_token=session["refresh_token"]))
    assert renewed["user"]["user_metadata"] == {"name": "Kim"}


def test_who_comes_back_is_the_same_person(shop: Baton) -> None:
    subject = uuid4().hex
    first, second = (session_of(exchange(shop, identity(subject, name=name))) for name in ("Kim", "Kim Lee"))
    assert first["user"]["id"] == second["user"]["id"]
    assert second["user"]["user_metadata"] == {"name": "Kim Lee"}
    other = session_of(exchange(shop, identity()))
    assert other["user"]["id"] != first["user"]["id"]


def test_a_visitor_becomes_the_hosts_user_and_keeps_his_chats(shop: Baton) -> None:
    visitor = visitor_of(shop)
    chat = Person(shop.base_url, visitor["access_token"]).starts_chat()
    session = session_of(exchange(shop, identity(name="Kim"), visitor["access_token"]))
    assert session["user"]["id"] == visitor["user"]["id"]
    assert session["user"]["is_anonymous"] is False
    assert session["user"]["user_metadata"] == {"page": "/shoes", "name": "Kim"}
    kim = Person(shop.base_url, session["access_token"])
    assert [found["id"] for found in kim.get("/api/chats").json()["data"]] == [chat["id"]]
    # Whoever else has the visitor's session does not come along.
    answer = sign_in(shop, "refresh_token", refresh_token=visitor["refresh_token"])
    assert refuses(answer, 400, "refresh_token_not_found")
    assert kim.get("/auth/v1/user").status_code == 200


def test_a_known_user_leaves_the_visitor_where_he_is(shop: Baton) -> None:
    subject = uuid4().hex
    known = session_of(exchange(shop, identity(subject)))
    visitor = visitor_of(shop)
    session = session_of(exchange(shop, identity(subject), visitor["access_token"]))
    assert session["user"]["id"] == known["user"]["id"]
    assert Person(shop.base_url, visitor["access_token"]).get("/auth/v1/user").json()["is_anonymous"] is True


def test_who_has_a_name_already_becomes_nobody_else(shop: Baton) -> None:
    visitor = visitor_of(shop)
    kim = session_of(exchange(shop, identity(), visitor["access_token"]))
    # The visitor's old token still says that he is anonymous; his account does not.
    stale = exchange(shop, identity(), visitor["access_token"])
    assert refuses(stale, 403, "session_not_found")
    sam = session_of(exchange(shop, identity(), kim["access_token"]))
    assert sam["user"]["id"] != kim["user"]["id"]


def test_an_account_with_a_password_becomes_nobody_else(shop: Baton) -> None:
    shop.database.rows("select auth.create_user('pat@b.c', %s, false)", hash_password(PASSWORD))
    pat = session_of(sign_in(shop, email="pat@b.c", password=PASSWORD))
    kim = session_of(exchange(shop, identity(name="Kim"), pat["access_token"]))
    assert kim["user"]["id"] != pat["user"]["id"]
    again = session_of(sign_in(shop, email="pat@b.c", password=PASSWORD))
    assert again["user"]["user_metadata"] == {}


def test_an_operator_is_reached_by_no_token(shop: Baton) -> None:
    shop.database.rows("select auth.create_user('a@b.c', 'hash', false)")
    user_id = shop.database.value("select id from auth.users where email = 'a@b.c'")
    shop.database.rows("select register_operator(%s, 'Ana', 'a@b.c')", user_id)
    session = session_of(exchange(shop, identity(str(user_id), email="a@b.c")))
    assert session["user"]["id"] != str(user_id)
    assert Person(shop.base_url, session["access_token"]).get("/api/me").json()["kind"] == "customer"
    subject = uuid4().hex
    promoted = session_of(exchange(shop, identity(subject)))
    shop.database.rows("select register_operator(%s, 'Ben', 'ben@b.c')", promoted["user"]["id"])
    assert refuses(exchange(shop, identity(subject)), 403, "not_allowed")


def test_a_token_counts_once(shop: Baton) -> None:
    text = identity()
    assert exchange(shop, text).status_code == 200
    assert refuses(exchange(shop, text), 400, "identity_token_used")
    nonce = uuid4().hex
    assert exchange(shop, identity(jti=nonce)).status_code == 200
    assert refuses(exchange(shop, identity(jti=nonce)), 400, "identity_token_used")


def test_a_token_counts_once_also_when_it_comes_many_times_at_the_same_moment(shop: Baton) -> None:
    for _ in range(5):
        text = identity()
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: exchange(shop, text), range(8)))  # noqa: B023 - done in this turn
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200] + [400] * 7


def test_many_first_visits_at_the_same_moment_make_one_person(shop: Baton) -> None:
    subject = uuid4().hex
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: exchange(shop, identity(subject)), range(8)))
    assert len({session_of(answer)["user"]["id"] for answer in answers}) == 1


def now(seconds: int) -> int:
    """Return the time in so many seconds."""
    return int(time.time()) + seconds


ODD: dict[str, Callable[[], object]] = {
    "another secret": lambda: identity(secret="another secret that is long enough"),
    "the secret of the tokens": lambda: identity(secret="a secret of the tests, long enough for HS256"),
    "another audience": lambda: identity(aud="authenticated"),
    "no audience": lambda: identity(aud=None),
    "no subject": lambda: identity(sub=None),
    "an empty subject": lambda: identity(sub=""),
    "a subject that is a number": lambda: identity(sub=42),
    "a subject with a null byte": lambda: identity(sub="a\0b"),
    "a subject with half a character": lambda: identity(sub="\ud800"),
    "a long subject": lambda: identity("x" * 256),
    "no nonce": lambda: identity(jti=None),
    "an empty nonce": lambda: identity(jti=""),
    "a long nonce": lambda: identity(jti="x" * 256),
    "a nonce that is a list": lambda: identity(jti=["x"]),
    "no beginning": lambda: identity(iat=None),
    "no end": lambda: identity(exp=None),
    "an end long ago": lambda: identity(iat=now(-300), exp=now(-1)),
    "a beginning to come": lambda: identity(iat=now(120), exp=now(300)),
    "a time to come": lambda: identity(nbf=now(60)),
    "a long life": lambda: identity(exp=now(660)),
    "an end before the beginning": lambda: identity(iat=now(30), exp=now(20)),
    "an endless number": lambda: identity(exp=1e300),
    "no number": lambda: identity(exp="soon"),
    "a long name": lambda: identity(name="x" * 201),
    "a name that is no text": lambda: identity(name={"first": "Kim"}),
    "a long email": lambda: identity(email="x" * 321),
    "no algorithm": lambda: f"{encoded({'alg': 'none'})}.{identity().split('.')[1]}.",
    "another algorithm": lambda: jwt.encode(
        {"aud": "baton", "sub": "1", "iat": now(0), "exp": now(60), "jti": "x"}, SECRET, "HS512"
    ),
    "nonsense": lambda: "x.y.z",
    "no text": lambda: 5,
    "nothing": lambda: "",
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_token_is_refused_and_leaves_nothing(shop: Baton, kind: str) -> None:
    counts = "select (select count(*) from auth.users) as users, (select count(*) from private.host_nonces) as nonces"
    before = shop.database.row(counts)
    answer = exchange(shop, ODD[kind]())
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] in (
        "identity_token_invalid",
        "validation_failed",
        "host_users_subject_length",
        "real_users_name_length",
        "real_users_email_length",
    )
    assert SECRET not in answer.text
    assert shop.database.row(counts) == before


def test_only_the_host_identifies_users(shop: Baton) -> None:
    assert refuses(exchange(shop, identity(), provider="google"), 400, "validation_failed")
    assert refuses(exchange(shop, identity(), provider=None), 400, "validation_failed")
    assert refuses(exchange(shop, identity(), provider=""), 400, "validation_failed")


def test_whoever_comes_along_must_be_who_he_says(shop: Baton) -> None:
    text = identity()
    assert refuses(exchange(shop, text, "nonsense"), 403, "bad_jwt")
    expired = token({"alg": "HS256"}, {"role": "authenticated", "exp": now(-1)}, shop.jwt_secret.encode())
    assert refuses(exchange(shop, text, expired), 403, "bad_jwt")
    visitor = visitor_of(shop)
    Person(shop.base_url, visitor["access_token"]).post("/auth/v1/logout")
    assert refuses(exchange(shop, text, visitor["access_token"]), 403, "session_not_found")
    assert exchange(shop, text, shop.anon_key).status_code == 200  # as Supabase's clients send it


def test_a_banned_user_of_the_host_stays_outside(shop: Baton) -> None:
    subject = uuid4().hex
    user_id = session_of(exchange(shop, identity(subject)))["user"]["id"]
    shop.database.rows("update auth.users set banned_until = now() + interval '1 hour' where id = %s", user_id)
    assert refuses(exchange(shop, identity(subject)), 400, "user_banned")


def test_an_access_token_is_no_identity_and_an_identity_no_access_token(shop: Baton) -> None:
    visitor = visitor_of(shop)
    assert refuses(exchange(shop, visitor["access_token"]), 400, "identity_token_invalid")
    assert Person(shop.base_url, identity()).get("/api/me").status_code == 401


def test_without_the_secret_it_is_off_and_says_so(baton: Baton) -> None:
    for text in (identity(), identity(secret=""), "x"):
        answer = exchange(baton, text)
        assert refuses(answer, 400, "provider_disabled")
        assert "BATON_IDENTITY_SECRET" in answer.json()["msg"]


def example(language: str) -> str:
    """Return the example of docs/auth.md in this language."""
    page = (ROOT / "docs" / "auth.md").read_text()
    (found,) = re.findall(rf"```{language}\n(.*?baton_?token.*?)```", page, re.DOTALL | re.IGNORECASE)
    code: str = found
    return code


def test_the_examples_of_the_page_sign_good_tokens(shop: Baton, tmp_path: Path) -> None:
    subject = uuid4().hex
    names: dict[str, Any] = {"BATON_IDENTITY_SECRET": SECRET}
    exec(example("python"), names)  # noqa: S102 - our own page
    user = SimpleNamespace(id=subject, name="Kim", email="kim@shop.example")
    first = session_of(exchange(shop, names["baton_token"](user)))

    script = tmp_path / "sign.mjs"
    call = f"console.log(batonToken({json.dumps({'id': subject, 'name': 'Kim Lee'})}))"
    script.write_text(example("js") + call)
    text = subprocess.check_output([node(), script], env={"BATON_IDENTITY_SECRET": SECRET}, text=True)
    second = session_of(exchange(shop, text.strip()))
    assert second["user"]["id"] == first["user"]["id"]
    assert second["user"]["user_metadata"] == {"name": "Kim Lee"}

"""Whose word is taken: every token that is not exactly right is refused, and in the right words."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.http.conftest import Person, refuses
from tests.servers import NO_AUTHORITIES, Baton, Database


def ask(baton: Baton, **headers: str) -> httpx.Response:
    """Ask who one is, with these headers."""
    return httpx.get(f"{baton.base_url}/api/me", headers=headers, verify=NO_AUTHORITIES)


def encoded(part: object) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_without_a_token_one_is_not_signed_in(baton: Baton) -> None:
    assert refuses(ask(baton), 401, "not_signed_in")
    assert refuses(ask(baton, Authorization="Bearer"), 401, "not_signed_in")
    assert refuses(ask(baton, apikey=""), 401, "not_signed_in")


def test_the_anon_key_is_nobody(baton: Baton, owner: Database) -> None:
    nobody = Person(baton.base_url, baton.anon_key)
    body = {"content": "hello", "client_message_id": str(uuid4())}
    assert refuses(nobody.get("/api/me"), 401, "not_signed_in")
    assert refuses(nobody.post("/api/chats", **body), 401, "not_signed_in")
    assert refuses(nobody.get("/api/chats"), 401, "not_signed_in")
    assert refuses(nobody.get("/api/admin/metrics/chat_state_summary"), 401, "not_signed_in")
    assert refuses(nobody.post("/functions/v1/idle-detection"), 401, "not_signed_in")


def test_the_apikey_counts_in_the_absence_of_a_bearer_token(baton: Baton, sign: Callable[..., str]) -> None:
    person = str(uuid4())
    assert ask(baton, apikey=baton.service_key).json()["kind"] == "service"
    both = ask(baton, apikey=baton.service_key, Authorization=f"Bearer {sign(sub=person)}")
    assert both.json() == {"id": person, "kind": "customer"}
    assert refuses(ask(baton, apikey=baton.service_key, Authorization="Bearer x"), 401, "token_invalid")
    assert refuses(ask(baton, apikey=baton.service_key, Authorization="Basic eDp5"), 401, "token_invalid")


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "postgres"},
        {"role": "authenticator"},
        {"role": "none"},
        {"role": None},
        {"role": ["service_role"]},
        {"role": {"service_role": 1}},
        {"aud": None},
        {"aud": "other"},
        {"aud": []},
        {"sub": None},
        {"sub": "1"},
        {"sub": 5},
        {"sub": "' or 1=1"},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 32503680000},
        {"session_id": "x"},
        {"user_metadata": {"name": "\0"}},
        {"user_metadata": {"name": "\ud800"}},
    ],
    ids=str,
)
def test_a_token_with_odd_claims_is_invalid(baton: Baton, sign: Callable[..., str], claims: dict[str, Any]) -> None:
    assert refuses(ask(baton, Authorization=f"Bearer {sign(**claims)}"), 401, "token_invalid")


def test_an_expired_token_is_refused_at_once(baton: Baton, sign: Callable[..., str]) -> None:
    token = sign(exp=int(time.time()) - 1)
    assert refuses(ask(baton, Authorization=f"Bearer {token}"), 401, "token_expired")


def test_a_token_that_was_accepted_is_refused_at_its_end(baton: Baton, sign: Callable[..., str]) -> None:
    ends_at = int(time.time()) + 2
    token = sign(role="service_role", exp=ends_at)
    assert ask(baton, Authorization=f"Bearer {token}").status_code == 200
    while (answer := ask(baton, Authorization=f"Bearer {token}")).status_code == 200:
        assert time.time() < ends_at + 1
    assert time.time() >= ends_at
    assert refuses(answer, 401, "token_expired")


def test_a_token_by_another_secret_is_refused(baton: Baton, sign: Callable[..., str]) -> None:
    forged = sign(secret="another secret that is long enough too", role="service_role")
    assert refuses(ask(baton, Authorization=f"Bearer {forged}"), 401, "token_invalid")


def test_a_changed_token_is_refused(baton: Baton, sign: Callable[..., str]) -> None:
    head, _, signature = sign().split(".")
    body = encoded({"role": "service_role", "exp": int(time.time()) + 600})
    assert refuses(ask(baton, Authorization=f"Bearer {head}.{body}.{signature}"), 401, "token_invalid")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS512", "RS256", None, ["HS256"], {"HS256": 1}])
def test_another_algorithm_is_refused(baton: Baton, algorithm: object) -> None:
    claims = {"role": "service_role", "exp": int(time.time()) + 600}
    for signature in ("", "x", "AAAA"):
        token = f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(claims)}.{signature}"
        assert refuses(ask(baton, Authorization=f"Bearer {token}"), 401, "token_invalid")


@pytest.mark.filterwarnings("ignore:The HMAC key")
def test_the_right_secret_with_an_algorithm_that_is_not_pinned_is_refused(
    baton: Baton, sign: Callable[..., str]
) -> None:
    assert refuses(ask(baton, Authorization=f"Bearer {sign(algorithm='HS512')}"), 401, "token_invalid")


@pytest.mark.parametrize("token", ["x", "a.b.c", "..", "é.b.c", "[" * 3000, "[" * 3000 + ".x.y"], ids=range(6))
def test_nonsense_is_refused(baton: Baton, token: str) -> None:
    for nonsense in (token, base64.urlsafe_b64encode(token.encode()).decode() + ".e30.x"):
        answer = httpx.get(f"{baton.base_url}/api/me", headers=[(b"Authorization", f"Bearer {nonsense}".encode())])
        assert refuses(answer, 401, "token_invalid")

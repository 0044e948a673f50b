"""Supabase's own JavaScript client signs in at Baton."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.http.conftest import PASSWORD
from tests.http.test_host_users import SECRET, identity
from tests.keys import KeyFile, ec_file, rsa_file
from tests.node import MODULES, run_module
from tests.servers import Baton, Server, running_baton

Answer = dict[str, Any]


def scenario(baton: Baton, name: str, **given: Any) -> dict[str, Any]:
    """Run a scenario with a new client of the server."""
    seen: dict[str, Any] = run_module(
        (MODULES / "auth.mjs").read_text(), scenario=name, url=baton.base_url, key=baton.anon_key, **given
    )
    return seen


def refuses(answer: Answer, status: int, code: str) -> bool:
    """Return whether the client was told this refusal."""
    assert (answer["error"]["status"], answer["error"]["code"]) == (status, code), answer
    return True


def test_the_client_signs_in_by_password_and_changes_its_user(baton: Baton, account: str) -> None:
    seen = scenario(baton, "password", email=account, password=PASSWORD)
    for step in ("signed_in", "user", "refreshed", "updated", "changed", "again"):
        assert seen[step]["error"] is None, seen[step]
        assert (seen[step]["email"], seen[step]["is_anonymous"]) == (account, False)
    assert seen["refreshed"]["refresh_token"] != seen["signed_in"]["refresh_token"]
    assert seen["updated"]["metadata"] == {"theme": "dark"}
    assert refuses(seen["weak"], 422, "weak_password")
    assert (seen["weak"]["error"]["name"], seen["weak"]["error"]["reasons"]) == ("AuthWeakPasswordError", ["length"])
    assert refuses(seen["same"], 422, "same_password")
    assert seen["signed_out"]["error"] is None
    assert seen["afterwards"]["error"]["name"] == "AuthSessionMissingError"


def test_the_client_understands_every_refusal(baton: Baton, account: str, sign: Callable[..., str]) -> None:
    seen = scenario(baton, "refusals", email=account, password=PASSWORD, expired=sign(exp=int(time.time()) - 1))
    assert refuses(seen["wrong"], 400, "invalid_credentials")
    assert refuses(seen["refresh"], 400, "refresh_token_not_found")
    assert refuses(seen["forged"], 403, "bad_jwt")
    assert refuses(seen["expired"], 403, "bad_jwt")
    assert refuses(seen["sign_up"], 422, "signup_disabled")
    assert seen["nobody"]["error"]["name"] == "AuthSessionMissingError"


@pytest.fixture(scope="module", params=[ec_file, rsa_file], ids=["ES256", "RS256"])
def key(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    """Return the key that a server signs with."""
    make: Callable[[Path], KeyFile] = request.param
    return make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def shop(server: Server, key: KeyFile) -> Iterator[Baton]:
    """Run a server that signs with the key, and whose host page can identify its users."""
    with running_baton(server, BATON_JWT_KEY_FILE=str(key.path), BATON_IDENTITY_SECRET=SECRET) as baton:
        yield baton


def test_the_client_checks_a_token_by_the_published_keys_alone(shop: Baton, key: KeyFile) -> None:
    claims = {"sub": str(uuid4()), "role": "service_role", "exp": int(time.time()) + 600}
    head, body, _ = key.sign(claims).split(".")
    forged = f"{head}.{body}.{key.sign({**claims, 'sub': 'x'}).split('.')[2]}"
    seen = scenario(shop, "claims", forged=forged)
    assert seen["error"] is None
    assert seen["header"] == {"alg": key.algorithm, "typ": "JWT", "kid": key.kid}
    assert seen["claims"]["sub"] == seen["visitor"]["id"]
    assert seen["claims"]["user_metadata"] == {"page": "/"}
    assert seen["forged"]["name"] == "AuthInvalidJwtError"
    assert seen["asked"] == ["/auth/v1/.well-known/jwks.json"]


def test_the_client_identifies_the_hosts_user(shop: Baton) -> None:
    subject = uuid4().hex
    seen = scenario(shop, "host_user", token=identity(subject, name="Kim"), another=identity(subject, name="Kim Lee"))
    assert seen["visitor"]["is_anonymous"] is True
    for step in ("linked", "user", "known"):
        assert seen[step]["error"] is None, seen[step]
        assert (seen[step]["id"], seen[step]["is_anonymous"]) == (seen["visitor"]["id"], False)
    assert seen["linked"]["metadata"] == {"name": "Kim"}
    assert seen["known"]["metadata"] == {"name": "Kim Lee"}
    assert refuses(seen["used"], 400, "identity_token_used")

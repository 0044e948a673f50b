"""Supabase's own client signs in at Baton."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from supabase import ClientOptions, create_client
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from tests.http.conftest import PASSWORD
from tests.http.test_host_users import SECRET, identity
from tests.keys import KeyFile, ec_file, rsa_file
from tests.servers import Baton, Server, running_baton


def test_a_supabase_client_signs_in(baton: Baton, account: str) -> None:
    options = ClientOptions(auto_refresh_token=False)
    client = create_client(baton.base_url, baton.anon_key, options)
    signed_in = client.auth.sign_in_with_password({"email": account, "password": PASSWORD})
    assert signed_in.session
    assert signed_in.user
    assert signed_in.user.email == account
    found = client.auth.get_user()
    assert found
    assert found.user.id == signed_in.user.id
    refreshed = client.auth.refresh_session()
    assert refreshed.session
    assert refreshed.session.refresh_token != signed_in.session.refresh_token
    client.auth.sign_out()
    with pytest.raises(AuthApiError) as refusal:
        client.auth.get_user(refreshed.session.access_token)
    assert refusal.value.code == "session_not_found"


def test_a_supabase_client_signs_in_anonymously(baton: Baton) -> None:
    client = create_client(baton.base_url, baton.anon_key, ClientOptions(auto_refresh_token=False))
    visitor = client.auth.sign_in_anonymously({"options": {"data": {"page": "/"}}})
    assert visitor.user
    assert visitor.user.is_anonymous
    assert visitor.user.user_metadata == {"page": "/"}


def test_a_supabase_client_understands_a_refusal(baton: Baton) -> None:
    client = create_client(baton.base_url, baton.anon_key, ClientOptions(auto_refresh_token=False))
    with pytest.raises(AuthApiError, match="Invalid login credentials") as refusal:
        client.auth.sign_in_with_password({"email": "eve@baton.example", "password": "wrong"})
    assert (refusal.value.status, refusal.value.code) == (400, "invalid_credentials")


def test_a_supabase_client_changes_its_user(baton: Baton, account: str) -> None:
    client = create_client(baton.base_url, baton.anon_key, ClientOptions(auto_refresh_token=False))
    client.auth.sign_in_with_password({"email": account, "password": PASSWORD})
    updated = client.auth.update_user({"data": {"theme": "dark"}})
    assert updated.user.user_metadata == {"theme": "dark"}
    with pytest.raises(AuthWeakPasswordError) as refusal:
        client.auth.update_user({"password": "short"})
    assert refusal.value.reasons == ["length"]
    client.auth.update_user({"password": "another horse"})
    client.auth.sign_out()
    assert client.auth.sign_in_with_password({"email": account, "password": "another horse"}).session


@pytest.mark.parametrize("make", [ec_file, rsa_file], ids=["ES256", "RS256"])
def test_a_supabase_client_checks_tokens_by_key_and_identifies_the_hosts_user(
    server: Server, tmp_path: Path, make: Callable[[Path], KeyFile]
) -> None:
    key = make(tmp_path)
    with running_baton(server, BATON_JWT_KEY_FILE=str(key.path), BATON_IDENTITY_SECRET=SECRET) as baton:
        client = create_client(baton.base_url, baton.anon_key, ClientOptions(auto_refresh_token=False))
        auth: Any = client.auth  # its types do not know of our provider
        visitor = auth.sign_in_anonymously().user
        checked = auth.get_claims()
        assert (checked["claims"]["sub"], checked["headers"]["kid"]) == (visitor.id, key.kid)
        subject = uuid4().hex
        token = identity(subject, name="Kim")
        kim = auth.sign_in_with_id_token({"provider": "host", "token": token}).user
        assert (kim.is_anonymous, kim.user_metadata) == (False, {"name": "Kim"})
        with pytest.raises(AuthApiError) as refusal:
            auth.sign_in_with_id_token({"provider": "host", "token": token})
        assert str(refusal.value.code) == "identity_token_used"
        again = auth.sign_in_with_id_token({"provider": "host", "token": identity(subject, name="Kim Lee")}).user
        assert (again.id, again.user_metadata) == (kim.id, {"name": "Kim Lee"})

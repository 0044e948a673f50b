"""Supabase's own client signs in at Baton."""

import pytest
from supabase import ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from tests.http.conftest import PASSWORD
from tests.servers import Baton


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

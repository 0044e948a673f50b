"""Login. The routes know this interface; who keeps the accounts is behind it."""

from typing import Any, Protocol

from flask import Flask, current_app

from web.auth.embedded import EmbeddedAccounts
from web.config import Config
from web.schemas import Session, User
from web.tokens import Caller, Tokens


class Accounts(Protocol):
    """What a keeper of accounts does. Refusals are `ApiError`s with the codes that Supabase uses."""

    def sign_in(self, email: str, password: str) -> Session:
        """Begin a session by password; refuses invalid_credentials, user_banned."""

    def sign_up_anonymously(self, metadata: dict[str, Any]) -> Session:
        """Make an account without a name and begin a session for it."""

    def refresh(self, refresh_token: str) -> Session:
        """Exchange a refresh token for a new session; refuses refresh_token_not_found, user_banned."""

    def user(self, caller: Caller) -> User:
        """Return the caller's account; refuses session_not_found once the session has ended."""

    def sign_out(self, caller: Caller, scope: str) -> None:
        """End the caller's session (`local`), all of his (`global`), or all but this one (`others`)."""


def init_app(app: Flask, config: Config) -> None:
    """Choose who keeps the accounts."""
    tokens: Tokens = app.extensions["baton_tokens"]
    app.extensions["baton_accounts"] = EmbeddedAccounts(tokens)


def accounts() -> Accounts:
    """Return the keeper of accounts of the current app."""
    found: Accounts = current_app.extensions["baton_accounts"]
    return found

"""Login. The routes know this interface; who keeps the accounts is behind it."""

from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from flask import Flask, current_app
from psycopg.rows import DictRow

from web.auth.embedded import EmbeddedAccounts
from web.auth.identity import HostUser
from web.auth.project import ProjectAccounts
from web.config import Config
from web.db import Conn
from web.project import Project
from web.schemas import AccountChanges, NewAccount, Session, User
from web.tokens import Caller, Tokens


class Accounts(Protocol):
    """What a keeper of accounts does. Refusals are `ApiError`s with the codes that Supabase uses."""

    def sign_in(self, email: str, password: str) -> Session:
        """Begin a session by password; refuses invalid_credentials, user_banned."""

    def sign_up_anonymously(self, metadata: dict[str, Any]) -> Session:
        """Make an account without a name and begin a session for it."""

    def refresh(self, refresh_token: str) -> Session:
        """Exchange a refresh token for a new session.

        Refuses refresh_token_not_found, refresh_token_already_used, session_expired, user_banned.
        """

    def sign_in_host_user(self, host_user: HostUser, visitor: Caller | None) -> Session:
        """Begin a session for a user of the host page, whose token's signature is right.

        An anonymous visitor becomes him, if he was never seen: private.identify_host_user decides, and says
        which account is his. Refuses identity_token_invalid, identity_token_used, not_allowed, user_banned,
        and session_not_found when the visitor's session has ended.
        """

    def user(self, caller: Caller) -> User:
        """Return the caller's account; refuses session_not_found once the session has ended."""

    def update_user(self, caller: Caller, data: dict[str, Any] | None, password: str | None) -> User:
        """Change what the caller says of himself, or his password, which ends his other sessions.

        Refuses session_not_found, weak_password, same_password, validation_failed without a password so far.
        """

    def sign_out(self, caller: Caller, scope: str) -> None:
        """End the caller's session (`local`), all of his (`global`), or all but this one (`others`)."""

    def enrol(self, password: str, join: Callable[[Conn], DictRow]) -> Session | None:
        """Make an operator and the account that he signs in with, both or neither, and begin a session.

        `join` makes the operator, in a transaction of the service, and returns his row: id, email and name of
        the account. What it refuses is refused; so are email_exists and weak_password. None: both are made, but
        no session could be begun; he has to sign in by himself.
        """

    def find_account(self, user_id: UUID) -> User:
        """Return anybody's account, for the service; refuses user_not_found."""

    def make_account(self, new: NewAccount) -> User:
        """Make an account that can sign in by password, for the service; refuses email_exists, weak_password."""

    def change_account(self, user_id: UUID, changes: AccountChanges) -> User:
        """Change anybody's account, for the service.

        A new password ends his sessions, an email makes a visitor somebody. Refuses user_not_found, email_exists,
        weak_password.
        """


def init_app(app: Flask, config: Config) -> None:
    """Choose who keeps the accounts."""
    tokens: Tokens = app.extensions["baton_tokens"]
    keeper: Accounts = EmbeddedAccounts(tokens)
    if config.supabase_url:
        keeper = ProjectAccounts(Project(config), config.identity_secret)
    app.extensions["baton_accounts"] = keeper


def accounts() -> Accounts:
    """Return the keeper of accounts of the current app."""
    found: Accounts = current_app.extensions["baton_accounts"]
    return found

"""Accounts in our own Postgres (sql/supabase/), for installations without a Supabase project."""

import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import request
from psycopg.rows import DictRow

from web.auth.passwords import is_right
from web.db import Conn, database, invoke
from web.errors import ApiError
from web.schemas import Session, User
from web.tokens import AUDIENCE, SERVICE, Caller, Tokens

LIFETIME = 3600  # seconds that an access token is good for


class EmbeddedAccounts:
    """The keeper of accounts that needs nothing but Baton's own database."""

    def __init__(self, tokens: Tokens) -> None:
        """Sign access tokens with `tokens`."""
        self._tokens = tokens

    def sign_in(self, email: str, password: str) -> Session:
        """Begin a session by password; the same answer, as late, for a wrong email and a wrong password."""
        found = _call("find_user", p_email=email.strip().lower())
        account = found[0] if found else None
        if not is_right(password, account["encrypted_password"] if account else None) or account is None:
            raise ApiError(400, "invalid_credentials", "Invalid login credentials")
        _refuse_banned(account)
        return database().run(SERVICE, lambda connection: self._begin(connection, account["id"]))

    def sign_up_anonymously(self, metadata: dict[str, Any]) -> Session:
        """Make an account without a name and begin a session for it, both or neither."""
        new = {"p_email": None, "p_encrypted_password": None, "p_is_anonymous": True, "p_user_metadata": metadata}

        def work(connection: Conn) -> Session:
            account = invoke(connection, "auth", "create_user", **new)[0]
            return self._begin(connection, account["id"])

        return database().run(SERVICE, work)

    def refresh(self, refresh_token: str) -> Session:
        """Exchange a refresh token; the database ends the whole session when an old one comes again."""
        new_token = _new_refresh_token()
        found = _call("rotate_refresh_token", p_token_hash=_digest(refresh_token), p_new_hash=_digest(new_token))
        if not found:
            raise ApiError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        _refuse_banned(found[0])
        return self._session(found[0], found[0]["session_id"], new_token)

    def user(self, caller: Caller) -> User:
        """Return the caller's account, if his session still lives."""
        if caller.session_id and not _call("session_is_live", p_session_id=caller.session_id)[0]["session_is_live"]:
            raise ApiError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        found = _call("get_user", p_id=caller.id)
        if not found:
            raise ApiError(403, "user_not_found", "User from sub claim in JWT does not exist")
        return _user(found[0])

    def sign_out(self, caller: Caller, scope: str) -> None:
        """End sessions of the caller; his access tokens stay good until they expire, as on Supabase."""
        if scope == "local":
            _call("end_session", p_session_id=caller.session_id)
        else:
            kept = caller.session_id if scope == "others" else None
            _call("end_sessions", p_user_id=caller.id, p_except=kept)

    def _begin(self, connection: Conn, user_id: UUID) -> Session:
        refresh_token = _new_refresh_token()
        digest = _digest(refresh_token)
        session_id = invoke(connection, "auth", "start_session", p_user_id=user_id, p_token_hash=digest)
        account = invoke(connection, "auth", "get_user", p_id=user_id)[0]
        return self._session(account, session_id[0]["start_session"], refresh_token)

    def _session(self, account: DictRow, session_id: UUID, refresh_token: str) -> Session:
        user = _user(account)
        now = int(time.time())
        access_token = self._tokens.sign(
            {
                "iss": f"{request.url_root}auth/v1",
                "sub": str(user.id),
                "aud": user.aud,
                "role": user.role,
                "iat": now,
                "exp": now + LIFETIME,
                "email": user.email,
                "is_anonymous": user.is_anonymous,
                "session_id": str(session_id),
                "app_metadata": user.app_metadata,
                "user_metadata": user.user_metadata,
            }
        )
        return Session(
            access_token=access_token,
            expires_in=LIFETIME,
            expires_at=now + LIFETIME,
            refresh_token=refresh_token,
            user=user,
        )


def _call(function: str, **arguments: Any) -> list[DictRow]:
    """Call a function of the schema auth as the service: nobody else may."""
    return database().run(SERVICE, lambda connection: invoke(connection, "auth", function, **arguments))


def _user(account: DictRow) -> User:
    confirmed_at = account["created_at"] if account["email"] else None
    return User(
        id=account["id"],
        aud=AUDIENCE,
        role=account["role"],
        email=account["email"] or "",
        is_anonymous=account["is_anonymous"],
        app_metadata=account["raw_app_meta_data"] or {},
        user_metadata=account["raw_user_meta_data"] or {},
        created_at=account["created_at"],
        updated_at=account["updated_at"],
        last_sign_in_at=account["last_sign_in_at"],
        confirmed_at=confirmed_at,
        email_confirmed_at=confirmed_at,
    )


def _refuse_banned(account: DictRow) -> None:
    if account["banned_until"] and account["banned_until"] > datetime.now(UTC):
        raise ApiError(400, "user_banned", "User is banned")


def _new_refresh_token() -> str:
    return secrets.token_urlsafe(32)


def _digest(refresh_token: str) -> str:
    """Return what is stored of a refresh token: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()

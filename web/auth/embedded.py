"""Accounts in our own Postgres (sql/supabase/), for installations without a Supabase project."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from flask import request
from psycopg.rows import DictRow

from web.auth.identity import HostUser, identify
from web.auth.passwords import LONGEST, SHORTEST, hash_password, is_right
from web.db import Conn, database, invoke
from web.errors import ApiError
from web.schemas import AccountChanges, NewAccount, Session, User
from web.tokens import AUDIENCE, SERVICE, Caller, Tokens

LIFETIME = 3600  # seconds that an access token is good for

_REFRESH_PROBLEMS = {
    "refresh_token_not_found": "Refresh Token Not Found",
    "refresh_token_already_used": "Already Used",
    "session_expired": "Session Expired",
    "user_banned": "User Banned",
}


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
            problem = _call("refresh_token_problem", p_token_hash=_digest(refresh_token))[0]["refresh_token_problem"]
            raise ApiError(400, problem, f"Invalid Refresh Token: {_REFRESH_PROBLEMS[problem]}")
        return self._session(found[0], found[0]["session_id"], new_token)

    def sign_in_host_user(self, host_user: HostUser, visitor: Caller | None) -> Session:
        """Begin a session for a user of the host page, all of it or nothing."""

        def work(connection: Conn) -> Session:
            visitor_id = _anonymous_id(connection, visitor) if visitor else None
            user_id = identify(connection, host_user, visitor_id)
            given = {"p_id": user_id, "p_user_metadata": host_user.metadata}
            _refuse_banned(invoke(connection, "auth", "keep_host_user", **given)[0])
            return self._begin(connection, user_id)

        return database().run(SERVICE, work)

    def user(self, caller: Caller) -> User:
        """Return the caller's account, if his session still lives."""
        return _user(database().run(SERVICE, lambda connection: _account(connection, caller)))

    def update_user(self, caller: Caller, data: dict[str, Any] | None, password: str | None) -> User:
        """Change what the caller says of himself, or his password, which ends his other sessions."""
        account = database().run(SERVICE, lambda connection: _account(connection, caller))
        encrypted = None if password is None else _new_password(account, password)
        found = _call(
            "update_user",
            p_id=account["id"],
            p_user_metadata=data,
            p_encrypted_password=encrypted,
            p_session_id=caller.session_id,
        )
        if not found:
            raise _user_not_found()
        return _user(found[0])

    def sign_out(self, caller: Caller, scope: str) -> None:
        """End sessions of the caller; his access tokens stay good until they expire, as on Supabase."""
        database().run(SERVICE, lambda connection: _account(connection, caller))
        if scope == "local":
            _call("end_session", p_session_id=caller.session_id)
        else:
            kept = caller.session_id if scope == "others" else None
            _call("end_sessions", p_user_id=caller.id, p_except=kept)

    def enrol(self, password: str, join: Callable[[Conn], DictRow]) -> Session:
        """Make an operator with his account and begin a session, all of it or nothing."""
        encrypted = hash_password(_good(password))  # before anything is locked

        def work(connection: Conn) -> Session:
            operator = join(connection)
            account = {"p_id": operator["id"], "p_email": operator["email"], "p_encrypted_password": encrypted}
            rest = {"p_is_anonymous": False, "p_user_metadata": {"name": operator["name"]}}
            with _one_address_each():
                invoke(connection, "auth", "create_user", **account, **rest)
            return self._begin(connection, operator["id"])

        return database().run(SERVICE, work)

    def find_account(self, user_id: UUID) -> User:
        """Return anybody's account."""
        found = _call("get_user", p_id=user_id)
        if not found:
            raise ApiError(404, "user_not_found", "User not found")
        return _user(found[0])

    def make_account(self, new: NewAccount) -> User:
        """Make an account, all of it or nothing."""
        if not new.email:
            raise ApiError(400, "validation_failed", "Cannot create a user without an email")
        encrypted = None if new.password is None else hash_password(_good(new.password))
        account = {"p_id": new.id or uuid4(), "p_email": new.email, "p_encrypted_password": encrypted}
        rest = {"p_is_anonymous": False, "p_user_metadata": new.user_metadata or {}}

        def work(connection: Conn) -> User:
            invoke(connection, "auth", "create_user", **account, **rest)
            changes = {"p_id": account["p_id"], "p_app_metadata": new.app_metadata or {}}
            return _user(invoke(connection, "auth", "change_user", **changes)[0])

        with _one_address_each():
            return database().run(SERVICE, work)

    def change_account(self, user_id: UUID, changes: AccountChanges) -> User:
        """Change anybody's account."""
        encrypted = None if changes.password is None else hash_password(_good(changes.password))
        with _one_address_each():
            found = _call(
                "change_user",
                p_id=user_id,
                p_email=changes.email,
                p_encrypted_password=encrypted,
                p_user_metadata=changes.user_metadata,
                p_app_metadata=changes.app_metadata,
            )
        if not found:
            raise ApiError(404, "user_not_found", "User not found")
        return _user(found[0])

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
                "phone": user.phone,
                "aal": "aal1",
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


def _account(connection: Conn, caller: Caller) -> DictRow:
    """Return the account of a person whose session still lives."""
    if caller.session_id:
        live = invoke(connection, "auth", "session_is_live", p_session_id=caller.session_id)[0]
        if not live["session_is_live"]:
            raise ApiError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    found = invoke(connection, "auth", "get_user", p_id=caller.id)
    if not found:
        raise _user_not_found()
    return found[0]


def _anonymous_id(connection: Conn, visitor: Caller) -> UUID | None:
    """Return the visitor's id, if his account has no name yet, whatever his token says."""
    account = _account(connection, visitor)
    return account["id"] if account["is_anonymous"] else None


def _user_not_found() -> ApiError:
    return ApiError(403, "user_not_found", "User from sub claim in JWT does not exist")


def _new_password(account: DictRow, password: str) -> str:
    """Return the hash of a new password, if it may be this account's."""
    if account["encrypted_password"] is None:
        raise ApiError(422, "validation_failed", "Updating the password of a user without one is not allowed")
    if is_right(_good(password), account["encrypted_password"]):
        raise ApiError(422, "same_password", "New password should be different from the old password.")
    return hash_password(password)


def _good(password: str) -> str:
    """Return the password, if anybody may have it."""
    if len(password) < SHORTEST:
        message = f"Password should be at least {SHORTEST} characters."
        raise ApiError(422, "weak_password", message, body={"weak_password": {"reasons": ["length"]}})
    if len(password.encode()) > LONGEST:
        raise ApiError(422, "validation_failed", f"Password cannot be longer than {LONGEST} bytes")
    return password


@contextmanager
def _one_address_each() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UniqueViolation:
        raise ApiError(422, "email_exists", "A user with this email address has already been registered") from None


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

"""Accounts of a Supabase project: its login is asked, in the caller's name.

It does not know of users of the host page, so each has an account there with an address that is nobody's and a
password that nobody is told: it follows from BATON_IDENTITY_SECRET, with which one could be any of them anyway.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import structlog
from psycopg.rows import DictRow

from web.auth.identity import HostUser, identify
from web.db import Conn, database
from web.errors import ApiError
from web.project import Project
from web.schemas import AccountChanges, NewAccount, Session, User
from web.tokens import AUDIENCE, SERVICE, Caller, current_token

if TYPE_CHECKING:
    from supabase_auth import types

log = structlog.get_logger("baton.project")

_HOST_PROVIDER = {"provider": "host", "providers": ["host"]}


class ProjectAccounts:
    """The keeper of accounts who passes everything on to a Supabase project, and what that refuses back."""

    def __init__(self, project: Project, identity_secret: str = "") -> None:
        """Ask `project`."""
        self._project = project
        self._identity_secret = identity_secret

    def sign_in(self, email: str, password: str) -> Session:
        """Begin a session by password."""
        with self._project.as_nobody() as client:
            return _session(client.auth.sign_in_with_password({"email": email.strip(), "password": password}).session)

    def sign_up_anonymously(self, metadata: dict[str, Any]) -> Session:
        """Make an account without a name and begin a session for it."""
        with self._project.as_nobody() as client:
            return _session(client.auth.sign_in_anonymously({"options": {"data": metadata}}).session)

    def refresh(self, refresh_token: str) -> Session:
        """Exchange a refresh token for a new session."""
        with self._project.as_nobody() as client:
            return _session(client.auth.refresh_session(refresh_token).session)

    def sign_in_host_user(self, host_user: HostUser, visitor: Caller | None) -> Session:
        """Begin a session for a user of the host page.

        Our database and the project cannot be changed in one step. Who he is is settled first, for good; what
        fails after that is made up for when the page comes with its next token.
        """
        account = self.user(visitor) if visitor else None
        visitor_id = account.id if account and account.is_anonymous else None
        user_id = database().run(SERVICE, lambda connection: identify(connection, host_user, visitor_id))
        email, password = f"{user_id}@host.invalid", self._host_password(user_id)
        said = host_user.metadata
        whole = AccountChanges(
            email=email,
            email_confirm=True,
            password=password,
            user_metadata=said,
            app_metadata=_HOST_PROVIDER,
        )
        try:
            known = self.find_account(user_id)
        except ApiError as error:
            if error.code != "user_not_found":
                raise
            try:
                self.make_account(NewAccount(id=user_id, **whole.model_dump(exclude_none=True)))
            except ApiError as taken:  # another of his pages has made it at the same moment
                if taken.code not in ("email_exists", "user_already_exists"):
                    raise
        else:
            if not known.email:  # the visitor until now; the new password ends the sessions he had
                self.change_account(user_id, whole)
            elif known.user_metadata | said != known.user_metadata:
                self.change_account(user_id, AccountChanges(user_metadata=said))
            email = known.email or email
        try:
            return self.sign_in(email, password)
        except ApiError as error:
            if error.code != "invalid_credentials":
                raise
        # The secret is another one now, or he has changed it himself.
        self.change_account(user_id, AccountChanges(password=password))
        return self.sign_in(email, password)

    def user(self, caller: Caller) -> User:
        """Return the caller's account."""
        with self._project.as_caller(caller) as client:
            found = client.auth.get_user(current_token())
            assert found is not None  # it is, without a token only
            return _user(found.user)

    def update_user(self, caller: Caller, data: dict[str, Any] | None, password: str | None) -> User:
        """Change what the caller says of himself, or his password."""
        changes: types.UserAttributes = {}
        if data is not None:
            changes["data"] = data
        if password is not None:
            changes["password"] = password
        with self._project.as_caller(caller) as client:
            client.auth.set_session(current_token(), "")  # the package changes the user of its session only
            return _user(client.auth.update_user(changes).user)

    def sign_out(self, caller: Caller, scope: str) -> None:
        """End sessions of the caller."""
        scopes: dict[str, types.SignOutScope] = {"local": "local", "global": "global", "others": "others"}
        with self._project.as_caller(caller) as client:
            client.auth.admin.sign_out(current_token(), scopes[scope])

    def enrol(self, password: str, join: Callable[[Conn], DictRow]) -> Session | None:
        """Make an operator, and have the project make his account before that is committed.

        What the project refuses leaves nothing. Should the commit fail, an account is left without an operator; it
        has the id that he would have had, so that the next try takes it up.
        """

        def work(connection: Conn) -> str:
            operator = join(connection)
            said = {"name": operator["name"]}
            new = NewAccount(
                id=operator["id"], email=operator["email"], email_confirm=True, password=password, user_metadata=said
            )
            try:
                self.make_account(new)
            except ApiError as taken:
                if taken.code not in ("email_exists", "user_already_exists") or not self._is_left_over(new):
                    raise
                self.change_account(operator["id"], AccountChanges(password=password, user_metadata=said))
            email: str = operator["email"]
            return email

        email = database().run(SERVICE, work)
        try:
            return self.sign_in(email, password)
        except ApiError as error:  # he has joined all the same
            log.warning("signing in after joining failed", code=error.code)
            return None

    def find_account(self, user_id: UUID) -> User:
        """Return anybody's account."""
        with self._project.as_service() as client:
            return _user(client.auth.admin.get_user_by_id(str(user_id)).user)

    def make_account(self, new: NewAccount) -> User:
        """Make an account."""
        with self._project.as_service() as client:
            return _user(client.auth.admin.create_user(_attributes(new)).user)

    def change_account(self, user_id: UUID, changes: AccountChanges) -> User:
        """Change anybody's account."""
        with self._project.as_service() as client:
            return _user(client.auth.admin.update_user_by_id(str(user_id), _attributes(changes)).user)

    def _is_left_over(self, new: NewAccount) -> bool:
        """Return whether the account is there already, under this very id and address."""
        assert new.id is not None
        try:
            return self.find_account(new.id).email == new.email
        except ApiError as error:
            if error.code != "user_not_found":
                raise
            return False

    def _host_password(self, user_id: UUID) -> str:
        """Return the password of a host's user, with characters of every kind that a project may ask for."""
        digest = hmac.digest(self._identity_secret.encode(), b"password of " + user_id.bytes, hashlib.sha256)
        return "Aa1!" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _attributes(given: AccountChanges) -> "types.AdminUserAttributes":
    return cast("types.AdminUserAttributes", given.model_dump(mode="json", exclude_none=True))


def _session(session: "types.Session | None") -> Session:
    if session is None:
        raise ApiError(500, "unexpected_failure", "The Supabase project has begun no session")
    return Session(
        access_token=session.access_token,
        expires_in=session.expires_in,
        expires_at=session.expires_at or int(time.time()) + session.expires_in,
        refresh_token=session.refresh_token,
        user=_user(session.user),
    )


def _user(user: "types.User") -> User:
    return User(
        id=UUID(user.id),
        aud=user.aud or AUDIENCE,
        role=user.role or AUDIENCE,
        email=user.email or "",
        phone=user.phone or "",
        is_anonymous=user.is_anonymous,
        app_metadata=user.app_metadata,
        user_metadata=user.user_metadata,
        identities=[identity.model_dump() for identity in user.identities or []],
        created_at=user.created_at,
        updated_at=user.updated_at or user.created_at,
        last_sign_in_at=user.last_sign_in_at,
        confirmed_at=user.confirmed_at,
        email_confirmed_at=user.email_confirmed_at,
    )

"""Login under Supabase's addresses and in its shapes, so that its clients work against Baton."""

from uuid import UUID

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue

from web.auth import accounts
from web.auth.identity import read_identity
from web.config import Config
from web.errors import ApiError
from web.limits import address_and_email, is_no_password_sign_in, limiter
from web.openapi import operation
from web.replies import EMPTY
from web.schemas import (
    AccountChanges,
    AuthProblem,
    Credentials,
    GrantType,
    JwkSet,
    NewAccount,
    Session,
    SignOut,
    SignUp,
    UpdateUser,
    User,
)
from web.tokens import AUDIENCE, SERVICE, Caller, current_caller, current_tokens

blueprint = Blueprint("auth", __name__, url_prefix="/auth/v1")

METADATA_LIMIT = 4096  # bytes; it travels in every access token, and headers have their limit too


@blueprint.post("/token")
@limiter.limit("300/minute", exempt_when=is_no_password_sign_in)
@limiter.limit("30/minute", key_func=address_and_email, exempt_when=is_no_password_sign_in)
@operation("Login", Session, problem=AuthProblem, is_public=True)
def sign_in(query: GrantType, json: Credentials) -> ResponseReturnValue:
    """Sign in with email and password, with a token of the host page, or exchange a refresh token."""
    if query.grant_type == "id_token":
        return _sign_in_host_user(json).model_dump()
    if query.grant_type == "refresh_token":
        if not json.refresh_token:
            raise ApiError(400, "validation_failed", "refresh_token required")
        session = accounts().refresh(json.refresh_token)
    elif json.email and json.password:
        session = accounts().sign_in(json.email, json.password)
    else:
        raise ApiError(400, "validation_failed", "email and password required")
    return session.model_dump()


@blueprint.post("/signup")
@limiter.limit("600/minute")
@operation("Login", Session, problem=AuthProblem, errors=(422,), is_public=True)
def sign_up(json: SignUp) -> ResponseReturnValue:
    """Sign in as an anonymous visitor. Accounts with an email are made by invitation only."""
    if json.email or json.phone or json.password:
        raise ApiError(422, "signup_disabled", "Signups not allowed for this instance")
    _check_size()
    return accounts().sign_up_anonymously(json.data or {}).model_dump()


@blueprint.get("/user")
@operation("Login", User, problem=AuthProblem)
def get_user() -> ResponseReturnValue:
    """Return the signed-in person."""
    return accounts().user(_person()).model_dump()


@blueprint.put("/user")
@limiter.limit("300/minute")
@operation("Login", User, problem=AuthProblem, errors=(422,))
def update_user(json: UpdateUser) -> ResponseReturnValue:
    """Change what one says of oneself (`data`), or the password, which ends one's other sessions."""
    if json.email or json.phone:
        raise ApiError(422, "validation_failed", "The email and the phone cannot be changed here")
    _check_size()
    return accounts().update_user(_person(), json.data, json.password).model_dump()


@blueprint.get("/.well-known/jwks.json")
@operation("Login", JwkSet, problem=AuthProblem, is_public=True)
def get_keys() -> ResponseReturnValue:
    """Return the public keys that access tokens are signed with; none while a shared secret signs them."""
    return current_tokens().published_keys(), {"Cache-Control": "public, max-age=300"}


@blueprint.post("/logout")
@operation("Login", status=204, problem=AuthProblem)
def sign_out(query: SignOut) -> ResponseReturnValue:
    """End this session, all sessions of the person, or all but this one."""
    accounts().sign_out(_person(), query.scope)
    return EMPTY


@blueprint.post("/admin/users")
@operation("Login", User, problem=AuthProblem, errors=(422,))
def make_account(json: NewAccount) -> ResponseReturnValue:
    """Make an account that can sign in by email and password. For the service."""
    _service()
    _check_size()
    return accounts().make_account(json).model_dump()


@blueprint.get("/admin/users/<uuid:user_id>")
@operation("Login", User, problem=AuthProblem)
def find_account(user_id: UUID) -> ResponseReturnValue:
    """Return anybody's account. For the service."""
    _service()
    return accounts().find_account(user_id).model_dump()


@blueprint.put("/admin/users/<uuid:user_id>")
@operation("Login", User, problem=AuthProblem, errors=(422,))
def change_account(user_id: UUID, json: AccountChanges) -> ResponseReturnValue:
    """Change anybody's email, password (which ends his sessions), or what is said of him. For the service."""
    _service()
    _check_size()
    return accounts().change_account(user_id, json).model_dump()


def _sign_in_host_user(given: Credentials) -> Session:
    if not given.id_token or not given.provider:
        raise ApiError(400, "validation_failed", "provider and id_token required")
    if given.provider != "host":
        raise ApiError(400, "validation_failed", f'Custom OIDC provider "{given.provider[:100]}" not allowed')
    visitor = current_caller() if "Authorization" in request.headers else None
    config: Config = current_app.extensions["baton_config"]
    host_user = read_identity(given.id_token, config.identity_secret)
    return accounts().sign_in_host_user(host_user, visitor if visitor and visitor.role == AUDIENCE else None)


def _check_size() -> None:
    if len(request.get_data()) > METADATA_LIMIT:
        raise ApiError(422, "validation_failed", f"data has at most {METADATA_LIMIT} bytes")


def _service() -> None:
    """Refuse everybody but the service."""
    if current_caller().role != SERVICE.role:
        raise ApiError(403, "not_admin", "User not allowed")


def _person() -> Caller:
    """Return the caller, who must be a person: keys have no account."""
    caller = current_caller()
    if caller.role != AUDIENCE:
        raise ApiError(401, "no_authorization", "This endpoint requires a valid Bearer token")
    return caller

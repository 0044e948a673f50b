"""Login under Supabase's addresses and in its shapes, so that its clients work against Baton."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from web.auth import accounts
from web.errors import ApiError
from web.limits import address_and_email, is_no_password_sign_in, limiter
from web.openapi import operation
from web.replies import EMPTY
from web.schemas import AuthProblem, Credentials, GrantType, Session, SignOut, SignUp, User
from web.tokens import AUDIENCE, Caller, current_caller

blueprint = Blueprint("auth", __name__, url_prefix="/auth/v1")

METADATA_LIMIT = 4096  # bytes; it travels in every access token, and headers have their limit too


@blueprint.post("/token")
@limiter.limit("300/minute", exempt_when=is_no_password_sign_in)
@limiter.limit("30/minute", key_func=address_and_email, exempt_when=is_no_password_sign_in)
@operation("Login", Session, problem=AuthProblem, is_public=True)
def sign_in(query: GrantType, json: Credentials) -> ResponseReturnValue:
    """Sign in with email and password, or exchange a refresh token for a new session."""
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
    if len(request.get_data()) > METADATA_LIMIT:
        raise ApiError(422, "validation_failed", f"data has at most {METADATA_LIMIT} bytes")
    return accounts().sign_up_anonymously(json.data or {}).model_dump()


@blueprint.get("/user")
@operation("Login", User, problem=AuthProblem)
def get_user() -> ResponseReturnValue:
    """Return the signed-in person."""
    return accounts().user(_person()).model_dump()


@blueprint.post("/logout")
@operation("Login", status=204, problem=AuthProblem)
def sign_out(query: SignOut) -> ResponseReturnValue:
    """End this session, all sessions of the person, or all but this one."""
    accounts().sign_out(_person(), query.scope)
    return EMPTY


def _person() -> Caller:
    """Return the caller, who must be a person: keys have no account."""
    caller = current_caller()
    if caller.role != AUDIENCE:
        raise ApiError(401, "no_authorization", "This endpoint requires a valid Bearer token")
    return caller

"""Who a browser is signed in as, in cookies that no script can read.

A page keeps its access token in memory and asks here for one: the browser's cookies say whose. There are two pairs
of them, for the staff and for a visitor of the widget, so that both can be open in one browser. The visitor's are
partitioned: each site that embeds the widget has its own. Where a browser does not keep those, the frame has its
resume key kept by the host page (static/widget.js) and brings it along: both tokens in one, as the cookies would.

Over https their names begin with `__Host-`: browsers then take them from this very host only, so that no neighbour
under the same domain signs somebody in as himself. Such cookies have the path /, so that they travel with the files
of our pages too; every route but these and the transcript's ignores them.

A page of another site can neither ask these routes (the Origin must be our own) nor read their answers.
"""

import re
import time
from http import HTTPStatus
from typing import Literal

from flask import Blueprint, Response, after_this_request, current_app, jsonify, redirect, request
from flask.typing import ResponseReturnValue

from web.auth import accounts
from web.auth.identity import read_identity
from web.config import Config
from web.errors import ApiError
from web.limits import address_and_email, limiter
from web.openapi import operation
from web.replies import EMPTY
from web.schemas import ForgetVisitor, IdentifyVisitor, PageSession, ResumeVisitor, Session, SignIn
from web.security import refuse_other_sites
from web.tokens import Caller, current_tokens, use_token

blueprint = Blueprint("session", __name__, url_prefix="/session")

_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # of a page of ours, and of no other site
# With these a session has ended; anything else may pass.
_ENDED = frozenset(
    {
        "refresh_token_not_found",
        "refresh_token_already_used",
        "session_expired",
        "session_not_found",
        "user_not_found",
        "user_banned",
    }
)

Side = Literal["staff", "visitor"]

_PATHS: dict[Side, str] = {"staff": "/session", "visitor": "/session/visitor"}
_REMEMBERED = 30 * 24 * 3600  # seconds that a refresh token is good for
_LONG_ENOUGH = 300  # seconds that an access token must still be good for to be given to a page


@blueprint.post("")
@limiter.limit("300/minute")
@limiter.limit("30/minute", key_func=address_and_email)
@operation("Pages", PageSession, is_public=True)
def sign_in_staff(json: SignIn) -> ResponseReturnValue:
    """Sign a member of the staff in by email and password, in this browser."""
    refuse_other_sites()
    return _remember("staff", _page_session(accounts().sign_in(json.email, json.password)))


@blueprint.post("/token")
@operation("Pages", PageSession, status=(200, 204), is_public=True)
def give_token() -> ResponseReturnValue:
    """Give the page of a member of the staff an access token; 204 when nobody is signed in."""
    refuse_other_sites()
    session = _signed_in("staff")
    return EMPTY if session is None else _remember("staff", session)


@blueprint.delete("")
@operation("Pages", status=204, is_public=True)
def sign_out_staff() -> ResponseReturnValue:
    """Sign the staff out of this browser."""
    refuse_other_sites()
    return _forget("staff")


@blueprint.get("/renew")
def renew() -> ResponseReturnValue:
    """Come by on the way to a page whose access token has ended (`to`, one of ours), and go on with a new one."""
    session = _signed_in("staff")
    to = request.args.get("to", "")
    if session is None or not _OWN_PATH.fullmatch(to):
        to = "/operator"
    response = current_app.make_response(redirect(to, 303))
    if session is None:
        return response
    _set_cookies(response, "staff", session)
    return response


@blueprint.post("/visitor")
@limiter.limit("600/minute")
@operation("Pages", PageSession, status=(200, 204), is_public=True)
def resume_visitor(json: ResumeVisitor) -> ResponseReturnValue:
    """Give the widget the access token of its visitor; 204 when there is none and none is to be made.

    `resume` is the key that the host page has kept, where the browser keeps no cookie of ours. `create` makes the
    visitor somebody: before his first action nothing is made.
    """
    refuse_other_sites()
    session = _signed_in("visitor", json.resume)
    if session is None and json.create:
        session = _page_session(accounts().sign_up_anonymously({}))
    return EMPTY if session is None else _remember("visitor", session)


@blueprint.post("/visitor/identity")
@limiter.limit("300/minute")
@operation("Pages", PageSession, is_public=True)
def identify_visitor(json: IdentifyVisitor) -> ResponseReturnValue:
    """Sign the user of the host page in by a token that its backend has signed (docs/auth.md)."""
    refuse_other_sites()
    config: Config = current_app.extensions["baton_config"]
    host_user = read_identity(json.id_token, config.identity_secret)
    visitor = _signed_in("visitor", json.resume)
    caller = use_token(visitor.access_token) if visitor else None
    try:
        session = accounts().sign_in_host_user(host_user, caller)
    except ApiError as error:
        if error.code not in ("session_not_found", "user_not_found"):
            raise
        session = accounts().sign_in_host_user(host_user, None)  # the visitor was somebody, and is not any more
    return _remember("visitor", _page_session(session))


@blueprint.delete("/visitor")
@operation("Pages", status=204, is_public=True)
def forget_visitor(json: ForgetVisitor) -> ResponseReturnValue:
    """End the visitor's session in this browser."""
    refuse_other_sites()
    return _forget("visitor", json.resume)


def page_caller() -> Caller | None:
    """Return the member of the staff whose browser asks for a page; None: nobody, or his access token has ended."""
    token = request.cookies.get(_access_cookie("staff"))
    try:
        return use_token(token) if token else None
    except ApiError:
        return None


def _signed_in(side: Side, resume: str | None = None) -> PageSession | None:
    """Return the browser's session with an access token that is good for a while; None when it has none.

    A token that was given before is given again as long as it is good: pages that open together, or again and again,
    do not use up refresh tokens.
    """
    kept_refresh_token, _, kept_token = (resume or "").partition(".")
    for token in (request.cookies.get(_access_cookie(side)), kept_token):
        caller = _caller(token) if token else None
        if token and caller and caller.id and caller.expires_at > time.time() + _LONG_ENOUGH:
            return PageSession(access_token=token, expires_at=int(caller.expires_at), user_id=caller.id)
    refresh_token = request.cookies.get(_refresh_cookie(side)) or kept_refresh_token
    if not refresh_token:
        return None
    try:
        return _page_session(accounts().refresh(refresh_token))
    except ApiError as error:
        if error.code not in _ENDED:
            raise
        return None


def _caller(token: str) -> Caller | None:
    """Return whom an access token speaks for; None when it is no good, or no good any more."""
    try:
        return current_tokens().check(token)
    except ApiError as error:
        if error.status != HTTPStatus.UNAUTHORIZED:
            raise
        return None


def _page_session(session: Session) -> PageSession:
    return PageSession(
        access_token=session.access_token,
        expires_at=session.expires_at,
        user_id=session.user.id,
        resume=session.refresh_token,
    )


def _remember(side: Side, session: PageSession) -> ResponseReturnValue:
    """Answer with the session, and have the browser keep it. Only a visitor's page is told the resume key."""
    told = session.model_dump(exclude=set() if side == "visitor" else {"resume"})
    if told.get("resume"):
        told["resume"] = f"{session.resume}.{session.access_token}"
    response = jsonify(told)
    _set_cookies(response, side, session)
    return response


def _set_cookies(response: Response, side: Side, session: PageSession) -> None:
    lasting = max(0, session.expires_at - int(time.time()))
    _set_cookie(response, side, _access_cookie(side), session.access_token, lasting)
    if session.resume is not None:
        _set_cookie(response, side, _refresh_cookie(side), session.resume, _REMEMBERED)


def _set_cookie(response: Response, side: Side, name: str, value: str, max_age: int) -> None:
    is_visitor = side == "visitor"
    is_narrow = not request.is_secure and (is_visitor or name == _refresh_cookie(side))
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path=_PATHS[side] if is_narrow else "/",
        secure=is_visitor or request.is_secure,  # browsers keep a secure one from http://localhost too
        httponly=True,
        samesite="None" if is_visitor else "Lax",
        partitioned=is_visitor,
    )


def _forget(side: Side, resume: str | None = None) -> ResponseReturnValue:
    """End the session. The browser forgets it in any case, also where its end cannot be told now (an error)."""

    @after_this_request
    def forget(response: Response) -> Response:
        for name in (_access_cookie(side), _refresh_cookie(side)):
            _set_cookie(response, side, name, "", 0)
        return response

    session = _signed_in(side, resume)
    if session is not None:
        try:
            accounts().sign_out(use_token(session.access_token), "local")
        except ApiError as error:
            if error.code not in _ENDED and error.status != HTTPStatus.UNAUTHORIZED:
                raise
    return EMPTY


def _access_cookie(side: Side) -> str:
    return f"{_prefix()}baton_{side}_access"


def _refresh_cookie(side: Side) -> str:
    return f"{_prefix()}baton_{side}_refresh"


def _prefix() -> str:
    """Return what ties a cookie to this host; over plain http browsers would not keep it."""
    return "__Host-" if request.is_secure else ""

"""How people join: the first admin of an empty database, and operators by invitation."""

from collections.abc import Callable
from uuid import NAMESPACE_URL, UUID, uuid5

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from psycopg.rows import DictRow

from web.auth import accounts
from web.db import Conn, call, database, invoke
from web.limits import limiter
from web.mail import send_mail
from web.openapi import operation
from web.replies import EMPTY, one, page, value, values
from web.schemas import (
    AcceptInvitation,
    InvitationPage,
    InvitationToken,
    Invited,
    InviteOperator,
    NewInvitation,
    Session,
    SetUp,
    SetupState,
)
from web.tokens import NOBODY

blueprint = Blueprint("joining", __name__, url_prefix="/api")

LIMIT = "60/minute"  # of an address: each try may cost a password's hash


@blueprint.get("/setup")
@operation("Joining", SetupState, is_public=True)
def is_new() -> ResponseReturnValue:
    """Tell whether the first admin is still to be made."""
    return {"is_new": value(database().call(NOBODY, "is_new", {}))}


@blueprint.post("/setup")
@limiter.limit(LIMIT)
@operation("Joining", Session, status=(201, 204), errors=(422,), is_public=True)
def set_up(json: SetUp) -> ResponseReturnValue:
    """Make the first admin with his account and sign him in (204: he has to do that himself); 409 once there is any."""
    # The same for each try: an account that a broken one has left at a Supabase project is taken up again.
    admin_id = uuid5(NAMESPACE_URL, f"baton:first-admin:{json.email.strip().lower()}")
    admin = {"p_id": admin_id, "p_name": json.name, "p_email": json.email}

    def join(connection: Conn) -> DictRow:
        return invoke(connection, "private", "make_first_admin", **admin)[0]

    return _enrol(json.password, join)


@blueprint.post("/invitations/find")
@limiter.limit(LIMIT)
@operation("Joining", Invited, is_public=True)
def find_invitation(json: InvitationToken) -> ResponseReturnValue:
    """Tell whoever has an invitation's token for whom it is."""
    return one(database().call(NOBODY, "find_invitation", json.arguments()))


@blueprint.post("/invitations/accept")
@limiter.limit(LIMIT)
@operation("Joining", Session, status=(201, 204), errors=(422,), is_public=True)
def accept_invitation(json: AcceptInvitation) -> ResponseReturnValue:
    """Become an operator with an account of one's own, and sign in (204: one has to do that oneself)."""

    def join(connection: Conn) -> DictRow:
        return invoke(connection, "private", "accept_invitation", p_token=json.token, p_name=json.name)[0]

    return _enrol(json.password, join)


@blueprint.get("/admin/invitations")
@operation("Admins", InvitationPage)
def list_invitations() -> ResponseReturnValue:
    """List the latest invitations."""
    return page(values(call("list_invitations")))


@blueprint.post("/admin/invitations")
@operation("Admins", NewInvitation, status=201)
def invite_operator(json: InviteOperator) -> ResponseReturnValue:
    """Invite somebody to join. Where no mail could be sent the answer has the link, this once."""
    invitation = value(call("invite_operator", **json.arguments()))
    # Behind the #, which browsers tell no server: so the token is in nobody's log.
    link = f"{request.url_root}join#{invitation.pop('token')}"
    by = invitation["invited_by_name"] or "An admin"
    text = (
        f"Hello{' ' + invitation['name'] if invitation['name'] else ''},\n\n"
        f"{by} invites you to answer chats. Choose your password here, within seven days:\n\n{link}\n\n"
        "If you did not expect this you need not do anything.\n"
    )
    is_mailed = send_mail(invitation["email"], f"{by} invites you to answer chats", text)
    return {**invitation, "is_mailed": is_mailed, "link": None if is_mailed else link}, 201


@blueprint.delete("/admin/invitations/<uuid:invitation_id>")
@operation("Admins", status=204)
def revoke_invitation(invitation_id: UUID) -> ResponseReturnValue:
    """Take an invitation back."""
    call("revoke_invitation", p_id=invitation_id)
    return EMPTY


def _enrol(password: str, join: Callable[[Conn], DictRow]) -> ResponseReturnValue:
    session = accounts().enrol(password, join)
    return EMPTY if session is None else (session.model_dump(), 201)

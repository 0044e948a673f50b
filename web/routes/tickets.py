"""Tickets, as their customer and the staff see them."""

from operator import itemgetter
from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import created, one, page_of
from web.schemas import CreateTicket, Ticket, TicketList, TicketMessageList, TicketMessagePage, TicketPage

blueprint = Blueprint("tickets", __name__, url_prefix="/api/tickets")


@blueprint.post("")
@operation("Tickets", Ticket, status=(200, 201))
def create_ticket(json: CreateTicket) -> ResponseReturnValue:
    """Ask for something that is followed up; 200 when this request has made its ticket before."""
    return created(call("create_ticket", **json.arguments()))


@blueprint.get("")
@operation("Tickets", TicketPage)
def list_tickets(query: TicketList) -> ResponseReturnValue:
    """List one's tickets, or for the staff all, newest first."""
    asked = query.limit + 1
    rows = call("list_tickets", **{**query.arguments(), "p_limit": asked})
    return page_of(rows, query.limit, itemgetter("id"), asked)


@blueprint.get("/<uuid:ticket_id>")
@operation("Tickets", Ticket)
def get_ticket(ticket_id: UUID) -> ResponseReturnValue:
    """Return one ticket."""
    return one(call("get_ticket", p_ticket_id=ticket_id))


@blueprint.get("/<uuid:ticket_id>/messages")
@operation("Tickets", TicketMessagePage)
def list_ticket_messages(ticket_id: UUID, query: TicketMessageList) -> ResponseReturnValue:
    """List the messages of a ticket in their order."""
    rows = call("list_ticket_messages", p_ticket_id=ticket_id, **query.arguments())
    return page_of(rows, query.limit, itemgetter("seq"))

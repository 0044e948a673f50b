"""Tickets, as their customer and the staff see them."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from web.db import call
from web.openapi import operation
from web.replies import created, one, page
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
    one_more = {**query.arguments(), "p_limit": query.limit + 1}  # tells whether there is a next page
    rows = call("list_tickets", **one_more)
    shown = rows[: query.limit]
    return page(shown, shown[-1]["id"] if len(rows) > query.limit else None)


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
    return page(rows, rows[-1]["seq"] if len(rows) == query.limit else None)

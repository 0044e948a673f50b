"""The admin's hand on chats and operators, and the numbers. The functions decide who is an admin."""

from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue
from psycopg import sql

from web.db import call, database
from web.openapi import operation
from web.replies import created, one, page, page_of, values
from web.schemas import (
    Candidates,
    Changes,
    Chat,
    MetricPage,
    Operator,
    OperatorPage,
    Persona,
    PersonaPage,
    QueueStatus,
    Reason,
    Reassign,
    RegisterOperator,
    Rows,
    SavePersona,
    SettingPage,
    StuckSince,
    WidgetSettings,
)
from web.tokens import current_caller

blueprint = Blueprint("admin", __name__, url_prefix="/api/admin")

METRICS = (
    "chat_state_summary",
    "assignment_queue",
    "operator_assignment_history",
    "repeated_assignments",
    "operator_performance",
    "assignment_metrics",
    "chat_volume",
    "wait_history",
    "state_history",
    "idle_history",
    "assignment_distribution",
)


@blueprint.post("/chats/<uuid:chat_id>/reassign")
@operation("Admins", Chat)
def reassign_chat(chat_id: UUID, json: Reassign) -> ResponseReturnValue:
    """Give a chat to an operator, whoever holds it; to oneself is taking over."""
    return one(call("reassign_chat", p_chat_id=chat_id, **json.arguments()))


@blueprint.post("/chats/<uuid:chat_id>/release")
@operation("Admins", Chat)
def release_chat(chat_id: UUID, json: Reason) -> ResponseReturnValue:
    """Take a chat out of its holder's hands."""
    return one(call("release_and_reassign_chat", p_chat_id=chat_id, p_reason=json.reason))


@blueprint.post("/chats/<uuid:chat_id>/complete")
@operation("Admins", Chat)
def complete_any_chat(chat_id: UUID, json: Reason) -> ResponseReturnValue:
    """End a chat, whoever holds it."""
    return one(call("complete_chat", p_chat_id=chat_id, **json.arguments()))


@blueprint.post("/operators")
@operation("Admins", Operator, status=(200, 201))
def register_operator(json: RegisterOperator) -> ResponseReturnValue:
    """Make a person who can sign in an operator or an admin."""
    return created(call("register_operator", **json.arguments()))


@blueprint.get("/operators")
@operation("Admins", OperatorPage)
def list_operators() -> ResponseReturnValue:
    """List all operators, with what they hold and whether they are here."""
    return page(values(call("list_operators")))


@blueprint.patch("/operators/<uuid:operator_id>")
@operation("Admins", Operator)
def update_operator(operator_id: UUID, json: Changes) -> ResponseReturnValue:
    """Change name, email, role, capacity, is_active or auto_assign of an operator."""
    return one(call("update_operator", p_operator_id=operator_id, p_changes=json.root))


@blueprint.get("/personas")
@operation("Admins", PersonaPage)
def list_personas() -> ResponseReturnValue:
    """List the personas, the active ones first."""
    return page(call("list_personas"))


@blueprint.post("/personas")
@operation("Admins", Persona, status=(200, 201))
def make_persona(json: SavePersona) -> ResponseReturnValue:
    """Make a persona."""
    return created(call("save_persona", **json.arguments()))


@blueprint.put("/personas/<uuid:persona_id>")
@operation("Admins", Persona)
def save_persona(persona_id: UUID, json: SavePersona) -> ResponseReturnValue:
    """Replace a persona."""
    return one(call("save_persona", p_id=persona_id, **json.arguments()))


@blueprint.get("/settings")
@operation("Admins", SettingPage)
def list_settings() -> ResponseReturnValue:
    """List all settings."""
    return page(call("list_settings"))


@blueprint.patch("/settings")
@operation("Admins", SettingPage)
def set_settings(json: Changes) -> ResponseReturnValue:
    """Change settings, by their names."""
    return page(call("set_settings", p_changes=json.root))


@blueprint.get("/widget-settings")
@operation("Admins", WidgetSettings)
def get_all_widget_settings() -> ResponseReturnValue:
    """Return how the widget is set up."""
    return one(call("get_all_widget_settings"))


@blueprint.patch("/widget-settings")
@operation("Admins", WidgetSettings)
def set_widget_settings(json: Changes) -> ResponseReturnValue:
    """Change how the widget is set up; the hint of a refusal names the field."""
    return one(call("set_widget_settings", p_changes=json.root))


@blueprint.get("/queue-status")
@operation("Numbers", QueueStatus)
def get_assignment_queue_status() -> ResponseReturnValue:
    """Return the queue in numbers: how many wait, how long, who is free."""
    return one(call("get_assignment_queue_status"))


@blueprint.get("/stuck-chats")
@operation("Numbers", Rows)
def detect_stuck_chats(query: StuckSince) -> ResponseReturnValue:
    """List chats that have been in their state for too long, with what is wrong."""
    return page(call("detect_stuck_chats", **query.arguments()))


@blueprint.get("/invariants")
@operation("Numbers", Rows)
def check_invariants() -> ResponseReturnValue:
    """List what breaks the rules of the states; empty is good."""
    return page(call("check_invariants"))


@blueprint.get("/explain/<uuid:operator_id>")
@operation("Numbers", Candidates)
def explain_assignment(operator_id: UUID) -> ResponseReturnValue:
    """List the chats that an operator would get, in order, and why."""
    return page(call("explain_assignment", p_operator_id=operator_id))


@blueprint.get(f"/metrics/<any({','.join(METRICS)}):view>")
@operation("Numbers", Rows)
def read_metric(view: str, query: MetricPage) -> ResponseReturnValue:
    """Return a part of one of the SQL views; an operator sees his own rows."""
    statement = sql.SQL("select * from {} limit %s offset %s").format(sql.Identifier("public", view))
    rows = database().run(
        current_caller(),
        lambda connection: connection.execute(statement, (query.limit, query.cursor)).fetchall(),
    )
    return page_of(rows, query.limit, lambda _: query.cursor + query.limit)

"""The shapes that go in and out. Input models refuse what they do not know; rows are open to new columns.

What a text may say is the database's to judge; here it is only text. Optional fields that are left out,
or null, take the default of the SQL function.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    RootModel,
    StrictBool,
    StrictInt,
)
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema

BIGINT = 2**63 - 1

ChatState = Literal["waiting_assignment", "assigned", "waiting_real_user_reply", "completed"]
TicketType = Literal["support", "product-inquiry", "order-help", "technical"]
TicketStatus = Literal["open", "in-progress", "resolved", "closed"]
Seq = Annotated[int, Field(ge=0, le=BIGINT)]
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]
Hours = Annotated[Decimal, Field(ge=0, le=87600), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 87600})]


def as_list(value: object) -> object:
    """Return what is given once in a query as a list of one."""
    return [value] if isinstance(value, str) else value


class Input(BaseModel):
    """What a caller sends."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    def arguments(self) -> dict[str, Any]:
        """Return the fields as a SQL function's named arguments, without optional ones that are not given."""
        return {
            f"p_{name}": value
            for name, value in self
            if value is not None or type(self).model_fields[name].is_required()
        }


class Row(BaseModel):
    """What a function returns."""

    model_config = ConfigDict(defer_build=True)


# Customers and everyone


class StartChat(Input):
    """A new chat with its first message."""

    content: str | None
    client_message_id: UUID
    fictional_user_id: UUID | SkipJsonSchema[None] = None
    context: dict[str, Any] | SkipJsonSchema[None] = None


class WriteMessage(Input):
    """A message; the same `client_message_id` with the same content is the same message."""

    chat_id: UUID
    content: str | None
    client_message_id: UUID
    attachments: Annotated[list[str], Field(max_length=10)] | SkipJsonSchema[None] = Field(
        None, description="Paths in the bucket `attachments`, in the chat's folder; with them content may be empty."
    )

    @property
    def what(self) -> Literal["message", "attachments"]:
        """How the SQL function for it is called."""
        return "message" if self.attachments is None else "attachments"


class EditMessage(Input):
    """The new text of a message."""

    content: str | None


class ReadMark(Input):
    """The number of the last message that was read."""

    seq: Annotated[StrictInt, Field(ge=0, le=BIGINT)]


class Reason(Input):
    """Why; optional."""

    reason: str | SkipJsonSchema[None] = None


class ChatList(Input):
    """Which chats to list, newest first."""

    chat_state: ChatState | SkipJsonSchema[None] = None
    cursor: UUID | SkipJsonSchema[None] = Field(None, description="`next_cursor` of the page before.")
    limit: Limit = 50


class MessageList(Input):
    """Which messages of a chat to list; always in the order of `seq`. Without any: the newest."""

    after_seq: Seq | SkipJsonSchema[None] = None
    before_seq: Seq | SkipJsonSchema[None] = None
    around_seq: Seq | SkipJsonSchema[None] = None
    limit: Limit = 50


class NoteList(Input):
    """Which notes of a chat to list; always in their order. Without any: the newest."""

    before_id: UUID | SkipJsonSchema[None] = None
    limit: Limit = 50


# Operators


class AskForChat(Input):
    """For whom; oneself when left out."""

    operator_id: UUID | SkipJsonSchema[None] = None


class ChatRef(Input):
    """One chat."""

    chat_id: UUID


class HandBack(Input):
    """A chat to hand back, and why."""

    chat_id: UUID
    reason: str | SkipJsonSchema[None] = None


class Transfer(Input):
    """A chat, and the operator who is to have it."""

    chat_id: UUID
    operator_id: UUID
    reason: str | SkipJsonSchema[None] = None


class SetStatus(Input):
    """Presence; `operator_id` is for admins who set somebody else's."""

    status: Literal["online", "away", "offline"]
    reason: str | SkipJsonSchema[None] = None
    operator_id: UUID | SkipJsonSchema[None] = None


class WriteNote(Input):
    """A note for the staff; the same `client_note_id` with the same content is the same note."""

    content: str | None
    client_note_id: UUID
    mentions: list[UUID] | SkipJsonSchema[None] = Field(None, description="Operators, at most 50.")


class EditNote(Input):
    """The new text of a note, and whom it mentions from now on; whom it did where that is left out."""

    content: str | None
    mentions: list[UUID] | SkipJsonSchema[None] = None


class MentionList(Input):
    """Which mentions to list."""

    unread_only: bool = True


class SaveQuickResponse(Input):
    """An answer to keep ready: one's own, or everybody's."""

    shortcut: str
    title: str
    content: str
    is_shared: StrictBool | SkipJsonSchema[None] = None


class PreferenceChanges(RootModel[dict[str, Any]]):
    """The preferences that change, by name; the database knows which there are."""


class BoxList(Input):
    """A part of a list."""

    cursor: (
        Annotated[Json[dict[str, Any]], Field(description="`next_cursor` of the page before.")] | SkipJsonSchema[None]
    ) = None
    limit: Annotated[int, Field(ge=1, le=500, description="How many at most.")] = 50


class SaveDraft(Input):
    """What the operator has begun to write; nothing forgets it."""

    content: str | None


class SnoozeChat(Input):
    """Until when to put the chat aside; null takes it up again."""

    until: AwareDatetime | None


# Admins


class Reassign(Input):
    """The operator who is to have the chat."""

    operator_id: UUID
    reason: str | SkipJsonSchema[None] = None


class RegisterOperator(Input):
    """A person who is to answer; `id` is the `sub` of his token."""

    id: UUID
    name: str
    email: str | None
    role: Literal["operator", "admin"] | SkipJsonSchema[None] = None


class MetricPage(Input):
    """A part of a view."""

    cursor: Annotated[int, Field(ge=0, le=10_000_000)] = Field(0, description="`next_cursor` of the page before.")
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Search(Input):
    """What to look for."""

    q: Annotated[str, Field(min_length=1, max_length=200, description="Words; each also finds what begins with it.")]
    kind: Literal["message", "chat", "customer", "note", "ticket"] | SkipJsonSchema[None] = None
    limit: Limit = 20


class ConsoleChats(Input):
    """Which chats to list, in which order."""

    state: Annotated[list[ChatState], BeforeValidator(as_list)] | SkipJsonSchema[None] = Field(
        None, description="One or several states."
    )
    operator_id: UUID | SkipJsonSchema[None] = Field(None, description="Who holds it.")
    min_wait_seconds: Annotated[float, Field(ge=0, le=1e9)] | SkipJsonSchema[None] = None
    text: Annotated[str, Field(max_length=200)] | SkipJsonSchema[None] = Field(
        None, description="Words of the subject, or of the customer's name and email."
    )
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] | SkipJsonSchema[None] = None
    begin: AwareDatetime | SkipJsonSchema[None] = Field(None, alias="from", description="Started then or later.")
    end: AwareDatetime | SkipJsonSchema[None] = Field(None, alias="to", description="Started before.")
    sort: Literal["wait", "priority", "created", "last_message"] = "wait"
    cursor: Json[dict[str, Any]] | SkipJsonSchema[None] = Field(None, description="`next_cursor` of the page before.")
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    @property
    def filter(self) -> dict[str, Any]:
        """What is filtered and sorted by, as the SQL function takes it."""
        return self.model_dump(mode="json", by_alias=True, exclude={"cursor", "limit"}, exclude_none=True)


class ActOnChats(Input):
    """What to do to which chats: `operator_id` is for `reassign`, `priority` for `prioritise`."""

    action: Literal["reassign", "release", "complete", "prioritise"]
    chat_ids: Annotated[list[UUID], Field(min_length=1, max_length=200)]
    operator_id: UUID | SkipJsonSchema[None] = None
    reason: str | SkipJsonSchema[None] = None
    priority: Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)] | SkipJsonSchema[None] = None


class Span(Input):
    """A span of time."""

    begin: AwareDatetime | SkipJsonSchema[None] = Field(None, alias="from")
    end: AwareDatetime | SkipJsonSchema[None] = Field(None, alias="to")


class MetricSpan(Span):
    """Which time the numbers are of: at most 31 days by the hour, 366 by the day."""

    bucket: Literal["hour", "day"] = "hour"


class ExportAs(Span):
    """Of which time, and as what."""

    format: Literal["csv", "json"] = "csv"


class AuditLog(Input):
    """A part of the audit log, newest first."""

    cursor: Annotated[int, Field(ge=1, le=BIGINT)] | SkipJsonSchema[None] = Field(
        None, description="`next_cursor` of the page before."
    )
    limit: Limit = 50


class StuckSince(Input):
    """How long is too long."""

    hours: Hours | SkipJsonSchema[None] = None


class Changes(RootModel[dict[str, Any]]):
    """New values by the names of what is to change: all of them are taken, or none."""


class SavePersona(Input):
    """A persona as it is to be."""

    name: str
    avatar_url: str | SkipJsonSchema[None] = None
    is_active: StrictBool = True


class InviteOperator(Input):
    """Who is to join, and as what; the name he may say himself."""

    email: str
    name: str | SkipJsonSchema[None] = None
    role: Literal["operator", "admin"] | SkipJsonSchema[None] = None
    capacity: Annotated[StrictInt, Field(ge=0, le=1000)] | SkipJsonSchema[None] = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments; the function has no default for the name."""
        return {"p_name": self.name, **super().arguments()}


# Those who join


class InvitationToken(Input):
    """What stands behind the # of an invitation's link."""

    token: str


class AcceptInvitation(InvitationToken):
    """The invitation, and the password that he chooses; the name where there is none in it, or another one."""

    name: str | SkipJsonSchema[None] = None
    password: str


class SetUp(Input):
    """The first admin."""

    name: str
    email: str
    password: str


# Customers: who they are, what they think, what they ask for


class IntroduceMyself(Input):
    """What the customer says of himself; what is left out stays as it was."""

    name: str | SkipJsonSchema[None] = None
    email: str | SkipJsonSchema[None] = None


class RateChat(Input):
    """What the customer thinks of a chat."""

    score: Annotated[StrictInt, Field(ge=1, le=5)]
    comment: str | SkipJsonSchema[None] = None


class CreateTicket(Input):
    """What is to be followed up; `contact_name` and `contact_email` in the context say how he is reached."""

    type: TicketType
    title: str
    initial_message: str | SkipJsonSchema[None] = None
    context: dict[str, Any] | SkipJsonSchema[None] = None
    client_message_id: UUID | SkipJsonSchema[None] = Field(None, description="Makes a retry harmless.")


class TicketList(Input):
    """Which tickets to list, newest first."""

    status: TicketStatus | SkipJsonSchema[None] = None
    cursor: UUID | SkipJsonSchema[None] = Field(None, description="`next_cursor` of the page before.")
    limit: Limit = 50


class TicketMessageList(Input):
    """From where on to list the messages of a ticket."""

    after_seq: Seq = Field(0, description="The number of the last message seen; 0 for none.")
    limit: Limit = 100


# Answers


class Chat(Row):
    """A chat. What only staff may see is null for its customer."""

    id: UUID
    real_user_id: UUID
    fictional_user_id: UUID | None
    chat_state: ChatState
    handling: Literal["turn", "session"]
    priority: int | None
    assigned_operator_id: UUID | None
    last_operator_id: UUID | None
    assignment_time: AwareDatetime | None
    operator_replied_at: AwareDatetime | None
    waiting_since: AwareDatetime | None
    last_message_at: AwareDatetime | None
    created_at: AwareDatetime
    is_active: bool
    headline: str | None
    context: dict[str, Any]
    ip_address: str | None
    event_seq: int


class Attachment(Row):
    """A file that a message carries, in the bucket `attachments`."""

    path: str
    name: str
    type: str
    size: int | None


class Message(Row):
    """A message. What only staff may see is null for the customer."""

    id: UUID
    chat_id: UUID
    seq: int
    sender_type: Literal["real", "operator", "system"]
    sender_id: UUID | None
    content: str | None
    handled_by_operator_id: UUID | None
    client_message_id: UUID | None
    created_at: AwareDatetime
    edited_at: AwareDatetime | None
    deleted_at: AwareDatetime | None
    metadata: dict[str, Any]
    attachments: list[Attachment]


class Operator(Row):
    """A person who answers."""

    id: UUID
    name: str
    email: str | None
    role: Literal["operator", "admin"]
    is_active: bool
    capacity: int
    auto_assign: bool
    status: Literal["online", "away", "offline"]
    status_reason: str | None


class Persona(Row):
    """A name and a face under which a team answers."""

    id: UUID
    name: str
    avatar_url: str | None
    is_active: bool


class PersonaPage(Row):
    """All personas."""

    data: list[Persona]
    next_cursor: None


class OperatorAtWork(Operator):
    """An operator, what he has in hand, and whether he is here."""

    held: int
    is_connected: bool
    last_seen_at: AwareDatetime | None


class OperatorPage(Row):
    """All operators."""

    data: list[OperatorAtWork]
    next_cursor: None


class Setting(Row):
    """Something that an admin may change while everything runs."""

    name: str
    value: Any
    kind: str
    description: str


class SettingPage(Row):
    """All settings."""

    data: list[Setting]
    next_cursor: None


class Invitation(Row):
    """Who is invited, and what has come of it."""

    id: UUID
    email: str
    name: str | None
    role: Literal["operator", "admin"]
    capacity: int
    status: Literal["open", "accepted", "revoked", "expired"]
    invited_by: UUID | None
    invited_by_name: str | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    accepted_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class NewInvitation(Invitation):
    """An invitation just made. Where it could not be mailed its link is here, and nowhere else."""

    is_mailed: bool
    link: str | None


class InvitationPage(Row):
    """The latest invitations."""

    data: list[Invitation]
    next_cursor: None


class Invited(Row):
    """For whom an invitation is."""

    email: str
    name: str | None
    role: Literal["operator", "admin"]


class SetupState(Row):
    """Whether the first admin is still to be made."""

    is_new: bool


class Face(Row):
    """Whom a customer sees answering."""

    name: str
    avatar_url: str | None


class PreChatField(Row):
    """A question before a chat."""

    field: Literal["name", "email", "topic"]
    is_required: bool


class Widget(Row):
    """How the widget looks and behaves, and whether anybody is there."""

    title: str
    greeting: dict[str, str]
    offline_message: dict[str, str]
    colour: str
    position: Literal["right", "left"]
    languages: list[str]
    pre_chat: list[PreChatField]
    mode: Literal["queue", "race"]
    handling: Literal["turn", "session"]
    allow_files: bool
    allow_emoji: bool
    ask_rating: bool
    privacy_url: str | None


class PublicWidget(Widget):
    """The widget as everybody is told of it; `opens_at` is null when it is open, or never opens."""

    persona: Face | None
    is_open: bool
    opens_at: AwareDatetime | None
    available: bool


class WidgetSettings(Widget):
    """The widget as an admin sets it up; hours are [from, to] by day, in the organisation's time zone."""

    fictional_user_id: UUID | None
    is_open_always: bool
    business_hours: dict[str, list[list[str]]]
    updated_at: AwareDatetime


class Customer(Row):
    """The caller as a customer."""

    id: UUID
    name: str | None
    email: str | None
    is_anonymous: bool
    created_at: AwareDatetime


class Rating(Row):
    """What the customer thinks of a chat, and since when."""

    chat_id: UUID
    score: int
    comment: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Ticket(Row):
    """A request that is followed up."""

    id: UUID
    real_user_id: UUID
    type: TicketType
    title: str
    status: TicketStatus
    priority: Literal["low", "medium", "high", "urgent"]
    contact_name: str | None
    contact_email: str | None
    context: dict[str, Any]
    summary: str | None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    resolved_at: AwareDatetime | None


class TicketPage(Row):
    """Some tickets, and where the next ones begin."""

    data: list[Ticket]
    next_cursor: UUID | None


class TicketMessage(Row):
    """A message of a ticket; who of the staff wrote it is null for the customer."""

    id: UUID
    ticket_id: UUID
    seq: int
    sender_type: Literal["real", "operator", "assistant", "system"]
    sender_id: UUID | None
    message_type: Literal["text", "action", "suggestion", "error"]
    content: str
    created_at: AwareDatetime
    metadata: dict[str, Any]


class TicketMessagePage(Row):
    """Some messages of a ticket; `next_cursor` is the next `after_seq`."""

    data: list[TicketMessage]
    next_cursor: int | None


class ChatPage(Row):
    """Some chats, and where the next ones begin."""

    data: list[Chat]
    next_cursor: UUID | None


class MessagePage(Row):
    """Some messages; `next_cursor` is the next `after_seq` when that was given, else the next `before_seq`."""

    data: list[Message]
    next_cursor: int | None


class Note(Row):
    """What somebody of the staff has noted about a chat; a deleted one has no text."""

    id: UUID
    chat_id: UUID
    author_id: UUID
    content: str
    mentions: list[UUID]
    client_note_id: UUID | None
    created_at: AwareDatetime
    edited_at: AwareDatetime | None
    deleted_at: AwareDatetime | None


class SignedNote(Note):
    """A note with the name of its author."""

    author_name: str


class NotePage(Row):
    """Notes of a chat, in their order; `next_cursor` is the `before_id` of the page before them."""

    data: list[SignedNote]
    next_cursor: UUID | None


class Mention(Row):
    """A note that mentions the caller, and when he read it."""

    note_id: UUID
    chat_id: UUID
    author_id: UUID
    author_name: str
    content: str
    created_at: AwareDatetime
    read_at: AwareDatetime | None


class Mentions(Row):
    """The newest mentions, newest first."""

    data: list[Mention]
    next_cursor: None


class QuickResponse(Row):
    """An answer kept ready under a shortcut; everybody's where `owner_id` is null."""

    id: UUID
    shortcut: str
    title: str
    content: str
    owner_id: UUID | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class QuickResponses(Row):
    """All that the caller may use, by shortcut."""

    data: list[QuickResponse]
    next_cursor: None


class Preferences(Row):
    """How an operator has his screen; `updated_at` is null while he has said nothing."""

    operator_id: UUID
    language: Literal["en", "ar"] | None
    theme: Literal["system", "light", "dark"]
    sound: Literal["all", "mine", "none"]
    desktop_notifications: bool
    send_key: Literal["auto", "enter", "ctrl_enter"]
    density: Literal["comfortable", "compact"]
    updated_at: AwareDatetime | None


class QueuePosition(Row):
    """A waiting chat's place; the expected wait is null until there is enough to go by."""

    position: int | None
    expected_wait_seconds: float | None


class QueueStatus(Row):
    """The whole of the queue in numbers."""

    waiting_count: int
    assigned_count: int
    waiting_reply_count: int
    oldest_wait_seconds: float | None
    average_wait_seconds: float | None
    available_operators: int
    free_capacity: int


class LastMessage(Row):
    """The newest message of a chat that is not deleted, on one line."""

    seq: int
    sender_type: Literal["real", "operator", "system"]
    preview: Annotated[str, Field(max_length=160)]
    created_at: AwareDatetime


class ListRow(Row):
    """A chat in a list of the staff's; the last three are the reader's own."""

    id: UUID
    chat_state: ChatState
    handling: Literal["turn", "session"]
    priority: int
    real_user_id: UUID
    fictional_user_id: UUID | None
    assigned_operator_id: UUID | None
    last_operator_id: UUID | None
    waiting_since: AwareDatetime | None
    assignment_time: AwareDatetime | None
    operator_replied_at: AwareDatetime | None
    last_message_at: AwareDatetime | None
    created_at: AwareDatetime
    state_since: AwareDatetime
    owed_since: AwareDatetime | None
    headline: str | None
    event_seq: int
    customer_name: str | None
    customer_email: str | None
    holder_name: str | None
    last_operator_name: str | None
    persona_name: str | None
    last_message: LastMessage | None
    note_count: int
    rating: int | None
    customer_connected: bool
    unread_count: Annotated[int, Field(ge=0, le=100, description="100: as many, or more.")]
    snoozed_until: AwareDatetime | None
    idle_at: AwareDatetime | None


class BoxRow(ListRow):
    """A row of a box, and what the next page begins after."""

    cursor: dict[str, Any]


class ListPage(Row):
    """Rows of a list; `next_cursor` is JSON."""

    data: list[BoxRow]
    next_cursor: str | None


class NextRow(ListRow):
    """What is next for the operator, and why; `decision` is `refused` while his hands are full."""

    rank: int
    chat_id: UUID
    decision: str
    reason: str


class InboxSettings(Row):
    """What an operator's screen has to know of the settings."""

    idle_limit_seconds: float
    allow_take: bool
    time_zone: str


class Inbox(Row):
    """All that an operator's screen begins with: `held` are the rows of `chats`."""

    operator: dict[str, Any]
    chats: list[dict[str, Any]]
    held: list[BoxRow]
    waiting_customer: list[BoxRow]
    snoozed: list[BoxRow]
    next: NextRow | None
    queue: dict[str, Any]
    mentions: int
    tickets: int
    numbers: dict[str, Any] | None
    settings: InboxSettings


class Draft(Row):
    """What an operator has begun to write."""

    chat_id: UUID
    operator_id: UUID
    content: str
    updated_at: AwareDatetime


class Snooze(Row):
    """A chat that an operator has put aside."""

    chat_id: UUID
    operator_id: UUID
    until: AwareDatetime
    created_at: AwareDatetime


class Candidate(Row):
    """A waiting chat as the rule of assignment sees it for one operator."""

    rank: int
    chat_id: UUID
    priority: int
    waiting_since: AwareDatetime
    last_operator_id: UUID | None
    decision: str
    reason: str


class Candidates(Row):
    """The first candidates, best first."""

    data: list[Candidate]
    next_cursor: None


class ConsoleChat(Row):
    """A chat with the names and times that a person reads, without its context."""

    id: UUID
    real_user_id: UUID
    chat_state: ChatState
    handling: Literal["turn", "session"]
    priority: int
    assigned_operator_id: UUID | None
    last_operator_id: UUID | None
    waiting_since: AwareDatetime | None
    assignment_time: AwareDatetime | None
    operator_replied_at: AwareDatetime | None
    last_message_at: AwareDatetime | None
    created_at: AwareDatetime
    headline: str | None
    customer_name: str | None
    customer_email: str | None
    holder_name: str | None
    last_operator_name: str | None
    wait_seconds: float | None
    state_seconds: float
    message_count: int


class ConsoleChatPage(Row):
    """Some chats, and where the next ones begin."""

    data: list[ConsoleChat]
    next_cursor: str | None


class Console(Row):
    """All that the console begins with."""

    at: AwareDatetime
    numbers: QueueStatus
    operators: list[dict[str, Any]]
    queue: list[dict[str, Any]]
    stuck_count: int


class Deed(Row):
    """What became of one chat: done, or the code and sentence of its refusal."""

    chat_id: UUID
    is_done: bool
    code: str | None
    message: str | None


class DeedPage(Row):
    """What became of each chat."""

    data: list[Deed]
    next_cursor: None


class ChatPanel(Row):
    """What stands beside a chat for its staff."""

    customer: dict[str, Any]
    persona: dict[str, Any] | None
    context: dict[str, Any]
    ip_address: str | None
    earlier_chats: list[dict[str, Any]]
    earlier_chat_count: int
    tickets: list[dict[str, Any]]
    history: list[dict[str, Any]]
    handover: dict[str, Any] | None


class Find(Row):
    """Something that was found; `seq` is a message's."""

    kind: Literal["message", "chat", "customer", "note", "ticket"]
    id: UUID
    chat_id: UUID | None
    seq: int | None
    title: str | None
    snippet: str | None
    at: AwareDatetime
    rank: int


class Found(Row):
    """What was found, best first."""

    data: list[Find]
    next_cursor: None


class Metrics(Row):
    """The numbers over time, in rows as the SQL views of these names have them."""

    model_config = ConfigDict(populate_by_name=True)

    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    bucket: Literal["hour", "day"]
    time_zone: str
    chat_volume: list[dict[str, Any]]
    wait_history: list[dict[str, Any]]
    state_history: list[dict[str, Any]]
    idle_history: list[dict[str, Any]]
    assignment_distribution: list[dict[str, Any]]


class AuditEntry(Row):
    """Something that was done, by whom (`actor_id` null: the service) and to whom."""

    id: int
    at: AwareDatetime
    actor_id: UUID | None
    actor_kind: str
    action: str
    subject_id: UUID | None
    detail: dict[str, Any]
    previous_hash: str
    hash: str


class AuditPage(Row):
    """Some of the audit log, and where the next ones begin."""

    data: list[AuditEntry]
    next_cursor: int | None


class AuditProblem(Row):
    """Something that is wrong with the audit log, at this row."""

    id: int
    problem: Literal["hash_mismatch", "chain_broken", "row_missing", "tail_missing"]


class AuditCheck(Row):
    """What is wrong with the audit log."""

    data: list[AuditProblem]
    next_cursor: None


class Rows(Row):
    """Rows of a view as it returns them."""

    data: list[dict[str, Any]]
    next_cursor: int | None


class Me(Row):
    """The caller as the rules see him."""

    id: UUID | None
    kind: str


class Export(Row):
    """Everything that is kept about a person, section by section; docs/privacy.md has the fields."""

    user_id: UUID
    exported_at: AwareDatetime
    account: dict[str, Any] | None
    customer: dict[str, Any] | None
    operator: dict[str, Any] | None
    invitation: dict[str, Any] | None
    chats: list[dict[str, Any]]
    tickets: list[dict[str, Any]]
    files: list[dict[str, Any]]
    host_user: str | None
    presence: dict[str, Any]


class Erased(Row):
    """How much was erased."""

    chats: int
    messages: int
    tickets: int
    files: int
    sessions: int
    accounts: int
    operators: int


class JobRun(Row):
    """What a background function did."""

    name: str
    count: int


class Health(Row):
    """Whether all is well, and what is not."""

    status: Literal["ok", "unavailable"]
    problem: str | None = None


class Problem(Row):
    """Every error: the SQLSTATE or its like, the sentence, the machine code, what to do."""

    code: str
    message: str
    details: str
    hint: str | None


class FunctionProblem(Problem):
    """An error of a background function; `error` is the sentence again, for Supabase's clients."""

    error: str


class AnyJson(RootModel[Any]):
    """Whatever a function returns: an array of rows or values, one row, or a bare value."""


# Live


class EventList(Input):
    """From where on to list the events of a chat."""

    after_event: Seq = Field(0, description="The number of the last event seen; 0 for none.")
    epoch: UUID | SkipJsonSchema[None] = Field(
        None, description="The epoch of that number: of another one than the server's everything is gone."
    )
    limit: Annotated[int, Field(ge=1, le=500, description="How many at most.")] = 200


class SetTyping(Input):
    """Whether the caller is typing."""

    is_typing: StrictBool


class Event(Row):
    """Something that has happened in a chat; docs/live.md lists what there is."""

    type: Literal["event"]
    chat_id: UUID
    event_seq: int
    event: str
    at: AwareDatetime
    data: dict[str, Any]
    chat: dict[str, Any]
    handled_after_seq: int | None = None


class EventPage(Row):
    """Some events, in order; `next_cursor` is the next `after_event`, null when these were the last."""

    data: list[Event]
    next_cursor: int | None


class ReaderMark(Row):
    """How far somebody has read; who of the staff is null for the customer."""

    reader_type: Literal["real", "operator"]
    reader_id: UUID | None
    seq: int
    read_at: AwareDatetime


class ChatRating(Row):
    """What the customer thinks of a chat."""

    score: int
    comment: str | None


class ChatFace(Row):
    """Whom a customer sees answering: the persona, or the operator's name where there is none."""

    name: str | None
    fictional_user_id: UUID | None
    avatar_url: str | None


class Snapshot(Row):
    """All that a chat's screen begins with. Events after `chat.event_seq` may be in it already."""

    chat: Chat
    messages: list[Message]
    read_marks: list[ReaderMark]
    notes: list[SignedNote] = Field([], description="The newest 50, for staff alone: a customer's snapshot has none.")
    has_older_notes: bool = Field(False, description="For staff alone.")
    rating: ChatRating | None  # null for its customer
    face: ChatFace | None = Field(None, description="For the customer alone; null before anybody had the chat.")
    epoch: UUID | None


# Login, in the shapes of Supabase's clients, which send more than is needed and differ by version.


class AuthInput(Input):
    """What a Supabase client sends; what is not named here is ignored."""

    model_config = ConfigDict(extra="ignore")


class GrantType(AuthInput):
    """How one signs in."""

    grant_type: Literal["password", "refresh_token", "id_token"]


class Credentials(AuthInput):
    """Email and password, a refresh token, or the host page's token (`provider` is "host")."""

    email: str | SkipJsonSchema[None] = None
    password: str | SkipJsonSchema[None] = None
    refresh_token: str | SkipJsonSchema[None] = None
    provider: str | SkipJsonSchema[None] = None
    id_token: str | SkipJsonSchema[None] = None


class SignUp(AuthInput):
    """An anonymous visitor has neither email nor password."""

    email: str | SkipJsonSchema[None] = None
    phone: str | SkipJsonSchema[None] = None
    password: str | SkipJsonSchema[None] = None
    data: dict[str, Any] | SkipJsonSchema[None] = None


class UpdateUser(AuthInput):
    """What is to change; a null in `data` takes a key away."""

    email: str | SkipJsonSchema[None] = None
    phone: str | SkipJsonSchema[None] = None
    password: str | SkipJsonSchema[None] = None
    data: dict[str, Any] | SkipJsonSchema[None] = None


class AccountChanges(AuthInput):
    """What the service changes of an account; a null in metadata takes a key away."""

    email: Annotated[str, Field(min_length=3, max_length=320, pattern="^[^@ ]+@[^@ ]+$")] | SkipJsonSchema[None] = None
    email_confirm: bool | SkipJsonSchema[None] = None
    password: str | SkipJsonSchema[None] = None
    user_metadata: dict[str, Any] | SkipJsonSchema[None] = None
    app_metadata: dict[str, Any] | SkipJsonSchema[None] = None
    # Not kept here, and refused rather than left out.
    phone: None = None
    role: Literal["authenticated"] | SkipJsonSchema[None] = None
    ban_duration: None = None
    password_hash: None = None


class NewAccount(AccountChanges):
    """An account that the service makes."""

    id: UUID | SkipJsonSchema[None] = None


class SignOut(AuthInput):
    """Which sessions end."""

    scope: Literal["global", "local", "others"] = "global"


class User(Row):
    """A person who can sign in."""

    id: UUID
    aud: str
    role: str
    email: str
    phone: str = ""
    is_anonymous: bool
    app_metadata: dict[str, Any]
    user_metadata: dict[str, Any]
    identities: list[dict[str, Any]] = []
    created_at: AwareDatetime
    updated_at: AwareDatetime
    last_sign_in_at: AwareDatetime | None
    confirmed_at: AwareDatetime | None
    email_confirmed_at: AwareDatetime | None


class Session(Row):
    """A signed-in session."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token
    expires_in: int
    expires_at: int
    refresh_token: str
    user: User


class Jwk(BaseModel):
    """A public key: `n` and `e` of RSA, `crv`, `x` and `y` of an elliptic curve."""

    kty: Literal["RSA", "EC"]
    kid: str
    alg: Literal["RS256", "ES256"]
    use: Literal["sig"]
    key_ops: list[str]
    n: str | None = None
    e: str | None = None
    crv: str | None = None
    x: str | None = None
    y: str | None = None


class JwkSet(Row):
    """The public keys."""

    keys: list[Jwk]


class WeakPassword(Row):
    """What a password lacks."""

    reasons: list[str]


class AuthProblem(Row):
    """An error as Supabase's clients read it; the token route adds the two of OAuth."""

    code: int
    error_code: str
    msg: str
    error: str | None = None
    error_description: str | None = None
    weak_password: WeakPassword | None = None


# Files, in the shapes of Supabase's clients


class SignLink(AuthInput):
    """How long a link to a file is to be good."""

    expiresIn: Annotated[int, Field(ge=1, le=7 * 24 * 3600, description="Seconds.")]  # noqa: N815 - Supabase's name


class SignLinks(SignLink):
    """The same for many files."""

    paths: Annotated[list[str], Field(max_length=1000)]


class Removal(AuthInput):
    """The files to remove."""

    prefixes: Annotated[list[str], Field(max_length=1000, description="Whole names, whatever they are called here.")]


class SortBy(AuthInput):
    """The order of a list of files."""

    column: Literal["name", "updated_at", "created_at", "last_accessed_at"] = "name"
    order: Literal["asc", "desc"] = "asc"


class FileList(AuthInput):
    """Which files of a folder to list."""

    prefix: Annotated[str, Field(max_length=1024, description="The folder.")] = ""
    search: Annotated[str, Field(max_length=1024)] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    sortBy: SortBy = SortBy()  # noqa: N815 - Supabase's name


class Uploaded(Row):
    """A file that is kept."""

    Id: UUID
    Key: str


class SignedLink(Row):
    """Where a file can be read with nothing but this address, which goes on from /storage/v1."""

    signedURL: str  # noqa: N815 - Supabase's name


class LinkOrError(Row):
    """A link to one of many files, or why there is none."""

    path: str
    signedURL: str | None  # noqa: N815 - Supabase's name
    error: str | None


class SignedLinks(RootModel[list[LinkOrError]]):
    """Links to many files, in the order in which they were asked for."""


class ListedFile(Row):
    """A file, or a folder, which has nothing but a name."""

    name: str
    id: UUID | None
    updated_at: AwareDatetime | None
    created_at: AwareDatetime | None
    last_accessed_at: AwareDatetime | None
    metadata: dict[str, Any] | None


class ListedFiles(RootModel[list[ListedFile]]):
    """What is in a folder."""


class RemovedFile(ListedFile):
    """A file that is gone."""

    bucket_id: str


class RemovedFiles(RootModel[list[RemovedFile]]):
    """The files that are gone."""


class FileInfo(Row):
    """What is known of a file."""

    id: UUID
    name: str
    bucket_id: str
    version: str
    size: int | None
    content_type: str
    cache_control: str | None
    etag: str | None
    metadata: dict[str, Any]
    created_at: AwareDatetime
    last_modified: AwareDatetime


class StorageProblem(Row):
    """An error as Supabase's storage clients read it."""

    statusCode: str  # noqa: N815 - Supabase's name
    error: str
    code: str
    message: str
    hint: str | None = None


# Pages


class SignIn(Input):
    """A member of the staff."""

    email: str
    password: str


class ForgetVisitor(Input):
    """The widget's visitor; `resume` is the key that the host page has kept, where the browser keeps no cookie."""

    resume: Annotated[str, Field(max_length=8192)] | SkipJsonSchema[None] = None


class ResumeVisitor(ForgetVisitor):
    """The widget's visitor, and whether to make him somebody if he is nobody yet."""

    create: StrictBool = False


class IdentifyVisitor(ForgetVisitor):
    """The host page's token of its user."""

    id_token: str


class PageSession(Row):
    """What a page works with: an access token for its memory; for the widget also the key to resume by."""

    access_token: str
    expires_at: int
    user_id: UUID
    resume: str | None = None


class DemoSeats(Row):
    """A code for each seat of the demo, by the name of who sits there, and one to make its customer speak."""

    seats: dict[str, str]
    script: str


class DemoScript(Input):
    """By what a page shows that it was given its seats."""

    script: Annotated[str, Field(max_length=200)]


class DemoMessage(DemoScript):
    """What a customer of the demo is made to say."""

    chat_id: UUID
    content: Annotated[str, Field(max_length=200)]

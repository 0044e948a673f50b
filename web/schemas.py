"""The shapes that go in and out. Input models refuse what they do not know; rows are open to new columns.

What a text may say is the database's to judge; here it is only text. Optional fields that are left out,
or null, take the default of the SQL function.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, StrictBool, StrictInt
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema

BIGINT = 2**63 - 1

ChatState = Literal["waiting_assignment", "assigned", "waiting_real_user_reply", "completed"]
Seq = Annotated[int, Field(ge=0, le=BIGINT)]
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]
Hours = Annotated[Decimal, Field(ge=0, le=87600), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 87600})]


class Input(BaseModel):
    """What a caller sends."""

    model_config = ConfigDict(extra="forbid")

    def arguments(self) -> dict[str, Any]:
        """Return the fields as a SQL function's named arguments, without optional ones that are not given."""
        return {
            f"p_{name}": value
            for name, value in self
            if value is not None or type(self).model_fields[name].is_required()
        }


class Row(BaseModel):
    """What a function returns."""


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


class StuckSince(Input):
    """How long is too long."""

    hours: Hours | SkipJsonSchema[None] = None


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


class ChatPage(Row):
    """Some chats, and where the next ones begin."""

    data: list[Chat]
    next_cursor: UUID | None


class MessagePage(Row):
    """Some messages; `next_cursor` is the next `after_seq` when that was given, else the next `before_seq`."""

    data: list[Message]
    next_cursor: int | None


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


class Inbox(Row):
    """All that an operator's screen begins with."""

    operator: dict[str, Any]
    chats: list[dict[str, Any]]
    next: dict[str, Any] | None
    queue: dict[str, Any]
    numbers: dict[str, Any] | None


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
    chats: list[dict[str, Any]]
    files: list[dict[str, Any]]
    host_user: str | None
    presence: dict[str, Any]


class Erased(Row):
    """How much was erased."""

    chats: int
    messages: int
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


class Snapshot(Row):
    """All that a chat's screen begins with. Events after `chat.event_seq` may be in it already."""

    chat: Chat
    messages: list[Message]
    read_marks: list[ReaderMark]
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

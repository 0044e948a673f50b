/**
 * Rows and frames as Baton sends them; docs/live.md explains each.
 *
 * Ids are uuids, times are ISO 8601 with their zone. What only staff may see is null for a customer.
 */

export type ChatState = "waiting_assignment" | "assigned" | "waiting_real_user_reply" | "completed";

export interface Chat {
  id: string;
  real_user_id: string;
  fictional_user_id: string | null;
  chat_state: ChatState;
  handling: "turn" | "session";
  priority: number | null;
  assigned_operator_id: string | null;
  last_operator_id: string | null;
  assignment_time: string | null;
  operator_replied_at: string | null;
  waiting_since: string | null;
  last_message_at: string | null;
  created_at: string;
  is_active: boolean;
  headline: string | null;
  /** Left out of events, but for chat.updated. */
  context?: Record<string, unknown>;
  /** Left out of events. */
  ip_address?: string | null;
  /** The number of the caller's latest event in this chat. */
  event_seq: number;
}

export interface Message {
  id: string;
  chat_id: string;
  /** 1, 2, 3 … in each chat, without gaps. */
  seq: number;
  sender_type: "real" | "operator" | "system";
  sender_id: string | null;
  /** Empty when the message is deleted. */
  content: string;
  handled_by_operator_id: string | null;
  /** Null for a customer where the message is not his own. */
  client_message_id: string | null;
  created_at: string;
  edited_at: string | null;
  deleted_at: string | null;
  metadata: Record<string, unknown>;
  attachments: Attachment[];
}

/** A file that a message carries: in the bucket `attachments` under /storage/v1. */
export interface Attachment {
  path: string;
  /** Its name for people. */
  name: string;
  type: string;
  /** In bytes. */
  size: number | null;
}

export interface ReadMark {
  reader_type: "real" | "operator";
  /** Null for a customer where the reader is of the staff: he sees only how far any of them has read. */
  reader_id: string | null;
  seq: number;
  read_at: string;
}

/** What somebody of the staff has noted about a chat. Never told to a customer. */
export interface Note {
  id: string;
  chat_id: string;
  author_id: string;
  author_name: string;
  /** Empty when the note is deleted. */
  content: string;
  /** Ids of operators. */
  mentions: string[];
  client_note_id: string | null;
  created_at: string;
  edited_at: string | null;
  deleted_at: string | null;
}

/** What the customer thinks of the chat. */
export interface Rating {
  /** 1 to 5. */
  score: number;
  comment: string | null;
}

/** GET /api/chats/<id>/snapshot. The chat was read first: the rest may be newer than its event_seq says. */
export interface Snapshot {
  chat: Chat;
  messages: Message[];
  read_marks: ReadMark[];
  /** The newest 50 in their order, without deleted ones; not there for a customer. */
  notes?: Note[];
  has_older_notes?: boolean;
  /** Null while there is none, and for its customer: GET /api/chats/<id>/rating. */
  rating: Rating | null;
  /** Whom a customer sees answering, now or last; null before anybody had the chat, not there for staff. */
  face?: Face | null;
  /** Of the history that the number belongs to; null when the server does not know it just now. */
  epoch: string | null;
}

/** What a client keeps of one chat: a snapshot, and what has happened since. */
export interface ChatView extends Snapshot {
  /** The number of the last event that is in it. */
  event_seq: number;
}

interface EventBase {
  type: "event";
  chat_id: string;
  event_seq: number;
  at: string;
  /** The row as it is now, which may be later than the event. */
  chat: Chat;
}

/** `handled_after_seq`, for staff, of a reply: it handled the customer's messages after this number. */
export interface MessageChange extends EventBase {
  event: "message.created" | "message.edited" | "message.deleted";
  data: Message;
  handled_after_seq?: number;
}

export interface ReadChange extends EventBase {
  event: "message.read";
  data: Omit<ReadMark, "read_at">;
}

/** To staff. */
export interface NoteChange extends EventBase {
  event: "note.created" | "note.edited" | "note.deleted";
  data: Note;
}

/** To staff: who got, had or lost the chat, who did it and why. */
export interface HoldChange {
  operator_id: string | null;
  operator_name: string | null;
  from_operator_id: string | null;
  from_operator_name: string | null;
  actor_id: string | null;
  reason: string | null;
  note: string | null;
}

/** To a customer: whom he sees answering. */
export interface Face {
  name: string | null;
  fictional_user_id: string | null;
  avatar_url: string | null;
}

export interface ChatChange extends EventBase {
  event:
    | "chat.assigned"
    | "chat.released"
    | "chat.transferred"
    | "chat.reassigned"
    | "chat.completed"
    | "chat.reopened"
    | "chat.updated";
  data: Partial<HoldChange> & Partial<Face>;
}

/** To staff: the customer has rated the chat, or rated it anew. */
export interface RatingChange extends EventBase {
  event: "chat.rated";
  data: Rating;
}

export type EventFrame = MessageChange | ReadChange | NoteChange | RatingChange | ChatChange;

export interface ReadyFrame {
  type: "ready";
  id: string | null;
  kind: "customer" | "operator" | "admin" | "service";
  epoch: string;
  ping_seconds: number;
}

export interface SubscribedFrame {
  type: "subscribed";
  chat_id: string;
  event_seq: number;
}

/** What was missed cannot be told any more: fetch the snapshot. */
export interface ResetFrame {
  type: "reset";
  chat_id: string;
  event_seq?: number;
}

/** `details` says why when it was not asked for. */
export interface UnsubscribedFrame {
  type: "unsubscribed";
  chat_id: string;
  details?: string;
}

export interface TypingFrame {
  type: "typing";
  chat_id: string;
  sender_type: "real" | "operator";
  sender_id: string | null;
  is_typing: boolean;
}

export interface QueueFrame {
  type: "queue";
  chat_id: string;
  position: number | null;
  expected_wait_seconds: number | null;
}

export interface QueueStatus {
  waiting_count: number;
  assigned_count: number;
  waiting_reply_count: number;
  oldest_wait_seconds: number | null;
  average_wait_seconds: number | null;
  available_operators: number;
  free_capacity: number;
}

/** A chat in a list of the staff's, everywhere in this shape. The last three are the reader's own. */
export interface ListRow {
  id: string;
  chat_state: ChatState;
  handling: "turn" | "session";
  priority: number;
  real_user_id: string;
  fictional_user_id: string | null;
  assigned_operator_id: string | null;
  last_operator_id: string | null;
  waiting_since: string | null;
  assignment_time: string | null;
  operator_replied_at: string | null;
  last_message_at: string | null;
  created_at: string;
  /** When the chat came into its state, or to its holder. */
  state_since: string;
  /** Since when the customer is owed a reply; null: nothing is owed. */
  owed_since: string | null;
  headline: string | null;
  /** Of two rows of a chat the one with the lower number is the older one. */
  event_seq: number;
  /** Null: nobody knows it. */
  customer_name: string | null;
  customer_email: string | null;
  holder_name: string | null;
  last_operator_name: string | null;
  persona_name: string | null;
  /** The newest message that is not deleted; of files without words `preview` has their names. */
  last_message: { seq: number; sender_type: Message["sender_type"]; preview: string; created_at: string } | null;
  note_count: number;
  rating: number | null;
  customer_connected: boolean;
  /** Of the customer's messages; 100: as many, or more. */
  unread_count: number;
  snoozed_until: string | null;
  /** When one's own hold becomes idle. */
  idle_at: string | null;
}

/** Of GET /api/operator/boxes/<box> and of the boxes in the inbox: what the next page begins after. */
export interface BoxRow extends ListRow {
  cursor: Record<string, unknown>;
}

/** What is next for the operator, and why; refused: his hands are full. */
export interface NextRow extends ListRow {
  rank: number;
  chat_id: string;
  decision: "next" | "refused";
  reason: string;
}

/** GET /api/operator/inbox. */
export interface Inbox {
  operator: {
    id: string;
    name: string;
    email: string | null;
    role: "operator" | "admin";
    is_active: boolean;
    capacity: number;
    auto_assign: boolean;
    status: Presence["status"];
    status_reason: string | null;
    /** How many chats he holds. */
    held: number;
  };
  chats: Chat[];
  held: BoxRow[];
  waiting_customer: BoxRow[];
  snoozed: BoxRow[];
  next: NextRow | null;
  queue: QueueStatus;
  /** How many notes mention him that he has not read. */
  mentions: number;
  /** How many tickets nobody has begun to work on. */
  tickets: number;
  /** Of today; null: nothing yet. */
  numbers: { messages_sent: number; chats_handled: number; idle_incidents: number; chats_missed: number } | null;
  settings: { idle_limit_seconds: number; allow_take: boolean; time_zone: string };
}

/**
 * What an operator's lists are kept by; docs/live.md says how. All but `queue` is there only when there is something
 * to say.
 */
export interface InboxFrame {
  type: "inbox";
  queue: QueueStatus;
  /** How many tickets nobody has begun to work on. */
  tickets: number;
  /** The chats that one holds. */
  chats?: Chat[];
  /** How many notes mention one that one has not read; with the chats, and when that has changed. */
  mentions?: number;
  /** Rows of chats that have changed and that one may see. */
  changed?: ListRow[];
  /** Chats that one may see no more, or that are deleted. */
  gone?: string[];
  /** Who has those of them that somebody has taken: names by the chats' ids. */
  taken?: Record<string, string>;
  /** Null: nothing waits. */
  next?: NextRow | null;
  /** Fetch the boxes afresh. */
  reset?: true;
}

export interface Presence {
  operator_id: string;
  /** Null, with status offline: no operator any more. */
  name: string | null;
  status: "online" | "away" | "offline";
  status_reason: string | null;
  is_connected: boolean;
}

/** All operators after `ready`, then those who have changed. */
export interface PresenceFrame {
  type: "presence";
  operators: Presence[];
}

/** The body of every refusal, over HTTP and on the socket; `details` is the machine code. */
export interface Problem {
  code: string;
  message: string;
  details: string;
  hint: string | null;
}

export interface ErrorFrame extends Problem {
  type: "error";
  chat_id?: string;
}

export interface PongFrame {
  type: "pong";
}

export type Frame =
  | ReadyFrame
  | SubscribedFrame
  | EventFrame
  | ResetFrame
  | UnsubscribedFrame
  | TypingFrame
  | QueueFrame
  | InboxFrame
  | PresenceFrame
  | ErrorFrame
  | PongFrame;

export type SentFrame =
  | { type: "auth"; token: string; is_present: boolean }
  | { type: "subscribe"; chat_id: string; after_event?: number; epoch?: string }
  | { type: "unsubscribe"; chat_id: string }
  | { type: "typing"; chat_id: string; is_typing: boolean }
  | { type: "ping" };

/** How the connection is; the screen shows it. */
export type LiveState = "connecting" | "online" | "reconnecting" | "polling" | "closed";

/** A message that somebody has sent here, before it comes back as an event. */
export interface Outgoing {
  client_message_id: string;
  chat_id: string;
  content: string;
  attachments: Attachment[];
  /** Milliseconds since 1970, made strictly increasing: the order of sending. */
  created_at: number;
  status: "pending" | "sent" | "failed";
  /** Why it failed, or why it is still pending. */
  problem: Problem | null;
  /** The stored message, once it is sent. */
  message: Message | null;
}

/** What a page works with: POST /session, /session/token, /session/visitor. */
export interface PageSession {
  access_token: string;
  /** Seconds since 1970. */
  expires_at: number;
  user_id: string;
  /** For the widget, where the browser keeps no cookie of ours: the host page keeps it and brings it along. */
  resume?: string | null;
}

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

/** GET /api/chats/<id>/snapshot. The chat was read first: the rest may be newer than its event_seq says. */
export interface Snapshot {
  chat: Chat;
  messages: Message[];
  read_marks: ReadMark[];
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

export type EventFrame = MessageChange | ReadChange | ChatChange;

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

/** `chats`, the chats that one holds, is there only when they have changed, and in the first one. */
export interface InboxFrame {
  type: "inbox";
  queue: QueueStatus;
  chats?: Chat[];
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
  | { type: "auth"; token: string }
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
  /** Milliseconds since 1970, made strictly increasing: the order of sending. */
  created_at: number;
  status: "pending" | "sent" | "failed";
  /** Why it failed, or why it is still pending. */
  problem: Problem | null;
  /** The stored message, once it is sent. */
  message: Message | null;
}

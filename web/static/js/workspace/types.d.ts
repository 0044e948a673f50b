/** What the workspace is made of; the rows and frames of docs/live.md that only staff are sent. */

import type { ChatState, Frame, LiveState, Note, Presence, Problem, QueueStatus } from "../core/types.d.ts";

/** A chat in a list of the staff's. */
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
  state_since: string;
  /** Since when the customer is owed a reply; null: he is not. */
  owed_since: string | null;
  headline: string | null;
  event_seq: number;
  customer_name: string | null;
  customer_email: string | null;
  holder_name: string | null;
  last_operator_name: string | null;
  persona_name: string | null;
  last_message: { seq: number; sender_type: "real" | "operator" | "system"; preview: string; created_at: string } | null;
  note_count: number;
  rating: number | null;
  customer_connected: boolean;
  /** My own: of the customer's messages, up to 100. */
  unread_count: number;
  /** My own. */
  snoozed_until: string | null;
  /** When my hold becomes idle, where a reply is owed. */
  idle_at: string | null;
}

export interface NextRow extends ListRow {
  decision: string;
  reason: string;
}

export interface Operator {
  id: string;
  name: string;
  email: string | null;
  role: "operator" | "admin";
  status: "online" | "away" | "offline";
  status_reason: string | null;
  capacity: number;
  auto_assign: boolean;
}

/** GET /api/operator/inbox */
export interface Inbox {
  operator: Operator;
  held: ListRow[];
  waiting_customer: ListRow[];
  snoozed: ListRow[];
  next: NextRow | null;
  queue: QueueStatus;
  numbers: { messages_sent: number; chats_handled: number } | null;
  mentions: number;
  settings: { idle_limit_seconds: number; allow_take: boolean; time_zone: string };
}

export type Box = "held" | "waiting_customer" | "snoozed" | "queue" | "done" | "all";

/** The `inbox` frame, as the staff is sent it. */
export interface ListNews {
  type: "inbox";
  queue: QueueStatus;
  mentions?: number;
  changed?: ListRow[];
  gone?: string[];
  taken?: Record<string, string>;
  next?: NextRow | null;
  reset?: boolean;
}

/** How much of a box is here. */
export interface BoxPart {
  isLoaded: boolean;
  /** Where its next page begins; null: it is here whole. */
  cursor: string | null;
  /** The last row of what was fetched: what comes behind it is not here, so nothing behind it is shown. */
  end: ListRow | null;
}

export interface Mention {
  note_id: string;
  chat_id: string;
  author_id: string;
  author_name: string;
  content: string;
  created_at: string;
  read_at: string | null;
}

export interface SearchResult {
  kind: "message" | "chat" | "customer" | "note" | "ticket";
  id: string;
  chat_id: string | null;
  seq: number | null;
  title: string | null;
  snippet: string | null;
  at: string | null;
}

export interface QuickResponse {
  id: string;
  shortcut: string;
  title: string;
  content: string;
  owner_id: string | null;
}

/** GET /api/chats/<id>/panel */
export interface Panel {
  customer: {
    id: string;
    name: string | null;
    email: string | null;
    is_anonymous: boolean;
    created_at: string;
    is_connected: boolean;
  };
  persona: { id: string; name: string; avatar_url: string | null } | null;
  context: Record<string, unknown>;
  ip_address: string | null;
  earlier_chats: {
    id: string;
    chat_state: ChatState;
    headline: string | null;
    created_at: string;
    last_message_at: string | null;
    last_operator_name: string | null;
    message_count: number;
  }[];
  earlier_chat_count: number;
  tickets: {
    id: string;
    title: string;
    status: "open" | "in-progress" | "resolved" | "closed";
    priority: "low" | "medium" | "high" | "urgent";
    created_at: string;
  }[];
  history: Happening[];
  handover: {
    from_operator_id: string;
    from_operator_name: string;
    reason: string | null;
    note: string | null;
    at: string;
    last_reply: { seq: number; sender_name: string | null; preview: string; created_at: string } | null;
    new_message_count: number;
  } | null;
}

/** A change of a chat's state or holder, of its history or just told. */
export interface Happening {
  at: string;
  from_state: ChatState | null;
  to_state: ChatState;
  reason: string | null;
  note: string | null;
  operator_id: string | null;
  operator_name: string | null;
  actor_id: string | null;
  actor_name: string | null;
}

/** All that the workspace knows but for the one chat that is open in it. */
export interface DeskState {
  me: Operator | null;
  /** Every row that was told, by its chat. */
  rows: ReadonlyMap<string, ListRow>;
  boxes: Readonly<Record<Box, BoxPart>>;
  next: NextRow | null;
  queue: QueueStatus | null;
  numbers: Inbox["numbers"];
  settings: Inbox["settings"];
  mentions: number;
  colleagues: ReadonlyMap<string, Presence>;
  connection: LiveState;
  /** Counts what was told, by frames or as the answer to something done. */
  turn: number;
  /** When a chat, by its id, or "me", "next", "queue" or "mentions" was told: an answer asked for before is older. */
  toldAt: ReadonlyMap<string, number>;
  /** Who has taken what was gone last: names by the chats' ids. */
  takers: ReadonlyMap<string, string>;
}

export type Action =
  | { type: "inbox"; inbox: Inbox; since: number }
  | { type: "box"; box: Box; rows: ListRow[]; cursor: string | null; isMore: boolean; since: number }
  | { type: "rows"; rows: ListRow[]; since: number }
  | { type: "frame"; frame: Frame | ListNews }
  | { type: "me"; operator: Operator }
  | { type: "connection"; state: LiveState }
  | { type: "reading"; chatId: string }
  | { type: "active"; chatId: string; idleAt: string };

/** Something that the operator should be told even where he does not look. */
export type News =
  | { kind: "assigned" | "message" | "lost" | "woke"; row: ListRow }
  | { kind: "mention" }
  | { kind: "waiting"; row: NextRow };

export type { Frame, Note, Presence, Problem };

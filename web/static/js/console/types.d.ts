/** Documents that the console's routes answer. */

import type { Api } from "../core/api.js";
import type { Live } from "../core/live.js";
import type { ChatState, QueueStatus } from "../core/types.d.ts";

/** What every page of the console may use. */
export interface Console {
  api: Api;
  live: Live;
  personId: string;
  /** Go to a page of the console: "", "chats?state=completed". */
  go(place: string): void;
  /** Say what has come of something; `problems` beneath it. */
  toast(text: string, kind?: "done" | "problem", problems?: string[]): void;
  /** Show a number beside a page's name; 0: none. */
  count(place: string, number: number): void;
  actions: import("./actions.js").ChatActions;
}

/** A chat in an operator's hand, on the board. */
export interface HeldChat {
  id: string;
  customer_name: string | null;
  headline: string | null;
  priority: number;
  since: string;
  owed_since: string | null;
  idle_at: string | null;
}

/** A chat in the queue. */
export interface QueuedChat {
  position: number;
  id: string;
  customer_name: string | null;
  headline: string | null;
  priority: number;
  waiting_since: string;
  wait_seconds: number;
  last_operator_id: string | null;
  last_operator_name: string | null;
}

export interface ConsoleOperator {
  id: string;
  name: string;
  role: "operator" | "admin";
  status: "online" | "away" | "offline";
  status_reason: string | null;
  auto_assign: boolean;
  is_connected: boolean;
  capacity: number;
  held: number;
  chats: HeldChat[];
}

/** GET /api/admin/console */
export interface Overview {
  at: string;
  numbers: QueueStatus;
  operators: ConsoleOperator[];
  queue: QueuedChat[];
  stuck_count: number;
}

/** GET /api/admin/chats */
export interface ConsoleChat {
  id: string;
  chat_state: ChatState;
  handling: "turn" | "session";
  priority: number;
  real_user_id: string;
  assigned_operator_id: string | null;
  last_operator_id: string | null;
  waiting_since: string | null;
  owed_since: string | null;
  state_since: string;
  last_message_at: string | null;
  created_at: string;
  headline: string | null;
  customer_name: string | null;
  customer_email: string | null;
  holder_name: string | null;
  last_operator_name: string | null;
  message_count: number;
}

/** What can be done to a chat is asked with this much known of it. */
export interface ChatHandle {
  id: string;
  name: string;
  chat_state: ChatState;
  priority: number;
  assigned_operator_id: string | null;
}

/** A row of POST /api/admin/chats/bulk */
export interface BulkResult {
  chat_id: string;
  is_done: boolean;
  code: string | null;
  message: string | null;
}

/** GET /api/admin/operators */
export interface Operator {
  id: string;
  name: string;
  email: string | null;
  role: "operator" | "admin";
  capacity: number;
  is_active: boolean;
  auto_assign: boolean;
  status: "online" | "away" | "offline";
  status_reason: string | null;
  created_at: string;
  held: number;
  is_connected: boolean;
  last_seen_at: string | null;
}

export interface Invitation {
  id: string;
  email: string;
  name: string | null;
  role: "operator" | "admin";
  capacity: number;
  status: "open" | "accepted" | "revoked" | "expired";
  invited_by_name: string | null;
  created_at: string;
  expires_at: string;
  /** Only in the answer to the invitation itself, and only where no mail was sent. */
  link?: string | null;
  is_mailed?: boolean;
}

export interface Persona {
  id: string;
  name: string;
  avatar_url: string | null;
  is_active: boolean;
}

export interface QuickResponse {
  id: string;
  shortcut: string;
  title: string;
  content: string;
  owner_id: string | null;
  updated_at: string;
}

export type Day = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

export interface WidgetSettings {
  title: string;
  greeting: Record<string, string>;
  offline_message: Record<string, string>;
  colour: string;
  position: "right" | "left";
  languages: string[];
  fictional_user_id: string | null;
  is_open_always: boolean;
  business_hours: Partial<Record<Day, [string, string][]>>;
  pre_chat: { field: "name" | "email" | "topic"; is_required: boolean }[];
  mode: "queue" | "race";
  handling: "turn" | "session";
  allow_files: boolean;
  allow_emoji: boolean;
  ask_rating: boolean;
  privacy_url: string | null;
}

export interface Setting {
  name: string;
  value: string | number | boolean;
  kind: "interval" | "number" | "boolean" | "time_zone" | string;
  description: string;
}

export interface Ticket {
  id: string;
  real_user_id: string;
  type: "support" | "product-inquiry" | "order-help" | "technical";
  title: string;
  status: "open" | "in-progress" | "resolved" | "closed";
  priority: "low" | "medium" | "high" | "urgent";
  contact_name: string | null;
  contact_email: string | null;
  context: Record<string, unknown>;
  summary: string | null;
  created_at: string;
  updated_at: string;
  resolved_at: string | null;
}

export interface StuckChat {
  chat_id: string;
  chat_state: ChatState;
  since: string;
  hours_in_state: number;
  assigned_operator_id: string | null;
  problem: "waiting_too_long" | "assigned_too_long" | "holder_inactive" | "invariant_broken";
}

export interface AuditEntry {
  id: number;
  at: string;
  actor_id: string | null;
  actor_kind: string;
  action: string;
  subject_id: string | null;
  detail: Record<string, unknown>;
  hash: string;
}

export interface AuditProblem {
  id: number;
  problem: "hash_mismatch" | "chain_broken" | "row_missing" | "tail_missing";
}

/** GET /api/admin/metrics-over-time */
export interface Metrics {
  from: string;
  to: string;
  bucket: "hour" | "day";
  time_zone: string;
  chat_volume: { bucket_start: string; started: number; completed: number; messages_in: number; messages_out: number }[];
  wait_history: { bucket_start: string; assignments: number; wait_median_seconds: number | null; wait_p95_seconds: number | null }[];
  state_history: {
    bucket_start: string;
    waiting_assignment: number;
    assigned: number;
    waiting_real_user_reply: number;
    completed: number;
  }[];
  idle_history: { date: string; operator_id: string; operator_name: string; idle_incidents: number }[];
  assignment_distribution: { operator_id: string; operator_name: string; holds_24h: number; holds_7d: number }[];
}

/** A row of the view operator_performance. */
export interface OperatorDay {
  operator_id: string;
  operator_name: string;
  date: string;
  messages_sent: number;
  chats_handled: number;
  first_reply_median_seconds: number | null;
  first_reply_p95_seconds: number | null;
  reply_median_seconds: number | null;
  reply_p95_seconds: number | null;
  idle_incidents: number;
  chats_missed: number;
}

/** The row of the view assignment_metrics. */
export interface AssignmentMetrics {
  assignments: number;
  operators: number;
  fewest_per_operator: number | null;
  most_per_operator: number | null;
  average_per_operator: number | null;
  wait_median_seconds: number | null;
  wait_p95_seconds: number | null;
  repeats: number;
  stuck: number;
}

/** A page of anything. */
export interface PageOf<Row> {
  data: Row[];
  next_cursor: string | number | null;
}

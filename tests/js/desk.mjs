// What the tests of the workspace's state begin with: rows of chats, and a desk that knows some.

import { emptyDesk, list, reduce } from "../../web/static/js/workspace/state.js";

export * from "../../web/static/js/workspace/state.js";

const ANA = { id: "ana", name: "Ana", email: null, role: "operator", status: "online", status_reason: null, capacity: 2, auto_assign: false };
const QUEUE = { waiting_count: 0, assigned_count: 0, waiting_reply_count: 0, oldest_wait_seconds: null, average_wait_seconds: null, available_operators: 1, free_capacity: 2 };

/** A chat that waits since a minute of the hour, unless told otherwise. */
export function row(id, minute, changes = {}) {
  const at = `2026-11-22T10:${String(minute).padStart(2, "0")}:00+00:00`;
  return {
    ...{ id, chat_state: "waiting_assignment", handling: "turn", priority: 0, real_user_id: `customer of ${id}` },
    ...{ assigned_operator_id: null, last_operator_id: null, waiting_since: at, assignment_time: null, operator_replied_at: null },
    ...{ last_message_at: at, created_at: at, state_since: at, owed_since: at, unread_count: 0, snoozed_until: null, idle_at: null },
    last_message: { seq: 1, sender_type: "real", preview: "", created_at: at },
    ...changes,
  };
}

/** The same in somebody's hands. */
export const held = (id, minute, by = "ana", changes = {}) =>
  row(id, minute, { chat_state: "assigned", assigned_operator_id: by, last_operator_id: by, assignment_time: `2026-11-22T10:${minute}:00+00:00`, ...changes });

/** Answered by her last. */
export const answered = (id, minute, changes = {}) =>
  row(id, minute, { chat_state: "waiting_real_user_reply", last_operator_id: "ana", operator_replied_at: `2026-11-22T10:${minute}:00+00:00`, ...changes });

/** A desk of Ana's that has fetched its inbox. */
export function desk(parts = {}) {
  const inbox = { operator: ANA, held: [], waiting_customer: [], snoozed: [], next: null, queue: QUEUE, numbers: null, mentions: 0, settings: {}, ...parts };
  return reduce(emptyDesk(), { type: "inbox", inbox, since: 0 });
}

/** What is known after frames of the live connection. */
export const told = (state, ...frames) =>
  frames.reduce((now, frame) => reduce(now, { type: "frame", frame: { type: "inbox", queue: QUEUE, ...frame } }), state);

/** A page of a box has come. */
export const page = (state, box, rows, how = {}) =>
  reduce(state, { type: "box", box, rows, cursor: null, isMore: false, since: state.turn, ...how });

/** The lists as names. */
export const ids = (state, box) => list(state, box).map((each) => each.id);

// The rows of the table of chats: pure.

/** @import { ChatHandle, ConsoleChat } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { duration, secondsSince, stamp } from "../core/time.js";
import { stateName } from "./actions.js";
import { customerName } from "./board.js";

const LATE = 300; // seconds
const OPEN = ["waiting_assignment", "assigned", "waiting_real_user_reply"];

/**
 * @param {ConsoleChat} chat
 * @param {number} now
 * @param {{ isSelected: boolean, isGone: boolean }} how
 */
export function rowOf(chat, now, { isSelected, isGone }) {
  const name = customerName(chat.customer_name ?? chat.customer_email);
  const since = chat.waiting_since ?? chat.owed_since;
  const wait = since === null || chat.chat_state === "completed" ? null : secondsSince(since, now);
  return {
    id: chat.id,
    url: `/operator/${chat.id}`,
    chat_state: chat.chat_state,
    state_text: stateName(chat.chat_state),
    name,
    headline: chat.headline ?? "",
    holder: chat.holder_name ?? "",
    last_holder: chat.holder_name || !chat.last_operator_name ? "" : gettext("last %(name)s", { name: chat.last_operator_name }),
    wait_text: wait === null ? "" : duration(wait),
    is_late: wait !== null && wait >= LATE,
    state_for: duration(secondsSince(chat.state_since, now)),
    priority_text: chat.priority === 0 ? "" : String(chat.priority),
    message_count: chat.message_count,
    last_text: chat.last_message_at ? stamp(chat.last_message_at, now) : "",
    last_message_at: chat.last_message_at,
    is_selected: isSelected,
    is_gone: isGone,
    select_label: gettext("Select the chat of %(name)s", { name }),
    more_label: gettext("Actions for the chat of %(name)s", { name }),
  };
}

/**
 * @param {ConsoleChat} chat
 * @returns {ChatHandle}
 */
export function handleOf(chat) {
  return {
    id: chat.id,
    name: customerName(chat.customer_name ?? chat.customer_email),
    chat_state: chat.chat_state,
    priority: chat.priority,
    assigned_operator_id: chat.assigned_operator_id,
  };
}

/**
 * What a filter asks of the server, out of the form's fields; days are the reader's own.
 * @param {Record<string, string | boolean>} fields
 */
export function queryOf(fields) {
  const { text, state, operator_id, min_wait_seconds, from, to, sort } = /** @type {Record<string, string>} */ (fields);
  const query = new URLSearchParams({ sort: sort || "wait" });
  for (const each of state === "open" ? OPEN : [state]) if (each) query.append("state", each);
  if (text?.trim()) query.set("text", text.trim());
  if (operator_id) query.set("operator_id", operator_id);
  if (min_wait_seconds) query.set("min_wait_seconds", min_wait_seconds);
  if (from) query.set("from", midnight(from, 0));
  if (to) query.set("to", midnight(to, 1));
  return query;
}

/**
 * When a day begins here, or one later.
 * @param {string} date  as 2026-11-21
 * @param {number} daysLater
 */
export function midnight(date, daysLater) {
  const [year = 0, month = 1, day = 1] = date.split("-").map(Number);
  return new Date(year, month - 1, day + daysLater).toISOString();
}

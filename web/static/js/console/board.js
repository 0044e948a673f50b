// What the board shows, made out of the overview: pure, so that it can be tried without a page.

/** @import { ChatHandle, ConsoleOperator, HeldChat, Overview, QueuedChat } from "./types.d.ts" */

import { gettext, ngettext } from "../core/i18n.js";
import { duration, secondsSince } from "../core/time.js";

const STEPS = [60, 300, 900, 3600]; // seconds: how old something is, in five steps that the eye tells apart
const IDLE_SOON = 60; // seconds
const FREE_SHOWN = 4; // hollow places in a lane; how many more there are stands in the last one

/**
 * @typedef {object} Chip
 * @property {string} id
 * @property {"waiting" | "held"} kind
 * @property {string} name
 * @property {string} headline
 * @property {string} age_text
 * @property {number} age          1 to 5
 * @property {string} idle_text
 * @property {boolean} is_urgent
 * @property {boolean} is_prior
 * @property {string} state_text   said to those who do not see its shape
 * @property {ChatHandle} handle
 */

/**
 * @typedef {object} Lane
 * @property {string} id          an operator's, or "queue"
 * @property {"queue" | "operator"} kind
 * @property {boolean} is_operator
 * @property {string} name
 * @property {string} status
 * @property {string} status_text
 * @property {string} tag
 * @property {string} hands_text
 * @property {string} chips_label
 * @property {boolean} is_full
 * @property {boolean} is_quiet       nobody there and nothing in hand: one line is enough
 * @property {boolean[]} slots    taken or free
 * @property {Chip[]} chips
 * @property {string[]} free      what the hollow places say
 * @property {string} empty       what is said where there is nothing
 */

/**
 * The queue's lane, then one an operator.
 * @param {Overview} overview
 * @param {number} now
 * @returns {Lane[]}
 */
export function lanesOf(overview, now) {
  return [queueLane(overview, now), ...overview.operators.map((operator) => operatorLane(operator, now))];
}

/**
 * @param {Overview} overview
 * @param {number} now
 * @returns {Lane}
 */
function queueLane({ queue, numbers }, now) {
  const more = numbers.waiting_count - queue.length;
  return {
    id: "queue",
    kind: "queue",
    is_operator: false,
    name: gettext("Queue"),
    status: "",
    status_text: "",
    tag: "",
    hands_text: ngettext("%(num)s waits", "%(num)s wait", numbers.waiting_count),
    chips_label: gettext("Chats in the queue"),
    is_full: false,
    is_quiet: false,
    slots: [],
    chips: queue.map((chat) => queuedChip(chat, now)),
    free: more > 0 ? [ngettext("and %(num)s more", "and %(num)s more", more)] : [],
    empty: gettext("Nobody is waiting."),
  };
}

/**
 * @param {ConsoleOperator} operator
 * @param {number} now
 * @returns {Lane}
 */
function operatorLane(operator, now) {
  const free = Math.max(0, operator.capacity - operator.held);
  const isThere = operator.status === "online";
  const hollow = isThere ? Math.min(free, FREE_SHOWN) : 0;
  return {
    id: operator.id,
    kind: "operator",
    is_operator: true,
    name: operator.name,
    status: operator.status,
    status_text: statusText(operator),
    tag: operator.role === "admin" ? gettext("Admin") : "",
    hands_text: gettext("%(held)s of %(capacity)s", { held: operator.held, capacity: operator.capacity }),
    chips_label: gettext("Chats in the hands of %(name)s", { name: operator.name }),
    is_full: free === 0,
    is_quiet: !isThere && operator.chats.length === 0,
    slots: Array.from({ length: Math.min(operator.capacity, 10) }, (_, place) => place < operator.held),
    chips: operator.chats.map((chat) => heldChip(chat, operator.id, now)),
    free: Array.from({ length: hollow }, (_, place) =>
      place === FREE_SHOWN - 1 && free > FREE_SHOWN
        ? ngettext("%(num)s more free", "%(num)s more free", free - FREE_SHOWN + 1)
        : gettext("free"),
    ),
    empty: operator.chats.length > 0 || hollow > 0 ? "" : gettext("Nothing in hand."),
  };
}

/** @param {Pick<ConsoleOperator, "status" | "status_reason" | "is_connected" | "auto_assign">} operator */
export function statusText(operator) {
  const status = { online: gettext("Online"), away: gettext("Away"), offline: gettext("Offline") }[operator.status];
  const reason = reasonText(operator.status_reason);
  const parts = [reason ? gettext("%(status)s: %(reason)s", { status, reason }) : status];
  if (operator.status === "online" && operator.auto_assign) parts.push(gettext("given chats by itself"));
  return parts.join(" · ");
}

/**
 * Why somebody is not there: in his own words, or by a rule.
 * @param {string | null} reason
 */
function reasonText(reason) {
  if (reason === "idle") return gettext("was idle");
  if (reason === "gone") return gettext("connection lost");
  return reason ?? "";
}

/**
 * @param {QueuedChat} chat
 * @param {number} now
 * @returns {Chip}
 */
function queuedChip(chat, now) {
  const seconds = secondsSince(chat.waiting_since, now);
  const name = customerName(chat.customer_name);
  return {
    id: chat.id,
    kind: "waiting",
    name,
    headline: chat.headline ?? "",
    age_text: duration(seconds),
    age: ageStep(seconds),
    idle_text: chat.last_operator_name ? gettext("had %(name)s", { name: chat.last_operator_name }) : "",
    is_urgent: false,
    is_prior: chat.priority > 0,
    state_text: gettext("Waiting"),
    handle: { id: chat.id, name, chat_state: "waiting_assignment", priority: chat.priority, assigned_operator_id: null },
  };
}

/**
 * @param {HeldChat} chat
 * @param {string} operatorId
 * @param {number} now
 * @returns {Chip}
 */
function heldChip(chat, operatorId, now) {
  const seconds = secondsSince(chat.since, now);
  const name = customerName(chat.customer_name);
  const left = chat.idle_at === null ? Infinity : (Date.parse(chat.idle_at) - now) / 1000;
  return {
    id: chat.id,
    kind: "held",
    name,
    headline: chat.headline ?? "",
    age_text: duration(seconds),
    age: ageStep(seconds),
    idle_text: idleText(chat, left),
    is_urgent: left <= IDLE_SOON,
    is_prior: chat.priority > 0,
    state_text: gettext("In hand"),
    handle: { id: chat.id, name, chat_state: "assigned", priority: chat.priority, assigned_operator_id: operatorId },
  };
}

/**
 * @param {HeldChat} chat
 * @param {number} left  seconds until it is idle
 */
function idleText(chat, left) {
  if (chat.owed_since === null) return gettext("answered");
  if (left === Infinity) return "";
  if (left <= 0) return gettext("idle");
  return left <= IDLE_SOON ? gettext("idle in %(time)s", { time: duration(left) }) : "";
}

/**
 * How old something is: 1 (under a minute) to 5 (over an hour).
 * @param {number} seconds
 */
export function ageStep(seconds) {
  return 1 + STEPS.filter((step) => seconds >= step).length;
}

/** @param {string | null} name */
export function customerName(name) {
  return name || gettext("Visitor");
}

/**
 * The five numbers, each with what explains it.
 * @param {Overview} overview
 * @param {number} now
 */
export function figuresOf({ numbers, operators, queue }, now) {
  const hands = operators.filter(({ status }) => status !== "offline").reduce((sum, { capacity }) => sum + capacity, 0);
  const first = queue.toSorted((one, other) => Date.parse(one.waiting_since) - Date.parse(other.waiting_since))[0];
  const longest = first ? secondsSince(first.waiting_since, now) : numbers.oldest_wait_seconds;
  return {
    waiting: { number: String(numbers.waiting_count), note: "" },
    assigned: {
      number: String(numbers.assigned_count),
      note: hands > 0 ? ngettext("of %(num)s hand", "of %(num)s hands", hands) : "",
    },
    waiting_reply: { number: String(numbers.waiting_reply_count), note: "" },
    longest: {
      number: longest === null || numbers.waiting_count === 0 ? "–" : duration(longest),
      note: first ? customerName(first.customer_name) : gettext("nobody waits"),
      isLate: longest !== null && numbers.waiting_count > 0 && longest >= 300,
    },
    free: {
      number: String(numbers.free_capacity),
      note: ngettext("%(num)s online", "%(num)s online", numbers.available_operators),
    },
  };
}

// All that the workspace knows, and how it changes: pure, so that it can be played without a page. What is given is
// never changed; what did not change is the same object afterwards.
//
// There is one row a chat. In which lists it is follows from the row itself, so a row that was told moves from list to
// list without anybody moving it, and two lists never say different things about one chat.

/** @import { Action, Box, BoxPart, DeskState, Inbox, ListNews, ListRow, News, NextRow, Operator } from "./types.d.ts" */
/** @import { PresenceFrame } from "../core/types.d.ts" */

/** The boxes that come with the inbox. @type {readonly Box[]} */
const DESK = ["held", "waiting_customer", "snoozed"];

const TAKERS_KEPT = 100; // it is said only for a moment

/** @returns {DeskState} */
export function emptyDesk() {
  /** @type {BoxPart} */
  const none = { isLoaded: false, cursor: null, end: null };
  return {
    me: null,
    rows: new Map(),
    boxes: { held: none, waiting_customer: none, snoozed: none, queue: none, done: none, all: none },
    next: null,
    queue: null,
    numbers: null,
    settings: { idle_limit_seconds: 300, allow_take: false, time_zone: "UTC" },
    mentions: 0,
    colleagues: new Map(),
    connection: "connecting",
    turn: 0,
    toldAt: new Map(),
    takers: new Map(),
  };
}

/**
 * What is known after something was told, fetched or done.
 * @param {DeskState} state
 * @param {Action} action
 * @returns {DeskState}
 */
export function reduce(state, action) {
  switch (action.type) {
    case "inbox":
      return withInbox(state, action.inbox, action.since);
    case "box":
      return withBox(state, action);
    case "rows":
      return { ...state, rows: merged(state, action.rows, action.since) };
    case "frame":
      if (action.frame.type === "inbox") return withNews(state, /** @type {ListNews} */ (action.frame));
      if (action.frame.type === "presence") return withPresence(state, action.frame);
      return state;
    case "me":
      return { ...state, ...toldOf(state, ["me"]), me: { ...state.me, ...action.operator } };
    case "connection":
      return { ...state, connection: action.state };
    case "reading":
      return withRow(state, action.chatId, { unread_count: 0 });
    case "active":
      return withRow(state, action.chatId, { idle_at: action.idleAt });
  }
}

/**
 * In which of the lists of this operator a chat is; null: in none. "all" has nearly everything besides.
 * @param {ListRow} row
 * @param {Operator} me
 * @returns {Box | null}
 */
export function boxOf(row, me) {
  if (row.snoozed_until !== null) return "snoozed";
  if (row.chat_state === "waiting_assignment") return "queue";
  if (row.chat_state === "assigned") return row.assigned_operator_id === me.id ? "held" : null;
  if (row.last_operator_id !== me.id) return null;
  return row.chat_state === "completed" ? "done" : "waiting_customer";
}

/**
 * The rows of a list, in its order, as far as it is here whole.
 * @param {DeskState} state
 * @param {Box} box
 * @returns {ListRow[]}
 */
export function list(state, box) {
  const { me } = state;
  if (!me) return [];
  const order = ORDERS[box];
  const { cursor, end } = state.boxes[box];
  const isHere = (/** @type {ListRow} */ row) =>
    isIn(row, box, me) && (cursor === null || end === null || order(row, end) <= 0);
  return [...state.rows.values()].filter(isHere).sort(order);
}

/**
 * The chats that fill the operator's hands, put aside or not, in the order in which he got them.
 * @param {DeskState} state
 * @returns {ListRow[]}
 */
export function inHand(state) {
  const id = state.me?.id;
  const rows = [...state.rows.values()];
  return rows.filter((row) => row.chat_state === "assigned" && row.assigned_operator_id === id).sort(ORDERS.held);
}

/**
 * What the operator should be told that has happened between two states.
 * @param {DeskState} before
 * @param {DeskState} after
 * @returns {News[]}
 */
export function newsBetween(before, after) {
  const me = after.me;
  if (!before.me || !me) return [];
  /** @type {News[]} */
  const news = [];
  const mine = (/** @type {ListRow | undefined} */ row) =>
    row?.chat_state === "assigned" && row.assigned_operator_id === me.id;
  for (const [id, row] of before.rows) if (mine(row) && !after.rows.has(id)) news.push({ kind: "lost", row });
  for (const [id, row] of after.rows) {
    const known = before.rows.get(id);
    if (known === row) continue;
    const [wasMine, isMine] = [mine(known), mine(row)];
    if (isMine && !wasMine) news.push({ kind: "assigned", row });
    else if (isMine && isFromCustomer(row) && seqOf(row) > seqOf(known)) news.push({ kind: "message", row });
    else if (wasMine && isLost(row, me)) news.push({ kind: "lost", row });
    else if (known && boxOf(known, me) === "snoozed" && isWaitingForCustomer(row, me)) news.push({ kind: "woke", row });
  }
  if (after.mentions > before.mentions) news.push({ kind: "mention" });
  if (after.next && before.queue?.waiting_count === 0 && (after.queue?.waiting_count ?? 0) > 0) {
    news.push({ kind: "waiting", row: after.next });
  }
  return news;
}

/**
 * How many messages an operator's chats have got between two states: what he missed while he was away.
 * @param {DeskState} before
 * @param {DeskState} after
 * @param {ReadonlyMap<string, readonly number[]>} mine  the numbers of messages that he has sent himself meanwhile, by
 *   chat: they were on their way
 */
export function caughtUp(before, after, mine) {
  let count = 0;
  for (const [id, row] of after.rows) {
    const known = before.rows.get(id);
    const box = known && before.me ? boxOf(known, before.me) : null;
    if (box === null || !DESK.includes(box)) continue;
    const [first, last] = [seqOf(known) + 1, seqOf(row)];
    const replies = new Set(mine.get(id));
    if (!isFromCustomer(row)) replies.add(last); // also while nobody has told its sender so
    for (let seq = first; seq <= last; seq += 1) if (!replies.has(seq)) count += 1;
  }
  return count;
}

/**
 * An order that does not move what is looked at: what was there stays in its place, what is gone is left out, what is
 * new comes behind that after which it belongs.
 * @param {readonly string[]} shown   the keys as they are on the screen
 * @param {readonly string[]} wanted  as they would be
 * @returns {string[]}
 */
export function frozenOrder(shown, wanted) {
  const there = new Set(wanted);
  const known = new Set(shown);
  const order = shown.filter((key) => there.has(key));
  for (const [place, key] of wanted.entries()) {
    if (known.has(key)) continue;
    const before = wanted[place - 1];
    order.splice(before === undefined ? 0 : order.indexOf(before) + 1, 0, key);
    known.add(key);
  }
  return order;
}

/**
 * Whom a note mentions: operators whose names stand in it behind an @, the longest name first.
 * @param {string} text
 * @param {readonly { id: string, name: string }[]} operators
 * @returns {string[]} their ids
 */
export function mentionsIn(text, operators) {
  let left = text.toLocaleLowerCase();
  /** @type {string[]} */
  const found = [];
  for (const { id, name } of operators.toSorted((one, other) => other.name.length - one.name.length)) {
    const sign = `@${name.toLocaleLowerCase()}`;
    const without = left.replaceAll(new RegExp(`${escaped(sign)}(?![\\p{L}\\p{N}_])`, "gu"), " ");
    if (without !== left) found.push(id);
    left = without;
  }
  return found.sort();
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/**
 * An answer, but for what was told while it was on its way.
 * @param {DeskState} state
 * @param {Inbox} inbox
 * @param {number} since  the turn in which it was asked for
 * @returns {DeskState}
 */
function withInbox(state, inbox, since) {
  const { numbers, settings } = inbox;
  const isToldSince = (/** @type {string} */ name) => (state.toldAt.get(name) ?? -1) > since;
  const { next, queue, mentions } = {
    next: isToldSince("next") ? state.next : inbox.next,
    queue: isToldSince("queue") ? state.queue : inbox.queue,
    mentions: isToldSince("mentions") ? state.mentions : (inbox.mentions ?? 0),
  };
  const operator = state.me && isToldSince("me") ? { ...inbox.operator, ...presenceOf(state.me) } : inbox.operator;
  const rows = [...inbox.held, ...inbox.waiting_customer, ...inbox.snoozed];
  const known = merged({ ...state, rows: without(state, DESK, rows, since, operator) }, rows, since);
  /** @type {BoxPart} */
  const loaded = { isLoaded: true, cursor: null, end: null };
  return {
    ...state,
    ...{ me: operator, rows: known, next, queue, numbers, settings, mentions },
    boxes: { ...state.boxes, held: loaded, waiting_customer: loaded, snoozed: loaded },
  };
}

/**
 * @param {DeskState} state
 * @param {Extract<Action, { type: "box" }>} page
 * @returns {DeskState}
 */
function withBox(state, { box, rows, cursor, isMore, since }) {
  const { me } = state;
  if (!me) return state;
  const kept = isMore ? state.rows : without(state, [box], rows, since, me);
  const end = rows.at(-1) ?? (isMore ? state.boxes[box].end : null);
  return {
    ...state,
    rows: merged({ ...state, rows: kept }, rows, since),
    boxes: { ...state.boxes, [box]: { isLoaded: true, cursor, end } },
  };
}

/**
 * @param {DeskState} state
 * @param {ListNews} frame
 * @returns {DeskState}
 */
function withNews(state, frame) {
  const { changed = [], gone = [] } = frame;
  const parts = /** @type {const} */ (["queue", "mentions", "next"]).filter((name) => frame[name] !== undefined);
  const rows = new Map(state.rows);
  for (const row of changed) rows.set(row.id, row);
  for (const id of gone) rows.delete(id);
  const taken = Object.entries(frame.taken ?? {});
  const takers = taken.length > 0 ? new Map([...state.takers, ...taken].slice(-TAKERS_KEPT)) : state.takers;
  return {
    ...state,
    ...toldOf(state, [...parts, ...changed.map((row) => row.id), ...gone]),
    ...{ rows, takers, queue: frame.queue },
    mentions: frame.mentions ?? state.mentions,
    next: frame.next === undefined ? renewed(state.next, rows) : frame.next,
  };
}

/**
 * That these chats, or parts, were told now.
 * @param {DeskState} state
 * @param {readonly string[]} names
 */
function toldOf(state, names) {
  const turn = state.turn + 1;
  return { turn, toldAt: new Map([...state.toldAt, ...names.map((name) => /** @type {const} */ ([name, turn]))]) };
}

/**
 * The same one is next, but its row may be another: that is not told with what is next.
 * @param {NextRow | null} next
 * @param {ReadonlyMap<string, ListRow>} rows
 */
function renewed(next, rows) {
  return next && { ...next, ...rows.get(next.id) };
}

/**
 * @param {DeskState} state
 * @param {PresenceFrame} frame
 * @returns {DeskState}
 */
function withPresence(state, frame) {
  const colleagues = new Map(state.colleagues);
  let { me } = state;
  for (const each of frame.operators) {
    if (each.name === null) colleagues.delete(each.operator_id);
    else colleagues.set(each.operator_id, each);
    if (me?.id === each.operator_id && each.name !== null) me = { ...me, ...presenceOf({ ...each, name: each.name }) };
  }
  return { ...state, ...(me !== state.me && toldOf(state, ["me"])), me, colleagues };
}

/** @param {Pick<Operator, "name" | "status" | "status_reason">} of */
function presenceOf({ name, status, status_reason }) {
  return { name, status, status_reason };
}

/**
 * @param {DeskState} state
 * @param {string} chatId
 * @param {Partial<ListRow>} change
 * @returns {DeskState}
 */
function withRow(state, chatId, change) {
  const row = state.rows.get(chatId);
  return row ? { ...state, rows: new Map(state.rows).set(chatId, { ...row, ...change }) } : state;
}

/**
 * The rows with those of an answer, but for what was told while it was on its way.
 * @param {DeskState} state
 * @param {readonly ListRow[]} rows
 * @param {number} since  the turn in which it was asked for
 */
function merged(state, rows, since) {
  const all = new Map(state.rows);
  for (const row of rows) if ((state.toldAt.get(row.id) ?? -1) <= since) all.set(row.id, row);
  return all;
}

/**
 * The rows without those of these boxes that a fresh answer does not have, unless they were told meanwhile.
 * @param {DeskState} state
 * @param {readonly Box[]} boxes
 * @param {readonly ListRow[]} answer
 * @param {number} since
 * @param {Operator} me
 */
function without(state, boxes, answer, since, me) {
  const ids = new Set(answer.map((row) => row.id));
  const isKept = (/** @type {ListRow} */ row) =>
    ids.has(row.id) || (state.toldAt.get(row.id) ?? -1) > since || !boxes.some((box) => isIn(row, box, me));
  return new Map([...state.rows].filter(([, row]) => isKept(row)));
}

/**
 * @param {ListRow} row
 * @param {Box} box
 * @param {Operator} me
 */
function isIn(row, box, me) {
  return box === "all" ? row.chat_state !== "completed" : boxOf(row, me) === box;
}

/** @param {ListRow} row */
function isFromCustomer(row) {
  return row.last_message?.sender_type === "real";
}

/**
 * The number of its last message; 0: it has none.
 * @param {ListRow | undefined} row
 */
export function seqOf(row) {
  return row?.last_message?.seq ?? 0;
}

/**
 * @param {ListRow} row
 * @param {Operator} me
 */
function isWaitingForCustomer(row, me) {
  const box = boxOf(row, me);
  return box === "waiting_customer" || box === "held";
}

/**
 * Whether a hold ended without its holder's reply: the chat waits again, or somebody else has it.
 * @param {ListRow} row
 * @param {Operator} me
 */
function isLost(row, me) {
  return row.chat_state === "waiting_assignment" || (row.chat_state === "assigned" && row.assigned_operator_id !== me.id);
}

/** @typedef {(one: ListRow, other: ListRow) => number} Order */

/** @type {Record<Box, Order>} */
const ORDERS = {
  held: (one, other) => up(one.assignment_time, other.assignment_time) || up(one.id, other.id),
  waiting_customer: (one, other) => up(other.operator_replied_at, one.operator_replied_at) || up(other.id, one.id),
  snoozed: (one, other) => up(one.snoozed_until, other.snoozed_until) || up(one.id, other.id),
  queue: (one, other) =>
    other.priority - one.priority || up(one.waiting_since, other.waiting_since) || up(one.id, other.id),
  done: (one, other) => up(other.state_since, one.state_since) || up(other.id, one.id),
  all: (one, other) => up(other.created_at, one.created_at) || up(other.id, one.id),
};

/**
 * By time or id, which sort as texts: times come from one server, in one zone.
 * @param {string | null} one
 * @param {string | null} other
 */
function up(one, other) {
  const [first, second] = [one ?? "", other ?? ""];
  return first < second ? -1 : Number(first > second);
}

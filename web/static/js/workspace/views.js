// What the workspace shows, made out of what it knows: pure. Each view is what a template asks for.

/** @import { DeskState, Happening, ListRow, Mention, NextRow, Note, Panel, Presence, SearchResult } from "./types.d.ts" */
/** @import { Chat, ChatState } from "../core/types.d.ts" */
/** @import { Entry } from "../parts/entries.js" */
/** @import { Section } from "./place.js" */

import { gettext, ngettext } from "../core/i18n.js";
import { clock, duration, secondsSince, stamp } from "../core/time.js";
import { pathOf } from "./place.js";

/**
 * Names and people's words in a sentence keep their own direction, as in `<bdi>`.
 * @template {Record<string, string | number>} Values
 * @param {Values} values
 * @returns {Record<keyof Values & string, string>}
 */
export function isolated(values) {
  const entries = Object.entries(values).map(([name, value]) => [name, `\u2068${value}\u2069`]);
  return Object.fromEntries(entries);
}

/**
 * What a customer is called.
 * @param {{ customer_name: string | null, customer_email: string | null }} of
 */
export function customerName({ customer_name: name, customer_email: email }) {
  return name || email || gettext("A visitor");
}

/** @param {ChatState} state */
export function stateName(state) {
  return {
    waiting_assignment: gettext("Waiting for us"),
    assigned: gettext("In hand"),
    waiting_real_user_reply: gettext("Waiting for the customer"),
    completed: gettext("Completed"),
  }[state];
}

/** @param {Presence["status"]} status */
export function statusName(status) {
  return { online: gettext("Online"), away: gettext("Away"), offline: gettext("Offline") }[status];
}

/**
 * Why somebody is away, in his words; Baton's own words go without saying.
 * @param {string | null} reason
 */
export function reasonOf(reason) {
  return isWord(reason) ? "" : (reason ?? "");
}

/**
 * A chat in a list.
 * @param {ListRow} row
 * @param {object} how
 * @param {string | null} how.openId
 * @param {Section} how.section
 * @param {boolean} how.hasDraft
 * @param {string} how.myId
 * @param {number} how.now
 */
export function rowView(row, { openId, section, hasDraft, myId, now }) {
  const { last_message: last } = row;
  const isMine = row.chat_state === "assigned" && row.assigned_operator_id === myId;
  // Whoever answers has read what came before.
  const unread = row.chat_state === "completed" || last?.sender_type === "operator" ? 0 : row.unread_count;
  return {
    id: row.id,
    href: pathOf({ section, chatId: row.id }),
    current: row.id === openId ? "true" : null,
    chat_state: row.chat_state,
    state_text: stateName(row.chat_state),
    is_mine: isMine,
    is_unread: unread > 0,
    is_gone: false,
    gone_text: "",
    name: customerName(row),
    is_connected: row.customer_connected,
    time: timeText(row, now),
    by: byText(row, myId),
    preview: last?.preview ?? row.headline ?? "",
    tag: tagText(row, section, myId),
    has_draft: hasDraft,
    note_count: row.note_count,
    notes_title: ngettext("%(num)s note", "%(num)s notes", row.note_count),
    unread: unread > 0 ? countText(unread) : "",
  };
}

/**
 * @param {ListRow} row
 * @param {number} now
 */
function timeText(row, now) {
  if (row.snoozed_until !== null) return stamp(row.snoozed_until, now);
  if (row.chat_state === "waiting_assignment" && row.waiting_since) return duration(secondsSince(row.waiting_since, now));
  if (row.chat_state === "assigned" && row.owed_since) return duration(secondsSince(row.owed_since, now));
  return stamp(row.last_message_at ?? row.created_at, now);
}

/**
 * Who has said what is said last, where it was one of us.
 * @param {ListRow} row
 * @param {string} myId
 */
function byText(row, myId) {
  if (row.last_message?.sender_type !== "operator") return "";
  return row.last_operator_id === myId ? gettext("You:") : gettext("%(name)s:", isolated({ name: row.last_operator_name ?? "" }));
}

/**
 * @param {ListRow} row
 * @param {Section} section
 * @param {string} myId
 */
function tagText(row, section, myId) {
  if (row.chat_state === "waiting_assignment" && row.priority > 0) return priorityText(row.priority);
  if (section === "all" && row.chat_state === "assigned" && row.assigned_operator_id !== myId) return row.holder_name ?? "";
  if (section === "done" && row.rating !== null) return gettext("%(num)s of 5", { num: row.rating });
  return "";
}

/** @param {number} priority */
function priorityText(priority) {
  return gettext("Priority %(num)s", { num: priority });
}

/** @param {number} count */
export function countText(count) {
  return count >= 100 ? "99+" : String(count);
}

/**
 * @param {NextRow} next
 * @param {DeskState} state
 * @param {number} now
 */
export function nextView(next, state, now) {
  const { me } = state;
  return {
    name: customerName(next),
    text: next.last_message?.preview ?? next.headline ?? "",
    wait: next.waiting_since ? duration(secondsSince(next.waiting_since, now)) : "",
    why: whyNext(next, me?.id ?? ""),
    isFull: next.decision === "refused",
    note: next.decision === "refused" ? gettext("Comes when a hand is free.") : "",
  };
}

/**
 * @param {NextRow} next
 * @param {string} myId
 */
function whyNext(next, myId) {
  if (next.last_operator_id === myId) return gettext("You had it last");
  if (next.priority > 0) return priorityText(next.priority);
  return gettext("Longest wait");
}

/**
 * The slots of the lane: what is in hand, then what is free.
 * @param {readonly ListRow[]} held
 * @param {number} capacity
 * @param {string | null} openId
 * @param {number} now
 */
export function slotViews(held, capacity, openId, now) {
  const taken = held.map((row) => ({
    key: row.id,
    is_taken: true,
    is_owed: row.owed_since !== null,
    is_open: row.id === openId,
    href: pathOf({ section: "desk", chatId: row.id }),
    title: row.owed_since ? gettext("A reply is owed") : gettext("Nothing is owed"),
    name: customerName(row),
    age: duration(secondsSince(row.owed_since ?? row.assignment_time ?? row.created_at, now), true),
    unread: row.unread_count > 0 ? countText(row.unread_count) : "",
  }));
  const free = Array.from({ length: Math.max(0, capacity - held.length) }, (_, place) => ({
    key: `free ${place}`,
    is_taken: false,
  }));
  return [...taken, ...free];
}

/**
 * @param {Presence} person
 */
export function colleagueView(person) {
  const reason = reasonOf(person.status_reason);
  const status = reason
    ? gettext("%(status)s: %(reason)s", { status: statusName(person.status), reason })
    : statusName(person.status);
  return {
    id: person.operator_id,
    name: person.name ?? "",
    status: person.status,
    status_text: status,
    is_disabled: false,
  };
}

/**
 * @param {Mention} mention
 * @param {string | null} openId
 * @param {number} now
 */
export function mentionView(mention, openId, now) {
  return {
    href: pathOf({ section: "mentions", chatId: mention.chat_id }),
    current: mention.chat_id === openId ? "true" : null,
    is_unread: mention.read_at === null,
    author: mention.author_name,
    content: mention.content,
    time: stamp(mention.created_at, now),
  };
}

/**
 * @param {SearchResult} result
 * @param {string} query
 * @param {string | null} openId
 * @param {number} now
 */
export function resultView(result, query, openId, now) {
  const kinds = {
    message: gettext("Message"),
    chat: gettext("Chat"),
    customer: gettext("Customer"),
    note: gettext("Note"),
    ticket: gettext("Ticket"),
  };
  const path = result.chat_id ? pathOf({ section: "search", chatId: result.chat_id, query }) : null;
  return {
    href: path && result.seq ? `${path}#${result.seq}` : path,
    current: result.chat_id !== null && result.chat_id === openId ? "true" : null,
    kind_text: kinds[result.kind],
    title: result.title ?? "",
    snippet: result.snippet ?? "",
    time: result.at ? stamp(result.at, now) : "",
  };
}

/**
 * What a chat is to the one who looks at it.
 * @typedef {"mine" | "waiting" | "theirs" | "customer" | "completed"} Standing
 */

/**
 * @param {Pick<Chat, "chat_state" | "assigned_operator_id">} chat
 * @param {string} myId
 * @returns {Standing}
 */
export function standingOf(chat, myId) {
  if (chat.chat_state === "assigned") return chat.assigned_operator_id === myId ? "mine" : "theirs";
  if (chat.chat_state === "waiting_assignment") return "waiting";
  return chat.chat_state === "completed" ? "completed" : "customer";
}

/**
 * The line under the customer's name.
 * @param {Chat} chat
 * @param {Standing} standing
 * @param {string} holder
 * @param {number} now
 */
export function standingText(chat, standing, holder, now) {
  const since = (/** @type {string | null} */ at) => (at ? stamp(at, now) : "");
  switch (standing) {
    case "mine":
      return gettext("In hand since %(time)s", { time: since(chat.assignment_time) });
    case "theirs":
      return gettext("%(name)s has it since %(time)s", isolated({ name: holder, time: since(chat.assignment_time) }));
    case "waiting":
      return gettext("Waiting for us for %(time)s", {
        time: duration(secondsSince(chat.waiting_since ?? chat.created_at, now)),
      });
    case "customer":
      return gettext("Waiting for the customer since %(time)s", { time: since(chat.operator_replied_at) });
    case "completed":
      return gettext("Completed");
  }
}

/**
 * Why one cannot answer here.
 * @param {Standing} standing
 * @param {string} holder
 * @param {string} customer
 * @param {boolean} isNext
 * @param {boolean} mayTake
 */
export function closedText(standing, holder, customer, isNext, mayTake) {
  switch (standing) {
    case "theirs":
      return gettext("%(name)s answers here. You can read along and leave a note.", isolated({ name: holder }));
    case "waiting":
      if (isNext) return gettext("This one is next for you.");
      if (mayTake) return gettext("Nobody has it. You can take it.");
      return gettext("It waits in the queue, which is served in its order.");
    case "customer":
      return gettext("Answered. When %(name)s writes again, it goes to whoever is free.", isolated({ name: customer }));
    case "completed":
      return gettext("Completed. If %(name)s writes again, it comes back to the queue.", isolated({ name: customer }));
    case "mine":
      return "";
  }
}

/**
 * @param {NonNullable<Panel["handover"]>} handover
 * @param {number} now
 */
export function handoverView({ from_operator_name: name, reason, note, at, last_reply: reply, new_message_count: count }, now) {
  return {
    title: handoverTitle(name, reason),
    at: stamp(at, now),
    note: wordsOf(reason, note),
    by: reply ? gettext("%(name)s answered last:", isolated({ name: reply.sender_name ?? name })) : "",
    reply: reply?.preview ?? "",
    fresh: count > 0 ? ngettext("%(num)s message since", "%(num)s messages since", count) : "",
  };
}

/**
 * @param {string | null} reason
 * @param {string | null} note
 */
function wordsOf(reason, note) {
  const words = isWord(reason) ? note : reason;
  return words === null || isWord(words) ? "" : inWords(words);
}

/**
 * @param {string} name
 * @param {string | null} reason
 */
function handoverTitle(name, reason) {
  switch (reason) {
    case "replied":
      return gettext("%(name)s had it last and answered", isolated({ name }));
    case "transferred":
      return gettext("%(name)s has passed it on", isolated({ name }));
    case "reassigned":
      return gettext("An admin took it from %(name)s", isolated({ name }));
    case "idle":
      return gettext("%(name)s had it and did not get to it", isolated({ name }));
    case "gone":
    case "deactivated":
      return gettext("%(name)s had it and is gone", isolated({ name }));
    case "completed":
      return gettext("%(name)s had completed it", isolated({ name }));
    default:
      return gettext("%(name)s has handed it back", isolated({ name }));
  }
}

const WORDS = new Set([
  ...["replied", "completed", "manual", "transferred", "reassigned", "idle", "gone", "deactivated", "customer_idle"],
  ...["assigned", "taken", "sql", "customer_wrote", "started", "automatic", "cancelled"],
]);

/**
 * What somebody has said, in the reader's language where it was one of the sentences to choose from (Hand back).
 * @param {string} words
 */
function inWords(words) {
  const [first = "", ...rest] = words.split(": ");
  const known = {
    "somebody else knows better": gettext("Somebody else knows better"),
    "end of shift": gettext("The shift ended"),
    "needs another language": gettext("Another language is needed"),
  }[first];
  if (known === undefined) return words;
  return rest.length > 0 ? gettext("%(sentence)s: %(words)s", isolated({ sentence: known, words: rest.join(": ") })) : known;
}

/**
 * Whether a reason is one of Baton's own and not somebody's words.
 * @param {string | null} reason
 */
function isWord(reason) {
  return reason === null || WORDS.has(reason);
}

/**
 * What happened to a chat, in a sentence.
 * @param {Happening} happening
 */
export function happeningText({ from_state: from, to_state: to, reason, note, operator_name, actor_name }) {
  const name = operator_name ?? gettext("Somebody");
  const actor = actor_name ?? "";
  return withWords(sentenceOf(from, to, reason, name, actor), wordsOf(reason, note));
}

/**
 * @param {ChatState | null} from
 * @param {ChatState} to
 * @param {string | null} reason
 * @param {string} name
 * @param {string} actor
 */
function sentenceOf(from, to, reason, name, actor) {
  if (from === null) return gettext("Begun");
  if (to === "assigned" && from === "assigned") {
    return actor && actor !== name
      ? gettext("%(actor)s gave it to %(name)s", isolated({ actor, name }))
      : gettext("%(name)s has it now", isolated({ name }));
  }
  if (to === "assigned") {
    return actor && actor !== name
      ? gettext("%(actor)s gave it to %(name)s", isolated({ actor, name }))
      : gettext("%(name)s took it", isolated({ name }));
  }
  if (to === "completed") return gettext("Completed");
  if (from === "completed") return gettext("The customer wrote again");
  if (from === "waiting_real_user_reply") return gettext("The customer wrote");
  if (reason === "replied") return gettext("%(name)s answered", isolated({ name }));
  if (reason === "idle") return gettext("%(name)s did not get to it: back to the queue", isolated({ name }));
  if (reason === "gone") return gettext("%(name)s was gone: back to the queue", isolated({ name }));
  if (reason === "customer_idle") return gettext("The customer was gone: released");
  return to === "waiting_assignment"
    ? gettext("%(name)s handed it back", isolated({ name }))
    : gettext("%(name)s let it go", isolated({ name }));
}

/**
 * @param {string} sentence
 * @param {string} words
 */
function withWords(sentence, words) {
  return words ? gettext("%(sentence)s: “%(words)s”", isolated({ sentence, words })) : sentence;
}

/**
 * Lines of what happened, to stand between the messages; a reply and a customer's message speak for themselves.
 * @param {readonly Happening[]} happenings
 * @returns {Entry[]}
 */
export function noticesOf(happenings) {
  return happenings
    .filter(({ from_state: from, to_state: to, reason }) => {
      const isWriting = from === "waiting_real_user_reply" && to === "waiting_assignment";
      return from !== null && reason !== "replied" && !isWriting;
    })
    .map((each) => ({ kind: "notice", key: `h ${each.at}`, at: each.at, time: clock(each.at), text: happeningText(each) }));
}

/**
 * Notes, to stand between the messages.
 * @param {readonly Note[]} notes
 * @param {string} myId
 * @param {boolean} isAdmin
 * @returns {Entry[]}
 */
export function notesOf(notes, myId, isAdmin) {
  return notes
    .filter((note) => note.deleted_at === null)
    .map((note) => ({
      kind: "note",
      key: note.client_note_id ?? note.id,
      at: note.created_at,
      time: clock(note.created_at),
      note_id: note.id,
      note,
      author: note.author_name,
      content: note.content,
      state_text: note.edited_at === null ? "" : gettext("Edited"),
      has_actions: true,
      is_mine: note.author_id === myId,
      may_delete: note.author_id === myId || isAdmin,
      actions_label: gettext("Actions for the note of %(name)s, %(time)s", {
        name: note.author_name,
        time: clock(note.created_at),
      }),
    }));
}

/**
 * Name and value, flat: what a page has told of its visitor.
 * @param {Record<string, unknown>} context
 * @returns {{ key: string, name: string, value: string }[]}
 */
export function factsOf(context) {
  return Object.entries(context).map(([name, value]) => ({
    key: name,
    name: readable(name),
    value: typeof value === "string" ? value : JSON.stringify(value),
  }));
}

/** @param {string} name  such as currentPage */
function readable(name) {
  const words = name.replace(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

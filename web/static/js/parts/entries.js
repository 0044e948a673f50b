// What a conversation shows, line by line, made out of a chat's view: pure, so that it can be tried without a page.

/** @import { ChatView, Message, Outgoing } from "../core/types.d.ts" */

import { gettext } from "../core/i18n.js";
import { problemText } from "../core/problem.js";
import { clock, day, dayKey } from "../core/time.js";

const GROUP_MS = 5 * 60_000; // messages of one author within this stand under one name

/**
 * One line of a conversation. `kind` is the template it is made from, `key` stays the same as long as it is there; the
 * other fields are what the template asks for.
 * @typedef {{ kind: "message" | "note" | "notice" | "divider", key: string, at: string } & Record<string, unknown>} Entry
 */

/**
 * @typedef {object} Reader            who looks, and what he is shown
 * @property {"customer" | "staff"} role
 * @property {string} id
 * @property {(message: Message | Outgoing) => string} author  whose message it is, for people
 * @property {number} [readSeq]        the others have read up to here
 * @property {number} [newAfter]       what is new to the reader begins after this message
 * @property {Entry[]} [more]          notes and notices, to be put in between by their time
 * @property {(message: Message) => boolean} [hasActions]  whether there is something he can do with a message
 */

/**
 * The lines of a chat, oldest first; what is on its way stands at the end.
 * @param {ChatView} view
 * @param {readonly Outgoing[]} unsent
 * @param {Reader} reader
 * @returns {Entry[]}
 */
export function entriesOf(view, unsent, reader) {
  const lastRead = view.messages.findLast((message) => isMine(message, reader) && message.seq <= (reader.readSeq ?? 0));
  const stored = view.messages.map((message) => storedEntry(message, reader, message === lastRead));
  const first = view.messages[0]?.seq ?? 1;
  // Of what happened before the first message that is loaded nothing is shown yet.
  const from = first > 1 ? (view.messages[0]?.created_at ?? "") : "";
  const more = (reader.more ?? []).filter((entry) => entry.at >= from);
  const entries = merged(stored, more);
  entries.push(...unsent.map((entry) => unsentEntry(entry, reader)));
  return withDividers(entries, reader);
}

/** What was made of each message, and for what: of a long chat nearly all stays as it is. @type {WeakMap<Message, { of: string, entry: Entry }>} */
const made = new WeakMap();

/**
 * @param {Message} message
 * @param {Reader} reader
 * @param {boolean} isLastRead
 * @returns {Entry}
 */
function storedEntry(message, reader, isLastRead) {
  const of = [reader.author(message), reader.role, reader.id, isLastRead, reader.hasActions?.(message)].join("\n");
  const known = made.get(message);
  if (known?.of === of) return known.entry;
  const entry = newEntry(message, reader, isLastRead);
  made.set(message, { of, entry });
  return entry;
}

/**
 * @param {Message} message
 * @param {Reader} reader
 * @param {boolean} isLastRead
 * @returns {Entry}
 */
function newEntry(message, reader, isLastRead) {
  if (message.sender_type === "system") {
    return { kind: "notice", key: `m${message.seq}`, text: message.content, ...timeOf(message) };
  }
  const isDeleted = message.deleted_at !== null;
  const author = reader.author(message);
  return {
    kind: "message",
    key: message.client_message_id ?? `m${message.seq}`,
    ...timeOf(message),
    seq: message.seq,
    sender_type: message.sender_type,
    side: isMine(message, reader) ? "mine" : "theirs",
    author,
    content: isDeleted ? "" : message.content,
    is_deleted: isDeleted,
    attachments: message.attachments,
    state: isLastRead ? "read" : "sent",
    state_text: stateText(message, isLastRead),
    is_failed: false,
    has_actions: !isDeleted && (reader.hasActions?.(message) ?? false),
    actions_label: gettext("Actions for the message of %(name)s, %(time)s", {
      name: author,
      time: clock(message.created_at),
    }),
  };
}

/**
 * @param {Message} message
 * @param {boolean} isLastRead
 */
function stateText(message, isLastRead) {
  const edited = message.edited_at !== null && message.deleted_at === null ? gettext("Edited") : "";
  return [edited, isLastRead ? gettext("Read") : ""].filter(Boolean).join(" · ");
}

/**
 * @param {Outgoing} entry
 * @param {Reader} reader
 * @returns {Entry}
 */
function unsentEntry(entry, reader) {
  const at = new Date(entry.created_at).toISOString();
  const isFailed = entry.status === "failed";
  return {
    kind: "message",
    key: entry.client_message_id,
    at,
    time: clock(at),
    seq: null,
    sender_type: reader.role === "customer" ? "real" : "operator",
    side: "mine",
    author: reader.author(entry),
    content: entry.content,
    is_deleted: false,
    attachments: entry.attachments,
    state: isFailed ? "failed" : "pending",
    state_text: isFailed ? whyNot(entry) : entry.problem ? gettext("Waiting for the connection") : "",
    is_failed: isFailed,
    has_actions: false,
    actions_label: null,
    client_message_id: entry.client_message_id,
  };
}

/** @param {Outgoing} entry */
function whyNot(entry) {
  return gettext("Not sent: %(problem)s", { problem: entry.problem ? problemText({ ...entry.problem, hint: null }) : "" });
}

/**
 * Two rows of entries, each in the order of time, as one.
 * @param {Entry[]} entries
 * @param {Entry[]} more
 */
function merged(entries, more) {
  const left = more.toSorted((one, other) => (one.at < other.at ? -1 : Number(one.at > other.at)));
  /** @type {Entry[]} */
  const all = [];
  for (const entry of entries) {
    while (left[0] && left[0].at < entry.at) all.push(/** @type {Entry} */ (left.shift()));
    all.push(entry);
  }
  return [...all, ...left];
}

/**
 * With a line where a day begins and where the new begins, and marked where a name has to be said.
 * @param {Entry[]} entries
 * @param {Reader} reader
 */
function withDividers(entries, reader) {
  /** @type {Entry[]} */
  const all = [];
  /** @type {Entry | undefined} */
  let previous;
  let today = NaN;
  let isNewMarked = reader.newAfter === undefined;
  for (const entry of entries) {
    const began = timesOf(entry).day;
    if (began !== today) {
      today = began;
      all.push({ kind: "divider", key: `day ${began}`, at: entry.at, divider: "day", text: day(entry.at) });
      previous = undefined;
    }
    if (!isNewMarked && typeof entry["seq"] === "number" && entry["seq"] > (reader.newAfter ?? 0)) {
      isNewMarked = true;
      if (entry["side"] === "theirs") {
        all.push({ kind: "divider", key: "new", at: entry.at, divider: "new", text: gettext("New") });
        previous = undefined;
      }
    }
    all.push(withName(entry, !continues(previous, entry)));
    previous = entry;
  }
  return all;
}

/** When a line was, and its day: a long chat's lines are looked at with each change. @type {WeakMap<Entry, { at: number, day: number }>} */
const times = new WeakMap();

/** @param {Entry} entry */
function timesOf(entry) {
  const known = times.get(entry) ?? { at: Date.parse(entry.at), day: dayKey(entry.at) };
  times.set(entry, known);
  return known;
}

/** The same lines with the name of whoever wrote them. @type {WeakMap<Entry, Entry>} */
const named = new WeakMap();
/** And without. @type {WeakMap<Entry, Entry>} */
const unnamed = new WeakMap();

/**
 * @param {Entry} entry
 * @param {boolean} isFirst  of those that stand under one name
 */
function withName(entry, isFirst) {
  const lines = isFirst ? named : unnamed;
  const known = lines.get(entry) ?? { ...entry, is_first: isFirst };
  lines.set(entry, known);
  return known;
}

/**
 * Whether an entry stands under the name of the one before.
 * @param {Entry | undefined} previous
 * @param {Entry} entry
 */
function continues(previous, entry) {
  return (
    previous !== undefined &&
    previous.kind === entry.kind &&
    previous["author"] === entry["author"] &&
    previous["side"] === entry["side"] &&
    timesOf(entry).at - timesOf(previous).at < GROUP_MS
  );
}

/**
 * @param {Message} message
 * @param {Reader} reader
 */
function isMine(message, reader) {
  return reader.role === "customer" ? message.sender_type === "real" : message.sender_id === reader.id;
}

/** @param {Message} message */
function timeOf(message) {
  return { at: message.created_at, time: clock(message.created_at) };
}

// What of a conversation is to be seen, as the data of the widget's template. Pure, so that it can be tried alone.

/** @import { Conversation } from "./conversation.js" */
/** @import { Chat, ChatView, Message, Outgoing } from "../core/types.d.ts" */
/** @import { Entry } from "../parts/entries.js" */

import { gettext, language } from "../core/i18n.js";
import { clock, dayKey } from "../core/time.js";
import { entriesOf } from "../parts/entries.js";

/** @typedef {Pick<Conversation, "settings" | "view" | "chat" | "isBegun" | "unsent" | "faces" | "queue" | "isTyping" | "isLeaving" | "leftFor" | "rating" | "visitorId">} State */

/**
 * @param {State} state
 * @param {boolean} isDisconnected  for so long that he should know
 */
export function viewOf(state, isDisconnected) {
  const { settings, chat } = state;
  const place = placeOf(state);
  const face = shownFace(state);
  const isEnded = chat?.chat_state === "completed";
  const isAnswered = (chat?.operator_replied_at ?? null) !== null;
  return {
    name: face.name,
    initial: [...face.name][0]?.toLocaleUpperCase(language) ?? "",
    avatar_url: face.avatar_url,
    team: settings.persona ? gettext("A team answers here") : "",
    connection: isDisconnected ? gettext("No connection. We keep trying.") : "",
    is_start: place === "start",
    is_chat: place === "chat",
    is_offline: place === "offline",
    is_left: place === "left",
    left_for: state.leftFor,
    presence: settings.available ? "online" : "away",
    presence_text: settings.available
      ? gettext("Somebody is here now")
      : gettext("Nobody is at the desk just now. Write anyway: we answer in turn."),
    opens_text: settings.is_open ? "" : opensText(settings.opens_at),
    can_wait: state.isLeaving && settings.is_open,
    room: place === "chat" ? roomOf(state, face.name) : null,
    is_ended: place === "chat" && isEnded,
    asks_rating: isEnded && isAnswered && settings.ask_rating && !state.rating,
    thanks: isEnded && state.rating !== null,
    can_end: place === "chat" && !isEnded && chat !== null,
    writes: place === "start" || place === "chat",
    placeholder: isEnded ? gettext("Write to go on …") : gettext("Write a message …"),
    typing: state.isTyping ? gettext("%(name)s is typing …", { name: face.name }) : "",
  };
}

/**
 * Where the visitor is.
 * @param {State} state
 * @returns {"start" | "chat" | "offline" | "left"}
 */
function placeOf(state) {
  if (state.leftFor !== null) return "left";
  if (state.isLeaving) return "offline";
  if (state.isBegun) return "chat";
  return state.settings.is_open ? "start" : "offline";
}

/**
 * Who answers: whoever has the chat or had it last, as the customer sees him; before that the widget's persona.
 * @param {State} state
 * @returns {{ name: string, avatar_url: string | null }}
 */
function shownFace({ settings, view }) {
  const { name, avatar_url = null } = view?.face ?? settings.persona ?? {};
  return { name: name ?? settings.title, avatar_url };
}

/**
 * The waiting room: large until somebody has answered for the first time, then a line; and a line when somebody has
 * it in hand.
 * @param {State} state
 * @param {string} name  of whoever answers
 */
function roomOf({ chat, unsent, queue, settings, isBegun, view }, name) {
  const isMine = view?.messages.at(-1)?.sender_type === "real";
  if (chat?.chat_state === "assigned" && isMine) {
    return { size: "hand", number_label: gettext("%(name)s has your message", { name }) };
  }
  const isWaiting = chat ? chat.chat_state === "waiting_assignment" : isBegun && view === null && unsent.length > 0;
  if (!isWaiting) return null;
  const position = queue?.position ?? null;
  const isAnswered = (chat?.operator_replied_at ?? null) !== null;
  const isHopeless = !settings.is_open || !settings.available;
  return {
    size: isAnswered ? "line" : "large",
    number: position === null ? "–" : new Intl.NumberFormat(language).format(position),
    number_label: placeText(position),
    range: isHopeless ? "" : rangeText(queue?.expected_wait_seconds ?? null),
    trouble: settings.is_open
      ? settings.available
        ? ""
        : gettext("Nobody is at the desk just now. You can wait, or leave a message.")
      : gettext("We have closed. Leave us your address, and we will write to you."),
    can_leave: isHopeless,
    can_cancel: !isAnswered,
  };
}

/** @param {number | null} position */
function placeText(position) {
  if (position === null) return gettext("Finding your place in the queue …");
  return position === 1 ? gettext("You are next") : gettext("Your place in the queue");
}

/**
 * How long it may take, as a range: what is expected is a guess, and should sound like one.
 * @param {number | null} seconds
 */
export function rangeText(seconds) {
  if (seconds === null) return "";
  if (seconds < 45) return gettext("Usually less than a minute");
  const least = Math.max(1, Math.floor((seconds * 0.75) / 60));
  const most = Math.max(least + 1, Math.ceil((seconds * 1.5) / 60));
  if (most < 60) return gettext("About %(least)s to %(most)s minutes", { least, most });
  return gettext("Possibly more than an hour");
}

/**
 * @param {string | null} opensAt
 * @param {number} [now]
 */
function opensText(opensAt, now = Date.now()) {
  if (opensAt === null) return "";
  const time = clock(opensAt);
  const days = Math.round((dayKey(opensAt) - dayKey(new Date(now).toISOString())) / 86_400_000);
  if (days === 0) return gettext("We open today at %(time)s.", { time });
  if (days === 1) return gettext("We open tomorrow at %(time)s.", { time });
  const day = new Intl.DateTimeFormat(language, days < 7 ? { weekday: "long" } : { day: "numeric", month: "long" });
  return gettext("We open on %(day)s at %(time)s.", { day: day.format(new Date(opensAt)), time });
}

/**
 * The lines of the conversation.
 * @param {State} state
 * @returns {Entry[]}
 */
export function linesOf(state) {
  const view = state.view ?? emptyView(state.visitorId);
  const readSeq = Math.max(0, ...view.read_marks.filter((mark) => mark.reader_type === "operator").map((mark) => mark.seq));
  return entriesOf(view, state.unsent, {
    role: "customer",
    id: state.visitorId,
    readSeq,
    author: (message) => authorOf(message, state),
  });
}

/**
 * @param {Message | Outgoing} message
 * @param {State} state
 */
function authorOf(message, { settings, faces }) {
  if (!("sender_type" in message) || message.sender_type !== "operator") return gettext("You");
  if (settings.persona) return settings.persona.name;
  return faces.findLast((face) => face.name !== null && face.at <= message.created_at)?.name ?? settings.title;
}

/**
 * A chat of which nothing is there yet.
 * @param {string} visitorId
 * @returns {ChatView}
 */
function emptyView(visitorId) {
  const chat = /** @type {Chat} */ ({ id: "", real_user_id: visitorId });
  return { chat, messages: [], read_marks: [], rating: null, epoch: null, event_seq: 0 };
}

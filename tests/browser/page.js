// The page of the tests: shows one chat as the client's modules know it, and does what it is told.

/** @import { ChatStore } from "/static/js/core/store.js" */
/** @import { ChatView, EventFrame, Frame, SentFrame, Snapshot } from "/static/js/core/types.d.ts" */

import { apply, fromSnapshot } from "/static/js/core/apply.js";
import { connect } from "/static/js/core/client.js";
import { Subscriptions } from "/static/js/core/subscriptions.js";

export { fromSnapshot };

/** @type {ReturnType<typeof connect>} */
export let client;
/** @type {ChatStore} */
export let chat;
/** The numbers of the chat's events, as they were told. @type {number[]} */
export const told = [];
/** All frames. @type {Frame[]} */
export const frames = [];
/** All states of the connection. @type {string[]} */
export const states = [];
/** What is on its way in a chat, each time when that changed: how it stands with each. @type {string[][]} */
export const outgoing = [];
/** Why the chat is not to be seen any more. @type {string[]} */
export const ends = [];

/**
 * Connect, and watch a chat if one is given. The token is asked of the test.
 * @param {{ person: string, role: "customer" | "staff", chatId: string | null }} options
 */
export function start({ person, role, chatId }) {
  const { fetchToken } = /** @type {any} */ (globalThis);
  client = connect({ fetchToken, person, role });
  client.live.on("state", (state) => states.push(state));
  client.live.on("frame", (frame) => frames.push(frame));
  client.live.on("state", render);
  client.live.on("frame", render);
  client.outbox.on("change", (id) => outgoing.push(client.outbox.of(id).map((entry) => entry.status)));
  render();
  if (chatId === null) return;
  chat = client.watch(chatId);
  chat.on("change", (event) => event && told.push(event.event_seq));
  chat.on("change", render);
  chat.on("ended", (why) => ends.push(why));
}

function render() {
  const { live } = client;
  show("state", live.reason ? `${live.state}: ${live.reason}` : live.state);
  const row = chat?.view?.chat;
  show("chat", row ? `${row.chat_state} ${row.assigned_operator_id ?? ""}`.trim() : "");
  show("read", (chat?.view?.read_marks ?? []).map((mark) => `${mark.reader_type} ${mark.seq}`).join(", "));
  const typing = frames.findLast((frame) => frame.type === "typing");
  show("typing", typing?.is_typing ? typing.sender_type : "");
  list("thread", (chat?.view?.messages ?? []).map((message) => message.content));
  const unsent = (chat?.unsent ?? []).map(({ status, problem, content }) =>
    [status, ...(problem ? [problem.details] : []), content].join(": "),
  );
  list("unsent", unsent);
}

/**
 * @param {string} id
 * @param {string} text
 */
function show(id, text) {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
}

/**
 * @param {string} id
 * @param {string[]} texts
 */
function list(id, texts) {
  const items = texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  });
  document.getElementById(id)?.replaceChildren(...items);
}

/**
 * Where what is made of snapshots and the frames since is not what a fresh one says, or another one when
 * each frame comes twice.
 * @param {{ cases: [Snapshot, EventFrame[]][], fresh: Snapshot }} given
 */
export function differences({ cases, fresh }) {
  const wanted = fromSnapshot(fresh);
  return cases.flatMap(([snapshot, events], number) => {
    let view = fromSnapshot(snapshot);
    let isSame = true;
    for (const frame of events) {
      const before = view;
      view = apply(before, frame);
      isSame &&= apply(view, frame) === view && apply(view, { ...frame, chat_id: "another" }) === view;
    }
    const keys = /** @type {(keyof ChatView)[]} */ (Object.keys({ ...wanted, ...view }));
    const different = keys.filter((key) => sorted(view[key]) !== sorted(wanted[key]));
    const found = different.map((key) => `case ${number}: ${key}: ${sorted(view[key])} is not ${sorted(wanted[key])}`);
    return isSame ? found : [...found, `case ${number}: a frame that came twice changed something`];
  });
}

/**
 * What one subscription, from event 3 on, tells and sends when these frames come by its socket; null: it
 * goes on from event 8, after a reset.
 * @param {((Frame & { chat_id: string }) | null)[]} incoming
 */
export function followed(incoming) {
  /** @type {SentFrame[]} */
  const sent = [];
  const all = new Subscriptions((frame) => sent.push(frame));
  const subscription = all.open("c", 3, "epoch", () => {});
  const heard = incoming.filter((frame) => (frame ? all.hear(frame, "epoch") : subscription.resume(8, "other")));
  return { heard, sent, isOver: subscription.isOver };
}

/**
 * JSON whose keys are in order.
 * @param {unknown} value
 */
function sorted(value) {
  return JSON.stringify(value, (_key, part) =>
    part && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  );
}

// The demo's page: gives each desk its seat, watches the chat that the shop has begun as an admin does, and lets one
// try to break things.

/** @import { ChatStore } from "../core/store.js" */
/** @import { EventFrame } from "../core/types.d.ts" */

import { ApiError, send } from "../core/api.js";
import { gettext } from "../core/i18n.js";
import { make, reconcile, fill } from "../core/render.js";
import { clock } from "../core/time.js";
import { enter } from "../parts/staff.js";
import { seat } from "./seats.js";

const TIMES = 50;
const PLUG_SECONDS = 5;
const CROWD_MS = 5000; // between the steps of the scripted customers
const MOST_EVENTS = 100;
const SCRIPT = [gettext("One more thing:"), gettext("does it come in one piece?"), gettext("It would be a present.")];
const COLUMNS = ["chat_state", "assigned_operator_id", "last_operator_id", "waiting_since", "operator_replied_at", "event_seq"];

const begun = new Date(Date.now() - 5000).toISOString(); // clocks differ
const { seats, script } = await send("POST", "/demo/seats", {});

/** The desks' ends of their lines, by seat. @type {Map<string, MessagePort>} */
const desks = new Map();
/** What a desk is to answer. @type {Map<number, (answer: any) => void>} */
const asked = new Map();
let questions = 0;

addEventListener("message", ({ origin, source, data }) => {
  if (origin !== location.origin || data !== "baton-desk") return;
  const frame = [...document.querySelectorAll("iframe")].find((each) => each.contentWindow === source);
  const name = frame?.dataset["seat"];
  if (!name || desks.has(name)) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event) => {
    asked.get(event.data.question)?.(event.data.answer);
    asked.delete(event.data.question);
  };
  desks.set(name, port1);
  frame.contentWindow?.postMessage({ code: seats[name] }, location.origin, [port2]);
});
for (const frame of document.querySelectorAll("iframe")) {
  if (frame.dataset["seat"]) frame.contentWindow?.postMessage("baton-demo", location.origin); // it may have asked before
}

/**
 * Have all desks do something at the same moment.
 * @param {object} what
 * @returns {Promise<any[]>} what each of them answers
 */
function askDesks(what) {
  return Promise.all(
    [...desks.values()].map(
      (port) =>
        new Promise((resolve) => {
          questions += 1;
          asked.set(questions, resolve);
          port.postMessage({ ...what, question: questions });
        }),
    ),
  );
}

// The chat

const { client } = await enter(seat(seats.ada), { isPresent: false });
const names = new Map();
/** @type {ChatStore | null} */
let chat = null;
/** @type {EventFrame[]} */
const events = [];

client.live.on("frame", (frame) => {
  if (frame.type === "presence") for (const each of frame.operators) names.set(each.operator_id, each.name);
  if (frame.type === "inbox" && chat === null) void look();
});
void look();

/** Find the chat that was begun since this page is open, by somebody who is not scripted. */
async function look() {
  const { data } = await client.api.get("/api/chats?limit=20");
  const mine = data.find((/** @type {import("../core/types.d.ts").Chat} */ each) => each.context?.["demo"] !== "scripted");
  if (chat === null && mine && mine.created_at >= begun) watch(mine.id);
}

/** @param {string} chatId */
function watch(chatId) {
  // Others wait longer; here this one is to be next for both.
  void client.api.post("/api/admin/chats/bulk", { action: "prioritise", chat_ids: [chatId], priority: 10 });
  chat = client.watch(chatId);
  let isComplete = false;
  chat.on("change", (event) => {
    if (event) events.unshift(event);
    events.length = Math.min(events.length, MOST_EVENTS);
    draw();
    if (isComplete) return;
    isComplete = true; // what was before the snapshot is asked for once
    void client.api.events(chatId, 0, null).then(({ data }) => {
      events.push(...data.filter((old) => !events.some((known) => known.event_seq === old.event_seq)).reverse());
      draw();
    });
  });
  for (const button of document.querySelectorAll("[data-act]")) button.removeAttribute("disabled");
}

function draw() {
  const row = chat?.view?.chat;
  part("no-chat").hidden = row !== undefined;
  if (!row) return;
  const columns = COLUMNS.map((name) => {
    const value = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (row))[name];
    return { name, value: shown(name, value), state: name === "chat_state" ? value : null };
  });
  reconcile(part("columns"), columns, {
    key: (column) => column.name,
    make: (column) => make("column", column),
    update: (element, column) => {
      const before = element.textContent;
      fill(element, column);
      if (element.textContent !== before) flash(element);
    },
  });
  reconcile(part("events"), events, {
    key: (event) => String(event.event_seq),
    make: (event) => make("happening", { number: event.event_seq, event: event.event, detail: detail(event) }),
  });
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function shown(name, value) {
  if (value === null || value === undefined) return "null";
  if (name.endsWith("_operator_id")) return names.get(value) ?? String(value).slice(0, 8);
  return name.endsWith("_since") || name.endsWith("_at") ? clock(String(value)) : String(value);
}

/** @param {EventFrame} event */
function detail(event) {
  const data = /** @type {Record<string, any>} */ (event.data);
  return data["content"] ?? data["operator_name"] ?? data["reason"] ?? "";
}

/** @param {Element} element */
function flash(element) {
  element.removeAttribute("data-changed");
  requestAnimationFrame(() => element.setAttribute("data-changed", ""));
}

// What one may try

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", async () => {
    const act = { take, plug, sql }[/** @type {"take" | "plug" | "sql"} */ (button.getAttribute("data-act"))];
    button.setAttribute("disabled", "");
    try {
      part("outcome").textContent = await act();
    } finally {
      button.removeAttribute("disabled");
    }
  });
}

/** All at once, half of them by each desk, over the route that every workspace uses. */
async function take() {
  const { chatId, view } = /** @type {ChatStore} */ (chat);
  if (view?.chat.chat_state !== "waiting_assignment") return gettext("It does not wait: write something in the shop first.");
  const answers = await askDesks({ type: "take", chatId, times: TIMES / desks.size });
  const won = answers.reduce((sum, answer) => sum + answer.won, 0);
  return gettext("%(won)s took it, %(refused)s were refused.", { won, refused: TIMES - won });
}

/** The desks lose their connection while the customer writes. */
async function plug() {
  const chatId = /** @type {ChatStore} */ (chat).chatId;
  const done = askDesks({ type: "plug", seconds: PLUG_SECONDS });
  cutOff(true);
  try {
    for (const content of SCRIPT) await send("POST", "/demo/say", { chat_id: chatId, content, script });
  } finally {
    await done;
    cutOff(false);
  }
  return gettext("%(num)s messages came meanwhile: all are there, once.", { num: SCRIPT.length });
}

/**
 * Show on the desks' sides that nothing reaches them.
 * @param {boolean} isCut
 */
function cutOff(isCut) {
  for (const frame of document.querySelectorAll("iframe[data-seat]")) {
    const side = frame.closest(".side");
    side?.toggleAttribute("data-cut", isCut);
    const note = side?.querySelector('[data-part="cut"]');
    if (note) note.textContent = isCut ? gettext("Cut off: nothing reaches this desk") : "";
  }
}

/** Writing past every program, straight into the table. */
async function sql() {
  const chatId = /** @type {ChatStore} */ (chat).chatId;
  const text = `make psql\n\ninsert into messages (chat_id, sender_type, content)\nvalues ('${chatId}', 'real', 'Hello from psql');\n`;
  try {
    await navigator.clipboard.writeText(text);
    return gettext("Copied: paste it into a terminal, and watch all sides.");
  } catch {
    return text;
  }
}

// The scripted customers: they go on as long as somebody looks at this page, and wants them

const crowd = part("crowd");
crowd.addEventListener("click", () => {
  crowd.setAttribute("aria-pressed", String(crowd.getAttribute("aria-pressed") !== "true"));
  void move();
});
const moving = setInterval(() => void move(), CROWD_MS);
void move();

async function move() {
  if (crowd.getAttribute("aria-pressed") !== "true" || document.visibilityState !== "visible") return;
  try {
    await send("POST", "/demo/crowd", { script });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403) return; // the next step will do
    clearInterval(moving); // this page has been open for so long that nobody looks at it any more
    crowd.setAttribute("aria-pressed", "false");
    crowd.setAttribute("disabled", "");
  }
}

/** @param {string} name */
function part(name) {
  return /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));
}

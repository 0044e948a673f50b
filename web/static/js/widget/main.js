// How the widget begins. Most people who see its button never press it: so this much is here at first, and what is
// needed to talk is fetched when somebody opens the chat, or has one going on.

/** @import { Chat } from "../core/types.d.ts" */
/** @import { ChatElement } from "./chat.js" */
/** @import { Conversation, Settings } from "./conversation.js" */

import { ApiError, send } from "../core/api.js";
import { gettext } from "../core/i18n.js";
import { Backoff, pause } from "../core/timing.js";
import { brandColours } from "./colour.js";
import { Host } from "./host.js";
import { Visitor } from "./visitor.js";

/** @type {Settings} */
const settings = JSON.parse(document.getElementById("settings")?.textContent ?? "{}");
const element = /** @type {ChatElement} */ (document.querySelector("baton-chat"));
const host = new Host();
const visitor = new Visitor(host);
/** @type {Record<string, unknown>} */
let context = {};
/** @type {Promise<Conversation> | null} */
let beginning = null;
/** The host page's user, by the token that was last taken; a function of its has none. @type {string | null} */
let userKey = null;
/** Whether he is whom the page says. */
let isIdentified = false;
/** Who he is, is being found out: one question after the other. */
let knowing = Promise.resolve();

dress();
// Until the rest is here, the button that closes must work.
element.addEventListener("click", (event) => {
  const isClose = event.target instanceof Element && event.target.closest('[data-action="close"]');
  if (isClose && !beginning) host.tell({ type: "close" });
});
host.on("open", (isAsked) => void open(isAsked));
host.on("warm", () => void fetchRest());
host.on("draft", async (draft) => {
  await knowing;
  await begin();
  element.suggest(draft);
});
host.on("user", (key) => {
  if (key !== null && key === userKey) return;
  userKey = key;
  isIdentified = false;
  if (visitor.id || host.isOpen) know(identify);
});
host.on("context", (given) => {
  context = { ...context, ...given };
  void beginning?.then((conversation) => conversation.describe(given));
});
host.on("logout", () => {
  userKey = null;
  isIdentified = false;
  know(async () => {
    await visitor.forget();
    if (!beginning) return;
    (await beginning).become(null);
    element.forget();
  });
});

if (host.isOpen || new URLSearchParams(location.search).has("open")) void fetchRest();
visitor.askAhead();
await host.meet();
host.tell({ type: "look", look: look() });
know(resume);
if (host.isOpen) void open(false);

/** In the colour and with the words that an admin has chosen. */
function dress() {
  const { brand, onBrand, strong, onLight, onDark } = brandColours(settings.colour);
  const { style } = document.documentElement;
  style.setProperty("--brand", brand);
  style.setProperty("--on-brand", onBrand);
  style.setProperty("--brand-strong", strong);
  style.setProperty("--brand-text", `light-dark(${onLight}, ${onDark})`);
}

/** What the button outside looks like and says. */
function look() {
  const { brand, onBrand } = brandColours(settings.colour);
  return {
    colour: brand,
    onColour: onBrand,
    position: settings.position,
    direction: document.documentElement.dir,
    title: settings.title,
    open: gettext("Open the chat"),
    close: gettext("Close the chat"),
    trouble: gettext("The chat cannot be reached."),
    retry: gettext("Try again"),
  };
}

/**
 * Find out; again and again while the server cannot be reached.
 * @param {() => Promise<void>} task
 */
function know(task) {
  knowing = knowing.then(async () => {
    const backoff = new Backoff();
    for (;;) {
      try {
        return await task();
      } catch (error) {
        if (error instanceof ApiError && error.isTransient) await pause(backoff.next());
        else return tellProblem(error);
      }
    }
  });
}

/** @param {unknown} error */
function tellProblem(error) {
  const code = error instanceof ApiError ? error.code : "unknown";
  host.announce("error", { code, message: error instanceof Error ? error.message : String(error) });
}

/** Go on with who he was, and with what he had going on. */
async function resume() {
  if (!(await visitor.resume())) return;
  if (host.hasUser) await identify();
  else if ((await latestChat())?.is_active) await begin();
}

/** Be whom the host page says. What would be shown before that may be another's. */
async function identify() {
  if (isIdentified || !host.hasUser) return;
  const token = await host.ask("token");
  try {
    if (token === null) throw new TypeError("The page has brought no token.");
    await visitor.identify(token);
    isIdentified = true;
  } catch (error) {
    if (error instanceof ApiError && error.isTransient) throw error;
    await visitor.forget(); // whose session it was nobody says any more
    (await beginning)?.become(null);
    throw error;
  }
  const latest = await latestChat();
  if (beginning) (await beginning).become(latest);
  else if (latest?.is_active) await begin();
}

/** @param {boolean} isAsked */
async function open(isAsked) {
  void fetchRest();
  if (host.hasUser) know(identify);
  await knowing;
  await begin();
  if (isAsked && host.isOpen) element.opened();
}

/** @returns {Promise<Conversation>} */
function begin() {
  beginning ??= (async () => {
    const [latest] = await Promise.all([latestChat().catch(() => null), fetchRest()]);
    const conversation = element.begin({ settings, host, visitor, latest });
    conversation.describe(context);
    return conversation;
  })();
  return beginning;
}

/** What it takes to talk. */
function fetchRest() {
  return import("./chat.js");
}

/** @returns {Promise<Chat | null>} */
async function latestChat() {
  if (!visitor.id) return null;
  const { data } = await send("GET", "/api/chats?limit=1", undefined, { token: await visitor.token(null) });
  return data[0] ?? null;
}

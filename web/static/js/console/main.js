// The admin's console: which of its pages is shown, and what is around them.

/** @import { Console } from "./types.d.ts" */
/** @import { Preferences } from "../parts/preferences.js" */
/** @import { LiveState } from "../core/types.d.ts" */

import { announce } from "../core/announce.js";
import { gettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { fill, make } from "../core/render.js";
import { ask } from "../parts/dialogs.js";
import { PreferenceStore } from "../parts/preferences.js";
import { enter } from "../parts/staff.js";
import { ChatActions } from "./actions.js";
import "./audit.js";
import "./chats.js";
import "./export.js";
import "./live.js";
import "./numbers.js";
import "./operators.js";
import { Page } from "./page.js";
import "./personas.js";
import "./responses.js";
import "./settings.js";
import "./stuck.js";
import "./tickets.js";
import "./widget.js";

const TOAST_MS = 6000;

const { client, personId, leave } = await enter(undefined, { isPresent: false });
const { api, live } = client;
const preferences = new PreferenceStore(api);

/** @type {Omit<Console, "actions">} */
const base = { api, live, personId, go, toast, count };
/** @type {Console} */
const context = Object.assign(base, { actions: new ChatActions(base) });

const navigation = /** @type {HTMLElement} */ (document.getElementById("console-nav"));
const isAdmin = await isOneOfUs();
const pages = [...document.querySelectorAll("main > *")].filter((each) => each instanceof Page);
const menuButton = /** @type {HTMLElement} */ (document.querySelector('[data-action="menu"]'));
const titleEnd = document.title;

document.addEventListener("click", followed);
addEventListener("popstate", () => isAdmin && show(true));
menuButton.addEventListener("click", () => openMenu(!navigation.hasAttribute("data-open")));
navigation.addEventListener("keydown", (event) => event.key === "Escape" && openMenu(false));
live.on("state", connection);
live.on("frame", (frame) => frame.type === "inbox" && count("tickets", frame.tickets));
connection(live.state);
void preferences.load();
part("refused").hidden = isAdmin;
document.body.setAttribute("data-entered", "");
if (isAdmin) show(false);

/** Whether this is an admin. Where nobody can say so now the pages say why, each for itself. */
async function isOneOfUs() {
  const inbox = await api.get("/api/operator/inbox").catch(() => null);
  if (inbox !== null) count("tickets", inbox.tickets);
  return inbox === null || inbox.operator.role === "admin";
}

/**
 * Show the page of the address. Beneath the board stands the table of chats, which is a page of its own, too.
 * @param {boolean} isMoving  from another one, so that the keyboard goes along
 */
function show(isMoving) {
  const place = location.pathname.replace(/^\/admin\/?/, "");
  const query = new URLSearchParams(location.search);
  const isKnown = pages.some((page) => page.dataset["place"] === place);
  const shown = isKnown ? place : "";
  for (const page of pages) if (page.isOpen) page.close();
  const page = pageOf(shown);
  const isThere = page.open(context, query);
  // The table comes when the board has: nothing moves under anybody's eyes, and a failure of both is said once.
  if (shown === "") {
    void isThere.then(() => {
      const chats = pageOf("chats");
      if (page.isOpen && !chats.isOpen) void chats.open(context, new URLSearchParams(location.search));
    });
  }
  document.title = `${page.name} · ${titleEnd}`;
  document.body.dataset["place"] = shown;
  for (const way of document.querySelectorAll("[data-to]")) {
    if (way.getAttribute("data-to") === shown && way.closest("li")) way.setAttribute("aria-current", "page");
    else way.removeAttribute("aria-current");
  }
  openMenu(false);
  if (!isMoving) return;
  scrollTo(0, 0);
  page.querySelector("h1")?.focus();
}

/** @param {string} place */
function pageOf(place) {
  return /** @type {Page} */ (pages.find((page) => page.dataset["place"] === place));
}

/** @param {string} place */
function go(place) {
  history.pushState(null, "", `/admin${place ? `/${place}` : ""}`);
  show(true);
}

/** @param {MouseEvent} event */
function followed(event) {
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest('[data-action="leave"]')) return void leave().catch((error) => toast(sentenceOf(error), "problem"));
  if (target?.closest('[data-action="preferences"]')) return void askForPreferences();
  if (target?.closest('[data-action="dismiss"]')) return target.closest(".toast")?.remove();
  const link = target?.closest("a[data-to]");
  if (!isAdmin) return;
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(link.pathname.replace(/^\/admin\/?/, "") + link.search);
}

/** Of what he prefers, what the console shows. */
function askForPreferences() {
  return ask("preferences-dialog", {
    values: { ...preferences.value },
    save: ({ theme, language }) => preferences.change(/** @type {Partial<Preferences>} */ ({ theme, language: language || null })),
  });
}

/** @param {boolean} isOpen */
function openMenu(isOpen) {
  const wasOpen = navigation.hasAttribute("data-open");
  navigation.toggleAttribute("data-open", isOpen);
  menuButton.setAttribute("aria-expanded", String(isOpen));
  if (isOpen) navigation.querySelector("a")?.focus();
  else if (wasOpen && navigation.contains(document.activeElement)) menuButton.focus();
}

/** @param {LiveState} state */
function connection(state) {
  const line = part("connection");
  if (line.dataset["state"] === state) return;
  line.dataset["state"] = state;
  part("connection-text").textContent = {
    connecting: gettext("Connecting …"),
    online: gettext("Live"),
    reconnecting: gettext("Reconnecting …"),
    polling: gettext("Live, slower"),
    closed: gettext("Not connected"),
  }[state];
}

/**
 * @param {string} text
 * @param {"done" | "problem"} [kind]
 * @param {string[]} [problems]
 */
function toast(text, kind = "done", problems = []) {
  const made = make("toast");
  fill(made, { text, kind });
  made.querySelector("ul")?.append(
    ...problems.map((problem) => Object.assign(document.createElement("li"), { textContent: problem })),
  );
  part("toasts").append(made);
  announce([text, ...problems].join(" "));
  if (kind === "done") setTimeout(() => made.remove(), TOAST_MS);
}

/**
 * @param {string} place
 * @param {number} number
 */
function count(place, number) {
  const badge = navigation.querySelector(`[data-count="${place}"]`);
  if (!(badge instanceof HTMLElement)) return;
  badge.hidden = number === 0;
  badge.textContent = String(number);
}

/** @param {string} name */
function part(name) {
  return /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));
}

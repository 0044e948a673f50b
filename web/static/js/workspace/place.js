// Where one is in the workspace: which list, which chat. It is the address, so that it can be kept, opened beside, and
// gone back from.

import { Emitter } from "../core/emitter.js";

/** @typedef {"desk" | "queue" | "mentions" | "done" | "all" | "search"} Section */

/**
 * @typedef {object} Where
 * @property {Section} section
 * @property {string | null} [chatId]
 * @property {string} [query]      what is searched for
 * @property {number | null} [seq] the message to go to
 * @property {boolean} [isPanel]   the customer is over the conversation
 */

/** @type {readonly Section[]} */
export const SECTIONS = ["desk", "queue", "mentions", "done", "all", "search"];

const ROOT = "/operator";
const PANEL = "#customer";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The address of a place; what is not said of it is nothing.
 * @param {Where} where
 */
export function pathOf({ section, chatId, query, seq, isPanel }) {
  const path = [ROOT, section === "desk" ? null : section, chatId].filter(Boolean).join("/");
  const hash = isPanel ? PANEL : seq ? `#${seq}` : "";
  return path + (query ? `?q=${encodeURIComponent(query)}` : "") + hash;
}

/**
 * The place of an address.
 * @param {{ pathname: string, search: string, hash: string }} address
 * @returns {Required<Where>}
 */
export function placeOf({ pathname, search, hash }) {
  const parts = pathname.slice(ROOT.length).split("/").filter(Boolean);
  const section = SECTIONS.find((each) => parts.includes(each)) ?? "desk";
  return {
    section,
    chatId: parts.find((each) => UUID.test(each)) ?? null,
    query: new URLSearchParams(search).get("q") ?? "",
    seq: Number(hash.slice(1)) || null,
    isPanel: hash === PANEL,
  };
}

/**
 * `change`: one is somewhere else.
 * @extends {Emitter<{ change: Required<Where> }>}
 */
export class Place extends Emitter {
  #where = placeOf(location);
  /** Within a page that is somewhere else the address is not ours. */
  #isAddress = location.pathname === ROOT || location.pathname.startsWith(`${ROOT}/`);

  constructor() {
    super();
    if (this.#isAddress) addEventListener("popstate", () => this.#become(placeOf(location)));
    document.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Where one is. */
  get where() {
    return this.#where;
  }

  /**
   * Go somewhere; what is not said stays as it is.
   * @param {Partial<Where>} to
   * @param {{ isReplaced?: boolean }} [how]  leave no way back to here
   */
  go(to, { isReplaced = false } = {}) {
    const { section, chatId, query } = this.#where;
    this.#visit(pathOf({ section, chatId, query: to.section && to.section !== section ? "" : query, ...to }), isReplaced);
  }

  /** Where one came from within the workspace; else, without what lies over it. */
  back() {
    if (this.#isAddress && history.state?.isInside) history.back();
    else this.go({}, { isReplaced: true });
  }

  /**
   * @param {string} path
   * @param {boolean} isReplaced
   */
  #visit(path, isReplaced) {
    if (path === pathOf(this.#where)) return;
    if (this.#isAddress && isReplaced) history.replaceState(history.state, "", path);
    else if (this.#isAddress) history.pushState({ isInside: true }, "", path);
    this.#become(placeOf(new URL(path, location.origin)));
  }

  /** @param {Required<Where>} where */
  #become(where) {
    this.#where = where;
    this.emit("change", where);
  }

  /**
   * Links within the workspace do not load the page anew; opening one in a new tab is the browser's.
   * @param {MouseEvent} event
   */
  #clicked(event) {
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target === "_blank") return;
    const { origin, pathname, search, hash } = new URL(link.href);
    if (origin !== location.origin || !(pathname === ROOT || pathname.startsWith(`${ROOT}/`))) return;
    event.preventDefault();
    this.#visit(pathname + search + hash, false);
  }
}

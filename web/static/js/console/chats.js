// All chats as a table: filtered, in some order, and one thing done to many of them. Beneath the board, and alone.

/** @import { ChatHandle, ConsoleChat, PageOf } from "./types.d.ts" */

import { announce } from "../core/announce.js";
import { ngettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { setValues } from "../parts/dialogs.js";
import { valuesOf } from "../parts/forms.js";
import { paced } from "./pace.js";
import { Page } from "./page.js";
import { queryOf, handleOf, rowOf } from "./rows.js";

const PAGE = 50;
const MOST = 200; // rows that are kept up to date
const EVERY_MS = 2000;
const TICK_MS = 5000;
const TYPING_MS = 250;

/** `<baton-chats>` */
class Chats extends Page {
  /** @type {ConsoleChat[]} */
  #chats = [];
  /** @type {string | number | null} */
  #next = null;
  /** Chats that are to be shown at least. */
  #size = PAGE;
  /** @type {Map<string, ChatHandle>} */
  #selected = new Map();
  #lastSelected = "";
  /** Chats that the filter would not show any more, but that stay where they are for now. @type {Set<string>} */
  #gone = new Set();
  #isPointed = false;
  #reload = paced(EVERY_MS, () => this.refresh());
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typing;

  /** @override */
  connected() {
    super.connected();
    const filters = this.#filters;
    this.listen("input", (event) => this.#filtered(event), filters);
    this.listen("submit", (event) => event.preventDefault(), filters);
    this.listen("reset", () => setTimeout(() => this.#anew()), filters);
    this.listen("change", (event) => this.#ticked(event), this.piece("rows"));
    this.listen("click", (event) => this.#clicked(event), this.piece("rows"));
    this.listen("change", () => this.#selectAll(), this.piece("select-all"));
    this.listen("pointerenter", () => (this.#isPointed = true), this.piece("rows"));
    this.listen("pointerleave", () => this.#unpointed(), this.piece("rows"));
    this.listen("focusin", () => (this.#isPointed = true), this.piece("rows"));
    this.listen("focusout", () => this.#unpointed(), this.piece("rows"));
  }

  /** @override */
  begun() {
    const { live, actions } = this.console;
    this.keep(live.on("frame", ({ type }) => this.isOpen && type === "inbox" && this.#reload()));
    actions.onDone(() => this.isOpen && this.#reload());
  }

  /**
   * @override
   * @param {URLSearchParams} query
   */
  opened(query) {
    if (query.size > 0) {
      this.#filters.reset();
      setValues(this.#filters, Object.fromEntries(query));
    }
    this.#ticking = setInterval(() => this.redraw(), TICK_MS);
    if (this.console.actions.operators.length === 0) void this.#findOperators();
  }

  /** @override */
  closed() {
    clearInterval(this.#ticking);
  }

  /**
   * @override
   * @param {AbortSignal} signal
   */
  async load(signal) {
    const { data, next_cursor } = await this.#fetch(null, Math.min(this.#size, MOST), signal);
    // Rows do not move under the pointer: what is shown stays in its order, with what is new of it.
    if (this.#isPointed && this.#chats.length > 0) {
      const fresh = new Map(data.map((chat) => [chat.id, chat]));
      const isWhole = next_cursor === null; // else it may stand further down
      this.#gone = new Set(this.#chats.map(({ id }) => id).filter((id) => isWhole && !fresh.has(id)));
      this.#chats = this.#chats.map((chat) => fresh.get(chat.id) ?? chat);
    } else {
      this.#gone.clear();
      this.#chats = data;
      this.#next = next_cursor;
    }
    for (const chat of data) if (this.#selected.has(chat.id)) this.#selected.set(chat.id, handleOf(chat));
    this.redraw();
  }

  /** @override */
  draw() {
    if (!this.isOpen) return;
    const now = Date.now();
    reconcile(this.piece("rows"), this.#chats, {
      key: ({ id }) => id,
      make: (chat) => this.#fill(make("chat-row"), chat, now),
      update: (row, chat) => void this.#fill(row, chat, now),
    });
    const isEmpty = this.#chats.length === 0;
    const isFiltered = String(queryOf({ ...valuesOf(this.#filters), sort: "" })) !== String(queryOf({ state: "open" }));
    this.piece("table").hidden = isEmpty;
    this.piece("none").hidden = !isEmpty || isFiltered;
    this.piece("empty").hidden = !isEmpty || !isFiltered;
    this.piece("count").classList.toggle("visually-hidden", isEmpty);
    this.piece("more").hidden = this.#next === null;
    this.piece("count").textContent = ngettext("%(num)s chat", "%(num)s chats", this.#chats.length);
    this.#drawOperators();
    this.#drawSelection();
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    const { actions } = this.console;
    const chosen = [...this.#selected.values()];
    switch (action) {
      case "chat":
        return this.#showMenu(button);
      case "more":
        return void this.#more();
      case "bulk-none":
        return this.#select(() => this.#selected.clear());
      case "bulk-reassign":
        return void actions.askToGive(chosen).then((isDone) => this.#finished(isDone));
      case "bulk-complete":
        return void actions.askToComplete(chosen).then((isDone) => this.#finished(isDone));
      case "bulk-prioritise":
        return void actions.askToPrioritise(chosen).then((isDone) => this.#finished(isDone));
      case "bulk-release":
        return void actions.release(chosen).then(
          () => this.#finished(true),
          () => {}, // said already
        );
    }
  }

  /** @returns {HTMLFormElement} */
  get #filters() {
    return this.find('form[data-part="filters"]');
  }

  /**
   * @param {string | number | null} cursor
   * @param {number} limit
   * @param {AbortSignal} [signal]
   * @returns {Promise<PageOf<ConsoleChat>>}
   */
  #fetch(cursor, limit, signal) {
    const query = queryOf(valuesOf(this.#filters));
    query.set("limit", String(limit));
    if (cursor !== null) query.set("cursor", String(cursor));
    return this.console.api.get(`/api/admin/chats?${query}`, signal);
  }

  async #more() {
    const before = this.#chats.length;
    try {
      const from = this.#next;
      const { data, next_cursor } = await this.#fetch(from, PAGE);
      if (from !== this.#next) return; // pressed twice
      const known = new Set(this.#chats.map(({ id }) => id));
      this.#chats = [...this.#chats, ...data.filter(({ id }) => !known.has(id))];
      this.#next = next_cursor;
      this.#size = this.#chats.length;
      this.redraw();
      announce(ngettext("%(num)s more chat", "%(num)s more chats", this.#chats.length - before));
    } catch {
      void this.refresh(); // says what is wrong
    }
  }

  /** @param {Event} event */
  #filtered(event) {
    const isTyped = event.target instanceof HTMLInputElement && event.target.type === "search";
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#anew(), isTyped ? TYPING_MS : 0);
  }

  #anew() {
    this.#size = PAGE;
    this.#isPointed = false;
    this.#select(() => this.#selected.clear());
    void this.refresh();
  }

  /**
   * @param {Element} row
   * @param {ConsoleChat} chat
   * @param {number} now
   */
  #fill(row, chat, now) {
    const isSelected = this.#selected.has(chat.id);
    fill(row, rowOf(chat, now, { isSelected, isGone: this.#gone.has(chat.id) }));
    const box = row.querySelector("input");
    if (box) box.checked = isSelected;
    return row;
  }

  /** Who holds chats, and whom they can be given to, where the overview was not looked at before. */
  async #findOperators() {
    const { api, actions } = this.console;
    const overview = await api.get("/api/admin/console").catch(() => null);
    if (!overview) return; // it is tried again when the page is opened again
    actions.operators = overview.operators;
    this.redraw();
  }

  #drawOperators() {
    const select = this.piece("operators");
    const known = new Set([...select.querySelectorAll("option")].map(({ value }) => value));
    for (const { id, name } of this.console.actions.operators) if (!known.has(id)) select.append(new Option(name, id));
  }

  #drawSelection() {
    const number = this.#selected.size;
    this.piece("bulk").hidden = number === 0;
    const text = ngettext("%(num)s chat is selected", "%(num)s chats are selected", number);
    if (this.piece("bulk-text").textContent !== text) this.piece("bulk-text").textContent = text;
    const all = /** @type {HTMLInputElement} */ (this.piece("select-all"));
    all.checked = number > 0 && this.#chats.every(({ id }) => this.#selected.has(id));
    all.indeterminate = number > 0 && !all.checked;
  }

  /** @param {HTMLElement} button */
  #showMenu(button) {
    const id = button.closest("tr")?.dataset["chat"];
    const chat = this.#chats.find((each) => each.id === id);
    if (chat) this.console.actions.showMenu(handleOf(chat), button);
  }

  /** @param {Event} event */
  #ticked(event) {
    const box = event.target;
    const id = box instanceof HTMLInputElement ? box.closest("tr")?.dataset["chat"] : undefined;
    const chat = this.#chats.find((each) => each.id === id);
    if (!(box instanceof HTMLInputElement) || !chat) return;
    this.#select(() => (box.checked ? this.#selected.set(chat.id, handleOf(chat)) : this.#selected.delete(chat.id)));
    this.#lastSelected = chat.id;
  }

  /**
   * With the shift key, everything from the last one that was ticked.
   * @param {MouseEvent} event
   */
  #clicked(event) {
    const box = event.target;
    if (!event.shiftKey || !(box instanceof HTMLInputElement) || !box.checked) return;
    const ids = this.#chats.map(({ id }) => id);
    const [from, to] = [ids.indexOf(this.#lastSelected), ids.indexOf(box.closest("tr")?.dataset["chat"] ?? "")];
    if (from === -1 || to === -1) return;
    this.#select(() => {
      for (const chat of this.#chats.slice(Math.min(from, to), Math.max(from, to) + 1)) this.#selected.set(chat.id, handleOf(chat));
    });
  }

  #selectAll() {
    const isAll = /** @type {HTMLInputElement} */ (this.piece("select-all")).checked;
    this.#select(() => {
      this.#selected.clear();
      if (isAll) for (const chat of this.#chats) this.#selected.set(chat.id, handleOf(chat));
    });
  }

  /** @param {() => void} change */
  #select(change) {
    change();
    this.redraw();
  }

  /** @param {boolean} isDone */
  #finished(isDone) {
    if (isDone) this.#select(() => this.#selected.clear());
  }

  #unpointed() {
    this.#isPointed = false;
    this.#reload();
  }
}

customElements.define("baton-chats", Chats);

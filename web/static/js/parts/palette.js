// One field to find and do anything: what is typed makes a list smaller, and Enter does what is chosen in it.

import { fill, make, reconcile } from "../core/render.js";

/**
 * @typedef {object} Item
 * @property {string} key
 * @property {string} label
 * @property {string} [detail]
 * @property {string} [shortcut]
 * @property {string} [chat_state]  shown as a chat's mark
 * @property {() => void} run
 */

const SLOWLY_MS = 150;

export class Palette {
  #dialog = /** @type {HTMLDialogElement} */ (document.getElementById("palette"));
  #field = /** @type {HTMLInputElement} */ (this.#dialog.querySelector("input"));
  #list = /** @type {HTMLElement} */ (this.#dialog.querySelector('[role="listbox"]'));
  #find;
  #search;
  /** @type {Item[]} */
  #items = [];
  /** @type {Item[]} */
  #found = [];
  #selected = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #abort = new AbortController();

  /**
   * @param {object} how
   * @param {(words: string) => Item[]} how.find  what is known here, for words in lower case
   * @param {(words: string, signal: AbortSignal) => Promise<Item[]>} how.search  what the server finds besides
   */
  constructor({ find, search }) {
    this.#find = find;
    this.#search = search;
    this.#field.addEventListener("input", () => this.#look());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    this.#list.addEventListener("click", (event) => {
      const line = event.target instanceof Element ? event.target.closest("[data-key]") : null;
      if (line) this.#choose([...this.#list.children].indexOf(line));
    });
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#abort.abort());
  }

  open() {
    if (this.#dialog.open) return this.#dialog.close();
    this.#field.value = "";
    this.#found = [];
    this.#dialog.showModal();
    this.#look();
  }

  #look() {
    const words = this.#field.value.trim().toLocaleLowerCase();
    this.#selected = 0;
    this.#found = [];
    this.#items = this.#find(words);
    this.#draw();
    clearTimeout(this.#timer);
    this.#abort.abort();
    if (words.length < 2) return;
    const { signal } = (this.#abort = new AbortController());
    this.#timer = setTimeout(async () => {
      const found = await this.#search(words, signal).catch(() => []);
      if (signal.aborted) return;
      this.#found = found;
      this.#draw();
    }, SLOWLY_MS);
  }

  get #all() {
    const known = new Set(this.#items.map((item) => item.key));
    return [...this.#items, ...this.#found.filter((item) => !known.has(item.key))];
  }

  #draw() {
    const all = this.#all;
    const view = (/** @type {Item} */ item) => {
      const place = all.indexOf(item);
      return {
        ...item,
        id: `found-${place}`,
        key: item.shortcut ?? "",
        chat_state: item.chat_state ?? null,
        is_selected: String(place === this.#selected),
      };
    };
    reconcile(this.#list, all, {
      key: (item) => item.key,
      make: (item) => make("found", view(item)),
      update: (line, item) => fill(line, view(item)),
    });
    const selected = this.#list.children[this.#selected];
    if (selected) this.#field.setAttribute("aria-activedescendant", selected.id);
    else this.#field.removeAttribute("aria-activedescendant");
    selected?.scrollIntoView({ block: "nearest" });
    this.#field.ariaExpanded = String(all.length > 0);
    const empty = this.#dialog.querySelector('[data-part="empty"]');
    empty?.toggleAttribute("hidden", all.length > 0);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.isComposing) return;
    const count = this.#all.length;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && count > 0) {
      event.preventDefault();
      this.#selected = (this.#selected + step + count) % count;
      this.#draw();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#choose(this.#selected);
    }
  }

  /** @param {number} place */
  #choose(place) {
    const item = this.#all[place];
    if (!item) return;
    this.#dialog.close();
    item.run();
  }
}

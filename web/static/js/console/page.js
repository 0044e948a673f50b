// What all pages of the console have in common: they are shown one at a time, fetch what they show when they are, and
// say what is wrong where it is wrong.

/** @import { Console } from "./types.d.ts" */

import { BatonElement } from "../core/element.js";
import { sentenceOf } from "../core/problem.js";

const SKELETON_MS = 150; // before that nothing is shown: most pages are there sooner

/** A page, made by the macro `page`. */
export class Page extends BatonElement {
  /** @type {Console | null} */
  #console = null;
  #isOpen = false;
  #isLoaded = false;
  /** Says that what it shows has been there once. */
  #arrive = () => {};
  /** @type {Promise<void>} */
  #arrival = new Promise((resolve) => (this.#arrive = resolve));
  /** Ends the load before, which a newer one makes needless. */
  #loading = new AbortController();

  /** @override */
  connected() {
    this.listen("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button[data-action]") : null;
      if (!(button instanceof HTMLButtonElement)) return;
      if (button.dataset["action"] === "again") void this.refresh();
      else this.pressed(String(button.dataset["action"]), button);
    });
  }

  /**
   * Show it.
   * @param {Console} console
   * @param {URLSearchParams} query  of the page's address
   * @returns {Promise<void>} until what it shows has been there once
   */
  open(console, query) {
    const isFirst = this.#console === null;
    this.#console = console;
    this.#isOpen = true;
    this.hidden = false;
    if (isFirst) this.begun();
    this.opened(query);
    void this.refresh();
    return this.#arrival;
  }

  /** Another page is shown. */
  close() {
    this.#isOpen = false;
    this.hidden = true;
    this.closed();
  }

  /** What is around the page. */
  get console() {
    if (!this.#console) throw new Error(`${this.localName} was not opened`);
    return this.#console;
  }

  /** Whether it is the page that is shown. */
  get isOpen() {
    return this.#isOpen;
  }

  /** @returns {string} its name in the page's title */
  get name() {
    return this.dataset["title"] ?? "";
  }

  /** It is opened for the first time: listen to what goes on around it. */
  begun() {}

  /**
   * It has been opened; `load` follows.
   * @param {URLSearchParams} _query
   */
  opened(_query) {}

  /** It has been closed. */
  closed() {}

  /**
   * Fetch what it shows, and show it.
   * @param {AbortSignal} _signal  aborts when that is needless: it is asked for anew, by another filter perhaps
   * @returns {Promise<void>}
   */
  async load(_signal) {}

  /**
   * One of its buttons (`data-action`) was pressed.
   * @param {string} _action
   * @param {HTMLButtonElement} _button
   */
  pressed(_action, _button) {}

  /** Load anew; what is shown stays until it is there. */
  async refresh() {
    this.#loading.abort();
    const { signal } = (this.#loading = new AbortController());
    const timer = setTimeout(() => (this.piece("skeleton").hidden = this.#isLoaded), SKELETON_MS);
    try {
      await this.load(signal);
      this.#isLoaded = true;
      this.#arrive();
      this.piece("content").hidden = false;
      this.piece("skeleton").hidden = true; // also where it is being loaded once more
      this.piece("trouble").hidden = true;
    } catch (error) {
      if (!signal.aborted && this.#isOpen) this.#showTrouble(error);
    } finally {
      clearTimeout(timer);
      if (!signal.aborted) this.piece("skeleton").hidden = true;
    }
  }

  /**
   * The part of it of this name (`data-part`).
   * @template {HTMLElement} [T=HTMLElement]
   * @param {string} name
   * @returns {T}
   */
  piece(name) {
    return this.find(`[data-part="${name}"]`);
  }

  /** @param {unknown} error */
  #showTrouble(error) {
    this.piece("trouble-text").textContent = sentenceOf(error);
    this.piece("trouble").toggleAttribute("data-over", this.#isLoaded);
    this.piece("trouble").hidden = false;
  }
}

// What one has begun to write, by chat. The server has it, so that it is there on every screen; what it could not be
// told yet the browser keeps.

/** @import { Api } from "../core/api.js" */

import { ApiError } from "../core/api.js";
import { Emitter } from "../core/emitter.js";
import { Store } from "../core/storage.js";

const QUIET_MS = 800; // after the last key
const AGAIN_MS = 5_000;

/**
 * `saved`: the chat whose draft the server has now. `change`: that a chat has one now, or has none any more.
 * @extends {Emitter<{ saved: string, change: string }>}
 */
export class Drafts extends Emitter {
  #api;
  #store;
  /** @type {Map<string, string>} */
  #texts = new Map();
  /** Those that the server does not have yet. @type {Map<string, ReturnType<typeof setTimeout>>} */
  #unsaved = new Map();

  /**
   * @param {Api} api
   * @param {string} owner
   */
  constructor(api, owner) {
    super();
    this.#api = api;
    this.#store = new Store(`baton:draft:${owner}:`);
    for (const [chatId, text] of this.#store.all()) {
      this.#texts.set(chatId, String(text));
      this.#plan(chatId, 0);
    }
    // A page that is left saves what it can.
    addEventListener("pagehide", () => {
      for (const chatId of this.#unsaved.keys()) void this.#save(chatId);
    });
  }

  /**
   * Whether one has begun to write there, as far as is known here.
   * @param {string} chatId
   */
  has(chatId) {
    return Boolean(this.#texts.get(chatId));
  }

  /**
   * What one has begun to write there. Nothing, where the server cannot be asked.
   * @param {string} chatId
   * @returns {Promise<string>}
   */
  async load(chatId) {
    if (this.#unsaved.has(chatId)) return this.#texts.get(chatId) ?? "";
    try {
      const draft = await this.#api.get(`/api/chats/${chatId}/draft`);
      if (!this.#unsaved.has(chatId)) this.#note(chatId, draft?.content ?? "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    return this.#texts.get(chatId) ?? "";
  }

  /**
   * @param {string} chatId
   * @param {string} text
   */
  set(chatId, text) {
    if ((this.#texts.get(chatId) ?? "") === text) return;
    this.#note(chatId, text);
    this.#store.set(chatId, text);
    this.#plan(chatId, QUIET_MS);
  }

  /**
   * It was sent: the server forgets it by itself.
   * @param {string} chatId
   */
  sent(chatId) {
    clearTimeout(this.#unsaved.get(chatId));
    this.#unsaved.delete(chatId);
    this.#store.delete(chatId);
    this.#note(chatId, "");
  }

  /**
   * @param {string} chatId
   * @param {string} text
   */
  #note(chatId, text) {
    const had = this.has(chatId);
    if (text) this.#texts.set(chatId, text);
    else this.#texts.delete(chatId);
    if (had !== this.has(chatId)) this.emit("change", chatId);
  }

  /**
   * @param {string} chatId
   * @param {number} wait
   */
  #plan(chatId, wait) {
    clearTimeout(this.#unsaved.get(chatId));
    this.#unsaved.set(
      chatId,
      setTimeout(() => void this.#save(chatId), wait),
    );
  }

  /** @param {string} chatId */
  async #save(chatId) {
    const content = this.#texts.get(chatId) ?? "";
    try {
      await this.#api.request("PUT", `/api/chats/${chatId}/draft`, { content });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.isTransient) this.#plan(chatId, AGAIN_MS);
      else this.#forget(chatId); // too long, or not to be seen any more: it stays in the box
      return;
    }
    if ((this.#texts.get(chatId) ?? "") !== content) {
      // What was typed meanwhile is planned; what was sent meanwhile must not come back.
      if (!this.#unsaved.has(chatId)) this.#plan(chatId, 0);
      return;
    }
    this.#forget(chatId);
    this.emit("saved", chatId);
  }

  /** @param {string} chatId */
  #forget(chatId) {
    clearTimeout(this.#unsaved.get(chatId));
    this.#unsaved.delete(chatId);
    this.#store.delete(chatId);
  }
}

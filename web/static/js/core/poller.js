// Asks for events by HTTP every two seconds, while no socket can be had.

/** @import { Api } from "./api.js" */
/** @import { Frame } from "./types.d.ts" */

import { ApiError } from "./api.js";
import { Backoff, pause } from "./timing.js";

const EVERY_MS = 2_000;

/**
 * What is watched, as the poller sees it.
 * @typedef {object} Watched
 * @property {string} chatId
 * @property {number | null} afterEvent  null: from the latest event on
 * @property {string | null} epoch
 * @property {boolean} isWaiting  a reset was told, and the fresh snapshot is not there yet
 */

export class Poller {
  #api;
  #listener;
  /** @type {AbortController | null} */
  #abort = null;

  /**
   * @param {Api} api
   * @param {object} listener
   * @param {() => Iterable<Watched>} listener.watched  what to ask for, before each round
   * @param {(frame: Frame) => void} listener.onFrame   the frame that a socket would have sent
   * @param {(isAnswered: boolean) => void} listener.onRound  after each round: whether the server answers
   */
  constructor(api, listener) {
    this.#api = api;
    this.#listener = listener;
  }

  start() {
    if (this.#abort) return;
    this.#abort = new AbortController();
    void this.#run(this.#abort.signal);
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    const backoff = new Backoff(EVERY_MS);
    while (!signal.aborted) {
      const problem = await this.#round(signal);
      if (signal.aborted) return;
      this.#listener.onRound(problem === null);
      if (problem === null) backoff.reset();
      const extra = problem === null ? 0 : Math.max(backoff.next(), (problem.retryAfter ?? 0) * 1000);
      await pause(EVERY_MS + extra, signal);
    }
  }

  /**
   * Ask for each chat once; with none, whether anybody answers.
   * @param {AbortSignal} signal
   * @returns {Promise<ApiError | null>} what went wrong, if it may go better later
   */
  async #round(signal) {
    const watched = [...this.#listener.watched()].filter((chat) => !chat.isWaiting);
    try {
      if (watched.length === 0) await this.#api.get("/healthz", signal);
      for (const chat of watched) await this.#ask(chat, signal);
      return null;
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
  }

  /**
   * @param {Watched} chat
   * @param {AbortSignal} signal
   */
  async #ask(chat, signal) {
    const chat_id = chat.chatId;
    const tell = (/** @type {Frame} */ frame) => signal.aborted || this.#listener.onFrame(frame);
    try {
      if (chat.afterEvent === null) {
        const { event_seq } = await this.#api.get(`/api/chats/${chat_id}`, signal);
        tell({ type: "subscribed", chat_id, event_seq });
        return;
      }
      for (let after = /** @type {number | null} */ (chat.afterEvent); after !== null && !signal.aborted; ) {
        const page = await this.#api.events(chat_id, after, chat.epoch, signal);
        page.data.forEach(tell);
        after = page.next_cursor;
      }
    } catch (error) {
      if (!(error instanceof ApiError) || error.isTransient) throw error;
      if (error.code === "events_gone") tell({ type: "reset", chat_id });
      else tell({ type: "unsubscribed", chat_id, details: error.code });
    }
  }
}

// Asks for events by HTTP every two seconds, while no socket can be had.

/** @import { Api } from "./api.js" */
/** @import { Frame } from "./types.d.ts" */

import { ApiError } from "./api.js";
import { Backoff, pause } from "./timing.js";

const EVERY_MS = 2_000;
// Of these the next chat would hear, too: no answer, signed out, too many requests.
const FOR_ALL = new Set([0, 401, 429]);

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
  /** Where the next round begins, so that everyone gets his turn. @type {string | undefined} */
  #first;

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
   * @returns {Promise<ApiError | null>} what went wrong, if it went wrong for all
   */
  async #round(signal) {
    const watched = this.#inTurn();
    if (watched.length === 0) return problemOf(this.#api.get("/healthz", signal));
    /** @type {ApiError[]} */
    const problems = [];
    for (const [place, chat] of watched.entries()) {
      const problem = await problemOf(this.#ask(chat, signal));
      if (!problem) continue;
      problems.push(problem);
      if (!FOR_ALL.has(problem.status)) continue;
      // Who had too many requests is the next one; whose request alone has no answer must not stop the others.
      this.#first = watched[problem.status === 429 ? place : (place + 1) % watched.length]?.chatId;
      return problem;
    }
    return problems.length === watched.length ? (problems[0] ?? null) : null;
  }

  /** What to ask for, beginning where the last round stopped. */
  #inTurn() {
    const watched = [...this.#listener.watched()].filter((chat) => !chat.isWaiting);
    const first = Math.max(watched.findIndex((chat) => chat.chatId === this.#first), 0);
    return [...watched.slice(first), ...watched.slice(0, first)];
  }

  /**
   * @param {Watched} chat
   * @param {AbortSignal} signal
   * @throws {ApiError} what went wrong, if it may go better later
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

/**
 * @param {Promise<unknown>} request
 * @returns {Promise<ApiError | null>} why it failed
 */
async function problemOf(request) {
  try {
    await request;
    return null;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

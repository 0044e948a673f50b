// Messages on their way. They are on the screen at once, sent in order, tried again until the server has
// them or refuses them, and kept across a reload. Sending twice is harmless: client_message_id makes it one
// message. Of several tabs one sends at a time; where the browser has no locks they may both.

/** @import { Api } from "./api.js" */
/** @import { Attachment, Message, Outgoing, Problem } from "./types.d.ts" */

import { ApiError } from "./api.js";
import { Emitter } from "./emitter.js";
import { newId } from "./id.js";
import { inTurn, Store } from "./storage.js";
import { Backoff, pause } from "./timing.js";

const ADOPT_MS = 30_000; // what another tab has not sent by then, it will not

/**
 * `change`: the chat whose messages on their way are others now. `sent`: the server has this one.
 * @extends {Emitter<{ change: string, sent: Message }>}
 */
export class Outbox extends Emitter {
  #api;
  #owner;
  #role;
  #store;
  /** @type {Map<string, Outgoing>} */
  #entries = new Map();
  /** Those that this tab sends: made here, or left here by a page that is gone. @type {Set<string>} */
  #mine = new Set();
  /** The chats that are being worked on. @type {Set<string>} */
  #busy = new Set();
  /** The chats in which what is sent comes back as an event, once for each who watches. @type {string[]} */
  #watched = [];
  /** @type {AbortController | null} */
  #running = null;
  /** Ends waiting between two attempts. */
  #wake = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #adoption;
  #lastTime = 0;

  /**
   * @param {object} options
   * @param {Api} options.api
   * @param {string} options.owner               the person's id: two people may use one browser
   * @param {"customer" | "staff"} options.role  as what he writes
   * @param {Store} [options.store]
   */
  constructor({ api, owner, role, store = new Store(`baton:outbox:${owner}:`) }) {
    super();
    this.#api = api;
    this.#owner = owner;
    this.#role = role;
    this.#store = store;
  }

  /** Begin to send, with what an earlier page has left. */
  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    const { signal } = this.#running;
    addEventListener("online", () => this.hurry(), { signal });
    this.#store.onChange(() => this.#look(), signal);
    this.#look();
    this.#adopt();
  }

  /** Stop sending; what is unsent stays stored. */
  stop() {
    this.#running?.abort();
    this.#running = null;
    clearTimeout(this.#adoption);
    this.hurry();
  }

  /** Try again at once: the server may be back. */
  hurry() {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  /**
   * A chat's messages on their way, in the order of sending.
   * @param {string} chatId
   */
  of(chatId) {
    const entries = [...this.#entries.values()].filter((entry) => entry.chat_id === chatId);
    return entries.sort((one, other) => one.created_at - other.created_at);
  }

  /**
   * @param {string} chatId
   * @param {string} content
   * @param {Attachment[]} [attachments]  files that are in the chat's folder already
   */
  send(chatId, content, attachments = []) {
    const client_message_id = newId();
    this.#mine.add(client_message_id);
    return this.#queue({ client_message_id, chat_id: chatId, content, attachments });
  }

  /**
   * Send a failed message again, behind those that wait.
   * @param {string} id  its client_message_id
   */
  retry(id) {
    const entry = this.#entries.get(id);
    if (entry?.status !== "failed") return;
    this.#mine.add(id);
    this.#queue(entry);
  }

  /**
   * Forget a message that is not sent. One that is just being sent may arrive nevertheless.
   * @param {string} id  its client_message_id
   */
  discard(id) {
    const entry = this.#entries.get(id);
    if (entry && entry.status !== "sent") this.#remove(entry);
  }

  /**
   * Keep what is sent to a chat until `settle` is told that it was seen; elsewhere it is forgotten once it is
   * sent. Returns what ends that.
   * @param {string} chatId
   * @param {() => void} listener  called when its messages on their way are others
   */
  watch(chatId, listener) {
    this.#watched.push(chatId);
    const stop = this.on("change", (changed) => changed === chatId && listener());
    return () => {
      stop();
      this.#watched.splice(this.#watched.indexOf(chatId), 1);
      this.#forgetSent(chatId);
    };
  }

  /**
   * Stored messages were seen: what came from here and is among them, or before them, is sent, and needs to be
   * shown here no longer.
   * @param {string} chatId
   * @param {Message[]} messages  in the order of seq
   */
  settle(chatId, messages) {
    const sender = this.#role === "customer" ? "real" : "operator";
    const mine = messages.filter((message) => message.sender_type === sender);
    const ids = new Set(mine.map((message) => message.client_message_id));
    const last = messages.at(-1)?.seq ?? 0;
    for (const entry of this.of(chatId)) {
      if (ids.has(entry.client_message_id) || (entry.message?.seq ?? Infinity) <= last) this.#remove(entry);
    }
  }

  /** @param {Pick<Outgoing, "client_message_id" | "chat_id" | "content" | "attachments">} message */
  #queue({ client_message_id, chat_id, content, attachments }) {
    this.#lastTime = Math.max(Date.now(), this.#lastTime + 1);
    /** @type {Outgoing} */
    const entry = {
      ...{ client_message_id, chat_id, content, attachments, created_at: this.#lastTime },
      ...{ status: "pending", problem: null, message: null },
    };
    this.#keep(entry);
    void this.#work(chat_id);
    return entry;
  }

  /**
   * Send what is mine in a chat, one after the other.
   * @param {string} chatId
   */
  async #work(chatId) {
    const signal = this.#running?.signal;
    if (!signal || this.#busy.has(chatId)) return;
    this.#busy.add(chatId);
    const backoff = new Backoff();
    try {
      for (let next; !signal.aborted && (next = this.#next(chatId)); ) {
        const { client_message_id: id } = next;
        const problem = await inTurn(`baton:outbox:${this.#owner}:${chatId}`, () => this.#attempt(id, signal));
        if (problem === null) backoff.reset();
        else await pause(Math.max(backoff.next(), (problem.retryAfter ?? 0) * 1000), this.#wake.signal);
      }
    } finally {
      this.#busy.delete(chatId);
    }
    if (this.#running && this.#running.signal !== signal) void this.#work(chatId); // stopped and started again
  }

  /** @param {string} chatId */
  #next(chatId) {
    const isNext = (/** @type {Outgoing} */ entry) =>
      entry.status === "pending" && this.#mine.has(entry.client_message_id);
    return this.of(chatId).find(isNext);
  }

  /**
   * @param {string} id
   * @param {AbortSignal} signal
   * @returns {Promise<ApiError | null>} what went wrong, if it may go better later
   */
  async #attempt(id, signal) {
    this.#look(); // another tab may have sent it
    const entry = this.#entries.get(id);
    if (entry?.status !== "pending" || signal.aborted) return null;
    const { chat_id, content, client_message_id, attachments } = entry;
    const paths = attachments.map((attachment) => attachment.path);
    const message = { chat_id, content, client_message_id, ...(paths.length > 0 ? { attachments: paths } : {}) };
    const path = this.#role === "customer" ? "/api/messages" : "/api/operator/messages";
    try {
      /** @type {Message} */
      const sent = await this.#api.post(path, message, signal);
      this.#answer(id, "sent", null, sent);
      this.emit("sent", sent);
      return null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (signal.aborted) return null;
      this.#answer(id, error.isTransient ? "pending" : "failed", error.problem, null);
      return error.isTransient ? error : null;
    }
  }

  /**
   * @param {string} id
   * @param {Outgoing["status"]} status
   * @param {Problem | null} problem
   * @param {Message | null} message
   */
  #answer(id, status, problem, message) {
    const entry = this.#entries.get(id);
    if (!entry) return; // settled or discarded meanwhile
    this.#keep({ ...entry, status, problem, message });
    this.#forgetSent(entry.chat_id);
  }

  /**
   * Where nobody watches, nobody will settle what is sent.
   * @param {string} chatId
   */
  #forgetSent(chatId) {
    if (this.#watched.includes(chatId)) return;
    for (const entry of this.of(chatId)) if (entry.status === "sent") this.#remove(entry);
  }

  /** @param {Outgoing} entry */
  #keep(entry) {
    const id = entry.client_message_id;
    this.#entries.set(id, entry);
    if (entry.status === "sent") this.#store.delete(id);
    else this.#store.set(id, entry);
    this.emit("change", entry.chat_id);
  }

  /** @param {Outgoing} entry */
  #remove(entry) {
    const id = entry.client_message_id;
    this.#entries.delete(id);
    this.#mine.delete(id);
    this.#store.delete(id);
    this.emit("change", entry.chat_id);
  }

  /** Take over what is stored: other tabs add, send and discard too. */
  #look() {
    const stored = this.#store.all();
    /** @type {Set<string>} */
    const changed = new Set();
    for (const [id, entry] of this.#entries) {
      if (entry.status === "sent" || stored.has(id)) continue;
      this.#entries.delete(id);
      this.#mine.delete(id);
      changed.add(entry.chat_id);
    }
    for (const [id, value] of stored) {
      const kept = /** @type {Omit<Outgoing, "attachments"> & { attachments?: Attachment[] }} */ (value);
      const entry = { ...kept, attachments: kept.attachments ?? [] };
      const known = this.#entries.get(id);
      if (known?.status === "sent" || (known?.status === entry.status && known.created_at === entry.created_at)) continue;
      this.#entries.set(id, entry);
      this.#lastTime = Math.max(this.#lastTime, entry.created_at);
      changed.add(entry.chat_id);
    }
    const isForeign = [...this.#entries.keys()].some((id) => !this.#mine.has(id));
    if (isForeign) this.#adoption ??= setTimeout(() => this.#adopt(), ADOPT_MS);
    for (const chatId of changed) this.emit("change", chatId);
  }

  /** Send what other tabs have left, too. */
  #adopt() {
    clearTimeout(this.#adoption);
    this.#adoption = undefined;
    if (!this.#running) return;
    for (const id of this.#entries.keys()) this.#mine.add(id); // all of them, before the first one is chosen
    for (const { chat_id } of this.#entries.values()) void this.#work(chat_id);
  }
}

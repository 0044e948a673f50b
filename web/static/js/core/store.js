// One chat, kept true: its snapshot, every event after it, a fresh snapshot when events cannot be told any
// more, and beside them the messages that are still on their way.

/** @import { Live } from "./live.js" */
/** @import { Outbox } from "./outbox.js" */
/** @import { Subscription } from "./subscriptions.js" */
/** @import { ChatView, EventFrame, Frame, Outgoing } from "./types.d.ts" */

import { Api, ApiError } from "./api.js";
import { apply, fromSnapshot, prepend, prependNotes } from "./apply.js";
import { Emitter } from "./emitter.js";
import { Backoff, pause } from "./timing.js";

const PAGE = 100; // older messages, or notes, that are fetched at once

/**
 * `change`: the view or what is on its way is another; with the event that did it, or null (a fresh
 * snapshot, older messages, something sent). `trouble`: why it is not there yet; it is tried again. `ended`: why the chat
 * is not to be seen any more.
 * @extends {Emitter<{ change: EventFrame | null, trouble: ApiError, ended: string }>}
 */
export class ChatStore extends Emitter {
  #api;
  #live;
  #outbox;
  /** @type {ChatView | null} */
  #view = null;
  /** @type {Subscription | null} */
  #subscription = null;
  /** How often the view was begun anew. */
  #beginnings = 0;
  #backoff = new Backoff();
  #open = new AbortController();

  /**
   * @param {object} options
   * @param {Api} options.api
   * @param {Live} options.live
   * @param {Outbox} options.outbox
   * @param {string} options.chatId
   */
  constructor({ api, live, outbox, chatId }) {
    super();
    this.#api = api;
    this.#live = live;
    this.#outbox = outbox;
    this.chatId = chatId;
    const { signal } = this.#open;
    const stop = outbox.watch(chatId, () => this.#settle());
    signal.addEventListener("abort", stop);
    void this.#fetch(0);
  }

  /** The chat as it is; null until it is there. */
  get view() {
    return this.#view;
  }

  /**
   * What is on its way and not among the messages yet, in order.
   * @returns {Outgoing[]}
   */
  get unsent() {
    const there = new Set(this.#view?.messages.map((message) => message.client_message_id));
    return this.#outbox.of(this.chatId).filter((entry) => !there.has(entry.client_message_id));
  }

  /**
   * Load a page of older messages, or of the notes beside those that are there.
   * @returns {Promise<boolean>} whether there are more
   * @throws {ApiError}
   */
  async loadOlder() {
    const beginnings = this.#beginnings;
    if (!this.#lacksNotes && this.#firstSeq > 1) {
      await this.#prepend(`messages?before_seq=${this.#firstSeq}&limit=${PAGE}`, prepend);
    }
    if (this.#lacksNotes) {
      const first = this.#view?.notes?.[0];
      await this.#prepend(`notes?limit=${PAGE}${first ? `&before_id=${first.id}` : ""}`, prependNotes);
    }
    if (this.#beginnings !== beginnings) return this.loadOlder(); // there was more than was told
    return this.#firstSeq > 1 || this.#lacksNotes;
  }

  get #firstSeq() {
    return this.#view?.messages[0]?.seq ?? 1;
  }

  /** Whether notes are not there yet that are newer than the first message that is. */
  get #lacksNotes() {
    const { messages: [message] = [], notes: [note] = [], has_older_notes: hasOlder = false } = this.#view ?? {};
    return hasOlder && (!message || !note || message.seq <= 1 || note.created_at > message.created_at);
  }

  /**
   * @template Page
   * @param {string} path
   * @param {(view: ChatView, page: Page, told: EventFrame[]) => ChatView} put
   */
  async #prepend(path, put) {
    const beginnings = this.#beginnings;
    /** @type {EventFrame[]} */
    const told = [];
    const stop = this.on("change", (event) => event && told.push(event));
    const page = await this.#api.get(`/api/chats/${this.chatId}/${path}`, this.#open.signal).finally(stop);
    if (this.#beginnings !== beginnings || !this.#view) return;
    this.#view = put(this.#view, page, told);
    this.emit("change", null);
  }

  /** Watch it no longer. */
  close() {
    this.#open.abort();
    this.#subscription?.close();
  }

  /**
   * Fetch the snapshot, until it is there, and go on from it.
   * @param {number} wait  ms, before the first try
   */
  async #fetch(wait) {
    const { signal } = this.#open;
    for (let delay = wait; ; ) {
      await pause(delay, signal);
      if (signal.aborted) return;
      try {
        return this.#begin(fromSnapshot(await this.#api.snapshot(this.chatId, signal)));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (!error.isTransient) return this.#end(error.code);
        if (!signal.aborted && !this.#view) this.emit("trouble", error);
        delay = Math.max(this.#backoff.next(), (error.retryAfter ?? 0) * 1000);
      }
    }
  }

  /** @param {ChatView} view */
  #begin(view) {
    if (this.#open.signal.aborted) return;
    this.#view = view;
    this.#beginnings += 1;
    this.#outbox.settle(this.chatId, view.messages);
    const { event_seq: afterEvent, epoch } = view;
    if (this.#subscription) this.#subscription.resume(afterEvent, epoch);
    else this.#subscription = this.#live.subscribe(this.chatId, { afterEvent, epoch }, (frame) => this.#hear(frame));
    this.emit("change", null);
  }

  /** What is on its way has changed. */
  #settle() {
    if (this.#view) this.#outbox.settle(this.chatId, this.#view.messages);
    this.emit("change", null);
  }

  /** @param {Frame} frame */
  #hear(frame) {
    if (frame.type === "reset") {
      void this.#fetch(this.#backoff.next());
    } else if (frame.type === "unsubscribed" || frame.type === "error") {
      if (this.#subscription?.isOver) this.#end(frame.details ?? "unsubscribed");
    } else if (frame.type === "event" && this.#view) {
      this.#backoff.reset();
      this.#view = apply(this.#view, frame);
      if (frame.event === "message.created") this.#outbox.settle(this.chatId, [frame.data]);
      this.emit("change", frame);
    }
  }

  /** @param {string} why */
  #end(why) {
    if (this.#open.signal.aborted) return;
    this.#open.abort();
    this.emit("ended", why);
  }
}

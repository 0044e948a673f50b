// One chat, kept true: its snapshot, every event after it, a fresh snapshot when events cannot be told any
// more, and beside them the messages that are still on their way.

/** @import { Live } from "./live.js" */
/** @import { Outbox } from "./outbox.js" */
/** @import { Subscription } from "./subscriptions.js" */
/** @import { ChatView, EventFrame, Frame, Outgoing } from "./types.d.ts" */

import { Api, ApiError } from "./api.js";
import { apply, fromSnapshot, prepend } from "./apply.js";
import { Emitter } from "./emitter.js";
import { Backoff, pause } from "./timing.js";

/**
 * `change`: the view or what is on its way is another; with the event that did it, or null (a fresh
 * snapshot, older messages, something sent). `ended`: why the chat is not to be seen any more.
 * @extends {Emitter<{ change: EventFrame | null, ended: string }>}
 */
export class ChatStore extends Emitter {
  #api;
  #live;
  #outbox;
  /** @type {ChatView | null} */
  #view = null;
  /** @type {Subscription | null} */
  #subscription = null;
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
    const stop = outbox.on("change", (changed) => changed === chatId && this.emit("change", null));
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
   * Load a page of older messages.
   * @returns {Promise<boolean>} whether there are more
   * @throws {ApiError}
   */
  async loadOlder() {
    const first = this.#view?.messages[0]?.seq ?? 1;
    if (first <= 1) return false;
    const path = `/api/chats/${this.chatId}/messages?before_seq=${first}`;
    const page = await this.#api.get(path, this.#open.signal);
    if (this.#view) this.#view = prepend(this.#view, page.data);
    this.emit("change", null);
    return page.next_cursor !== null;
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
        delay = Math.max(this.#backoff.next(), (error.retryAfter ?? 0) * 1000);
      }
    }
  }

  /** @param {ChatView} view */
  #begin(view) {
    if (this.#open.signal.aborted) return;
    this.#view = view;
    for (const message of view.messages) this.#outbox.settle(message);
    const { event_seq: afterEvent, epoch } = view;
    if (this.#subscription) this.#subscription.resume(afterEvent, epoch);
    else this.#subscription = this.#live.subscribe(this.chatId, { afterEvent, epoch }, (frame) => this.#hear(frame));
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
      if (frame.event === "message.created") this.#outbox.settle(frame.data);
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

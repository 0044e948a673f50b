// The chats that are watched, and for each the number of the last event that was told. Whatever comes,
// and wherever from, a listener gets every event once and in order.

/** @import { EventFrame, Frame, SentFrame } from "./types.d.ts" */

// After these a chat is not subscribed, nor will it be; other errors pass.
const REFUSALS = new Set(["chat_not_found", "too_many_subscriptions"]);

/** One chat that is watched. */
export class Subscription {
  /** The socket has not said yet that it is subscribed: what comes is of an earlier subscription. */
  isAnswered = false;
  /** It was asked for in vain: ask again. */
  isRefused = false;
  /** A reset was told: nothing more before `resume`. */
  isWaiting = false;
  #all;

  /**
   * @param {Subscriptions} all
   * @param {string} chatId
   * @param {number | null} afterEvent
   * @param {string | null} epoch
   * @param {(frame: Frame) => void} onFrame
   */
  constructor(all, chatId, afterEvent, epoch, onFrame) {
    this.#all = all;
    this.chatId = chatId;
    this.afterEvent = afterEvent;
    this.epoch = epoch;
    this.onFrame = onFrame;
  }

  /** Whether it is over. */
  get isOver() {
    return !this.#all.has(this);
  }

  /**
   * Go on from a fresh snapshot, after a reset.
   * @param {number} afterEvent
   * @param {string | null} epoch
   */
  resume(afterEvent, epoch) {
    this.afterEvent = afterEvent;
    this.epoch = epoch;
    this.isWaiting = false;
    this.#all.take(this);
  }

  /** Watch it no longer. */
  close() {
    this.#all.leave(this);
  }
}

export class Subscriptions {
  /** @type {Map<string, Subscription>} */
  #byChat = new Map();
  #send;

  /** @param {(frame: SentFrame) => void} send  to the socket, if there is one that is ready */
  constructor(send) {
    this.#send = send;
  }

  [Symbol.iterator]() {
    return this.#byChat.values();
  }

  /**
   * @param {string} chatId
   * @param {number | null} afterEvent  null: from the latest event on
   * @param {string | null} epoch       of the history that the number is from
   * @param {(frame: Frame) => void} onFrame
   */
  open(chatId, afterEvent, epoch, onFrame) {
    if (this.#byChat.has(chatId)) throw new Error(`chat ${chatId} is watched already`);
    const subscription = new Subscription(this, chatId, afterEvent, epoch, onFrame);
    this.#byChat.set(chatId, subscription);
    this.take(subscription);
    return subscription;
  }

  /**
   * Ask the socket for what comes after the last event.
   * @param {Subscription} subscription
   */
  take(subscription) {
    const { chatId, afterEvent, epoch, isWaiting } = subscription;
    if (isWaiting || !this.has(subscription)) return;
    subscription.isAnswered = subscription.isRefused = false;
    this.#send({
      type: "subscribe",
      chat_id: chatId,
      ...(afterEvent === null ? {} : { after_event: afterEvent }),
      ...(epoch === null ? {} : { epoch }),
    });
  }

  /** The same for all. */
  takeAll() {
    for (const subscription of this) this.take(subscription);
  }

  /** The same for those that were refused. */
  takeRefused() {
    for (const subscription of this) if (subscription.isRefused) this.take(subscription);
  }

  /** A frame was lost, nobody knows which: those that have no answer are refused. */
  doubt() {
    for (const subscription of this) subscription.isRefused = !subscription.isAnswered;
  }

  /** Whether any is to be asked for again. */
  get isAnyRefused() {
    return [...this].some((subscription) => subscription.isRefused);
  }

  /** @param {Subscription} subscription */
  leave(subscription) {
    if (!this.has(subscription)) return;
    this.#byChat.delete(subscription.chatId);
    this.#send({ type: "unsubscribe", chat_id: subscription.chatId });
  }

  /**
   * Take a frame of a chat.
   * @param {Frame & { chat_id: string }} frame
   * @param {string | null} epoch  of the socket it came by; null: it was polled
   * @returns {Subscription | null} who is to be told; null: nobody
   */
  hear(frame, epoch) {
    const subscription = this.#byChat.get(frame.chat_id);
    if (!subscription) return null;
    if (epoch === null) this.#answered(subscription);
    switch (frame.type) {
      case "subscribed":
        if (subscription.isWaiting) return null; // by itself, behind a reset
        this.#answered(subscription);
        subscription.afterEvent ??= frame.event_seq;
        subscription.epoch ??= epoch;
        return subscription;
      case "event":
        return this.#accepts(subscription, frame) ? subscription : null;
      case "reset":
        if (subscription.isWaiting) return null;
        subscription.isWaiting = true;
        return subscription;
      case "error":
        if (subscription.isAnswered) return subscription; // of something else, such as typing
        if (REFUSALS.has(frame.details)) this.#byChat.delete(frame.chat_id);
        else if (frame.details !== "not_subscribed") subscription.isRefused = true; // that is said of typing only
        return subscription;
      case "unsubscribed":
        if (!subscription.isAnswered || !frame.details) return null; // the answer to `leave`
        this.#byChat.delete(frame.chat_id);
        return subscription;
      default:
        return subscription;
    }
  }

  /**
   * Whether it is watched still.
   * @param {Subscription} subscription
   */
  has(subscription) {
    return this.#byChat.get(subscription.chatId) === subscription;
  }

  /** @param {Subscription} subscription */
  #answered(subscription) {
    subscription.isAnswered = true;
    subscription.isRefused = false;
  }

  /**
   * @param {Subscription} subscription
   * @param {EventFrame} frame
   */
  #accepts(subscription, frame) {
    if (subscription.isWaiting || !subscription.isAnswered || subscription.afterEvent === null) return false;
    const next = subscription.afterEvent + 1;
    if (frame.event_seq === next) subscription.afterEvent = next;
    else if (frame.event_seq > next) this.take(subscription); // some are missing
    return frame.event_seq === next;
  }
}

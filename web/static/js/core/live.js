// The live connection: one socket for the whole page, opened again when it is lost, every chat taken up
// where it was left; and polling while no socket can be had. Frames are the same either way.

/** @import { Api } from "./api.js" */
/** @import { Frame, LiveState, ReadyFrame } from "./types.d.ts" */
/** @import { Tokens } from "./token.js" */

import { Emitter } from "./emitter.js";
import { Poller } from "./poller.js";
import { LiveSocket } from "./socket.js";
import { Subscriptions } from "./subscriptions.js";
import { Backoff } from "./timing.js";
import { endOf } from "./token.js";

const FAILURES_BEFORE_POLLING = 2;
const STABLE_MS = 10_000; // a connection that lasted so long was none of the failures
const RENEW_BEFORE_MS = 60_000; // before the token's end, or at half of what is left
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const REFUSED_MS = 2_000; // at most, until chats are asked for again after a first refusal that passes
const NETWORK_CHANGED_MS = 4_000; // until an old socket is given up: it has probably not survived that. Pages say so after 5 s
const TYPING_AGAIN_MS = 2_500; // who types is forgotten after 6 s

/**
 * `state`: how the connection is, when that changes. `frame`: every frame, of chats and of none (presence,
 * inbox, errors). Both after the chat's own listener was told.
 * @extends {Emitter<{ state: LiveState, frame: Frame }>}
 */
export class Live extends Emitter {
  #api;
  #tokens;
  #url;
  #isPresent;
  #backoff;
  #poller;
  #subscriptions = new Subscriptions((frame) => this.#ready && this.#socket?.send(frame));
  /** @type {LiveState} */
  #state = "closed";
  #reason = "not_started";
  /** @type {AbortController | null} */
  #running = null;
  #isOpening = false;
  /** @type {LiveSocket | null} */
  #socket = null;
  /** What the present socket said when it let us in. @type {ReadyFrame | null} */
  #ready = null;
  #readyAt = 0;
  /** The token that the server knows. @type {string | null} */
  #token = null;
  /** The token that it refused. @type {string | null} */
  #stale = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;
  /** Runs while chats are to be asked for again. @type {ReturnType<typeof setTimeout> | undefined} */
  #retaking;
  #refusals = new Backoff(REFUSED_MS);
  /** What was last said of typing, by chat. @type {Map<string, { isTyping: boolean, at: number }>} */
  #typing = new Map();

  /**
   * @param {object} options
   * @param {Api} options.api
   * @param {Tokens} options.tokens
   * @param {string} [options.base]      where Baton is; the page's own origin
   * @param {boolean} [options.isPresent]  whether one is there while connected; false: one only looks
   * @param {Backoff} [options.backoff]  how to wait between attempts
   */
  constructor({ api, tokens, base = location.origin, isPresent = true, backoff = new Backoff() }) {
    super();
    this.#api = api;
    this.#tokens = tokens;
    this.#url = new URL("/ws", base).href.replace(/^http/, "ws");
    this.#isPresent = isPresent;
    this.#backoff = backoff;
    this.#poller = new Poller(api, {
      watched: () => this.#subscriptions,
      onFrame: (frame) => this.#tell(frame, null),
      onRound: (isAnswered) => this.#polled(isAnswered),
    });
  }

  /** How the connection is. */
  get state() {
    return this.#state;
  }

  /** Why it is closed: stopped, signed_out, or the reason for which the server turned us away. */
  get reason() {
    return this.#state === "closed" ? this.#reason : null;
  }

  /** Who one is to the server, and the epoch of its events; null while there is no socket. */
  get ready() {
    return this.#ready;
  }

  /** Connect, and stay connected until `stop`. */
  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    const { signal } = this.#running;
    addEventListener("online", () => this.hurry(NETWORK_CHANGED_MS), { signal });
    addEventListener("offline", () => this.#socket?.probe(NETWORK_CHANGED_MS), { signal });
    const seen = () => document.visibilityState === "visible" && this.hurry();
    document.addEventListener("visibilitychange", seen, { signal });
    this.#backoff.reset();
    this.#become("connecting");
    void this.#connect();
  }

  /** Disconnect. What is subscribed stays so, and goes on after the next `start`. */
  stop() {
    this.#end("stopped");
  }

  /**
   * Something has changed for the better, perhaps: try at once, or see whether the connection still lives.
   * @param {number} [patience]  how long it may take to show that it does, ms
   */
  hurry(patience) {
    if (!this.#running) return;
    this.#backoff.reset();
    if (this.#socket) this.#socket.probe(patience);
    else void this.#connect();
  }

  /**
   * Watch a chat: every event after `afterEvent`, once, in order, whatever happens to the connection.
   * After a `reset` fetch the snapshot and call `resume`; after `unsubscribed` (with its `details`), or an
   * `error` with the chat's id, the subscription is over.
   * @param {string} chatId  one that is not watched yet
   * @param {object} from
   * @param {number | null} from.afterEvent  null: from the latest on
   * @param {string | null} from.epoch       the snapshot's
   * @param {(frame: Frame) => void} onFrame
   */
  subscribe(chatId, { afterEvent, epoch }, onFrame) {
    return this.#subscriptions.open(chatId, afterEvent, epoch, onFrame);
  }

  /**
   * Tell the others in a chat that one types, or has stopped. Call it at every key.
   * @param {string} chatId
   * @param {boolean} isTyping
   */
  typing(chatId, isTyping) {
    const last = this.#typing.get(chatId) ?? { isTyping: false, at: -Infinity };
    const now = performance.now();
    if (last.isTyping === isTyping && (!isTyping || now - last.at < TYPING_AGAIN_MS)) return;
    this.#typing.set(chatId, { isTyping, at: now });
    if (this.#ready) this.#socket?.send({ type: "typing", chat_id: chatId, is_typing: isTyping });
    else if (this.#state === "polling") {
      this.#api.post(`/api/chats/${chatId}/typing`, { is_typing: isTyping }).catch(() => {}); // it ends by itself
    }
  }

  async #connect() {
    const running = this.#running;
    clearTimeout(this.#retry);
    if (!running || this.#socket || this.#isOpening) return;
    this.#isOpening = true;
    /** @type {string | null | undefined} */
    let token;
    try {
      token = await this.#tokens.get(this.#stale);
    } catch {
      token = undefined;
    }
    this.#isOpening = false;
    if (this.#running !== running) void this.#connect(); // stopped, and perhaps started again
    else if (token === null) this.#end("signed_out");
    else if (token === undefined) this.#tryAgain();
    else this.#open(token);
  }

  /** @param {string} token */
  #open(token) {
    const mine = () => this.#socket === socket;
    /** @type {LiveSocket} */
    let socket;
    try {
      socket = new LiveSocket(this.#url, this.#auth(token), {
        onReady: (frame) => mine() && this.#begin(frame),
        onFrame: (frame) => mine() && this.#hear(frame),
        onLost: (code, reason) => mine() && this.#lose(code, reason),
      });
    } catch {
      return this.#tryAgain(); // the browser has no sockets, or forbids this one
    }
    this.#socket = socket;
    this.#token = token;
  }

  /** @param {ReadyFrame} frame */
  #begin(frame) {
    this.#ready = frame;
    this.#readyAt = performance.now();
    this.#stale = null;
    this.#poller.stop();
    this.#become("online");
    this.#subscriptions.takeAll();
    this.#renewInTime();
    this.emit("frame", frame);
  }

  /** @param {Frame} frame */
  #hear(frame) {
    if (frame.type === "ready") {
      this.#ready = frame; // signed in again
      this.#renewInTime();
    }
    if (frame.type === "error" && frame.details === "rate_limited") this.#subscriptions.doubt();
    if (frame.type === "subscribed") this.#refusals.reset();
    this.#tell(frame, this.#ready?.epoch ?? null);
    if (frame.type === "error") this.#retake();
  }

  /** Ask for the chats again that were refused, all of them at once and a little later. */
  #retake() {
    if (!this.#ready || !this.#subscriptions.isAnyRefused) return;
    this.#retaking ??= setTimeout(() => {
      this.#retaking = undefined;
      this.#subscriptions.takeRefused();
    }, this.#refusals.next());
  }

  #stopRetaking() {
    clearTimeout(this.#retaking);
    this.#retaking = undefined;
    this.#refusals.reset();
  }

  /**
   * @param {Frame} frame
   * @param {string | null} epoch
   */
  #tell(frame, epoch) {
    if ("chat_id" in frame && frame.chat_id !== undefined) {
      const subscription = this.#subscriptions.hear({ ...frame, chat_id: frame.chat_id }, epoch);
      if (!subscription) return;
      try {
        subscription.onFrame(frame);
      } catch (error) {
        reportError(error);
      }
    }
    this.emit("frame", frame);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lose(code, reason) {
    const lasted = this.#ready ? performance.now() - this.#readyAt : 0;
    this.#socket = null;
    this.#ready = null;
    clearTimeout(this.#renewal);
    this.#stopRetaking(); // the next socket is asked for all of them
    this.#typing.clear();
    // With too many connections one is still welcome, without a socket.
    if (code === 4403 && reason !== "too_many_connections") return this.#end(reason || "not_allowed");
    if (code === 4401) this.#stale = this.#token;
    if (lasted > STABLE_MS) this.#backoff.reset();
    this.#tryAgain();
  }

  #tryAgain() {
    this.#retry = setTimeout(() => void this.#connect(), this.#backoff.next());
    if (this.#state === "online") this.#become("reconnecting");
    if (this.#backoff.failures >= FAILURES_BEFORE_POLLING) this.#poller.start();
  }

  /** @param {boolean} isAnswered */
  #polled(isAnswered) {
    if (!isAnswered && this.#state === "polling") this.#become("reconnecting");
    if (!isAnswered || this.#state === "polling") return;
    this.#become("polling");
    this.hurry(); // the server may only now have come back, and the next attempt be half a minute away
  }

  /** Ask for another token before this one ends. A clock that says it has ended is wrong: the server took it. */
  #renewInTime() {
    clearTimeout(this.#renewal);
    const left = (endOf(this.#token ?? "") ?? Infinity) - Date.now();
    if (left <= 0 || left === Infinity) return;
    const wait = Math.min(left - Math.min(RENEW_BEFORE_MS, left / 2), LONGEST_TIMER_MS);
    this.#renewal = setTimeout(() => void this.#renew(), wait);
  }

  async #renew() {
    const socket = this.#socket;
    const token = await this.#tokens.get(this.#token).catch(() => this.#token);
    if (!socket || socket !== this.#socket) return;
    if (token === null) return this.#end("signed_out");
    if (token === this.#token) return this.#renewInTime(); // not yet: again, at half of what is left
    this.#token = token;
    socket.send(this.#auth(token));
  }

  /**
   * @param {string} token
   * @returns {import("./types.d.ts").SentFrame}
   */
  #auth(token) {
    return { type: "auth", token, is_present: this.#isPresent };
  }

  /** @param {string} reason */
  #end(reason) {
    const socket = this.#socket;
    this.#running?.abort();
    this.#running = this.#socket = this.#ready = null;
    socket?.close();
    this.#poller.stop();
    clearTimeout(this.#retry);
    clearTimeout(this.#renewal);
    this.#stopRetaking();
    this.#reason = reason;
    this.#become("closed");
  }

  /** @param {LiveState} state */
  #become(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }
}

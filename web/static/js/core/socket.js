// One WebSocket's life: opened, signed in, watched, lost. Who needs another makes another.

/** @import { Frame, ReadyFrame, SentFrame } from "./types.d.ts" */

const READY_MS = 10_000; // to open and to be signed in
const PONG_MS = 5_000;

// What the server takes without dropping any, with a margin: bursts of 100 frames, 30 a second.
const BURST = 80;
const FRAMES_A_SECOND = 25;

/**
 * What a socket tells: every frame (the first `ready` by its own name), and once why it is over: the closing
 * code, and the reason in a word.
 * @typedef {object} SocketListener
 * @property {(frame: ReadyFrame) => void} onReady
 * @property {(frame: Frame) => void} onFrame
 * @property {(code: number, reason: string) => void} onLost
 */

export class LiveSocket {
  #socket;
  #listener;
  /** @type {ReadyFrame | null} */
  #ready = null;
  #isLost = false;
  #heardAt = performance.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watch;
  #pacer = new Pacer((frame) => this.#socket.send(frame));

  /**
   * @param {string} url
   * @param {string} token
   * @param {SocketListener} listener
   */
  constructor(url, token, listener) {
    this.#listener = listener;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => this.send({ type: "auth", token });
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = ({ code, reason }) => this.#lose(code, reason);
    this.#watch = setTimeout(() => this.close(), READY_MS);
  }

  /** What the server said when it let us in; null before. */
  get ready() {
    return this.#ready;
  }

  /** @param {SentFrame} frame */
  send(frame) {
    if (!this.#isLost) this.#pacer.send(JSON.stringify(frame));
  }

  /** Ask whether anybody is there, and lose the socket when nobody answers: it does not notice by itself. */
  probe() {
    if (this.#isLost || !this.#ready) return;
    const askedAt = performance.now();
    this.send({ type: "ping" });
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      if (this.#heardAt < askedAt) this.close();
      else this.#watchOn();
    }, PONG_MS);
  }

  /** Close it; the listener hears so at once, whether or not the server ever answers. */
  close() {
    this.#lose(1006, "");
  }

  /** When nothing was heard for a while, ask. */
  #watchOn() {
    if (!this.#ready) return;
    const heardAt = this.#heardAt;
    const quiet = this.#ready.ping_seconds * 1000 - (performance.now() - heardAt);
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => (this.#heardAt === heardAt ? this.probe() : this.#watchOn()), quiet);
  }

  /** @param {unknown} data */
  #hear(data) {
    if (this.#isLost) return;
    this.#heardAt = performance.now();
    const frame = parse(data);
    if (!frame) return;
    if (frame.type === "ready" && !this.#ready) {
      this.#ready = frame;
      this.#watchOn();
      this.#listener.onReady(frame);
    } else {
      this.#listener.onFrame(frame);
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lose(code, reason) {
    if (this.#isLost) return;
    this.#isLost = true;
    clearTimeout(this.#watch);
    this.#pacer.stop();
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#listener.onLost(code, reason);
  }
}

/** Sends at once what the server takes, and the rest a little later: what is over its limit it drops. */
class Pacer {
  #send;
  /** @type {string[]} */
  #queue = [];
  #left = BURST;
  #countedAt = performance.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(text: string) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** @param {string} text */
  send(text) {
    this.#queue.push(text);
    this.#flush();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #flush() {
    const now = performance.now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#countedAt) / 1000) * FRAMES_A_SECOND);
    this.#countedAt = now;
    for (; this.#left >= 1 && this.#queue.length > 0; this.#left -= 1) this.#send(this.#queue.shift() ?? "");
    clearTimeout(this.#timer);
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#flush(), 1000 / FRAMES_A_SECOND);
  }
}

/**
 * A frame, or null for what is none.
 * @param {unknown} data
 * @returns {Frame | null}
 */
function parse(data) {
  if (typeof data !== "string") return null;
  try {
    const frame = JSON.parse(data);
    return typeof frame?.type === "string" ? frame : null;
  } catch {
    return null;
  }
}

// One WebSocket's life: opened, signed in, watched, lost. Who needs another makes another.

/** @import { Frame, ReadyFrame, SentFrame } from "./types.d.ts" */

const READY_MS = 10_000; // to open and to be signed in
// The server may be busy with what a chat has missed, and a new socket would make it busier. So there is time:
const QUIET_PINGS = 2; // times `ping_seconds`, until it is asked whether it is there
const PONG_MS = 15_000; // and until it is given up

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
  /** When to give up, if nothing is heard before. */
  #giveUpAt = Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watch;
  #pacer = new Pacer((frame) => this.#socket.send(frame));

  /**
   * @param {string} url
   * @param {SentFrame} auth
   * @param {SocketListener} listener
   */
  constructor(url, auth, listener) {
    this.#listener = listener;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => this.send(auth);
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = ({ code, reason }) => this.#lose(code, reason);
    this.#watch = setTimeout(() => this.close(), READY_MS);
  }

  /** @param {SentFrame} frame */
  send(frame) {
    if (!this.#isLost) this.#pacer.send(frame);
  }

  /**
   * Ask whether anybody is there, and lose the socket when nothing at all comes: it does not notice by itself.
   * @param {number} [patience]  ms
   */
  probe(patience = PONG_MS) {
    if (this.#isLost || !this.#ready) return;
    const now = performance.now();
    this.#giveUpAt = Math.min(this.#giveUpAt, now + patience); // who asks again does not put it off
    this.send({ type: "ping" });
    clearTimeout(this.#watch);
    const end = () => (this.#giveUpAt === Infinity ? this.#watchOn() : this.close());
    this.#watch = setTimeout(end, this.#giveUpAt - now);
  }

  /** Close it; the listener hears so at once, whether or not the server ever answers. */
  close() {
    this.#lose(1006, "");
  }

  /** When nothing was heard for a while, ask. */
  #watchOn() {
    if (!this.#ready) return;
    const heardAt = this.#heardAt;
    const quiet = QUIET_PINGS * this.#ready.ping_seconds * 1000 - (performance.now() - heardAt);
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => (this.#heardAt === heardAt ? this.probe() : this.#watchOn()), quiet);
  }

  /** @param {unknown} data */
  #hear(data) {
    if (this.#isLost) return;
    this.#heardAt = performance.now();
    this.#giveUpAt = Infinity;
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

/**
 * Sends at once what the server takes, and the rest a little later: what is over its limit it drops. Of what
 * waits the latest counts, of each kind and chat, so that the queue is never longer than what there is to say.
 */
class Pacer {
  #send;
  /** @type {Map<string, SentFrame>} */
  #queue = new Map();
  #left = BURST;
  #countedAt = performance.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(text: string) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** @param {SentFrame} frame */
  send(frame) {
    this.#queue.set(topic(frame), frame);
    this.#flush();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#queue.clear();
  }

  #flush() {
    const now = performance.now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#countedAt) / 1000) * FRAMES_A_SECOND);
    this.#countedAt = now;
    for (const [key, frame] of this.#queue) {
      if (this.#left < 1) break;
      this.#left -= 1;
      this.#queue.delete(key);
      this.#send(JSON.stringify(frame));
    }
    clearTimeout(this.#timer);
    if (this.#queue.size > 0) this.#timer = setTimeout(() => this.#flush(), 1000 / FRAMES_A_SECOND);
  }
}

/**
 * What a frame is about: a later one of the same makes it needless.
 * @param {SentFrame} frame
 */
function topic(frame) {
  switch (frame.type) {
    case "subscribe":
    case "unsubscribe":
      return `subscription ${frame.chat_id}`;
    case "typing":
      return `typing ${frame.chat_id}`;
    default:
      return frame.type;
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

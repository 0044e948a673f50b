// The page that the widget is in. It is of another site, as a rule, and is told and asked things over a port that
// its launcher (static/widget.js) hands over. Without one the widget stands for itself, and is open.

import { Emitter } from "../core/emitter.js";

const ANSWER_MS = 15_000;

/**
 * What the page wants: `open` (whether somebody asked for it, who wants to write now), `close`, `warm` (somebody is
 * about to open it), `draft` (typed for him already), `user` (it knows who its user is), `context`, `logout`.
 * @extends {Emitter<{ open: boolean, close: null, warm: null, draft: string, user: string | null,
 *   context: Record<string, unknown>, logout: null }>}
 */
export class Host extends Emitter {
  /** @type {MessagePort | null} */
  #port = null;
  /** Told once there is a port. @type {object[]} */
  #waiting = [];
  /** @type {Map<number, (value: unknown) => void>} */
  #questions = new Map();
  #questionCount = 0;
  isOpen = parent === window;
  /** Whether it can say who its user is. */
  hasUser = false;

  /** Say that we are here, and wait for the page to answer; whoever has no page around does not wait. */
  meet() {
    if (parent === window) return Promise.resolve();
    const met = /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        addEventListener("message", (event) => {
          // What may frame us is said by the Content-Security-Policy; anybody else may still write to us.
          if (event.source !== parent || event.data?.type !== "baton:port" || !event.ports[0]) return;
          this.isOpen = event.data.isOpen === true;
          this.hasUser = event.data.hasUser === true;
          this.#take(event.ports[0]);
          resolve();
        });
      })
    );
    parent.postMessage("baton:hello", "*"); // there is nothing in it
    return met;
  }

  /** @param {object} message */
  tell(message) {
    if (this.#port) this.#port.postMessage(message);
    else if (parent !== window) this.#waiting.push(message);
  }

  /**
   * Have listeners of the page's own called.
   * @param {string} event
   * @param {object} [detail]
   */
  announce(event, detail = {}) {
    this.tell({ type: "event", event, detail });
  }

  /**
   * @param {"resume" | "token"} what
   * @returns {Promise<string | null>}
   */
  async ask(what) {
    if (!this.#port) return null;
    const id = (this.#questionCount += 1);
    const answer = new Promise((resolve) => {
      this.#questions.set(id, resolve);
      setTimeout(() => resolve(null), ANSWER_MS);
    });
    this.tell({ type: "ask", id, what });
    const value = await answer;
    this.#questions.delete(id);
    return typeof value === "string" && value !== "" ? value : null;
  }

  /** @param {MessagePort} port */
  #take(port) {
    this.#port?.close();
    this.#port = port;
    port.onmessage = ({ data }) => this.#hear(data);
    for (const message of this.#waiting.splice(0)) port.postMessage(message);
  }

  /** @param {any} message */
  #hear(message) {
    switch (message.type) {
      case "open":
        this.isOpen = true;
        return this.emit("open", message.isAsked !== false);
      case "close":
        this.isOpen = false;
        return this.emit("close", null);
      case "warm":
        return this.emit("warm", null);
      case "draft":
        return this.emit("draft", String(message.draft));
      case "user":
        this.hasUser = true;
        return this.emit("user", message.key);
      case "context":
        return this.emit("context", message.context);
      case "logout":
        this.hasUser = false;
        return this.emit("logout", null);
      case "answer":
        this.#questions.get(message.id)?.(message.value);
    }
  }
}

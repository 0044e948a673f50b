// What all elements of ours have in common: what they listen to ends with them, and they draw once a frame.

/** An element in light DOM. `connected` begins, `draw` shows what is the case. */
export class BatonElement extends HTMLElement {
  #abort = new AbortController();
  #isDrawing = false;
  /** @type {(() => void)[]} */
  #ends = [];
  /** @type {Map<string, HTMLElement>} */
  #parts = new Map();

  /** Aborts when the element leaves the page: for listeners and requests. */
  get signal() {
    return this.#abort.signal;
  }

  connectedCallback() {
    if (this.#abort.signal.aborted) this.#abort = new AbortController();
    this.connected();
    this.redraw();
  }

  disconnectedCallback() {
    this.#abort.abort();
    for (const end of this.#ends.splice(0)) end();
    this.disconnected();
  }

  /** The element is in the page: find parts, listen. */
  connected() {}

  /** It is not any more; listeners by `listen` and `keep` have ended. */
  disconnected() {}

  /** Show what is the case now. */
  draw() {}

  /** Have `draw` called before the next frame, however often this is asked for. */
  redraw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    beforeNextFrame(() => {
      this.#isDrawing = false;
      if (this.isConnected) this.draw();
    });
  }

  /**
   * Listen to an event, of this element unless another one is given.
   * @template {keyof HTMLElementEventMap} Name
   * @param {Name} name
   * @param {(event: HTMLElementEventMap[Name]) => void} listener
   * @param {EventTarget} [target]
   * @param {AddEventListenerOptions} [options]
   */
  listen(name, listener, target = this, options = {}) {
    target.addEventListener(name, /** @type {EventListener} */ (listener), { ...options, signal: this.signal });
  }

  /**
   * Keep something going that ends with the element: `this.keep(store.on("change", …))`.
   * @param {() => void} end
   */
  keep(end) {
    this.#ends.push(end);
  }

  /**
   * The one element in here that a selector finds.
   * @template {Element} [T=HTMLElement]
   * @param {string} selector
   * @returns {T}
   */
  find(selector) {
    const found = this.querySelector(selector);
    if (!found) throw new Error(`${this.localName} has no ${selector}`);
    return /** @type {T} */ (/** @type {unknown} */ (found));
  }

  /**
   * The part in here that has this name, `data-part`. It must stay what it is: it is looked for once, for to look
   * through hundreds of rows takes longer than to draw one.
   * @param {string} name
   */
  named(name) {
    const known = this.#parts.get(name) ?? this.find(`[data-part="${name}"]`);
    this.#parts.set(name, known);
    return known;
  }

  /**
   * Tell whoever is around it that something has happened.
   * @param {string} name
   * @param {unknown} [detail]
   */
  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

/** What is to be drawn. @type {(() => void)[]} */
const waiting = [];
const tasks = new MessageChannel();
let isFrameDue = false;

/**
 * Have something drawn in a task of its own, at most once a frame. In the frame itself it would add to what the
 * browser makes of it: styles, layout, paint. Hidden pages have no frames; there a timer draws, so that titles and
 * counts stay true.
 * @param {() => void} draw
 */
function beforeNextFrame(draw) {
  if (waiting.push(draw) === 1 && !isFrameDue) begin();
}

function begin() {
  if (document.visibilityState === "hidden") setTimeout(flush);
  else tasks.port2.postMessage(null);
}

function flush() {
  isFrameDue = document.visibilityState !== "hidden";
  if (isFrameDue) requestAnimationFrame(next);
  for (const draw of waiting.splice(0)) {
    try {
      draw();
    } catch (error) {
      reportError(error);
    }
  }
}

function next() {
  isFrameDue = false;
  if (waiting.length > 0) begin();
}

tasks.port1.onmessage = flush;
document.addEventListener("visibilitychange", next);

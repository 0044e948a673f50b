// The conversation on the screen. Of a long one only a window is in the page: lines are added at the end that is
// looked at and taken away at the far one. Whatever happens, what one reads stays where it is: at the end the view
// follows what comes, elsewhere the line at its top is the anchor.

/** @import { Entry } from "./entries.js" */
/** @import { Attachment } from "../core/types.d.ts" */

import { ApiError } from "../core/api.js";
import { BatonElement } from "../core/element.js";
import { fill, make, reconcile } from "../core/render.js";

const WINDOW = 120; // lines in the page, at most
const STEP = 15; // lines that are added in one frame: more would hold up everything else
const AT_FIRST = 60; // so many are there soon, one frame after the other
const NEAR = 400; // px from the first or last line in the page: the next ones are added
const STICKY = 100; // px from the end that still count as being there
const FOLD_LINES = 12;
const SKELETON_MS = 150; // before that nothing is shown: most chats are there sooner

/**
 * `<baton-thread>`, made by the macro `thread`. It tells `thread-read` when its end is in view, and
 * `thread-action` ({ action, entry, button }) when a button of a line is pressed.
 */
export class Thread extends BatonElement {
  /** @type {readonly Entry[]} */
  #entries = [];
  /** The window: entries from here to there are in the page. */
  #from = 0;
  #to = 0;
  #isAtEnd = true;
  #endTop = 0; // scrollTop when it was last sent to the end; less than that is somebody who scrolls up
  #isLoading = false;
  #isScrolled = false;
  #hasBeenBelowTop = false;
  /** @type {(() => Promise<boolean>) | null} */
  #loadOlder = null;
  /** @type {((attachments: Attachment[], list: Element) => void) | null} */
  #showAttachments = null;
  /** What each line was filled with. @type {WeakMap<Element, Entry>} */
  #shown = new WeakMap();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #skeletonTimer;
  /** @type {ResizeObserver | null} */
  #resizes = null;

  /** @override */
  connected() {
    const scroll = this.#scroll;
    this.listen("scroll", () => this.#scrolled(), scroll, { passive: true });
    this.listen("click", (event) => this.#clicked(event));
    this.listen("click", () => this.toEnd("smooth"), this.find(".thread-latest"));
    // The keyboard of a phone, a box that grows, a picture that is there at last.
    this.#resizes = new ResizeObserver(() => this.#isAtEnd && this.toEnd());
    this.#resizes.observe(scroll);
    this.#resizes.observe(this.#list);
  }

  /** @override */
  disconnected() {
    this.#resizes?.disconnect();
    clearTimeout(this.#skeletonTimer);
  }

  /**
   * Begin with another conversation: nothing is shown until `show`, a skeleton if that takes long.
   * @param {object} how
   * @param {() => Promise<boolean>} how.loadOlder  loads older lines; whether there are more
   * @param {(attachments: Attachment[], list: Element) => void} how.showAttachments
   */
  open({ loadOlder, showAttachments }) {
    this.#loadOlder = loadOlder;
    this.#showAttachments = showAttachments;
    this.#entries = [];
    this.#from = this.#to = 0;
    this.#isAtEnd = true;
    this.#endTop = 0;
    this.#hasBeenBelowTop = false;
    this.#list.replaceChildren();
    this.typing("");
    clearTimeout(this.#skeletonTimer);
    this.#skeletonTimer = setTimeout(() => (this.#skeleton.hidden = false), SKELETON_MS);
  }

  /**
   * Show these lines. Those that are there already stay what they are.
   * @param {readonly Entry[]} entries
   */
  show(entries) {
    clearTimeout(this.#skeletonTimer);
    this.#skeleton.hidden = true;
    // Lines between days are at other places when there are older messages.
    const first = this.#entries.slice(this.#from, this.#to).find((entry) => entry.kind !== "divider");
    this.#lookIfScrolled();
    const wasAtEnd = this.#isAtEnd || this.#entries.length === 0;
    const lastIsMine = entries.at(-1)?.["side"] === "mine" && entries.at(-1)?.key !== this.#entries.at(-1)?.key;
    let from = first ? entries.findIndex((entry) => entry.key === first.key) : -1;
    while (entries[from - 1]?.kind === "divider") from -= 1;
    const size = this.#to - this.#from;
    const isFollowed = this.#to === this.#entries.length; // the last line is in the page
    this.#entries = entries;
    if (wasAtEnd || lastIsMine) {
      this.#to = entries.length;
      this.#from = Math.max(0, this.#to - WINDOW, isFollowed && from !== -1 ? from : this.#to - STEP);
    } else {
      // Older lines come at once where the first one is in the page: it is about to lose its name, and the day above it.
      this.#from = Math.max(0, this.#from === 0 ? from - STEP : from);
      this.#to = Math.min(entries.length, Math.max(0, from) + Math.max(size, STEP), this.#from + WINDOW);
    }
    this.#render();
    if (wasAtEnd || lastIsMine) this.toEnd();
    this.#showLatest();
    this.redraw();
  }

  /**
   * Say who is typing; an empty text: nobody.
   * @param {string} text
   */
  typing(text) {
    const line = this.find(".thread-typing");
    if (line.textContent !== text) line.textContent = text;
  }

  /**
   * Go to the newest line.
   * @param {ScrollBehavior} [behavior]
   */
  toEnd(behavior = "instant") {
    if (this.#to < this.#entries.length) {
      this.#to = this.#entries.length;
      this.#from = Math.max(0, this.#to - STEP);
      this.#render();
      this.redraw();
    }
    this.#isAtEnd = true;
    this.#scroll.scrollTo({ top: this.#scroll.scrollHeight, behavior });
    this.#endTop = this.#scroll.scrollTop;
    if (this.#endTop >= STICKY) this.#hasBeenBelowTop = true; // somebody may scroll up before we hear of this
    this.#showLatest();
  }

  /**
   * Bring a message into view, and the keyboard's focus to it; false: it is not loaded.
   * @param {number} seq
   */
  reveal(seq) {
    const place = this.#entries.findIndex((entry) => entry["seq"] === seq);
    if (place === -1) return false;
    if (place < this.#from || place >= this.#to) {
      this.#from = Math.max(0, place - STEP);
      this.#to = Math.min(this.#entries.length, place + STEP);
      this.#render();
    }
    const line = /** @type {HTMLElement | null} */ (this.#list.querySelector(`[data-seq="${seq}"]`));
    this.#isAtEnd = false;
    line?.scrollIntoView({ block: "center" });
    line?.setAttribute("tabindex", "-1");
    line?.focus({ preventScroll: true });
    line?.setAttribute("data-revealed", "");
    return true;
  }

  /** Whether the newest line is in view. */
  get isAtEnd() {
    return this.#isAtEnd;
  }

  get #scroll() {
    return this.find(".thread-scroll");
  }

  get #list() {
    return this.find(".thread-entries");
  }

  get #skeleton() {
    return this.find(".thread-skeleton");
  }

  /** Put the window into the page; what is at the top of the view stays there. */
  #render() {
    const anchor = this.#isAtEnd ? null : this.#anchor();
    reconcile(this.#list, this.#entries.slice(this.#from, this.#to), {
      key: (entry) => entry.key,
      make: (entry) => this.#make(entry),
      update: (line, entry) => this.#update(line, entry),
    });
    if (anchor?.line.isConnected) this.#scroll.scrollTop += anchor.line.getBoundingClientRect().bottom - anchor.bottom;
    // Lines that do not fill the view yet would move when those above them come, a frame later: they stay hidden.
    const isFilling = this.#isAtEnd && this.#from > 0 && this.#to - this.#from < AT_FIRST;
    this.#list.toggleAttribute("data-filling", isFilling && this.#list.offsetHeight < this.#scroll.clientHeight);
  }

  /** @param {Entry} entry */
  #make(entry) {
    const line = make(entry.kind);
    this.#update(line, entry);
    return line;
  }

  /**
   * @param {Element} line
   * @param {Entry} entry
   */
  #update(line, entry) {
    const known = this.#shown.get(line);
    if (known && isSame(known, entry)) return;
    this.#shown.set(line, entry);
    fill(line, entry);
    if (entry.kind !== "message") return;
    const list = line.querySelector(".attachments");
    if (list && known?.["attachments"] !== entry["attachments"]) {
      this.#showAttachments?.(/** @type {Attachment[]} */ (entry["attachments"]), list);
    }
    if (known?.["content"] !== entry["content"]) fold(line, String(entry["content"]));
  }

  /** The first line that reaches into the view, and where it ends: a name above its text may go, or come. */
  #anchor() {
    const { top } = this.#scroll.getBoundingClientRect();
    for (const line of this.#list.children) {
      const box = line.getBoundingClientRect();
      if (box.bottom > top && !line.matches(".divider")) return { line, bottom: box.bottom };
    }
    return null;
  }

  #scrolled() {
    this.#look();
    this.#isScrolled = true;
    this.redraw();
  }

  /** See where in the conversation one is. */
  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    const isAtEnd = this.#to === this.#entries.length && scrollHeight - scrollTop - clientHeight < STICKY;
    if (isAtEnd && !this.#isAtEnd) this.tell("thread-read");
    this.#isAtEnd = isAtEnd;
    // A first line that was never out of sight asks for nothing: the page has only just been filled.
    if (scrollTop >= STICKY) this.#hasBeenBelowTop = true;
    this.#showLatest();
  }

  /** Events tell of scrolling with the next frame; until then nothing may take one back to the end. */
  #lookIfScrolled() {
    if (!this.#isAtEnd || this.#scroll.scrollTop < this.#endTop) this.#look();
  }

  /** @override  adds lines once a frame, until there are enough of them around what is in view */
  draw() {
    const isScrolled = this.#isScrolled;
    this.#isScrolled = false;
    this.#lookIfScrolled();
    if (this.#isAtEnd && this.#from > 0 && this.#to - this.#from < AT_FIRST) return this.#addAbove();
    if (this.#isAtEnd && !isScrolled) return;
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    if (scrollTop < NEAR && this.#hasBeenBelowTop) void this.#up();
    else if (scrollHeight - scrollTop - clientHeight < NEAR && this.#to < this.#entries.length) this.#down();
  }

  #addAbove() {
    this.#from = Math.max(0, this.#from - STEP);
    this.#to = Math.min(this.#to, this.#from + WINDOW);
    this.#render();
    if (this.#isAtEnd) this.toEnd();
    this.redraw();
  }

  /** Older lines into the page, and into the browser where there are none left. */
  async #up() {
    if (this.#isLoading) return;
    if (this.#from > 0) return this.#addAbove();
    if (!this.#loadOlder) return;
    this.#isLoading = true;
    const told = this.find(".thread-older");
    const timer = setTimeout(() => (told.hidden = false), SKELETON_MS);
    try {
      const hasMore = await this.#loadOlder();
      if (!hasMore) this.#loadOlder = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the next time one comes up here it is tried again
    } finally {
      clearTimeout(timer);
      told.hidden = true;
      this.#isLoading = false; // the lines come by `show`, in front of those that are in the page
    }
  }

  #down() {
    this.#to = Math.min(this.#entries.length, this.#to + STEP);
    this.#from = Math.max(this.#from, this.#to - WINDOW);
    this.#render();
    this.redraw();
  }

  #showLatest() {
    this.find(".thread-latest").hidden = this.#isAtEnd;
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const button = event.target instanceof Element ? event.target.closest("button[data-action]") : null;
    const line = button?.closest("[data-key]");
    if (!(button instanceof HTMLElement) || !line) return;
    if (button.dataset["action"] === "unfold") {
      line.removeAttribute("data-folded");
      button.hidden = true;
      return;
    }
    this.tell("thread-action", { action: button.dataset["action"], entry: this.#shown.get(line), button });
  }
}

/**
 * A long text shows its beginning until one asks for the rest.
 * @param {Element} line
 * @param {string} text
 */
function fold(line, text) {
  const unfold = line.querySelector(".message-unfold");
  if (!(unfold instanceof HTMLElement)) return;
  const isLong = text.length > FOLD_LINES * 90 || text.split("\n", FOLD_LINES + 1).length > FOLD_LINES;
  unfold.hidden = !isLong;
  line.toggleAttribute("data-folded", isLong);
}

/**
 * @param {Entry} one
 * @param {Entry} other
 */
function isSame(one, other) {
  if (one === other) return true;
  const names = Object.keys(other);
  return names.length === Object.keys(one).length && names.every((name) => one[name] === other[name]);
}

customElements.define("baton-thread", Thread);

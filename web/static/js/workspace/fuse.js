// In the last minute before a hold becomes idle a fuse burns along the reply box.

import { BatonElement } from "../core/element.js";
import { gettext } from "../core/i18n.js";

const BURNS_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** `<baton-fuse>`: it tells `fuse-keep` when its button is pressed. */
export class Fuse extends BatonElement {
  /** @type {string | null} */
  #until = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @override */
  connected() {
    this.listen("click", () => this.tell("fuse-keep"), this.find("button"));
    this.keep(() => clearTimeout(this.#timer));
  }

  /** Whether the last minute has begun. */
  get isBurning() {
    return !this.hasAttribute("hidden");
  }

  /** @param {string | null} until  when the hold becomes idle; null: never */
  set until(until) {
    if (until === this.#until) return;
    this.#until = until;
    this.draw();
  }

  /** @override */
  draw() {
    clearTimeout(this.#timer);
    const left = this.#until === null ? Infinity : Date.parse(this.#until) - Date.now();
    const isBurning = left < BURNS_MS;
    if (isBurning) this.#burn(left);
    this.toggleAttribute("hidden", !isBurning);
    if (left === Infinity) return;
    const wait = isBurning ? 500 : Math.min(left - BURNS_MS + 50, LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.draw(), wait);
  }

  /** @param {number} left  ms */
  #burn(left) {
    const line = this.find(".fuse-line");
    if (!this.isBurning || line.dataset["until"] !== this.#until) {
      line.dataset["until"] = this.#until ?? "";
      line.style.setProperty("animation-delay", `${Math.round(left - BURNS_MS)}ms`);
      line.replaceWith(line.cloneNode()); // begins to burn anew
    }
    const text = gettext("Nobody seems to work on this: it goes back to the queue. Any key keeps it.");
    const place = this.find('[role="alert"]');
    if (place.textContent !== text) place.textContent = text;
    this.find(".number").textContent = gettext("%(num)s s", { num: Math.max(0, Math.ceil(left / 1000)) });
  }
}

customElements.define("baton-fuse", Fuse);

// Completion in a text field: a sign such as `/`, `@` or `:` at the beginning of a word opens a list, which is made
// smaller by what is typed on. One list for all signs.

import { announce } from "../core/announce.js";
import { ngettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";

/**
 * @typedef {object} Option
 * @property {string} key
 * @property {string} label
 * @property {string} insert            the text that takes the sign's and the query's place
 * @property {string} [sign]            shown in front
 * @property {string} [detail]
 * @property {() => void} [onChosen]
 */

/**
 * @typedef {object} Completer
 * @property {string} trigger           one character
 * @property {number} [shortest]        how much must be typed after it, 0 unless said
 * @property {(query: string) => Option[] | Promise<Option[]>} find
 */

const MOST = 50;

/** The list of one text field. It is shown above the field, and the keyboard stays in the field. */
export class Completion {
  #field;
  #list;
  /** @type {Completer[]} */
  #completers = [];
  /** @type {Option[]} */
  #options = [];
  #selected = 0;
  /** Where the sign stands, and whose it is. @type {{ start: number, completer: Completer } | null} */
  #open = null;
  #round = 0;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {HTMLElement} list  a popover with the role listbox
   * @param {AbortSignal} signal  ends it
   */
  constructor(field, list, signal) {
    this.#field = field;
    this.#list = list;
    list.id ||= `${field.id}-options`;
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", list.id);
    field.addEventListener("input", () => void this.#look(), { signal });
    field.addEventListener("click", () => void this.#look(), { signal });
    field.addEventListener("blur", () => this.close(), { signal });
    // Pressing would take the focus from the field.
    list.addEventListener("mousedown", (event) => event.preventDefault(), { signal });
    list.addEventListener("click", (event) => this.#clicked(event), { signal });
  }

  /** @param {Completer} completer */
  add(completer) {
    this.#completers.push(completer);
  }

  /** Whether the list is open: Enter, Tab, Escape and the arrows are its then. */
  get isOpen() {
    return this.#open !== null && this.#options.length > 0;
  }

  /**
   * Take a key that is the list's.
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was
   */
  takes(event) {
    if (!this.isOpen || event.isComposing) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#select((this.#selected + step + this.#options.length) % this.#options.length);
    else if (event.key === "Enter" || event.key === "Tab") this.#choose(this.#options[this.#selected]);
    else if (event.key === "Escape") this.close();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  close() {
    this.#open = null;
    this.#round += 1;
    this.#options = [];
    this.#field.removeAttribute("aria-activedescendant");
    if (this.#list.matches(":popover-open")) this.#list.hidePopover();
  }

  async #look() {
    const { value, selectionStart, selectionEnd } = this.#field;
    const match = selectionStart === selectionEnd ? /(?:^|\s)(\S)([^\s]*)$/.exec(value.slice(0, selectionStart)) : null;
    const completer = this.#completers.find((each) => each.trigger === match?.[1]);
    const query = match?.[2] ?? "";
    if (!completer || query.length < (completer.shortest ?? 0)) return this.close();
    const round = (this.#round += 1);
    const options = await completer.find(query.toLocaleLowerCase());
    if (round !== this.#round) return;
    const wasOpen = this.isOpen;
    this.#open = { start: selectionStart - query.length - 1, completer };
    this.#options = options.slice(0, MOST);
    if (!this.isOpen) return this.close();
    this.#selected = 0;
    if (!this.#list.matches(":popover-open")) this.#list.showPopover();
    this.#draw();
    if (!wasOpen) announce(ngettext("%(num)s suggestion", "%(num)s suggestions", this.#options.length));
  }

  /** @param {number} place */
  #select(place) {
    this.#selected = place;
    this.#draw();
  }

  #draw() {
    /** @param {Option} option */
    const shown = (option) => {
      const place = this.#options.indexOf(option);
      const isSelected = place === this.#selected;
      return { ...option, id: `${this.#list.id}-${place}`, is_selected: String(isSelected) };
    };
    reconcile(this.#list, this.#options, {
      key: (option) => option.key,
      make: (option) => make("option", shown(option)),
      update: (line, option) => fill(line, shown(option)),
    });
    const selected = this.#list.children[this.#selected];
    selected?.scrollIntoView({ block: "nearest" });
    if (selected) this.#field.setAttribute("aria-activedescendant", selected.id);
    this.#place();
  }

  /** Above the field, or beneath it where there is no room. */
  #place() {
    const field = this.#field.getBoundingClientRect();
    const { style } = this.#list;
    const height = this.#list.offsetHeight;
    const isRightToLeft = getComputedStyle(this.#field).direction === "rtl";
    style.setProperty("top", `${field.top - height - 8 > 0 ? field.top - height - 8 : field.bottom + 8}px`);
    style.setProperty("left", isRightToLeft ? "auto" : `${field.left}px`);
    style.setProperty("right", isRightToLeft ? `${innerWidth - field.right}px` : "auto");
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const line = event.target instanceof Element ? event.target.closest('[role="option"]') : null;
    if (line) this.#choose(this.#options[[...this.#list.children].indexOf(line)]);
  }

  /** @param {Option | undefined} option */
  #choose(option) {
    const at = this.#open;
    if (!option || !at) return;
    const end = this.#field.selectionStart;
    this.close();
    this.#field.setRangeText(option.insert, at.start, end, "end");
    option.onChosen?.();
    this.#field.dispatchEvent(new Event("input", { bubbles: true }));
    this.close(); // what was put in is no new query
  }
}

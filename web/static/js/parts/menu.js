// Menus that open beside a button. Those of the workspace share the page's element `#menu`.

import { make, reconcile } from "../core/render.js";

const GAP = 4; // px

/**
 * @typedef {object} MenuItem
 * @property {string} value
 * @property {string} label
 * @property {string} [detail]
 * @property {string} [key]     the key that does the same
 * @property {string} [status]  shown as a person's presence
 * @property {"plain" | "line" | "danger"} [kind]  line: begins another group
 * @property {boolean} [is_disabled]
 */

/**
 * Show a menu until something is chosen in it or it is left.
 * @param {HTMLElement} button  beside which it opens; the keyboard comes back to it
 * @param {readonly MenuItem[]} items
 * @param {string} label        what it is called
 * @returns {Promise<string | null>} the value that was chosen
 */
export function showMenu(button, items, label) {
  const menu = /** @type {HTMLElement} */ (document.getElementById("menu"));
  if (menu.matches(":popover-open")) menu.hidePopover(); // another one's
  menu.setAttribute("aria-label", label);
  menu.replaceChildren();
  reconcile(menu, items, { key: (item) => item.value, make: (item) => make("menu-item", { ...item }) });
  return new Promise((resolve) => {
    /** @type {string | null} */
    let value = null;
    const signal = openMenu(menu, button);
    signal.addEventListener("abort", () => resolve(value));
    menu.addEventListener(
      "click",
      (event) => {
        const chosen = event.target instanceof Element ? event.target.closest("[data-value]") : null;
        if (!chosen || chosen.ariaDisabled === "true") return;
        value = chosen.getAttribute("data-value");
        menu.hidePopover();
      },
      { signal },
    );
  });
}

/**
 * Open a menu beside a button and put the keyboard into it; when it closes, the keyboard is back at the button.
 * @param {HTMLElement} menu  with `popover`
 * @param {HTMLElement} button
 * @returns {AbortSignal} aborts when it closes
 */
export function openMenu(menu, button) {
  const done = new AbortController();
  const { signal } = done;
  menu.showPopover();
  placeBeside(menu, button);
  button.ariaExpanded = "true";
  menu.addEventListener("keydown", (event) => move(event, menu), { signal });
  // Not `toggle`: of a menu that closes and opens again at once, as at another button, that tells nothing.
  menu.addEventListener(
    "beforetoggle",
    (event) => {
      if (event.newState !== "closed") return;
      button.ariaExpanded = "false";
      if (menu.contains(document.activeElement) || document.activeElement === document.body) button.focus();
      done.abort();
    },
    { signal },
  );
  choices(menu)[0]?.focus();
  return signal;
}

/**
 * Put something that floats under a button, or over it, where there is more room; within the window.
 * @param {HTMLElement} floating
 * @param {HTMLElement} button
 */
export function placeBeside(floating, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = floating;
  const isOver = at.bottom + GAP + height > innerHeight && at.top - GAP - height >= 0;
  const isAtStart = at.left + width <= innerWidth && (document.dir !== "rtl" || at.right - width < 0);
  const left = isAtStart ? at.left : at.right - width;
  const top = isOver ? at.top - GAP - height : at.bottom + GAP;
  floating.style.setProperty("left", `${Math.max(GAP, Math.min(left, innerWidth - width - GAP))}px`);
  floating.style.setProperty("top", `${Math.max(GAP, Math.min(top, innerHeight - height - GAP))}px`);
}

/**
 * The arrows go round.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} menu
 */
function move(event, menu) {
  const all = choices(menu);
  const place = all.findIndex((choice) => choice === document.activeElement);
  const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || all.length === 0) return;
  event.preventDefault();
  all.at(to % all.length)?.focus();
}

/** @param {HTMLElement} menu */
function choices(menu) {
  return [...menu.querySelectorAll("button")].filter((each) => each.offsetParent !== null);
}

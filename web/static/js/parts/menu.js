// Menus that open beside a button: the page has one element `#menu` for all of them, a popover.

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
 * Open a menu, until something is chosen in it or it is left.
 * @param {HTMLElement} button  beside which it opens; the keyboard comes back to it
 * @param {readonly MenuItem[]} items
 * @param {string} label        what it is called
 * @returns {Promise<string | null>} the value that was chosen
 */
export function showMenu(button, items, label) {
  const menu = /** @type {HTMLElement} */ (document.getElementById("menu"));
  const done = new AbortController();
  const { signal } = done;
  menu.setAttribute("aria-label", label);
  menu.replaceChildren();
  reconcile(menu, items, { key: (item) => item.value, make: (item) => make("menu-item", { ...item }) });
  const buttons = /** @type {HTMLElement[]} */ ([...menu.children]);
  return new Promise((resolve) => {
    /** @param {string | null} value */
    const end = (value) => {
      if (signal.aborted) return;
      done.abort();
      button.ariaExpanded = "false";
      const hadFocus = menu.contains(document.activeElement) || document.activeElement === document.body;
      menu.hidePopover();
      if (hadFocus) button.focus();
      resolve(value);
    };
    menu.addEventListener("toggle", (event) => event.newState === "closed" && end(null), { signal });
    menu.addEventListener(
      "click",
      (event) => {
        const chosen = event.target instanceof Element ? event.target.closest("[data-value]") : null;
        if (chosen && chosen.ariaDisabled !== "true") end(chosen.getAttribute("data-value"));
      },
      { signal },
    );
    menu.addEventListener("keydown", (event) => move(event, buttons), { signal });
    button.ariaExpanded = "true";
    menu.showPopover();
    placeBeside(menu, button);
    buttons[0]?.focus();
  });
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
 * @param {KeyboardEvent} event
 * @param {HTMLElement[]} buttons
 */
function move(event, buttons) {
  const place = buttons.findIndex((button) => button === document.activeElement);
  const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  buttons.at(to % buttons.length)?.focus();
}

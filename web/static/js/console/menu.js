// A list of things to do that comes up beside what was pressed.

import { placeBeside } from "../parts/menu.js";

/**
 * Show a popover beside a button, and put the keyboard into it; when it closes, the keyboard is back at the button.
 * @param {HTMLElement} menu  with `popover`
 * @param {HTMLElement} button
 */
export function openMenu(menu, button) {
  menu.showPopover();
  placeBeside(menu, button);
  button.setAttribute("aria-expanded", "true");
  const done = new AbortController();
  const { signal } = done;
  menu.addEventListener("keydown", (event) => move(menu, event), { signal });
  menu.addEventListener(
    "toggle",
    (event) => {
      if (/** @type {ToggleEvent} */ (event).newState !== "closed") return;
      done.abort();
      button.removeAttribute("aria-expanded");
      if (document.activeElement === document.body || menu.contains(document.activeElement)) button.focus();
    },
    { signal },
  );
  choices(menu)[0]?.focus();
}

/**
 * @param {HTMLElement} menu
 * @param {KeyboardEvent} event
 */
function move(menu, event) {
  const all = choices(menu);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || all.length === 0) return;
  event.preventDefault();
  all[(to + all.length) % all.length]?.focus();
}

/** @param {HTMLElement} menu */
function choices(menu) {
  return /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("button")].filter((each) => each.offsetParent !== null));
}

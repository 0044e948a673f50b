// Short sentences about what has just happened, at the edge of the page, with at most one thing to do about it.

import { fill, make } from "../core/render.js";

const SHOWN_MS = 6_000;

/**
 * @param {string} text
 * @param {object} [how]
 * @param {string} [how.label]     of the button
 * @param {() => void} [how.run]   what it does
 * @param {"plain" | "problem"} [how.kind]
 */
export function toast(text, { label, run, kind = "plain" } = {}) {
  const place = document.querySelector('[data-part="toasts"]');
  if (!(place instanceof HTMLElement)) return;
  const made = make("toast");
  fill(made, { text, label: label ?? null, kind });
  const end = () => {
    clearTimeout(timer);
    made.remove();
    if (place.childElementCount === 0) place.hidePopover();
  };
  let timer = setTimeout(end, SHOWN_MS);
  // It stays while one is at it. A finger that lets go of it has left it, too: its press comes after that.
  const stay = () => clearTimeout(timer);
  const goOn = () => {
    clearTimeout(timer);
    timer = setTimeout(end, SHOWN_MS);
  };
  for (const name of ["pointerenter", "focusin"]) made.addEventListener(name, stay);
  for (const name of ["pointerleave", "focusout"]) made.addEventListener(name, goOn);
  made.querySelector("button")?.addEventListener("click", () => {
    end();
    run?.();
  });
  place.append(made);
  // Shown again, it is over a dialog that has opened since.
  if (place.matches(":popover-open")) place.hidePopover();
  place.showPopover();
}

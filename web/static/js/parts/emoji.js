// Emoji: found by name, in the picker and after `:`. The list is fetched when it is first needed.

/** @import { Option } from "./complete.js" */

import { language } from "../core/i18n.js";
import { make } from "../core/render.js";
import { Store } from "../core/storage.js";

const RECENT = 16;
const SHOWN = 240; // in the picker without a search

/** @type {Promise<[string, string][]> | null} */
let loading = null;
const store = new Store("baton:emoji:");

/** All of them with their names, what is used most first. */
async function all() {
  loading ??= fetch(`${document.querySelector('meta[name="baton-static"]')?.getAttribute("content")}emoji.${language}.json`)
    .then((response) => (response.ok ? response.json() : []))
    .catch(() => {
      loading = null; // the next one tries again
      return [];
    });
  return /** @type {Promise<[string, string][]>} */ (loading);
}

/**
 * @param {string} query  in lower case
 * @returns {Promise<[string, string][]>} emoji and names; those whose name begins with it first
 */
async function search(query) {
  const found = (await all()).filter(([, name]) => name.includes(query));
  return found.sort(([, one], [, other]) => Number(other.startsWith(query)) - Number(one.startsWith(query)));
}

/** @returns {string[]} */
function recent() {
  const kept = store.all().get("recent");
  return Array.isArray(kept) ? kept.filter((sign) => typeof sign === "string") : [];
}

/** @param {string} sign */
function remember(sign) {
  store.set("recent", [sign, ...recent().filter((each) => each !== sign)].slice(0, RECENT));
}

/** For `:`. @type {import("./complete.js").Completer} */
export const emojiCompleter = {
  trigger: ":",
  shortest: 2,
  async find(query) {
    return (await search(query.replaceAll("_", " "))).slice(0, 20).map(
      /** @returns {Option} */
      ([sign, name]) => ({ key: sign, sign, label: name, insert: sign, onChosen: () => remember(sign) }),
    );
  },
};

/**
 * Let a button open the picker.
 * @param {object} parts
 * @param {HTMLElement} parts.button
 * @param {HTMLElement} parts.picker        a popover with a search field and `.emoji-grid`
 * @param {(sign: string) => void} parts.onChosen
 * @param {AbortSignal} signal
 */
export function setUpPicker({ button, picker, onChosen }, signal) {
  const field = /** @type {HTMLInputElement} */ (picker.querySelector("input"));
  const grid = /** @type {HTMLElement} */ (picker.querySelector(".emoji-grid"));
  let round = 0;

  const draw = async () => {
    const mine = (round += 1);
    const query = field.value.trim().toLocaleLowerCase();
    const names = new Map(await all());
    const first = query ? [] : recent().map((sign) => /** @type {[string, string]} */ ([sign, names.get(sign) ?? sign]));
    const rest = (await search(query)).filter(([sign]) => !first.some(([other]) => other === sign));
    if (mine !== round) return;
    grid.replaceChildren(...[...first, ...rest].slice(0, SHOWN).map(([sign, name]) => make("emoji", { sign, name })));
  };

  // The browser's own way: a click that closes it by being outside of it does not open it again.
  /** @type {HTMLButtonElement} */ (button).popoverTargetElement = picker;
  picker.addEventListener(
    "toggle",
    (event) => {
      const isOpen = event instanceof ToggleEvent && event.newState === "open";
      button.setAttribute("aria-expanded", String(isOpen));
      if (!isOpen) return;
      const at = button.getBoundingClientRect();
      picker.style.setProperty("bottom", `${innerHeight - at.top + 8}px`);
      const start = Math.max(8, Math.min(at.left, innerWidth - picker.offsetWidth - 8));
      picker.style.setProperty("left", `${start}px`);
      field.value = "";
      field.focus();
      void draw();
    },
    { signal },
  );
  field.addEventListener("input", () => void draw(), { signal });
  field.addEventListener(
    "keydown",
    (event) => {
      const first = grid.querySelector("button");
      if (event.key === "Enter" && first) {
        event.preventDefault();
        first.click();
      } else if (event.key === "ArrowDown" && first) {
        event.preventDefault();
        first.focus();
      }
    },
    { signal },
  );
  grid.addEventListener("keydown", (event) => move(event, grid), { signal });
  grid.addEventListener(
    "click",
    (event) => {
      const chosen = event.target instanceof Element ? event.target.closest("button") : null;
      if (!chosen) return;
      const sign = chosen.textContent ?? "";
      remember(sign);
      picker.hidePopover();
      onChosen(sign);
    },
    { signal },
  );
}

/**
 * The arrows move in the grid.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} grid
 */
function move(event, grid) {
  const buttons = [...grid.querySelectorAll("button")];
  const place = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
  if (place === -1) return;
  const columns = buttons.findIndex((button) => button.offsetTop > (buttons[0]?.offsetTop ?? 0));
  const sideways = getComputedStyle(grid).direction === "rtl" ? -1 : 1;
  const step = { ArrowRight: sideways, ArrowLeft: -sideways, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (!step) return;
  event.preventDefault();
  buttons[Math.max(0, Math.min(buttons.length - 1, place + step))]?.focus();
}

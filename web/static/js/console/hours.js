// Business hours as rows of a form.

/** @import { Day, WidgetSettings } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { make } from "../core/render.js";

/** @typedef {WidgetSettings["business_hours"]} Hours */

/**
 * Show these hours in the rows of the days.
 * @param {HTMLElement} days
 * @param {Hours} hours
 */
export function showHours(days, hours) {
  for (const row of rowsOf(days)) {
    const spans = hours[dayOf(row)] ?? [];
    listOf(row).replaceChildren(...spans.map(([from, to]) => spanOf(row, from, to)));
    mark(row);
  }
}

/**
 * What hours the rows say; days without any are left out.
 * @param {HTMLElement} days
 * @returns {Hours}
 */
export function hoursOf(days) {
  /** @type {Hours} */
  const hours = {};
  for (const row of rowsOf(days)) {
    const spans = [...listOf(row).children].map((item) => {
      const [from, to] = [...item.querySelectorAll("input")].map(({ value }) => value);
      // Midnight at the end of a day is the end of it.
      return /** @type {[string, string]} */ ([from ?? "", to === "00:00" ? "24:00" : (to ?? "")]);
    });
    if (spans.length > 0) hours[dayOf(row)] = spans;
  }
  return hours;
}

/**
 * Whether it was a button of the rows that was pressed, which is then done.
 * @param {string} action
 * @param {HTMLElement} button
 */
export function changeHours(action, button) {
  const row = /** @type {HTMLElement | null} */ (button.closest(".day"));
  if (!row || !["add-span", "remove-span"].includes(action)) return false;
  if (action === "remove-span") {
    button.closest("li")?.remove();
    row.querySelector("button")?.focus();
  } else {
    const last = [...listOf(row).querySelectorAll("input")].at(-1)?.value;
    const made = last ? spanOf(row, later(last, 1), later(last, 4)) : spanOf(row, "09:00", "17:00");
    listOf(row).append(made);
    made.querySelector("input")?.focus();
  }
  mark(row);
  return true;
}

/**
 * @param {HTMLElement} row
 * @param {string} from
 * @param {string} to
 */
function spanOf(row, from, to) {
  const day = row.querySelector(".day-name")?.textContent ?? "";
  const made = make("day-span", {
    from_label: gettext("%(day)s from", { day }),
    to_label: gettext("%(day)s to", { day }),
  });
  const [first, second] = made.querySelectorAll("input");
  if (first) first.value = from;
  if (second) second.value = to === "24:00" ? "00:00" : to;
  return made;
}

/**
 * @param {string} time  as 17:00
 * @param {number} hours
 */
function later(time, hours) {
  const hour = Math.min(23, Number(time.slice(0, 2)) + hours);
  return `${String(hour).padStart(2, "0")}:${hour === 23 ? "30" : time.slice(3)}`;
}

/** @param {HTMLElement} row */
function mark(row) {
  row.toggleAttribute("data-closed", listOf(row).childElementCount === 0);
}

/**
 * @param {HTMLElement} days
 * @returns {HTMLElement[]}
 */
function rowsOf(days) {
  return [...days.querySelectorAll("[data-day]")].filter((each) => each instanceof HTMLElement);
}

/** @param {HTMLElement} row */
function dayOf(row) {
  return /** @type {Day} */ (row.dataset["day"]);
}

/** @param {HTMLElement} row */
function listOf(row) {
  return /** @type {HTMLElement} */ (row.querySelector(".day-spans"));
}

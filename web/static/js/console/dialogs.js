// Forms over the page: they keep what was typed until the server has taken it, and say what is wrong beside the field.

import { clearProblems, isComplete, showRefusal, valuesOf } from "../parts/forms.js";

/**
 * @typedef {object} Asking
 * @property {string} [title]        instead of the dialog's own
 * @property {string} [submit]       what the main button says, instead of its own words
 * @property {Record<string, unknown>} [values]  what the fields begin with, by their names; the others begin empty
 * @property {(values: Record<string, string | boolean>) => Promise<unknown>} save  throws what the server refuses
 */

/**
 * Show a form; resolved when it is closed: whether it was saved.
 * @param {string} id
 * @param {Asking} asking
 * @returns {Promise<boolean>}
 */
export function ask(id, { title, submit, values = {}, save }) {
  const dialog = dialogOf(id);
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector('[data-part="submit"]'));
  const done = new AbortController();
  const { signal } = done;
  form.reset();
  clearProblems(form);
  setValues(form, values);
  setText(dialog, "title", title);
  setText(dialog, "submit", submit);
  return new Promise((resolve) => {
    let isSaved = false;
    dialog.addEventListener("close", () => (done.abort(), resolve(isSaved)), { signal });
    dialog.addEventListener("click", (event) => isCancel(event) && dialog.close(), { signal });
    form.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        if (button.ariaDisabled === "true" || !isComplete(form)) return;
        button.ariaDisabled = "true";
        try {
          await save(valuesOf(form));
          isSaved = true;
          dialog.close();
        } catch (error) {
          showRefusal(form, error);
        } finally {
          button.ariaDisabled = "false";
        }
      },
      { signal },
    );
    dialog.showModal();
  });
}

/**
 * Put values into the fields of these names; true and false into check boxes.
 * @param {HTMLFormElement} form
 * @param {Record<string, unknown>} values
 */
export function setValues(form, values) {
  for (const element of form.elements) {
    if (!(element instanceof HTMLInputElement || element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement)) continue;
    if (!Object.hasOwn(values, element.name)) continue;
    const value = values[element.name];
    if (element instanceof HTMLInputElement && element.type === "checkbox") element.checked = value === true;
    else if (element instanceof HTMLInputElement && element.type === "radio") element.checked = element.value === value;
    else element.value = value === null || value === undefined ? "" : String(value);
  }
}

/** @param {string} id */
export function dialogOf(id) {
  const dialog = document.getElementById(id);
  if (!(dialog instanceof HTMLDialogElement)) throw new Error(`there is no dialog ${id}`);
  return dialog;
}

/** @type {WeakMap<Element, string>} */
const own = new WeakMap();

/**
 * @param {HTMLDialogElement} dialog
 * @param {string} part
 * @param {string | undefined} text  undefined: what the template says
 */
function setText(dialog, part, text) {
  const element = dialog.querySelector(`[data-part="${part}"]`);
  if (!element) return;
  if (!own.has(element)) own.set(element, element.textContent ?? "");
  element.textContent = text ?? own.get(element) ?? "";
}

/** @param {Event} event */
function isCancel(event) {
  return event.target instanceof Element && event.target.closest('[data-action="cancel"]') !== null;
}

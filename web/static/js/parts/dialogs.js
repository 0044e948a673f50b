// Forms over the page: they keep what was typed until the server has taken it, and say what is wrong beside the field.

import { clearProblems, isComplete, showRefusal, valuesOf } from "./forms.js";

/** @typedef {ReturnType<typeof valuesOf>} Values */

/**
 * @typedef {object} Asking
 * @property {string} [title]        instead of the dialog's own
 * @property {string} [submit]       what the main button says, instead of its own words
 * @property {Record<string, unknown>} [values]  what the fields begin with, by their names; the others begin empty
 * @property {(form: HTMLFormElement) => void} [prepare]  what else there is to be shown
 * @property {(values: Values, form: HTMLFormElement) => string | null} [check]  what is wrong, "" where it was said
 *   beside the field; null: nothing
 * @property {(values: Values) => Promise<unknown>} save  throws what the server refuses
 */

/** Dialogs that somebody is being asked something in, seen or not. @type {WeakSet<HTMLDialogElement>} */
const asking = new WeakSet();

/**
 * Show a form until what it asks for is done, or it is left. Who leaves it while that is being done sees it again if
 * it is refused.
 * @param {string} id
 * @param {Asking} how
 * @returns {Promise<boolean>} whether it was done
 */
export function ask(id, { title, submit, values = {}, prepare, check, save }) {
  const dialog = dialogOf(id);
  if (asking.has(dialog)) return Promise.resolve(false);
  asking.add(dialog);
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector('[type="submit"]'));
  form.reset();
  clearProblems(form);
  setValues(form, values);
  setText(dialog, "title", title);
  setText(dialog, "submit", submit);
  prepare?.(form);
  const done = new AbortController();
  const { signal } = done;
  return new Promise((resolve) => {
    let isSaving = false;
    const end = (/** @type {boolean} */ isSaved) => {
      done.abort();
      asking.delete(dialog);
      dialog.close();
      resolve(isSaved);
    };
    dialog.addEventListener("close", () => !isSaving && end(false), { signal });
    dialog.addEventListener("click", (event) => isCancel(event) && dialog.close(), { signal });
    form.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        if (isSaving || !isComplete(form)) return;
        const given = valuesOf(form);
        const wrong = check?.(given, form) ?? null;
        if (wrong !== null) {
          setText(dialog, "problem", wrong);
          return;
        }
        isSaving = true;
        button.ariaDisabled = "true";
        try {
          await save(given);
          end(true);
        } catch (error) {
          if (!dialog.open) dialog.showModal();
          showRefusal(form, error);
        } finally {
          isSaving = false;
          button.ariaDisabled = "false";
        }
      },
      { signal },
    );
    dialog.showModal();
    // One begins with what is asked, not with leaving again.
    const first = form.querySelector("input:is(:not([type=radio]), :checked, :required):enabled, textarea, select") ?? form.querySelector(".actions button");
    /** @type {HTMLElement | null} */ (first)?.focus();
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

/**
 * @param {HTMLElement} element
 * @param {string} name
 */
export function part(element, name) {
  return /** @type {HTMLElement} */ (element.querySelector(`[data-part="${name}"]`));
}

/** What the template says. @type {WeakMap<Element, string>} */
const own = new WeakMap();

/**
 * @param {HTMLDialogElement} dialog
 * @param {string} name
 * @param {string | undefined} text  undefined: what the template says
 */
function setText(dialog, name, text) {
  const element = dialog.querySelector(`[data-part="${name}"]`);
  if (!element) return;
  if (!own.has(element)) own.set(element, element.textContent ?? "");
  element.textContent = text ?? own.get(element) ?? "";
}

/** @param {Event} event */
function isCancel(event) {
  return event.target instanceof Element && event.target.closest('[data-action="cancel"], [data-command="close-dialog"]') !== null;
}

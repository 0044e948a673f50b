// Forms say what is wrong beside the field, keep what was typed, and put the keyboard where there is something to do.

import { ApiError } from "../core/api.js";
import { gettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Field */

/**
 * Whether everything that is asked for is there and has the right form; where it is not, say so beside it and go to
 * the first such field. The fields' own constraints decide (`required`, `type`, `pattern`, …; `data-problem` is the
 * sentence for a pattern).
 * @param {HTMLFormElement} form  with `novalidate`
 * @returns {boolean}
 */
export function isComplete(form) {
  clearProblems(form);
  const wrong = fieldsOf(form).filter((field) => field.willValidate && !field.validity.valid);
  for (const field of wrong) showProblem(field, sentence(field));
  wrong[0]?.focus();
  return wrong.length === 0;
}

/**
 * Say what the server has refused: beside the fields that it names (`name: what`, a line of its hint each), or the one
 * that says that the refusal is about it (`data-refusals`, codes), else above the form. What the hint says of others, where
 * it says something of fields that are here, is left out.
 * @param {HTMLFormElement} form
 * @param {unknown} error
 */
export function showRefusal(form, error) {
  const hint = error instanceof ApiError ? (error.problem.hint ?? "") : "";
  const wrong = fieldsOf(form).filter((field) => {
    const what = field.name && hint.split("\n").find((line) => line.startsWith(`${field.name}: `));
    if (what) showProblem(field, gettext(what.slice(field.name.length + 2)));
    return what;
  });
  if (wrong.length > 0) {
    wrong[0]?.focus();
    return;
  }
  const code = error instanceof ApiError ? error.code : "";
  const refused = fieldsOf(form).find((each) => each.dataset["refusals"]?.split(" ").includes(code));
  if (refused) {
    showProblem(refused, sentenceOf(error));
    refused.focus();
    return;
  }
  const place = form.querySelector('[data-part="problem"]');
  if (place) place.textContent = sentenceOf(error);
  else throw error;
}

/**
 * @param {Field} field
 * @param {string} problem
 */
export function showProblem(field, problem) {
  // Of several to choose from none is wrong: it is said beneath all of them.
  const isChoice = field instanceof HTMLInputElement && field.type === "radio";
  if (!isChoice) field.setAttribute("aria-invalid", "true");
  const place = isChoice ? field.closest("fieldset")?.querySelector(".problem") : document.getElementById(`${field.id}-problem`);
  if (place) place.textContent = problem;
}

/**
 * Nothing is wrong any more.
 * @param {HTMLFormElement} form
 */
export function clearProblems(form) {
  for (const field of fieldsOf(form)) field.removeAttribute("aria-invalid");
  for (const place of form.querySelectorAll(".problem")) place.textContent = "";
}

/**
 * What is in a form, by the fields' names: texts, and true or false of check boxes.
 * @param {HTMLFormElement} form
 * @returns {Record<string, string | boolean>}
 */
export function valuesOf(form) {
  return Object.fromEntries(
    fieldsOf(form)
      .filter((field) => field.name && !(field instanceof HTMLInputElement && field.type === "radio" && !field.checked))
      .map((field) => [
        field.name,
        field instanceof HTMLInputElement && field.type === "checkbox" ? field.checked : field.value,
      ]),
  );
}

/**
 * @param {HTMLFormElement} form
 * @returns {Field[]}
 */
function fieldsOf(form) {
  return /** @type {Field[]} */ ([...form.elements].filter((element) => element.matches("input, select, textarea")));
}

/** @param {Field} field */
function sentence(field) {
  const { validity } = field;
  if (validity.valueMissing) return gettext("This is needed.");
  if (validity.typeMismatch && field.type === "email") return gettext("This is no email address.");
  if (validity.typeMismatch && field.type === "url") return gettext("This is no address of a page.");
  if (validity.tooShort) return gettext("This is too short.");
  return field.dataset["problem"] ?? field.validationMessage;
}

// Asks before something that cannot be undone.

import { ask, dialogOf } from "./dialogs.js";

/**
 * @param {object} asking
 * @param {string} asking.title
 * @param {string} asking.text
 * @param {string} asking.submit
 * @param {() => Promise<unknown>} asking.act
 */
export function confirm({ title, text, submit, act }) {
  const line = dialogOf("confirm-dialog").querySelector('[data-part="confirm-text"]');
  if (line) line.textContent = text;
  return ask("confirm-dialog", { title, submit, save: act });
}

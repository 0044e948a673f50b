// What went wrong, for people. The server says it in English; the page has its sentences in its own language, too
// (web/sentences.py collects them), and what it has not is shown as it came.

/** @import { Problem } from "./types.d.ts" */

import { ApiError } from "./api.js";
import { gettext } from "./i18n.js";

/**
 * What the server has refused, and what to do.
 * @param {Pick<Problem, "message" | "hint">} problem
 */
export function problemText({ message, hint }) {
  return [message, hint].map((sentence) => sentence && gettext(sentence)).filter(Boolean).join(" ");
}

/**
 * The same of whatever was thrown; what is no refusal is a mistake of ours, and reported.
 * @param {unknown} error
 */
export function sentenceOf(error) {
  if (!(error instanceof ApiError)) {
    reportError(error);
    return gettext("Something went wrong.");
  }
  if (error.status === 0) return gettext("The server cannot be reached.");
  if (error.code === "invalid_credentials") return gettext("The email address or the password is wrong.");
  if (error.code === "unknown") return gettext("The request failed.");
  return problemText(error.problem);
}

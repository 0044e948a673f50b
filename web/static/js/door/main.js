// The first time somebody comes in: as the first admin of all (/setup), or with an invitation (/join#token). Both make
// an account, sign in to it in this browser, and go on to where there is something to do. Where the account is made but
// signing in fails, one is told so: the form would only be refused from then on.

import { ApiError, send } from "../core/api.js";
import { gettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { signIn } from "../core/session.js";
import { isComplete, showRefusal, valuesOf } from "../parts/forms.js";

/**
 * @typedef {object} Door
 * @property {() => Promise<string>} look   whether it is open: what is said above the form, or nothing; throws why not
 * @property {(values: Record<string, string>) => Promise<void>} enter  makes the account
 * @property {string} shut                  the code with which it is refused once somebody has come in
 * @property {string} place                 where one goes on
 */

// Behind the #, so that no server has seen it; and out of the address bar, so that nobody sees it there.
const token = location.hash.slice(1);
const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const door = form.id === "setup-form" ? setup() : invitation();
const again = /** @type {HTMLElement} */ (part("shut").querySelector("button"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector('button[type="submit"]'));

again.addEventListener("click", () => void look());
form.addEventListener("submit", (event) => void submit(event));
/** Whether a try had no answer: nobody knows whether it got through. */
let isDoubtful = false;
await look();

/** @returns {Door} */
function setup() {
  return {
    async look() {
      const { is_new } = await send("GET", "/api/setup", undefined);
      if (!is_new) throw new ApiError(409, { code: "", message: "", details: this.shut, hint: null });
      return "";
    },
    enter: (values) => send("POST", "/api/setup", values),
    shut: "already_set_up",
    place: "/admin",
  };
}

/** @returns {Door} */
function invitation() {
  return {
    async look() {
      const { email, name, role } = await send("POST", "/api/invitations/find", { token });
      history.replaceState(null, "", location.pathname);
      field("email").value = email;
      field("name").value = name ?? "";
      return role === "admin"
        ? gettext("As an admin: you answer chats, and keep everything in order.")
        : gettext("As an operator: you answer chats.");
    },
    enter: ({ name, password }) => send("POST", "/api/invitations/accept", { token, name, password }),
    shut: "invitation_not_found",
    place: "/operator",
  };
}

async function look() {
  show("looking");
  try {
    const text = await door.look();
    if (text) part("open-text").textContent = text;
    show("open");
    [...form.querySelectorAll("input")].find(({ value, readOnly }) => value === "" && !readOnly)?.focus();
  } catch (error) {
    const isPassing = error instanceof ApiError && error.isTransient;
    if (isPassing) part("shut-text").textContent = sentenceOf(error);
    again.hidden = !isPassing;
    show("shut");
    if (!(error instanceof ApiError)) throw error;
  }
}

/** @param {Event} event */
async function submit(event) {
  event.preventDefault();
  if (button.ariaDisabled === "true" || !isComplete(form)) return;
  button.ariaDisabled = "true";
  const values = /** @type {Record<string, string>} */ (valuesOf(form));
  const refusal = await door.enter(values).then(() => null, (/** @type {unknown} */ error) => error);
  const code = refusal instanceof ApiError ? refusal.code : "";
  if (refusal === null || (isDoubtful && code === door.shut)) {
    try {
      await signIn(values["email"]?.trim() ?? "", values["password"] ?? "");
      return location.replace(door.place);
    } catch {
      if (refusal === null) return arrive();
    }
  }
  isDoubtful ||= code === "unreachable";
  showRefusal(form, refusal);
  button.ariaDisabled = "false";
}

/** He is in, and has to sign in by himself. */
function arrive() {
  show("in");
  part("in").querySelector("h1")?.focus();
}

/** @param {string} name */
function field(name) {
  return /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
}

/** @param {"looking" | "open" | "shut" | "in"} name */
function show(name) {
  for (const each of ["looking", "open", "shut", "in"]) part(each).hidden = each !== name;
}

/** @param {string} name */
function part(name) {
  return /** @type {HTMLElement} */ (document.querySelector(`[data-part="${name}"]`));
}

// How a page of the staff begins: with whoever is signed in in this browser, or with signing in. When the session
// ends later on, signing in comes as a dialog over the page, in which nothing is lost.

/** @import { PageSession } from "../core/types.d.ts" */

import { send } from "../core/api.js";
import { connect } from "../core/client.js";
import { currentSession, signIn, signOut } from "../core/session.js";
import { forget } from "../core/storage.js";
import { clearProblems, isComplete, showRefusal } from "./forms.js";

/**
 * Who keeps a page's session: this browser's cookies, unless something else is given.
 * @typedef {object} Keeper
 * @property {() => Promise<PageSession | null>} current  the session, with a token that is good for a while
 * @property {() => Promise<void>} end
 */

/** @type {Keeper} */
const cookies = { current: currentSession, end: signOut };

/**
 * Sign in if need be, and connect.
 * @param {Keeper} [keeper]
 * @param {object} [how]
 * @param {boolean} [how.isPresent]  whether one is at work while the page is open; false: one only looks
 * @returns {Promise<{ client: ReturnType<typeof connect>, personId: string, leave: () => Promise<void> }>}
 *   `leave` signs out of this browser and wipes what its pages have stored
 */
export async function enter(keeper = cookies, { isPresent = true } = {}) {
  let session = (await keeper.current()) ?? (await begin());
  const personId = session.user_id;
  const client = connect({
    person: personId,
    role: "staff",
    isPresent,
    fetchToken: async (stale) => {
      if (session.access_token === stale) {
        const other = await keeper.current();
        if (other?.user_id !== personId) return null;
        session = other;
      }
      return session.access_token;
    },
  });
  client.live.on("state", async () => {
    const { reason } = client.live;
    if (reason !== "signed_out" && reason !== "erased") return;
    session = await askToSignIn(true);
    if (session.user_id !== personId) location.reload();
    else client.live.start();
  });
  return {
    client,
    personId,
    async leave() {
      await keeper.end();
      client.close();
      forget(`baton:outbox:${personId}:`, `baton:draft:${personId}:`, "baton:emoji:");
      location.reload();
    },
  };
}

/**
 * Nobody is signed in. Where there is nobody at all yet, go and make the first admin.
 * @returns {Promise<PageSession>}
 */
async function begin() {
  const { is_new } = await send("GET", "/api/setup", undefined).catch(() => ({ is_new: false }));
  if (!is_new) return askToSignIn(false);
  location.replace("/setup");
  return new Promise(() => {}); // the page ends
}

/** @type {Promise<PageSession> | null} */
let asking = null;

/**
 * Show the dialog until somebody has signed in.
 * @param {boolean} isAgain
 * @returns {Promise<PageSession>}
 */
function askToSignIn(isAgain) {
  asking ??= new Promise((resolve) => {
    const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("sign-in"));
    const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
    const [email, password] = /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll("input")]);
    const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
    const again = /** @type {HTMLElement} */ (form.querySelector('[data-part="again"]'));
    const done = new AbortController();
    const { signal } = done;
    again.hidden = !isAgain;
    dialog.classList.toggle("whole-page", !isAgain);
    dialog.addEventListener("cancel", (event) => event.preventDefault(), { signal });
    form.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        if (!email || !password || button.ariaDisabled === "true" || !isComplete(form)) return;
        button.ariaDisabled = "true";
        try {
          const session = await signIn(email.value, password.value);
          password.value = "";
          done.abort();
          dialog.close();
          resolve(session);
        } catch (error) {
          showRefusal(form, error);
          password.select();
        } finally {
          button.ariaDisabled = "false";
        }
      },
      { signal },
    );
    clearProblems(form);
    dialog.showModal();
  });
  return asking.finally(() => (asking = null));
}

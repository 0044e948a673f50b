// Who this browser's staff is signed in as. Cookies that no script can read say so to the server; a page keeps
// nothing but an access token, in its memory.

import { send } from "./api.js";

/** @import { PageSession } from "./types.d.ts" */

/**
 * The session of the staff in this browser, or null when nobody is signed in.
 * @returns {Promise<PageSession | null>}
 */
export function currentSession() {
  return ask("POST", "/session/token", {});
}

/**
 * @param {string} email
 * @param {string} password
 * @returns {Promise<PageSession>}
 * @throws {import("./api.js").ApiError}
 */
export async function signIn(email, password) {
  const session = await ask("POST", "/session", { email, password });
  if (session === null) throw new Error("signing in brought no session");
  return session;
}

/** End the session in this browser, of all its pages. */
export async function signOut() {
  await ask("DELETE", "/session", {});
}

/**
 * @param {"POST" | "DELETE"} method
 * @param {string} path
 * @param {object} body
 */
async function ask(method, path, body) {
  return /** @type {PageSession | null} */ (await send(method, path, body, { credentials: "same-origin" }));
}


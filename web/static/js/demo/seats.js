// A seat of the demo: a session that begins with a code instead of cookies, and lives in the page's memory.

/** @import { Keeper } from "../parts/staff.js" */
/** @import { PageSession } from "../core/types.d.ts" */

import { send } from "../core/api.js";

const LONG_ENOUGH = 300; // s that a token must still be good for

/**
 * @param {string} code  a refresh token, good once
 * @returns {Keeper}
 */
export function seat(code) {
  let refreshToken = code;
  /** @type {PageSession | null} */
  let session = null;
  return {
    async current() {
      if (session && session.expires_at > Date.now() / 1000 + LONG_ENOUGH) return session;
      const answer = await send("POST", "/auth/v1/token?grant_type=refresh_token", { refresh_token: refreshToken });
      refreshToken = answer.refresh_token;
      session = { access_token: answer.access_token, expires_at: answer.expires_at, user_id: answer.user.id };
      return session;
    },
    async end() {}, // the seat stays: the page around it goes
  };
}

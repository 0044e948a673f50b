// The caller's access token: asked for when it is needed, and anew when it was refused or is about to end.

import { within } from "./timing.js";

const FETCH_MS = 20_000;

/**
 * Brings a token. `stale` is the one that is no good any more (refused, or ending), null the first time;
 * null as the answer means: signed out. It may throw when the server cannot be reached, and has failed when it
 * takes over 20 s.
 * @callback FetchToken
 * @param {string | null} stale
 * @returns {string | null | Promise<string | null>}
 */

/** One for the API and the socket: whoever asks while a token is being fetched gets that one. */
export class Tokens {
  #fetch;
  /** @type {string | null} */
  #token = null;
  /** @type {Promise<string | null> | null} */
  #fetching = null;

  /** @param {FetchToken} fetch */
  constructor(fetch) {
    this.#fetch = fetch;
  }

  /**
   * The token, or null when the caller is signed out.
   * @param {string | null} [stale]  a token that is no good any more; another one is fetched
   * @returns {Promise<string | null>}
   */
  async get(stale = null) {
    if (this.#token !== null && this.#token !== stale) return this.#token;
    this.#fetching ??= within(FETCH_MS, Promise.resolve(this.#token).then(this.#fetch))
      .then((token) => (this.#token = token))
      .finally(() => (this.#fetching = null));
    return this.#fetching;
  }
}

/**
 * When a token ends, ms since 1970; null when it does not say.
 * @param {string} token
 * @returns {number | null}
 */
export function endOf(token) {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null;
  }
}

// Who the visitor is. Cookies of the frame's own say it to the server, or, where the browser keeps none, a key that
// the host page keeps for us. Before his first action he is nobody, and nothing is kept of him anywhere.

/** @import { PageSession } from "../core/types.d.ts" */
/** @import { Host } from "./host.js" */

import { send } from "../core/api.js";
import { forget } from "../core/storage.js";

export class Visitor {
  #host;
  /** @type {PageSession | null} */
  #session = null;
  /** What the host page has said of him. @type {{ name: string, email: string }} */
  said = { name: "", email: "" };
  /** Whether the browser keeps our cookies; null: not known yet. @type {boolean | null} */
  #keepsCookies = null;
  /** Who the cookies say he is, asked for before the page has answered. @type {Promise<PageSession | null> | null} */
  #asked = null;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }

  /** His id, or null while he is nobody. */
  get id() {
    return this.#session?.user_id ?? null;
  }

  /** Ask already what `resume` will need. */
  askAhead() {
    this.#asked = ask("POST", "/session/visitor", {});
    this.#asked.catch(() => {}); // whoever resumes hears of it
  }

  /**
   * Be who he was on the last page.
   * @returns {Promise<boolean>} whether he was anybody
   */
  async resume() {
    const asked = this.#asked ?? ask("POST", "/session/visitor", {});
    this.#asked = null; // the next time it is asked anew
    const byCookie = await asked;
    if (byCookie) {
      this.#keepsCookies = true;
      return this.#become(byCookie);
    }
    const resume = await this.#host.ask("resume");
    const byKey = resume ? await ask("POST", "/session/visitor", { resume }) : null;
    if (byKey) {
      this.#keepsCookies = false;
      return this.#become(byKey);
    }
    if (resume) this.#host.tell({ type: "known", isKnown: false, resume: null }); // it has ended
    return false;
  }

  /** Be somebody from now on: he has done something. */
  async begin() {
    if (this.#session) return;
    const session = await ask("POST", "/session/visitor", { create: true, ...(await this.#key()) });
    if (session) await this.#become(session);
  }

  /**
   * Be the host page's user.
   * @param {string} idToken  signed by the page's backend
   * @throws {import("../core/api.js").ApiError}
   */
  async identify(idToken) {
    const session = await ask("POST", "/session/visitor/identity", { id_token: idToken, ...(await this.#key()) });
    if (!session) return;
    this.said = saidIn(idToken);
    await this.#become(session);
  }

  /**
   * His access token; another one than `stale`.
   * @param {string | null} stale
   * @returns {Promise<string | null>} null: he is nobody (any more)
   */
  async token(stale) {
    if (this.#session && this.#session.access_token !== stale) return this.#session.access_token;
    if (!this.#session) return null;
    const { user_id } = this.#session;
    const session = await ask("POST", "/session/visitor", await this.#key());
    if (session?.user_id !== user_id) return null; // he has gone, or is somebody else now
    await this.#become(session);
    return session.access_token;
  }

  /** Be nobody again; nothing of him stays in this browser. */
  async forget() {
    const key = await this.#key();
    const { id } = this;
    this.#session = null;
    this.said = { name: "", email: "" };
    this.#host.tell({ type: "known", isKnown: false, resume: null });
    forget("baton:widget:", "baton:emoji:", ...(id ? [`baton:outbox:${id}:`] : []));
    await ask("DELETE", "/session/visitor", key).catch(() => {}); // offline: the cookie ends some day
  }

  /** @param {PageSession} session */
  async #become(session) {
    this.#session = session;
    if (this.#keepsCookies === null) {
      const again = await ask("POST", "/session/visitor", {}).catch(() => null);
      this.#keepsCookies = again?.user_id === session.user_id;
    }
    // Without a key in the answer the one that the page keeps is still good.
    if (this.#keepsCookies) this.#host.tell({ type: "known", isKnown: true, resume: null });
    else this.#host.tell({ type: "known", isKnown: true, ...(session.resume ? { resume: session.resume } : {}) });
    return true;
  }

  /** The key that the page keeps, which another page may have renewed meanwhile. */
  async #key() {
    const resume = this.#keepsCookies ? null : await this.#host.ask("resume");
    return resume ? { resume } : {};
  }
}

/**
 * What a token says of its user, which the server has believed.
 * @param {string} token
 */
function saidIn(token) {
  const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
  const { name = "", email = "" } = JSON.parse(new TextDecoder().decode(bytes));
  return { name: String(name), email: String(email) };
}

/**
 * @param {"POST" | "DELETE"} method
 * @param {string} path
 * @param {object} body
 * @returns {Promise<PageSession | null>}
 */
function ask(method, path, body) {
  return send(method, path, body, { credentials: "same-origin" });
}

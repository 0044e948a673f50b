// Baton over HTTP: JSON in and out as the caller, and every failure as one kind of error.

/** @import { EventFrame, Problem, Snapshot } from "./types.d.ts" */
/** @import { Tokens } from "./token.js" */

/** A request that was refused, or (status 0) had no answer at all. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {Problem} problem
   * @param {number | null} [retryAfter]  seconds, where the server said when to try again
   */
  constructor(status, problem, retryAfter = null) {
    super(problem.message);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** The machine code, such as chat_not_found. */
  get code() {
    return this.problem.details;
  }

  /** Whether the same request may well succeed later: it was no refusal of what was asked. */
  get isTransient() {
    return (
      this.status === 0 ||
      this.status === 401 || // signed out for now; he signs in again
      this.status === 408 ||
      this.status === 429 ||
      this.status >= 500 ||
      this.code === "conflict"
    );
  }
}

export class Api {
  #tokens;
  #base;
  #timeout;

  /**
   * @param {object} options
   * @param {Tokens} options.tokens
   * @param {string} [options.base]    where Baton is; the page's own origin
   * @param {number} [options.timeout] how long to wait for an answer, ms
   */
  constructor({ tokens, base = location.origin, timeout = 15_000 }) {
    this.#tokens = tokens;
    this.#base = base;
    this.#timeout = timeout;
  }

  /**
   * Send a request as the caller; a token that was refused is replaced once.
   * @param {"GET" | "POST" | "PUT" | "PATCH" | "DELETE"} method
   * @param {string} path
   * @param {object} [body]
   * @param {AbortSignal} [signal]  gives up; the error then has status 0
   * @returns {Promise<any>} what the answer says; null when it is empty
   * @throws {ApiError}
   */
  async request(method, path, body, signal) {
    const token = await this.#token(null);
    try {
      return await this.#send(method, path, body, token, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401 || token === null) throw error;
      const other = await this.#token(token);
      if (other === null || other === token) throw error;
      return this.#send(method, path, body, other, signal);
    }
  }

  /**
   * @param {string} path
   * @param {AbortSignal} [signal]
   */
  get(path, signal) {
    return this.request("GET", path, undefined, signal);
  }

  /**
   * @param {string} path
   * @param {object} body
   * @param {AbortSignal} [signal]
   */
  post(path, body, signal) {
    return this.request("POST", path, body, signal);
  }

  /**
   * A file that a route answers with, and its name there. However long it takes: files are made as they are read.
   * @param {string} path
   * @param {AbortSignal} [signal]
   * @returns {Promise<{ file: Blob, name: string | null }>}
   * @throws {ApiError}
   */
  async download(path, signal) {
    const token = await this.#token(null);
    const ask = (/** @type {string | null} */ bearer) =>
      fetch(this.#base + path, {
        headers: bearer === null ? {} : { Authorization: `Bearer ${bearer}` },
        signal: signal ?? null,
        cache: "no-store",
        credentials: "omit",
      });
    try {
      let response = await ask(token);
      if (response.status === 401 && token !== null) response = await ask(await this.#token(token));
      if (!response.ok) throw refused(response, await response.text());
      const name = response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] ?? null;
      return { file: await response.blob(), name };
    } catch (error) {
      throw error instanceof ApiError ? error : unreachable(error);
    }
  }

  /**
   * A chat as it is now.
   * @param {string} chatId
   * @param {AbortSignal} [signal]
   * @returns {Promise<Snapshot>}
   */
  snapshot(chatId, signal) {
    return this.get(`/api/chats/${chatId}/snapshot`, signal);
  }

  /**
   * What has happened in a chat after an event.
   * @param {string} chatId
   * @param {number} afterEvent
   * @param {string | null} epoch  the snapshot's; null: not looked at
   * @param {AbortSignal} [signal]
   * @returns {Promise<{ data: EventFrame[], next_cursor: number | null }>}
   */
  events(chatId, afterEvent, epoch, signal) {
    const of = epoch === null ? "" : `&epoch=${epoch}`;
    return this.get(`/api/chats/${chatId}/events?after_event=${afterEvent}${of}`, signal);
  }

  /** Where Baton is. */
  get base() {
    return this.#base;
  }

  /**
   * Send a form with a file; as long as it takes, and telling how far it is.
   * @param {string} path
   * @param {FormData} form
   * @param {object} how
   * @param {(share: number) => void} [how.onProgress]  0 to 1
   * @param {AbortSignal} [how.signal]  gives up
   * @throws {ApiError}
   */
  async upload(path, form, { onProgress, signal } = {}) {
    const token = await this.#token(null);
    const request = new XMLHttpRequest(); // fetch does not tell how far it is
    request.open("POST", this.#base + path);
    if (token !== null) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(total > 0 ? loaded / total : 0);
    const giveUp = () => request.abort();
    signal?.addEventListener("abort", giveUp);
    try {
      await new Promise((resolve) => {
        request.onloadend = resolve;
        if (signal?.aborted) resolve(undefined);
        else request.send(form);
      });
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
    if (request.status === 0) throw unreachable(null);
    if (request.status >= 300) throw refused(new Response(null, { status: request.status }), request.responseText);
  }

  /** @param {string | null} stale */
  async #token(stale) {
    try {
      return await this.#tokens.get(stale);
    } catch (error) {
      throw unreachable(error);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object | undefined} body
   * @param {string | null} token
   * @param {AbortSignal | undefined} signal
   */
  #send(method, path, body, token, signal) {
    return send(method, path, body, { base: this.#base, timeout: this.#timeout, token, signal });
  }
}

/**
 * Send one request.
 * @param {string} method
 * @param {string} path
 * @param {object | undefined} body
 * @param {object} [options]
 * @param {string} [options.base]
 * @param {number} [options.timeout]        how long to wait for an answer, ms
 * @param {string | null} [options.token]   whose access it is; cookies say it to the routes under /session only
 * @param {AbortSignal | undefined} [options.signal]
 * @param {RequestCredentials} [options.credentials]
 * @returns {Promise<any>} what the answer says; null when it is empty
 * @throws {ApiError}
 */
export async function send(method, path, body, options = {}) {
  const { base = location.origin, timeout = 15_000, token = null, signal, credentials = "omit" } = options;
  /** @type {Record<string, string>} */
  const headers = {};
  if (token !== null) headers["Authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const abort = new AbortController();
  const giveUp = () => abort.abort();
  const timer = setTimeout(giveUp, timeout);
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp);
  let response, text, answer;
  try {
    response = await fetch(base + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: abort.signal,
      cache: "no-store",
      credentials,
    });
    text = await response.text();
    if (response.ok) answer = text === "" ? null : JSON.parse(text); // no JSON: somebody else has answered
  } catch (error) {
    throw unreachable(error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
  if (!response.ok) throw refused(response, text);
  return answer;
}

/** @param {unknown} error */
function unreachable(error) {
  const hint = error instanceof Error ? error.message : null;
  return new ApiError(0, { code: "", message: "The server cannot be reached.", details: "unreachable", hint });
}

/**
 * @param {Response} response
 * @param {string} text
 */
function refused(response, text) {
  let problem;
  try {
    problem = JSON.parse(text);
  } catch {
    problem = null; // a proxy's page
  }
  if (typeof problem?.details !== "string" || typeof problem.message !== "string") {
    problem = { code: `PT${response.status}`, message: "The request failed.", details: "unknown", hint: null };
  }
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return new ApiError(response.status, problem, Number.isFinite(seconds) ? seconds : null);
}

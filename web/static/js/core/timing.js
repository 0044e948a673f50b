// How long to wait before trying again.

/**
 * A random time up to a bound that doubles with each failure ("full jitter"): clients that were cut off
 * together do not come back together.
 */
export class Backoff {
  #failures = 0;
  #base;
  #cap;

  /**
   * @param {number} [base]  the bound after the first failure, ms
   * @param {number} [cap]   the bound never grows over this, ms
   */
  constructor(base = 500, cap = 30_000) {
    this.#base = base;
    this.#cap = cap;
  }

  /** How often it has failed since it last went well. */
  get failures() {
    return this.#failures;
  }

  /**
   * Note a failure.
   * @returns {number} how long to wait, ms
   */
  next() {
    const bound = Math.min(this.#cap, this.#base * 2 ** this.#failures);
    this.#failures += 1;
    return Math.random() * bound;
  }

  /** It went well. */
  reset() {
    this.#failures = 0;
  }
}

/**
 * Wait, or until the signal aborts: look at it afterwards.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

/**
 * What a promise brings; it fails when that takes longer.
 * @template T
 * @param {number} ms
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function within(ms, promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

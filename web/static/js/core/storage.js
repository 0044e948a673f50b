// What the browser keeps for us, and shares among its tabs: values, and turns. In a cross-site frame even
// looking at localStorage throws, a full one throws on writing, and on plain http there are no locks: then
// values live as long as the page, and each tab takes its turns alone.

/** Values by key, under a prefix; they outlive the page where the browser allows it. */
export class Store {
  /** @type {Storage | null} */
  #storage;
  /** What could not be stored. @type {Map<string, string>} */
  #memory = new Map();
  #prefix;

  /**
   * @param {string} prefix
   * @param {() => Storage} [open]  where to keep them
   */
  constructor(prefix, open = () => localStorage) {
    this.#prefix = prefix;
    this.#storage = tryOr(() => open(), null);
  }

  /**
   * All values by their keys; what is no JSON is left out.
   * @returns {Map<string, unknown>}
   */
  all() {
    /** @type {Map<string, unknown>} */
    const values = new Map();
    for (const [key, text] of [...this.#stored(), ...this.#memory]) {
      const value = tryOr(() => JSON.parse(text), undefined);
      if (value !== undefined) values.set(key, value);
    }
    return values;
  }

  /**
   * @param {string} key
   * @param {unknown} value
   */
  set(key, value) {
    const text = JSON.stringify(value);
    const isStored = tryOr(() => {
      this.#storage?.setItem(this.#prefix + key, text);
      return this.#storage !== null;
    }, false);
    if (isStored) this.#memory.delete(key);
    else this.#memory.set(key, text);
  }

  /** @param {string} key */
  delete(key) {
    this.#memory.delete(key);
    tryOr(() => this.#storage?.removeItem(this.#prefix + key), undefined);
  }

  /**
   * Call `listener` when another tab has changed a value.
   * @param {() => void} listener
   * @param {AbortSignal} signal  ends it
   */
  onChange(listener, signal) {
    const heard = (/** @type {StorageEvent} */ event) => {
      if (event.key === null || event.key.startsWith(this.#prefix)) listener();
    };
    addEventListener("storage", heard, { signal });
  }

  /** @returns {[key: string, text: string][]} */
  #stored() {
    return tryOr(() => {
      const storage = this.#storage;
      return Object.keys(storage ?? {})
        .filter((key) => key.startsWith(this.#prefix))
        .map((key) => [key.slice(this.#prefix.length), storage?.getItem(key) ?? ""]);
    }, []);
  }
}

/**
 * Keep nothing any more of what is under these prefixes.
 * @param {...string} prefixes
 */
export function forget(...prefixes) {
  tryOr(() => {
    const isMeant = (/** @type {string} */ key) => prefixes.some((prefix) => key.startsWith(prefix));
    for (const key of Object.keys(localStorage).filter(isMeant)) localStorage.removeItem(key);
  }, undefined);
}

/** @type {Map<string, Promise<unknown>>} */
const turns = new Map();

/**
 * Run `task` when nobody else runs one of that name: no other tab, where the browser has locks, and
 * nothing else in this one.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} task
 * @returns {Promise<T>}
 */
export async function inTurn(name, task) {
  const locks = tryOr(() => navigator.locks, undefined);
  // A frame may have locks and not be allowed to use them: asked for nothing, they say so.
  if (locks && (await locks.query().then(() => true, () => false))) return locks.request(name, task);
  const mine = (turns.get(name) ?? Promise.resolve()).then(task, task);
  turns.set(name, mine);
  return mine.finally(() => {
    if (turns.get(name) === mine) turns.delete(name);
  });
}

/**
 * @template T, U
 * @param {() => T} task
 * @param {U} fallback
 * @returns {T | U}
 */
function tryOr(task, fallback) {
  try {
    return task();
  } catch {
    return fallback;
  }
}

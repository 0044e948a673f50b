// How one of the staff has his screens: kept on the server, so that they are the same on every machine, and the
// workspace and the console alike.

/** @import { Api } from "../core/api.js" */

import { ApiError } from "../core/api.js";
import { Emitter } from "../core/emitter.js";
import { useLanguage, useTheme } from "./theme.js";

/**
 * @typedef {object} Preferences
 * @property {string | null} language
 * @property {"system" | "light" | "dark"} theme
 * @property {"all" | "mine" | "none"} sound
 * @property {boolean} desktop_notifications
 * @property {"auto" | "enter" | "ctrl_enter"} send_key
 * @property {"comfortable" | "compact"} density
 */

const PATH = "/api/operator/preferences";

/** @type {Preferences} */
const DEFAULTS = {
  ...{ language: null, theme: "system", sound: "all", desktop_notifications: false },
  ...{ send_key: "auto", density: "comfortable" },
};

/** @extends {Emitter<{ change: Preferences }>} */
export class PreferenceStore extends Emitter {
  #api;
  #value = DEFAULTS;

  /** @param {Api} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  get value() {
    return this.#value;
  }

  async load() {
    try {
      this.#become(await this.#api.get(PATH));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the page works without
    }
  }

  /**
   * @param {Partial<Preferences>} changes
   * @throws {ApiError}
   */
  async change(changes) {
    this.#become(await this.#api.request("PATCH", PATH, changes));
  }

  /** @param {Preferences} value */
  #become(value) {
    this.#value = value;
    useTheme(value.theme);
    this.emit("change", value);
    if (useLanguage(value.language)) location.reload();
  }
}

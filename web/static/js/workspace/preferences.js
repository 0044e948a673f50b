// How an operator has his screen: kept on the server, so that it is the same on every machine.

/** @import { Desk } from "./desk.js" */
/** @import { Preferences } from "./types.d.ts" */

import { ApiError } from "../core/api.js";
import { Emitter } from "../core/emitter.js";
import { useLanguage, useTheme } from "../parts/theme.js";

/** @type {Preferences} */
const DEFAULTS = {
  ...{ language: null, theme: "system", sound: "all", desktop_notifications: false },
  ...{ send_key: "auto", density: "comfortable" },
};

/** @extends {Emitter<{ change: Preferences }>} */
export class PreferenceStore extends Emitter {
  #desk;
  #value = DEFAULTS;

  /** @param {Desk} desk */
  constructor(desk) {
    super();
    this.#desk = desk;
  }

  get value() {
    return this.#value;
  }

  async load() {
    try {
      this.#become(await this.#desk.preferences());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the page works without
    }
  }

  /**
   * @param {Partial<Preferences>} changes
   * @throws {ApiError}
   */
  async change(changes) {
    this.#become(await this.#desk.prefer(changes));
  }

  /** @param {Preferences} value */
  #become(value) {
    this.#value = value;
    useTheme(value.theme);
    this.emit("change", value);
    if (useLanguage(value.language)) location.reload();
  }
}

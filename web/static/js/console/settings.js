// The page of the settings: every row of them, by what it is about, in words.

/** @import { Setting } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { make, reconcile } from "../core/render.js";
import { clearProblems, showRefusal } from "../parts/forms.js";
import { Page } from "./page.js";

/** Where each is shown; what is not here is shown too, under "More". @type {Record<string, string>} */
const GROUPS = {
  time_zone: "time",
  idle_limit: "hands",
  grace_period: "hands",
  customer_idle: "hands",
  allow_take: "hands",
  rate_limit_per_minute: "limits",
  rate_limit_burst: "limits",
  file_size_limit: "limits",
  event_retention: "keeping",
  chat_retention_days: "keeping",
  ticket_retention_days: "keeping",
  visitor_retention_days: "keeping",
  revision_retention_days: "keeping",
};

const ORDER = Object.keys(GROUPS);

/** `<baton-settings>` */
class Settings extends Page {
  /** @type {Setting[]} */
  #settings = [];

  /** @override */
  connected() {
    super.connected();
    this.listen("input", () => this.redraw());
    this.listen("submit", (event) => this.#save(event), this.#form);
  }

  /** @override */
  async load() {
    const isBusy = this.#settings.length > 0 && Object.keys(this.#changes()).length > 0;
    const { data } = await this.console.api.get("/api/admin/settings");
    if (!isBusy) this.#show(data);
  }

  /** @override */
  draw() {
    this.piece("save-bar").hidden = Object.keys(this.#changes()).length === 0;
  }

  /**
   * @override
   * @param {string} action
   */
  pressed(action) {
    if (action === "discard") this.#show(this.#settings);
  }

  /** @returns {HTMLFormElement} */
  get #form() {
    return this.find("#settings-form");
  }

  /** @param {Setting[]} settings */
  #show(settings) {
    this.#settings = settings;
    clearProblems(this.#form);
    for (const place of this.#form.querySelectorAll("[data-group]")) {
      const shown = settings
        .filter(({ name }) => (GROUPS[name] ?? "other") === place.getAttribute("data-group"))
        .toSorted((one, other) => ORDER.indexOf(one.name) - ORDER.indexOf(other.name));
      reconcile(place, shown, {
        key: ({ name }) => name,
        make: (setting) => make(setting.kind === "boolean" ? "setting-choice" : "setting-text", rowOf(setting)),
      });
      /** @type {HTMLElement} */ (place.closest("fieldset")).hidden = shown.length === 0;
    }
    for (const setting of settings) {
      const field = this.#field(setting.name);
      if (setting.kind === "boolean") field.checked = setting.value === true;
      else field.value = shownValue(setting);
    }
    this.#suggestZones();
    this.redraw();
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  /** What was changed, by name, as the server takes it. */
  #changes() {
    /** @type {Record<string, unknown>} */
    const changes = {};
    for (const setting of this.#settings) {
      const field = this.#field(setting.name);
      if (setting.kind === "boolean" ? field.checked === setting.value : field.value.trim() === shownValue(setting)) continue;
      changes[setting.name] = givenValue(setting, field);
    }
    return changes;
  }

  /** @param {Event} event */
  async #save(event) {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (this.piece("save"));
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    clearProblems(this.#form);
    try {
      const { data } = await this.console.api.request("PATCH", "/api/admin/settings", this.#changes());
      this.#show(data);
      this.console.toast(gettext("Saved. It holds from now on."));
    } catch (error) {
      showRefusal(this.#form, error);
    } finally {
      button.ariaDisabled = "false";
    }
  }

  #suggestZones() {
    const field = this.#field("time_zone");
    if (!field || field.list) return;
    const list = document.createElement("datalist");
    list.id = "time-zones";
    list.append(...["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => new Option(zone, zone)));
    field.after(list);
    field.setAttribute("list", list.id);
  }
}

/** @param {Setting} setting */
function rowOf({ name, kind, description }) {
  const { label, hint } = wordsOf(name) ?? { label: name.replaceAll("_", " "), hint: `${description}.` };
  return {
    name,
    label,
    hint,
    unit: unitOf(name, kind),
    inputmode: kind === "number" ? "decimal" : null,
    input_id: `setting-${name}`,
    hint_id: `setting-${name}-hint`,
    problem_id: `setting-${name}-problem`,
    described_by: `setting-${name}-hint setting-${name}-problem`,
  };
}

/**
 * A setting in the reader's language; undefined: one that came later than this page.
 * @param {string} name
 */
function wordsOf(name) {
  /** @type {Record<string, { label: string, hint: string }>} */
  const words = {
    time_zone: {
      label: gettext("Time zone"),
      hint: gettext("Decides when a day of the numbers begins, and what business hours mean."),
    },
    idle_limit: {
      label: gettext("A hold is idle after"),
      hint: gettext("So long an operator may neither reply nor type while his customer waits; then the chat goes back to the queue."),
    },
    grace_period: {
      label: gettext("An operator is gone after"),
      hint: gettext("So long his connection may be lost; then his chats go back and he is offline."),
    },
    customer_idle: {
      label: gettext("A customer is gone after"),
      hint: gettext("So long he may neither write nor be connected; then a chat that stays with its operator is let go."),
    },
    allow_take: {
      label: gettext("Operators may pick chats out of their order"),
      hint: gettext("Otherwise everybody gets what has waited longest."),
    },
    rate_limit_per_minute: {
      label: gettext("Requests a minute"),
      hint: gettext("Of one user in the long run; 0: no limit."),
    },
    rate_limit_burst: { label: gettext("Requests at once"), hint: gettext("Of one user, in a moment.") },
    file_size_limit: { label: gettext("Largest file"), hint: gettext("That may be attached to a message.") },
    event_retention: {
      label: gettext("Events"),
      hint: gettext("Whoever was away for longer fetches his screen afresh; nothing is lost."),
    },
    chat_retention_days: {
      label: gettext("Completed chats"),
      hint: gettext("Erased so long after they were completed; 0: kept until their customer is erased."),
    },
    ticket_retention_days: {
      label: gettext("Closed tickets"),
      hint: gettext("Erased so long after they were resolved or closed; 0: kept until their customer is erased."),
    },
    visitor_retention_days: {
      label: gettext("Visitors without a chat"),
      hint: gettext("Erased when they have not been here for so long; 0: never."),
    },
    revision_retention_days: {
      label: gettext("Earlier versions of messages"),
      hint: gettext("What messages said before they were edited or deleted; 0: kept as long as their chat."),
    },
  };
  return words[name];
}

/**
 * @param {string} name
 * @param {string} kind
 */
function unitOf(name, kind) {
  if (name === "file_size_limit") return gettext("MB");
  if (name.endsWith("_days")) return gettext("days");
  return kind === "interval" ? gettext("as “5 minutes” or “2 hours”") : "";
}

const MEGABYTE = 1024 * 1024;

/** @param {Setting} setting */
function shownValue({ name, value }) {
  return name === "file_size_limit" ? String(Math.round((Number(value) / MEGABYTE) * 100) / 100) : String(value);
}

/**
 * What no number is, is sent as it is: the server says what is wrong with it.
 * @param {Setting} setting
 * @param {HTMLInputElement} field
 */
function givenValue({ name, kind }, field) {
  if (kind === "boolean") return field.checked;
  const text = field.value.trim();
  if (kind !== "number" || text === "" || Number.isNaN(Number(text))) return text;
  return name === "file_size_limit" ? Math.round(Number(text) * MEGABYTE) : Number(text);
}

customElements.define("baton-settings", Settings);

// The page of the quick responses.

/** @import { QuickResponse } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { ask, dialogOf, part } from "../parts/dialogs.js";
import { Page } from "./page.js";

const PLACEHOLDER = /(\{\{[a-z.]+\}\})/;

/** `<baton-quick-responses>` */
class QuickResponses extends Page {
  /** @type {QuickResponse[]} */
  #responses = [];

  /** @override */
  begun() {
    this.listen("click", putIn, dialogOf("response-dialog"));
  }

  /** @override */
  async load() {
    this.#responses = (await this.console.api.get("/api/quick-responses")).data;
    reconcile(this.piece("rows"), this.#responses.map(rowOf), {
      key: ({ id }) => id,
      make: (row) => fillRow(make("response-row"), row),
      update: (element, row) => void fillRow(element, row),
    });
    this.piece("empty").hidden = this.#responses.length > 0;
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    const response = this.#responses.find(({ id }) => id === button.closest("li")?.dataset["id"]);
    if (action === "add") void this.#edit(null);
    if (action === "edit" && response) void this.#edit(response);
    if (action === "remove" && response) void this.#remove(response);
  }

  /** @param {QuickResponse | null} response */
  async #edit(response) {
    const { api } = this.console;
    const isDone = await ask("response-dialog", {
      title: response ? `/${response.shortcut}` : gettext("New quick response"),
      values: response ? { ...response, is_shared: response.owner_id === null } : { is_shared: true },
      save: (values) =>
        response ? api.request("PUT", `/api/quick-responses/${response.id}`, values) : api.post("/api/quick-responses", values),
    });
    if (isDone) void this.refresh();
  }

  /** @param {QuickResponse} response */
  async #remove({ id, shortcut }) {
    const isDone = await ask("confirm-dialog", {
      title: gettext("Delete /%(shortcut)s", { shortcut }),
      submit: gettext("Delete"),
      prepare: (form) => void (part(form, "confirm-text").textContent = gettext("Nobody finds it any more. What was sent with it stays.")),
      save: () => this.console.api.request("DELETE", `/api/quick-responses/${id}`),
    });
    if (isDone) void this.refresh();
  }
}

/**
 * A placeholder's button puts it where the caret is in the text.
 * @param {Event} event
 */
function putIn(event) {
  const button = event.target instanceof Element ? event.target.closest("[data-placeholder]") : null;
  const text = dialogOf("response-dialog").querySelector("textarea");
  if (!(button instanceof HTMLElement) || !text) return;
  text.setRangeText(`{{${button.dataset["placeholder"]}}}`, text.selectionStart, text.selectionEnd, "end");
  text.focus();
}

/** @param {QuickResponse} response */
function rowOf({ id, shortcut, title, content, owner_id }) {
  return {
    id,
    shortcut: `/${shortcut}`,
    title,
    content,
    is_own: owner_id !== null,
    edit_label: gettext("Change /%(shortcut)s", { shortcut }),
    remove_label: gettext("Delete /%(shortcut)s", { shortcut }),
  };
}

/**
 * The text, with its placeholders marked.
 * @param {Element} element
 * @param {ReturnType<typeof rowOf>} row
 */
function fillRow(element, row) {
  fill(element, row);
  element.querySelector(".response-text > p")?.replaceChildren(
    ...row.content.split(PLACEHOLDER).map((part) => {
      if (!PLACEHOLDER.test(part)) return part;
      return Object.assign(document.createElement("code"), { textContent: part.slice(2, -2) });
    }),
  );
  return element;
}

customElements.define("baton-quick-responses", QuickResponses);

// The page of files to take away. They are fetched as whoever is signed in and handed to the browser whole: a link
// could not carry the access token.

import { gettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { clearProblems, showProblem, valuesOf } from "../parts/forms.js";
import { Page } from "./page.js";
import { midnight } from "./rows.js";

/** `<baton-export>` */
class Export extends Page {
  /** @override */
  connected() {
    super.connected();
    this.listen("submit", (event) => this.#download(event), this.#form);
  }

  /** @returns {HTMLFormElement} */
  get #form() {
    return this.find("#export-form");
  }

  /** @param {Event} event */
  async #download(event) {
    event.preventDefault();
    clearProblems(this.#form);
    const { what, format, from, to } = /** @type {Record<string, string>} */ (valuesOf(this.#form));
    if (from && to && to < from) {
      const last = /** @type {HTMLInputElement} */ (this.find('[name="to"]'));
      showProblem(last, gettext("This is before the first day."));
      last.focus();
      return;
    }
    const button = /** @type {HTMLButtonElement} */ (this.piece("save"));
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      const query = new URLSearchParams({ format: format ?? "csv" });
      if (from) query.set("from", midnight(from, 0));
      if (to) query.set("to", midnight(to, 1));
      const { file, name } = await this.console.api.download(`/api/admin/export/${what}?${query}`);
      save(file, name ?? `baton-${what}.${format}`);
      this.console.toast(gettext("%(name)s is downloaded.", { name: name ?? String(what) }));
    } catch (error) {
      this.piece("problem").textContent = sentenceOf(error);
    } finally {
      button.ariaDisabled = "false";
    }
  }
}

/**
 * @param {Blob} file
 * @param {string} name
 */
function save(file, name) {
  const url = URL.createObjectURL(file);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

customElements.define("baton-export", Export);

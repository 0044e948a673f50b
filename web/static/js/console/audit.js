// The page of the audit log, and whether its chain is whole.

/** @import { AuditEntry, AuditProblem, Operator } from "./types.d.ts" */

import { gettext, language, ngettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { fill, make, reconcile } from "../core/render.js";
import { Page } from "./page.js";

const PAGE = 50;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const HASH = /^[0-9a-f]{64}$/;

const times = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

/** `<baton-audit>` */
class Audit extends Page {
  /** @type {AuditEntry[]} */
  #entries = [];
  /** @type {string | number | null} */
  #next = null;
  /** @type {Map<string, string>} */
  #names = new Map();
  /** Entries that are not as they were written. @type {Set<number>} */
  #broken = new Set();

  /** @override */
  async load() {
    const { api } = this.console;
    const [{ data, next_cursor }, operators] = await Promise.all([
      api.get(`/api/admin/audit?limit=${PAGE}`),
      api.get("/api/admin/operators"),
    ]);
    this.#names = new Map(operators.data.map((/** @type {Operator} */ { id, name }) => [id, name]));
    this.#entries = data;
    this.#next = next_cursor;
    this.#show();
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    if (action === "check") void this.#check(button);
    if (action === "more") void this.#more();
  }

  #show() {
    reconcile(this.piece("rows"), this.#entries.map((entry) => this.#rowOf(entry)), {
      key: ({ id }) => String(id),
      make: (row) => make("audit-row", row),
      update: fill,
    });
    this.piece("empty").hidden = this.#entries.length > 0;
    this.piece("table").hidden = this.#entries.length === 0;
    this.piece("more").hidden = this.#next === null;
  }

  async #more() {
    try {
      const from = this.#next;
      const { data, next_cursor } = await this.console.api.get(`/api/admin/audit?limit=${PAGE}&cursor=${from}`);
      if (from !== this.#next) return; // pressed twice
      this.#entries = [...this.#entries, ...data];
      this.#next = next_cursor;
      this.#show();
    } catch (error) {
      this.console.toast(sentenceOf(error), "problem");
    }
  }

  /** @param {HTMLButtonElement} button */
  async #check(button) {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    const verdict = this.piece("verdict");
    try {
      /** @type {AuditProblem[]} */
      const problems = (await this.console.api.get("/api/admin/audit/check")).data;
      this.#broken = new Set(problems.map(({ id }) => id));
      verdict.dataset["kind"] = problems.length === 0 ? "good" : "bad";
      verdict.textContent =
        problems.length === 0
          ? gettext("The chain is whole: no entry was changed, left out or put in. Checked at %(time)s.", { time: times.format(Date.now()) })
          : ngettext("The chain is broken at %(num)s entry: %(ids)s", "The chain is broken at %(num)s entries: %(ids)s", problems.length, {
              ids: problems.slice(0, 10).map(({ id, problem }) => `${id} (${problem})`).join(", "),
            });
    } catch (error) {
      verdict.dataset["kind"] = "bad";
      verdict.textContent = sentenceOf(error);
    } finally {
      button.ariaDisabled = "false";
    }
    verdict.hidden = false;
    this.#show();
  }

  /** @param {AuditEntry} entry */
  #rowOf({ id, at, action, actor_id, actor_kind, subject_id, detail, hash }) {
    return {
      id,
      at,
      time: times.format(Date.parse(at)),
      action_text: actionText(action),
      actor: this.#name(actor_id) || actor_kind,
      subject: this.#name(subject_id),
      detail_text: Object.entries(detail)
        .map(([name, value]) => `${name}: ${this.#detail(value)}`)
        .join(", "),
      hash,
      hash_text: hash.slice(0, 8),
      is_broken: this.#broken.has(id),
    };
  }

  /** @param {unknown} value */
  #detail(value) {
    if (typeof value === "string" && HASH.test(value)) return value.slice(0, 8); // of what may be too much to say
    if (typeof value === "string") return UUID.test(value) ? this.#name(value) : value;
    return JSON.stringify(value);
  }

  /** @param {string | null} id */
  #name(id) {
    return id === null ? "" : (this.#names.get(id) ?? id.slice(0, 8));
  }
}

/**
 * An action is a word of the log's own, such as `operator.role_changed`; languages other than English say it in theirs.
 * @param {string} action
 */
function actionText(action) {
  const said = gettext(action);
  if (said !== action) return said;
  const text = action.replaceAll(/[._]/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

customElements.define("baton-audit", Audit);

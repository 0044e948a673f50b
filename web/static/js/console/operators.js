// The page of the operators: who there is, who is invited.

/** @import { Invitation, Operator } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { fill, make, reconcile } from "../core/render.js";
import { ask, dialogOf } from "../parts/dialogs.js";
import { paced } from "./pace.js";
import { Page } from "./page.js";
import { invitationRow, operatorRow, roleText } from "./people.js";

const EVERY_MS = 5000;
const SHOWN = 20; // invitations

/** `<baton-operators>` */
class Operators extends Page {
  /** @type {Operator[]} */
  #operators = [];
  #reload = paced(EVERY_MS, () => this.refresh());

  /** @override */
  begun() {
    this.keep(this.console.live.on("frame", ({ type }) => this.isOpen && type === "presence" && this.#reload()));
  }

  /** @override */
  async load() {
    const [operators, invitations] = await Promise.all([
      this.console.api.get("/api/admin/operators"),
      this.console.api.get("/api/admin/invitations"),
    ]);
    this.#operators = operators.data;
    this.#draw(invitations.data);
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    const id = button.closest("tr")?.dataset["id"] ?? "";
    if (action === "invite") void this.#invite();
    if (action === "edit") void this.#edit(id);
    if (action === "revoke") void this.#revoke(id);
  }

  /** @param {Invitation[]} invitations */
  #draw(invitations) {
    const now = Date.now();
    reconcile(this.piece("rows"), this.#operators.map((operator) => operatorRow(operator, now)), {
      key: ({ id }) => id,
      make: (row) => fillOperator(make("operator-row"), row),
      update: (element, row) => void fillOperator(element, row),
    });
    // What was accepted has become an operator, above.
    const shown = invitations.filter(({ status }) => status !== "accepted").slice(0, SHOWN);
    reconcile(this.piece("invitations"), shown.map(invitationRow), {
      key: ({ id }) => id,
      make: (row) => make("invitation-row", row),
      update: fill,
    });
    this.piece("no-invitations").hidden = shown.length > 0;
  }

  async #invite() {
    /** @type {Invitation | null} */
    let invitation = null;
    const isDone = await ask("invite-dialog", {
      values: { role: "operator", capacity: 1 },
      save: async ({ email, name, role, capacity }) => {
        const asked = { email, name: name || null, role, capacity: Number(capacity) };
        invitation = await this.console.api.post("/api/admin/invitations", asked);
      },
    });
    if (!isDone || !invitation) return;
    void this.refresh();
    this.#showLink(invitation);
  }

  /** @param {Invitation} invitation */
  #showLink({ email, role, link }) {
    if (!link) return this.console.toast(gettext("The invitation is on its way to %(email)s.", { email }));
    const dialog = dialogOf("invited-dialog");
    const input = /** @type {HTMLInputElement} */ (dialog.querySelector('[data-part="invited-link"]'));
    const copied = /** @type {HTMLElement} */ (dialog.querySelector('[data-part="copy-text"]'));
    const text = /** @type {HTMLElement} */ (dialog.querySelector('[data-part="invited-text"]'));
    const button = /** @type {HTMLButtonElement} */ (dialog.querySelector('[data-action="copy"]'));
    text.textContent = gettext("No mail was sent. Give this link to %(email)s yourself (%(role)s):", { email, role: roleText(role) });
    input.value = link;
    copied.textContent = gettext("Copy");
    button.onclick = async () => {
      input.select();
      // The clipboard is missing on plain http; the link is selected then.
      await navigator.clipboard?.writeText(link).then(
        () => (copied.textContent = gettext("Copied")),
        () => {},
      );
    };
    dialog.showModal();
    input.select();
  }

  /** @param {string} id */
  async #edit(id) {
    const operator = this.#operators.find((each) => each.id === id);
    if (!operator) return;
    const isDone = await ask("operator-dialog", {
      title: operator.name,
      values: { ...operator },
      save: (values) => this.console.api.request("PATCH", `/api/admin/operators/${id}`, changesOf(operator, { ...values, capacity: Number(values["capacity"]) })),
    });
    if (isDone) void this.refresh();
  }

  /** @param {string} id */
  async #revoke(id) {
    try {
      await this.console.api.request("DELETE", `/api/admin/invitations/${id}`);
      this.console.toast(gettext("The invitation was taken back."));
    } catch (error) {
      this.console.toast(sentenceOf(error), "problem");
    }
    void this.refresh();
  }
}

/**
 * What of the values is not as it was.
 * @param {object} known
 * @param {Record<string, unknown>} values
 */
export function changesOf(known, values) {
  const before = /** @type {Record<string, unknown>} */ (known);
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => JSON.stringify(before[name]) !== JSON.stringify(value)));
}

/**
 * @param {Element} element
 * @param {ReturnType<typeof operatorRow>} row
 */
function fillOperator(element, row) {
  fill(element, row);
  const slots = element.querySelector(".slots");
  if (slots) reconcile(slots, row.slots, { key: ({ place }) => String(place), make: (slot) => make("slot", slot), update: fill });
  return element;
}

customElements.define("baton-operators", Operators);

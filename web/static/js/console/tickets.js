// The page of the tickets: what customers have left, and what stands in each.

/** @import { Ticket } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { fill, make, reconcile } from "../core/render.js";
import { moment, stamp } from "../core/time.js";
import { dialogOf } from "../parts/dialogs.js";
import { Page } from "./page.js";

const PAGE = 50;

/** `<baton-tickets>` */
class Tickets extends Page {
  /** @type {Ticket[]} */
  #tickets = [];
  /** @type {string | null} */
  #next = null;
  #status = "open";

  /** @override */
  connected() {
    super.connected();
    this.listen("change", (event) => this.#filtered(event), this.piece("status"));
  }

  /**
   * @override
   * @param {AbortSignal} signal
   */
  async load(signal) {
    const { data, next_cursor } = await this.#fetch(null, signal);
    this.#tickets = data;
    this.#next = next_cursor;
    this.#show();
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    const ticket = this.#tickets.find(({ id }) => id === button.closest("tr")?.dataset["id"]);
    if (action === "ticket" && ticket) void this.#open(ticket);
    if (action === "more") void this.#more();
  }

  /**
   * @param {string | null} cursor
   * @param {AbortSignal} [signal]
   */
  #fetch(cursor, signal) {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (this.#status) query.set("status", this.#status);
    if (cursor) query.set("cursor", cursor);
    return this.console.api.get(`/api/tickets?${query}`, signal);
  }

  #show() {
    reconcile(this.piece("rows"), this.#tickets.map(rowOf), {
      key: ({ id }) => id,
      make: (row) => make("ticket-row", row),
      update: fill,
    });
    this.piece("empty").hidden = this.#tickets.length > 0;
    this.piece("table").hidden = this.#tickets.length === 0;
    this.piece("more").hidden = this.#next === null;
  }

  async #more() {
    try {
      const from = this.#next;
      const { data, next_cursor } = await this.#fetch(from);
      if (from !== this.#next) return; // pressed twice
      this.#tickets = [...this.#tickets, ...data];
      this.#next = next_cursor;
      this.#show();
    } catch (error) {
      this.console.toast(sentenceOf(error), "problem");
    }
  }

  /** @param {Event} event */
  #filtered(event) {
    if (event.target instanceof HTMLInputElement) this.#status = event.target.value;
    void this.refresh();
  }

  /** @param {Ticket} ticket */
  async #open(ticket) {
    const dialog = dialogOf("ticket-dialog");
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (dialog.querySelector(`[data-part="${name}"]`));
    const title = dialog.querySelector("h2");
    if (title) title.textContent = ticket.title;
    part("facts").replaceChildren(...factsOf(ticket).map((fact) => make("ticket-fact", fact)));
    part("messages").replaceChildren();
    part("problem").textContent = "";
    dialog.showModal();
    try {
      const { data } = await this.console.api.get(`/api/tickets/${ticket.id}/messages?limit=100`);
      part("messages").replaceChildren(...data.map((/** @type {TicketMessage} */ message) => make("ticket-message", messageOf(message, ticket))));
    } catch (error) {
      part("problem").textContent = sentenceOf(error);
    }
  }
}

/** @typedef {{ sender_type: string, content: string, created_at: string }} TicketMessage */

/**
 * @param {TicketMessage} message
 * @param {Ticket} ticket
 */
function messageOf(message, ticket) {
  const authors = {
    real: ticket.contact_name || ticket.contact_email || gettext("Customer"),
    operator: gettext("Support"),
    assistant: gettext("Assistant"),
  };
  return {
    author: authors[/** @type {keyof typeof authors} */ (message.sender_type)] ?? gettext("Baton"),
    time: moment(message.created_at),
    at: message.created_at,
    content: message.content,
  };
}

/** @param {Ticket} ticket */
function rowOf(ticket) {
  return {
    id: ticket.id,
    title: ticket.title,
    contact: ticket.contact_name || ticket.contact_email || gettext("Visitor"),
    address: ticket.contact_name ? (ticket.contact_email ?? "") : "",
    type_text: typeText(ticket.type),
    priority: ticket.priority,
    priority_text: priorityText(ticket.priority),
    mark: { open: "waiting_assignment", "in-progress": "assigned", resolved: "completed", closed: "completed" }[ticket.status],
    status_text: statusText(ticket.status),
    since_text: stamp(ticket.created_at),
    created_at: ticket.created_at,
  };
}

/** @param {Ticket} ticket */
function factsOf(ticket) {
  const facts = [
    { name: gettext("From"), value: [ticket.contact_name, ticket.contact_email].filter(Boolean).join(", ") },
    { name: gettext("About"), value: typeText(ticket.type) },
    { name: gettext("Status"), value: statusText(ticket.status) },
    { name: gettext("Priority"), value: priorityText(ticket.priority) },
    { name: gettext("Since"), value: moment(ticket.created_at) },
    { name: gettext("Summary"), value: ticket.summary ?? "" },
  ];
  for (const [name, value] of Object.entries(ticket.context)) {
    if (typeof value === "string" || typeof value === "number") facts.push({ name, value: String(value) });
  }
  return facts.filter(({ value }) => value !== "");
}

/** @param {Ticket["type"]} type */
function typeText(type) {
  return {
    support: gettext("Support"),
    "product-inquiry": gettext("A product"),
    "order-help": gettext("An order"),
    technical: gettext("Technical"),
  }[type];
}

/** @param {Ticket["priority"]} priority */
function priorityText(priority) {
  return { low: gettext("Low"), medium: gettext("Medium"), high: gettext("High"), urgent: gettext("Urgent") }[priority];
}

/** @param {Ticket["status"]} status */
function statusText(status) {
  return {
    open: gettext("Open"),
    "in-progress": gettext("In progress"),
    resolved: gettext("Resolved"),
    closed: gettext("Closed"),
  }[status];
}

customElements.define("baton-tickets", Tickets);

// The customer of the chat that is open: who he is, what his page has told, what was before.

/** @import { Workspace } from "./workspace.js" */
/** @import { Desk } from "./desk.js" */
/** @import { Panel } from "./types.d.ts" */

import { ApiError } from "../core/api.js";
import { BatonElement } from "../core/element.js";
import { Emitter } from "../core/emitter.js";
import { gettext, ngettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { moment, stamp } from "../core/time.js";
import { customerName, factsOf, happeningText, isolated, stateName } from "./views.js";
import { pathOf } from "./place.js";

const SKELETON_MS = 150;
const AGAIN_MS = 300; // events of one change come together

/**
 * What is beside the chat that is open, fetched anew when something has happened to it.
 * @extends {Emitter<{ change: null }>}
 */
export class PanelStore extends Emitter {
  #desk;
  /** @type {string | null} */
  #chatId = null;
  /** @type {Panel | null} */
  #panel = null;
  /** @type {ApiError | null} */
  #problem = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Desk} desk */
  constructor(desk) {
    super();
    this.#desk = desk;
  }

  get problem() {
    return this.#problem;
  }

  /**
   * @param {string} chatId
   * @returns {Panel | null}
   */
  of(chatId) {
    return chatId === this.#chatId ? this.#panel : null;
  }

  /** @param {string | null} chatId */
  open(chatId) {
    if (chatId === this.#chatId) return;
    this.#chatId = chatId;
    this.#panel = this.#problem = null;
    this.emit("change", null);
    if (chatId !== null) void this.fetch();
  }

  /** Something has happened to the chat. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.fetch(), AGAIN_MS);
  }

  async fetch() {
    const chatId = this.#chatId;
    if (chatId === null) return;
    try {
      const panel = await this.#desk.api.get(`/api/chats/${chatId}/panel`);
      if (chatId !== this.#chatId) return;
      this.#panel = panel;
      this.#problem = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (chatId !== this.#chatId) return;
      this.#problem = error;
    }
    this.emit("change", null);
  }
}

export class CustomerPanel extends BatonElement {
  /** @type {Workspace | null} */
  #workspace = null;
  #isSkeletonDue = false;

  /** @param {Workspace} workspace */
  begin(workspace) {
    this.#workspace = workspace;
    this.keep(workspace.panel.on("change", () => this.#changed()));
    this.keep(workspace.desk.on("change", () => this.redraw()));
    this.listen("click", () => void workspace.panel.fetch(), this.find('[data-command="reload-panel"]'));
  }

  /** @override */
  draw() {
    if (!this.#workspace) return;
    const { desk, place, panel: store } = this.#workspace;
    const { chatId } = place.where;
    const panel = chatId && desk.state.me ? store.of(chatId) : null; // the lists know the half of it
    this.#part("body").hidden = panel === null;
    this.#part("skeleton").hidden = panel !== null || store.problem !== null || !this.#isSkeletonDue || chatId === null;
    this.#part("trouble").hidden = store.problem === null || panel !== null;
    this.#part("trouble-text").textContent = store.problem ? gettext("What is known of the customer could not be fetched.") : "";
    if (!panel || !chatId) return;
    this.#drawCustomer(panel, desk.state.rows.get(chatId)?.customer_connected ?? panel.customer.is_connected);
    this.#drawFacts("context", factsOf(panel.context ?? {}));
    this.#part("context-part").hidden = Object.keys(panel.context ?? {}).length === 0;
    this.#drawEarlier(panel);
    this.#drawTickets(panel);
    this.#drawFacts("about", this.#about(panel, chatId));
    this.#drawHistory(panel);
  }

  /**
   * @param {Panel} panel
   * @param {boolean} isHere
   */
  #drawCustomer({ customer }, isHere) {
    this.#part("name").textContent = customerName({ customer_name: customer.name, customer_email: customer.email });
    const email = /** @type {HTMLAnchorElement} */ (this.#part("email"));
    email.hidden = customer.email === null;
    email.textContent = customer.email ?? "";
    if (customer.email) email.href = `mailto:${customer.email}`;
    this.#part("presence").setAttribute("data-status", isHere ? "online" : "offline");
    const since = gettext("Known since %(day)s", { day: stamp(customer.created_at) });
    this.#part("here").textContent = [isHere ? gettext("Is on the page") : gettext("Is not on the page"), since].join(" · ");
  }

  /**
   * @param {string} name
   * @param {{ key: string, name: string, value: string }[]} facts
   */
  #drawFacts(name, facts) {
    reconcile(this.#part(name), facts, {
      key: (fact) => fact.key,
      make: (fact) => make("fact", fact),
      update: fill,
    });
  }

  /** @param {Panel} panel */
  #drawEarlier({ earlier_chats: chats, earlier_chat_count: count }) {
    this.#part("earlier-part").hidden = count === 0;
    this.#part("earlier-count").textContent = String(count);
    const hidden = count - chats.length;
    this.#part("earlier-more").hidden = hidden <= 0;
    this.#part("earlier-more").textContent = ngettext("%(num)s not shown: a colleague's, or older", "%(num)s not shown: colleagues', or older", hidden);
    const view = (/** @type {Panel["earlier_chats"][number]} */ chat) => ({
      key: chat.id,
      href: pathOf({ section: "desk", chatId: chat.id }),
      chat_state: chat.chat_state,
      state_text: stateName(chat.chat_state),
      headline: chat.headline ?? gettext("Chat"),
      text: [
        stamp(chat.last_message_at ?? chat.created_at),
        chat.last_operator_name,
        ngettext("%(num)s message", "%(num)s messages", chat.message_count),
      ]
        .filter(Boolean)
        .join(" · "),
    });
    reconcile(this.#part("earlier"), chats.map(view), {
      key: (chat) => chat.key,
      make: (chat) => make("earlier", chat),
      update: fill,
    });
  }

  /** @param {Panel} panel */
  #drawTickets({ tickets }) {
    this.#part("tickets-part").hidden = tickets.length === 0;
    this.#part("tickets-count").textContent = String(tickets.length);
    const statuses = {
      open: gettext("Open"),
      "in-progress": gettext("In progress"),
      resolved: gettext("Resolved"),
      closed: gettext("Closed"),
    };
    const priorities = {
      low: gettext("Low priority"),
      medium: "",
      high: gettext("High priority"),
      urgent: gettext("Urgent"),
    };
    const views = tickets.map(({ id, title, status, priority, created_at: at }) => ({
      ...{ id, title, status },
      text: [statuses[status], priorities[priority], stamp(at)].filter(Boolean).join(" · "),
    }));
    reconcile(this.#part("tickets"), views, {
      key: (each) => each.id,
      make: (each) => make("panel-ticket", each),
      update: fill,
    });
  }

  /**
   * @param {Panel} panel
   * @param {string} chatId
   */
  #about(panel, chatId) {
    const row = this.#workspace?.desk.state.rows.get(chatId);
    const facts = [
      { key: "headline", name: gettext("About"), value: row?.headline ?? "" },
      { key: "persona", name: gettext("Answered as"), value: panel.persona?.name ?? "" },
      {
        key: "handling",
        name: gettext("Handling"),
        value: row ? (row.handling === "turn" ? gettext("Turn by turn") : gettext("As one session")) : "",
      },
      { key: "priority", name: gettext("Priority"), value: row && row.priority !== 0 ? String(row.priority) : "" },
      { key: "rating", name: gettext("Rating"), value: ratingText(this.#workspace?.chat.rating ?? null) },
      { key: "begun", name: gettext("Begun"), value: row ? moment(row.created_at) : "" },
      { key: "address", name: gettext("Address"), value: panel.ip_address ?? "" },
    ];
    return facts.filter((fact) => fact.value !== "");
  }

  /** @param {Panel} panel */
  #drawHistory({ history }) {
    this.#part("history-count").textContent = String(history.length);
    const views = history.toReversed().map((each, place) => ({
      key: `${history.length - place} ${each.at}`,
      at: each.at,
      time: stamp(each.at),
      day: moment(each.at),
      text: happeningText(each),
    }));
    reconcile(this.#part("history"), views, {
      key: (each) => each.key,
      make: (each) => make("happening", each),
      update: fill,
    });
  }

  #changed() {
    this.#isSkeletonDue = false;
    setTimeout(() => {
      this.#isSkeletonDue = true;
      this.redraw();
    }, SKELETON_MS);
    this.redraw();
  }

  /** @param {string} name */
  #part(name) {
    return this.find(`[data-part="${name}"]`);
  }
}

/** @param {import("../core/types.d.ts").Rating | null} rating */
function ratingText(rating) {
  if (rating === null) return "";
  const score = gettext("%(num)s of 5", { num: rating.score });
  return rating.comment ? gettext("%(sentence)s: “%(words)s”", isolated({ sentence: score, words: rating.comment })) : score;
}

customElements.define("baton-panel", CustomerPanel);

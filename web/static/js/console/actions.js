// What an admin does to chats, one or many: the menu beside a chat, the dialogs, the requests, and what came of them.

/** @import { BulkResult, ChatHandle, Console, ConsoleOperator } from "./types.d.ts" */

import { ApiError } from "../core/api.js";
import { gettext, ngettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { fill, make, reconcile } from "../core/render.js";
import { ask, dialogOf } from "../parts/dialogs.js";
import { openMenu } from "../parts/menu.js";

const MOST = 200; // chats in one request

export class ChatActions {
  #console;
  #menu = /** @type {HTMLElement} */ (document.getElementById("chat-menu"));
  /** @type {ChatHandle | null} */
  #chat = null;
  /** @type {readonly ConsoleOperator[]} */
  #operators = [];
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {Omit<Console, "actions">} console */
  constructor(console) {
    this.#console = console;
    this.#menu.addEventListener("click", (event) => this.#chosen(event));
  }

  /** Who there is to give chats to, as the overview has them. */
  get operators() {
    return this.#operators;
  }

  set operators(operators) {
    this.#operators = operators;
    if (dialogOf("give-dialog").open) this.#drawChoices();
  }

  /** Whether the menu is open. */
  get isOpen() {
    return this.#menu.matches(":popover-open");
  }

  /**
   * Call this whenever something was done.
   * @param {() => void} listener
   */
  onDone(listener) {
    this.#listeners.add(listener);
  }

  /**
   * Show what can be done with a chat.
   * @param {ChatHandle} chat
   * @param {HTMLElement} button
   */
  showMenu(chat, button) {
    this.#chat = chat;
    const isOpen = chat.chat_state !== "completed";
    this.#menuPart("menu-name").textContent = chat.name;
    this.#menuPart("menu-note").textContent = stateName(chat.chat_state);
    this.#show("release", chat.chat_state === "assigned");
    this.#show("complete", isOpen);
    this.#show("prioritise", isOpen);
    this.#menuPart("menu-give").hidden = !isOpen;
    reconcile(
      this.#menuPart("menu-operators"),
      this.#operators.map((operator) => choiceOf(operator, chat)),
      { key: ({ id }) => id, make: (choice) => make("menu-operator", choice), update: fill },
    );
    openMenu(this.#menu, button);
  }

  /**
   * Give chats to an operator.
   * @param {readonly ChatHandle[]} chats
   * @param {ConsoleOperator} operator
   * @param {string} [reason]
   */
  give(chats, operator, reason) {
    return this.#act("reassign", chats, { operator_id: operator.id, reason: reason || null }, (number) =>
      ngettext("%(num)s chat is with %(name)s now.", "%(num)s chats are with %(name)s now.", number, { name: operator.name }),
    );
  }

  /**
   * Take chats out of their holders' hands.
   * @param {readonly ChatHandle[]} chats
   */
  release(chats) {
    return this.#act("release", chats, {}, (number) =>
      ngettext("%(num)s chat is out of hand.", "%(num)s chats are out of hand.", number),
    );
  }

  /**
   * Ask to whom, and give.
   * @param {readonly ChatHandle[]} chats
   */
  askToGive(chats) {
    this.#drawChoices();
    return ask("give-dialog", {
      title: ngettext("Give %(num)s chat to an operator", "Give %(num)s chats to an operator", chats.length),
      save: async ({ operator_id, reason }) => {
        const operator = this.#operators.find(({ id }) => id === operator_id);
        if (!operator) throw nobodyChosen();
        await this.give(chats, operator, String(reason));
      },
    });
  }

  /**
   * Ask for a reason, and complete.
   * @param {readonly ChatHandle[]} chats
   */
  askToComplete(chats) {
    return ask("complete-dialog", {
      title: titleOf(chats, gettext("Complete the chat of %(name)s", { name: chats[0]?.name ?? "" }), (number) =>
        ngettext("Complete %(num)s chat", "Complete %(num)s chats", number),
      ),
      save: ({ reason }) =>
        this.#act("complete", chats, { reason: reason || null }, (number) =>
          ngettext("%(num)s chat is completed.", "%(num)s chats are completed.", number),
        ),
    });
  }

  /**
   * Ask for a priority, and set it.
   * @param {readonly ChatHandle[]} chats
   */
  askToPrioritise(chats) {
    return ask("priority-dialog", {
      title: titleOf(chats, gettext("Priority of the chat of %(name)s", { name: chats[0]?.name ?? "" }), (number) =>
        ngettext("Priority of %(num)s chat", "Priority of %(num)s chats", number),
      ),
      values: { priority: chats[0]?.priority ?? 0 },
      save: ({ priority }) =>
        this.#act("prioritise", chats, { priority: Number(priority) }, (number) =>
          ngettext("%(num)s chat has priority %(priority)s.", "%(num)s chats have priority %(priority)s.", number, {
            priority: Number(priority),
          }),
        ),
    });
  }

  /**
   * @param {string} action
   * @param {readonly ChatHandle[]} chats
   * @param {object} more
   * @param {(number: number) => string} sentence  what is said of so many that were done
   */
  async #act(action, chats, more, sentence) {
    const names = new Map(chats.map(({ id, name }) => [id, name]));
    /** @type {BulkResult[]} */
    const results = [];
    try {
      for (let from = 0; from < chats.length; from += MOST) {
        const chat_ids = chats.slice(from, from + MOST).map(({ id }) => id);
        const { data } = await this.#console.api.post("/api/admin/chats/bulk", { action, chat_ids, ...more });
        results.push(...data);
      }
    } catch (error) {
      this.#console.toast(sentenceOf(error), "problem");
      throw error;
    } finally {
      for (const listener of this.#listeners) listener();
    }
    const refused = results.filter(({ is_done }) => !is_done);
    const done = results.length - refused.length;
    if (done > 0) this.#console.toast(sentence(done));
    if (refused.length > 0) {
      this.#console.toast(
        ngettext("%(num)s chat was refused:", "%(num)s chats were refused:", refused.length),
        "problem",
        refused.slice(0, 5).map(({ chat_id, message }) => `${names.get(chat_id) ?? ""}: ${gettext(message ?? "")}`),
      );
    }
  }

  #drawChoices() {
    const list = /** @type {HTMLElement} */ (dialogOf("give-dialog").querySelector('[data-part="give-choices"]'));
    reconcile(list, this.#operators.map(giveChoice), {
      key: ({ id }) => id,
      make: (choice) => make("give-choice", choice),
      update: fill,
    });
  }

  /** @param {MouseEvent} event */
  #chosen(event) {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    const chat = this.#chat;
    if (!button || !chat || button.ariaDisabled === "true") return;
    this.#menu.hidePopover();
    const operator = this.#operators.find(({ id }) => id === button.dataset["operator"]);
    if (operator) return void this.give([chat], operator).catch(() => {});
    switch (button.dataset["do"]) {
      case "open":
        return void window.open(`/operator/${chat.id}`, "baton-workspace");
      case "transcript":
        return void window.open(`/operator/chats/${chat.id}/transcript`, "_blank", "noopener");
      case "release":
        return void this.release([chat]).catch(() => {});
      case "complete":
        return void this.askToComplete([chat]);
      case "prioritise":
        return void this.askToPrioritise([chat]);
    }
  }

  /**
   * @param {string} what
   * @param {boolean} isShown
   */
  #show(what, isShown) {
    const button = this.#menu.querySelector(`[data-do="${what}"]`);
    if (button instanceof HTMLElement) button.hidden = !isShown;
  }

  /** @param {string} part */
  #menuPart(part) {
    return /** @type {HTMLElement} */ (this.#menu.querySelector(`[data-part="${part}"]`));
  }
}

/** @param {string} state */
export function stateName(state) {
  switch (state) {
    case "waiting_assignment":
      return gettext("Waiting");
    case "assigned":
      return gettext("In hand");
    case "waiting_real_user_reply":
      return gettext("Waiting for the customer");
    default:
      return gettext("Done");
  }
}

/** @param {ConsoleOperator} operator */
export function freeText({ capacity, held }) {
  const free = Math.max(0, capacity - held);
  return free === 0 ? gettext("hands full") : ngettext("%(num)s free", "%(num)s free", free);
}

/**
 * @param {ConsoleOperator} operator
 * @param {ChatHandle} chat
 */
function choiceOf(operator, chat) {
  const isHolder = chat.assigned_operator_id === operator.id;
  return {
    id: operator.id,
    name: operator.name,
    status: operator.status,
    note: isHolder ? gettext("has it") : freeText(operator),
    is_disabled: isHolder || operator.held >= operator.capacity ? "true" : null,
  };
}

/** Radio buttons have no place of their own for what is wrong: it is said above the form. */
function nobodyChosen() {
  return new ApiError(400, { code: "", message: gettext("Choose somebody."), details: "nobody_chosen", hint: null });
}

/** @param {ConsoleOperator} operator */
function giveChoice(operator) {
  return {
    id: operator.id,
    input_id: `give-${operator.id}`,
    name: operator.name,
    status: operator.status,
    note: freeText(operator),
  };
}

/**
 * @param {readonly ChatHandle[]} chats
 * @param {string} one
 * @param {(number: number) => string} many
 */
function titleOf(chats, one, many) {
  return chats.length === 1 ? one : many(chats.length);
}

// The page of what is stuck, and of what breaks the rules.

/** @import { ConsoleChat, StuckChat } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { duration, secondsSince } from "../core/time.js";
import { stateName } from "./actions.js";
import { Page } from "./page.js";
import { handleOf } from "./rows.js";

const MOST = 200;

/** `<baton-stuck>` */
class Stuck extends Page {
  /** The open chats by id: what is stuck comes without names. @type {Map<string, ConsoleChat>} */
  #chats = new Map();

  /** @override */
  connected() {
    super.connected();
    this.listen("change", () => void this.refresh(), this.piece("hours"));
  }

  /** @override */
  begun() {
    this.console.actions.onDone(() => this.isOpen && void this.refresh());
  }

  /**
   * @override
   * @param {AbortSignal} signal
   */
  async load(signal) {
    const { api } = this.console;
    const hours = /** @type {HTMLSelectElement} */ (this.piece("hours")).value;
    const [stuck, invariants, chats] = await Promise.all([
      api.get(`/api/admin/stuck-chats?hours=${hours}`, signal),
      api.get("/api/admin/invariants", signal),
      api.get(`/api/admin/chats?state=waiting_assignment&state=assigned&limit=${MOST}&sort=wait`, signal),
    ]);
    this.#chats = new Map(chats.data.map((/** @type {ConsoleChat} */ chat) => [chat.id, chat]));
    this.#show(stuck.data);
    this.#showRules(invariants.data);
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    const chat = this.#chats.get(button.closest("tr")?.dataset["chat"] ?? "");
    if (action === "chat" && chat) this.console.actions.showMenu(handleOf(chat), button);
  }

  /** @param {StuckChat[]} stuck */
  #show(stuck) {
    const now = Date.now();
    this.console.count("stuck", new Set(stuck.map(({ chat_id }) => chat_id)).size);
    reconcile(this.piece("rows"), stuck.map((each) => this.#rowOf(each, now)), {
      key: ({ key }) => key,
      make: (row) => make("stuck-row", row),
      update: fill,
    });
    this.piece("empty").hidden = stuck.length > 0;
    this.piece("table").hidden = stuck.length === 0;
  }

  /**
   * @param {StuckChat} stuck
   * @param {number} now
   */
  #rowOf({ chat_id, chat_state, since, problem, assigned_operator_id }, now) {
    const chat = this.#chats.get(chat_id);
    const handle = chat ? handleOf(chat) : null;
    const name = handle?.name ?? chat_id.slice(0, 8);
    return {
      key: `${chat_id} ${problem}`,
      id: chat_id,
      name,
      headline: chat?.headline ?? "",
      chat_state,
      state_text: stateName(chat_state),
      holder: chat?.holder_name ?? assigned_operator_id?.slice(0, 8) ?? "",
      since_text: duration(secondsSince(since, now)),
      problem_text: problemText(problem),
      more_label: gettext("Actions for the chat of %(name)s", { name }),
    };
  }

  /** @param {Record<string, unknown>[]} broken */
  #showRules(broken) {
    const line = this.piece("rules");
    line.dataset["kind"] = broken.length === 0 ? "good" : "bad";
    line.textContent =
      broken.length === 0
        ? gettext("All of them hold: every chat in hand has one holder, and nobody holds more than he can carry.")
        : gettext("Something is broken. This should never be; please report it.");
    this.piece("broken").replaceChildren(
      ...broken.slice(0, 50).map((row) => Object.assign(document.createElement("li"), { textContent: Object.values(row).filter(Boolean).join(" · ") })),
    );
  }
}

/** @param {StuckChat["problem"]} problem */
function problemText(problem) {
  return {
    waiting_too_long: gettext("Waits too long"),
    assigned_too_long: gettext("Too long in one hand"),
    holder_inactive: gettext("Its holder is deactivated"),
    invariant_broken: gettext("Breaks a rule"),
  }[problem];
}

customElements.define("baton-stuck", Stuck);

// The bar on top: my hands, who waits, my colleagues, how I am.

/** @import { Workspace } from "./workspace.js" */

import { BatonElement } from "../core/element.js";
import { gettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { duration } from "../core/time.js";
import { placeBeside, showMenu } from "../parts/menu.js";
import { inHand } from "./state.js";
import { colleagueView, reasonOf, slotViews, statusName } from "./views.js";

const MOST_SLOTS = 3;
const TICK_MS = 15_000;

export class Lane extends BatonElement {
  /** @type {Workspace | null} */
  #workspace = null;
  #waiting = -1;
  /** Which chats have a slot already. @type {Set<string>} */
  #known = new Set();

  /** @param {Workspace} workspace */
  begin(workspace) {
    this.#workspace = workspace;
    this.keep(workspace.desk.on("change", () => this.redraw()));
    this.keep(workspace.place.on("change", () => this.redraw()));
    const timer = setInterval(() => this.redraw(), TICK_MS);
    this.keep(() => clearInterval(timer));
    this.listen("click", () => void this.#chooseStatus(), this.named("status"));
    const team = /** @type {HTMLElement} */ (document.getElementById("team"));
    team.addEventListener("toggle", () => placeBeside(team, this.find(".lane-team")), { signal: this.signal });
    this.redraw();
  }

  /** @override */
  draw() {
    const workspace = this.#workspace;
    if (!workspace?.desk.state.me) return;
    this.#drawSlots(workspace);
    this.#drawQueue(workspace);
    this.#drawPeople(workspace);
  }

  /** @param {Workspace} workspace */
  #drawSlots({ desk, place }) {
    const held = inHand(desk.state);
    const slots = slotViews(held, desk.state.me?.capacity ?? 1, place.where.chatId, Date.now());
    const shown = slots.slice(0, MOST_SLOTS);
    reconcile(this.find(".lane-slots"), shown, {
      key: (slot) => slot.key,
      make: (slot) => {
        const made = make("slot", slot);
        if (slot.is_taken && this.#known.size > 0) made.setAttribute("data-arrived", "");
        return made;
      },
      update: fill,
    });
    this.#known = new Set(["begun", ...held.map((row) => row.id)]);
    const more = this.named("more-slots");
    more.hidden = slots.length <= MOST_SLOTS;
    more.textContent = gettext("%(held)s of %(capacity)s", { held: held.length, capacity: slots.length });
  }

  /** @param {Workspace} workspace */
  #drawQueue({ desk }) {
    const { queue } = desk.state;
    if (!queue) return;
    const { waiting_count: count, oldest_wait_seconds: oldest } = queue;
    const number = this.named("waiting");
    if (count !== this.#waiting) {
      number.textContent = String(count);
      number.toggleAttribute("data-rolls", this.#waiting !== -1);
      this.#waiting = count;
      // The next change rolls again.
      number.addEventListener("animationend", () => number.removeAttribute("data-rolls"), { once: true });
    }
    this.named("queue").toggleAttribute("data-empty", count === 0);
    this.named("waiting-text").textContent = count === 0 ? gettext("nobody waits") : gettext("waiting");
    this.named("longest").textContent = oldest === null ? "" : gettext("longest %(time)s", { time: duration(oldest) });
  }

  /** @param {Workspace} workspace */
  #drawPeople({ desk }) {
    const { me, colleagues } = desk.state;
    if (!me) return;
    const status = this.named("status");
    status.querySelector(".presence")?.setAttribute("data-status", me.status);
    this.named("my-name").textContent = me.name;
    this.named("status-text").textContent = reasonOf(me.status_reason) || statusName(me.status);
    status.setAttribute("aria-label", gettext("%(name)s, %(status)s", { name: me.name, status: statusName(me.status) }));
    const ranks = { online: 0, away: 1, offline: 2 };
    const others = [...colleagues.values()]
      .filter((each) => each.operator_id !== me.id)
      .sort((one, other) => ranks[one.status] - ranks[other.status] || (one.name ?? "").localeCompare(other.name ?? ""));
    this.named("online").textContent = String(others.filter((each) => each.status === "online").length);
    const list = document.querySelector('[data-part="colleagues"]');
    if (list) {
      reconcile(list, others.map(colleagueView), {
        key: (each) => each.id,
        make: (each) => make("colleague", each),
        update: fill,
      });
    }
    const nobody = document.querySelector('[data-part="no-colleagues"]');
    nobody?.toggleAttribute("hidden", others.length > 0);
  }

  async #chooseStatus() {
    const { desk, run } = /** @type {Workspace} */ (this.#workspace);
    const { status } = desk.state.me ?? {};
    const chosen = await showMenu(
      this.named("status"),
      [
        { value: "go-online", label: statusName("online"), status: "online", detail: status === "online" ? "✓" : "" },
        { value: "away:", label: statusName("away"), status: "away", detail: status === "away" ? "✓" : "" },
        { value: "away:lunch", label: gettext("Away: lunch"), status: "away" },
        { value: "away:meeting", label: gettext("Away: in a meeting"), status: "away" },
        { value: "away", label: gettext("Away: …"), status: "away" },
        { value: "go-offline", label: statusName("offline"), status: "offline", detail: status === "offline" ? "✓" : "" },
        { value: "preferences", label: gettext("Preferences"), kind: "line" },
        { value: "shortcuts", label: gettext("Keys"), key: "?" },
        { value: "leave", label: gettext("Sign out"), kind: "line" },
      ],
      gettext("My status"),
    );
    if (chosen) run(chosen);
  }
}

customElements.define("baton-lane", Lane);

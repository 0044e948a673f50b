// The page of what is going on now: five numbers, and the board, on which chats are given from hand to hand.

/** @import { Chip, Lane } from "./board.js" */
/** @import { ChatHandle, Overview } from "./types.d.ts" */

import { language, ngettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { figuresOf, lanesOf } from "./board.js";
import { paced } from "./pace.js";
import { Page } from "./page.js";

const EVERY_MS = 1000; // at most so often the overview is fetched, however much happens
const TICK_MS = 1000;

const times = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** `<baton-live>` */
class Live extends Page {
  /** @type {Overview | null} */
  #overview = null;
  /** How far the clock of this computer is behind the server's, ms. */
  #skew = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;
  #reload = paced(EVERY_MS, () => this.refresh());
  /** The chat that is being dragged. @type {ChatHandle | null} */
  #dragged = null;
  #isPointed = false;
  /** Something was done here: what comes of it is to be seen at once. */
  #isMoving = false;
  /** What each chip was made from. @type {WeakMap<Element, Chip>} */
  #chips = new WeakMap();

  /** @override */
  connected() {
    super.connected();
    const lanes = this.piece("lanes");
    this.listen("pointerenter", () => (this.#isPointed = true), lanes);
    this.listen("pointerleave", () => this.#unpointed(), lanes);
    this.listen("dragstart", (event) => this.#dragStarted(event), lanes);
    this.listen("dragover", (event) => this.#draggedOver(event), lanes);
    this.listen("dragleave", (event) => this.#laneOf(event)?.removeAttribute("data-over"), lanes);
    this.listen("drop", (event) => this.#dropped(event), lanes);
    this.listen("dragend", () => this.#dragEnded(), lanes);
  }

  /** @override */
  begun() {
    const { live, actions } = this.console;
    this.keep(live.on("frame", ({ type }) => this.isOpen && (type === "inbox" || type === "presence") && this.#reload()));
    this.keep(live.on("state", (state) => this.isOpen && state === "online" && this.#reload()));
    actions.onDone(() => {
      this.#isMoving = true;
      if (this.isOpen) this.#reload();
    });
  }

  /** @override */
  opened() {
    this.#ticking = setInterval(() => this.redraw(), TICK_MS);
  }

  /** @override */
  closed() {
    clearInterval(this.#ticking);
  }

  /** @override */
  async load() {
    /** @type {Overview} */
    const overview = await this.console.api.get("/api/admin/console");
    this.#overview = overview;
    this.#skew = Date.parse(overview.at) - Date.now();
    this.console.actions.operators = overview.operators;
    this.console.count("stuck", overview.stuck_count);
    this.draw();
    this.#isMoving = false;
  }

  /** @override */
  draw() {
    if (!this.#overview || !this.isOpen) return;
    const now = Date.now() + this.#skew;
    this.#drawFigures(this.#overview, now);
    this.#drawLanes(lanesOf(this.#overview, now));
    this.piece("clock").textContent = times.format(now);
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    const chip = button.closest(".chip");
    const handle = chip && this.#chips.get(chip)?.handle;
    if (action === "chat" && handle) this.console.actions.showMenu(handle, button);
  }

  /**
   * @param {Overview} overview
   * @param {number} now
   */
  #drawFigures(overview, now) {
    for (const [name, { number, note, ...more }] of Object.entries(figuresOf(overview, now))) {
      setText(this.piece(name), number);
      setText(this.piece(`${name}-note`), note);
      this.piece(name).toggleAttribute("data-late", "isLate" in more && more.isLate);
    }
    const { waiting_count, assigned_count, waiting_reply_count } = overview.numbers;
    this.piece("first-steps").hidden = overview.operators.length > 1 || waiting_count + assigned_count + waiting_reply_count > 0;
    const stuck = overview.stuck_count;
    this.piece("stuck").hidden = stuck === 0;
    setText(this.piece("stuck-text"), ngettext("%(num)s chat is stuck", "%(num)s chats are stuck", stuck));
  }

  /** Chips do not move while something is done with one of them. */
  get #isFrozen() {
    return this.#dragged !== null || this.console.actions.isOpen || (this.#isPointed && !this.#isMoving);
  }

  /** @param {Lane[]} lanes */
  #drawLanes(lanes) {
    reconcile(this.piece("lanes"), lanes, {
      key: ({ id }) => id,
      make: (lane) => {
        const made = make("lane", lane);
        this.#drawLane(made, lane);
        return made;
      },
      update: (element, lane) => {
        fill(element, lane);
        this.#drawLane(element, lane);
      },
    });
  }

  /**
   * @param {Element} element
   * @param {Lane} lane
   */
  #drawLane(element, lane) {
    const chips = /** @type {HTMLElement} */ (element.querySelector(".chips"));
    const slots = /** @type {HTMLElement} */ (element.querySelector(".slots"));
    const taken = lane.slots.map((is_taken, place) => ({ is_taken, place }));
    reconcile(slots, taken, { key: ({ place }) => String(place), make: (slot) => make("slot", slot), update: fill });
    if (this.#isFrozen && chips.childElementCount > 0) return this.#drawFrozen(chips, lane);
    /** @type {({ key: string, chip?: Chip, text?: string })[]} */
    const items = lane.chips.map((chip) => ({ key: chip.id, chip }));
    lane.free.forEach((text, place) => items.push({ key: `free ${place}`, text }));
    if (items.length === 0) items.push({ key: "empty", text: lane.empty });
    reconcile(chips, items, {
      key: ({ key }) => key,
      make: ({ chip, text }) => {
        if (!chip) return make("chip-free", { text });
        const made = make("chip", chip);
        this.#chips.set(made, chip);
        return made;
      },
      update: (item, { chip, text }) => {
        fill(item, chip ?? { text });
        item.removeAttribute("data-gone");
        if (chip) this.#chips.set(item, chip);
      },
    });
  }

  /**
   * What is there stays where it is; what has gone elsewhere is dimmed.
   * @param {HTMLElement} chips
   * @param {Lane} lane
   */
  #drawFrozen(chips, lane) {
    const known = new Map(lane.chips.map((chip) => [chip.id, chip]));
    for (const item of chips.children) {
      if (!item.matches(".chip")) continue;
      const chip = known.get(item.getAttribute("data-key") ?? "");
      if (chip) {
        fill(item, chip);
        this.#chips.set(item, chip);
      }
      item.toggleAttribute("data-gone", !chip);
    }
  }

  #unpointed() {
    this.#isPointed = false;
    this.redraw();
  }

  /** @param {DragEvent} event */
  #dragStarted(event) {
    const chip = event.target instanceof Element ? event.target.closest(".chip") : null;
    const handle = chip && this.#chips.get(chip)?.handle;
    if (!chip || !handle || !event.dataTransfer) return;
    this.#dragged = handle;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", handle.name);
    chip.setAttribute("data-dragged", "");
    for (const lane of this.piece("lanes").children) lane.toggleAttribute("data-target", this.#takes(lane, handle));
    this.piece("lanes").setAttribute("data-dragging", "");
  }

  /** @param {DragEvent} event */
  #draggedOver(event) {
    const lane = this.#laneOf(event);
    if (!lane || !this.#dragged || !this.#takes(lane, this.#dragged)) return;
    event.preventDefault();
    lane.setAttribute("data-over", "");
  }

  /** @param {DragEvent} event */
  #dropped(event) {
    const lane = this.#laneOf(event);
    const handle = this.#dragged;
    if (!lane || !handle) return;
    event.preventDefault();
    const { actions } = this.console;
    const operator = actions.operators.find(({ id }) => id === lane.getAttribute("data-lane"));
    // What was refused has been said.
    if (operator) void actions.give([handle], operator).catch(() => {});
    else void actions.release([handle]).catch(() => {});
    this.#dragEnded();
  }

  #dragEnded() {
    this.#dragged = null;
    for (const name of ["data-over", "data-target", "data-dragged", "data-dragging"]) {
      for (const each of this.querySelectorAll(`[${name}]`)) each.removeAttribute(name);
    }
    this.redraw();
  }

  /**
   * Whether a chat may be dropped into a lane: an operator's with a free hand that has not got it, or the queue
   * where it is in somebody's hand.
   * @param {Element} lane
   * @param {ChatHandle} chat
   */
  #takes(lane, chat) {
    const id = lane.getAttribute("data-lane");
    if (id === "queue") return chat.assigned_operator_id !== null;
    return id !== chat.assigned_operator_id && !lane.hasAttribute("data-full");
  }

  /** @param {Event} event */
  #laneOf(event) {
    return event.target instanceof Element ? event.target.closest(".lane") : null;
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

customElements.define("baton-live", Live);

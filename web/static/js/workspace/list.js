// The list of chats: the desk with what is next, or one box, the mentions, what a search has found.

/** @import { Workspace } from "./workspace.js" */
/** @import { Box, DeskState, ListRow, Mention, SearchResult } from "./types.d.ts" */

import { ApiError } from "../core/api.js";
import { BatonElement } from "../core/element.js";
import { gettext, ngettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { fill, make, reconcile } from "../core/render.js";
import { clock } from "../core/time.js";
import { frozenOrder, inHand, list } from "./state.js";
import { isolated, mentionView, nextView, resultView, rowView } from "./views.js";

const SKELETON_MS = 150;
const SEARCH_MS = 150; // after the last letter
const TICK_MS = 15_000;
const ROWS_AT_ONCE = 25; // that are made in one frame: hundreds would hold up everything else
const GONE_MS = 2_000; // how long a row that somebody else has taken says so

/** @type {Record<string, Box[]>} */
const PARTS = { desk: ["held", "waiting_customer", "snoozed"], queue: ["queue"], done: ["done"], all: ["all"] };

/** @typedef {ReturnType<typeof rowView>} RowView */
/** @typedef {{ box: Box, part: HTMLElement, rows: HTMLElement, count: HTMLElement, empty: HTMLElement }} BoxElements */

export class ChatList extends BatonElement {
  /** @type {Workspace | null} */
  #workspace = null;
  /** @type {Mention[] | null} */
  #mentions = null;
  #mentionCount = -1;
  /** @type {SearchResult[] | null} */
  #results = null;
  #searched = "";
  /** @type {ApiError | null} */
  #problem = null;
  /** What each row shows, and what that was made of. @type {WeakMap<Element, { row: ListRow, of: string, view: RowView }>} */
  #shown = new WeakMap();
  /** Grows as time passes. */
  #tick = 0;
  /** Rows that have just gone to somebody else, by box. @type {Map<string, { row: ListRow, box: Box, text: string }>} */
  #gone = new Map();
  /** @type {Map<string, ListRow>} */
  #before = new Map();
  #isSkeletonDue = false;
  #isSearchSought = false;
  /** The lists, in their order. @type {BoxElements[]} */
  #boxes = [];
  /** What was next for me when that was last shown. @type {string | null} */
  #nextId = null;

  /** @param {Workspace} workspace */
  begin(workspace) {
    this.#workspace = workspace;
    this.#boxes = [...this.querySelectorAll("[data-box]")].map((part) => boxElements(/** @type {HTMLElement} */ (part)));
    this.keep(workspace.desk.on("change", () => this.redraw()));
    this.keep(workspace.drafts.on("change", () => this.redraw()));
    this.keep(workspace.place.on("change", () => this.#moved()));
    this.keep(workspace.desk.on("trouble", (problem) => this.#troubled(problem)));
    const timer = setInterval(() => {
      this.#tick += 1;
      this.redraw();
    }, TICK_MS);
    this.keep(() => clearInterval(timer));
    this.listen("pointerleave", () => this.redraw());
    this.listen("focusout", () => this.redraw());
    this.listen("keydown", (event) => this.#arrowed(event));
    this.listen("input", () => this.#searchSoon(), this.find("input"));
    this.listen("submit", (event) => event.preventDefault(), this.find("form"));
    setTimeout(() => {
      this.#isSkeletonDue = true;
      this.redraw();
    }, SKELETON_MS);
    this.#moved();
  }

  /** Fetch again what is shown. */
  async reload() {
    const hasFailed = this.#problem !== null;
    this.#problem = null;
    const { desk, place } = this.#the;
    const { section, query } = place.where;
    const isCurrent = () => section === place.where.section && query === place.where.query;
    // A list comes behind the inbox, where that has not come either.
    if (section === "desk" || (hasFailed && PARTS[section] && !desk.state.me)) return void desk.refresh();
    try {
      if (section === "mentions") this.#mentions = await desk.mentions();
      else if (section === "search") await this.#search(query);
      else await desk.loadBox(section);
      if (isCurrent()) this.#told(null);
    } catch (error) {
      if (isCurrent()) this.#told(error);
    }
  }

  /**
   * The desk's lists could not be fetched, or are there: those that were asked for then, and not one that was meanwhile.
   * Mentions and results are fetched apart from the rest.
   * @param {ApiError | null} problem
   */
  #troubled(problem) {
    const { desk, place } = this.#the;
    const boxes = PARTS[place.where.section];
    if (boxes && (problem || boxes.every((box) => desk.state.boxes[box].isLoaded))) this.#told(problem);
  }

  async loadMore() {
    const { desk, place } = this.#the;
    const { section } = place.where;
    if (section !== "queue" && section !== "done" && section !== "all") return;
    try {
      await desk.loadBox(section, true);
    } catch (error) {
      this.#told(error);
    }
  }

  /**
   * Open the row after or before the one that is open.
   * @param {1 | -1} step
   */
  step(step) {
    const links = /** @type {HTMLAnchorElement[]} */ ([...this.querySelectorAll(".part:not([hidden]) .row-link[href]")]);
    const at = links.findIndex((link) => link === document.activeElement || link.matches("[aria-current]"));
    const to = links[at === -1 ? (step === 1 ? 0 : links.length - 1) : at + step];
    to?.focus({ preventScroll: true });
    to?.scrollIntoView({ block: "nearest" });
    to?.click();
  }

  /** The arrows go through the rows without opening them. @param {KeyboardEvent} event */
  #arrowed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !(event.target instanceof Element) || !event.target.matches(".row-link")) return;
    event.preventDefault();
    const links = /** @type {HTMLElement[]} */ ([...this.querySelectorAll(".part:not([hidden]) .row-link")]);
    links[links.findIndex((link) => link === event.target) + step]?.focus();
  }

  /** Put the keyboard's focus into the search, once that is shown. */
  focusSearch() {
    this.#isSearchSought = true;
    this.redraw();
  }

  /** The card of what is next goes up, into the hand. */
  travel() {
    const card = this.named("next-card");
    card.setAttribute("data-travels", "");
    card.addEventListener("animationend", () => card.removeAttribute("data-travels"), { once: true });
  }

  /** @override */
  draw() {
    if (!this.#workspace) return;
    const { desk, place } = this.#workspace;
    const { state } = desk;
    const { section } = place.where;
    this.#drawHead();
    this.#noteGone();
    const isDesk = section === "desk";
    this.#drawNext(isDesk && state.me !== null);
    const shown = PARTS[section] ?? [];
    let isLoading = shown.length > 0;
    for (const elements of this.#boxes) {
      const isShown = shown.includes(elements.box);
      if (isShown && state.boxes[elements.box].isLoaded) isLoading = false;
      this.#drawPart(elements, isShown);
    }
    this.#drawMentions(section === "mentions");
    this.#drawResults(section === "search");
    if (section === "mentions") isLoading = this.#mentions === null;
    if (section === "search") isLoading = this.#isSearching;
    this.named("skeleton").hidden = !(isLoading && this.#isSkeletonDue && this.#problem === null);
    this.named("trouble").hidden = this.#problem === null;
    this.named("trouble-text").textContent = this.#problem ? sentenceOf(this.#problem) : "";
    const box = shown.length === 1 ? shown[0] : undefined;
    this.named("load-more").hidden = !box || state.boxes[box].cursor === null;
    if (this.#isSearchSought) this.find("input").focus();
    this.#isSearchSought = false;
  }

  #drawHead() {
    const { desk, place } = this.#the;
    const { section } = place.where;
    const titles = {
      desk: gettext("Desk"),
      queue: gettext("Queue"),
      mentions: gettext("Mentions"),
      done: gettext("Done"),
      all: gettext("All chats"),
      search: gettext("Search"),
    };
    this.named("title").textContent = titles[section];
    this.named("search").hidden = section !== "search";
    const { numbers, queue } = desk.state;
    const sent = numbers?.messages_sent ?? 0;
    const said =
      section === "desk" && sent > 0
        ? ngettext("%(num)s reply today", "%(num)s replies today", sent)
        : section === "queue" && queue && queue.waiting_count > 0
          ? ngettext("%(num)s waits", "%(num)s wait", queue.waiting_count)
          : "";
    this.named("numbers").textContent = said;
  }

  /** @param {boolean} isShown */
  #drawNext(isShown) {
    const { desk } = this.#the;
    const { next, me, queue } = desk.state;
    const isAway = me?.status !== "online";
    this.#noteTaken(next?.id ?? null, isShown);
    const hasNext = isShown && next !== null && !isAway;
    this.named("next").hidden = !hasNext;
    this.named("calm").hidden = !isShown || hasNext;
    if (hasNext) {
      const view = nextView(next, desk.state, Date.now());
      this.named("next").toggleAttribute("data-full", view.isFull);
      for (const [name, text] of /** @type {[string, string][]} */ ([
        ["next-name", view.name],
        ["next-text", view.text],
        ["next-wait", view.wait],
        ["next-why", view.why],
        ["next-note", view.note],
      ])) {
        const part = this.named(name);
        if (part.textContent !== text) part.textContent = text;
      }
      this.named("next-note").hidden = view.note === "";
    } else if (isShown) {
      const waiting = queue?.waiting_count ?? 0;
      const last = this.#lastAnswer();
      this.named("calm-text").textContent = isAway
        ? awayText(me)
        : gettext("Nobody is waiting.");
      this.named("calm-note").textContent = isAway
        ? waiting > 0
          ? ngettext("%(num)s customer waits. Nothing comes to you by itself.", "%(num)s customers wait. Nothing comes to you by itself.", waiting)
          : gettext("Nothing comes to you by itself.")
        : last
          ? gettext("Last: %(time)s. The next one shows here.", { time: last })
          : gettext("The next one shows here.");
      this.named("go-online").hidden = !isAway;
    }
  }

  /**
   * Where what was next for me went to somebody else, the card says so before it shows another one.
   * @param {string | null} nextId
   * @param {boolean} isShown  whether the card is
   */
  #noteTaken(nextId, isShown) {
    const { state } = this.#the.desk;
    const before = this.#nextId;
    this.#nextId = nextId;
    if (!isShown || before === null || before === nextId || !state.toldAt.has(before)) return;
    const row = state.rows.get(before);
    if (row?.chat_state === "waiting_assignment" || row?.assigned_operator_id === state.me?.id) return;
    const gone = this.named("next-gone");
    gone.textContent = goneText(before, state);
    gone.hidden = false;
    gone.addEventListener("animationend", () => (gone.hidden = true), { once: true });
  }

  #lastAnswer() {
    const row = list(this.#the.desk.state, "waiting_customer")[0];
    return row?.operator_replied_at ? clock(row.operator_replied_at) : "";
  }

  /**
   * @param {BoxElements} elements
   * @param {boolean} isShown
   */
  #drawPart({ box, part, rows: place, count, empty }, isShown) {
    const { desk } = this.#the;
    const isLoaded = desk.state.boxes[box].isLoaded;
    const rows = isShown && isLoaded ? list(desk.state, box) : [];
    // Empty lists of the desk take no room, but for what is in hand: that says so.
    part.hidden = !isShown || !isLoaded || (box !== "held" && rows.length === 0 && PARTS["desk"]?.includes(box) === true);
    this.#drawRows(place, rows, box);
    const counted = countOf(box === "held" ? inHand(desk.state).length : rows.length, box, desk.state.me?.capacity ?? 1);
    if (count.textContent !== counted) count.textContent = counted;
    empty.hidden = rows.length > 0 || part.hidden;
    if (!empty.hidden) empty.textContent = emptyText(box);
  }

  /**
   * @param {HTMLElement} place
   * @param {ListRow[]} rows
   * @param {Box} box
   */
  #drawRows(place, rows, box) {
    const ghosts = [...this.#gone.values()].filter((each) => each.box === box).map((each) => each.row);
    const byId = new Map([...ghosts, ...rows].map((row) => [row.id, row]));
    const wanted = rows.map((row) => row.id);
    let ids = wanted;
    if (this.#isFrozen(place) || ghosts.length > 0) {
      const shown = [...place.children].map((child) => child.getAttribute("data-key") ?? "");
      ids = frozenOrder(shown, [...wanted, ...ghosts.map((row) => row.id)]);
    }
    const ordered = ids.map((id) => byId.get(id)).filter((row) => row !== undefined);
    const isWhole = reconcile(place, ordered, {
      key: (row) => row.id,
      make: (row) => {
        const made = make("row");
        this.#fillRow(made, row);
        return made;
      },
      update: (element, row) => this.#fillRow(element, row),
      most: ROWS_AT_ONCE,
    });
    if (!isWhole) this.redraw();
  }

  /**
   * There may be hundreds of them: a row is looked at again only when something that it shows may be another.
   * @param {Element} element
   * @param {ListRow} row
   */
  #fillRow(element, row) {
    const { desk, place, drafts } = this.#the;
    const { chatId, section } = place.where;
    const hasDraft = drafts.has(row.id);
    const gone = this.#gone.get(row.id)?.text ?? "";
    const known = this.#shown.get(element);
    const of = [section, row.id === chatId, hasDraft, gone, this.#tick].join();
    if (known?.row === row && known.of === of) return;
    const view = rowView(row, { openId: chatId, section, hasDraft, myId: desk.state.me?.id ?? "", now: Date.now() });
    if (gone) Object.assign(view, { is_gone: true, gone_text: gone });
    this.#shown.set(element, { row, of, view });
    const different = known ? differences(known.view, view) : ["all"];
    if (different.length === 1 && different[0] === "time") {
      const time = element.querySelector(".row-time");
      if (time) time.textContent = view.time; // a minute has passed, for all of them
    } else if (different.length > 0) {
      fill(element, view);
    }
  }

  /** Rows that have left the queue while one looks at it stay a moment and say why. */
  #noteGone() {
    const { desk, place } = this.#the;
    const { rows } = desk.state;
    if (place.where.section === "queue") {
      for (const [id, row] of this.#before) {
        const now = rows.get(id);
        const isTaken = row.chat_state === "waiting_assignment" && now?.chat_state !== "waiting_assignment";
        if (!isTaken || now?.assigned_operator_id === desk.state.me?.id) continue;
        this.#gone.set(id, { row, box: "queue", text: goneText(id, desk.state) });
        setTimeout(() => {
          this.#gone.delete(id);
          this.redraw();
        }, GONE_MS);
      }
    }
    if (rows !== this.#before) this.#before = /** @type {Map<string, ListRow>} */ (rows);
  }

  /** @param {boolean} isShown */
  #drawMentions(isShown) {
    const { desk, place } = this.#the;
    const part = this.named("mentions-part");
    part.hidden = !isShown || this.#mentions === null;
    if (isShown && this.#mentionCount !== desk.state.mentions) {
      this.#mentionCount = desk.state.mentions;
      void this.reload();
    }
    if (part.hidden) return;
    const mentions = this.#mentions ?? [];
    const rows = /** @type {HTMLElement} */ (part.querySelector(".rows"));
    const view = (/** @type {Mention} */ each) => mentionView(each, place.where.chatId, Date.now());
    reconcile(rows, mentions, {
      key: (each) => each.note_id,
      make: (each) => make("mention", view(each)),
      update: (element, each) => fill(element, view(each)),
    });
    this.#showEmpty(part, mentions.length === 0, gettext("Nobody has mentioned you. A colleague does with @ and your name in a note."));
  }

  /** @param {boolean} isShown */
  #drawResults(isShown) {
    const { place } = this.#the;
    const part = this.named("results-part");
    part.hidden = !isShown || this.#isSearching;
    if (part.hidden) return;
    const { query, chatId } = place.where;
    const results = this.#results ?? [];
    const rows = /** @type {HTMLElement} */ (part.querySelector(".rows"));
    const now = Date.now();
    reconcile(rows, results, {
      key: (each) => `${each.kind} ${each.id}`,
      make: (each) => make("result", resultView(each, query, chatId, now)),
      update: (element, each) => fill(element, resultView(each, query, chatId, now)),
    });
    const isEmpty = results.length === 0 && this.#problem === null;
    const text = query
      ? gettext("Nothing was found. With fewer words, or only how they begin, there may be more.")
      : gettext("Words, or how they begin: all of them must be there.");
    this.#showEmpty(part, isEmpty, text);
  }

  /**
   * @param {HTMLElement} part
   * @param {boolean} isEmpty
   * @param {string} text
   */
  #showEmpty(part, isEmpty, text) {
    const empty = /** @type {HTMLElement} */ (part.querySelector('[data-part="empty"]'));
    empty.hidden = !isEmpty;
    empty.textContent = text;
  }

  /** One is somewhere else: fetch what is not there. */
  #moved() {
    const { desk, place } = this.#the;
    const { section, query } = place.where;
    const isFirst = this.getAttribute("data-section") !== section;
    this.setAttribute("data-section", section);
    if (isFirst) {
      this.#problem = null;
      this.named("scroll").scrollTop = 0;
      if ((section === "queue" || section === "done" || section === "all") && !desk.state.boxes[section].isLoaded) void this.reload();
      if (section === "mentions") void this.reload();
    }
    if (section === "search") {
      const input = /** @type {HTMLInputElement} */ (this.find("input"));
      if (isFirst) input.value = query;
      if (query !== this.#searched || isFirst) void this.reload();
    }
    this.redraw();
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #searchTimer;

  #searchSoon() {
    clearTimeout(this.#searchTimer);
    const input = /** @type {HTMLInputElement} */ (this.find("input"));
    this.#searchTimer = setTimeout(() => this.#the.place.go({ query: input.value.trim() }, { isReplaced: true }), SEARCH_MS);
  }

  /** Whether what was asked for is not there yet, nor was anything before. */
  get #isSearching() {
    return this.#the.place.where.query !== "" && this.#results === null;
  }

  /** @param {string} query */
  async #search(query) {
    this.#searched = query;
    const results = query ? await this.#the.desk.search(query, 40) : null;
    if (this.#searched === query) this.#results = results;
  }

  /** @param {unknown} problem */
  #told(problem) {
    if (problem !== null && !(problem instanceof ApiError)) throw problem;
    // What is there stays; only where nothing is, what is wrong is said instead.
    const { desk, place } = this.#the;
    const boxes = PARTS[place.where.section] ?? [];
    const isThere = boxes.some((box) => desk.state.boxes[box].isLoaded);
    this.#problem = isThere ? null : problem;
    this.redraw();
  }

  /**
   * Whether rows must not move now: somebody is about to press one.
   * @param {HTMLElement} place
   */
  #isFrozen(place) {
    return place.matches(":hover, :focus-within") && matchMedia("(hover: hover)").matches;
  }

  get #the() {
    return /** @type {Workspace} */ (this.#workspace);
  }
}

/**
 * @param {HTMLElement} part
 * @returns {BoxElements}
 */
function boxElements(part) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (part.querySelector(selector));
  const [rows, count, empty] = [find(".rows"), find('[data-part="count"]'), find('[data-part="empty"]')];
  return { box: /** @type {Box} */ (part.dataset["box"]), part, rows, count, empty };
}

/**
 * @param {number} count
 * @param {Box} box
 * @param {number} capacity
 */
function countOf(count, box, capacity) {
  if (box === "held") return gettext("%(held)s of %(capacity)s", { held: count, capacity });
  return count > 0 ? String(count) : "";
}

/** @param {import("./types.d.ts").Operator | null} me */
function awayText(me) {
  if (me?.status_reason === "idle") return gettext("You are away: a chat has waited too long in your hands.");
  if (me?.status_reason === "gone") return gettext("You are offline: your connection was lost.");
  return me?.status === "away" ? gettext("You are away.") : gettext("You are offline.");
}

/** @param {Box} box */
function emptyText(box) {
  switch (box) {
    case "held":
      return gettext("Your hands are free.");
    case "queue":
      return gettext("Nobody is waiting. Whoever writes next shows here.");
    case "done":
      return gettext("What you complete shows here.");
    default:
      return gettext("No chat is open. Whoever writes next shows here.");
  }
}

/**
 * Why a chat does not wait any more.
 * @param {string} chatId
 * @param {DeskState} state
 */
function goneText(chatId, { rows, takers }) {
  const row = rows.get(chatId);
  const name = takers.get(chatId) ?? (row?.chat_state === "assigned" ? row.holder_name : null);
  return name ? gettext("%(name)s has it", isolated({ name })) : gettext("It does not wait any more");
}

/**
 * The names under which two views differ.
 * @param {RowView} one
 * @param {RowView} other
 */
function differences(one, other) {
  return /** @type {(keyof RowView)[]} */ (Object.keys(other)).filter((name) => one[name] !== other[name]);
}

customElements.define("baton-list", ChatList);

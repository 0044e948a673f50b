// The workspace as a whole: its parts begun and told of each other, what one can do in it by button, key and palette,
// and what it calls its operator for.

/** @import { connect } from "../core/client.js" */
/** @import { Item } from "../parts/palette.js" */
/** @import { ListRow, News } from "./types.d.ts" */
/** @import { Section } from "./place.js" */

import { announce } from "../core/announce.js";
import { ApiError } from "../core/api.js";
import { BatonElement } from "../core/element.js";
import { gettext, ngettext } from "../core/i18n.js";
import { sentenceOf } from "../core/problem.js";
import { Alerts } from "../parts/alerts.js";
import { showMenu } from "../parts/menu.js";
import { Palette } from "../parts/palette.js";
import { PreferenceStore } from "../parts/preferences.js";
import { toast } from "../parts/toasts.js";
import { Ask } from "./ask.js";
import { ChatPane } from "./chat.js";
import { Desk } from "./desk.js";
import { Drafts } from "./drafts.js";
import { Lane } from "./lane.js";
import { ChatList } from "./list.js";
import { CustomerPanel, PanelStore } from "./panel.js";
import { Place } from "./place.js";
import { inHand } from "./state.js";
import { countText, customerName, isolated, resultView } from "./views.js";

const LOST_AFTER_MS = 5_000; // so long a connection may be away before one is told
const BACK_MS = 5_000;

/**
 * @typedef {object} Entered  who has signed in: what parts/staff.js brings
 * @property {ReturnType<typeof connect>} client
 * @property {string} personId
 * @property {() => Promise<void>} leave
 */

/**
 * Something that one can do. It is there when `can` says so; without a label it is no line of the palette.
 * @typedef {{ label?: string, key?: string, can?: () => boolean, run: () => unknown }} Command
 */

/** What the parts of the workspace have in common. */
export class Workspace {
  #root;
  #entered;
  #wide = matchMedia("(width >= 1240px)");
  #badges;
  #items;
  #forAdmins;
  #soundSigns;
  #isPanelClosed = false; // where there is room for it
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lostTimer;
  #isLost = false;
  /** What is being done just now. @type {Set<string>} */
  #running = new Set();

  /**
   * @param {BatonElement} root
   * @param {Entered} entered
   */
  constructor(root, entered) {
    this.#root = root;
    this.#entered = entered;
    this.desk = new Desk(entered.client);
    this.place = new Place();
    this.drafts = new Drafts(entered.client.api, entered.personId);
    this.preferences = new PreferenceStore(entered.client.api);
    this.panel = new PanelStore(this.desk);
    this.alerts = new Alerts(root.signal);
    this.ask = new Ask(this);
    this.lane = /** @type {Lane} */ (root.find("baton-lane"));
    this.list = /** @type {ChatList} */ (root.find("baton-list"));
    this.chat = /** @type {ChatPane} */ (root.find("baton-chat"));
    this.customer = /** @type {CustomerPanel} */ (root.find("baton-panel"));
    this.#badges = {
      mentions: root.find('.rail [data-part="mentions"]'),
      waiting: root.find('.bottom-bar [data-part="waiting"]'),
      unread: root.find('.bottom-bar [data-part="unread"]'),
    };
    this.#items = [...root.querySelectorAll(".rail-item[data-section]")];
    this.#forAdmins = /** @type {HTMLElement[]} */ ([...root.querySelectorAll('[data-for="admin"]')]);
    this.#soundSigns = /** @type {HTMLElement[]} */ ([...root.querySelectorAll('[data-part="sound"]')]);
    this.palette = new Palette({
      find: (words) => this.#find(words),
      search: (words, signal) => this.#search(words, signal),
    });
    this.#commands = this.#makeCommands();
  }

  /** Begin: show it, and fetch what it shows. */
  begin() {
    const { desk, place } = this;
    desk.on("change", () => this.#root.redraw());
    desk.on("news", (news) => this.#callFor(news));
    desk.on("back", (count) => this.#tellBack(count));
    place.on("change", () => this.#moved());
    this.preferences.on("change", ({ density, sound, desktop_notifications: wants }) => {
      document.body.dataset["density"] = density;
      this.alerts.wantsSound = sound !== "none";
      this.alerts.wantsNotifications = wants;
      this.#root.redraw();
    });
    this.alerts.on("sound", () => this.#root.redraw());
    for (const name of ["online", "offline"]) addEventListener(name, () => this.#root.redraw());
    this.#wide.addEventListener("change", () => this.#root.redraw());
    document.addEventListener("click", (event) => this.#clicked(event));
    document.addEventListener("keydown", (event) => this.#pressed(event));
    // The first thing one does here lets the page sound.
    if (navigator.userActivation?.hasBeenActive) void this.alerts.unlock();
    for (const name of ["pointerdown", "keydown"]) addEventListener(name, () => void this.alerts.unlock(), { once: true });
    this.#root.hidden = false;
    for (const part of [this.lane, this.list, this.chat, this.customer]) part.begin(this);
    this.#moved();
    void this.preferences.load();
    desk.start();
  }

  /**
   * Whether something can be done now.
   * @param {string} name
   */
  can(name) {
    const command = this.#commands[name];
    return command !== undefined && (command.can?.() ?? true);
  }

  /**
   * Do something; what is refused is said.
   * @param {string} name  of a command; behind a colon what it is about
   */
  run = (name) => {
    const [command, detail] = name.split(":", 2);
    if (command === "away" && detail !== undefined) return void this.#setStatus("away", detail);
    if (!command || !this.can(command) || this.#running.has(command)) return; // pressed twice is once
    this.#running.add(command);
    void this.#do(() => this.#commands[command]?.run()).finally(() => this.#running.delete(command));
  };

  /** What is to be shown of the whole: called before the next frame after something has changed. */
  draw() {
    const { desk, place } = this;
    const { state } = desk;
    const { section, chatId, isPanel } = place.where;
    this.#root.dataset["pane"] = chatId ? "chat" : "list";
    this.#root.toggleAttribute("data-ready", state.me !== null);
    const isWide = this.#wide.matches;
    const isPanelOpen = chatId !== null && (isWide ? !this.#isPanelClosed : isPanel);
    this.customer.hidden = !isPanelOpen;
    const button = this.#root.named("panel-button");
    button.setAttribute("aria-expanded", String(isPanelOpen));
    for (const item of this.#items) {
      const isCurrent = item.getAttribute("data-section") === section;
      if (isCurrent) item.setAttribute("aria-current", "page");
      else item.removeAttribute("aria-current");
    }
    for (const item of this.#forAdmins) item.hidden = state.me?.role !== "admin";
    const held = inHand(state);
    const unread = held.reduce((sum, row) => sum + row.unread_count, 0);
    const waiting = state.queue?.waiting_count ?? 0;
    this.#badge("mentions", state.mentions);
    this.#badge("waiting", waiting);
    this.#badge("unread", unread);
    for (const sign of this.#soundSigns) sign.hidden = !(state.me && this.#isMute);
    this.alerts.count(unread + state.mentions, waiting > 0 ? ngettext("%(num)s waits · Baton", "%(num)s wait · Baton", waiting) : "Baton");
    this.#drawConnection();
  }

  /** Whether the browser lets us not sound, though we should. */
  get #isMute() {
    return this.alerts.wantsSound && !this.alerts.hasSound;
  }

  /**
   * @param {"mentions" | "waiting" | "unread"} name
   * @param {number} count
   */
  #badge(name, count) {
    const badge = this.#badges[name];
    const text = countText(count);
    badge.hidden = count === 0;
    if (badge.textContent !== text) badge.textContent = text;
  }

  #moved() {
    const { chatId } = this.place.where;
    this.panel.open(chatId);
    if (chatId && this.desk.state.mentions > 0) void this.#quietly(() => this.desk.readMentions(chatId));
    this.#root.redraw();
  }

  #drawConnection() {
    const connection = navigator.onLine ? this.desk.state.connection : "reconnecting";
    if (connection === "online") {
      clearTimeout(this.#lostTimer);
      this.#lostTimer = undefined;
      if (this.#isLost) this.#say("", "");
      this.#isLost = false;
    } else if (connection === "closed") {
      const { reason } = this.desk.client.live;
      if (reason !== "stopped" && reason !== "signed_out") this.#say("lost", gettext("Disconnected: you have no access any more"));
    } else if (!this.#isLost) {
      this.#lostTimer ??= setTimeout(() => {
        this.#lostTimer = undefined;
        this.#isLost = this.desk.state.connection !== "online"; // the browser may be wrong
        this.#root.redraw();
      }, LOST_AFTER_MS);
    } else {
      this.#say("lost", connection === "polling" ? gettext("Slow connection: asking every few seconds") : gettext("Reconnecting …"));
    }
  }

  /** @param {number} count */
  #tellBack(count) {
    const caught = count > 0 ? ngettext("Back online · %(num)s caught up", "Back online · %(num)s caught up", count) : gettext("Back online");
    this.#say("back", caught);
    setTimeout(() => !this.#isLost && this.#say("", ""), BACK_MS);
  }

  /**
   * @param {string} kind
   * @param {string} text
   */
  #say(kind, text) {
    const place = this.#root.named("connection");
    if (place.textContent === text) return;
    place.dataset["kind"] = kind;
    place.textContent = text;
  }

  /** @param {News[]} news */
  #callFor(news) {
    const lost = news.filter((each) => each.kind === "lost");
    for (const each of news) if (lost.length < 2 || each.kind !== "lost") this.#call(each);
    if (lost.length < 2) return;
    const text = ngettext("%(num)s chat went back meanwhile", "%(num)s chats went back meanwhile", lost.length);
    toast(text, { label: gettext("Queue"), run: () => this.place.go({ section: "queue", chatId: null }) });
  }

  /** Call the operator for something. @param {News} news */
  #call(news) {
    const { sound } = this.preferences.value;
    if (news.kind === "mention") {
      this.alerts.call("mention", { title: gettext("A colleague mentions you"), body: "", tag: "mention", onClick: () => this.place.go({ section: "mentions" }) });
      const { chatId } = this.place.where;
      if (chatId) void this.#quietly(() => this.desk.readMentions(chatId));
      return;
    }
    const { row } = news;
    const name = customerName(row);
    const open = () => this.#open(row.id);
    const notification = { title: name, body: row.last_message?.preview ?? "", tag: row.id, onClick: open };
    const isOpen = this.place.where.chatId === row.id;
    switch (news.kind) {
      case "assigned":
        this.alerts.call("chat", notification);
        announce(gettext("%(name)s is in your hands", isolated({ name })));
        // A hand that was empty gets it shown; what one is reading or writing is not taken away.
        if (this.place.where.chatId === null || (this.chat.standing === "customer" && !this.chat.isWriting)) open();
        else if (!isOpen) toast(gettext("%(name)s is in your hands", isolated({ name })), { label: gettext("Open the chat"), run: open });
        return;
      case "message":
        if (!isOpen || document.visibilityState !== "visible") this.alerts.call("message", notification);
        return;
      case "lost":
        toast(gettext("%(name)s is not in your hands any more", isolated({ name })), isOpen ? {} : { label: gettext("Open the chat"), run: open });
        return;
      case "woke":
        this.alerts.call("message", notification);
        toast(gettext("%(name)s is back from snoozing", isolated({ name })), isOpen ? {} : { label: gettext("Open the chat"), run: open });
        return;
      case "waiting":
        if (sound === "all" && this.desk.state.me?.status === "online") this.alerts.call("chat", notification);
    }
  }

  /** @param {string} chatId */
  #open(chatId) {
    this.place.go({ section: "desk", chatId });
  }

  async #take() {
    const wanted = this.desk.state.next;
    this.list.travel();
    const chat = await this.desk.take();
    if (chat === null) {
      toast(gettext("Nobody waits any more."));
      return;
    }
    if (wanted && wanted.id !== chat.id) toast(gettext("Somebody was faster with %(name)s. This one was next.", isolated({ name: customerName(wanted) })));
    this.chat.answer(chat.id);
    this.#open(chat.id);
  }

  async #takeThis() {
    const { chatId } = this.place.where;
    const { next, settings } = this.desk.state;
    if (!chatId) return;
    if (!settings.allow_take && next?.id === chatId) return this.#take();
    this.chat.answer(chatId);
    await this.desk.takeThis(chatId);
  }

  /**
   * @param {"online" | "away" | "offline"} status
   * @param {string} [reason]
   */
  async #setStatus(status, reason) {
    const reasons = { lunch: gettext("Lunch"), meeting: gettext("In a meeting") };
    const words = reason ? (reasons[/** @type {keyof typeof reasons} */ (reason)] ?? reason) : "";
    await this.#do(() => this.desk.setStatus(status, words));
  }

  async #goOnline() {
    // It is a press of its user: the one that lets us sound and ask. The answer may never come.
    void this.alerts.unlock();
    void this.alerts.askForNotifications();
    await this.desk.setStatus("online");
  }

  #togglePanel() {
    if (this.#wide.matches) {
      this.#isPanelClosed = !this.#isPanelClosed;
      this.#root.redraw();
    } else if (this.place.where.isPanel) {
      this.place.back();
    } else {
      this.place.go({ isPanel: true });
      this.#root.find('[data-command="close-panel"]').focus();
    }
  }

  /** @param {1 | -1} step */
  #stepInHand(step) {
    const held = inHand(this.desk.state);
    const at = held.findIndex((row) => row.id === this.place.where.chatId);
    const to = held[(at + step + held.length) % held.length];
    if (to) this.#open(to.id);
  }

  async #more() {
    const isAdmin = this.desk.state.me?.role === "admin";
    const chosen = await showMenu(
      this.#root.find('.bottom-bar [data-command="more"]'),
      [
        { value: "to-queue", label: gettext("Queue") },
        { value: "to-mentions", label: gettext("Mentions"), detail: this.desk.state.mentions ? countText(this.desk.state.mentions) : "" },
        { value: "to-done", label: gettext("Done") },
        { value: "to-search", label: gettext("Search") },
        ...(isAdmin ? [{ value: "to-all", label: gettext("All chats") }] : []),
        ...(this.#isMute ? [{ value: "sound", label: gettext("Allow sound"), kind: /** @type {const} */ ("line") }] : []),
        { value: "preferences", label: gettext("Preferences"), kind: /** @type {const} */ ("line") },
        { value: "leave", label: gettext("Sign out") },
      ],
      gettext("More"),
    );
    if (chosen) this.run(chosen);
  }

  async #chatMore() {
    const names = ["take-over", "hand-back", "transfer", "snooze", "unsnooze", "complete", "note", "transcript"];
    const items = names
      .filter((name) => this.can(name))
      .map((name) => ({ value: name, label: this.#commands[name]?.label ?? "", key: this.#commands[name]?.key ?? "" }));
    const chosen = await showMenu(this.#root.find('[data-command="chat-more"]'), items, gettext("More for this chat"));
    if (chosen) this.run(chosen);
  }

  /** @returns {Record<string, Command>} */
  #makeCommands() {
    const { place, desk, ask } = this;
    const chatId = () => place.where.chatId ?? "";
    const row = () => desk.state.rows.get(chatId());
    const name = () => {
      const known = row();
      return known ? customerName(known) : gettext("The customer");
    };
    const isMine = () => this.chat.standing === "mine";
    const isOpen = () => this.chat.standing !== "none";
    const isAdmin = () => desk.state.me?.role === "admin";
    const go = (/** @type {Section} */ section) => () => place.go({ section, chatId: null });
    return {
      take: { label: gettext("Take the next"), key: "T", can: () => desk.state.next !== null, run: () => this.#take() },
      "take-this": { run: () => this.#takeThis() },
      "take-over": {
        label: gettext("Take over"),
        can: () => isAdmin() && ["theirs", "waiting", "customer"].includes(this.chat.standing),
        run: () => {
          this.chat.answer(chatId());
          return desk.takeOver(chatId());
        },
      },
      reply: { label: gettext("Reply"), key: "R", can: isMine, run: () => this.chat.write("reply") },
      note: { label: gettext("Leave a note"), key: "N", can: isOpen, run: () => this.chat.write("note") },
      "quick-response": { label: gettext("Quick responses"), can: isMine, run: () => this.chat.offerResponses() },
      "hand-back": { label: gettext("Hand back"), key: "B", can: isMine, run: () => ask.handBack(chatId(), name()) },
      transfer: { label: gettext("Transfer"), key: "X", can: isMine, run: () => ask.transfer(chatId()) },
      snooze: {
        label: gettext("Snooze"),
        key: "Z",
        can: () => (this.chat.standing === "customer" || (isMine() && row()?.owed_since === null)) && row()?.snoozed_until == null,
        run: () => ask.snooze(chatId()),
      },
      unsnooze: { label: gettext("Wake it up"), can: () => row()?.snoozed_until != null, run: () => desk.snooze(chatId(), null) },
      complete: {
        label: gettext("Complete"),
        key: "E",
        can: () => isMine() || (isAdmin() && isOpen() && this.chat.standing !== "completed"),
        run: () => ask.complete(chatId(), name()),
      },
      transcript: { label: gettext("Transcript to print"), can: isOpen, run: () => window.open(`/operator/chats/${chatId()}/transcript`, "_blank", "noopener") },
      panel: { label: gettext("Customer panel"), key: "I", can: () => place.where.chatId !== null, run: () => this.#togglePanel() },
      "close-panel": { run: () => (this.#wide.matches ? this.#togglePanel() : place.back()) },
      "go-online": { label: gettext("Go online"), can: () => desk.state.me?.status !== "online", run: () => this.#goOnline() },
      away: { label: gettext("Go away …"), run: () => ask.away() },
      "go-offline": { label: gettext("Go offline"), can: () => desk.state.me?.status !== "offline", run: () => desk.setStatus("offline") },
      "to-desk": { label: gettext("Desk"), key: "1", run: go("desk") },
      "to-queue": { label: gettext("Queue"), key: "2", run: go("queue") },
      "to-mentions": { label: gettext("Mentions"), key: "3", run: go("mentions") },
      "to-done": { label: gettext("Done"), key: "4", run: go("done") },
      "to-all": { label: gettext("All chats"), key: "5", can: isAdmin, run: go("all") },
      "to-search": {
        label: gettext("Search"),
        key: "/",
        run: () => {
          go("search")();
          this.list.focusSearch();
        },
      },
      console: { label: gettext("Console"), can: isAdmin, run: () => location.assign("/admin") },
      preferences: { label: gettext("Preferences"), run: () => ask.preferences() },
      shortcuts: { label: gettext("Keys"), key: "?", run: () => ask.shortcuts() },
      leave: { label: gettext("Sign out"), run: () => this.#entered.leave() },
      palette: { run: () => this.palette.open() },
      sound: { label: gettext("Allow sound"), can: () => this.#isMute, run: () => this.alerts.unlock() },
      back: { run: () => place.go({ chatId: null }) },
      "in-hand": {
        run: () => {
          const held = inHand(desk.state)[0];
          if (held) this.#open(held.id);
          else toast(gettext("Your hands are free."));
        },
      },
      more: { run: () => this.#more() },
      "chat-more": { run: () => this.#chatMore() },
      reload: { run: () => this.list.reload() },
      "load-more": { run: () => this.list.loadMore() },
    };
  }

  /** @type {Record<string, Command>} */
  #commands;

  /**
   * What the palette has for these words: what can be done, and chats that are known here.
   * @param {string} words
   * @returns {Item[]}
   */
  #find(words) {
    const has = (/** @type {string} */ text) => text.toLocaleLowerCase().includes(words);
    const commands = Object.entries(this.#commands).flatMap(([name, { label, key }]) =>
      label && this.can(name) && has(label) ? [{ key: `do ${name}`, label, ...(key ? { shortcut: key } : {}), run: () => this.run(name) }] : [],
    );
    const isKnown = (/** @type {ListRow} */ row) => has(customerName(row)) || has(row.headline ?? "") || has(row.last_message?.preview ?? "");
    const rows = words === "" ? inHand(this.desk.state) : [...this.desk.state.rows.values()].filter(isKnown).slice(0, 8);
    const chats = rows.map((row) => ({
      key: `chat ${row.id}`,
      label: customerName(row),
      detail: row.last_message?.preview ?? row.headline ?? "",
      chat_state: row.chat_state,
      run: () => this.#open(row.id),
    }));
    return [...chats, ...commands];
  }

  /**
   * @param {string} words
   * @param {AbortSignal} signal
   * @returns {Promise<Item[]>}
   */
  async #search(words, signal) {
    const found = await this.desk.search(words, 10, signal);
    return found
      .filter((result) => result.chat_id !== null)
      .map((result) => {
        const { kind_text: kind, title, snippet } = resultView(result, words, null, Date.now());
        return {
          key: result.kind === "chat" ? `chat ${result.chat_id}` : `${result.kind} ${result.id}`,
          label: title || kind,
          detail: snippet && snippet !== title ? snippet : kind,
          run: () => this.place.go({ section: "desk", chatId: result.chat_id, seq: result.seq }),
        };
      });
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = event.target instanceof Element ? event.target.closest("[data-command]") : null;
    const command = target?.getAttribute("data-command");
    if (!target || !command) return;
    if (command === "close-dialog") return target.closest("dialog")?.close();
    if (this.#commands[command] === undefined) return;
    event.preventDefault();
    this.run(command);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && keyOf(event) === "K" && !event.altKey && !event.shiftKey) {
      event.preventDefault();
      return this.palette.open();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const key = keyOf(event);
    if (key === "Escape" && !this.#wide.matches && this.place.where.isPanel) return this.place.back();
    if (document.querySelector("#menu:popover-open")) return;
    const step = { J: 1, K: -1 }[key];
    if (step) {
      event.preventDefault();
      return this.list.step(/** @type {1 | -1} */ (step));
    }
    if (key === "[" || key === "]") return this.#stepInHand(key === "]" ? 1 : -1);
    if (key === "O") return this.run(this.desk.state.me?.status === "online" ? "away:" : "go-online");
    const found = Object.entries(this.#commands).find(([, command]) => command.key === key);
    if (!found || !this.can(found[0])) return;
    event.preventDefault();
    this.run(found[0]);
  }

  /** @param {() => unknown} task */
  async #do(task) {
    try {
      await task();
    } catch (error) {
      toast(sentenceOf(error), { kind: "problem" });
    }
  }

  /** @param {() => Promise<unknown>} task */
  async #quietly(task) {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
}

/** `<baton-desk>`: the page's element around all of it. */
export class DeskElement extends BatonElement {
  /** @type {Workspace | null} */
  #workspace = null;

  /** @param {Entered} entered */
  begin(entered) {
    this.#workspace = new Workspace(this, entered);
    this.#workspace.begin();
  }

  /** @override */
  draw() {
    this.#workspace?.draw();
  }
}

/**
 * What is on a key; on a keyboard with other letters, such as an Arabic one, the Latin letter in that place.
 * @param {KeyboardEvent} event
 */
function keyOf({ key, code }) {
  if (key.length > 1) return key;
  const isForeign = key > "\u007f" && /^Key[A-Z]$/.test(code);
  return isForeign ? code.slice(3) : key.toUpperCase();
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select"));
}

customElements.define("baton-desk", DeskElement);

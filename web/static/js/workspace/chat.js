// The chat that is open: who it is, what was said and done, where one answers or leaves a note.

/** @import { Workspace } from "./workspace.js" */
/** @import { Note } from "./types.d.ts" */
/** @import { Chat, EventFrame, Frame, Message, Outgoing } from "../core/types.d.ts" */
/** @import { Composer } from "../parts/composer.js" */
/** @import { Entry } from "../parts/entries.js" */
/** @import { Thread } from "../parts/thread.js" */
/** @import { Standing } from "./views.js" */

import { announce } from "../core/announce.js";
import { ApiError } from "../core/api.js";
import { BatonElement } from "../core/element.js";
import { gettext } from "../core/i18n.js";
import { newId } from "../core/id.js";
import { sentenceOf } from "../core/problem.js";
import { attachmentsIn, upload } from "../parts/attach.js";
import { entriesOf } from "../parts/entries.js";
import { toast } from "../parts/toasts.js";
import { colleagues, quickResponses } from "./completers.js";
import { Fuse } from "./fuse.js";
import { mentionsIn, seqOf } from "./state.js";
import { closedText, customerName, handoverView, isolated, notesOf, noticesOf, standingOf, standingText } from "./views.js";

const TYPING_MS = 6_000; // after that who types is forgotten
const STOPPED_MS = 5_000; // after the last key I have stopped typing
const KEEP_AGAIN_MS = 5_000;

export class ChatPane extends BatonElement {
  /** @type {Workspace | null} */
  #workspace = null;
  /** @type {string | null} */
  #chatId = null;
  /** @type {ReturnType<Workspace["desk"]["client"]["watch"]> | null} */
  #store = null;
  /** Why it is not to be seen. */
  #ended = "";
  /** Why it is not there yet; it is tried again. @type {ApiError | null} */
  #problem = null;
  /** What was new when it was opened begins behind this message. @type {number | undefined} */
  #newAfter;
  /** The last message when the connection was lost; null: nothing is missing, or what was is marked. @type {number | null} */
  #cutOffAt = null;
  /** @type {Standing | "none"} */
  #standing = "none";
  /** What was in the box when the hold was lost. */
  #kept = "";
  /** The id of the note that it becomes, the same however often that is asked for. */
  #keptNoteId = newId();
  /** Notes that were begun in other chats, by chat. @type {Map<string, string>} */
  #begunNotes = new Map();
  #isHandoverClosed = false;
  /** @type {"reply" | "note"} */
  #writes = "reply";
  #typingTimer = 0;
  #stoppedTimer = 0;
  #lastKept = 0;
  /** The message to go to once it is there. @type {number | null} */
  #seq = null;
  /** What the lines were made of. @type {unknown[]} */
  #shown = [];
  /** The chat that has just been taken: one goes on by answering. @type {string | null} */
  #focusFor = null;
  #showAttachments = /** @type {ReturnType<typeof attachmentsIn> | null} */ (null);

  /** @param {Workspace} workspace */
  begin(workspace) {
    this.#workspace = workspace;
    const { desk, place, drafts, preferences } = workspace;
    this.#showAttachments = attachmentsIn(desk.api);
    this.keep(desk.on("change", () => this.redraw()));
    this.keep(desk.on("lost", () => (this.#cutOffAt ??= this.#lastSeq)));
    this.keep(desk.on("back", () => this.#stopMissing()));
    this.keep(desk.client.live.on("frame", (frame) => this.#hear(frame)));
    this.keep(place.on("change", () => this.#moved()));
    this.keep(drafts.on("saved", (chatId) => chatId === this.#chatId && this.#say("saved", gettext("Draft saved"))));
    this.keep(preferences.on("change", () => this.redraw()));
    this.keep(workspace.panel.on("change", () => this.redraw()));
    this.addEventListener("thread-read", () => this.#read());
    this.listen("focus", () => this.#read(), window);
    document.addEventListener("visibilitychange", () => this.#read(), { signal: this.signal });
    this.addEventListener("thread-action", (event) => this.#act(/** @type {CustomEvent} */ (event).detail));
    this.addEventListener("composer-send", (event) => this.#send(/** @type {CustomEvent} */ (event)));
    this.addEventListener("composer-input", (event) => this.#typed(/** @type {CustomEvent} */ (event)));
    this.listen("keydown", (event) => this.#pressed(event));
    this.listen("dragover", (event) => this.#dragged(event));
    this.listen("dragleave", (event) => !this.contains(/** @type {Node | null} */ (event.relatedTarget)) && this.#dropped(null));
    this.listen("drop", (event) => this.#dropped(event));
    this.listen("click", () => this.write("reply"), this.#part("tab-reply"));
    this.listen("click", () => this.write("note"), this.#part("tab-note"));
    this.listen("keydown", (event) => this.#tabbed(event), this.find(".writing-tabs"));
    this.listen("click", () => this.#again(), this.find('[data-command="reload-chat"]'));
    this.listen("click", () => this.#closeHandover(), this.find('[data-command="close-handover"]'));
    this.listen("click", () => void this.#saveKept(), this.find('[data-command="kept-note"]'));
    this.listen("click", () => void this.#copy(this.#kept), this.find('[data-command="kept-copy"]'));
    this.listen("click", () => this.#dropKept(), this.find('[data-command="kept-discard"]'));
    this.addEventListener("fuse-keep", () => this.keepHold());
    this.#reply.addCompleter(quickResponses(desk, () => this.#values));
    this.#note.addCompleter(colleagues(desk));
    this.#note.sendLabel = gettext("Save note");
    this.#note.sendsBy = "ctrl_enter";
    const timer = setInterval(() => this.redraw(), 15_000);
    this.keep(() => clearInterval(timer));
    this.#moved();
  }

  /** The chat that is open, as it is; null while there is none. */
  get chat() {
    return this.#store?.view?.chat ?? null;
  }

  /** What its customer thinks of it. */
  get rating() {
    return this.#store?.view?.rating ?? null;
  }

  /** What it is to me. */
  get standing() {
    return this.#standing;
  }

  /**
   * Go to where one writes.
   * @param {"reply" | "note"} what
   */
  write(what) {
    this.#writes = what;
    this.draw();
    (what === "note" ? this.#note : this.#reply).focus();
  }

  /**
   * As soon as this chat is mine and there, the caret goes into the reply box.
   * @param {string} chatId
   */
  answer(chatId) {
    this.#focusFor = chatId;
    if (this.#standing === "mine" && this.#chatId === chatId) this.write("reply");
  }

  /** Open the list of quick responses. */
  offerResponses() {
    this.write("reply");
    const { text } = this.#reply;
    this.#reply.insert(text === "" || /\s$/.test(text) ? "/" : " /");
  }

  /** I work on it: it does not become idle. */
  keepHold() {
    if (!this.#chatId || this.#standing !== "mine") return;
    this.#lastKept = Date.now();
    void this.#the.desk.keep(this.#chatId).catch(refused);
    this.draw();
  }

  /** Whether something is written that was not sent. */
  get isWriting() {
    return this.#reply.text !== "" || this.#note.text !== "";
  }

  /** @override */
  draw() {
    if (!this.#workspace) return;
    const { me } = this.#workspace.desk.state;
    const chat = this.chat;
    this.#part("none").hidden = this.#chatId !== null;
    this.#part("lost").hidden = this.#ended === "";
    const isOpen = this.#chatId !== null && this.#ended === "";
    const isThere = isOpen && chat !== null && me !== null;
    this.#part("head").hidden = !isOpen;
    this.#part("foot").hidden = !isThere;
    this.#part("trouble").hidden = !isOpen || this.#problem === null;
    this.#text("trouble-text", this.#problem ? sentenceOf(this.#problem) : "");
    this.#drawNone();
    if (!isThere) {
      this.#standing = "none";
      this.dataset["state"] = this.#chatId === null ? "none" : this.#ended ? "lost" : "loading";
      this.#part("handover").hidden = true;
      return;
    }
    this.#stand(chat, me.id);
    this.#drawHead(chat);
    this.#drawHandover();
    this.#drawEntries();
    this.#drawWriting(chat);
    this.#fuse.until = this.#standing === "mine" ? (this.#the.desk.state.rows.get(chat.id)?.idle_at ?? null) : null;
    this.#drawKept();
  }

  #drawNone() {
    const isAnybody = (this.#the.desk.state.queue?.waiting_count ?? 0) > 0;
    const text = isAnybody
      ? gettext("Nothing is open. Take the next chat, or choose one from the list.")
      : gettext("Nothing is open, and nobody waits.");
    this.#text("none-text", text);
    this.#part("none-take").hidden = !isAnybody;
  }

  /**
   * What the chat is to me now; where I had it and have it no more, what I was writing is kept.
   * @param {Chat} chat
   * @param {string} myId
   */
  #stand(chat, myId) {
    const standing = standingOf(chat, myId);
    const before = this.#standing;
    this.dataset["state"] = standing;
    if (standing === before) return;
    this.#standing = standing;
    this.#say("saved", "");
    if (before === "mine" && this.#reply.text.trim() !== "") {
      this.#kept = this.#reply.text;
      this.#keptNoteId = newId();
      this.#reply.clear();
    } else if (standing === "mine") {
      if (this.#kept) this.#reply.text = this.#kept; // what was kept, or a draft that came before I was known
      this.#kept = "";
      if (before !== "none") this.#writes = "reply";
    }
    if (standing === "mine" && this.#focusFor === this.#chatId) {
      this.#focusFor = null;
      requestAnimationFrame(() => this.#reply.focus()); // the box is shown by then
    }
  }

  /** @param {Chat} chat */
  #drawHead(chat) {
    const { desk } = this.#the;
    const row = desk.state.rows.get(chat.id);
    const panel = this.#the.panel.of(chat.id);
    const now = Date.now();
    const isHere = row?.customer_connected ?? panel?.customer.is_connected ?? false;
    this.#text("name", this.#customer);
    this.#part("presence").hidden = !isHere;
    this.#part("presence").setAttribute("data-status", "online");
    this.#part("presence").title = gettext("Is on the page");
    this.#part("mark").setAttribute("data-state", chat.chat_state);
    this.#text("state-text", standingText(chat, /** @type {Standing} */ (this.#standing), this.#holder, now));
    const isMine = this.#standing === "mine";
    const isSnoozed = row?.snoozed_until != null;
    const mayComplete = this.#the.can("complete");
    this.#part("hand-back").hidden = !isMine;
    this.#part("transfer").hidden = !isMine;
    this.#part("complete").hidden = !mayComplete;
    this.#part("snooze").hidden = !this.#the.can("snooze") || isSnoozed;
    this.#part("unsnooze").hidden = !isSnoozed;
  }

  #drawHandover() {
    const panel = this.#chatId ? this.#the.panel.of(this.#chatId) : null;
    const handover = panel?.handover;
    const isShown = handover != null && !this.#isHandoverClosed && (this.#standing === "mine" || this.#standing === "waiting");
    this.#part("handover").hidden = !isShown;
    if (!isShown) return;
    const view = handoverView(handover, Date.now());
    this.#text("handover-title", view.title);
    this.#text("handover-at", view.at);
    this.#text("handover-note", view.note);
    this.#part("handover-note").hidden = view.note === "";
    this.#part("handover-said").hidden = view.reply === "";
    this.#text("handover-said-by", view.by);
    this.#text("handover-reply", view.reply);
    this.#part("handover-new").hidden = view.fresh === "";
    this.#text("handover-new", view.fresh);
  }

  #drawEntries() {
    const view = this.#store?.view;
    const { me } = this.#the.desk.state;
    if (!view || !me || !this.#store) return;
    const panel = this.#the.panel.of(view.chat.id);
    // Lists change often; what was said here only now and then.
    const { colleagues } = this.#the.desk.state;
    const of = [view, this.#store.unsent.map((each) => `${each.client_message_id} ${each.status} ${each.problem?.details}`).join(), panel, colleagues, this.#newAfter, this.#customer];
    if (this.#seq === null && of.every((each, place) => each === this.#shown[place])) return;
    this.#shown = of;
    const entries = entriesOf(view, this.#store.unsent, {
      role: "staff",
      id: me.id,
      author: (message) => this.#author(message),
      readSeq: view.read_marks.find((mark) => mark.reader_type === "real")?.seq ?? 0,
      ...(this.#newAfter === undefined ? {} : { newAfter: this.#newAfter }),
      more: [...noticesOf(panel?.history ?? []), ...notesOf(view.notes ?? [], me.id, me.role === "admin")],
      hasActions: () => true,
    });
    this.#thread.show(entries);
    if (this.#seq !== null) void this.#reveal(this.#seq);
    this.#read();
  }

  /** @param {Chat} chat */
  #drawWriting(chat) {
    const { desk, preferences } = this.#the;
    const isMine = this.#standing === "mine";
    const isNote = this.#writes === "note";
    for (const what of /** @type {const} */ (["reply", "note"])) {
      const tab = this.#part(`tab-${what}`);
      tab.setAttribute("aria-selected", String(what === this.#writes));
      tab.tabIndex = what === this.#writes ? 0 : -1;
    }
    this.#part("reply-box").hidden = isNote;
    this.#part("note-box").hidden = !isNote;
    this.#part("closed").hidden = isMine;
    this.#part("reply").hidden = !isMine;
    if (!isMine) {
      const isNext = desk.state.next?.id === chat.id && desk.state.next.decision !== "refused";
      const mayTake = desk.state.settings.allow_take;
      const standing = /** @type {Standing} */ (this.#standing);
      this.#part("closed-mark").setAttribute("data-state", chat.chat_state);
      this.#text("closed-text", closedText(standing, this.#holder, this.#customer, isNext, mayTake));
      this.#part("closed-take").hidden = standing !== "waiting" || !(isNext || mayTake);
    }
    const { send_key: key } = preferences.value;
    const isTurn = chat.handling === "turn";
    this.#reply.sendsBy = key === "auto" ? (isTurn ? "stage" : "enter") : key;
    this.#reply.sendLabel = isTurn ? gettext("Send and hand on") : gettext("Send");
    this.#reply.uploader = (file, how) => upload(desk.api, chat.id, file, how);
    this.#text("hint", isMine && isTurn && !isNote ? gettext("Your reply ends your turn.") : "");
  }

  #drawKept() {
    this.#part("kept").hidden = this.#kept === "" || this.#standing === "mine";
    if (this.#part("kept").hidden) return;
    const title = {
      theirs: gettext("%(name)s has this chat now.", isolated({ name: this.#holder })),
      waiting: gettext("This chat went back to the queue."),
      customer: gettext("Your turn has ended."),
      completed: gettext("This chat was completed."),
    }[/** @type {"theirs" | "waiting" | "customer" | "completed"} */ (this.#standing)];
    this.#text("kept-title", title);
    this.#text("kept-text", this.#kept);
  }

  /** One is somewhere else: another chat, or another message of it. */
  #moved() {
    const { chatId, seq } = this.#the.place.where;
    this.#seq = seq;
    if (chatId === this.#chatId) {
      if (seq !== null) this.redraw();
      return;
    }
    this.#leave();
    this.#chatId = chatId;
    if (chatId !== null) this.#enter(chatId);
    this.redraw();
  }

  #leave() {
    const { desk, drafts } = this.#the;
    if (this.#chatId) this.#begunNotes.set(this.#chatId, this.#note.text);
    if (this.#chatId && this.#store?.view) {
      if (this.#standing === "mine") drafts.set(this.#chatId, this.#reply.text);
      desk.client.live.typing(this.#chatId, false);
    }
    this.#store?.close();
    this.#store = null;
    this.#ended = this.#kept = "";
    this.#problem = null;
    this.#standing = "none";
    this.#isHandoverClosed = false;
    this.#writes = "reply";
    this.#newAfter = undefined;
    this.#cutOffAt = null;
    this.#shown = [];
    this.#reply.clear();
    this.#note.clear();
    this.#say("saved", "");
    clearTimeout(this.#typingTimer);
    clearTimeout(this.#stoppedTimer);
  }

  /** @param {string} chatId */
  #enter(chatId) {
    const { desk } = this.#the;
    const row = desk.state.rows.get(chatId);
    this.#note.text = this.#begunNotes.get(chatId) ?? "";
    this.#begunNotes.delete(chatId);
    this.#keptNoteId = newId();
    this.#text("name", row ? customerName(row) : "");
    this.#text("state-text", "");
    this.#part("presence").hidden = true;
    this.#part("mark").removeAttribute("data-state");
    const store = (this.#store = desk.client.watch(chatId));
    this.#thread.open({
      loadOlder: () => store.loadOlder(),
      showAttachments: (attachments, list) => this.#showAttachments?.(attachments, list),
    });
    let isFirst = true;
    store.on("change", (event) => {
      if (store !== this.#store) return;
      if (store.view) this.#problem = null;
      if (isFirst && store.view) {
        isFirst = false;
        this.#markNew();
        void this.#fetchDraft(chatId);
      }
      // With the first of them, and not after they are drawn: they would move.
      this.#markMissed();
      if (event) this.#happen(event);
      this.redraw();
    });
    store.on("trouble", (problem) => {
      if (store !== this.#store) return;
      this.#problem = problem;
      this.redraw();
    });
    store.on("ended", (why) => {
      if (store !== this.#store) return;
      this.#ended = why;
      this.#text(
        "lost-text",
        why === "chat_not_found"
          ? gettext("This chat is not there, or not for you to see any more.")
          : gettext("This chat cannot be shown."),
      );
      this.redraw();
    });
  }

  /** Fetch it now, and not when it is tried again. */
  #again() {
    const chatId = this.#chatId;
    this.#leave();
    if (chatId !== null) this.#enter(chatId);
    this.redraw();
  }

  get #lastSeq() {
    return this.#store?.view?.messages.at(-1)?.seq ?? 0;
  }

  /** The lists are fetched again. They may be there before the messages that they tell of. */
  #stopMissing() {
    const row = this.#the.desk.state.rows.get(this.#chatId ?? "");
    if (seqOf(row) <= this.#lastSeq) this.#cutOffAt = null;
  }

  #markMissed() {
    if (this.#cutOffAt !== null && this.#markNew(this.#cutOffAt)) this.#cutOffAt = null;
  }

  /**
   * A line is drawn before what one has not read.
   * @param {number} [seen]  the last message that one has had before one
   * @returns {boolean} whether the customer has written anything behind that
   */
  #markNew(seen = 0) {
    const { view } = this.#store ?? {};
    const { me } = this.#the.desk.state;
    const read = view?.read_marks.find((mark) => mark.reader_id === me?.id)?.seq ?? seen;
    const isNew = view?.messages.some((message) => message.seq > Math.max(read, seen) && message.sender_type === "real");
    if (!isNew) return false;
    this.#newAfter = read > 0 ? read : undefined;
    this.redraw();
    return true;
  }

  /** @param {string} chatId */
  async #fetchDraft(chatId) {
    const text = await this.#the.drafts.load(chatId);
    if (chatId !== this.#chatId || text === "" || this.#reply.text !== "") return;
    if (this.#standing === "mine") this.#reply.text = text;
    else this.#kept = text;
    this.redraw();
  }

  /** @param {EventFrame} event */
  #happen(event) {
    const { me } = this.#the.desk.state;
    if (event.event === "message.created") {
      const { sender_type: sender, sender_id: id, content } = event.data;
      if (sender === "real") this.#typing("");
      if (id === me?.id) this.#the.desk.count();
      if (id !== me?.id) announce(gettext("%(name)s: %(text)s", isolated({ name: this.#author(event.data), text: content })));
    } else if (event.event === "note.created") {
      if (event.data.author_id !== me?.id) {
        announce(gettext("Note of %(name)s: %(text)s", isolated({ name: event.data.author_name, text: event.data.content })));
      }
    } else if (event.event.startsWith("chat.") && event.event !== "chat.updated") {
      this.#the.panel.refresh();
    }
  }

  /** @param {Frame} frame */
  #hear(frame) {
    if (frame.type !== "typing" || frame.chat_id !== this.#chatId) return;
    const { me, colleagues } = this.#the.desk.state;
    if (frame.sender_id !== null && frame.sender_id === me?.id) return;
    const name = frame.sender_type === "real" ? this.#customer : (colleagues.get(frame.sender_id ?? "")?.name ?? "");
    this.#typing(frame.is_typing ? gettext("%(name)s is typing …", isolated({ name })) : "");
  }

  /** @param {string} text */
  #typing(text) {
    clearTimeout(this.#typingTimer);
    this.#thread.typing(text);
    if (text) this.#typingTimer = window.setTimeout(() => this.#thread.typing(""), TYPING_MS);
  }

  /** @param {CustomEvent<{ text: string }>} event */
  #typed(event) {
    const { desk, drafts } = this.#the;
    if (!this.#chatId || event.target !== this.#reply || this.#standing !== "mine") return;
    const chatId = this.#chatId;
    const { text } = event.detail;
    this.#say("saved", "");
    drafts.set(chatId, text);
    desk.client.live.typing(chatId, text !== "");
    this.#refill();
    clearTimeout(this.#stoppedTimer);
    this.#stoppedTimer = window.setTimeout(() => desk.client.live.typing(chatId, false), STOPPED_MS);
  }

  /** Any key says that somebody works here. @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "Escape" && !event.isComposing && event.target instanceof HTMLTextAreaElement) {
      return event.target.blur();
    }
    if (this.#fuse.isBurning) this.#refill();
  }

  /** Files may be let go anywhere over a chat that I have. @param {DragEvent} event */
  #dragged(event) {
    if (this.#standing !== "mine" || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.toggleAttribute("data-dropping", true);
  }

  /** @param {DragEvent | null} event  null: they were taken elsewhere */
  #dropped(event) {
    this.removeAttribute("data-dropping");
    if (!event || event.defaultPrevented || this.#standing !== "mine" || !event.dataTransfer?.files.length) return;
    event.preventDefault();
    this.#writes = "reply";
    this.#reply.attach(event.dataTransfer.files);
    this.redraw();
  }

  #refill() {
    if (!this.#chatId) return;
    if (this.#fuse.isBurning && Date.now() - this.#lastKept > KEEP_AGAIN_MS) this.keepHold();
    else this.#the.desk.noteActivity(this.#chatId);
  }

  /** @param {CustomEvent<{ text: string, attachments: import("../core/types.d.ts").Attachment[] }>} event */
  #send(event) {
    const { desk, drafts } = this.#the;
    const chatId = this.#chatId;
    if (!chatId) return;
    const { text, attachments } = event.detail;
    if (event.target === this.#note) return void this.#saveNote(chatId, text);
    clearTimeout(this.#stoppedTimer);
    desk.client.live.typing(chatId, false);
    desk.client.outbox.send(chatId, text, attachments);
    drafts.sent(chatId);
    this.#isHandoverClosed = true;
    this.#newAfter = undefined;
    this.#say("saved", "");
    this.redraw();
  }

  /**
   * @param {string} chatId
   * @param {string} text
   * @param {string} [id]
   */
  async #saveNote(chatId, text, id = newId()) {
    const { desk } = this.#the;
    const mentions = mentionsIn(text, desk.colleagues);
    try {
      await desk.addNote(chatId, text, mentions, id);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What was written is not lost: back into the box it goes, and one reads why.
      if (chatId !== this.#chatId) this.#begunNotes.set(chatId, text);
      else if (this.#note.text === "") this.#note.text = text;
      const again = error.isTransient ? { label: gettext("Try again"), run: () => this.#saveAgain(chatId, text, id) } : {};
      toast(gettext("The note was not saved: %(problem)s", isolated({ problem: sentenceOf(error) })), { kind: "problem", ...again });
      return false;
    }
  }

  /**
   * @param {string} chatId
   * @param {string} text
   * @param {string} id
   */
  #saveAgain(chatId, text, id) {
    if (chatId === this.#chatId && this.#note.text === text) this.#note.clear();
    if (this.#begunNotes.get(chatId) === text) this.#begunNotes.delete(chatId);
    void this.#saveNote(chatId, text, id);
  }

  async #saveKept() {
    const chatId = this.#chatId;
    if (!chatId || !(await this.#saveNote(chatId, this.#kept, this.#keptNoteId))) return;
    if (chatId === this.#chatId) this.#dropKept();
    else this.#the.drafts.set(chatId, "");
  }

  #dropKept() {
    this.#kept = "";
    if (this.#chatId) this.#the.drafts.set(this.#chatId, "");
    this.redraw();
  }

  #closeHandover() {
    this.#isHandoverClosed = true;
    this.redraw();
  }

  /** What can be done with a line of the conversation. @param {{ action: string, entry: Entry, button: HTMLElement }} what */
  #act({ action, entry, button }) {
    const { outbox } = this.#the.desk.client;
    const id = String(entry["client_message_id"] ?? "");
    if (action === "retry") outbox.retry(id);
    else if (action === "discard") outbox.discard(id);
    else if (action === "more") void this.#the.ask.aboutMessage(button, this.#messageOf(entry), (text) => void this.#copy(text));
    else if (action === "more-note") {
      void this.#the.ask.aboutNote(button, /** @type {Note} */ (entry["note"]), entry, (text) => void this.#copy(text));
    }
  }

  /** @param {Entry} entry */
  #messageOf(entry) {
    return this.#store?.view?.messages.find((message) => message.seq === entry["seq"]) ?? null;
  }

  /** @param {string} text */
  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      toast(gettext("Copied"));
    } catch {
      toast(gettext("The browser does not let this page copy."), { kind: "problem" }); // on plain http
    }
  }

  /** I have read what is in view. */
  #read() {
    const view = this.#store?.view;
    if (!view || !this.#chatId || document.visibilityState !== "visible" || !document.hasFocus()) return;
    if (!this.#thread.isAtEnd) return;
    const last = view.messages.at(-1)?.seq ?? 0;
    if (last > 0) void this.#the.desk.read(this.#chatId, last);
  }

  /** @param {number} seq */
  async #reveal(seq) {
    this.#seq = null;
    const store = this.#store;
    while (store && store === this.#store && !this.#thread.reveal(seq)) {
      const first = store.view?.messages[0]?.seq ?? 1;
      if (first <= seq || !(await store.loadOlder().catch(() => false))) return;
    }
  }

  /** @param {KeyboardEvent} event */
  #tabbed(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    this.#writes = this.#writes === "reply" ? "note" : "reply";
    this.draw();
    this.#part(`tab-${this.#writes}`).focus();
  }

  /** What the placeholders of quick responses stand for in this chat. */
  get #values() {
    const { me, rows } = this.#the.desk.state;
    const row = this.#chatId ? rows.get(this.#chatId) : undefined;
    const panel = this.#chatId ? this.#the.panel.of(this.#chatId) : null;
    return {
      "customer.name": panel?.customer.name ?? row?.customer_name,
      "customer.email": panel?.customer.email ?? row?.customer_email,
      "operator.name": me?.name,
      "persona.name": panel?.persona?.name ?? row?.persona_name ?? me?.name,
      "chat.headline": this.chat?.headline,
    };
  }

  get #customer() {
    const row = this.#chatId ? this.#the.desk.state.rows.get(this.#chatId) : undefined;
    const panel = this.#chatId ? this.#the.panel.of(this.#chatId) : null;
    return customerName({
      customer_name: panel?.customer.name ?? row?.customer_name ?? null,
      customer_email: panel?.customer.email ?? row?.customer_email ?? null,
    });
  }

  get #holder() {
    const { colleagues, rows } = this.#the.desk.state;
    const id = this.chat?.assigned_operator_id ?? "";
    const row = this.#chatId ? rows.get(this.#chatId) : undefined;
    return colleagues.get(id)?.name ?? row?.holder_name ?? gettext("A colleague");
  }

  /** @param {Message | Outgoing} message */
  #author(message) {
    const { me, colleagues } = this.#the.desk.state;
    if (!("sender_type" in message)) return me?.name ?? "";
    if (message.sender_type === "real") return this.#customer;
    if (message.sender_id === me?.id) return me?.name ?? "";
    return colleagues.get(message.sender_id ?? "")?.name ?? gettext("A colleague");
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #say(name, text) {
    this.#text(name, text);
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #text(name, text) {
    const part = this.#part(name);
    if (part.textContent !== text) part.textContent = text;
  }

  get #thread() {
    return /** @type {Thread} */ (this.find("baton-thread"));
  }

  get #fuse() {
    return /** @type {Fuse} */ (this.find("baton-fuse"));
  }

  get #reply() {
    return /** @type {Composer} */ (this.find('[data-part="reply"] baton-composer'));
  }

  get #note() {
    return /** @type {Composer} */ (this.find('[data-part="note-box"] baton-composer'));
  }

  get #the() {
    return /** @type {Workspace} */ (this.#workspace);
  }

  /** @param {string} name */
  #part(name) {
    return this.find(`[data-part="${name}"]`);
  }
}

/** @param {unknown} error */
function refused(error) {
  toast(sentenceOf(error), { kind: "problem" });
}

customElements.define("baton-chat", ChatPane);

// The widget's own side of the frame: shows a conversation, and takes what the visitor does. It is fetched when
// somebody wants to see it.

/** @import { Attachment, Chat, Message } from "../core/types.d.ts" */
/** @import { Settings } from "./conversation.js" */
/** @import { Host } from "./host.js" */
/** @import { Visitor } from "./visitor.js" */
/** @import { Composer } from "../parts/composer.js" */
/** @import { Entry } from "../parts/entries.js" */
/** @import { Thread } from "../parts/thread.js" */

import { announce, Announcer } from "../core/announce.js";
import { BatonElement } from "../core/element.js";
import { gettext, ngettext } from "../core/i18n.js";
import { newId } from "../core/id.js";
import { fill } from "../core/render.js";
import { Store } from "../core/storage.js";
import { Alerts } from "../parts/alerts.js";
import { attachmentsIn, upload } from "../parts/attach.js";
import "../parts/composer.js";
import { clearProblems, isComplete, showRefusal, valuesOf } from "../parts/forms.js";
import "../parts/thread.js";
import { Conversation } from "./conversation.js";
import { linesOf, viewOf } from "./view.js";

const DISCONNECTED_MS = 5_000; // shorter ones are nobody's business
const PLACE_EVERY_MS = 30_000; // the place in the queue is read out
const LOOK_AGAIN_MS = 5_000; // whether it is time to ask whether the team is there
const RING = { tab: "baton:ringing-widget", loudness: 0.05 }; // on somebody else's page: quietly

/** `<baton-chat>`, which the page has brought along. */
export class ChatElement extends BatonElement {
  /** @type {Conversation | null} */
  #conversation = null;
  /** @type {Host | null} */
  #host = null;
  #isDisconnected = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #disconnecting;
  #places = new Announcer(PLACE_EVERY_MS);
  #said = { place: "", screen: "", unread: -1 };
  /** The chat whose thread is shown: none, or "" of one that is just being made. @type {string | null} */
  #shown = null;
  /** @type {ReturnType<typeof attachmentsIn> | null} */
  #showAttachments = null;
  /** What he has sent while it was still being found out who he is. @type {string[]} */
  #early = [];
  #noteId = newId();
  /** Once he has done something here; browsers let nobody sound before. @type {Alerts | null} */
  #alerts = null;
  #kept = new Store("baton:widget:");

  /** @override */
  connected() {
    this.#listenToPage();
    if (navigator.userActivation?.hasBeenActive) this.#unlockSound();
    this.#composer.uploader = null; // files lie in the folder of their chat, which is not there yet
  }

  /**
   * @param {object} options
   * @param {Settings} options.settings
   * @param {Host} options.host
   * @param {Visitor} options.visitor
   * @param {Chat | null} options.latest
   */
  begin({ settings, host, visitor, latest }) {
    this.#host = host;
    const conversation = (this.#conversation = new Conversation({ settings, host, visitor, latest }));
    this.keep(conversation.on("change", () => this.#changed()));
    this.keep(conversation.on("reply", (message) => this.#replied(message)));
    this.keep(conversation.on("problem", () => announce(gettext("That did not work. Try again."))));
    const look = () => host.isOpen && document.visibilityState === "visible" && void conversation.refresh();
    const looking = setInterval(look, LOOK_AGAIN_MS);
    this.keep(() => clearInterval(looking));
    this.#changed();
    if (this.#composer.text === "") this.#composer.text = conversation.draft;
    for (const text of this.#early.splice(0)) this.#send(text, []);
    return conversation;
  }

  /** Somebody has opened it, and wants to write. */
  opened() {
    void this.#conversation?.refresh();
    this.#unlockSound();
    this.draw(); // what is focused must not go away
    this.#thread.toEnd();
    this.#read();
    if (!document.activeElement?.matches("input, textarea")) this.#focus(); // he may be faster than we are
  }

  /**
   * Type something for him, unless he has typed or said something himself.
   * @param {string} draft
   */
  suggest(draft) {
    if (!this.#conversation?.isBegun && this.#composer.text === "") this.#composer.text = draft;
  }

  /** He has signed out: nothing that he has written stays. */
  forget() {
    this.#composer.clear();
    for (const form of this.querySelectorAll("form")) form.reset();
  }

  /** @override */
  draw() {
    const conversation = this.#conversation;
    if (!conversation) return;
    const view = viewOf(conversation, this.#isDisconnected);
    fill(this, { ...view, has_menu: view.is_chat, has_sound: !this.#isMuted, is_muted: this.#isMuted });
    this.#thread.typing(view.typing);
    const composer = this.#composer;
    composer.placeholder = view.placeholder;
    this.#drawKnown(conversation.said);
    if (view.is_chat) this.#drawThread(conversation);
    else this.#clearThread();
    this.#say(view);
  }

  #listenToPage() {
    this.listen("click", (event) => this.#clicked(event));
    this.listen("submit", (event) => this.#submitted(event));
    this.listen("change", () => (this.find(".rating-more").hidden = false), this.find("#rating"));
    const on = (/** @type {string} */ name, /** @type {(detail: any) => void} */ listener) =>
      this.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail), { signal: this.signal });
    on("composer-send", ({ text, attachments }) => this.#send(text, attachments));
    on("composer-input", ({ text }) => this.#conversation?.type(text));
    on("thread-read", () => this.#read());
    on("thread-action", ({ action, entry }) => this.#act(action, entry));
    this.listen("focus", () => this.#read(), window);
    for (const name of /** @type {const} */ (["pointerdown", "keydown"])) {
      addEventListener(name, () => this.#unlockSound(), { once: true, signal: this.signal });
    }
    this.listen("keydown", (event) => {
      // An open menu, list or picker has taken it; what is left of Escape puts the chat away.
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector(":popover-open")) this.#close();
    });
    const image = this.find(".face img");
    this.listen("error", () => {
      image.hidden = true;
      this.find(".face span").hidden = false;
    }, image);
  }

  #changed() {
    const conversation = this.#conversation;
    if (!conversation) return;
    this.#connectionChanged(conversation.liveState);
    this.#read();
    const unread = conversation.unreadCount;
    if (unread !== this.#said.unread) {
      this.#said.unread = unread;
      const label = unread > 0 ? ngettext("%(num)s unread message", "%(num)s unread messages", unread) : "";
      this.#host?.tell({ type: "unread", count: unread, label });
    }
    this.redraw();
  }

  /** @param {string} state */
  #connectionChanged(state) {
    const isGood = state === "online" || state === "polling" || state === "connecting" || state === "closed";
    if (isGood) {
      clearTimeout(this.#disconnecting);
      this.#disconnecting = undefined;
      if (this.#isDisconnected && state !== "connecting") {
        this.#isDisconnected = false;
        announce(gettext("Back online"));
      }
    } else {
      this.#disconnecting ??= setTimeout(() => {
        this.#isDisconnected = true;
        this.redraw();
      }, DISCONNECTED_MS);
    }
  }

  /** @param {Conversation} conversation */
  #drawThread(conversation) {
    const id = conversation.chat?.id ?? "";
    const thread = this.#thread;
    if (id !== this.#shown) {
      const { api } = conversation;
      // The first message, just sent, stays where it is when its chat is there.
      if (this.#shown !== "") {
        const showAttachments = (/** @type {Attachment[]} */ files, /** @type {Element} */ list) =>
          this.#showAttachments?.(files, list);
        thread.open({ loadOlder: () => conversation.loadOlder(), showAttachments });
      }
      this.#showAttachments = api ? attachmentsIn(api) : null;
      this.#composer.uploader = id && api ? (file, how) => upload(api, id, file, how) : null;
      this.#shown = id;
    }
    if (conversation.view || conversation.unsent.length > 0) thread.show(linesOf(conversation));
  }

  /**
   * What the host page has said of him is not asked again.
   * @param {{ name: string, email: string }} said
   */
  #drawKnown(said) {
    for (const [name, value] of Object.entries(said)) {
      const asked = /** @type {HTMLInputElement | null} */ (this.querySelector(`#pre-chat-${name}`));
      const box = asked?.closest(".field");
      if (asked && box instanceof HTMLElement) {
        if (value !== "" || box.hidden) asked.value = value;
        box.hidden = value !== "";
      }
    }
  }

  /** What was said is nobody's any more who may sit here now. */
  #clearThread() {
    if (this.#shown === null) return;
    this.#shown = null;
    this.#thread.show([]);
    this.#composer.uploader = null;
  }

  /**
   * What others see happen, for those who hear it.
   * @param {ReturnType<typeof viewOf>} view
   */
  #say(view) {
    const place = view.room ? [view.room.number_label, view.room.number, view.room.range].filter(Boolean).join(", ") : "";
    if (place !== this.#said.place) {
      this.#said.place = place;
      if (place && view.room?.number !== "–") this.#places.say(place);
      else this.#places.stop();
    }
    const screen = ["start", "chat", "offline", "left"].find((name) => view[/** @type {keyof typeof view} */ (`is_${name}`)]);
    if (screen === this.#said.screen) return;
    const isFirst = this.#said.screen === "";
    this.#said.screen = screen ?? "";
    if (isFirst || !this.#host?.isOpen) return;
    if (screen === "offline") this.#takeAlong();
    if (screen === "left") this.find(".chat-left h2").focus();
    else this.#focus();
  }

  /** What he has said already, and is just writing, he need not write again. */
  #takeAlong() {
    const message = /** @type {HTMLTextAreaElement} */ (this.find("#offline-message"));
    const lines = this.#conversation ? linesOf(this.#conversation) : [];
    const mine = lines.filter((line) => line["side"] === "mine").map((line) => String(line["content"]));
    for (const [name, value] of Object.entries(this.#conversation?.said ?? {})) {
      const field = /** @type {HTMLInputElement} */ (this.find(`#offline-contact_${name}`));
      field.value ||= value;
    }
    if (message.value === "") message.value = [...mine, this.#composer.text].filter(Boolean).join("\n");
  }

  /** @param {Message} message */
  #replied(message) {
    const lines = linesOf(/** @type {Conversation} */ (this.#conversation));
    const name = String(lines.findLast((line) => line["seq"] === message.seq)?.["author"] ?? "");
    const text = message.content || gettext("a file");
    announce(gettext("%(name)s: %(text)s", { name, text }));
    this.#host?.announce("message", { chat_id: message.chat_id, from: "team" });
    const isLooking = this.#host?.isOpen && document.visibilityState === "visible";
    if (!isLooking && !this.#isMuted) this.#alerts?.call("reply");
  }

  #unlockSound() {
    this.#alerts ??= new Alerts(this.signal, RING);
    void this.#alerts.unlock();
  }

  get #isMuted() {
    return this.#kept.all().get("muted") === true;
  }

  /** @param {boolean} isMuted */
  #mute(isMuted) {
    if (isMuted) this.#kept.set("muted", true);
    else this.#kept.delete("muted");
    announce(isMuted ? gettext("The sound is off.") : gettext("The sound is on."));
    this.redraw();
  }

  /** Whatever is in view has been read. */
  #read() {
    const isLooking = this.#host?.isOpen && document.visibilityState === "visible" && (document.hasFocus() || parent !== window);
    if (isLooking && this.#thread.isAtEnd) this.#conversation?.read();
  }

  /**
   * @param {string} text
   * @param {Attachment[]} attachments
   */
  #send(text, attachments) {
    const conversation = this.#conversation;
    if (!conversation) return void this.#early.push(text);
    conversation.type("");
    if (conversation.isBegun) return conversation.send(text, attachments, null);
    const form = this.#form("pre-chat");
    if (!isComplete(form)) {
      this.#composer.text = text; // kept until the rest is there
      queueMicrotask(() => /** @type {HTMLElement | null} */ (form.querySelector('[aria-invalid="true"]'))?.focus());
      return;
    }
    const { name = "", email = "", topic = "" } = /** @type {Record<string, string>} */ (valuesOf(form));
    conversation.send(text, attachments, { name: name.trim(), email: email.trim(), topic: topic.trim() });
    this.#host?.announce("message", { chat_id: null, from: "customer" });
  }

  /**
   * @param {string} action
   * @param {Entry} entry
   */
  #act(action, entry) {
    const id = String(entry["client_message_id"]);
    if (action === "retry") this.#conversation?.retry(id);
    if (action !== "discard") return;
    const text = this.#conversation?.discard(id);
    if (text) this.#composer.text = text; // he is back at the start, and may put it otherwise
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    const conversation = this.#conversation;
    if (!button || !conversation) return;
    const menu = this.find("#chat-menu");
    if (menu.contains(button)) menu.hidePopover();
    switch (button.getAttribute("data-action")) {
      case "close":
        return this.#close();
      case "cancel":
        return void conversation.end("cancelled");
      case "end":
        return void conversation.end("ended by the customer");
      case "mute":
        return this.#mute(true);
      case "unmute":
        return this.#mute(false);
      case "anew":
        this.#noteId = newId();
        return conversation.startAnew();
      case "leave":
        return conversation.leave();
      case "wait":
        return conversation.leave(false);
    }
  }

  /** @param {SubmitEvent} event */
  async #submitted(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const button = form.querySelector('button[type="submit"]');
    const conversation = this.#conversation;
    if (form.id === "pre-chat") return this.#composer.focus();
    if (!conversation || !button || button.ariaDisabled === "true" || !isComplete(form)) return;
    const values = /** @type {Record<string, string>} */ (valuesOf(form));
    button.ariaDisabled = "true";
    try {
      if (form.id === "rating") {
        await conversation.rate(Number(values["score"]), values["comment"] ?? "");
        this.draw();
        this.find(".end-thanks").focus(); // the button that was pressed is gone
      } else {
        const { contact_name = "", contact_email = "", message = "" } = values;
        await conversation.leaveMessage({ name: contact_name.trim(), email: contact_email.trim(), message }, this.#noteId);
        this.#noteId = newId();
      }
      form.reset();
      clearProblems(form);
    } catch (error) {
      showRefusal(form, error);
    } finally {
      button.ariaDisabled = "false";
    }
  }

  #close() {
    this.#host?.tell({ type: "close" });
  }

  /** To where he is expected to write. */
  #focus() {
    const offline = this.find(".chat-offline");
    if (!offline.hidden) return this.find("#offline-contact_name").focus();
    const asked = /** @type {HTMLElement | null} */ (this.querySelector("#pre-chat .field:not([hidden]) input"));
    if (asked && !this.find(".chat-start").hidden) asked.focus();
    else this.#composer.focus();
  }

  /** @param {string} id */
  #form(id) {
    return /** @type {HTMLFormElement} */ (/** @type {unknown} */ (this.find(`#${id}`)));
  }

  get #thread() {
    return /** @type {Thread} */ (this.find("baton-thread"));
  }

  get #composer() {
    return /** @type {Composer} */ (this.find("baton-composer"));
  }
}

customElements.define("baton-chat", ChatElement);

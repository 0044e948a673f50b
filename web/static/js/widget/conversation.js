// What a visitor does here, and what comes of it: his conversation with the team, from his first word to his rating.
// No page in it; view.js says what of this is to be seen, and chat.js shows it.

/** @import { Attachment, Chat, Face, Frame, Message, Outgoing } from "../core/types.d.ts" */
/** @import { ChatStore } from "../core/store.js" */
/** @import { Host } from "./host.js" */
/** @import { Visitor } from "./visitor.js" */

import { ApiError, send } from "../core/api.js";
import { connect } from "../core/client.js";
import { Emitter } from "../core/emitter.js";
import { newId } from "../core/id.js";
import { Store } from "../core/storage.js";
import { Backoff, pause } from "../core/timing.js";

const TYPING_MS = 6_000; // who types is forgotten after that
const RECENT_MS = 24 * 3600_000; // a chat that has ended is shown for so long
const EVENTS_BACK = 200; // in which names are looked for
// How old what is known of opening hours and of the team may be; the second where somebody is about to write, and was
// told that nobody is there.
const SETTINGS_MS = 30_000;
const SETTINGS_MS_ALONE = 4_000;

/**
 * How the widget is set up, and whether anybody is there: GET /api/widget/settings.
 * @typedef {object} Settings
 * @property {string} title
 * @property {string} colour
 * @property {"left" | "right"} position
 * @property {{ field: "name" | "email" | "topic", is_required: boolean }[]} pre_chat
 * @property {boolean} allow_files
 * @property {boolean} allow_emoji
 * @property {boolean} ask_rating
 * @property {string | null} privacy_url
 * @property {{ name: string, avatar_url: string | null } | null} persona
 * @property {boolean} is_open
 * @property {string | null} opens_at
 * @property {boolean} available
 */

/** @typedef {{ name: string, email: string, topic: string }} Introduction */
/** @typedef {{ name: string, email: string, message: string }} Note */
/** @typedef {{ at: string, name: string | null, avatar_url: string | null }} KnownFace */

/**
 * `change`: something is to be seen that was not. `reply`: the team has written. `problem`: something that was asked
 * for did not happen.
 * @extends {Emitter<{ change: null, reply: Message, problem: unknown }>}
 */
export class Conversation extends Emitter {
  #host;
  #visitor;
  /** @type {ReturnType<typeof connect> | null} */
  #client = null;
  /** @type {ChatStore | null} */
  #store = null;
  /** His first message, until the chat is there. @type {Outgoing | null} */
  #first = null;
  /** What he has written after it, in the meantime. @type {Outgoing[]} */
  #next = [];
  /** @type {Introduction | null} */
  #introduction = null;
  #starts = new AbortController();
  /** What the host page says he is about. @type {Record<string, unknown>} */
  #context = {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #typingTimer;
  #settingsAt = Date.now();
  #readSeq = 0;
  #kept = new Store("baton:widget:");
  /** Who was seen answering, and from when on. @type {KnownFace[]} */
  faces = [];
  /** @type {{ position: number | null, expected_wait_seconds: number | null } | null} */
  queue = null;
  isTyping = false;
  /** He has chosen to leave a message instead of waiting. */
  isLeaving = false;
  /** Where the answer to the message that he left will go. @type {string | null} */
  leftFor = null;
  /** @type {{ score: number, comment: string | null } | null} */
  rating = null;

  /**
   * @param {object} options
   * @param {Settings} options.settings
   * @param {Host} options.host
   * @param {Visitor} options.visitor
   * @param {Chat | null} options.latest  his latest chat
   */
  constructor({ settings, host, visitor, latest }) {
    super();
    this.settings = settings;
    this.#host = host;
    this.#visitor = visitor;
    if (latest && isToBeSeen(latest)) this.#watch(latest.id);
    else this.#takeUp();
  }

  /** The chat as it is; null before there is one, and until it is loaded. */
  get view() {
    return this.#store?.view ?? null;
  }

  get chat() {
    return this.view?.chat ?? null;
  }

  /** Whether there is a chat, loaded or not, or one is just being made. */
  get isBegun() {
    return this.#store !== null || this.#first !== null;
  }

  /** @returns {Outgoing[]} */
  get unsent() {
    return this.#first ? [this.#first, ...this.#next] : (this.#store?.unsent ?? []);
  }

  get api() {
    return this.#client?.api ?? null;
  }

  get liveState() {
    return this.#client?.live.state ?? "online";
  }

  get visitorId() {
    return this.#visitor.id ?? "";
  }

  /** What the host page has said of him, so that he need not. */
  get said() {
    return this.#visitor.said;
  }

  /** How many messages of the team he has not seen. */
  get unreadCount() {
    const seen = this.#seenSeq;
    return (this.view?.messages ?? []).filter((message) => isReply(message) && message.seq > seen).length;
  }

  /**
   * Send what he has written. The first message makes the chat.
   * @param {string} content
   * @param {Attachment[]} attachments
   * @param {Introduction | null} introduction  what he says of himself with the first
   */
  send(content, attachments, introduction) {
    const { chat } = this;
    if (this.#client && this.#store) this.#client.outbox.send(this.#store.chatId, content, attachments);
    else if (this.#first) this.#wait(content);
    else void this.#begin(newId(), content, introduction);
    if (chat?.chat_state === "completed") this.rating = null;
  }

  /**
   * A message that was refused: once more.
   * @param {string} id
   */
  retry(id) {
    if (this.#first?.client_message_id !== id) return this.#client?.outbox.retry(id);
    const { content } = this.#first;
    this.#first = null;
    void this.#begin(id, content, this.#introduction);
  }

  /**
   * The same: not at all.
   * @param {string} id
   * @returns {string} what it said, where there is nothing else left
   */
  discard(id) {
    if (this.#first?.client_message_id !== id) {
      this.#client?.outbox.discard(id);
      return "";
    }
    const written = [this.#first, ...this.#next].map(({ content }) => content).join("\n");
    this.#setFirst(null);
    return written;
  }

  /**
   * Wait no longer, or end the conversation.
   * @param {string} reason
   */
  async end(reason) {
    const wasAnswered = this.chat?.operator_replied_at !== null;
    if (this.#first) this.discard(this.#first.client_message_id);
    if (this.#store && this.#client) {
      await this.#try(this.#client.api.post(`/api/chats/${this.#store.chatId}/complete`, { reason }));
    }
    if (!wasAnswered) this.startAnew();
  }

  /** Leave what has ended behind. */
  startAnew() {
    this.#unwatch();
    this.isLeaving = false;
    this.leftFor = null;
    this.emit("change", null);
  }

  /** Leave a message instead of waiting, or wait after all. */
  leave(isLeaving = true) {
    this.isLeaving = isLeaving;
    this.emit("change", null);
  }

  /**
   * Leave a message: the team will write to him.
   * @param {Note} note
   * @param {string} id  the same when it is tried again
   * @throws {ApiError}
   */
  async leaveMessage({ name, email, message }, id) {
    await this.#visitor.begin();
    const title = message.trim().split("\n")[0]?.slice(0, 200) ?? "";
    const context = { ...this.#context, contact_name: name, contact_email: email };
    const ticket = { type: "support", title, initial_message: message, context, client_message_id: id };
    await this.#asVisitor("POST", "/api/tickets", ticket);
    if (this.isBegun && this.chat?.chat_state !== "completed") await this.end("left_message");
    this.#unwatch();
    this.isLeaving = false;
    this.leftFor = email;
    this.emit("change", null);
  }

  /**
   * @param {number} score  1 to 5
   * @param {string} comment
   * @throws {ApiError}
   */
  async rate(score, comment) {
    if (!this.#store || !this.#client) return;
    const rating = { score, ...(comment.trim() ? { comment } : {}) };
    await this.#client.api.post(`/api/chats/${this.#store.chatId}/rating`, rating);
    this.rating = { score, comment };
    this.emit("change", null);
  }

  /** He has seen what there is. */
  read() {
    const last = this.view?.messages.findLast(isReply)?.seq ?? 0;
    if (!this.#store || !this.#client || last <= this.#seenSeq) return;
    this.#readSeq = last;
    this.#client.api.post(`/api/chats/${this.#store.chatId}/read`, { seq: last }).catch(() => {}); // with the next one
    this.emit("change", null);
  }

  /** What he has written and not sent, also on the page before; of nobody nothing is kept. */
  get draft() {
    const draft = this.#visitor.id ? this.#kept.all().get("draft") : "";
    return typeof draft === "string" ? draft : "";
  }

  /** @param {string} text */
  type(text) {
    if (text !== "" && this.#visitor.id) this.#kept.set("draft", text);
    else this.#kept.delete("draft");
    const isTyping = text !== "";
    if (this.#store && this.chat?.is_active) this.#client?.live.typing(this.#store.chatId, isTyping);
  }

  /** @returns {Promise<boolean>} whether there are more */
  async loadOlder() {
    return (await this.#store?.loadOlder()) ?? false;
  }

  /**
   * What the host page says of the visitor; its keys replace those that were there.
   * @param {Record<string, unknown>} context
   */
  describe(context) {
    this.#context = { ...this.#context, ...context };
  }

  /**
   * He is somebody else now, or somebody after all.
   * @param {Chat | null} latest
   */
  become(latest) {
    if (latest && latest.id === this.#store?.chatId && this.#client) return; // the same chat, by a new session
    this.#unwatch();
    this.#client?.close();
    this.#client = null;
    this.#setFirst(null);
    if (latest && isToBeSeen(latest)) this.#watch(latest.id);
    this.emit("change", null);
  }

  /** Fetch again whether the team is there, where that may have changed. */
  async refresh() {
    const isAlone = !this.isBegun && this.settings.is_open && !this.settings.available;
    if (Date.now() - this.#settingsAt < (isAlone ? SETTINGS_MS_ALONE : SETTINGS_MS)) return;
    this.#settingsAt = Date.now();
    try {
      this.settings = await send("GET", "/api/widget/settings", undefined);
    } catch {
      return; // what was known is still shown
    }
    this.emit("change", null);
  }

  get #seenSeq() {
    const mine = (this.view?.read_marks ?? []).filter((mark) => mark.reader_type === "real");
    return Math.max(this.#readSeq, ...mine.map((mark) => mark.seq));
  }

  /** A first message that an earlier page has not sent. */
  #takeUp() {
    const kept = /** @type {Outgoing | undefined} */ (this.#kept.all().get("first"));
    if (kept?.client_message_id && this.#visitor.id) void this.#begin(kept.client_message_id, kept.content, null);
  }

  /**
   * Make him somebody, and the chat; again and again until that is done or refused.
   * @param {string} id
   * @param {string} content
   * @param {Introduction | null} introduction
   */
  async #begin(id, content, introduction) {
    const { signal } = (this.#starts = new AbortController());
    const backoff = new Backoff();
    this.#introduction = introduction;
    this.leftFor = null;
    this.#setFirst(outgoing(id, content));
    for (;;) {
      try {
        const chat = await this.#makeChat(id, content, introduction);
        if (signal.aborted) {
          // He waits no longer, and the team need not either.
          void this.#asVisitor("POST", `/api/chats/${chat.id}/complete`, { reason: "cancelled" }).catch(() => {});
          return;
        }
        this.#host.announce("chat_started", { chat_id: chat.id });
        const next = this.#next;
        this.#watch(chat.id);
        for (const message of next) this.send(message.content, [], null);
        return;
      } catch (error) {
        if (signal.aborted || !this.#first) return;
        const problem = error instanceof ApiError ? error.problem : null;
        const isRefused = !(error instanceof ApiError && error.isTransient);
        this.#setFirst({ ...this.#first, status: isRefused ? "failed" : "pending", problem });
        if (isRefused) return this.emit("problem", error);
        await pause(Math.max(backoff.next(), (error.retryAfter ?? 0) * 1000), signal);
        if (signal.aborted) return;
      }
    }
  }

  /**
   * @param {string} id
   * @param {string} content
   * @param {Introduction | null} introduction
   * @returns {Promise<Chat>}
   */
  async #makeChat(id, content, introduction) {
    await this.#visitor.begin();
    if (this.#first) this.#kept.set("first", this.#first); // from now on he is somebody
    const { name = "", email = "", topic = "" } = introduction ?? {};
    if (name || email) await this.#asVisitor("POST", "/api/me", { ...(name && { name }), ...(email && { email }) });
    const context = { ...this.#context, ...(topic && { topic }) };
    const chat = { content, client_message_id: id, ...(Object.keys(context).length > 0 && { context }) };
    return this.#asVisitor("POST", "/api/chats", chat);
  }

  /** @param {string} content */
  #wait(content) {
    this.#next = [...this.#next, outgoing(newId(), content)];
    this.emit("change", null);
  }

  /** @param {Outgoing | null} first */
  #setFirst(first) {
    if (!first) {
      this.#starts.abort();
      this.#next = [];
    }
    this.#first = first;
    if (first?.status === "pending" && this.#visitor.id) this.#kept.set("first", first);
    else this.#kept.delete("first");
    this.emit("change", null);
  }

  /**
   * @param {"POST" | "GET"} method
   * @param {string} path
   * @param {object} [body]
   */
  async #asVisitor(method, path, body) {
    const token = await this.#visitor.token(null);
    try {
      return await send(method, path, body, { token });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      return send(method, path, body, { token: await this.#visitor.token(token) });
    }
  }

  /** @param {string} chatId */
  #watch(chatId) {
    this.#client ??= this.#connect();
    this.#unwatch();
    this.#setFirst(null);
    const store = (this.#store = this.#client.watch(chatId));
    this.rating = null;
    store.on("change", (event) => {
      if (store !== this.#store) return;
      if (event?.event === "message.created" && isReply(event.data)) {
        this.#typed(false);
        this.emit("reply", event.data);
      }
      if (event?.event === "chat.assigned") this.faces = [...this.faces, faceOf(event.at, event.data)];
      if (event?.event === "chat.completed") this.#host.announce("chat_completed", { chat_id: chatId });
      if (event && event.chat.chat_state !== "waiting_assignment") this.queue = null;
      this.emit("change", null);
    });
    store.on("ended", () => store === this.#store && this.startAnew()); // it was erased
    void this.#learn(store);
    this.emit("change", null);
  }

  #unwatch() {
    this.#store?.close();
    this.#store = null;
    this.queue = null;
    this.faces = [];
    this.rating = null;
    this.#readSeq = 0;
    this.#typed(false);
  }

  #connect() {
    const client = connect({ fetchToken: (stale) => this.#visitor.token(stale), person: this.visitorId, role: "customer" });
    client.live.on("frame", (frame) => this.#hear(frame));
    client.live.on("state", (state) => {
      if (state === "closed" && client === this.#client && client.live.reason !== "stopped") this.#lose();
      this.emit("change", null);
    });
    return client;
  }

  /** He is nobody any more: signed out elsewhere, or erased. */
  #lose() {
    this.#client = null;
    void this.#visitor.forget();
    this.startAnew();
  }

  /** @param {Frame} frame */
  #hear(frame) {
    if (!("chat_id" in frame) || frame.chat_id !== this.#store?.chatId) return;
    if (frame.type === "queue") this.queue = frame;
    else if (frame.type === "typing" && frame.sender_type === "operator") this.#typed(frame.is_typing);
    else return;
    this.emit("change", null);
  }

  /** @param {boolean} isTyping */
  #typed(isTyping) {
    clearTimeout(this.#typingTimer);
    this.isTyping = isTyping;
    if (!isTyping) return;
    this.#typingTimer = setTimeout(() => {
      this.isTyping = false;
      this.emit("change", null);
    }, TYPING_MS);
  }

  /**
   * What the snapshot does not tell a customer: how he has rated the chat, and who has answered so far.
   * @param {ChatStore} store
   */
  async #learn(store) {
    await new Promise((resolve) => (store.view ? resolve(null) : store.on("change", resolve)));
    const { chat, event_seq } = store.view ?? {};
    const api = this.#client?.api;
    if (!api || !chat || event_seq === undefined) return;
    try {
      if (chat.chat_state === "completed") this.rating = await api.get(`/api/chats/${chat.id}/rating`);
      if (!this.settings.persona) {
        const { data } = await api.events(chat.id, Math.max(0, event_seq - EVENTS_BACK), null);
        const known = data.flatMap((event) => (event.event === "chat.assigned" ? [faceOf(event.at, event.data)] : []));
        const last = known.at(-1)?.at ?? "";
        if (store === this.#store) this.faces = [...known, ...this.faces.filter((face) => face.at > last)];
      }
    } catch {
      return; // then he may rate it again, and they stand under the widget's title
    }
    this.emit("change", null);
  }

  /** @param {Promise<unknown>} asked */
  async #try(asked) {
    try {
      await asked;
    } catch (error) {
      this.emit("problem", error);
    }
  }
}

/**
 * Whether he still wants to see this one, of all he had, when he comes back.
 * @param {Chat} chat
 */
export function isToBeSeen(chat) {
  if (chat.chat_state !== "completed") return true;
  const last = Date.parse(chat.last_message_at ?? chat.created_at);
  return chat.operator_replied_at !== null && Date.now() - last < RECENT_MS;
}

/**
 * A message on its way into a chat that is not there yet.
 * @param {string} id
 * @param {string} content
 * @returns {Outgoing}
 */
function outgoing(id, content) {
  return {
    ...{ client_message_id: id, chat_id: "", content, attachments: [], created_at: Date.now() },
    ...{ status: "pending", problem: null, message: null },
  };
}

/** @param {Message} message */
function isReply(message) {
  return message.sender_type === "operator" && message.deleted_at === null;
}

/**
 * @param {string} at
 * @param {Partial<Face>} face
 * @returns {KnownFace}
 */
function faceOf(at, { name = null, avatar_url = null }) {
  return { at, name, avatar_url };
}

// What the workspace knows, kept true: fetched, then told; and what an operator does, as requests.

/** @import { connect } from "../core/client.js" */
/** @import { Action, Box, DeskState, Frame, Inbox, ListNews, Mention, News, QuickResponse, SearchResult } from "./types.d.ts" */
/** @import { Chat, Message } from "../core/types.d.ts" */

import { ApiError } from "../core/api.js";
import { Emitter } from "../core/emitter.js";
import { newId } from "../core/id.js";
import { Backoff } from "../core/timing.js";
import { caughtUp, emptyDesk, list, newsBetween, reduce } from "./state.js";

const FIRST_PAGE = 100; // rows: more than a screen shows
const PAGE = 200;
const POLL_MS = 4_000; // while no socket can be had
const COUNT_MS = 1_000;
const PATIENCE_MS = 500; // so long the connection may take before the lists are fetched without it

/**
 * `change`: something is another. `news`: what the operator should be told of. `lost`: the connection is not there any
 * more. `back`: it is again, and so many messages had come meanwhile. `trouble`: the lists could not be fetched; null: they
 * are there.
 * @extends {Emitter<{ change: DeskState, news: News[], lost: null, back: number, trouble: ApiError | null }>}
 */
export class Desk extends Emitter {
  #client;
  /** @type {DeskState} */
  #state = emptyDesk();
  #backoff = new Backoff();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #isFetching = false;
  #isStale = false;
  /** Chats that I have just let go myself: losing them is no news. @type {Set<string>} */
  #letGo = new Set();
  /** Chats that I have just taken up again myself. @type {Set<string>} */
  #woken = new Set();
  /** What was known when the connection was lost. @type {DeskState | null} */
  #before = null;
  /** What I have sent and the lists do not show yet, by chat: the messages' numbers. @type {Map<string, number[]>} */
  #sent = new Map();
  /** Lists that are shown besides the desk's: fetched with them. @type {Set<Box>} */
  #others = new Set();
  /** @type {Map<string, number>} */
  #readTo = new Map();

  /** @param {ReturnType<typeof connect>} client */
  constructor(client) {
    super();
    this.#client = client;
    client.live.on("frame", (frame) => this.#hear(frame));
    client.live.on("state", (state) => {
      if (state === "reconnecting" && this.#state.connection === "online") {
        this.#before = this.#state;
        this.emit("lost", null);
      }
      this.#become({ type: "connection", state });
      if (state === "polling") this.#plan(0);
    });
    client.outbox.on("sent", (message) => this.#noteSent(message));
    this.#become({ type: "connection", state: client.live.state });
  }

  get state() {
    return this.#state;
  }

  /** All operators but oneself, for mentioning. */
  get colleagues() {
    const { me, colleagues } = this.#state;
    return [...colleagues.values()].flatMap(({ operator_id: id, name }) =>
      name === null || id === me?.id ? [] : [{ id, name }],
    );
  }

  get client() {
    return this.#client;
  }

  get api() {
    return this.#client.api;
  }

  /** Begin: the lists are fetched when the connection is there, or when it takes too long. */
  start() {
    this.#plan(this.#client.live.ready ? 0 : PATIENCE_MS);
  }

  /** Fetch the lists; those that are shown besides the desk too. */
  async refresh() {
    if (this.#isFetching) {
      this.#isStale = true;
      return;
    }
    this.#isFetching = true;
    clearTimeout(this.#retry);
    const since = this.#state.turn;
    try {
      /** @type {Inbox} */
      const inbox = await this.api.get("/api/operator/inbox");
      this.#backoff.reset();
      this.#become({ type: "inbox", inbox, since });
      await Promise.all([...this.#others].map((box) => this.loadBox(box)));
      if (this.#before && this.#state.connection === "online") {
        this.emit("back", caughtUp(this.#before, this.#state, this.#sent));
        this.#before = null;
        this.#sent.clear();
      }
      this.emit("trouble", null);
      if (this.#state.connection === "polling") this.#plan(POLL_MS);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.isTransient) this.#others.clear(); // such as those of an admin, who is none any more
      this.emit("trouble", error);
      if (error.isTransient) this.#plan(Math.max(this.#backoff.next(), (error.retryAfter ?? 0) * 1000));
    } finally {
      this.#isFetching = false;
      if (this.#isStale) {
        this.#isStale = false;
        this.#plan(0);
      }
    }
  }

  /** I have answered: my numbers of today are others. */
  count() {
    this.#plan(COUNT_MS);
  }

  /**
   * Fetch a list that is not the desk's, from its beginning or its next page.
   * @param {Box} box
   * @param {boolean} [isMore]
   */
  async loadBox(box, isMore = false) {
    this.#others.add(box);
    if (this.#state.me === null) return; // whose list it is comes with the inbox, and then the list itself
    const since = this.#state.turn;
    const { cursor } = this.#state.boxes[box];
    const after = isMore && cursor !== null ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const page = await this.api.get(`/api/operator/boxes/${box}?limit=${isMore ? PAGE : this.#sizeOf(box)}${after}`);
    this.#become({ type: "box", box, rows: page.data, cursor: page.next_cursor, isMore, since });
  }

  /**
   * How much of a list to fetch from its beginning: as much as is shown of it.
   * @param {Box} box
   */
  #sizeOf(box) {
    const shown = this.#state.boxes[box].isLoaded ? list(this.#state, box).length : 0;
    return Math.min(500, Math.max(FIRST_PAGE, shown));
  }

  /** Take what is next. @returns {Promise<Chat | null>} null: nothing waits */
  async take() {
    return this.#did(await this.api.post("/api/operator/assign", {}));
  }

  /**
   * Take this chat out of its order.
   * @param {string} chatId
   * @returns {Promise<Chat>}
   */
  async takeThis(chatId) {
    return this.#did(await this.api.post("/api/operator/take", { chat_id: chatId }));
  }

  /**
   * @param {string} chatId
   * @param {string} reason
   */
  handBack(chatId, reason) {
    return this.#letGoOf(chatId, "/api/operator/unassign", { chat_id: chatId, reason });
  }

  /**
   * @param {string} chatId
   * @param {string} operatorId
   * @param {string} reason
   */
  transfer(chatId, operatorId, reason) {
    const body = { chat_id: chatId, operator_id: operatorId, ...(reason ? { reason } : {}) };
    return this.#letGoOf(chatId, "/api/operator/transfer", body);
  }

  /**
   * As an admin: take it from whoever has it, or out of the queue.
   * @param {string} chatId
   */
  async takeOver(chatId) {
    return this.#did(await this.api.post(`/api/admin/chats/${chatId}/reassign`, { operator_id: this.#state.me?.id }));
  }

  /**
   * @param {string} chatId
   * @param {string} reason
   */
  complete(chatId, reason) {
    return this.#letGoOf(chatId, `/api/chats/${chatId}/complete`, reason ? { reason } : {});
  }

  /**
   * @param {string} chatId
   * @param {string | null} until  null: take it up again
   */
  async snooze(chatId, until) {
    if (until === null) this.#woken.add(chatId);
    try {
      return this.#did(await this.api.post(`/api/chats/${chatId}/snooze`, { until }));
    } catch (error) {
      this.#woken.delete(chatId);
      throw error;
    }
  }

  /**
   * @param {"online" | "away" | "offline"} status
   * @param {string} [reason]
   */
  async setStatus(status, reason) {
    const operator = await this.api.post("/api/operator/status", { status, ...(reason ? { reason } : {}) });
    this.#become({ type: "me", operator });
    return this.#did(operator);
  }

  /**
   * @param {string} chatId
   * @param {string} content
   * @param {string[]} mentions
   * @param {string} [id]  the same one when it is tried again
   */
  addNote(chatId, content, mentions, id = newId()) {
    return this.api.post(`/api/chats/${chatId}/notes`, { content, client_note_id: id, mentions });
  }

  /** Tell that I work on a chat that I hold, so that it does not become idle. @param {string} chatId */
  keep(chatId) {
    this.noteActivity(chatId);
    return this.api.post("/api/operator/activity", { chat_id: chatId });
  }

  /** I have typed there: the server knows by itself. @param {string} chatId */
  noteActivity(chatId) {
    if (!this.#state.rows.get(chatId)?.idle_at) return;
    const idleAt = new Date(Date.now() + this.#state.settings.idle_limit_seconds * 1000).toISOString();
    this.#become({ type: "active", chatId, idleAt });
  }

  /**
   * I have read a chat up to here.
   * @param {string} chatId
   * @param {number} seq
   */
  async read(chatId, seq) {
    if (seq <= (this.#readTo.get(chatId) ?? 0)) return;
    this.#readTo.set(chatId, seq);
    if (this.#state.rows.get(chatId)?.unread_count) this.#become({ type: "reading", chatId });
    try {
      await this.api.post(`/api/chats/${chatId}/read`, { seq });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#readTo.delete(chatId); // again, the next time one looks
    }
  }

  /** @param {string} chatId */
  async readMentions(chatId) {
    await this.api.post(`/api/chats/${chatId}/mentions/read`, {});
  }

  /** @returns {Promise<Mention[]>} */
  async mentions() {
    return (await this.api.get("/api/operator/mentions?unread_only=false")).data;
  }

  /** @returns {Promise<QuickResponse[]>} */
  async quickResponses() {
    return (await this.api.get("/api/quick-responses")).data;
  }

  /**
   * @param {string} query
   * @param {number} limit
   * @param {AbortSignal} [signal]
   * @returns {Promise<SearchResult[]>}
   */
  async search(query, limit, signal) {
    return (await this.api.get(`/api/search?q=${encodeURIComponent(query)}&limit=${limit}`, signal)).data;
  }

  /**
   * @param {string} chatId
   * @param {string} path
   * @param {object} body
   */
  async #letGoOf(chatId, path, body) {
    this.#letGo.add(chatId);
    try {
      return this.#did(await this.api.post(path, body));
    } catch (error) {
      this.#letGo.delete(chatId);
      throw error;
    }
  }

  /**
   * Something was done. Where nothing is told, ask what it has changed.
   * @template T
   * @param {T} answer
   * @returns {T}
   */
  #did(answer) {
    if (this.#state.connection !== "online") this.#plan(0);
    return answer;
  }

  /** @param {number} wait */
  #plan(wait) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.refresh(), wait);
  }

  /** @param {Message} message */
  #noteSent({ chat_id: chatId, seq }) {
    const shown = this.#state.rows.get(chatId)?.last_message?.seq ?? 0;
    const left = (this.#sent.get(chatId) ?? []).filter((known) => known > shown);
    this.#sent.set(chatId, [...left, seq]);
  }

  /** @param {Frame} frame */
  #hear(frame) {
    // Told of first, then fetched: what happens in between is not missed.
    if (frame.type === "ready") void this.refresh();
    if (frame.type !== "inbox" && frame.type !== "presence") return;
    this.#become({ type: "frame", frame });
    if (frame.type === "inbox" && /** @type {ListNews} */ (/** @type {unknown} */ (frame)).reset) void this.refresh();
  }

  /** @param {Action} action */
  #become(action) {
    const before = this.#state;
    this.#state = reduce(before, action);
    if (this.#state === before) return;
    const news = newsBetween(before, this.#state).filter((each) => !this.#isKnown(each));
    this.emit("change", this.#state);
    if (news.length > 0) this.emit("news", news);
  }

  /**
   * Whether it is what I did myself.
   * @param {News} news
   */
  #isKnown(news) {
    if (news.kind === "woke") return this.#woken.delete(news.row.id);
    return "row" in news && this.#letGo.delete(news.row.id) && news.kind === "lost";
  }
}

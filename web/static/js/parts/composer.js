// Where one writes. Enter sends, or makes a new line, or stages one, as the page says; what is being composed by an
// input method is nobody's Enter, and on a touch keyboard Enter is a new line.

/** @import { Completer, Completion } from "./complete.js" */
/** @import { Attachment } from "../core/types.d.ts" */

import { BatonElement } from "../core/element.js";
import { gettext } from "../core/i18n.js";
import { newId } from "../core/id.js";
import { fill, make, reconcile } from "../core/render.js";
import { uploadProblem } from "./attach.js";

/**
 * Brings a file to where a message can carry it.
 * @callback Uploader
 * @param {File} file
 * @param {{ onProgress: (share: number) => void, signal: AbortSignal }} how
 * @returns {Promise<Attachment>}
 */

/**
 * How Enter is meant: `enter` sends; `ctrl_enter`: only with Ctrl or ⌘, alone it is a new line; `stage`: it lays the
 * line aside, and Ctrl or ⌘ with Enter sends all of them as one message.
 * @typedef {"enter" | "ctrl_enter" | "stage"} SendsBy
 */

/** @typedef {{ id: string, name: string, share: number, problem: string, attachment: Attachment | null, abort: AbortController }} Loading */

const MOST_FILES = 10;
const isTouch = matchMedia("(pointer: coarse)");
const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

/**
 * `<baton-composer>`, made by the macro `composer`. It tells `composer-send` ({ text, attachments }) and, at every
 * change by its user, `composer-input` ({ text }).
 */
export class Composer extends BatonElement {
  /** @type {SendsBy} */
  #sendsBy = "enter";
  /** @type {string[]} */
  #staged = [];
  /** @type {Loading[]} */
  #files = [];
  /** @type {Uploader | null} */
  #uploader = null;
  /** @type {Completion | null} */
  #completion = null;
  /** @type {Completer[]} */
  #completers = [];
  #closedFor = "";

  /** @override */
  connected() {
    const field = this.#field;
    if (this.hasAttribute("data-completes")) void this.#setUpCompletion(field);
    this.listen("keydown", (event) => this.#pressed(event), field);
    this.listen("input", () => this.#changed(), field);
    this.listen("paste", (event) => this.#pasted(event), field);
    this.listen("click", (event) => this.#clicked(event));
    this.listen("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
    this.listen("drop", (event) => this.#dropped(event));
    const picker = /** @type {HTMLElement | null} */ (this.querySelector(".emoji-picker"));
    if (picker) {
      const button = this.find('[data-action="emoji"]');
      // Fetched by the first click, which then is the picker's.
      this.listen("click", () => void this.#setUpPicker(button, picker), button, { once: true });
    }
    const input = /** @type {HTMLInputElement | null} */ (this.querySelector('input[type="file"]'));
    if (input) {
      this.listen("change", () => {
        this.attach(input.files ?? []);
        input.value = "";
      }, input);
    }
  }

  /** Everything that is written: the lines laid aside, and the one in the field. */
  get text() {
    return [...this.#staged, this.#field.value].filter((line) => line !== "").join("\n");
  }

  set text(text) {
    this.#staged = [];
    this.#field.value = text;
    this.#completion?.close();
    this.redraw();
  }

  /** @param {SendsBy} sendsBy */
  set sendsBy(sendsBy) {
    if (sendsBy !== "stage" && this.#staged.length > 0) this.text = this.text; // into the field
    this.#sendsBy = sendsBy;
    this.redraw();
  }

  /** @param {string} label  what the button says */
  set sendLabel(label) {
    const place = this.find(".composer-send-label");
    if (place.textContent !== label) place.textContent = label;
  }

  /** @param {string} placeholder */
  set placeholder(placeholder) {
    this.#field.placeholder = placeholder;
  }

  /** @param {Uploader | null} uploader  null: no files now */
  set uploader(uploader) {
    this.#uploader = uploader;
    const button = /** @type {HTMLButtonElement | null} */ (this.querySelector('[data-action="attach"]'));
    if (button) button.hidden = uploader === null;
  }

  /**
   * Complete what begins with another sign, too.
   * @param {Completer} completer
   */
  addCompleter(completer) {
    this.#completers.push(completer);
    this.#completion?.add(completer);
  }

  /**
   * Nothing can be sent now; what is written stays.
   * @param {string} reason  for people
   */
  close(reason) {
    this.#closedFor = reason;
    this.redraw();
  }

  /** Writing goes on. */
  open() {
    this.#closedFor = "";
    this.redraw();
  }

  /** Nothing is written any more, and no file is waiting. */
  clear() {
    for (const file of this.#files.splice(0)) file.abort.abort();
    this.text = "";
  }

  /** @override */
  focus() {
    this.#field.focus();
  }

  /**
   * Put text where the caret is.
   * @param {string} text
   */
  insert(text) {
    const field = this.#field;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /**
   * Take files along with the next message.
   * @param {Iterable<File>} files
   */
  attach(files) {
    for (const file of files) {
      if (!this.#uploader) return;
      if (this.#files.length >= MOST_FILES) {
        this.#say(gettext("A message carries at most %(num)s files.", { num: MOST_FILES }));
        return;
      }
      void this.#load(file, this.#uploader);
    }
  }

  /** @override */
  draw() {
    const field = this.#field;
    const isClosed = this.#closedFor !== "";
    this.toggleAttribute("data-closed", isClosed);
    const closed = this.find(".composer-closed");
    closed.textContent = this.#closedFor;
    closed.hidden = !isClosed;
    field.readOnly = isClosed;
    const isReady = !isClosed && this.#isSendable;
    this.find(".composer-send").setAttribute("aria-disabled", String(!isReady));
    this.find(".composer-hint").textContent = isClosed || isTouch.matches ? "" : this.#hint();
    reconcile(this.find(".composer-staged"), this.#staged.map((text, place) => ({ text, key: `${place} ${text}` })), {
      key: (line) => line.key,
      make: (line) => make("composer-line", line),
    });
    reconcile(this.find(".composer-files"), this.#files, {
      key: (file) => file.id,
      make: (file) => make("composer-file", fileView(file)),
      update: (line, file) => fill(line, fileView(file)),
    });
    fit(field);
  }

  /** @param {HTMLTextAreaElement} field */
  async #setUpCompletion(field) {
    const { signal } = this;
    const [{ Completion }, { emojiCompleter }] = await Promise.all([import("./complete.js"), import("./emoji.js")]);
    if (signal.aborted) return;
    this.#completion = new Completion(field, this.find(".composer-options"), signal);
    for (const each of [emojiCompleter, ...this.#completers]) this.#completion.add(each);
  }

  /**
   * @param {HTMLElement} button
   * @param {HTMLElement} picker
   */
  async #setUpPicker(button, picker) {
    const { signal } = this;
    const { setUpPicker } = await import("./emoji.js");
    if (signal.aborted) return;
    setUpPicker({ button, picker, onChosen: (sign) => this.insert(sign) }, signal);
    button.click();
  }

  get #field() {
    return /** @type {HTMLTextAreaElement} */ (this.find(".composer-text"));
  }

  get #isSendable() {
    const isLoading = this.#files.some((file) => file.attachment === null && file.problem === "");
    const hasFiles = this.#files.some((file) => file.attachment !== null);
    return !isLoading && (this.text.trim() !== "" || hasFiles);
  }

  #hint() {
    const key = isMac ? "⌘ ↵" : "Ctrl ↵";
    if (this.#sendsBy === "stage") return gettext("↵ next line · %(key)s send", { key });
    return this.#sendsBy === "ctrl_enter" ? gettext("%(key)s send", { key }) : "";
  }

  #changed() {
    this.#say("");
    this.redraw();
    this.tell("composer-input", { text: this.text });
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (this.#completion?.takes(event)) return;
    const field = this.#field;
    if (event.key === "Backspace" && field.value === "" && this.#staged.length > 0) {
      event.preventDefault();
      field.value = this.#staged.pop() ?? "";
      this.#changed();
      return;
    }
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    const isSending = event.ctrlKey || event.metaKey;
    if (isSending || (this.#sendsBy === "enter" && !isTouch.matches)) {
      event.preventDefault();
      this.#send();
    } else if (this.#sendsBy === "stage" && !isTouch.matches) {
      event.preventDefault();
      if (field.value.trim() === "") return;
      this.#staged.push(field.value);
      field.value = "";
      this.#changed();
    }
  }

  #send() {
    if (this.#closedFor !== "" || !this.#isSendable) return;
    const attachments = this.#files.flatMap((file) => file.attachment ?? []);
    const { text } = this;
    this.#files = [];
    this.text = "";
    this.tell("composer-send", { text, attachments });
    this.#field.focus();
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    const files = event.clipboardData?.files;
    if (!files?.length || !this.#uploader) return;
    event.preventDefault();
    this.attach(files);
  }

  /** @param {DragEvent} event */
  #dropped(event) {
    const files = event.dataTransfer?.files;
    if (!files?.length) return;
    event.preventDefault();
    this.attach(files);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    switch (button?.getAttribute("data-action")) {
      case "send":
        return this.#send();
      case "attach":
        return this.find('input[type="file"]').click();
      case "remove-file": {
        const id = button?.closest("[data-key]")?.getAttribute("data-key");
        this.#files.find((file) => file.id === id)?.abort.abort();
        this.#files = this.#files.filter((file) => file.id !== id);
        this.redraw();
        this.#field.focus();
      }
    }
  }

  /**
   * @param {File} file
   * @param {Uploader} uploader
   */
  async #load(file, uploader) {
    /** @type {Loading} */
    const loading = { id: newId(), name: file.name, share: 0, problem: "", attachment: null, abort: new AbortController() };
    this.#files.push(loading);
    this.redraw();
    const { signal } = loading.abort;
    try {
      const onProgress = (/** @type {number} */ share) => {
        loading.share = share;
        this.redraw();
      };
      loading.attachment = await uploader(file, { onProgress, signal });
    } catch (error) {
      if (!signal.aborted) loading.problem = uploadProblem(error);
    }
    this.redraw();
  }

  /** @param {string} problem */
  #say(problem) {
    const place = this.find(":scope > .problem");
    if (place.textContent !== problem) place.textContent = problem;
  }
}

/** @param {Loading} file */
function fileView({ name, share, problem, attachment }) {
  return {
    name,
    share,
    problem,
    is_loading: attachment === null && problem === "",
    state: problem ? "failed" : attachment ? "ready" : "loading",
    remove_label: gettext("Remove %(name)s", { name }),
  };
}

/**
 * As high as its text, as far as the style sheet lets it.
 * @param {HTMLTextAreaElement} field
 */
function fit(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.setProperty("height", "auto");
  field.style.setProperty("height", `${field.scrollHeight}px`);
}

customElements.define("baton-composer", Composer);

// What is asked in a dialog before something is done, and the menus of messages and notes.

/** @import { Workspace } from "./workspace.js" */
/** @import { Note, Preferences } from "./types.d.ts" */
/** @import { Message } from "../core/types.d.ts" */
/** @import { Entry } from "../parts/entries.js" */

import { gettext, language } from "../core/i18n.js";
import { make, reconcile } from "../core/render.js";
import { clearProblems, isComplete, showProblem, showRefusal, valuesOf } from "../parts/forms.js";
import { showMenu } from "../parts/menu.js";
import { toast } from "../parts/toasts.js";
import { mentionsIn } from "./state.js";
import { colleagueView, isolated } from "./views.js";

/** @typedef {ReturnType<typeof valuesOf>} Values */

const HOUR = 3_600_000;
const MORNING = 9;

export class Ask {
  #workspace;

  /** @param {Workspace} workspace */
  constructor(workspace) {
    this.#workspace = workspace;
  }

  /** @param {string} chatId */
  transfer(chatId) {
    const { desk } = this.#workspace;
    const { me, colleagues } = desk.state;
    const ranks = { online: 0, away: 1, offline: 2 };
    const people = [...colleagues.values()]
      .filter((each) => each.operator_id !== me?.id)
      .sort((one, other) => ranks[one.status] - ranks[other.status])
      .map((each) => ({ ...colleagueView(each), is_disabled: each.status === "offline" }));
    return open("transfer", {
      prepare(form) {
        reconcile(part(form, "people"), people, { key: (each) => each.id, make: (each) => make("person-choice", each) });
        part(form, "nobody").hidden = people.length > 0;
      },
      check: (values) => (values["operator_id"] ? null : gettext("Choose somebody.")),
      submit: (values) => desk.transfer(chatId, String(values["operator_id"]), String(values["reason"] ?? "").trim()),
    });
  }

  /**
   * @param {string} chatId
   * @param {string} customer
   */
  handBack(chatId, customer) {
    const { desk } = this.#workspace;
    return open("hand-back", {
      prepare(form) {
        part(form, "what").textContent = gettext("%(name)s keeps the place in the queue, and a colleague answers.", isolated({ name: customer }));
      },
      submit(values) {
        const words = [values["why"], String(values["note"] ?? "").trim()].filter(Boolean).join(": ");
        return desk.handBack(chatId, words || "manual");
      },
    });
  }

  /**
   * @param {string} chatId
   * @param {string} customer
   */
  complete(chatId, customer) {
    const { desk } = this.#workspace;
    return open("complete", {
      prepare(form) {
        part(form, "what").textContent = gettext("Done with %(name)s. Should the customer write again, the chat is back.", isolated({ name: customer }));
      },
      submit: (values) => desk.complete(chatId, String(values["reason"] ?? "").trim()),
    });
  }

  /** @param {string} chatId */
  snooze(chatId) {
    const { desk } = this.#workspace;
    const times = snoozeTimes(Date.now());
    return open("snooze", {
      prepare(form) {
        const place = part(form, "times");
        for (const each of place.querySelectorAll(".choice")) each.remove();
        for (const each of times) place.append(make("time-choice", each));
      },
      check(values, form) {
        const own = String(values["until"] ?? "");
        if (own === "" || Date.parse(own) > Date.now()) return null;
        showProblem(/** @type {HTMLInputElement} */ (form.elements.namedItem("until")), gettext("This is not in the future."));
        return "";
      },
      submit(values) {
        const own = String(values["until"] ?? "");
        return desk.snooze(chatId, own ? new Date(own).toISOString() : String(values["time"]));
      },
    });
  }

  away() {
    const { desk } = this.#workspace;
    return open("away", { submit: (values) => desk.setStatus("away", String(values["reason"] ?? "").trim()) });
  }

  preferences() {
    const { preferences, alerts } = this.#workspace;
    return open("preferences", {
      prepare(form) {
        for (const [name, value] of Object.entries(preferences.value)) {
          const field = form.elements.namedItem(name);
          if (field instanceof HTMLSelectElement) field.value = String(value ?? "");
          else if (field instanceof HTMLInputElement) field.checked = value === true;
        }
      },
      async submit(values) {
        /** @type {Record<string, unknown>} */
        const changes = { ...values, language: values["language"] || null };
        await preferences.change(/** @type {Partial<Preferences>} */ (changes));
        await alerts.askForNotifications();
        if (changes["desktop_notifications"] === true && (!("Notification" in window) || Notification.permission !== "granted")) {
          toast(gettext("The browser does not let this page show notifications."), { kind: "problem" });
        }
      },
    });
  }

  shortcuts() {
    const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("shortcuts"));
    if (!dialog.open) dialog.showModal();
  }

  /**
   * @param {HTMLElement} button
   * @param {Message | null} message
   * @param {(text: string) => void} copy
   */
  async aboutMessage(button, message, copy) {
    if (!message) return;
    const { api, state } = this.#workspace.desk;
    const isMine = message.sender_id === state.me?.id;
    const chosen = await showMenu(button, menuFor(isMine, isMine), gettext("Message"));
    if (chosen === "copy") copy(message.content);
    const path = `/api/messages/${message.id}`;
    if (chosen === "edit") {
      await this.#edit(gettext("Message"), message.content, (content) => api.request("PATCH", path, { content }));
    }
    if (chosen === "delete") {
      const what = gettext("The customer does not see it any more. It cannot be brought back.");
      await this.#delete(what, message.content, () => api.request("DELETE", path));
    }
  }

  /**
   * @param {HTMLElement} button
   * @param {Note} note
   * @param {Entry} entry
   * @param {(text: string) => void} copy
   */
  async aboutNote(button, note, entry, copy) {
    const { api, colleagues } = this.#workspace.desk;
    const menu = menuFor(entry["is_mine"] === true, entry["may_delete"] === true);
    const chosen = await showMenu(button, menu, gettext("Note"));
    if (chosen === "copy") copy(note.content);
    const path = `/api/notes/${note.id}`;
    if (chosen === "edit") {
      await this.#edit(gettext("Note"), note.content, (content) =>
        api.request("PATCH", path, { content, mentions: mentionsIn(content, colleagues) }),
      );
    }
    if (chosen === "delete") {
      await this.#delete(gettext("Your colleagues do not see it any more."), note.content, () => api.request("DELETE", path));
    }
  }

  /**
   * @param {string} label
   * @param {string} content
   * @param {(content: string) => Promise<unknown>} save
   */
  #edit(label, content, save) {
    return open("edit", {
      prepare(form) {
        part(form, "label").textContent = label;
        /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("content")).value = content;
      },
      submit: (values) => save(String(values["content"])),
    });
  }

  /**
   * @param {string} what
   * @param {string} said
   * @param {() => Promise<unknown>} remove
   */
  #delete(what, said, remove) {
    return open("delete", {
      prepare(form) {
        part(form, "what").textContent = what;
        part(form, "said").textContent = said;
      },
      submit: remove,
    });
  }
}

/**
 * @param {boolean} mayEdit
 * @param {boolean} mayDelete
 */
function menuFor(mayEdit, mayDelete) {
  return [
    { value: "copy", label: gettext("Copy") },
    ...(mayEdit ? [{ value: "edit", label: gettext("Edit") }] : []),
    ...(mayDelete ? [{ value: "delete", label: gettext("Delete"), kind: /** @type {const} */ ("danger") }] : []),
  ];
}

/**
 * Times that one puts a chat aside until.
 * @param {number} now
 */
function snoozeTimes(now) {
  const morning = new Date(now);
  morning.setDate(morning.getDate() + 1);
  morning.setHours(MORNING, 0, 0, 0);
  const monday = new Date(morning);
  monday.setDate(monday.getDate() + ((8 - monday.getDay()) % 7));
  const clock = new Intl.DateTimeFormat(language, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const choices = [
    { label: gettext("For an hour"), at: new Date(now + HOUR) },
    { label: gettext("For three hours"), at: new Date(now + 3 * HOUR) },
    { label: gettext("Until tomorrow morning"), at: morning },
    ...(monday.getTime() === morning.getTime() ? [] : [{ label: gettext("Until Monday morning"), at: monday }]),
  ];
  return choices.map(({ label, at }, place) => ({
    label,
    value: at.toISOString(),
    detail: clock.format(at),
    is_first: place === 0,
  }));
}

/**
 * Show a dialog until what it asks for is done, or it is left.
 * @param {string} id
 * @param {object} how
 * @param {(form: HTMLFormElement) => void} [how.prepare]
 * @param {(values: Values, form: HTMLFormElement) => string | null} [how.check]  what is wrong, "" where it was said
 *   beside the field; null: nothing
 * @param {(values: Values) => Promise<unknown>} how.submit
 * @returns {Promise<boolean>} whether it was done
 */
function open(id, { prepare, check, submit }) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById(id));
  const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector('[type="submit"]'));
  if (dialog.open) return Promise.resolve(false);
  form.reset();
  clearProblems(form);
  prepare?.(form);
  const done = new AbortController();
  const { signal } = done;
  return new Promise((resolve) => {
    let isDone = false;
    dialog.addEventListener(
      "close",
      () => {
        done.abort();
        resolve(isDone);
      },
      { signal },
    );
    form.addEventListener(
      "submit",
      async (event) => {
        event.preventDefault();
        if (button.ariaDisabled === "true" || !isComplete(form)) return;
        const values = valuesOf(form);
        const wrong = check?.(values, form) ?? null;
        if (wrong !== null) {
          part(form, "problem").textContent = wrong;
          return;
        }
        button.ariaDisabled = "true";
        try {
          await submit(values);
          isDone = true;
          dialog.close();
        } catch (error) {
          showRefusal(form, error);
        } finally {
          button.ariaDisabled = "false";
        }
      },
      { signal },
    );
    dialog.showModal();
    // One begins with what is asked, not with leaving again.
    const first = form.querySelector("input:is(:not([type=radio]), :checked), textarea, select") ?? form.querySelector(".actions button");
    /** @type {HTMLElement | null} */ (first)?.focus();
  });
}

/**
 * @param {HTMLElement} form
 * @param {string} name
 */
function part(form, name) {
  return /** @type {HTMLElement} */ (form.querySelector(`[data-part="${name}"]`));
}

// What is asked in a dialog before something is done, and the menus of messages and notes.

/** @import { Workspace } from "./workspace.js" */
/** @import { Note } from "./types.d.ts" */
/** @import { Preferences } from "../parts/preferences.js" */
/** @import { Message } from "../core/types.d.ts" */
/** @import { Entry } from "../parts/entries.js" */

import { gettext, language } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { ask, dialogOf, part } from "../parts/dialogs.js";
import { showProblem } from "../parts/forms.js";
import { showMenu } from "../parts/menu.js";
import { toast } from "../parts/toasts.js";
import { mentionsIn } from "./state.js";
import { colleagueView, isolated } from "./views.js";

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
    const ranks = { online: 0, away: 1, offline: 2 };
    const form = dialogOf("transfer"); // colleagues come and go while it is open
    const draw = () => {
      const { me, colleagues } = desk.state;
      const people = [...colleagues.values()]
        .filter((each) => each.operator_id !== me?.id)
        .sort((one, other) => ranks[one.status] - ranks[other.status])
        .map((each) => ({ ...colleagueView(each), is_disabled: each.status === "offline" }));
      reconcile(part(form, "people"), people, {
        key: (each) => each.id,
        make: (each) => make("person-choice", each),
        update: fill,
      });
      part(form, "nobody").hidden = people.length > 0;
    };
    const stop = desk.on("change", draw);
    return ask("transfer", {
      prepare: draw,
      check: (values) => (values["operator_id"] ? null : gettext("Choose somebody.")),
      save: (values) => desk.transfer(chatId, String(values["operator_id"]), String(values["reason"] ?? "").trim()),
    }).finally(stop);
  }

  /**
   * @param {string} chatId
   * @param {string} customer
   */
  handBack(chatId, customer) {
    const { desk } = this.#workspace;
    return ask("hand-back", {
      prepare(form) {
        part(form, "what").textContent = gettext("%(name)s keeps the place in the queue, and a colleague answers.", isolated({ name: customer }));
      },
      save(values) {
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
    return ask("complete", {
      prepare(form) {
        part(form, "what").textContent = gettext("Done with %(name)s. Should the customer write again, the chat is back.", isolated({ name: customer }));
      },
      save: (values) => desk.complete(chatId, String(values["reason"] ?? "").trim()),
    });
  }

  /** @param {string} chatId */
  snooze(chatId) {
    const { desk } = this.#workspace;
    const times = snoozeTimes(Date.now());
    return ask("snooze", {
      prepare(form) {
        const place = part(form, "times");
        for (const each of place.querySelectorAll(".choice")) each.remove();
        for (const each of times) place.append(make("time-choice", each));
      },
      check(values, form) {
        const own = String(values["until"] ?? "");
        if (own === "" || Date.parse(own) > Date.now()) return null;
        const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("until"));
        showProblem(field, gettext("This is not in the future."));
        field.focus();
        return "";
      },
      save(values) {
        const own = String(values["until"] ?? "");
        return desk.snooze(chatId, own ? new Date(own).toISOString() : String(values["time"]));
      },
    });
  }

  away() {
    const { desk } = this.#workspace;
    return ask("away", { save: (values) => desk.setStatus("away", String(values["reason"] ?? "").trim()) });
  }

  preferences() {
    const { preferences, alerts } = this.#workspace;
    return ask("preferences", {
      values: { ...preferences.value },
      async save(values) {
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
    return ask("edit", {
      values: { content },
      prepare: (form) => void (part(form, "label").textContent = label),
      save: (values) => save(String(values["content"])),
    });
  }

  /**
   * @param {string} what
   * @param {string} said
   * @param {() => Promise<unknown>} remove
   */
  #delete(what, said, remove) {
    return ask("delete", {
      prepare(form) {
        part(form, "what").textContent = what;
        part(form, "said").textContent = said;
      },
      save: remove,
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

// The page of the personas.

/** @import { Persona } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { ask, dialogOf } from "../parts/dialogs.js";
import { Page } from "./page.js";
import { initialsOf } from "./people.js";
import { Picture } from "./picture.js";

/** `<baton-personas>` */
class Personas extends Page {
  /** @type {Persona[]} */
  #personas = [];

  /** @override */
  connected() {
    super.connected();
    this.listen("error", ({ target }) => target instanceof HTMLImageElement && showInitials(target), this, { capture: true });
  }

  /** @override */
  async load() {
    this.#personas = (await this.console.api.get("/api/admin/personas")).data;
    reconcile(this.piece("rows"), this.#personas.map(rowOf), {
      key: ({ id }) => id,
      make: (row) => make("persona-row", row),
      update: fill,
    });
    this.piece("empty").hidden = this.#personas.length > 0;
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    const id = button.closest("li")?.dataset["id"];
    if (action === "add") void this.#edit(null);
    if (action === "edit") void this.#edit(this.#personas.find((each) => each.id === id) ?? null);
  }

  /** @param {Persona | null} persona */
  async #edit(persona) {
    const { api } = this.console;
    const before = persona?.avatar_url ?? null;
    let saved = before;
    const asking = ask("persona-dialog", {
      title: persona?.name ?? gettext("New persona"),
      values: persona ? { ...persona } : { is_active: true },
      save: async ({ name, is_active }) => {
        const asked = { name, avatar_url: await picture.address(), is_active };
        if (persona) await api.request("PUT", `/api/admin/personas/${persona.id}`, asked);
        else await api.post("/api/admin/personas", asked);
        saved = asked.avatar_url;
      },
    });
    const picture = new Picture(api, dialogOf("persona-dialog"), { name: persona?.name ?? "", avatar_url: before });
    const isDone = await asking;
    const others = this.#personas.filter((each) => each !== persona).map((each) => each.avatar_url);
    await picture.finish([saved, ...others], before);
    if (isDone) void this.refresh();
  }
}

/** @param {Persona} persona */
function rowOf({ id, name, avatar_url, is_active }) {
  return {
    id,
    name,
    avatar_url,
    initials: initialsOf(name),
    state_text: is_active ? gettext("In use") : gettext("Not in use"),
    is_inactive: !is_active,
    edit_label: gettext("Change %(name)s", { name }),
  };
}

/**
 * A picture that is not there, or not here: pages of ours load none from other servers.
 * @param {HTMLImageElement} image
 */
function showInitials(image) {
  image.hidden = true;
  const initials = image.nextElementSibling;
  if (initials instanceof HTMLElement) initials.hidden = false;
}

customElements.define("baton-personas", Personas);

// The picture in a persona's form: chosen, seen, taken away. It is brought up as soon as it is chosen, so that one sees
// what customers will see; what the form does not keep in the end is removed again.

/** @import { Api } from "../core/api.js" */

import { announce } from "../core/announce.js";
import { ApiError } from "../core/api.js";
import { gettext } from "../core/i18n.js";
import { newId } from "../core/id.js";
import { uploadProblem } from "../parts/attach.js";
import { showProblem } from "../parts/forms.js";
import { initialsOf } from "./people.js";

const BUCKET = "/storage/v1/object/avatars";
const PUBLIC = "/storage/v1/object/public/avatars/";
const FOLDER = "personas/"; // what an admin has put elsewhere is not ours to remove
const SIDE = 512; // px at most: it is never shown larger
/** @type {Record<string, string>} */
const ENDINGS = { "image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp" };

export class Picture {
  #api;
  #field;
  #place;
  /** @type {Set<string>} */
  #brought = new Set();
  #coming = new AbortController();
  /** @type {Promise<void>} */
  #isHere = Promise.resolve();
  #end = new AbortController();
  #problem = "";

  /**
   * @param {Api} api
   * @param {HTMLDialogElement} dialog
   * @param {{ name: string, avatar_url: string | null }} persona
   */
  constructor(api, dialog, { name, avatar_url }) {
    this.#api = api;
    this.#field = /** @type {HTMLInputElement} */ (dialog.querySelector('[name="avatar_url"]'));
    this.#place = /** @type {HTMLElement} */ (this.#field.closest(".field"));
    const named = /** @type {HTMLInputElement} */ (dialog.querySelector('[name="name"]'));
    const chosen = /** @type {HTMLInputElement} */ (this.#place.querySelector('[type="file"]'));
    const { signal } = this.#end;
    this.#piece("choose").addEventListener("click", () => chosen.click(), { signal });
    this.#piece("clear").addEventListener("click", () => this.#clear(), { signal });
    this.#piece("image").addEventListener("error", () => this.#show(false), { signal });
    named.addEventListener("input", () => this.#draw(named.value), { signal });
    chosen.addEventListener(
      "change",
      () => {
        const file = chosen.files?.[0];
        chosen.value = ""; // the same one may be chosen again
        if (file) this.#isHere = this.#bring(file);
      },
      { signal },
    );
    this.#set(avatar_url ?? "");
    this.#draw(name);
  }

  /**
   * What the form is to save, once it is there.
   * @returns {Promise<string | null>}
   * @throws {ApiError} it did not come after all
   */
  async address() {
    const wasComing = this.#place.hasAttribute("aria-busy");
    await this.#isHere;
    if (wasComing && this.#problem) {
      const hint = `${this.#field.name}: ${this.#problem}`;
      throw new ApiError(400, { code: "", message: this.#problem, details: "picture_missing", hint });
    }
    return this.#field.value || null;
  }

  /**
   * The form is closed: what was brought and is not kept goes, and what was there before, if it is nobody's any more.
   * @param {(string | null)[]} kept
   * @param {string | null} before
   */
  async finish(kept, before) {
    this.#end.abort();
    this.#coming.abort();
    await this.#isHere;
    const names = [...this.#brought, before]
      .filter((each) => each !== null && !kept.includes(each) && each.startsWith(PUBLIC + FOLDER))
      .map((each) => String(each).slice(PUBLIC.length));
    if (names.length > 0) await this.#api.request("DELETE", BUCKET, { prefixes: names }).catch(() => {}); // it harms nobody
  }

  /** @param {File} file */
  async #bring(file) {
    this.#coming.abort();
    const { signal } = (this.#coming = new AbortController());
    this.#say("");
    this.#place.setAttribute("aria-busy", "true");
    try {
      const picture = await squared(file);
      const name = FOLDER + newId() + (ENDINGS[picture.type] ?? "");
      const form = new FormData();
      form.append("metadata", JSON.stringify({ name: file.name }));
      form.append("", picture, "picture");
      this.#brought.add(PUBLIC + name); // it may be there though the answer is lost
      await this.#api.upload(`${BUCKET}/${name}`, form, { signal });
      this.#set(PUBLIC + name);
      announce(gettext("The picture is there."));
    } catch (error) {
      if (!signal.aborted) this.#say(uploadProblem(error));
    } finally {
      if (signal === this.#coming.signal) this.#place.removeAttribute("aria-busy");
    }
  }

  #clear() {
    this.#coming.abort();
    this.#say("");
    this.#set("");
    this.#piece("choose").focus(); // what was pressed goes
  }

  /** @param {string} address */
  #set(address) {
    this.#field.value = address;
    if (address) this.#piece("image").setAttribute("src", address);
    else this.#piece("image").removeAttribute("src");
    this.#piece("clear").hidden = address === "";
    this.#piece("choose").textContent = address ? gettext("Choose another picture …") : gettext("Choose a picture …");
    this.#show(address !== "");
  }

  /** @param {boolean} hasImage */
  #show(hasImage) {
    this.#piece("image").hidden = !hasImage;
    this.#piece("initials").hidden = hasImage;
  }

  /** @param {string} name */
  #draw(name) {
    this.#piece("initials").textContent = initialsOf(name);
  }

  /** @param {string} problem */
  #say(problem) {
    this.#problem = problem;
    showProblem(this.#field, problem);
    if (problem === "") this.#field.removeAttribute("aria-invalid");
  }

  /** @param {string} name */
  #piece(name) {
    return /** @type {HTMLElement} */ (this.#place.querySelector(`[data-part="${name}"]`));
  }
}

/**
 * The middle of a picture, as a square and no larger than need be, without what a camera has written into it.
 * @param {File} file
 * @returns {Promise<Blob>} what is no picture as it is: the server says so
 */
async function squared(file) {
  try {
    const image = await createImageBitmap(file);
    const side = Math.min(image.width, image.height);
    const size = Math.min(side, SIDE);
    const canvas = new OffscreenCanvas(size, size);
    const from = [(image.width - side) / 2, (image.height - side) / 2];
    canvas.getContext("2d")?.drawImage(image, from[0] ?? 0, from[1] ?? 0, side, side, 0, 0, size, size);
    return await canvas.convertToBlob({ type: "image/webp", quality: 0.9 });
  } catch {
    return file;
  }
}

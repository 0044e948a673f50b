// The page of the widget's settings, with a drawing of it that follows every key.

/** @import { Persona, Setting, WidgetSettings } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { make } from "../core/render.js";
import { setValues } from "../parts/dialogs.js";
import { clearProblems, isComplete, showRefusal, valuesOf } from "../parts/forms.js";
import { brandColours } from "../widget/colour.js";
import { changeHours, hoursOf, showHours } from "./hours.js";
import { changesOf } from "./operators.js";
import { Page } from "./page.js";
import { fieldsOf, settingsOf } from "./widget_form.js";

/** What stands in the drawing and is nobody's setting, in the widget's languages. @type {Record<string, Record<string, string>>} */
const SAMPLES = {
  en: { team: "A team answers here", mine: "Where is my order?", reply: "It arrives tomorrow.", write: "Write a message", name: "Name", email: "Email", topic: "Topic", message: "Message", privacy: "Privacy" },
  ar: { team: "يجيبك هنا فريق", mine: "أين طلبي؟", reply: "سيصل غدًا.", write: "اكتب رسالة", name: "الاسم", email: "البريد الإلكتروني", topic: "الموضوع", message: "الرسالة", privacy: "الخصوصية" },
};
const RTL = new Set(["ar", "fa", "he", "ur"]);

/** `<baton-widget-settings>` */
class WidgetPage extends Page {
  /** @type {WidgetSettings | null} */
  #known = null;
  /** @type {Persona[]} */
  #personas = [];

  /** @override */
  connected() {
    super.connected();
    const form = this.#form;
    this.listen("input", (event) => this.#changed(event));
    this.listen("change", () => this.redraw());
    this.listen("submit", (event) => this.#save(event), form);
    const origin = location.origin;
    /** @type {HTMLInputElement} */ (this.piece("embed")).value = `<script src="${origin}/widget.js" data-baton async></script>`;
  }

  /** @override */
  async load() {
    const { api } = this.console;
    const [settings, personas, all] = await Promise.all([
      api.get("/api/admin/widget-settings"),
      api.get("/api/admin/personas"),
      api.get("/api/admin/settings"),
    ]);
    this.#personas = personas.data;
    const isBusy = this.#known !== null && Object.keys(this.#changes()).length > 0;
    const zone = /** @type {Setting[]} */ (all.data).find(({ name }) => name === "time_zone")?.value;
    this.piece("hours-zone").textContent = gettext("In the time of %(zone)s, which the settings say.", { zone: String(zone) });
    if (!isBusy) this.#show(settings);
  }

  /** @override */
  draw() {
    if (!this.#known || !this.isOpen) return;
    const settings = this.#settings();
    this.piece("save-bar").hidden = Object.keys(this.#changes()).length === 0;
    this.piece("days").hidden = settings.is_open_always;
    for (const language of this.querySelectorAll(".language")) {
      const code = language.getAttribute("data-language") ?? "";
      language.toggleAttribute("data-off", !settings.languages.includes(code));
    }
    const well = /** @type {HTMLInputElement} */ (this.piece("colour-well"));
    if (/^#[0-9a-f]{6}$/.test(settings.colour)) well.value = settings.colour;
    this.#drawStage(settings);
  }

  /**
   * @override
   * @param {string} action
   * @param {HTMLButtonElement} button
   */
  pressed(action, button) {
    if (changeHours(action, button)) return this.redraw();
    if (action === "discard" && this.#known) this.#show(this.#known);
    if (action === "copy-embed") void this.#copy();
  }

  /** @returns {HTMLFormElement} */
  get #form() {
    return this.find("#widget-form");
  }

  #settings() {
    const known = /** @type {WidgetSettings} */ (this.#known);
    return settingsOf(valuesOf(this.#form), hoursOf(this.piece("days")), known);
  }

  #changes() {
    const known = /** @type {WidgetSettings} */ (this.#known);
    return changesOf(known, { ...this.#settings() });
  }

  /** @param {WidgetSettings} settings */
  #show(settings) {
    const select = this.piece("personas");
    const first = /** @type {Element} */ (select.firstElementChild);
    select.replaceChildren(first, ...this.#personas.filter(({ is_active, id }) => is_active || id === settings.fictional_user_id).map(({ id, name }) => new Option(name, id)));
    clearProblems(this.#form);
    setValues(this.#form, fieldsOf(settings));
    showHours(this.piece("days"), settings.business_hours);
    // As the form says it, so that nothing counts as changed that nobody has changed.
    this.#known = settings;
    this.#known = { ...settings, ...this.#settings() };
    this.redraw();
  }

  /** @param {Event} event */
  #changed(event) {
    if (event.target === this.piece("colour-well")) {
      const field = /** @type {HTMLInputElement} */ (this.find("#widget-colour"));
      field.value = /** @type {HTMLInputElement} */ (event.target).value;
    }
    this.redraw();
  }

  /** @param {Event} event */
  async #save(event) {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (this.piece("save"));
    this.piece("hours-problem").textContent = "";
    if (button.ariaDisabled === "true" || !isComplete(this.#form)) return;
    button.ariaDisabled = "true";
    try {
      const saved = await this.console.api.request("PATCH", "/api/admin/widget-settings", this.#changes());
      this.#show(saved);
      this.console.toast(gettext("Saved. The widget shows it from now on."));
    } catch (error) {
      showRefusal(this.#form, error);
      this.#form.querySelector(".problem:not(:empty)")?.scrollIntoView({ block: "center" });
    } finally {
      button.ariaDisabled = "false";
    }
  }

  async #copy() {
    const input = /** @type {HTMLInputElement} */ (this.piece("embed"));
    input.select();
    // The clipboard is missing on plain http; the line is selected then.
    await navigator.clipboard?.writeText(input.value).then(
      () => (this.piece("copy-embed-text").textContent = gettext("Copied")),
      () => {},
    );
  }

  /** @param {WidgetSettings} settings */
  #drawStage(settings) {
    const moment = checked(this, "preview-moment");
    const code = checked(this, "preview-language");
    const words = SAMPLES[code] ?? SAMPLES["en"] ?? {};
    const stage = this.piece("stage");
    const persona = this.#personas.find(({ id }) => id === settings.fictional_user_id);
    const colours = brandColours(settings.colour);
    stage.lang = code;
    stage.dir = RTL.has(code) ? "rtl" : "ltr";
    stage.dataset["position"] = settings.position;
    stage.dataset["moment"] = moment;
    stage.style.setProperty("--brand", colours.brand);
    stage.style.setProperty("--on-brand", colours.onBrand);
    for (const each of stage.querySelectorAll("[data-at]")) {
      /** @type {HTMLElement} */ (each).hidden = !each.getAttribute("data-at")?.split(" ").includes(moment);
    }
    const text = moment === "closed" ? settings.offline_message : settings.greeting;
    const name = persona?.name ?? settings.title;
    this.#say("stage-face", [...name][0]?.toLocaleUpperCase(code) ?? "");
    this.#say("stage-title", name);
    this.#say("stage-team", persona ? words["team"] : "");
    this.#say("stage-greeting", text[code] ?? text[settings.languages[0] ?? "en"] ?? "");
    this.#say("stage-mine", words["mine"]);
    this.#say("stage-reply", words["reply"]);
    this.#say("stage-placeholder", words["write"]);
    this.#say("stage-foot", settings.privacy_url ? words["privacy"] : "");
    this.piece("stage-emoji").hidden = !settings.allow_emoji;
    this.piece("stage-files").hidden = !settings.allow_files;
    this.piece("stage-rating").hidden ||= !settings.ask_rating;
    const asked = moment === "closed" ? ["name", "email", "message"] : settings.pre_chat.map(({ field }) => field);
    const required = moment === "closed" ? ["email", "message"] : settings.pre_chat.filter(({ is_required }) => is_required).map(({ field }) => field);
    this.piece("stage-form").hidden ||= asked.length === 0;
    this.piece("stage-form").replaceChildren(
      ...asked.map((name) => make("stage-field", { label: `${words[name] ?? name}${required.some((each) => each === name) ? " *" : ""}` })),
    );
    const isCorrected = /^#[0-9a-f]{6}$/.test(settings.colour) && colours.brand !== settings.colour;
    this.piece("contrast").hidden = !isCorrected;
    this.piece("contrast").textContent = isCorrected
      ? gettext("So that everybody can read what is on it, %(chosen)s is shown as %(shown)s.", { chosen: settings.colour, shown: colours.brand })
      : "";
  }

  /**
   * @param {string} part
   * @param {string | undefined} text
   */
  #say(part, text) {
    const element = this.piece(part);
    if (element.textContent !== text) element.textContent = text ?? "";
    element.toggleAttribute("data-none", !text);
  }
}

/**
 * @param {Element} place
 * @param {string} name
 */
function checked(place, name) {
  return /** @type {HTMLInputElement | null} */ (place.querySelector(`input[name="${name}"]:checked`))?.value ?? "";
}

customElements.define("baton-widget-settings", WidgetPage);

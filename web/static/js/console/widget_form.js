// The widget's settings as fields of a form, and back: pure.

/** @import { WidgetSettings } from "./types.d.ts" */

const ASKED = /** @type {const} */ (["name", "email", "topic"]);

/**
 * @param {WidgetSettings} settings
 * @returns {Record<string, unknown>} by the fields' names; business hours have rows of their own
 */
export function fieldsOf(settings) {
  const { greeting, offline_message, languages, pre_chat } = settings;
  /** @type {Record<string, unknown>} */
  const fields = {
    title: settings.title,
    colour: settings.colour,
    position: settings.position,
    fictional_user_id: settings.fictional_user_id ?? "",
    fallback: languages[0],
    is_open_always: settings.is_open_always,
    handling: settings.handling,
    allow_files: settings.allow_files,
    allow_emoji: settings.allow_emoji,
    ask_rating: settings.ask_rating,
    privacy_url: settings.privacy_url ?? "",
  };
  for (const code of new Set([...languages, ...Object.keys(greeting), ...Object.keys(offline_message)])) {
    fields[`language-${code}`] = languages.includes(code);
    fields[`greeting-${code}`] = greeting[code] ?? "";
    fields[`offline_message-${code}`] = offline_message[code] ?? "";
  }
  for (const name of ASKED) {
    const asked = pre_chat.find(({ field }) => field === name);
    fields[`ask-${name}`] = asked ? (asked.is_required ? "must" : "may") : "";
  }
  return fields;
}

/**
 * What the form says, over what was known: texts in languages that it does not have stay.
 * @param {Record<string, string | boolean>} fields
 * @param {WidgetSettings["business_hours"]} business_hours
 * @param {WidgetSettings} known
 * @returns {WidgetSettings}
 */
export function settingsOf(fields, business_hours, known) {
  const codes = Object.keys(fields).flatMap((name) => name.match(/^language-(.+)$/)?.[1] ?? []);
  const others = known.languages.filter((code) => !codes.includes(code));
  const chosen = [...codes.filter((code) => fields[`language-${code}`] === true || code === fields["fallback"]), ...others];
  const fallback = String(fields["fallback"] ?? known.languages[0]);
  return {
    ...known,
    title: String(fields["title"]).trim(),
    colour: String(fields["colour"]).toLowerCase(),
    position: fields["position"] === "left" ? "left" : "right",
    fictional_user_id: String(fields["fictional_user_id"]) || null,
    languages: [fallback, ...chosen.filter((code) => code !== fallback)],
    greeting: texts("greeting", fields, known.greeting),
    offline_message: texts("offline_message", fields, known.offline_message),
    is_open_always: fields["is_open_always"] === true,
    business_hours,
    pre_chat: ASKED.filter((name) => fields[`ask-${name}`]).map((field) => ({ field, is_required: fields[`ask-${field}`] === "must" })),
    handling: fields["handling"] === "session" ? "session" : "turn",
    allow_files: fields["allow_files"] === true,
    allow_emoji: fields["allow_emoji"] === true,
    ask_rating: fields["ask_rating"] === true,
    privacy_url: String(fields["privacy_url"]).trim() || null,
  };
}

/**
 * @param {string} name
 * @param {Record<string, string | boolean>} fields
 * @param {Record<string, string>} known
 */
function texts(name, fields, known) {
  const all = { ...known };
  for (const [field, value] of Object.entries(fields)) {
    const code = field.startsWith(`${name}-`) ? field.slice(name.length + 1) : null;
    if (code === null) continue;
    if (String(value).trim() === "") delete all[code];
    else all[code] = String(value);
  }
  return all;
}

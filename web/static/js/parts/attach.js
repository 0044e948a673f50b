// Files: on their way up, and in messages. They are in the bucket `attachments`, in the folder of their chat
// (docs/files.md); an <img> can send no token, so it is given a signed link, and a new one when that has ended.

/** @import { Api } from "../core/api.js" */
/** @import { Attachment } from "../core/types.d.ts" */

import { ApiError } from "../core/api.js";
import { gettext, language } from "../core/i18n.js";
import { newId } from "../core/id.js";
import { make } from "../core/render.js";

const LINK_SECONDS = 3600;
const units = ["byte", "kilobyte", "megabyte"];

/**
 * Bring a file into a chat's folder.
 * @param {Api} api
 * @param {string} chatId
 * @param {File} file
 * @param {object} how
 * @param {(share: number) => void} how.onProgress  how much is there, 0 to 1
 * @param {AbortSignal} how.signal  gives up
 * @returns {Promise<Attachment>}
 * @throws {ApiError}
 */
export async function upload(api, chatId, file, { onProgress, signal }) {
  const ending = /\.[a-zA-Z0-9]{1,8}$/.exec(file.name)?.[0].toLowerCase() ?? "";
  const path = `${chatId}/${newId()}${ending}`;
  const form = new FormData();
  form.append("metadata", JSON.stringify({ name: file.name }));
  form.append("", file);
  await api.upload(`/storage/v1/object/attachments/${path}`, form, { onProgress, signal });
  return { path, name: file.name, type: file.type, size: file.size };
}

/**
 * Shows the files of messages.
 * @param {Api} api
 * @returns {(attachments: Attachment[], list: Element) => void}
 */
export function attachmentsIn(api) {
  /** @type {Map<string, Promise<string>>} */
  const links = new Map();

  /** @param {string} path */
  const link = (path) => {
    const known = links.get(path);
    if (known) return known;
    const made = api
      .post(`/storage/v1/object/sign/attachments/${path}`, { expiresIn: LINK_SECONDS })
      .then((answer) => `${api.base}/storage/v1${answer.signedURL}`);
    links.set(path, made);
    setTimeout(() => links.delete(path), (LINK_SECONDS * 1000) / 2);
    made.catch(() => links.delete(path));
    return made;
  };

  return (attachments, list) => {
    list.replaceChildren(...attachments.map((attachment) => show(attachment, link, () => links.delete(attachment.path))));
  };
}

/**
 * @param {Attachment} attachment
 * @param {(path: string) => Promise<string>} link
 * @param {() => void} forget
 */
function show(attachment, link, forget) {
  const isImage = /^image\/(png|jpeg|gif|webp|avif)$/.test(attachment.type);
  const line = make("attachment", {
    kind: isImage ? "image" : "file",
    is_image: isImage,
    name: attachment.name,
    size_text: attachment.size === null ? "" : sizeText(attachment.size),
  });
  const anchor = /** @type {HTMLAnchorElement} */ (line.querySelector("a"));
  const image = /** @type {HTMLImageElement} */ (line.querySelector("img"));
  let tries = 0;
  const load = async () => {
    try {
      const url = await link(attachment.path);
      anchor.href = `${url}&download=${encodeURIComponent(attachment.name)}`;
      if (isImage) image.src = url;
    } catch {
      anchor.removeAttribute("href");
      anchor.title = gettext("This file cannot be had now.");
    }
  };
  image.addEventListener("error", () => {
    tries += 1;
    forget();
    if (tries === 1) void load(); // the link had ended
  });
  void load();
  return line;
}

/**
 * How large a file is, for people.
 * @param {number} bytes
 */
export function sizeText(bytes) {
  const place = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const options = { style: "unit", unit: units[place], maximumFractionDigits: place === 2 ? 1 : 0 };
  return new Intl.NumberFormat(language, /** @type {Intl.NumberFormatOptions} */ (options)).format(bytes / 1000 ** place);
}

/**
 * Why a file was not taken, for people.
 * @param {unknown} error
 */
export function uploadProblem(error) {
  const code = error instanceof ApiError ? error.status : 0;
  if (code === 413) return gettext("The file is too large.");
  if (code === 415) return gettext("Files of this kind are not taken.");
  if (code === 422) return gettext("The virus scanner refuses this file.");
  return code === 0 ? gettext("The server cannot be reached.") : gettext("The file was not taken.");
}

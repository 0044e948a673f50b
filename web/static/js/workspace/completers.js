// What is completed in the boxes of the workspace: quick responses behind a `/`, colleagues behind an `@`.

/** @import { Desk } from "./desk.js" */
/** @import { QuickResponse } from "./types.d.ts" */
/** @import { Completer } from "../parts/complete.js" */

const FRESH_MS = 60_000; // so long quick responses are not fetched again

/**
 * @param {Desk} desk
 * @param {() => Record<string, string | null | undefined>} values  what the placeholders stand for, just now
 * @returns {Completer}
 */
export function quickResponses(desk, values) {
  /** @type {Promise<QuickResponse[]> | null} */
  let responses = null;
  const forget = () => (responses = null);
  const fetch = () => {
    setTimeout(forget, FRESH_MS);
    return desk.quickResponses().catch(() => {
      forget();
      return [];
    });
  };
  return {
    trigger: "/",
    async find(query) {
      const all = await (responses ??= fetch());
      return all
        .filter(({ shortcut, title }) => shortcut.startsWith(query) || title.toLocaleLowerCase().includes(query))
        .map(({ id, shortcut, title, content }) => ({
          ...{ key: id, sign: "/", label: shortcut, detail: title },
          insert: filledIn(content, values()),
        }));
    },
  };
}

/**
 * @param {Desk} desk
 * @returns {Completer}
 */
export function colleagues(desk) {
  return {
    trigger: "@",
    find: (query) =>
      desk.colleagues
        .filter(({ name }) => name.toLocaleLowerCase().startsWith(query))
        .map(({ id, name }) => ({ key: id, sign: "@", label: name, insert: `@${name} ` })),
  };
}

/**
 * @param {string} content  with {{placeholders}}
 * @param {Record<string, string | null | undefined>} values
 */
function filledIn(content, values) {
  return content.replace(/\{\{\s*([a-z.]+)\s*\}\}/g, (_whole, name) => values[name] ?? "");
}

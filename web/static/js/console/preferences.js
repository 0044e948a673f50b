// The theme and the language of the screens: whoever is an admin here may be an operator in the workspace, and has them
// alike in both.

/** @import { Api } from "../core/api.js" */
/** @import { Theme } from "../parts/theme.js" */

import { ApiError } from "../core/api.js";
import { useLanguage, useTheme } from "../parts/theme.js";
import { ask } from "./dialogs.js";

/** @typedef {{ theme: Theme, language: string | null }} Preferences */

const PATH = "/api/operator/preferences";

/**
 * Show the screen as its user prefers it.
 * @param {Api} api
 */
export async function applyPreferences(api) {
  try {
    apply(await api.get(PATH));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error; // the page works without
  }
}

/** @param {Api} api */
export async function askForPreferences(api) {
  const known = await api.get(PATH).catch(() => ({}));
  await ask("preferences-dialog", {
    values: { theme: "system", ...known },
    save: async ({ theme, language }) => apply(await api.request("PATCH", PATH, { theme, language: language || null })),
  });
}

/** @param {Preferences} preferences */
function apply({ theme, language }) {
  useTheme(theme);
  if (useLanguage(language)) location.reload();
}

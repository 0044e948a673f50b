// Light or dark: what the system says, or what its user prefers. The choice is a cookie, so that the next page comes
// in it; nobody but the page itself has a use for it.

/** @typedef {"system" | "light" | "dark"} Theme */

const YEAR = 365 * 24 * 3600;

/** @param {Theme} theme */
export function useTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") root.removeAttribute("data-theme");
  else root.setAttribute("data-theme", theme);
  remember("baton_theme", theme === "system" ? "" : theme);
}

/**
 * The language of the pages that come; null: as the browser asks for.
 * @param {string | null} language
 * @returns {boolean} whether this page is in another one
 */
export function useLanguage(language) {
  remember("baton_language", language ?? "");
  return language !== null && language !== document.documentElement.lang;
}

/**
 * @param {string} name
 * @param {string} value  empty: forget it
 */
function remember(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${value ? YEAR : 0}; SameSite=Lax${secure}`;
}

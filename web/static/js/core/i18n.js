// Sentences that scripts say, in the language of the page. They stand here in English; the page brings those of its
// language along (web/languages.py), and `make translations` finds them by the names of these functions.

/** @type {Record<string, string | string[]>} */
const sentences = readSentences();

/** The page's language, as a BCP 47 tag. */
export const language = document.documentElement.lang || "en";

/** What a number does to a sentence; made when one is needed, for that takes a while. */
const counting = once(() => {
  const rules = new Intl.PluralRules(language);
  const known = rules.resolvedOptions().pluralCategories;
  const categories = /** @type {const} */ (["zero", "one", "two", "few", "many", "other"]);
  return { rules, categories: categories.filter((category) => known.includes(category)), numbers: new Intl.NumberFormat(language) };
});

/**
 * A sentence in the page's language; `%(name)s` in it is what `values` say.
 * @param {string} sentence  in English
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function gettext(sentence, values = {}) {
  const found = sentences[sentence];
  return insert(typeof found === "string" && found !== "" ? found : sentence, values);
}

/**
 * The same of a sentence that depends on a number, which is `%(num)s` in it.
 * @param {string} one    in English, for one
 * @param {string} many   for any other number
 * @param {number} number
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function ngettext(one, many, number, values = {}) {
  const { rules, categories, numbers } = counting();
  const forms = sentences[one];
  const form = Array.isArray(forms) ? forms[categories.indexOf(rules.select(number))] : undefined;
  return insert(form || (number === 1 ? one : many), { num: numbers.format(number), ...values });
}

/**
 * Make something when it is first asked for.
 * @template T
 * @param {() => T} make
 * @returns {() => T}
 */
export function once(make) {
  /** @type {{ made: T } | undefined} */
  let kept;
  return () => (kept ??= { made: make() }).made;
}

/**
 * @param {string} sentence
 * @param {Record<string, string | number>} values
 */
function insert(sentence, values) {
  return sentence.replace(/%\((\w+)\)s/g, (whole, name) => String(values[name] ?? whole));
}

function readSentences() {
  const text = document.getElementById("sentences")?.textContent;
  return text ? JSON.parse(text) : {};
}

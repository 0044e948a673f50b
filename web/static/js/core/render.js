// Puts data into clones of the page's templates. web/rendering.py does the same on the server and says how a piece
// tells where data belongs; nothing here, or anywhere else, makes HTML out of text.

/** @typedef {Readonly<Record<string, unknown>>} Data */

// An address ends before what is more likely the sentence's than its own.
const ADDRESS = /https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}»”’…]/g;

/** @type {Map<string, Element>} */
const templates = new Map();

/**
 * A new element out of `<template id="…">`, filled with data.
 * @param {string} name
 * @param {Data} [data]
 * @returns {HTMLElement}
 */
export function make(name, data) {
  let piece = templates.get(name);
  if (!piece) {
    const template = document.getElementById(name);
    const found = template instanceof HTMLTemplateElement ? template.content.firstElementChild : null;
    if (!found) throw new Error(`there is no template ${name}`);
    templates.set(name, (piece = found));
  }
  const made = /** @type {HTMLElement} */ (document.importNode(piece, true));
  if (data) fill(made, data);
  return made;
}

/**
 * Fill an element, and what is in it, with data. Only what is different is touched. An element that is filled on its
 * own, a list's, is left to whoever fills it: mark it `data-own`.
 * @param {Element} element
 * @param {Data} data
 */
export function fill(element, data) {
  bind(element, data);
  for (const child of element.children) if (!child.hasAttribute("data-own")) fill(child, data);
}

/**
 * Make the children of `parent` those that `items` ask for, in their order: kept by key, made where they are new,
 * removed where they are gone. What stays in its place is not moved, so focus and scrolling stay too.
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {object} how
 * @param {(item: T) => string} how.key
 * @param {(item: T) => Element} how.make
 * @param {(element: Element, item: T) => void} [how.update]  called for those that stay
 * @param {number} [how.most]  so many are made at once; the others are left out
 * @returns {boolean} whether all are there; else it is to be called again, in the next frame
 */
export function reconcile(parent, items, { key, make: create, update, most = Infinity }) {
  /** @type {Map<string, Element>} */
  const known = new Map();
  for (const child of parent.children) known.set(child.getAttribute("data-key") ?? "", child);
  const wanted = new Set(items.map(key));
  for (const [name, child] of known) if (!wanted.has(name)) child.remove();
  let next = parent.firstElementChild;
  let left = most;
  for (const [index, item] of items.entries()) {
    const name = key(item);
    let child = known.get(name);
    // What stands in its place goes further down: that one is moved, rather than all that it passes.
    if (child && next && child === next.nextElementSibling && !next.contains(document.activeElement)) {
      const after = items[index + 1];
      if (after && key(after) !== next.getAttribute("data-key")) {
        next.remove();
        next = child;
      }
    }
    if (child) {
      update?.(child, item);
    } else {
      left -= 1;
      if (left < 0) continue;
      child = create(item);
      child.setAttribute("data-key", name);
    }
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  return left >= 0;
}

/**
 * @param {Element} element
 * @param {Data} data
 */
function bind(element, data) {
  const { dataset } = /** @type {HTMLElement} */ (element);
  if (dataset["text"]) setText(element, asText(lookUp(data, dataset["text"])));
  if (dataset["rich"]) setRich(element, asText(lookUp(data, dataset["rich"])));
  if (dataset["show"]) setAttribute(element, "hidden", !isShown(data, dataset["show"]));
  for (const pair of dataset["attr"]?.split(" ") ?? []) {
    const at = pair.indexOf(":");
    setAttribute(element, pair.slice(0, at), lookUp(data, pair.slice(at + 1)));
  }
}

/**
 * @param {Element} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} text
 */
function setRich(element, text) {
  if (element.textContent === text) return;
  /** @type {(string | Node)[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(link(match[0]));
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  element.replaceChildren(...parts);
}

/** @param {string} address */
function link(address) {
  const made = document.createElement("a");
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow ugc";
  made.textContent = address;
  return made;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {unknown} value  none for null and false, an empty one for true
 */
function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/**
 * @param {Data} data
 * @param {string} path
 */
function isShown(data, path) {
  const value = lookUp(data, path.replace(/^!/, ""));
  const isSomething = Array.isArray(value) ? value.length > 0 : Boolean(value);
  return isSomething !== path.startsWith("!");
}

/**
 * @param {unknown} data
 * @param {string} path  of names, joined by dots
 * @returns {unknown}
 */
function lookUp(data, path) {
  return path
    .split(".")
    .reduce((/** @type {unknown} */ found, name) => /** @type {Data | null | undefined} */ (found)?.[name], data);
}

/** @param {unknown} value */
function asText(value) {
  return value === null || value === undefined ? "" : String(value);
}

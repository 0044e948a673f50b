// One chart over time, drawn as SVG. The names of its lines are its legend, and say their values where the pointer
// is; charts of one page are pointed at together. What is drawn stands in a table beneath it, too.
//
// Drawn by hand: libraries for charts write style attributes, which the pages' policy forbids, and weigh more than the
// whole console does.

/** @import { Chart as Model, Times } from "./series.js" */

import { BatonElement } from "../core/element.js";
import { fill, make, reconcile } from "../core/render.js";
import { linesOf, valueText } from "./series.js";

const SVG = "http://www.w3.org/2000/svg";
const START = 44; // px for the scale's words
const BOTTOM = 20; // px for those beneath the axis
const TOP = 8;
const LABEL = 44; // px between the words beneath the axis, at least
const LETTER = 7; // px that one of their letters takes, about

/** `<baton-chart>`, made by the macro `chart`. Tells `chart-pointed` (the bucket, or null). */
export class Chart extends BatonElement {
  /** @type {Model | null} */
  #model = null;
  /** @type {Times | null} */
  #times = null;
  /** @type {number | null} */
  #pointed = null;
  /** @type {ResizeObserver | null} */
  #resizes = null;
  #width = 0;
  #isTableDrawn = false;

  /** @override */
  connected() {
    const plot = this.find(".plot");
    this.#resizes = new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry?.contentRect.width ?? 0);
      this.redraw();
    });
    this.#resizes.observe(plot);
    this.listen("pointermove", (event) => this.tell("chart-pointed", this.#bucketAt(event)), plot);
    this.listen("pointerleave", () => this.tell("chart-pointed", null), plot);
    this.listen("toggle", () => this.#drawTable(), this.find("details"));
  }

  /** @override */
  disconnected() {
    this.#resizes?.disconnect();
  }

  /**
   * @param {Model} model
   * @param {Times} times
   */
  show(model, times) {
    this.#model = model;
    this.#times = times;
    this.#isTableDrawn = false;
    this.#pointed = null;
    this.#drawTable();
    this.redraw();
  }

  /** The bucket that is pointed at, here or in another chart. */
  get pointed() {
    return this.#pointed;
  }

  set pointed(bucket) {
    if (this.#pointed === bucket) return;
    this.#pointed = bucket;
    this.#drawPointer();
  }

  /** @override */
  draw() {
    const model = this.#model;
    const svg = this.find("svg");
    const height = Number(svg.getAttribute("height"));
    if (!model || this.#width === 0) return;
    this.toggleAttribute("data-empty", model.isEmpty);
    svg.setAttribute("width", String(this.#width));
    svg.setAttribute("viewBox", `0 0 ${this.#width} ${height}`);
    const drawn = document.createDocumentFragment();
    this.#drawScale(drawn, model, height);
    if (!model.isEmpty) this.#drawSeries(drawn, model);
    drawn.append(element("g", { class: "chart-pointer" }));
    svg.replaceChildren(drawn);
    this.#drawPointer();
  }

  /**
   * @param {Node} to
   * @param {Model} model
   * @param {number} height
   */
  #drawScale(to, model, height) {
    const { length } = model.at;
    for (const line of [0, ...linesOf(model)]) {
      const y = Math.round(this.#y(line)) + 0.5;
      const isBase = line === 0;
      to.appendChild(element("line", { class: isBase ? "chart-base" : "chart-line", x1: this.#x(0), x2: this.#x(length), y1: y, y2: y }));
      const word = element("text", { class: "chart-word", x: this.#mirror(START - 8), y: y + 4, "text-anchor": "end" });
      word.textContent = isBase ? "0" : valueText(line, model.unit);
      to.appendChild(word);
    }
    const longest = Math.max(0, ...model.at.map((at) => this.#times?.short(at).length ?? 0));
    const room = Math.max(LABEL, longest * LETTER);
    let last = -room;
    model.at.forEach((at, place) => {
      if (!this.#times?.isTick(at, model.at[place - 1])) return;
      const x = this.#along(place);
      const isAtEdge = x + room / 2 > this.#width; // it ends where others have their middle
      if (x - last < (isAtEdge ? 1.5 : 1) * room) return;
      last = x;
      const word = element("text", { class: "chart-word", x: this.#mirror(x), y: height - 4, "text-anchor": isAtEdge ? "end" : "middle" });
      word.textContent = this.#times.short(at);
      to.appendChild(element("line", { class: "chart-line", x1: this.#mirror(x), x2: this.#mirror(x), y1: this.#y(0), y2: this.#y(0) + 4 }));
      to.appendChild(word);
    });
  }

  /**
   * @param {Node} to
   * @param {Model} model
   */
  #drawSeries(to, model) {
    if (model.kind === "columns") return this.#drawColumns(to, model);
    if (model.kind === "areas") return this.#drawAreas(to, model);
    for (const { values, tone } of model.series.toReversed()) {
      to.appendChild(element("path", { class: "chart-curve", "data-tone": tone, d: this.#path(values) }));
      values.forEach((value, place) => {
        // A bucket between two without a value is a dot.
        if (value === null || values[place - 1] != null || values[place + 1] != null) return;
        to.appendChild(element("circle", { class: "chart-dot", "data-tone": tone, cx: this.#middle(place), cy: this.#y(value), r: 2 }));
      });
    }
  }

  /**
   * @param {Node} to
   * @param {Model} model
   */
  #drawColumns(to, { at, series }) {
    const width = Math.max(1, (this.#width - START) / at.length - 1);
    for (const { values, tone } of series) {
      values.forEach((value, place) => {
        if (!value) return;
        const top = this.#y(value);
        to.appendChild(
          element("rect", { class: "chart-column", "data-tone": tone, "data-bucket": place, x: this.#middle(place) - width / 2, y: top, width, height: Math.max(1, this.#y(0) - top) }),
        );
      });
    }
  }

  /**
   * @param {Node} to
   * @param {Model} model
   */
  #drawAreas(to, { at, series }) {
    let below = at.map(() => 0);
    for (const { values, tone } of series) {
      const above = below.map((value, place) => value + (values[place] ?? 0));
      const upper = above.map((value, place) => `${this.#middle(place)} ${this.#y(value)}`);
      const lower = below.map((value, place) => `${this.#middle(place)} ${this.#y(value)}`).reverse();
      to.appendChild(element("path", { class: "chart-area", "data-tone": tone, d: `M${[...upper, ...lower].join("L")}Z` }));
      to.appendChild(element("path", { class: "chart-curve", "data-tone": tone, d: `M${upper.join("L")}` }));
      below = above;
    }
  }

  /** @param {(number | null)[]} values */
  #path(values) {
    let path = "";
    let isDown = false;
    values.forEach((value, place) => {
      if (value !== null) path += `${isDown ? "L" : "M"}${this.#middle(place)} ${this.#y(value)}`;
      isDown = value !== null;
    });
    return path;
  }

  /** The line where the pointer is, and beside each name its value there. */
  #drawPointer() {
    const model = this.#model;
    const pointer = this.querySelector(".chart-pointer");
    if (!model || !pointer) return;
    const place = this.#pointed;
    const isShown = place !== null && place < model.at.length;
    pointer.replaceChildren();
    if (isShown) {
      const x = Math.round(this.#middle(place)) + 0.5;
      pointer.append(element("line", { class: "chart-cross", x1: x, x2: x, y1: 0, y2: this.#y(0) }));
    }
    this.find(".chart-when").textContent = isShown ? (this.#times?.long(model.at[place] ?? 0) ?? "") : "";
    reconcile(
      this.find(".chart-legend"),
      model.series.map(({ label, tone, values, summary }) => ({
        label,
        tone,
        value: isShown ? valueText(values[place], model.unit) : summary,
      })),
      { key: ({ label }) => label, make: (line) => make("chart-key", line), update: fill },
    );
  }

  /** The same as a table, made when somebody looks at it. */
  #drawTable() {
    const model = this.#model;
    if (!model || this.#isTableDrawn || !this.find("details").hasAttribute("open")) return;
    this.#isTableDrawn = true;
    const head = document.createElement("tr");
    head.append(this.find("thead th").cloneNode(true), ...model.series.map(({ label }) => cell("th", label)));
    this.find("thead").replaceChildren(head);
    this.find("tbody").replaceChildren(
      ...model.at
        .map((at, place) => {
          const row = document.createElement("tr");
          row.append(cell("th", this.#times?.long(at) ?? ""), ...model.series.map(({ values }) => cell("td", valueText(values[place], model.unit))));
          return row;
        })
        .reverse(),
    );
  }

  /** @param {PointerEvent} event */
  #bucketAt(event) {
    const model = this.#model;
    const { left } = this.find("svg").getBoundingClientRect();
    if (!model) return null;
    const x = this.#mirror(event.clientX - left);
    const place = Math.floor(((x - START) / (this.#width - START)) * model.at.length);
    return place >= 0 && place < model.at.length ? place : null;
  }

  /** Where time runs from right to left, so do charts. @param {number} x */
  #mirror(x) {
    return document.documentElement.dir === "rtl" ? this.#width - x : x;
  }

  /** @param {number} place */
  #along(place) {
    return START + ((this.#width - START) * place) / Math.max(1, this.#model?.at.length ?? 1);
  }

  /** @param {number} place */
  #x(place) {
    return this.#mirror(this.#along(place));
  }

  /** @param {number} place */
  #middle(place) {
    return this.#x(place + 0.5);
  }

  /** @param {number} value */
  #y(value) {
    const height = Number(this.find("svg").getAttribute("height")) - TOP - BOTTOM;
    return TOP + height * (1 - value / (this.#model?.most || 1));
  }
}

/**
 * A line without a scale, as wide as its place.
 * @param {SVGElement} svg  with a viewBox of 100 to 24
 * @param {(number | null)[]} values
 * @param {number} most
 */
export function drawSparkline(svg, values, most) {
  const step = 100 / Math.max(1, values.length);
  const x = (/** @type {number} */ place) => {
    const along = (place + 0.5) * step;
    return document.documentElement.dir === "rtl" ? 100 - along : along;
  };
  const y = (/** @type {number} */ value) => 22 - (value / most) * 20;
  /** @type {SVGElement[]} */
  const drawn = [element("line", { class: "chart-line", x1: 0, x2: 100, y1: 22.5, y2: 22.5, "vector-effect": "non-scaling-stroke" })];
  let path = "";
  values.forEach((value, place) => {
    if (value === null) return;
    const before = values[place - 1];
    path += `${before === null || before === undefined ? "M" : "L"}${x(place)} ${y(value)}`;
    if (before == null && values[place + 1] == null) path += "h0.01"; // a day between two without a value is a dot
  });
  if (path) drawn.push(element("path", { class: "chart-curve spark", "data-tone": "ink", d: path, "vector-effect": "non-scaling-stroke" }));
  svg.replaceChildren(...drawn);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElement}
 */
function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, typeof value === "number" ? String(Math.round(value * 100) / 100) : value);
  }
  return made;
}

/**
 * @param {"th" | "td"} name
 * @param {string} text
 */
function cell(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  if (name === "th") made.scope = "col";
  else made.className = "number";
  return made;
}

customElements.define("baton-chart", Chart);

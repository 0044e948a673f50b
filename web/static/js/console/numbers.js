// The page of the numbers over time: small charts side by side that are read together.

/** @import { Metrics, OperatorDay, PageOf } from "./types.d.ts" */

import { gettext, language } from "../core/i18n.js";
import { fill, make, reconcile } from "../core/render.js";
import { Chart, drawSparkline } from "./chart.js";
import { Page } from "./page.js";
import { chartsOf, distributionOf, idleOf, timesOf, totalsOf, workOf } from "./series.js";

const DAYS_BY_HOUR = 7; // longer spans are counted by the day

/** `<baton-numbers>` */
class Numbers extends Page {
  #days = 7;

  /** @override */
  connected() {
    super.connected();
    this.listen("change", (event) => this.#spanned(event), this.piece("span"));
    this.addEventListener("chart-pointed", (event) => this.#point(/** @type {CustomEvent} */ (event).detail), { signal: this.signal });
  }

  /**
   * @override
   * @param {AbortSignal} signal
   */
  async load(signal) {
    const to = new Date();
    const from = new Date(to.getTime() - this.#days * 86_400_000);
    const query = new URLSearchParams({
      from: from.toISOString(),
      to: to.toISOString(),
      bucket: this.#days > DAYS_BY_HOUR ? "day" : "hour",
    });
    const { api } = this.console;
    const [metrics, days, totals] = await Promise.all([
      /** @type {Promise<Metrics>} */ (api.get(`/api/admin/metrics-over-time?${query}`, signal)),
      this.#operatorDays(from, signal),
      api.get("/api/admin/metrics/assignment_metrics", signal),
    ]);
    const times = timesOf(metrics);
    for (const [id, model] of Object.entries(chartsOf(metrics))) this.#chart(id).show(model, times);
    this.#drawIdle(metrics);
    this.#drawDistribution(metrics);
    this.#drawWork(days, metrics);
    for (const [name, text] of Object.entries(totalsOf(totals.data[0]))) this.piece(`total-${name}`).textContent = text;
    this.piece("zone").textContent = gettext("Times are those of %(zone)s.", { zone: zoneName(metrics.time_zone) });
  }

  /**
   * The view's rows since then; it has the newest first.
   * @param {Date} from
   * @param {AbortSignal} signal
   * @returns {Promise<OperatorDay[]>}
   */
  async #operatorDays(from, signal) {
    const first = new Date(from.getTime() - 86_400_000).toISOString().slice(0, 10); // of any time zone
    /** @type {OperatorDay[]} */
    const rows = [];
    /** @type {string | number | null} */
    let cursor = 0;
    while (cursor !== null && (rows.at(-1)?.date ?? first) >= first) {
      /** @type {PageOf<OperatorDay>} */
      const page = await this.console.api.get(`/api/admin/metrics/operator_performance?limit=1000&cursor=${cursor}`, signal);
      rows.push(...page.data);
      cursor = page.next_cursor;
    }
    return rows;
  }

  /** @param {string} id */
  #chart(id) {
    const chart = this.find(`[data-chart="${id}"]`);
    if (!(chart instanceof Chart)) throw new Error(`there is no chart ${id}`);
    return chart;
  }

  /** @param {Event} event */
  #spanned(event) {
    if (event.target instanceof HTMLInputElement) this.#days = Number(event.target.value);
    void this.refresh();
  }

  /** @param {number | null} bucket */
  #point(bucket) {
    for (const chart of this.querySelectorAll("baton-chart")) if (chart instanceof Chart) chart.pointed = bucket;
  }

  /** @param {Metrics} metrics */
  #drawIdle(metrics) {
    const idle = idleOf(metrics);
    this.piece("idle-summary").textContent = idle.total === 0 ? "" : idle.summary;
    this.piece("idle-empty").hidden = idle.total > 0;
    this.piece("idle-table").hidden = idle.total === 0;
    const head = this.piece("idle-days");
    head.replaceChildren(
      ...[...head.children].slice(0, 1),
      ...idle.dates.map(({ short, long }) => Object.assign(document.createElement("th"), { textContent: short, title: long, scope: "col" })),
      ...[...head.children].slice(-1),
    );
    reconcile(this.piece("idle-rows"), idle.rows, {
      key: ({ id }) => `${id} ${idle.dates.length} ${idle.dates[0]?.date}`,
      make: (row) => this.#fillIdle(make("idle-row", row), row.cells),
      update: (element, row) => {
        fill(element, row);
        this.#fillIdle(element, row.cells);
      },
    });
  }

  /**
   * @param {Element} row
   * @param {{ text: string, step: number, date: string }[]} cells
   */
  #fillIdle(row, cells) {
    for (const old of row.querySelectorAll("td:not(:last-child)")) old.remove();
    row.firstElementChild?.after(...cells.map((each) => make("idle-cell", each)));
    return row;
  }

  /**
   * @param {OperatorDay[]} rows
   * @param {Metrics} metrics
   */
  #drawWork(rows, metrics) {
    const { most, people, days } = workOf(rows, metrics);
    reconcile(this.piece("work"), people, {
      key: ({ id }) => id,
      make: (row) => make("work-row", row),
      update: fill,
    });
    for (const [place, row] of [...this.piece("work").children].entries()) {
      const svg = row.querySelector("svg");
      if (svg) drawSparkline(svg, people[place]?.replies ?? [], most);
    }
    this.piece("work-days").replaceChildren(
      ...days.map((cells) => {
        const row = document.createElement("tr");
        row.append(
          ...cells.map((text, place) =>
            Object.assign(document.createElement("td"), { textContent: text, className: place > 1 ? "number" : "" }),
          ),
        );
        return row;
      }),
    );
  }

  /** @param {Metrics} metrics */
  #drawDistribution(metrics) {
    reconcile(this.piece("distribution"), distributionOf(metrics), {
      key: ({ id }) => id,
      make: (row) => make("distribution-row", row),
      update: fill,
    });
  }
}

/** @param {string} zone */
function zoneName(zone) {
  const part = new Intl.DateTimeFormat(language, { timeZone: zone, timeZoneName: "long" })
    .formatToParts(new Date())
    .find(({ type }) => type === "timeZoneName");
  return part?.value ?? zone;
}

customElements.define("baton-numbers", Numbers);

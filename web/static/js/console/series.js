// The numbers over time as charts: what is drawn, with which scale, and what stands in the table beneath. Pure.

/** @import { AssignmentMetrics, Metrics, OperatorDay } from "./types.d.ts" */

import { gettext, language, ngettext } from "../core/i18n.js";
import { duration } from "../core/time.js";

/**
 * @typedef {object} Series
 * @property {string} label
 * @property {"wait" | "wait-2" | "baton" | "reply" | "done" | "ink" | "ink-2"} tone
 * @property {(number | null)[]} values   one a bucket; null: there is none
 * @property {string} summary             what stands beside its name while nothing is pointed at
 */

/**
 * @typedef {object} Chart
 * @property {string} id
 * @property {"lines" | "columns" | "areas"} kind   areas lie on top of each other
 * @property {"count" | "duration"} unit
 * @property {number[]} at                when each bucket begins, ms
 * @property {Series[]} series
 * @property {number} most                the scale's upper end
 * @property {boolean} isEmpty
 */

/**
 * @typedef {object} Times                how buckets are named, in the organisation's time zone
 * @property {(at: number) => string} short   beneath the axis
 * @property {(at: number) => string} long
 * @property {(at: number, previous: number | undefined) => boolean} isTick
 */

const COUNT_STEPS = [1, 2, 5];
const DURATION_STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/**
 * The charts of these numbers, by id.
 * @param {Metrics} metrics
 * @returns {Record<"waits" | "states" | "started" | "completed" | "messages_in" | "messages_out", Chart>}
 */
export function chartsOf(metrics) {
  const volume = metrics.chat_volume;
  const at = volume.map(({ bucket_start }) => Date.parse(bucket_start));
  const chats = Math.max(...volume.map(({ started, completed }) => Math.max(started, completed)), 1);
  const messages = Math.max(...volume.map((row) => Math.max(row.messages_in, row.messages_out)), 1);
  return {
    waits: waits(metrics),
    states: states(metrics),
    started: columns("started", gettext("Chats started"), at, volume.map(({ started }) => started), chats),
    completed: columns("completed", gettext("Chats completed"), at, volume.map(({ completed }) => completed), chats),
    messages_in: columns("messages_in", gettext("Messages of customers"), at, volume.map((row) => row.messages_in), messages),
    messages_out: columns("messages_out", gettext("Replies"), at, volume.map((row) => row.messages_out), messages),
  };
}

/**
 * @param {Metrics} metrics
 * @returns {Chart}
 */
function waits({ wait_history: rows }) {
  const median = rows.map((row) => row.wait_median_seconds);
  const p95 = rows.map((row) => row.wait_p95_seconds);
  const most = Math.max(0, ...p95.map((value) => value ?? 0));
  return {
    id: "waits",
    kind: "lines",
    unit: "duration",
    at: rows.map(({ bucket_start }) => Date.parse(bucket_start)),
    series: [
      { label: gettext("Half wait less than"), tone: "wait", values: median, summary: worst(median) },
      { label: gettext("95 of 100 less than"), tone: "wait-2", values: p95, summary: worst(p95) },
    ],
    most: niceScale(most, DURATION_STEPS).most,
    isEmpty: most === 0,
  };
}

/**
 * @param {Metrics} metrics
 * @returns {Chart}
 */
function states({ state_history: rows }) {
  /** @type {Series[]} */
  const series = [
    { label: gettext("Waiting"), tone: "wait", values: rows.map((row) => row.waiting_assignment), summary: "" },
    { label: gettext("In hand"), tone: "baton", values: rows.map((row) => row.assigned), summary: "" },
    {
      label: gettext("Waiting for the customer"),
      tone: "reply",
      values: rows.map((row) => row.waiting_real_user_reply),
      summary: "",
    },
  ];
  for (const each of series) each.summary = gettext("now %(num)s", { num: each.values.at(-1) ?? 0 });
  const most = Math.max(0, ...rows.map((_, place) => series.reduce((sum, { values }) => sum + (values[place] ?? 0), 0)));
  return {
    id: "states",
    kind: "areas",
    unit: "count",
    at: rows.map(({ bucket_start }) => Date.parse(bucket_start)),
    series,
    most: niceScale(most, COUNT_STEPS).most,
    isEmpty: most === 0,
  };
}

/**
 * @param {string} id
 * @param {string} label
 * @param {number[]} at
 * @param {number[]} values
 * @param {number} most
 * @returns {Chart}
 */
function columns(id, label, at, values, most) {
  const sum = values.reduce((whole, value) => whole + value, 0);
  return {
    id,
    kind: "columns",
    unit: "count",
    at,
    series: [{ label, tone: id === "started" || id === "messages_in" ? "ink" : "ink-2", values, summary: number(sum) }],
    most: niceScale(most, COUNT_STEPS).most,
    isEmpty: sum === 0,
  };
}

/** @param {(number | null)[]} values */
function worst(values) {
  const most = Math.max(0, ...values.map((value) => value ?? 0));
  return most === 0 ? "" : gettext("at worst %(time)s", { time: duration(most) });
}

/**
 * An upper end that people count to, and the lines on the way there: two or three.
 * @param {number} most
 * @param {number[]} steps
 */
export function niceScale(most, steps) {
  const wanted = Math.max(most, steps === COUNT_STEPS ? 2 : 20);
  const step = stepOf(wanted / 3, steps);
  const lines = Array.from({ length: Math.ceil(wanted / step) }, (_, place) => (place + 1) * step);
  return { most: lines.at(-1) ?? step, lines };
}

/**
 * @param {number} least
 * @param {number[]} steps
 */
function stepOf(least, steps) {
  if (steps !== COUNT_STEPS) return steps.find((step) => step >= least) ?? Math.ceil(least / 86400) * 86400;
  const power = 10 ** Math.max(0, Math.floor(Math.log10(least)));
  return (steps.find((step) => step * power >= least) ?? 10) * power;
}

/**
 * The lines of a chart's scale.
 * @param {Chart} chart
 */
export function linesOf({ most, unit }) {
  return niceScale(most, unit === "duration" ? DURATION_STEPS : COUNT_STEPS).lines;
}

/**
 * @param {number | null | undefined} value
 * @param {Chart["unit"]} unit
 */
export function valueText(value, unit) {
  if (value === null || value === undefined) return "–";
  return unit === "duration" ? duration(value) : number(value);
}

const numbers = new Intl.NumberFormat(language);

/** @param {number} value */
function number(value) {
  return numbers.format(value);
}

/**
 * @param {Metrics} metrics
 * @returns {Times}
 */
export function timesOf({ bucket, time_zone: timeZone, from, to }) {
  const hours = (Date.parse(to) - Date.parse(from)) / 3_600_000;
  const day = new Intl.DateTimeFormat(language, { timeZone, day: "numeric", month: "short" });
  const weekday = new Intl.DateTimeFormat(language, { timeZone, weekday: "short", day: "numeric" });
  const clock = new Intl.DateTimeFormat(language, { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const full = new Intl.DateTimeFormat(language, {
    timeZone,
    weekday: "short",
    day: "numeric",
    month: "short",
    ...(bucket === "hour" ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : {}),
  });
  const isOneDay = hours <= 26;
  const every = isOneDay ? 4 : Math.max(1, Math.ceil(hours / 24 / 8)); // hours, days
  let days = 0;
  return {
    short: (at) => (isOneDay ? clock : hours <= 8 * 24 ? weekday : day).format(at),
    long: (at) => full.format(at),
    isTick(at, previous) {
      if (previous === undefined) days = 0;
      if (isOneDay) return Number(clock.format(at).slice(0, 2)) % every === 0;
      const isNewDay = previous !== undefined && day.format(at) !== day.format(previous);
      if (isNewDay) days += 1;
      return isNewDay && days % every === 0;
    },
  };
}

/**
 * Idle incidents as a table: an operator a row, a day a column.
 * @param {Metrics} metrics
 */
export function idleOf({ idle_history: rows, from, to, time_zone: timeZone }) {
  const short = new Intl.DateTimeFormat(language, { timeZone: "UTC", day: "numeric" });
  const long = new Intl.DateTimeFormat(language, { timeZone: "UTC", day: "numeric", month: "long" });
  const dates = datesOf(from, to, timeZone);
  const names = new Map(rows.map((row) => [row.operator_id, row.operator_name]));
  const counts = new Map(rows.map((row) => [`${row.operator_id} ${row.date}`, row.idle_incidents]));
  const total = rows.reduce((sum, row) => sum + row.idle_incidents, 0);
  return {
    total,
    summary: ngettext("%(num)s in all", "%(num)s in all", total),
    dates: dates.map((date) => ({ date, short: short.format(Date.parse(date)), long: long.format(Date.parse(date)) })),
    rows: [...names].map(([id, name]) => {
      const cells = dates.map((date) => {
        const number = counts.get(`${id} ${date}`) ?? 0;
        return { date, text: number === 0 ? "" : String(number), step: Math.min(number, 4) };
      });
      return { id, name, cells, total: cells.reduce((sum, { text }) => sum + Number(text), 0) };
    }),
  };
}

/**
 * How holds are spread among operators; bars are parts of the most anybody has, in percent.
 * @param {Metrics} metrics
 */
export function distributionOf({ assignment_distribution: rows }) {
  const most = Math.max(1, ...rows.map(({ holds_7d }) => holds_7d));
  return rows.map((row) => ({
    id: row.operator_id,
    name: row.operator_name,
    day_text: number(row.holds_24h),
    week_text: number(row.holds_7d),
    day_width: `${(row.holds_24h / most) * 100}%`,
    week_width: `${(row.holds_7d / most) * 100}%`,
  }));
}

/**
 * What each operator did in a span, by the rows of his days.
 * @param {readonly OperatorDay[]} rows
 * @param {Metrics} metrics
 */
export function workOf(rows, { from, to, time_zone }) {
  const dates = datesOf(from, to, time_zone);
  const shown = rows.filter(({ date }) => dates.includes(date));
  const most = Math.max(1, ...shown.map((row) => row.first_reply_median_seconds ?? 0));
  const long = new Intl.DateTimeFormat(language, { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" });
  const people = [...new Map(shown.map((row) => [row.operator_id, row.operator_name]))].map(([id, name]) => {
    const days = new Map(shown.filter((row) => row.operator_id === id).map((row) => [row.date, row]));
    const replies = dates.map((date) => days.get(date)?.first_reply_median_seconds ?? null);
    const sum = (/** @type {(row: OperatorDay) => number} */ value) => number([...days.values()].reduce((all, row) => all + value(row), 0));
    return {
      id,
      name,
      replies,
      latest_text: valueText(replies.findLast((value) => value !== null), "duration"),
      sent_text: sum((row) => row.messages_sent),
      chats_text: sum((row) => row.chats_handled),
      idle_text: sum((row) => row.idle_incidents),
      missed_text: sum((row) => row.chats_missed),
    };
  });
  return {
    most,
    people: people.toSorted((one, other) => one.name.localeCompare(other.name, language)),
    days: shown.map((row) => [
      long.format(Date.parse(row.date)),
      row.operator_name,
      valueText(row.first_reply_median_seconds, "duration"),
      valueText(row.first_reply_p95_seconds, "duration"),
      valueText(row.reply_median_seconds, "duration"),
      number(row.messages_sent),
      number(row.chats_handled),
      number(row.idle_incidents),
      number(row.chats_missed),
    ]),
  };
}

/**
 * The few numbers of all time.
 * @param {AssignmentMetrics} metrics
 */
export function totalsOf(metrics) {
  const { fewest_per_operator: fewest, most_per_operator: most } = metrics;
  return {
    assignments: number(metrics.assignments),
    spread: fewest === null || most === null ? "–" : gettext("%(fewest)s to %(most)s", { fewest: number(fewest), most: number(most) }),
    median: valueText(metrics.wait_median_seconds, "duration"),
    p95: valueText(metrics.wait_p95_seconds, "duration"),
    repeats: number(metrics.repeats),
  };
}

/**
 * The days of a span, in the organisation's time zone.
 * @param {string} from
 * @param {string} to
 * @param {string} timeZone
 */
function datesOf(from, to, timeZone) {
  const iso = new Intl.DateTimeFormat("en-CA", { timeZone });
  const last = Date.parse(iso.format(Date.parse(to) - 1));
  /** @type {string[]} */
  const dates = [];
  for (let day = Date.parse(iso.format(Date.parse(from))); day <= last; day += 86_400_000) {
    dates.push(new Date(day).toISOString().slice(0, 10));
  }
  return dates;
}

// Times for people, in the language and the time zone of whoever looks.

import { gettext, language, ngettext, once } from "./i18n.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const days = once(() => new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" }));
const shortDays = once(() => new Intl.DateTimeFormat(language, { day: "numeric", month: "short" }));
const relative = once(() => new Intl.RelativeTimeFormat(language, { numeric: "auto" }));

/**
 * The time of day, as 14:05: the same form in every language, so that columns of it line up.
 * @param {string} at  ISO 8601
 */
export function clock(at) {
  const date = new Date(at);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

/**
 * The day, for a line between the messages of two days.
 * @param {string} at
 * @param {number} [now]
 */
export function day(at, now = Date.now()) {
  const distance = Math.round((startOfDay(Date.parse(at)) - startOfDay(now)) / DAY);
  const close = Math.abs(distance) <= 1 ? relative().format(distance, "day") : days().format(new Date(at));
  return close.charAt(0).toLocaleUpperCase(language) + close.slice(1);
}

/**
 * The day and the time of day.
 * @param {string} at
 */
export function moment(at) {
  return gettext("%(day)s, %(time)s", { day: day(at), time: clock(at) });
}

/**
 * A key by which one sees whether two times are of one day here.
 * @param {string} at
 */
export function dayKey(at) {
  return startOfDay(Date.parse(at));
}

/**
 * When it was, in a place where there is little room: the time today, else the day.
 * @param {string} at
 * @param {number} [now]
 */
export function stamp(at, now = Date.now()) {
  return dayKey(at) === startOfDay(now) ? clock(at) : shortDays().format(new Date(at));
}

/**
 * How long something takes or has taken, in two units at most: 45 s, 12 min, 3 h 20 min, 2 days.
 * @param {number} seconds
 * @param {boolean} [isShort]  in one unit: 3 h
 */
export function duration(seconds, isShort = false) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return gettext("%(num)s s", { num: whole });
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return gettext("%(num)s min", { num: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) {
    const rest = minutes % 60;
    if (rest === 0 || isShort) return gettext("%(num)s h", { num: hours });
    return gettext("%(hours)s h %(minutes)s min", { hours, minutes: rest });
  }
  return ngettext("%(num)s day", "%(num)s days", Math.round(hours / 24));
}

/**
 * How long ago, or how long from now on, in seconds; never less than nothing.
 * @param {string} at
 * @param {number} [now]
 */
export function secondsSince(at, now = Date.now()) {
  return Math.max(0, (now - Date.parse(at)) / 1000);
}

/** @param {number} time */
function startOfDay(time) {
  return new Date(time).setHours(0, 0, 0, 0);
}

/** @param {number} number */
function pad(number) {
  return String(number).padStart(2, "0");
}

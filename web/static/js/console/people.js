// Rows about people, for several pages: pure.

/** @import { Invitation, Operator } from "./types.d.ts" */

import { gettext } from "../core/i18n.js";
import { duration, secondsSince, stamp } from "../core/time.js";
import { statusText } from "./board.js";

/**
 * The first letters of the first and the last word of a name.
 * @param {string} name
 */
export function initialsOf(name) {
  const words = name.split(/\s+/).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase();
}

/** @param {string} role */
export function roleText(role) {
  return role === "admin" ? gettext("Admin") : gettext("Operator");
}

/**
 * @param {Operator} operator
 * @param {number} now
 */
export function operatorRow(operator, now) {
  return {
    id: operator.id,
    name: operator.name,
    initials: initialsOf(operator.name),
    email: operator.email ?? "",
    status: operator.is_active ? operator.status : "offline",
    status_text: operator.is_active ? statusText({ ...operator, auto_assign: false }) : gettext("Deactivated"),
    role_text: roleText(operator.role),
    hands_text: gettext("%(held)s of %(capacity)s", { held: operator.held, capacity: operator.capacity }),
    slots: Array.from({ length: Math.min(operator.capacity, 8) }, (_, place) => ({ place, is_taken: place < operator.held })),
    assign_text: operator.auto_assign ? gettext("by itself") : gettext("by taking"),
    seen_text: seenText(operator, now),
    is_inactive: !operator.is_active,
    edit_label: gettext("Change %(name)s", { name: operator.name }),
  };
}

/**
 * @param {Operator} operator
 * @param {number} now
 */
function seenText({ is_connected, last_seen_at }, now) {
  if (is_connected) return gettext("here now");
  return last_seen_at ? gettext("%(time)s ago", { time: duration(secondsSince(last_seen_at, now)) }) : "";
}

/** @param {Invitation} invitation */
export function invitationRow(invitation) {
  const { status } = invitation;
  const at = stamp(invitation.expires_at);
  return {
    id: invitation.id,
    email: invitation.email,
    name: invitation.name ?? "",
    role_text: roleText(invitation.role),
    status,
    status_text: {
      open: gettext("Open"),
      accepted: gettext("Accepted"),
      revoked: gettext("Taken back"),
      expired: gettext("Expired"),
    }[status],
    until_text: status === "open" ? gettext("until %(day)s", { day: at }) : "",
    is_open: status === "open",
    revoke_label: gettext("Take back the invitation of %(email)s", { email: invitation.email }),
  };
}

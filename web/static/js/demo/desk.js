// A desk of the demo: the workspace of whoever the page around it gives a seat to, and a line to that page.

import { pause } from "../core/timing.js";
import "../parts/composer.js";
import { enter } from "../parts/staff.js";
import "../parts/thread.js";
import { DeskElement } from "../workspace/workspace.js";
import { seat } from "./seats.js";

/** @typedef {{ question: number } & ({ type: "take", chatId: string, times: number } | { type: "plug", seconds: number })} Question */

const { code, line } = await sit();
const entered = await enter(seat(code));
await entered.client.api.post("/api/operator/status", { status: "online" });
const desk = document.querySelector("baton-desk");
if (desk instanceof DeskElement) desk.begin(entered);

line.onmessage = async ({ data }) => {
  const asked = /** @type {Question} */ (data);
  const answer = asked.type === "take" ? await take(asked.chatId, asked.times) : await plug(asked.seconds);
  line.postMessage({ question: asked.question, answer });
};

/** Ask the page around for a seat. */
async function sit() {
  /** @type {Promise<{ code: string, line: MessagePort }>} */
  const given = new Promise((resolve) => {
    addEventListener("message", ({ origin, source, data, ports }) => {
      if (origin !== location.origin || source !== parent) return;
      if (data === "baton-demo") parent.postMessage("baton-desk", origin); // it was not listening yet
      else if (ports[0]) resolve({ code: data.code, line: ports[0] });
    });
  });
  parent.postMessage("baton-desk", location.origin);
  return given;
}

/**
 * Take a chat many times at once.
 * @param {string} chatId
 * @param {number} times
 */
async function take(chatId, times) {
  const tries = Array.from({ length: times }, () =>
    entered.client.api.post("/api/operator/take", { chat_id: chatId }).then(
      () => true,
      () => false,
    ),
  );
  return { won: (await Promise.all(tries)).filter(Boolean).length };
}

/**
 * Lose the connection, and have it again.
 * @param {number} seconds
 */
async function plug(seconds) {
  const { live } = entered.client;
  live.stop();
  await pause(seconds * 1000);
  live.start();
  return {};
}

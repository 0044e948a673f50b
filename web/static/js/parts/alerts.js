// What calls somebody who is not looking: a sound, the tab's title, a notification of the system. Browsers let a page
// sound only after its user has done something in it, and of several tabs one is enough.

import { Emitter } from "../core/emitter.js";

const TONES = { chat: [660, 880], message: [740], mention: [880, 880], reply: [587, 784] }; // Hz, one after the other
const TONE_SECONDS = 0.14;

/** @typedef {keyof typeof TONES} Occasion */

/**
 * `sound`: whether the browser lets us sound has changed.
 * @extends {Emitter<{ sound: boolean }>}
 */
export class Alerts extends Emitter {
  /** @type {AudioContext | null} */
  #audio = null;
  /** Whether this is the tab that rings. */
  #isRinging = !("locks" in navigator);
  #title = document.title;
  /** Whether there may be sound, notifications; as its user has chosen. */
  wantsSound = true;
  wantsNotifications = false;

  #loudness;

  /**
   * @param {AbortSignal} [signal]  ends it
   * @param {object} [how]
   * @param {string} [how.tab]       of the tabs that share this name one rings
   * @param {number} [how.loudness]  0 to 1
   */
  constructor(signal, { tab = "baton:ringing-tab", loudness = 0.15 } = {}) {
    super();
    this.#loudness = loudness;
    if (!("locks" in navigator)) return; // plain http: every tab rings
    navigator.locks
      .request(tab, signal ? { signal } : {}, () => {
        this.#isRinging = true;
        return new Promise((resolve) => signal?.addEventListener("abort", resolve));
      })
      .catch(() => (this.#isRinging = !signal?.aborted)); // a frame may have locks and not be allowed to use them
  }

  /** Whether the browser lets this page sound. */
  get hasSound() {
    return this.#audio?.state === "running";
  }

  /** Its user has just pressed something: from now on we may sound. */
  async unlock() {
    if (this.#audio === null) {
      this.#audio = new AudioContext();
      this.#audio.onstatechange = () => this.emit("sound", this.hasSound);
    }
    await this.#audio.resume().catch(() => {});
    this.emit("sound", this.hasSound);
  }

  /** Ask for notifications of the system, where they are wanted and nobody has answered yet. */
  async askForNotifications() {
    if (!this.wantsNotifications || !("Notification" in window) || Notification.permission !== "default") return;
    await Notification.requestPermission();
  }

  /**
   * Call its user.
   * @param {Occasion} occasion
   * @param {object} [notification]  shown when the page is out of sight
   * @param {string} notification.title
   * @param {string} notification.body
   * @param {string} notification.tag    a newer one of the same tag takes its place
   * @param {() => void} [notification.onClick]
   */
  call(occasion, notification) {
    if (!this.#isRinging) return;
    if (this.wantsSound) this.#sound(TONES[occasion]);
    const isLooking = document.visibilityState === "visible" && document.hasFocus();
    if (!notification || isLooking || !this.wantsNotifications || !("Notification" in window)) return;
    if (Notification.permission !== "granted") return;
    const { title, body, tag, onClick } = notification;
    try {
      const shown = new Notification(title, { body, tag, silent: true });
      shown.onclick = () => {
        window.focus();
        onClick?.();
        shown.close();
      };
    } catch {
      // Android has them by service workers only.
    }
  }

  /**
   * Show how much waits for its user in the tab's title.
   * @param {number} count
   * @param {string} [title]  another one than until now
   */
  count(count, title = this.#title) {
    this.#title = title;
    const shown = count > 0 ? `(${count}) ${title}` : title;
    if (document.title !== shown) document.title = shown;
  }

  /** @param {number[]} tones */
  #sound(tones) {
    const audio = this.#audio;
    if (audio?.state !== "running") return;
    for (const [place, tone] of tones.entries()) {
      const at = audio.currentTime + place * TONE_SECONDS;
      const oscillator = new OscillatorNode(audio, { frequency: tone, type: "sine" });
      const volume = new GainNode(audio, { gain: 0 });
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(this.#loudness, at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, at + TONE_SECONDS);
      oscillator.connect(volume).connect(audio.destination);
      oscillator.start(at);
      oscillator.stop(at + TONE_SECONDS);
    }
  }
}

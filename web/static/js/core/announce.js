// Says to screen readers what others see happen. One place for the whole page, so that sentences do not cut each
// other off; polite, so that they wait for what is being read.

/**
 * Have a sentence read out; the page has an element with the id `announcer` for it.
 * @param {string} sentence
 */
export function announce(sentence) {
  const announcer = document.getElementById("announcer");
  if (!announcer) return;
  const line = document.createElement("p");
  line.textContent = sentence;
  announcer.append(line);
  while (announcer.childElementCount > 5) announcer.firstElementChild?.remove();
}

/** Sentences of one kind, of which one is said at most every so often; the last one is never left out. */
export class Announcer {
  #every;
  #last = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {number} every  ms */
  constructor(every) {
    this.#every = every;
  }

  /** @param {string} sentence */
  say(sentence) {
    clearTimeout(this.#timer);
    const wait = this.#last + this.#every - Date.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.say(sentence), wait);
      return;
    }
    this.#last = Date.now();
    announce(sentence);
  }

  /** What was to be said is not true any more. */
  stop() {
    clearTimeout(this.#timer);
  }
}

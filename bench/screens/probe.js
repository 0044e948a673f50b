// In every page and frame from its beginning: notes long tasks, shifts of the layout, and when things are to be seen.

(() => {
  /** @type {{ duration: number }[]} */
  const tasks = [];
  /** @type {{ value: number, what: string }[]} */
  const shifts = [];
  const now = () => performance.timeOrigin + performance.now();

  const observe = (/** @type {string} */ type, /** @type {(entry: any) => void} */ note) =>
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true });
  observe("longtask", (entry) => tasks.push({ duration: entry.duration }));
  observe("layout-shift", (entry) => {
    if (entry.hadRecentInput) return;
    const nodes = entry.sources.map((/** @type {any} */ source) => {
      const element = source.node?.closest ? source.node : source.node?.parentElement;
      return element ? `${element.localName}.${element.className}` : "?";
    });
    shifts.push({ value: entry.value, what: nodes.join(" ") });
  });

  /** When the frame has been painted in which something is there for the first time. */
  const painted = (/** @type {(at: number) => void} */ tell) =>
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => tell(now());
      channel.port2.postMessage(null);
    });

  const probe = {
    tasks,
    shifts,
    now,
    /** When each text that begins with a mark (`#12 `) was to be seen. @type {Map<string, number>} */
    seen: new Map(),

    /** Look for marks in the texts of what a selector finds. @param {string} selector */
    watch(selector) {
      probe.seen.clear();
      const look = () => {
        const at = now();
        const found = [...document.querySelectorAll(selector)]
          .map((each) => /^#\d+ /.exec(each.textContent ?? "")?.[0].trim())
          .filter((mark) => mark !== undefined && !probe.seen.has(mark));
        for (const mark of found) probe.seen.set(/** @type {string} */ (mark), at);
        if (found.length > 0) painted((later) => found.forEach((mark) => probe.seen.set(/** @type {string} */ (mark), later)));
      };
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
      look();
    },

    /** The time at which a selector has found something that is shown, and it was painted. @param {string} selector */
    shown(selector) {
      return new Promise((resolve) => {
        const look = () => {
          if (document.querySelector(selector)?.checkVisibility()) painted(resolve);
          else requestAnimationFrame(look);
        };
        look();
      });
    },

    /**
     * When one can write in the widget, which this page is. It waits from the beginning: where the processor is slow, a
     * question from outside comes too late. @type {Promise<number> | null}
     */
    writable: null,

    /** How long a fixed piece of work takes: what the processor does at this moment. */
    work() {
      const begun = performance.now();
      let sum = 0;
      for (let turn = 0; turn < 5e6; turn += 1) sum = (sum * 31 + turn) | 0;
      return sum === 1 ? 0 : performance.now() - begun;
    },
  };
  if (location.pathname === "/widget") probe.writable = customElements.whenDefined("baton-composer").then(() => probe.shown(".composer-text"));
  Object.defineProperty(globalThis, "probe", { value: probe });
})();

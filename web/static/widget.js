// Baton's launcher: one line on any page puts the chat into it.
//
//   <script src="https://baton.example/widget.js" data-baton async></script>
//
// Attributes: data-language ("ar"; else the page's own), data-position ("left" or "right"; else as the settings say),
// data-theme ("light" or "dark"; else the visitor's), data-closed (no button: the page opens the chat by itself),
// data-open (open from the beginning; a text in it is typed already).
//
// The page talks to it by window.Baton, before it is loaded too:
//
//   (window.Baton ??= []).push((Baton) => Baton.open());
//
// Everything that a person sees or says is in a frame of Baton's own origin. This script draws the button, sizes the
// frame, and passes on what the page wants; it needs nothing of the page's Content-Security-Policy but Baton's
// address in script-src and frame-src.

(() => {
  const script = /** @type {HTMLScriptElement | null} */ (
    document.currentScript ?? document.querySelector("script[data-baton]")
  );
  /** @type {any} */
  const page = window;
  if (!script?.src || page.Baton?.toggle) return;

  const options = script.dataset;
  const address = new URL("widget", script.src);
  const KEY = "baton:resume"; // in localStorage, where the browser keeps no cookie in the frame
  const OPEN = "baton:open"; // in sessionStorage: open again on the next page
  const SMALL = "(max-width: 479.9px), (max-height: 419.9px)"; // there the chat fills the screen
  const PATIENCE = 20_000; // ms that the frame may take until we say that something is wrong
  const PATIENCE_WHEN_LOADED = 5_000;

  /** What the frame has told of itself; until then as little as possible is shown. */
  let look = {
    colour: "#1b1f1d",
    onColour: "#ffffff",
    position: "right",
    direction: "ltr",
    title: "Chat",
    open: "Open the chat",
    close: "Close the chat",
    unread: "",
    trouble: "The chat cannot be reached.",
    retry: "Try again",
  };
  let isOpen = false;
  let isKnown = false; // the visitor is somebody: he has acted before
  let unread = 0;
  /** @type {MessagePort | null} */
  let port = null;
  /** Told to the frame once it is there. @type {object[]} */
  let waiting = [];
  /** Calls to `setUser` with a function: asked when a token is needed. @type {(() => unknown) | null} */
  let giveToken = null;
  let isReady = false;
  /** @type {Map<string, Set<(detail: any) => void>>} */
  const listeners = new Map();
  /** What this page's storage does not take. @type {Map<string, string | null>} */
  const memory = new Map();

  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { all: initial !important; position: fixed !important; z-index: 2147483000 !important; inset: auto 0 0 auto !important; }
    @media print { :host { display: none !important; } }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    button { font: 500 14px/20px system-ui, sans-serif; cursor: pointer; touch-action: manipulation; }
    button:focus-visible { outline: 3px solid #0b57d0; outline-offset: 2px; box-shadow: 0 0 0 2px #fff; }
    .launcher {
      position: fixed; inset-block-end: max(20px, env(safe-area-inset-bottom)); inset-inline-end: 20px;
      display: grid; place-items: center; inline-size: 56px; block-size: 56px; padding: 0;
      border: 1px solid rgb(255 255 255 / 45%); border-radius: 50%;
      background: var(--brand); color: var(--on-brand); transition: transform .12s;
    }
    .launcher:hover { transform: scale(1.05); }
    .launcher svg { grid-area: 1 / 1; inline-size: 26px; block-size: 26px; transition: opacity .12s, transform .2s; }
    .launcher[aria-expanded="true"] .ask, .launcher[aria-expanded="false"] .shut { opacity: 0; transform: rotate(45deg) scale(.6); }
    .badge {
      position: absolute; inset-block-start: -4px; inset-inline-end: -4px;
      min-inline-size: 22px; block-size: 22px; padding: 0 6px; border: 2px solid #fff; border-radius: 11px;
      background: #1b1f1d; color: #fff; font: 600 12px/18px system-ui, sans-serif; text-align: center;
    }
    .panel {
      position: fixed; inset-block-end: calc(max(20px, env(safe-area-inset-bottom)) + 68px); inset-inline-end: 20px;
      inline-size: 384px; block-size: min(640px, calc(100dvh - 108px)); overflow: hidden;
      border: 1px solid rgb(0 0 0 / 22%); border-radius: 12px; background: Canvas;
      transition: opacity .12s, transform .2s cubic-bezier(.2, 0, 0, 1), visibility .2s;
    }
    .panel[data-shut] { visibility: hidden; opacity: 0; transform: translateY(12px); pointer-events: none; }
    iframe { display: block; inline-size: 100%; block-size: 100%; border: 0; color-scheme: normal; }
    .trouble {
      position: absolute; inset: 0; display: grid; gap: 12px; place-content: center; justify-items: center; padding: 24px;
      background: #fffdf8; color: #1b1f1d; font: 14px/20px system-ui, sans-serif; text-align: center;
    }
    .trouble button { min-block-size: 44px; padding: 0 16px; border: 1px solid #1b1f1d; border-radius: 3px; background: none; color: inherit; font: inherit; cursor: pointer; }
    [data-side="left"] .launcher, [data-side="left"] .panel { inset-inline: 20px auto; }
    @media ${SMALL} {
      .panel, [data-side="left"] .panel {
        inset-block: var(--top, 0) auto; inset-inline: 0; inline-size: 100%; block-size: var(--height, 100dvh);
        border: 0; border-radius: 0;
      }
      [data-ready] .launcher[aria-expanded="true"] { visibility: hidden; }
    }
    @media (prefers-reduced-motion: reduce) { * { transition-duration: 1ms !important; } }
    @media (forced-colors: active) { .launcher, .badge { forced-color-adjust: none; } }
  `);
  const still = new CSSStyleSheet(); // behind a chat that fills a phone's screen nothing scrolls
  still.replaceSync(`@media ${SMALL} { html { overflow: hidden !important; } }`);

  const host = document.createElement("div");
  const shadow = host.attachShadow({ mode: "closed" });
  shadow.adoptedStyleSheets = [sheet];
  const place = put(shadow, "div");
  const panel = put(place, "div", "panel");
  panel.dataset["shut"] = "";
  const trouble = put(panel, "div", "trouble");
  trouble.hidden = true;
  trouble.setAttribute("role", "alert");
  const sentence = put(trouble, "div");
  const retry = put(trouble, "button");
  retry.onclick = load;
  const launcher = put(place, "button", "launcher");
  launcher.hidden = true;
  launcher.type = "button";
  launcher.setAttribute("aria-expanded", "false");
  launcher.append(
    drawing("ask", "M7.9 20A9 9 0 1 0 4 16.1L2 22Z"),
    drawing("shut", "M18 6 6 18M6 6l12 12"),
  );
  launcher.onclick = () => api.toggle();
  launcher.onpointerenter = launcher.onfocus = () => tell({ type: "warm" }); // he will probably press it
  const badge = put(launcher, "span", "badge");
  badge.setAttribute("aria-hidden", "true");

  /** @type {HTMLIFrameElement | null} */
  let frame = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let patience;

  const api = {
    /**
     * Show the chat.
     * @param {string} [draft]  typed already, for the visitor to send or not
     */
    open(draft) {
      show(true, true, draft);
    },

    /** Put it away; what is going on in it goes on. */
    close() {
      show(false);
    },

    /** One or the other. */
    toggle() {
      show(!isOpen);
    },

    /**
     * Say who the page's user is, by a token that its backend has signed. Such tokens are short-lived: a function
     * that fetches one is called when one is needed, which may be much later or never.
     * @param {string | (() => string | Promise<string>)} token
     */
    setUser(token) {
      if (typeof token !== "string" && typeof token !== "function") {
        throw new TypeError("Baton.setUser takes a token, or a function that brings one");
      }
      giveToken = typeof token === "function" ? token : () => token;
      tell({ type: "user", key: typeof token === "string" ? token : null });
    },

    /**
     * Say what the visitor is about: an object, whose keys replace those of earlier calls. The team sees it with his
     * next chat.
     * @param {Record<string, unknown>} context
     */
    updateUserContext(context) {
      if (typeof context !== "object" || context === null || Array.isArray(context)) {
        throw new TypeError("Baton.updateUserContext takes an object");
      }
      tell({ type: "context", context: JSON.parse(JSON.stringify(context)) });
    },

    /** The user has signed out of the page: nothing of him stays in this browser. */
    logout() {
      giveToken = null;
      isKnown = false;
      store(localStorageOf, KEY, null);
      store(sessionStorageOf, OPEN, null);
      tell({ type: "logout" });
    },

    /**
     * Have a function called: at ready, open, close, unread ({ count }), chat_started, chat_completed, message
     * ({ chat_id, from }), error ({ code, message }). Returns what ends that.
     * @param {string} event
     * @param {(detail: any) => void} listener
     * @returns {() => void}
     */
    on(event, listener) {
      if (typeof listener !== "function") throw new TypeError("Baton.on takes an event's name and a function");
      const known = listeners.get(event) ?? new Set();
      listeners.set(event, known.add(listener));
      if (event === "ready" && isReady) queueMicrotask(() => listener({}));
      return () => void known.delete(listener);
    },

    /**
     * Do what a page has asked for while this script was loading: a function that is given this object, or the name
     * of one of its functions with its arguments.
     * @param {...(((baton: any) => void) | [string, ...unknown[]])} calls
     */
    push(...calls) {
      for (const call of calls) {
        try {
          if (typeof call === "function") call(api);
          else /** @type {any} */ (api)[call[0]](...call.slice(1));
        } catch (error) {
          reportError(error);
        }
      }
    },
  };

  const early = page.Baton;
  page.Baton = api;
  addEventListener("message", meet);
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);

  function begin() {
    document.body.append(host);
    draw();
    const viewport = window.visualViewport;
    viewport?.addEventListener("resize", fit);
    viewport?.addEventListener("scroll", fit);
    if (Array.isArray(early)) api.push(...early);
    if (read(sessionStorageOf, OPEN) || "open" in options) show(true, false, options["open"]);
    // The page comes first. Whoever asks for the chat earlier gets it earlier.
    if (document.readyState === "complete") idle(load);
    else addEventListener("load", () => idle(load));
  }

  /** @param {() => void} task */
  function idle(task) {
    const begun = () => frame || task();
    if (typeof requestIdleCallback === "function") requestIdleCallback(begun, { timeout: 2000 });
    else setTimeout(begun, 200); // Safari
  }

  /** Put the frame into the page, anew if there is one. */
  function load() {
    port?.close();
    port = null;
    frame?.remove();
    frame = document.createElement("iframe");
    const language = options["language"] || document.documentElement.lang;
    if (language) address.searchParams.set("language", language);
    if (options["theme"]) address.searchParams.set("theme", options["theme"]);
    const source = new URL(address);
    if (isOpen) source.searchParams.set("open", ""); // what it takes to talk is fetched at once then
    frame.src = source.href;
    frame.title = look.title;
    frame.allow = "autoplay; clipboard-write";
    panel.prepend(frame);
    trouble.hidden = true;
    expect(PATIENCE);
    frame.onload = () => expect(PATIENCE_WHEN_LOADED); // what has loaded may be a browser's page about an error
  }

  /** @param {number} ms */
  function expect(ms) {
    clearTimeout(patience);
    if (!port) patience = setTimeout(fail, ms);
  }

  /** The frame has not come: Baton is down, or may not be shown in this page (BATON_ALLOWED_ORIGINS). */
  function fail() {
    sentence.textContent = look.trouble;
    retry.textContent = look.retry;
    trouble.hidden = false;
    launcher.hidden = "closed" in options;
    draw();
    emit("error", { code: "unreachable", message: look.trouble });
  }

  /**
   * The frame says that it is there, and gets a port of its own. Nobody else does: it must be our frame that asks, and
   * what is in it must be Baton's.
   * @param {MessageEvent} event
   */
  function meet(event) {
    if (!frame || event.source !== frame.contentWindow || event.origin !== address.origin) return;
    if (event.data !== "baton:hello") return;
    port?.close();
    clearTimeout(patience);
    const channel = new MessageChannel();
    port = channel.port1;
    port.onmessage = ({ data }) => hear(data);
    const greeting = { type: "baton:port", isOpen, hasUser: giveToken !== null };
    frame.contentWindow?.postMessage(greeting, address.origin, [channel.port2]);
    for (const message of waiting.splice(0)) port.postMessage(message);
  }

  /** @param {object} message */
  function tell(message) {
    if (port) port.postMessage(message);
    else waiting.push(message);
  }

  /** @param {any} message */
  async function hear(message) {
    if (message.type === "look") {
      look = { ...look, ...message.look };
      trouble.hidden = true;
      clearTimeout(patience);
      const isFirst = !isReady;
      isReady = true;
      draw();
      if (!isFirst) return;
      emit("ready", {});
      dispatchEvent(new CustomEvent("baton:ready", { detail: api }));
    } else if (message.type === "unread") {
      unread = message.count;
      look.unread = message.label;
      draw();
      emit("unread", { count: unread });
    } else if (message.type === "close") {
      show(false);
    } else if (message.type === "open") {
      show(true);
    } else if (message.type === "known") {
      isKnown = message.isKnown;
      if (message.resume !== undefined) store(localStorageOf, KEY, message.resume);
      store(sessionStorageOf, OPEN, isKnown && isOpen ? "1" : null);
    } else if (message.type === "ask") {
      port?.postMessage({ type: "answer", id: message.id, value: await answer(message.what) });
    } else if (message.type === "event") {
      emit(message.event, message.detail);
    }
  }

  /**
   * What the frame wants to know: the key to resume by, which another page may have renewed; who the user is.
   * @param {string} what
   */
  async function answer(what) {
    if (what === "resume") return read(localStorageOf, KEY);
    try {
      return (await giveToken?.()) ?? null;
    } catch (error) {
      reportError(error);
      return null;
    }
  }

  /**
   * @param {boolean} wanted
   * @param {boolean} [isAsked]  by somebody, who wants to write now
   * @param {string} [draft]
   */
  function show(wanted, isAsked = true, draft = "") {
    if (wanted && draft) tell({ type: "draft", draft: String(draft) });
    if (wanted === isOpen) return;
    isOpen = wanted;
    if (isOpen && !frame) load();
    panel.toggleAttribute("data-shut", !isOpen);
    const others = document.adoptedStyleSheets.filter((each) => each !== still);
    document.adoptedStyleSheets = isOpen ? [...others, still] : others;
    fit();
    draw();
    if (isOpen && isAsked) frame?.focus();
    if (!isOpen && shadow.activeElement === frame) launcher.focus();
    tell({ type: isOpen ? "open" : "close", isAsked });
    store(sessionStorageOf, OPEN, isKnown && isOpen ? "1" : null);
    emit(isOpen ? "open" : "close", {});
  }

  /** A phone's keyboard makes the part of the page that is seen smaller, and moves it. */
  function fit() {
    const viewport = window.visualViewport;
    if (!isOpen || !viewport || viewport.scale > 1) return;
    panel.style.setProperty("--top", `${viewport.offsetTop}px`);
    panel.style.setProperty("--height", `${viewport.height}px`);
  }

  function draw() {
    place.dir = look.direction;
    const side = options["position"] || look.position;
    place.dataset["side"] = side;
    place.style.setProperty("--brand", look.colour);
    place.style.setProperty("--on-brand", look.onColour);
    place.toggleAttribute("data-ready", isReady && trouble.hidden === true); // it can be closed from within
    if (isReady) launcher.hidden = "closed" in options;
    launcher.setAttribute("aria-expanded", String(isOpen));
    launcher.setAttribute("aria-label", isOpen ? look.close : [look.open, look.unread].filter(Boolean).join(", "));
    badge.hidden = unread === 0 || isOpen;
    badge.textContent = unread > 99 ? "99+" : String(unread);
    if (frame) frame.title = look.title;
  }

  /**
   * @param {string} event
   * @param {object} detail
   */
  function emit(event, detail) {
    for (const listener of [...(listeners.get(event) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        reportError(error);
      }
    }
  }

  function localStorageOf() {
    return localStorage;
  }

  function sessionStorageOf() {
    return sessionStorage;
  }

  /**
   * @param {() => Storage} storage  looking at it may throw
   * @param {string} key
   */
  function read(storage, key) {
    try {
      return storage().getItem(key);
    } catch {
      return memory.get(key) ?? null;
    }
  }

  /**
   * @param {() => Storage} storage
   * @param {string} key
   * @param {string | null} value
   */
  function store(storage, key, value) {
    try {
      if (value !== null) storage().setItem(key, value);
      else if (storage().getItem(key) !== null) storage().removeItem(key);
    } catch {
      memory.set(key, value);
    }
  }

  /**
   * @template {keyof HTMLElementTagNameMap} Tag
   * @param {Node} parent
   * @param {Tag} tag
   * @param {string} [name]
   * @returns {HTMLElementTagNameMap[Tag]}
   */
  function put(parent, tag, name = "") {
    const made = document.createElement(tag);
    if (name) made.className = name;
    parent.appendChild(made);
    return made;
  }

  /**
   * An icon of Lucide (ISC licence): message-circle, x.
   * @param {string} name
   * @param {string} path
   */
  function drawing(name, path) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const attributes = { class: name, viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "2" };
    for (const [key, value] of Object.entries({ ...attributes, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" })) {
      svg.setAttribute(key, value);
    }
    const line = document.createElementNS(space, "path");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  }
})();

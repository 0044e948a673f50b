// Everything a page needs, put together: `const { live, watch } = connect({ … })`.

/** @import { FetchToken } from "./token.js" */

import { Api } from "./api.js";
import { Live } from "./live.js";
import { Outbox } from "./outbox.js";
import { ChatStore } from "./store.js";
import { Tokens } from "./token.js";

/**
 * Connect as a person.
 * @param {object} options
 * @param {FetchToken} options.fetchToken  brings the person's access token
 * @param {string} options.person          his id, the token's `sub`
 * @param {"customer" | "staff"} options.role
 * @param {boolean} [options.isPresent]    whether he is there while the page is open; false: he only looks
 * @param {string} [options.base]          where Baton is; the page's own origin
 */
export function connect({ fetchToken, person, role, isPresent = true, base = location.origin }) {
  const tokens = new Tokens(fetchToken);
  const api = new Api({ tokens, base });
  const live = new Live({ api, tokens, base, isPresent });
  const outbox = new Outbox({ api, owner: person, role });
  live.on("state", (state) => {
    if (state === "online" || state === "polling") outbox.hurry();
  });
  live.start();
  outbox.start();
  return {
    api,
    live,
    outbox,
    /**
     * Watch a chat; one store a chat at a time.
     * @param {string} chatId
     */
    watch: (chatId) => new ChatStore({ api, live, outbox, chatId }),
    /** Disconnect; unsent messages stay for the next page. */
    close() {
      outbox.stop();
      live.stop();
    },
  };
}

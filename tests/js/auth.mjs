// What a page does with Supabase's own client to sign in. tests/node.py runs it and puts `given` before it;
// what was seen goes out as JSON.

import { createClient } from "@supabase/supabase-js";

/** The paths that the client has asked for. */
const asked = [];

const client = createClient(given.url, given.key, {
  auth: { autoRefreshToken: false, persistSession: false, detectSessionInUrl: false },
  global: {
    fetch: (address, options) => {
      asked.push(new URL(address).pathname);
      return fetch(address, options);
    },
  },
});

/** What is worth telling of an error. */
const told = (error) => error && { name: error.name, status: error.status, code: error.code, reasons: error.reasons };

/** What is worth telling of an answer. */
const outcome = ({ data, error }) => ({
  id: data?.user?.id,
  email: data?.user?.email,
  is_anonymous: data?.user?.is_anonymous,
  metadata: data?.user?.user_metadata,
  refresh_token: data?.session?.refresh_token,
  error: told(error),
});

const { auth } = client;
const { email, password, token } = given;

const scenarios = {
  async password() {
    const seen = { signed_in: outcome(await auth.signInWithPassword({ email, password })) };
    seen.user = outcome(await auth.getUser());
    seen.refreshed = outcome(await auth.refreshSession());
    seen.updated = outcome(await auth.updateUser({ data: { theme: "dark" } }));
    seen.weak = outcome(await auth.updateUser({ password: "short" }));
    seen.same = outcome(await auth.updateUser({ password }));
    seen.changed = outcome(await auth.updateUser({ password: `${password}!` }));
    const access = (await auth.getSession()).data.session.access_token;
    seen.signed_out = outcome(await auth.signOut());
    seen.afterwards = outcome(await auth.getUser(access));
    seen.again = outcome(await auth.signInWithPassword({ email, password: `${password}!` }));
    return seen;
  },

  async refusals() {
    return {
      wrong: outcome(await auth.signInWithPassword({ email, password: "wrong" })),
      refresh: outcome(await auth.refreshSession({ refresh_token: "unknown" })),
      forged: outcome(await auth.getUser("x.y.z")),
      expired: outcome(await auth.getUser(given.expired)),
      sign_up: outcome(await auth.signUp({ email: "eve@baton.example", password })),
      nobody: outcome(await auth.getUser()),
    };
  },

  async claims() {
    const visitor = outcome(await auth.signInAnonymously({ options: { data: { page: "/" } } }));
    asked.length = 0;
    const { data, error } = await auth.getClaims();
    const forged = await auth.getClaims(given.forged);
    return { visitor, claims: data?.claims, header: data?.header, error: told(error), forged: told(forged.error), asked };
  },

  async host_user() {
    const visitor = outcome(await auth.signInAnonymously());
    const linked = outcome(await auth.linkIdentity({ provider: "host", token }));
    const user = outcome(await auth.getUser());
    const used = outcome(await auth.signInWithIdToken({ provider: "host", token }));
    const known = outcome(await auth.signInWithIdToken({ provider: "host", token: given.another }));
    return { visitor, linked, user, used, known };
  },
};

console.log(JSON.stringify(await scenarios[given.scenario]()));

// What a page does with files through Supabase's own client. tests/node.py runs it and puts `given` before it;
// what was seen goes out as JSON.

import { createClient } from "@supabase/supabase-js";

const client = createClient(given.url, given.key, { accessToken: async () => given.token });
const bucket = client.storage.from("attachments");
const bytes = Uint8Array.from(atob(given.png), (character) => character.charCodeAt(0));

/** What is worth telling of an answer. */
const told = ({ data, error }) => ({
  data,
  error: error && { name: error.name, status: error.status, code: error.statusCode, message: error.message },
});

/** The bytes in an answer, in base64. */
const base64 = async (blob) => btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));

/** The bytes, piece by piece, and nobody knows how many. */
const stream = () =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, 20));
      controller.enqueue(bytes.slice(20));
      controller.close();
    },
  });

const scenarios = {
  async bodies() {
    const form = new FormData();
    form.append("", new File([bytes], "a.png", { type: "image/png" }));
    const options = { contentType: "image/png", cacheControl: "60", metadata: { name: "Grüße.png" } };
    const bodies = {
      blob: new Blob([bytes], { type: "image/png" }),
      file: new File([bytes], "a.png", { type: "image/png" }),
      form,
      buffer: bytes.buffer,
      view: bytes,
      stream: stream(),
    };
    const seen = {};
    for (const [name, body] of Object.entries(bodies)) {
      const path = `${given.chat}/${name}.png`;
      const uploaded = told(await bucket.upload(path, body, options));
      const info = told(await bucket.info(path));
      seen[name] = { uploaded, info, content: await base64((await bucket.download(path)).data) };
    }
    return seen;
  },

  async links() {
    const path = `${given.chat}/blob.png`;
    const read = async (address) => {
      const answer = await fetch(address);
      return [answer.status, answer.headers.get("content-disposition"), await base64(await answer.blob())];
    };
    const one = await bucket.createSignedUrl(path, 60);
    const named = await bucket.createSignedUrl(path, 60, { download: "ours.png" });
    const many = await bucket.createSignedUrls([path, "nothing.png"], 60, { download: true });
    return {
      one: await read(one.data.signedUrl),
      named: await read(named.data.signedUrl),
      many: await read(many.data[0].signedUrl),
      missing: many.data[1],
    };
  },

  async folder() {
    const names = async (options) => (await bucket.list(given.chat, options)).data.map(({ name }) => name);
    return {
      root: (await bucket.list()).data.map(({ name, id }) => [name, id]),
      all: await names(),
      sorted: await names({ sortBy: { column: "name", order: "desc" }, limit: 2 }),
      found: await names({ search: "fi" }),
      rest: await names({ offset: 4 }),
      exists: (await bucket.exists(`${given.chat}/blob.png`)).data,
      missing: (await bucket.exists(`${given.chat}/nothing.png`)).data,
      removed: (await bucket.remove([`${given.chat}/blob.png`, "nothing.png"])).data.map(({ name }) => name),
      gone: (await bucket.exists(`${given.chat}/blob.png`)).data,
    };
  },

  async refusals() {
    const body = new Blob([bytes], { type: "image/png" });
    const path = `${given.chat}/a.png`;
    await bucket.upload(path, body);
    return {
      twice: told(await bucket.upload(path, body)),
      upsert: told(await bucket.upload(path, body, { upsert: true })),
      updated: told(await bucket.update(path, body)),
      elsewhere: told(await bucket.upload(`${crypto.randomUUID()}/a.png`, body)),
      kind: told(await bucket.upload(`${given.chat}/a.html`, new Blob(["<html>"], { type: "text/html" }))),
      key: told(await bucket.upload(`${given.chat}/ü.png`, body)),
      large: told(await bucket.upload(`${given.chat}/b.png`, new Blob([bytes, new Uint8Array(11_000_000)]))),
      empty: told(await bucket.upload(`${given.chat}/b.png`, new Blob([]))),
      download: told(await bucket.download(`${given.chat}/nothing.png`)).error?.name,
      info: told(await bucket.info(`${given.chat}/nothing.png`)),
      sign: told(await bucket.createSignedUrl(`${given.chat}/nothing.png`, 60)),
      bounds: told(await bucket.createSignedUrl(path, 0)),
      bucket: told(await client.storage.from("nothing").upload("a.png", body)),
      move: told(await bucket.move(path, `${given.chat}/b.png`)),
      copy: told(await bucket.copy(path, `${given.chat}/b.png`)),
    };
  },

  async abort() {
    const abort = new AbortController();
    const endless = new ReadableStream({
      pull(controller) {
        controller.enqueue(bytes);
        setTimeout(() => abort.abort(), 50);
        return new Promise(() => {});
      },
    });
    const options = { method: "POST", body: endless, duplex: "half", signal: abort.signal };
    const headers = { authorization: `Bearer ${given.token}`, "content-type": "image/png" };
    const address = `${given.url}/storage/v1/object/attachments/${given.chat}/aborted.png`;
    return await fetch(address, { ...options, headers }).then(
      ({ status }) => status,
      ({ name }) => name,
    );
  },
};

console.log(JSON.stringify(await scenarios[given.scenario]()));

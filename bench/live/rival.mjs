// The rival: a chat server as one would write it with socket.io. It stores a message and notifies in
// one statement; every process listens, and emits what it hears to the chat's room.
//
// It decides nothing else: whoever asks may write and watch. Started by servers.py, which sets
// DATABASE_URL, PORT, PROCESSES, POOL_SIZE; SIGTERM ends it.

import cluster from "node:cluster";
import { createServer } from "node:http";
import pg from "pg";
import { Server } from "socket.io";

const { DATABASE_URL, PORT, PROCESSES = "1", POOL_SIZE = "16" } = process.env;

const INSERT = {
  name: "insert",
  text: `
    with chat as (
      update chats set last_seq = last_seq + 1, last_message_at = clock_timestamp()
      where id = $1 returning id, last_seq
    ), message as (
      insert into messages (chat_id, seq, sender_type, sender_id, content, client_message_id)
      select id, last_seq, $2, $3, $4, $5 from chat
      returning id, chat_id, seq, sender_type, sender_id, content, client_message_id, created_at
    )
    select row_to_json(message)::text as row, pg_notify('live', row_to_json(message)::text) from message`,
};

/** @param {import("node:http").IncomingMessage} request */
async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

async function serve() {
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(POOL_SIZE) });
  const server = createServer(async (request, response) => {
    let status = 200;
    let body = "{}";
    try {
      if (request.method === "POST") {
        const message = await bodyOf(request);
        const values = [message.chat_id, message.sender_type, message.sender_id, message.content, message.client_message_id];
        const { rows } = await pool.query({ ...INSERT, values });
        status = rows.length ? 201 : 404;
        body = rows[0]?.row ?? body;
      }
    } catch (error) {
      status = 500;
      body = JSON.stringify({ message: String(error) });
    }
    response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.end(body);
  });
  server.keepAliveTimeout = 75_000;
  const io = new Server(server, { transports: ["websocket"], serveClient: false });
  io.on("connection", (socket) => {
    socket.on("subscribe", (chatId, done) => {
      socket.join(chatId);
      done();
    });
  });
  const listener = new pg.Client({ connectionString: DATABASE_URL });
  await listener.connect();
  listener.on("notification", ({ payload }) => {
    const message = JSON.parse(payload);
    io.to(message.chat_id).emit("message", message);
  });
  await listener.query("listen live");
  server.listen(Number(PORT), "127.0.0.1");
}

// An idle process keeps its garbage; what is measured is the memory that the sockets need.
process.on("SIGUSR2", () => globalThis.gc());
process.title = "rival";

if (PROCESSES !== "1" && cluster.isPrimary) {
  const workers = Array.from({ length: Number(PROCESSES) }, () => cluster.fork());
  process.on("SIGTERM", () => {
    for (const worker of workers) worker.kill("SIGKILL");
    process.exit(0);
  });
} else {
  await serve();
}

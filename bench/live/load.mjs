// The load generator: sockets that count what they are sent, and posts over HTTP. One process, and as
// little work as possible in it, for it shares the processors with what it measures.
//
// It reads a line of JSON from its parent, does it, and writes a line of JSON; driver.py is the parent.
//   {"do":"open", protocol, url, chats, ramp}     two sockets for each chat, subscribed
//   {"do":"run", seconds, warm_up, in_flight}     a new post for each that is stored and delivered
//   {"do":"run", seconds, warm_up, rate}          so many posts a second, whatever becomes of them
//   {"do":"close"}

import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import WebSocket from "ws";

// A message is known again by its text: a customer is not told an operator's client_message_id.
const CONTENT = "It was sent this morning and should be with you tomorrow: ";
const STALL_MS = 15_000; // a post that takes longer to arrive is lost
const SIDES = ["real", "operator"];

// --- HTTP: requests one after the other on connections that stay open -----------------------------

/** A connection on which one request is under way at a time. Answers with a length or in chunks. */
class Connection {
  constructor(host, port) {
    this.buffer = "";
    this.done = null;
    this.socket = connect({ host, port, noDelay: true });
    this.socket.setEncoding("latin1");
    this.socket.on("data", (text) => this.read(text));
    this.socket.on("error", (error) => fail(`a request failed: ${error.message}`));
    this.socket.on("close", () => {
      if (this.done) fail("the server closed a connection in the middle of a request");
      if (idle.includes(this)) idle.splice(idle.indexOf(this), 1);
    });
  }

  send(request, done) {
    this.done = done;
    this.socket.write(request);
  }

  read(text) {
    this.buffer += text;
    const head = this.buffer.indexOf("\r\n\r\n");
    if (head < 0) return;
    const headers = this.buffer.slice(0, head).toLowerCase();
    const length = /\r\ncontent-length: *(\d+)/.exec(headers);
    const isWhole = length ? this.buffer.length >= head + 4 + Number(length[1]) : this.buffer.endsWith("0\r\n\r\n");
    if (!isWhole) return;
    const status = Number(headers.slice(9, 12));
    const body = this.buffer.slice(head + 4);
    const done = this.done;
    this.buffer = "";
    this.done = null;
    if (headers.includes("\r\nconnection: close")) {
      this.socket.destroy();
      done(status, body, null);
    } else {
      done(status, body, this);
    }
  }
}

// --- The two protocols: how a socket signs in and subscribes, and which frames are messages ----------

const PROTOCOLS = {
  baton: {
    path: "/ws",
    open: (socket, side) => socket.send(JSON.stringify({ type: "auth", token: side.token })),
    read(socket, side, text) {
      const frame = JSON.parse(text);
      if (frame.type === "event") {
        if (frame.event_seq !== side.next++) fail(`event ${frame.event_seq} came where ${side.next - 1} was due`);
        if (frame.event === "message.created") side.hear(frame.data);
      } else if (frame.type === "ready") {
        socket.send(JSON.stringify({ type: "subscribe", chat_id: side.chat.id }));
      } else if (frame.type === "subscribed") {
        side.next = frame.event_seq + 1;
        side.opened();
      } else if (frame.type === "error" || frame.type === "reset") {
        fail(`the server sent ${text}`);
      }
    },
    post(message, side) {
      const body = JSON.stringify({ chat_id: message.chat_id, content: CONTENT + message.id, client_message_id: message.id });
      const path = side.type === "real" ? "/api/messages" : "/api/operator/messages";
      return request(path, body, `authorization: Bearer ${side.token}\r\n`);
    },
  },

  // Engine.IO 4 over a WebSocket: 0 open, 2 ping, 3 pong, 4 message; in it Socket.IO 5: 0 connect,
  // 2 event, 3 answer to an event. https://socket.io/docs/v4/socket-io-protocol/
  "socket.io": {
    path: "/socket.io/?EIO=4&transport=websocket",
    open() {},
    read(socket, side, text) {
      if (text.startsWith("42")) {
        const [name, message] = JSON.parse(text.slice(2));
        if (name === "message") side.hear(message);
      } else if (text === "2") {
        socket.send("3");
      } else if (text.startsWith("0")) {
        socket.send("40");
      } else if (text.startsWith("40")) {
        socket.send(`420${JSON.stringify(["subscribe", side.chat.id])}`);
      } else if (text.startsWith("430")) {
        side.opened();
      } else {
        fail(`the server sent ${text}`);
      }
    },
    post(message, side) {
      const { chat_id, id: client_message_id } = message;
      const body = { chat_id, content: CONTENT + message.id, client_message_id, sender_type: side.type, sender_id: side.id };
      return request("/messages", JSON.stringify(body), "");
    },
  },
};

function request(path, body, headers) {
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n${headers}`;
  return `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

// --- Chats and their sockets ---------------------------------------------------------------------------

let protocol;
let address;
let chats = [];
let sockets = [];

/** One side of a chat and its socket. */
class Side {
  constructor(chat, type, { id, token }) {
    Object.assign(this, { chat, type, id, token, next: 0, seq: 0, opened: null });
  }

  open() {
    return new Promise((resolve) => {
      this.opened = resolve;
      const socket = new WebSocket(`ws://${address.host}${protocol.path}`, { perMessageDeflate: false });
      socket.on("open", () => protocol.open(socket, this));
      socket.on("message", (data) => protocol.read(socket, this, data.toString()));
      socket.on("error", (error) => fail(`a socket failed: ${error.message}`));
      socket.on("close", (code) => fail(`the server closed a socket: ${code}`));
      sockets.push(socket);
    });
  }

  /** A message has arrived: it must be the next of its chat. */
  hear(message) {
    if (this.seq && message.seq !== this.seq + 1) fail(`message ${message.seq} arrived after ${this.seq}`);
    this.seq = message.seq;
    const post = posts.get(message.content.slice(CONTENT.length));
    if (!post) return fail(`a message arrived that nobody has sent, or twice: ${JSON.stringify(message)}`);
    if (post.side !== this) post.arrived = performance.now();
    post.settle();
  }
}

async function open({ protocol: name, url, chats: list, ramp }) {
  protocol = PROTOCOLS[name];
  address = new URL(url);
  chats = list.map(({ id, customer, operator }) => {
    const chat = { id, turn: 0 };
    chat.sides = [new Side(chat, SIDES[0], customer), new Side(chat, SIDES[1], operator)];
    return chat;
  });
  const sides = chats.flatMap((chat) => chat.sides);
  const began = performance.now();
  // `ramp` sockets are being opened at any time.
  let next = 0;
  const opener = async () => {
    while (next < sides.length) await sides[next++].open();
  };
  await Promise.all(Array.from({ length: ramp }, opener));
  return { sockets: sockets.length, seconds: (performance.now() - began) / 1000 };
}

async function close() {
  const closed = sockets.map((socket) => new Promise((resolve) => socket.removeAllListeners("close").on("close", resolve)));
  for (const socket of sockets) socket.close();
  await Promise.all(closed);
  for (const connection of idle) connection.socket.destroy();
  idle.length = sockets.length = chats.length = turn = 0;
  return {};
}

// --- Posts -------------------------------------------------------------------------------------------------

const idle = []; // connections, used in turn: each would be somebody else's
const posts = new Map(); // under way, by id
let turn = 0;
let finished; // what is done with a post that is stored and delivered to both

class Post {
  constructor(chat, side) {
    Object.assign(this, { chat_id: chat.id, side, id: randomUUID(), left: 3, sent: performance.now(), arrived: 0 });
    posts.set(this.id, this);
    const connection = idle.shift() ?? new Connection(address.hostname, Number(address.port));
    connection.send(protocol.post(this, side), (status, body, free) => {
      if (free) idle.push(free);
      if (status !== 201) return fail(`a post was answered with ${status}: ${body}`);
      this.settle();
    });
  }

  /** Stored, and delivered to each side: three times. */
  settle() {
    if (--this.left) return;
    posts.delete(this.id);
    finished(this);
  }
}

/** The chats in turn; in each its customer and its operator in turn. */
function post() {
  const chat = chats[turn++ % chats.length];
  new Post(chat, chat.sides[chat.turn++ % 2]);
}

async function run({ seconds, warm_up: warmUp, in_flight: inFlight, rate }) {
  const times = [];
  let isOver = false;
  const began = performance.now();
  const from = began + warmUp * 1000;
  const until = from + seconds * 1000;
  let beginning = null;

  finished = ({ sent, arrived }) => {
    const now = performance.now();
    // Closed loop: what is finished within the time. Paced: what was sent within it.
    const at = rate ? sent : now;
    if (at >= from && at < until) times.push(arrived - sent);
    if (!rate && !isOver) post();
  };
  setTimeout(() => {
    beginning = process.cpuUsage();
    say({ is: "beginning" });
  }, warmUp * 1000);
  const over = new Promise((resolve) => setTimeout(resolve, (warmUp + seconds) * 1000));

  let pacer;
  if (rate) {
    let count = 0;
    pacer = setInterval(() => {
      const due = ((performance.now() - began) / 1000) * rate;
      for (; count < due && !isOver; count++) post();
    }, 1);
  } else {
    for (let n = 0; n < inFlight; n++) post();
  }
  await over;
  isOver = true;
  clearInterval(pacer);
  const used = process.cpuUsage(beginning);
  const connections = idle.length + posts.size;
  say({ is: "over" });
  const deadline = performance.now() + STALL_MS;
  while (posts.size) {
    if (performance.now() > deadline) fail(`${posts.size} posts were never stored and delivered`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  return {
    posts: times.length,
    posted: turn,
    per_second: times.length / seconds,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    worst_ms: times.at(-1),
    cpu_seconds: (used.user + used.system) / 1e6,
    connections,
  };
}

// --- The parent ----------------------------------------------------------------------------------------------

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** What was measured would mean nothing: say why, and end. */
function fail(error) {
  say({ is: "failed", error });
  process.exit(1);
}

const commands = { open, run, close };
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  say({ is: "done", ...(await commands[command.do](command)) });
}
process.exit(0);

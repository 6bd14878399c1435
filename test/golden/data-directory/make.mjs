// Makes a data directory with an older Parley, and writes down what that Parley says of it. What it made is kept for
// ever: today's Parley has to start on it, say the same, and go on (test/acceptance/old-data-directory.test.ts).
//
//   node test/golden/data-directory/make.mjs OLDER_PARLEY NAME
//
// OLDER_PARLEY: a built check-out of the version. Writes NAME.data.br (the files, compressed together) and NAME.json.br
// (questions with their answers) beside this script.
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { brotliCompressSync, constants } from "node:zlib";
import { WebSocket } from "ws";

const [older, name] = process.argv.slice(2);
if (name === undefined) throw new Error("usage: make.mjs OLDER_PARLEY NAME");

/** The same in every golden data directory; the file is kept with the others. */
const secret = "the secret of every golden data directory";
const dataDir = mkdtempSync(join(tmpdir(), "parley-golden-"));
writeFileSync(join(dataDir, "token.secret"), secret, { mode: 0o600 });

const start = async () => {
  const args = [join(resolve(older), "bin/parley.js"), "serve", "--data", dataDir, "--port", "0", "--json", "--log-level", "warn"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface(child.stdout)) return { child, url: JSON.parse(line).url };
  throw new Error("the server did not start");
};
const stop = async ({ child }) => {
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`the server ended with ${code}`);
};

const base64 = (value) => Buffer.from(value).toString("base64url");
const tokenOf = (sub, device) => {
  const iat = Math.floor(Date.now() / 1000);
  const signed = `${base64('{"alg":"HS256","typ":"JWT"}')}.${base64(JSON.stringify({ sub, device, iat, exp: iat + 3600 }))}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
};

const callerOn = (url) => async (userId, target, body, device = "phone") => {
  const [method, path] = target.split(" ");
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${tokenOf(userId, device)}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
};

const deviceOn = async (url, userId, deviceId = "phone") => {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws?device_type=mobile`, {
    headers: { authorization: `Bearer ${tokenOf(userId, deviceId)}` },
  });
  const waiting = new Map();
  const connected = new Promise((done) =>
    socket.on("message", (text) => {
      const frame = JSON.parse(text);
      if (frame.type === "connected") done();
      waiting.get(frame.id)?.(frame);
    }),
  );
  await connected;
  let asked = 0;
  return {
    ask: (type, payload) =>
      new Promise((done, refused) => {
        const id = `a${++asked}`;
        waiting.set(id, (frame) => {
          waiting.delete(id);
          if (frame.type === "error") refused(new Error(`${type}: ${JSON.stringify(frame.payload)}`));
          else done(frame.payload);
        });
        socket.send(JSON.stringify({ type, id, payload }));
      }),
    close: async () => {
      socket.close();
      await once(socket, "close");
    },
  };
};

/** More than a folded conversation remembers of its messages, and several snapshots. */
const longMessages = 1_100;

const fill = async (url) => {
  const call = callerOn(url);
  const must = async (...args) => {
    const { status, body } = await call(...args);
    if (status >= 400) throw new Error(`${args.join(" ")}: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  const [alice, laptop, bob, carol] = await Promise.all([
    deviceOn(url, "alice"),
    deviceOn(url, "alice", "laptop"),
    deviceOn(url, "bob"),
    deviceOn(url, "carol"),
  ]);
  const devices = { alice, bob, carol };
  const text = (value) => ({ type: "text", text: value });
  const say = (conversationId, who, key, value, more = {}) =>
    devices[who].ask("message.send", { conversationId, clientMessageId: key, content: text(value), ...more });

  await must("alice", "PUT /me", { displayName: "Alice" });
  await must("alice", "PUT /me", { displayName: "Alice Ångström" });
  await must("bob", "PUT /me", { displayName: "Bob 🎈" });
  await must("carol", "PUT /me", { displayName: "Carol", privacy: { readReceipts: false, lastSeen: "nobody" } });
  await must("dave", "PUT /me", { displayName: "Dave" });
  await must("dave", "PUT /me", { displayName: null });
  await laptop.close();
  await must("alice", "DELETE /me/devices/laptop");

  const direct = (await must("alice", "POST /conversations", { type: "direct", participantIds: ["bob"] })).conversationId;
  const sent = [];
  for (let n = 1; n <= 30; n += 1) sent.push(await say(direct, n % 3 === 0 ? "bob" : "alice", `d${n}`, `direct ${n} é 👩‍👩‍👧`));
  const about = (n) => ({ conversationId: direct, messageId: sent[n - 1].messageId });
  await alice.ask("message.edit", { ...about(1), content: text("direct 1, edited") });
  await alice.ask("message.edit", { ...about(1), content: text("direct 1, edited twice") });
  await bob.ask("message.delete", about(3));
  await say(direct, "bob", "reply", "an answer", { replyTo: sent[1].messageId });
  await alice.ask("message.send", {
    conversationId: direct,
    clientMessageId: "place",
    content: { type: "location", latitude: 52.5, longitude: 13.4, label: "here", metadata: { kept: true } },
  });
  await bob.ask("message.send", {
    conversationId: direct,
    clientMessageId: "secret",
    content: { type: "encrypted", ciphertext: "c2VjcmV0", header: { v: 1 } },
  });
  // One emoji in two spellings, one of which was first each time.
  await alice.ask("reaction.add", { ...about(2), emoji: "❤\ufe0f" });
  await bob.ask("reaction.add", { ...about(2), emoji: "❤" });
  await bob.ask("reaction.add", { ...about(4), emoji: "❤" });
  await alice.ask("reaction.add", { ...about(4), emoji: "❤\ufe0f" });
  await alice.ask("reaction.add", { ...about(4), emoji: "👍" });
  await bob.ask("reaction.add", { ...about(5), emoji: ":party:" });
  await bob.ask("reaction.remove", { ...about(5), emoji: ":party:" });
  await bob.ask("message.read", { conversationId: direct, upToSequence: 20 });
  await alice.ask("message.delivered", { conversationId: direct, upToSequence: 30 });
  await must("bob", `PUT /conversations/${direct}/preferences`, { pinned: 1, mutedUntil: 4_102_444_800_000 });

  const private_ = (await must("carol", "POST /conversations", { type: "direct", participantIds: ["alice"] })).conversationId;
  await say(private_, "carol", "p1", "hello Alice");
  await say(private_, "alice", "p2", "hello Carol");
  await carol.ask("message.read", { conversationId: private_, upToSequence: 2 });
  await must("alice", `PUT /conversations/${private_}/preferences`, { archived: true });

  const group = (
    await must("alice", "POST /groups", {
      name: "Friends",
      description: "of the first hour",
      participantIds: ["bob", "carol", "dave"],
      clientRequestId: "friends",
    })
  ).conversationId;
  const members = `/conversations/${group}/members`;
  const said = [];
  const many = async (from, to) => {
    for (let n = from; n <= to; n += 1) said.push(await say(group, ["alice", "bob", "carol"][n % 3], `g${n}`, `group ${n}`));
  };
  await many(1, 400);
  await must("alice", `PATCH /conversations/${group}`, { name: "Old friends" });
  await must("alice", `PATCH ${members}/bob`, { role: "admin" });
  await must("bob", `PATCH /conversations/${group}`, { description: "Everybody who was there 🎉" });
  await must("dave", `DELETE ${members}/dave`);
  await many(401, 800);
  await must("alice", `PATCH /conversations/${group}`, { settings: { historyVisibility: "all", onlyAdminsCanEdit: true } });
  await must("bob", `POST ${members}`, { userIds: ["erin"] });
  await must("alice", `PATCH /conversations/${group}`, { settings: { historyVisibility: "since_join" } });
  await must("bob", `POST ${members}`, { userIds: ["dave"] });
  await must("alice", `DELETE ${members}/erin`);
  await many(801, longMessages);
  const aboutGroup = (n) => ({ conversationId: group, messageId: said[n - 1].messageId });
  await devices[["alice", "bob", "carol"][7 % 3]].ask("message.edit", { ...aboutGroup(7), content: text("group 7, edited late") });
  await alice.ask("message.delete", aboutGroup(8));
  for (const [who, n, emoji] of [
    ["alice", 9, "👍"],
    ["bob", 9, "👍"],
    ["carol", 9, "🎉"],
    ["carol", 1_000, "❤\ufe0f"],
    ["alice", 1_000, "❤"],
  ])
    await devices[who].ask("reaction.add", { ...aboutGroup(n), emoji });
  await bob.ask("reaction.remove", { ...aboutGroup(9), emoji: "👍" });
  for (const [who, upToSequence] of [
    ["alice", longMessages],
    ["bob", 1_050],
    ["carol", 1_020],
  ])
    await devices[who].ask("message.read", { conversationId: group, upToSequence });

  const left = (await must("bob", "POST /groups", { name: "Left behind", participantIds: ["alice", "carol"] })).conversationId;
  await say(left, "bob", "l1", "before");
  await must("bob", `DELETE /conversations/${left}/members/bob`);
  await say(left, "alice", "l2", "after");

  await Promise.all([alice, bob, carol].map((device) => device.close()));
  return { direct, private: private_, group, left, messages: { direct: sent, group: said } };
};

/** What a client would want to know, of everybody. Answers are compared as they are, less what `volatile` names in the test. */
const questionsOf = ({ direct, private: private_, group, left, messages }) => {
  const questions = [];
  const ask = (userId, target, body) => questions.push({ userId, target, ...(body === undefined ? {} : { body }) });
  for (const userId of ["alice", "bob", "carol", "dave", "erin"]) {
    for (const archived of ["any", "true"]) ask(userId, `GET /conversations?archived=${archived}&limit=200`);
    ask(userId, "GET /me");
    for (const id of [direct, private_, group, left]) {
      ask(userId, `GET /conversations/${id}`);
      ask(userId, `GET /conversations/${id}/members`);
      ask(userId, `GET /conversations/${id}/messages?limit=50`);
      ask(userId, `GET /conversations/${id}/messages?after=0&limit=20`);
    }
    for (const other of ["alice", "bob", "carol", "dave"]) ask(userId, `GET /users/${other}`);
    ask(userId, "POST /sync", {});
    ask(userId, "POST /sync", { cursors: { [direct]: -1, [left]: -1, [group]: 1_120 }, only: true, limit: 100 });
  }
  ask("alice", `GET /conversations/${direct}/messages/${messages.direct[0].messageId}/receipts`);
  for (const [userId, n] of [["bob", 1], ["alice", 999], ["bob", 1_000]])
    ask(userId, `GET /conversations/${group}/messages/${messages.group[n - 1].messageId}/receipts`);
  return questions;
};

const packed = (bytes) =>
  brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });

try {
  let server = await start();
  const made = await fill(server.url);
  await stop(server);
  server = await start();
  const call = callerOn(server.url);
  const questions = questionsOf(made);
  // The first calls of a start register devices, which others may see.
  for (const { userId } of questions) await call(userId, "GET /me");
  const asked = [];
  for (const question of questions) asked.push({ ...question, answer: await call(question.userId, question.target, question.body) });
  await stop(server);

  const files = readdirSync(dataDir).filter((file) => file !== "parley.lock").toSorted();
  const bytes = files.map((file) => readFileSync(join(dataDir, file)));
  const index = `${JSON.stringify(files.map((file, at) => [file, bytes[at].length]))}\n`;
  const here = (end) => new URL(`${name}.${end}`, import.meta.url);
  writeFileSync(here("data.br"), packed(Buffer.concat([Buffer.from(index), ...bytes])));
  writeFileSync(here("json.br"), packed(Buffer.from(JSON.stringify({ ...made, asked }))));
  for (const end of ["data.br", "json.br"]) console.log(here(end).pathname, readFileSync(here(end)).length);
  console.log(index);
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}

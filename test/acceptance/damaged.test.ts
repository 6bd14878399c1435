import { rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ShownEvent } from "../../src/operate/inspect/log.js";
import { json, jsonLines, run } from "../cli/run.js";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice, type Payload, type WireDevice } from "../kit/wire.js";

let server: TestServer;
let alice: WireDevice;
let conversationId = "";
let acks: Payload[] = [];
const sendAgain = (number: number) =>
  alice.ask("message.send", { conversationId, clientMessageId: `m${number}`, content: text(`text ${number}`) });

/** Changes the last characters of a message's ciphertext in the log, as a bad disk would, and has the views made anew. */
const damage = (pos: number): void => {
  const log = new Database(join(server.dataDir, "log.db"));
  const where = "where stream = (select id from streams where name = ?) and revision = ?";
  const place = [`conversation-${conversationId}`, pos];
  const { data } = log.prepare(`select data from events ${where}`).get(...place) as { data: string };
  const spoilt = data.replace(/(.{8})"\}/, (_, last: string) => `${last === "AAAAAAAA" ? "BBBBBBBB" : "AAAAAAAA"}"}`);
  expect(spoilt).not.toBe(data);
  log.prepare(`update events set data = ? ${where}`).run(spoilt, ...place);
  log.close();
  for (const end of ["", "-wal", "-shm"]) rmSync(join(server.dataDir, `views.db${end}`), { force: true });
};

beforeAll(async () => {
  server = await startServer();
  alice = await wireDevice(server, "alice", "phone");
  const { body } = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
  conversationId = body.conversationId as string;
  for (const number of [1, 2, 3]) acks = [...acks, (await sendAgain(number)).payload];
  expect(await server.terminate()).toBe(0);
  damage(acks[2]?.pos as number);
  await server.start();
  alice = await wireDevice(server, "alice", "phone");
});
afterAll(() => server.dispose());

it("one message that does not open is shown as gone, and takes nothing with it", async () => {
  const bob = await wireDevice(server, "bob", "phone");
  const { payload } = await bob.ask("sync", { cursors: { [conversationId]: -1 }, only: true, limit: 100 });
  const [entry] = payload.conversations as { changes: { type: string; payload: Payload }[]; state: Payload }[];
  const messages = entry?.changes.filter(({ type }) => type === "message.new").map((frame) => frame.payload);
  expect(messages?.map(({ content }) => content)).toEqual([text("text 1"), text("text 2"), undefined]);
  expect(messages?.[2]).toHaveProperty("deletedAt");
  const history = await bob.rest(`GET /conversations/${conversationId}/messages`);
  expect([history.status, (history.body.messages as Payload[]).map(({ content }) => content)]).toEqual([
    200,
    [text("text 1"), text("text 2"), undefined],
  ]);
  const inbox = await bob.rest("GET /conversations");
  expect([inbox.status, (inbox.body.conversations as unknown[]).length]).toEqual([200, 1]);
});

it("its sender's retry answers the first acceptance, and the next message comes", async () => {
  expect((await sendAgain(3)).payload).toMatchObject({ ...acks[2], duplicate: true });
  expect((await sendAgain(4)).payload).toMatchObject({ sequence: 4 });
});

it("operators are told: a metric, doctor, and the event in the log", async () => {
  const metrics = await (await fetch(`${server.url()}/metrics`)).text();
  expect(Number(/^parley_content_damaged_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
  const where = ["--data", server.dataDir, "--json"];
  const stream = `conversation-${conversationId}`;
  const events = jsonLines(
    await run(["events", "tail", "--open", "--reason", "test", "--stream", stream, ...where]),
  ) as ShownEvent[];
  const sent = events.filter(({ type }) => type === "MessageSent");
  expect(sent.map(({ opened }) => opened)).toEqual([text("text 1"), text("text 2"), undefined, text("text 4")]);
  expect(sent.map(({ damaged }) => damaged !== undefined)).toEqual([false, false, true, false]);
  const doctor = await run(["doctor", ...where]);
  expect([doctor.code, JSON.stringify(json(doctor))]).toEqual([1, expect.stringContaining(String(acks[2]?.messageId))]);
});

/** The views are built again from the log, on a file that cannot be written for a while: both pass by themselves. */
import Database from "better-sqlite3";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { filesOf } from "../../src/profiles/data-directory.js";
import { openSqliteViewsFile } from "../../src/infra/view-store/sqlite/views-file.js";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice } from "../kit/wire.js";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.dispose());

const readyz = async () => {
  const response = await fetch(`${server.url()}/readyz`);
  return { status: response.status, ...((await response.json()) as object) };
};

it("reads are refused until the views hold what the log held at the start, and sending goes on", async () => {
  const before = await wireDevice(server, "alice");
  const peers = Array.from({ length: 20 }, (_, i) => `peer${i}`);
  const ids: unknown[] = [];
  for (const peer of peers) {
    const started = await before.rest("POST /conversations", { type: "direct", participantIds: [peer] });
    ids.push(started.body.conversationId);
  }
  await before.close();
  expect(await server.terminate()).toBe(0);

  const path = filesOf(server.dataDir).views;
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  openSqliteViewsFile(path).close();
  const other = new Database(path);
  other.exec("begin immediate");
  await server.start();

  const alice = await wireDevice(server, "alice");
  for (const path of ["/conversations", `/conversations/${String(ids[0])}`, "/me"])
    expect(await alice.rest(`GET ${path}`)).toMatchObject({
      status: 503,
      body: { error: "UNAVAILABLE", retryAfter: 1 },
    });
  expect(await alice.ask("sync", {})).toMatchObject({ type: "error", payload: { code: "UNAVAILABLE" } });
  expect(await readyz()).toMatchObject({ status: 200, ready: true, problems: { views: expect.any(String) as string } });
  const conversationId = ids[0];
  const sent = await alice.ask("message.send", { conversationId, clientMessageId: "m", content: text("hello") });
  expect(sent.type).toBe("message.ack");
  // A 503 would say that nothing was written, and a repetition would make a second group.
  const group = await alice.rest("POST /groups", { name: "Crowd", participantIds: ["peer0", "peer1"] });
  expect(group).toMatchObject({ status: 201, body: { name: "Crowd", memberCount: 3, myRole: "owner" } });
  const again = await alice.rest("POST /conversations", { type: "direct", participantIds: ["peer0"] });
  expect(again).toMatchObject({ status: 200, body: { conversationId, peerId: "peer0", lastSequence: 1 } });
  const groupPath = `/conversations/${String(group.body.conversationId)}`;
  const renamed = await alice.rest(`PATCH ${groupPath}`, { name: "Few", description: "of us" });
  expect(renamed).toMatchObject({ status: 200, body: { name: "Few", description: "of us" } });

  other.exec("rollback");
  other.close();
  await expect.poll(async () => (await alice.rest("GET /conversations")).status, { timeout: 60_000 }).toBe(200);
  const inbox = await alice.rest("GET /conversations");
  expect(inbox.body.conversations).toHaveLength(21);
  expect((await alice.rest(`GET ${groupPath}`)).body.conversation).toEqual(renamed.body);
  expect((await alice.rest(`GET /conversations/${String(conversationId)}`)).body.conversation).toEqual(again.body);
  expect(await readyz()).toMatchObject({ status: 200, problems: {} });
  await alice.close();
});

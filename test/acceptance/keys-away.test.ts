/** A key store that does not answer, while the log does. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice, type WireDevice } from "../kit/wire.js";

let server: TestServer;
let alice: WireDevice;
beforeAll(async () => {
  server = await startServer();
  alice = await wireDevice(server, "alice", "phone");
});
afterAll(() => server.dispose());

const tableOfKeys = (change: string): void => {
  const db = new Database(join(server.dataDir, "keys.db"));
  db.exec(`alter table ${change}`);
  db.close();
};

it("a change that is in the log is answered without the texts whose key cannot be had, and told once", async () => {
  const named = { name: "Family", description: "All of us", participantIds: ["bob"] };
  const { conversationId } = (await alice.rest("POST /groups", named)).body;
  // A start takes the keys of the newest thousand events into memory: the group's is not to be among them.
  const direct = (await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] })).body;
  const more = Array.from({ length: 1_000 }, (_, index) =>
    alice.ask("message.send", {
      conversationId: direct.conversationId,
      clientMessageId: `m-${index}`,
      content: text("more"),
    }),
  );
  expect((await Promise.all(more)).every(({ type }) => type === "message.ack")).toBe(true);
  expect(await server.terminate()).toBe(0);
  await server.start();
  alice = await wireDevice(server, "alice", "phone");
  tableOfKeys("keys rename to keys_away");
  const patch = (onlyAdminsCanPost: boolean) =>
    alice.rest(`PATCH /conversations/${String(conversationId)}`, { settings: { onlyAdminsCanPost } });
  for (const wanted of [true, false]) {
    const { status, body } = await patch(wanted);
    expect(status).toBe(200);
    expect(body).toMatchObject({ type: "group", settings: { onlyAdminsCanPost: wanted } });
    expect(body).not.toHaveProperty("name");
    expect(body).not.toHaveProperty("description");
  }
  expect(server.said().match(/answered without some of its texts/g)).toHaveLength(1);
  tableOfKeys("keys_away rename to keys");
  expect((await patch(true)).body).toMatchObject({ name: "Family", description: "All of us" });
});

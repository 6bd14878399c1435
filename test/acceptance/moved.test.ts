/** A log goes back to its backup and moves to another directory, and clients that were there before go on. */
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Client, HistoryPage } from "../../client/index.js";
import { json, run } from "../cli/run.js";
import { connectDevice, eventually, text, textsOf } from "../kit/device.js";
import { startServerOn, type TestServer } from "../kit/server.js";

let root: string;
let server: TestServer;
let clients: readonly Client[] = [];
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "parley-moved-"));
  server = await startServerOn(join(root, "first"));
});
afterAll(async () => {
  for (const client of clients) client.close();
  await server.kill();
  rmSync(root, { recursive: true, force: true });
});

const parley = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
  const ran = await run([...args, "--json"]);
  expect([ran.stderr, ran.code]).toEqual(["", 0]);
  return json(ran) as Record<string, unknown>;
};
/** At the address that clients know. */
const serveInstead = async (dir: string): Promise<void> => {
  const { port } = new URL(server.url());
  server = await startServerOn(dir, ["--port", port]);
};
const history = async (client: Client, conversationId: string): Promise<readonly unknown[]> => {
  const page = (await client.call("GET", `/conversations/${conversationId}/messages?limit=200&after=0`)) as HistoryPage;
  return page.messages.map(({ content }) => (content?.type === "text" ? content.text : content));
};

it("clients drop what a restored log lacks, and go on in it and in the one that it becomes", async () => {
  const [first, second, third] = ["first", "second", "third"].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  const [alice, bob] = await Promise.all(["alice", "bob"].map((user) => connectDevice(server, user, "phone")));
  if (alice === undefined || bob === undefined) throw new Error("nobody is there");
  clients = [alice, bob];
  const { conversationId } = await alice.createDirect("bob");
  const send = (from: Client, value: string) => from.send(conversationId, text(value)).accepted;
  const kept = ["one", "two", "three"];
  for (const value of kept) await send(alice, value);
  const [backup, keys] = [join(root, "backup"), join(root, "backup-keys")];
  await parley("backup", "create", backup, "--keys-to", keys, "--data", first);
  for (const value of ["lost", "lost too"]) await send(bob, value);
  await eventually(() => textsOf(alice, conversationId).includes("lost too"), "alice has what will be lost");
  await server.kill();

  const restored = await parley("backup", "restore", backup, "--keys", keys, "--data", second, "--old", first);
  expect(restored).toMatchObject({ withoutKeys: false, missing: { events: expect.any(Number) as number } });
  expect((restored.missing as { events: number }).events).toBeGreaterThanOrEqual(2);
  await serveInstead(second);
  await eventually(() => clients.every((client) => !textsOf(client, conversationId).includes("lost too")), "dropped");
  expect(await history(bob, conversationId)).toEqual(kept);
  await send(alice, "after the restore");
  await eventually(() => textsOf(bob, conversationId).includes("after the restore"), "bob hears alice");
  await send(bob, "so it is");
  await eventually(() => textsOf(alice, conversationId).includes("so it is"), "alice hears bob");

  expect(await server.terminate()).toBe(0);
  const file = join(root, "log.ndjson.gz");
  const exported = await parley("events", "export", "--data", second, "--output", file);
  for (const name of ["keys.db", "master.key", "token.secret"].filter((each) => existsSync(join(second, each))))
    cpSync(join(second, name), join(third, name));
  const imported = await parley("events", "import", file, "--data", third);
  expect(imported).toMatchObject({ events: exported.events, sha256: exported.sha256, withoutKey: 0 });
  await serveInstead(third);
  await send(alice, "after the move");
  // What came before its sync was answered the client has dropped with the rest, and an application pages it.
  await eventually(
    async () => (await history(bob, conversationId)).includes("after the move"),
    "bob hears alice again",
  );
  await send(bob, "and on");
  await eventually(() => textsOf(alice, conversationId).includes("and on"), "alice hears bob again");
  expect(await history(alice, conversationId)).toEqual([
    ...kept,
    "after the restore",
    "so it is",
    "after the move",
    "and on",
  ]);
});

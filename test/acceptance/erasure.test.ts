import { createPublicKey, verify } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Diagnosis } from "../../src/operate/doctor/doctor.js";
import { openStoredKeys } from "../../src/operate/keys/open.js";
import { json, jsonLines, run, type Ran } from "../cli/run.js";
import { startServer, startServerOn, type TestServer } from "../kit/server.js";
import { caller, text, wireDevice, type WireDevice } from "../kit/wire.js";

const secret = "the walrus keeps its oysters";
const name = "Alexandra Quetzalcoatl";

type Certified = {
  readonly keysDestroyed: number;
  readonly sealed: unknown;
  readonly certificate: { readonly statement: string; readonly publicKey: string; readonly signature: string };
};

describe("a user who is erased", () => {
  const work = mkdtempSync(join(tmpdir(), "parley-erase-"));
  const backup = join(work, "backup");
  const yesterday = join(work, "yesterday");
  let server: TestServer;
  let alice: WireDevice;
  let bob: WireDevice;
  /** Of bob, and of somebody whom alice never met. */
  let tablet: WireDevice;
  let stranger: WireDevice;
  /** What bob's tablet had when it went. */
  let tabletsToken = "";
  let conversationId = "";
  /** As they lie in the file, wrapped, and as they are. */
  let keyBytes: readonly Buffer[] = [];
  let erased: Certified;

  const parley = (args: readonly string[], dir = server.dataDir): Promise<Ran> =>
    run([...args, "--data", dir, "--json"]);
  /** What a doctor says of the erasures of a directory. */
  const erasuresBy = async (dir: string) =>
    (json(await parley(["doctor"], dir)) as Diagnosis).checks.find((check) => check.name === "erasures");
  const copyTo = (dir: string): void => {
    cpSync(server.dataDir, dir, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  };
  const keysOf = async (dir: string): Promise<readonly Buffer[]> => {
    const db = new Database(join(dir, "keys.db"), { readonly: true });
    const wrapped = db.prepare("select key from keys where id like 'alice/%'").pluck().all() as Buffer[];
    db.close();
    const stored = await openStoredKeys({ profile: "embedded", dir }, "read");
    const keys: Buffer[] = [];
    for await (const page of stored.pages())
      for (const { id, key } of page) if (id.startsWith("alice/")) keys.push(key);
    await stored.close();
    return [...wrapped, ...keys];
  };
  const filesWith = (dir: string, bytes: Buffer): readonly string[] =>
    readdirSync(dir, { recursive: true, encoding: "utf8" })
      .map((file) => join(dir, file))
      .filter((file) => statSync(file).isFile() && readFileSync(file).includes(bytes));
  const messagesOf = async (device: Pick<WireDevice, "rest">) => {
    const { body } = await device.rest(`GET /conversations/${conversationId}/messages`);
    return body.messages as readonly Readonly<Record<string, unknown>>[];
  };

  beforeAll(async () => {
    server = await startServer();
    alice = await wireDevice(server, "alice");
    bob = await wireDevice(server, "bob");
    await alice.rest("PUT /me", { displayName: name });
    const { body } = await alice.rest("POST /groups", { name: "Walrus friends", participantIds: ["bob"] });
    conversationId = String(body.conversationId);
    const sent = await alice.ask("message.send", { conversationId, clientMessageId: "m1", content: text(secret) });
    const { messageId } = sent.payload;
    await alice.ask("message.edit", { conversationId, messageId, content: text(`${secret} still`) });
    const answer = { conversationId, clientMessageId: "b1", content: text("so they say"), replyTo: messageId };
    const { payload: theirs } = await bob.ask("message.send", answer);
    await alice.ask("reaction.add", { conversationId, messageId: theirs.messageId, emoji: "🦭" });
    [tablet, stranger] = [await wireDevice(server, "bob", "tablet"), await wireDevice(server, "walter")];
    tabletsToken = String((await tablet.ask("sync", {})).payload.token);
    await tablet.close();
    expect((await messagesOf(bob))[0]).toMatchObject({ content: text(`${secret} still`) });
    copyTo(backup);
    copyTo(yesterday);
    keyBytes = await keysOf(backup);
    // The generation of before is kept beside the one that is read.
    const rebuilt = await parley(["projections", "rebuild", "all"]);
    expect(rebuilt.code, rebuilt.stderr).toBe(0);
  });
  afterAll(async () => {
    await server.dispose();
    rmSync(work, { recursive: true });
  });

  it("is counted by a dry run, which changes nothing, and nobody is erased by a name that is misspelt", async () => {
    const before = await parley(["events", "stats"]);
    const dry = await parley(["user", "erase", "alice", "--dry-run"]);
    expect(dry).toMatchObject({ code: 0, stderr: "" });
    expect(json(dry)).toMatchObject({ user: "alice", sealed: { content: 2, displayName: 1, emoji: 1 }, plain: {} });
    expect((await parley(["user", "erase", "alise", "--reason", "r"])).stderr).toContain("alise was ever seen");
    expect((await parley(["user", "erase", "alice"])).code).toBe(2);
    expect((await parley(["events", "stats"])).stdout).toBe(before.stdout);
    expect((await alice.rest("GET /me")).body).toMatchObject({ displayName: name });
  });

  it("loses keys, sessions and name while the server runs, and others' conversations read well", async () => {
    const ran = await parley(["user", "erase", "alice", "--reason", "Art. 17, ticket 12"]);
    expect(ran.code, ran.stderr).toBe(0);
    erased = json(ran) as Certified;
    expect(erased).toMatchObject({ keysDestroyed: 2, sealed: { content: 2, displayName: 1, emoji: 1 } });
    expect((await alice.closed).code).toBe(4401);
    expect(alice.frames).toContainEqual(expect.objectContaining({ type: "user.erased" }));
    expect((await alice.rest("GET /me")).body).toMatchObject({ error: "UNAUTHORIZED", details: [{ field: "userId" }] });
    expect((await (await caller(server, "alice", "another")).rest("GET /me")).status).toBe(401);
    expect((await bob.rest("GET /users/alice")).status).toBe(404);
    const [first, second] = await messagesOf(bob);
    expect(first).toMatchObject({ senderId: "alice", erased: true, deletedAt: expect.any(Number) as number });
    expect(first).not.toHaveProperty("content");
    expect(second).toMatchObject({ content: text("so they say") });
    expect(JSON.stringify(second)).not.toContain("🦭");
    const { body } = await bob.rest(`GET /conversations/${conversationId}`);
    expect(body).toMatchObject({ conversation: { name: "Walrus friends" } });
    const { payload } = await bob.ask("sync", { cursors: { [conversationId]: -1 }, only: true });
    expect(JSON.stringify(payload)).not.toContain("walrus");
    expect(JSON.stringify(payload)).toContain("so they say");
  });

  it("is to be forgotten by whoever met them: by a frame, or by the next sync, and strangers hear nothing", async () => {
    const erasedIn = async (device: WireDevice, request: object): Promise<unknown> =>
      (await device.ask("sync", request)).payload.erased;
    const { payload } = await bob.frame("user.erased");
    expect(payload).toEqual({ userId: "alice", timestamp: expect.any(Number) as number });
    const back = await wireDevice(server, "bob", "tablet");
    expect(await erasedIn(back, { token: tabletsToken })).toEqual(["alice"]);
    expect(await erasedIn(back, { cursors: { [conversationId]: 1 } })).toEqual(["alice"]);
    expect(await erasedIn(back, {})).toBeUndefined();
    await back.close();
    expect(await erasedIn(stranger, { cursors: { [conversationId]: 1 } })).toBeUndefined();
    expect(stranger.frames.map(({ type }) => type)).not.toContain("user.erased");
  });

  it("is certified by a signature over the exact text", () => {
    const { statement, publicKey, signature } = erased.certificate;
    const key = createPublicKey({ key: Buffer.from(publicKey, "base64"), format: "der", type: "spki" });
    expect(verify(null, Buffer.from(statement), key, Buffer.from(signature, "base64"))).toBe(true);
    expect(JSON.parse(statement)).toMatchObject({ user: "alice", reason: "Art. 17, ticket 12", plainTextsLeft: {} });
  });

  it("is nowhere in the data directory, neither by words nor by keys, running or stopped", async () => {
    const looked = [Buffer.from(secret), Buffer.from(name), ...keyBytes];
    expect(looked.length).toBeGreaterThan(5);
    const names = readdirSync(server.dataDir);
    expect(names).toContain("tree.db");
    expect(names.filter((file) => /^views.*\.db$/.test(file)).length).toBeGreaterThan(1);
    // What is looked for would be found.
    expect(keyBytes.slice(0, 2).map((bytes) => filesWith(backup, bytes).length > 0)).toEqual([true, true]);
    for (const bytes of looked) expect(filesWith(server.dataDir, bytes)).toEqual([]);
    await server.kill();
    for (const bytes of looked) expect(filesWith(server.dataDir, bytes)).toEqual([]);
    await server.start();
    expect(server.said()).not.toContain("missing");
    expect((await (await caller(server, "bob")).rest("GET /users/alice")).status).toBe(404);
  });

  it("is erased once: again it writes nothing", async () => {
    const head = async () => jsonLines(await parley(["events", "tail", "--stream", "user-alice"])).length;
    const before = await head();
    const again = await parley(["user", "erase", "alice", "--reason", "again"]);
    expect(again.code, again.stderr).toBe(0);
    expect(await head()).toBe(before);
  });

  it("does not come back with yesterday's backup: the ledger is applied before anything is served", async () => {
    cpSync(join(server.dataDir, "erasures.ndjson"), join(backup, "erasures.ndjson"));
    expect((await keysOf(backup)).length).toBeGreaterThan(0);
    const restored = await startServerOn(backup);
    try {
      expect((await (await caller(restored, "alice")).rest("GET /me")).status).toBe(401);
      expect(await keysOf(backup)).toEqual([]);
      const [first] = await messagesOf(await caller(restored, "bob"));
      expect(first).not.toHaveProperty("content");
    } finally {
      await restored.kill();
    }
    for (const bytes of keyBytes) expect(filesWith(backup, bytes)).toEqual([]);
  });

  it("does not come back with an older keys.db either, where the ledger is lost: the log is proof enough", async () => {
    const lost = join(work, "lost");
    await server.terminate();
    copyTo(lost);
    await server.start();
    for (const file of readdirSync(lost)) if (/^(keys\.db|erasures)/.test(file)) rmSync(join(lost, file));
    for (const file of readdirSync(yesterday))
      if (file.startsWith("keys.db")) cpSync(join(yesterday, file), join(lost, file));
    expect((await keysOf(lost)).length).toBeGreaterThan(0);
    expect(await erasuresBy(lost)).toMatchObject({
      state: "wrong",
      says: expect.stringContaining("(alice)") as string,
    });
    const restored = await startServerOn(lost);
    await expect.poll(() => restored.said()).toContain("keys.db is of before");
    expect(await keysOf(lost)).toEqual([]);
    await restored.terminate();
    expect(readFileSync(join(lost, "erasures.ndjson"), "utf8")).toContain('{"done":"alice"');
    for (const bytes of keyBytes) expect(filesWith(lost, bytes)).toEqual([]);
    expect(await erasuresBy(lost)).toMatchObject({ state: "ok" });
    const ledger = join(lost, "erasures.ndjson");
    const [begun = ""] = readFileSync(ledger, "utf8")
      .split("\n")
      .filter((line) => line.includes('"begun":"alice"'));
    writeFileSync(ledger, `${begun}\n`);
    expect(await erasuresBy(lost)).toMatchObject({ state: "warning", says: "1 erasure begun, not certified yet" });
    writeFileSync(ledger, "spoilt\n");
    expect(await erasuresBy(lost)).toMatchObject({ state: "wrong", says: expect.stringContaining("line 1") as string });
    rmSync(ledger);
    expect(await erasuresBy(lost)).toMatchObject({ state: "warning", says: expect.stringContaining(ledger) as string });
  });

  it("is erased with the server stopped, and a start goes on where a crash ended an erasure", async () => {
    const device = await wireDevice(server, "carol");
    await device.rest("PUT /me", { displayName: "Carolina Ocelot" });
    const dave = await wireDevice(server, "dave");
    await dave.rest("PUT /me", { displayName: "David Ocelot" });
    await server.terminate();
    const ran = await parley(["user", "erase", "carol", "--reason", "r"]);
    expect(ran.code, ran.stderr).toBe(0);
    const begun = { begun: "dave", at: 1, by: { kind: "operator" }, reason: "r" };
    // A line that was cut short, as by a crash, and one that is whole.
    appendFileSync(join(server.dataDir, "erasures.ndjson"), `\n{"begun":"bo\n${JSON.stringify(begun)}\n`);
    await server.start();
    for (const userId of ["carol", "dave"])
      expect((await (await caller(server, userId)).rest("GET /me")).status, userId).toBe(401);
    const ledger = readFileSync(join(server.dataDir, "erasures.ndjson"), "utf8");
    expect(ledger).toContain('{"done":"dave"');
    expect((await (await caller(server, "bob")).rest("GET /me")).status).toBe(200);
  });
});

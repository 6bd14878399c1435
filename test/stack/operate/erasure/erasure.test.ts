/** Users are erased on the engines while people chat: by the command itself, killed, twice at once, and after restores. */
import { spawn } from "node:child_process";
import { createPublicKey, randomBytes, verify } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openMongo, type Mongo } from "../../../../src/infra/engines/mongodb/connection.js";
import { storedMongoKeys } from "../../../../src/infra/key-store/mongodb/stored-keys.js";
import { json, jsonLines, run, type Ran } from "../../../cli/run.js";
import { clusterEngines, startCluster, type Cluster } from "../../../kit/cluster.js";
import { eventually } from "../../../kit/device.js";
import { mayStartServers, startOwnServers, type OwnServers } from "../../../kit/own-servers.js";
import { caller, text, wireDevice, type WireDevice } from "../../../kit/wire.js";

const secret = "the walrus keeps its oysters";
const name = "Alexandra Quetzalcoatl";
const parley = fileURLToPath(new URL("../../../../dist/src/cli/parley.js", import.meta.url));
const masterKey = randomBytes(32);

type Certificate = { readonly statement: string; readonly publicKey: string; readonly signature: string };
type Erased = {
  readonly keysDestroyed: number;
  readonly certificate: Certificate;
  readonly told: {
    readonly forgotten: readonly string[];
    readonly silent: readonly string[];
    readonly problems: readonly string[];
  };
};
type Documents = ReadonlyMap<string, readonly Record<string, unknown>[]>;

describe.skipIf(!clusterEngines() || !mayStartServers)("a user who is erased on the engines", () => {
  let work: string;
  let own: OwnServers;
  let cluster: Cluster;
  let environment: Readonly<Record<string, string>> & { readonly PARLEY_MONGODB_DATABASE: string };
  let mongo: Mongo;
  let alice: WireDevice;
  let bob: WireDevice;
  let conversationId = "";
  /** As they were before anybody was erased. */
  let older: Documents;
  let keys: readonly Buffer[] = [];

  const at = (file: string): string => join(work, file);
  const cli = (...args: readonly string[]): Promise<Ran> => run([...args, "--json"], environment);
  const erase = async (userId: string): Promise<Erased> => {
    const ran = await cli("user", "erase", userId, "--reason", "Art. 17");
    expect(ran.code, ran.stderr).toBe(0);
    return json(ran) as Erased;
  };
  const stated = ({ certificate }: Pick<Erased, "certificate">) =>
    JSON.parse(certificate.statement) as { readonly keysDestroyed: readonly string[] };
  const keyIdsOf = async (userId: string): Promise<readonly string[]> => {
    const found = await mongo.db
      .collection<{ _id: string }>("keys")
      .find({ _id: { $gt: `${userId}/`, $lt: `${userId}0` } })
      .toArray();
    return found.map(({ _id }) => _id).toSorted();
  };
  const ledgerOf = (db: Mongo["db"]) => db.client.db(`${db.databaseName}-erasures`);
  /** What a reader of that gateway is shown. */
  const shownAt = async (gateway: number): Promise<string> => {
    const reader = await caller(cluster.door(gateway), "bob");
    const { text: history } = await reader.rest(`GET /conversations/${conversationId}/messages`);
    const { text: person } = await reader.rest("GET /users/alice");
    return history + person;
  };
  const writes = async (userId: string, said: string) => {
    const device = await wireDevice(cluster.door(0), userId);
    await device.rest("PUT /me", { displayName: `Name of ${userId}` });
    const { body } = await device.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
    const direct = String(body.conversationId);
    await device.ask("message.send", { conversationId: direct, clientMessageId: "1", content: text(said) });
    return { device, direct };
  };
  const documentsOf = async (db: Mongo["db"]): Promise<Documents> => {
    const all = new Map<string, readonly Record<string, unknown>[]>();
    for (const { name: collection } of await db.listCollections({}, { nameOnly: true }).toArray())
      all.set(collection, await db.collection(collection).find({}).toArray());
    return all;
  };
  /** An older dump of Parley's database takes the place of what is there. */
  const restoreDocuments = async (): Promise<void> => {
    for (const { name: collection } of await mongo.db.listCollections({}, { nameOnly: true }).toArray())
      await mongo.db.collection(collection).deleteMany({});
    for (const [collection, documents] of older)
      if (documents.length > 0)
        await mongo.db.collection(collection).insertMany(documents.map((each) => ({ ...each })));
    expect(await keyIdsOf("alice")).toHaveLength(2);
  };
  const killAll = (): Promise<unknown> => Promise.all(cluster.processes.map((each) => each.kill()));
  const startAll = (): Promise<unknown> => Promise.all(cluster.processes.map((each) => each.start()));
  const filesWith = (dir: string, bytes: Buffer): readonly string[] =>
    readdirSync(dir, { recursive: true, encoding: "utf8" })
      .map((file) => join(dir, file))
      .filter(
        (file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true && readFileSync(file).includes(bytes),
      );
  const engineFiles = (): string => own.env.PARLEY_SERVERS_DIR ?? "";

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "parley-erase-"));
    own = await startOwnServers("redis", "nats", "mongodb", "eventstore");
    environment = {
      ...own.env,
      ...{ PARLEY_PROFILE: "distributed", PARLEY_CELL: "erasing", PARLEY_MONGODB_DATABASE: "erasing" },
      PARLEY_MASTER_KEY: masterKey.toString("base64"),
      PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64url"),
      PARLEY_PASSPHRASE: "correct horse battery staple",
      ...{ PARLEY_TREE_HEAD_EVENTS: "1", PARLEY_TREE_WITNESS_FILE: at("heads.ndjson") },
    };
    cluster = await startCluster({ gateways: 2, projectors: 1, environment });
    mongo = await openMongo({
      url: environment.PARLEY_MONGODB_URL ?? "",
      database: environment.PARLEY_MONGODB_DATABASE,
    });
    alice = await wireDevice(cluster.door(0), "alice");
    bob = await wireDevice(cluster.door(1), "bob");
    await alice.rest("PUT /me", { displayName: name });
    const { body } = await alice.rest("POST /groups", { name: "Walrus friends", participantIds: ["bob"] });
    conversationId = String(body.conversationId);
    const { payload } = await alice.ask("message.send", {
      conversationId,
      clientMessageId: "a",
      content: text(secret),
    });
    const reply = { conversationId, clientMessageId: "b", content: text("so they say"), replyTo: payload.messageId };
    const { payload: theirs } = await bob.ask("message.send", reply);
    await alice.ask("reaction.add", { conversationId, messageId: theirs.messageId, emoji: "🦭" });
    for (const gateway of [0, 1])
      await eventually(async () => /walrus.*🦭.*Quetzalcoatl/s.test(await shownAt(gateway)), "everything is shown");
    older = await documentsOf(mongo.db);
    for await (const page of storedMongoKeys(mongo.db, [masterKey]).pages())
      keys = [...keys, ...page.filter(({ id }) => id.startsWith("alice/")).map(({ key }) => key)];
    for (const args of [
      ["backup", "create", at("backup")],
      ["keys", "export", "--output", at("keys"), "--reason", "r"],
    ]) {
      const ran = await cli(...args);
      expect(ran.code, ran.stderr).toBe(0);
    }
    await own.kill("eventstore");
    cpSync(join(engineFiles(), "eventstore"), at("eventstore"), { recursive: true });
    await own.startAgain("eventstore");
  });
  afterAll(async () => {
    await mongo.close();
    await cluster.dispose();
    await own.stop();
    rmSync(work, { recursive: true });
  });

  test("is gone at every gateway when the command ends, with a certificate; others' conversations read well, and every head of before verifies", async () => {
    await eventually(() => jsonLinesOf(at("heads.ndjson")) > 0, "a head is told to the witness");
    expect((await cli("audit", "head", "--public-key", at("key.pem"))).code).toBe(0);
    cpSync(at("heads.ndjson"), at("before.ndjson"));
    const dry = await cli("user", "erase", "alice", "--dry-run");
    expect(json(dry)).toMatchObject({ user: "alice", sealed: { content: 1, displayName: 1, emoji: 1 }, plain: {} });
    const destroyed = await keyIdsOf("alice");

    const erased = await erase("alice");
    // One that stands still while it is asked does not say so in time; run again, the command asks again.
    await expect.poll(async () => (await erase("alice")).told.forgotten).toHaveLength(3);
    for (const gateway of [0, 1]) {
      const shown = await shownAt(gateway);
      expect(shown).not.toMatch(/walrus keeps|🦭|Quetzalcoatl/);
      expect(shown).toMatch(/so they say/);
    }
    expect(stated(erased)).toMatchObject({
      user: "alice",
      reason: "Art. 17",
      plainTextsLeft: {},
      keysDestroyed: destroyed,
    });
    const { statement, publicKey, signature } = erased.certificate;
    const key = createPublicKey({ key: Buffer.from(publicKey, "base64"), format: "der", type: "spki" });
    expect(verify(null, Buffer.from(statement), key, Buffer.from(signature, "base64"))).toBe(true);
    expect(key.export({ type: "spki", format: "pem" })).toBe(readFileSync(at("key.pem"), "utf8"));
    expect((await alice.closed).code).toBe(4401);
    for (const gateway of [0, 1])
      expect((await (await caller(cluster.door(gateway), "alice", "another")).rest("GET /me")).status).toBe(401);

    const verified = await cli("audit", "verify", "--public-key", at("key.pem"), "--witness", at("before.ndjson"));
    expect([verified.code, verified.stderr]).toEqual([0, ""]);
    expect(json(verified)).toMatchObject({ ok: true });
    expect(await keyIdsOf("alice")).toEqual([]);
    expect((await erase("alice")).certificate).toEqual(erased.certificate);
  });

  test("is nowhere in the engines' files, neither by words nor by keys", () => {
    // What is looked for would be found: who answered is there by name.
    expect(filesWith(engineFiles(), Buffer.from("UserErased")).length).toBeGreaterThan(0);
    expect(keys).toHaveLength(2);
    for (const bytes of [Buffer.from(secret), Buffer.from(name), ...keys])
      expect(filesWith(engineFiles(), bytes)).toEqual([]);
  });

  test("has one certificate though two operators erase at once", async () => {
    await writes("carol", "an ocelot");
    const destroyed = await keyIdsOf("carol");
    const both = await Promise.all([erase("carol"), erase("carol")]);
    expect(both[0].certificate).toEqual(both[1].certificate);
    expect(stated(both[0])).toMatchObject({ keysDestroyed: destroyed });
    const events = jsonLines(await cli("events", "tail", "--stream", "user-carol", "--type", "UserErased"));
    expect(events).toHaveLength(1);
  });

  test("is erased in the end though the command is killed, wherever it was", async () => {
    const ledger = ledgerOf(mongo.db).collection<{ _id: string }>("erasures");
    for (const userId of ["dave0", "dave1"]) {
      await writes(userId, "an ocelot");
      const destroyed = await keyIdsOf(userId);
      const args = ["user", "erase", userId, "--reason", "r"];
      const env = { PATH: process.env.PATH, ...environment };
      const command = spawn(process.execPath, [parley, ...args], { env, stdio: "ignore" });
      const ended = new Promise((resolve) => command.once("exit", resolve));
      await eventually(async () => (await ledger.countDocuments({ _id: userId })) > 0, "it has begun", 60_000);
      command.kill("SIGKILL");
      await ended;
      expect(stated(await erase(userId))).toMatchObject({ user: userId, keysDestroyed: destroyed });
      expect(await keyIdsOf(userId)).toEqual([]);
    }
  });

  test("is not erased while MongoDB is away, which the command says, nor while a hold is set", async () => {
    await writes("erin", "an ocelot");
    await cli("hold", "set", "--case", "17", "--user", "erin", "--reason", "court");
    const held = await cli("user", "erase", "erin", "--reason", "r");
    expect([held.code, held.stderr]).toEqual([1, expect.stringContaining("is held by 17")]);
    await cli("hold", "release", "--case", "17", "--reason", "over");
    await own.kill("mongodb");
    const away = await cli("user", "erase", "erin", "--reason", "r");
    expect([away.code, away.stderr]).toEqual([1, expect.stringContaining("PARLEY_MONGODB_URL")]);
    await own.startAgain("mongodb");
    expect(await keyIdsOf("erin")).toHaveLength(2);
    expect(stated(await erase("erin")).keysDestroyed).toHaveLength(2);
  });

  test("is erased while NATS is away, and who did not hear it looks again when NATS is back", async () => {
    const { device: frank, direct } = await writes("frank", "a pangolin");
    const saidAt = async (gateway: number) =>
      (await (await caller(cluster.door(gateway), "bob")).rest(`GET /conversations/${direct}/messages`)).text;
    for (const gateway of [0, 1])
      await eventually(async () => (await saidAt(gateway)).includes("pangolin"), "bob sees what frank wrote");
    await own.kill("nats");
    const { told } = await erase("frank");
    expect([told.forgotten, told.problems]).toEqual([
      [],
      expect.arrayContaining([expect.stringContaining("PARLEY_NATS_URL")]),
    ]);
    await own.startAgain("nats");
    for (const gateway of [0, 1])
      await eventually(async () => !(await saidAt(gateway)).includes("pangolin"), "nobody sees it any more", 60_000);
    expect((await frank.closed).code).toBe(4401);
  });

  test("does not come back with an older copy of Parley's database, though the ledger is lost", async () => {
    await killAll();
    await restoreDocuments();
    await ledgerOf(mongo.db).dropDatabase();
    await startAll();
    for (const gateway of [0, 1]) expect(await shownAt(gateway)).not.toMatch(/walrus keeps|🦭|Quetzalcoatl/);
    expect(await shownAt(1)).toMatch(/so they say/);
    expect(await keyIdsOf("alice")).toEqual([]);
    // The log has told the ledger again; the command has what was lost certified anew.
    expect(stated(await erase("alice")).keysDestroyed).toHaveLength(2);
  });

  test("does not come back with older engines: the ledger is applied before anything is served", async () => {
    await killAll();
    await own.kill("eventstore");
    rmSync(join(engineFiles(), "eventstore"), { recursive: true });
    cpSync(at("eventstore"), join(engineFiles(), "eventstore"), { recursive: true });
    await own.startAgain("eventstore");
    await restoreDocuments();
    await startAll();
    expect(await keyIdsOf("alice")).toEqual([]);
    expect((await (await caller(cluster.door(1), "alice")).rest("GET /me")).status).toBe(401);
    expect(await shownAt(0)).not.toMatch(/walrus keeps|🦭|Quetzalcoatl/);
    expect(cluster.processes.some((each) => each.said().includes("erased again"))).toBe(true);
    const strange = {
      ...environment,
      PARLEY_ERASURE_LEDGER: environment.PARLEY_MONGODB_URL?.replace("/?", "/strange?"),
    };
    await mongo.db.client
      .db("strange")
      .collection<{ _id: string }>("logs")
      .insertOne({ _id: "log", epochs: ["other"] } as { _id: string });
    const other = await run(["user", "erase", "bob", "--reason", "r"], strange);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("strange is of another log")]);
  });

  test("does not come back with keys that are imported, nor with a backup of them", async () => {
    const imported = json(await cli("keys", "import", at("keys")));
    expect(imported).toMatchObject({ added: 0, erased: 2 });
    await killAll();
    await mongo.db.collection("keys").deleteMany({});
    // Beside processes that were killed just now, whose leases have not ended.
    const restore = async (): Promise<unknown> => {
      const ran = await cli("backup", "restore", at("backup"), "--reason", "a disk died");
      return ran.code === 0 ? json(ran) : ran.stderr;
    };
    await expect.poll(restore).toMatchObject({ leftOut: 2 });
    expect(await keyIdsOf("alice")).toEqual([]);
    expect((await keyIdsOf("bob")).length).toBeGreaterThan(0);
  });
});

const jsonLinesOf = (path: string): number => {
  try {
    return readFileSync(path, "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
};

/** A log moves from a directory to the engines and back, and the engines are restored, by the commands themselves. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Client, HistoryPage } from "../../../../client/index.js";
import { openMongo } from "../../../../src/infra/engines/mongodb/connection.js";
import { json, run } from "../../../cli/run.js";
import { clusterEngines, startCluster, type Cluster } from "../../../kit/cluster.js";
import { connectDevice, eventually, text, textsOf } from "../../../kit/device.js";
import { mayStartServers, newCellOn, startOwnServers, type OwnServers } from "../../../kit/own-servers.js";
import { startServerOn } from "../../../kit/server.js";

const hasEngines = clusterEngines() && mayStartServers;

let root: string;
let own: OwnServers;
let cell: string;
let environment: Readonly<Record<string, string>>;
const clusters: Cluster[] = [];
beforeAll(async () => {
  if (!hasEngines) return;
  root = mkdtempSync(join(tmpdir(), "parley-moving-"));
  own = await startOwnServers("eventstore");
  const made = newCellOn(own);
  environment = made;
  cell = made.PARLEY_CELL;
});
afterAll(async () => {
  if (!hasEngines) return;
  for (const cluster of clusters) await cluster.dispose();
  await own.stop();
  rmSync(root, { recursive: true, force: true });
});

const passphrase = { PARLEY_PASSPHRASE: "correct horse battery staple" };
const at = (name: string): string => join(root, name);
const ranOnEngines = (args: readonly string[]) => {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith("PARLEY_"));
  return run([...args, "--profile", "distributed", "--json"], {
    ...Object.fromEntries(given),
    ...environment,
    ...passphrase,
  });
};
const onEngines = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
  const ran = await ranOnEngines(args);
  expect([ran.stderr, ran.code]).toEqual(["", 0]);
  return json(ran) as Record<string, unknown>;
};
const onDirectory = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
  // The server of the directory has what the run's environment gives it.
  const { PARLEY_MASTER_KEY: masterKey = "" } = process.env;
  const ran = await run([...args, "--json"], { ...passphrase, PARLEY_MASTER_KEY: masterKey });
  expect([ran.stderr, ran.code]).toEqual(["", 0]);
  return json(ran) as Record<string, unknown>;
};
const start = async (): Promise<Cluster> => {
  const cluster = await startCluster({ gateways: 1, projectors: 1, environment });
  clusters.push(cluster);
  return cluster;
};
const kill = (cluster: Cluster) => Promise.all(cluster.processes.map((each) => each.kill()));
/** Beside the processes that were killed just now, whose leases have not ended. */
const onceStopped = (...args: readonly string[]) =>
  expect
    .poll(async () => {
      const ran = await ranOnEngines(args);
      return ran.code === 0 ? (json(ran) as Record<string, unknown>) : ran.stderr;
    })
    .toBeTypeOf("object");
const historyOf = async (client: Client, conversationId: string): Promise<readonly unknown[]> => {
  const page = (await client.call("GET", `/conversations/${conversationId}/messages?limit=200&after=0`)) as HistoryPage;
  return page.messages.map(({ content }) => (content?.type === "text" ? content.text : null));
};

test.skipIf(!hasEngines)("a log that goes to the engines and comes back is the same, and is served there", async () => {
  const server = await startServerOn(at("embedded"), ["--cell", cell]);
  const [alice, bob] = await Promise.all(["alice", "bob"].map((user) => connectDevice(server, user, "phone")));
  const { conversationId } = (await alice?.createDirect("bob")) ?? { conversationId: "" };
  for (const value of ["one", "two"]) await alice?.send(conversationId, text(value)).accepted;
  alice?.close();
  bob?.close();
  await server.terminate();
  const taken = await onDirectory(
    "keys",
    "export",
    "--data",
    at("embedded"),
    "--output",
    at("keys"),
    "--reason",
    "a move",
  );
  const out = await onDirectory("events", "export", "--data", at("embedded"), "--output", at("out.gz"));

  const other = await ranOnEngines(["events", "import", at("out.gz"), "--cell", "another"]);
  expect([other.code, other.stderr]).toEqual([1, expect.stringContaining(`is of the cell ${cell}`)]);
  expect(await onEngines("keys", "import", at("keys"))).toMatchObject({ added: taken.keys, known: 0 });
  const imported = await onEngines("events", "import", at("out.gz"));
  expect(imported).toMatchObject({ events: out.events, sha256: out.sha256, cell, withoutKey: 0 });
  expect(imported.sealed).toBeGreaterThanOrEqual(2);
  const again = await ranOnEngines(["events", "import", at("out.gz")]);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("this very export was imported there")]);
  const there = await onEngines("events", "export", "--compress", "zstd", "--output", at("there.zst"));
  expect([there.events, there.sha256, there.cell]).toEqual([out.events, out.sha256, cell]);
  const back = await onDirectory("events", "import", at("there.zst"), "--data", at("back"));
  expect([back.events, back.sha256, back.cell]).toEqual([out.events, out.sha256, cell]);

  const cluster = await start();
  const there2 = await connectDevice(cluster.door(0), "alice", "phone");
  expect(await historyOf(there2, conversationId)).toEqual(["one", "two"]);
  await there2.send(conversationId, text("three")).accepted;
  await eventually(async () => (await historyOf(there2, conversationId)).length === 3, "three messages");
  there2.close();
  const running = await ranOnEngines(["epoch", "new", "--reason", "try"]);
  expect([running.code, running.stderr]).toEqual([1, expect.stringContaining("still run")]);
  await kill(cluster);
  await onceStopped("epoch", "new", "--reason", "because");
});

test.skipIf(!hasEngines)(
  "engines that are restored with Parley's own go on, and clients drop what is missing",
  async () => {
    const before = await start();
    const [alice, bob] = await Promise.all(
      ["alice", "bob"].map((user) => connectDevice(before.door(0), before.user(user), "phone")),
    );
    if (alice === undefined || bob === undefined) throw new Error("nobody is there");
    const { conversationId } = await alice.createDirect(before.user("bob"));
    await alice.send(conversationId, text("kept")).accepted;
    // EventStoreDB's own backup first: here a copy of the stand-in's files while it stands still.
    const store = join(own.env.PARLEY_SERVERS_DIR ?? "", "eventstore");
    await own.kill("eventstore");
    cpSync(store, at("store"), { recursive: true });
    await own.startAgain("eventstore");
    const made = await onEngines("backup", "create", at("engines"));
    expect(made.keys).toBeGreaterThan(0);
    expect(await onDirectory("backup", "verify", at("engines"))).toMatchObject({ ok: true });
    await eventually(() => alice.connection().kind === "online", "alice is back");
    await alice.send(conversationId, text("lost")).accepted;
    await eventually(() => textsOf(bob, conversationId).includes("lost"), "bob has what will be lost");
    const { port } = new URL(before.gateways[0]?.url() ?? "");
    expect(port).not.toBe("");

    await kill(before);
    await own.kill("eventstore");
    rmSync(store, { recursive: true });
    cpSync(at("store"), store, { recursive: true });
    await own.startAgain("eventstore");
    const mongo = await openMongo({
      url: process.env.PARLEY_MONGODB_URL ?? "",
      database: environment.PARLEY_MONGODB_DATABASE ?? "",
    });
    await mongo.db.collection("keys").drop();
    await mongo.close();
    await onceStopped("backup", "restore", at("engines"), "--reason", "a disk died");
    await Promise.all(before.processes.map((each) => each.start()));
    await eventually(() => bob.connection().kind === "online", "bob is back");
    await eventually(() => !textsOf(bob, conversationId).includes("lost"), "bob has dropped what is missing");
    expect(await historyOf(bob, conversationId)).toEqual(["kept"]);
    await alice.send(conversationId, text("and on")).accepted;
    await eventually(() => textsOf(bob, conversationId).includes("and on"), "bob hears alice");
    alice.close();
    bob.close();
  },
);

/** Views in MongoDB are reconciled, repaired and compared with a replay beside processes that write them. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { streamOf } from "../../../src/domain/kernel/stream.js";
import { openEventStoreDb } from "../../../src/infra/event-log/eventstoredb/event-log.js";
import { openMongo } from "../../../src/infra/engines/mongodb/connection.js";
import { collectionOf } from "../../../src/infra/view-store/mongodb/documents.js";
import type { ProjectionsStatus } from "../../../src/operate/inspect/status.js";
import { jsonLines, run } from "../../cli/run.js";
import { clusterEngines, startCluster, type Cluster } from "../../kit/cluster.js";
import { connectDevice, text } from "../../kit/device.js";
import { mayStartServers, newCellOn, startOwnServers, type OwnServers } from "../../kit/own-servers.js";
import { temporaryDirectory } from "../../kit/sqlite-views.js";

const hasEngines = clusterEngines() && mayStartServers;
const { path, remove } = temporaryDirectory();

let own: OwnServers;
let cluster: Cluster;
let environment: Readonly<Record<string, string>>;
beforeAll(async () => {
  if (!hasEngines) return;
  own = await startOwnServers("eventstore");
  environment = newCellOn(own);
  cluster = await startCluster({ gateways: 1, projectors: 1, environment });
});
afterAll(async () => {
  remove();
  if (!hasEngines) return;
  await cluster.dispose();
  await own.stop();
});

const projections = async (...args: readonly string[]) => {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith("PARLEY_"));
  const env = { ...Object.fromEntries(given), ...environment };
  const ran = await run(["projections", ...args, "--profile", "distributed", "--json"], env);
  expect(ran.stderr).toBe("");
  return { code: ran.code, last: jsonLines(ran).at(-1) };
};

test.skipIf(!hasEngines)(
  "drift in MongoDB is found and repaired while projectors write, and a replay is what is live",
  async () => {
    const alice = await connectDevice(
      { url: (device = "") => cluster.urlFor(device), token: cluster.token },
      "alice",
      "phone",
    );
    const { conversationId } = await alice.createGroup({ name: "Friends", participantIds: ["bob"] });
    for (let number = 0; number < 10; number += 1) await alice.send(conversationId, text(`${number}`)).accepted;
    await alice.members(conversationId);
    expect(await projections("reconcile", "--sample", "1")).toMatchObject({
      code: 0,
      last: { reconciled: { drifted: 0 } },
    });

    const { db, close } = await openMongo({
      url: process.env.PARLEY_MONGODB_URL ?? "",
      database: environment.PARLEY_MONGODB_DATABASE ?? "",
    });
    const heads = db.collection<{ readonly _id: string; readonly lastSequence: number }>(collectionOf("conversations"));
    const tooHigh = { lastSequence: 9_999, headPos: 9_999, lastMessageAt: 9e15 };
    await heads.updateOne({ _id: conversationId }, { $set: tooHigh });
    let writing = true;
    const write = async (): Promise<number> => {
      let sent = 0;
      for (; writing; sent += 1) await alice.send(conversationId, text(`meanwhile ${sent}`)).accepted;
      return sent;
    };
    const written = write();
    // A row that moves between the look and its replacement is left, and said to be: then the command is run again.
    await expect
      .poll(async () => (await projections("reconcile", "--conversation", conversationId, "--repair")).code)
      .toBe(0);
    writing = false;
    const sent = await written;
    await alice.members(conversationId);
    expect((await heads.findOne({ _id: conversationId }))?.lastSequence).toBe(10 + sent);
    expect(await projections("reconcile", "--user", "alice")).toMatchObject({ code: 0 });

    const into = join(path, "scratch.db");
    await projections("replay", "all", "--into", into);
    expect(await projections("diff", into, "live")).toMatchObject({ code: 0, last: { diff: { samples: [] } } });
    await heads.updateOne({ _id: conversationId }, { $set: tooHigh });
    expect(await projections("diff", into, "live")).toMatchObject({ code: 1 });
    await close();

    const [a, b] = [join(path, "a.ndjson"), join(path, "b.ndjson")];
    for (const file of [a, b])
      expect(await projections("replay", "delivery", "--capture", file)).toMatchObject({ code: 0 });
    expect(readFileSync(a, "utf8")).toBe(readFileSync(b, "utf8"));
    alice.close();
  },
);

test.skipIf(!hasEngines)(
  "status tells each projection by its name: rows, generation, the partition that is farthest behind, and what stops it",
  async () => {
    const { db, close } = await openMongo({
      url: process.env.PARLEY_MONGODB_URL ?? "",
      database: environment.PARLEY_MONGODB_DATABASE ?? "",
    });
    const stored = await Promise.all(
      (["messages", "reactions"] as const).map((view) => db.collection(collectionOf(view)).countDocuments()),
    );
    await close();
    const status = async () => (await projections("status")).last as ProjectionsStatus;
    await expect.poll(async () => (await status()).projections.map(({ lag }) => lag)).toEqual([0, 0, 0, 0, 0]);
    const { projections: found, partitions = [], generations } = await status();
    expect(found.map(({ name }) => name)).toEqual(["inbox", "messages", "receipts", "users", "delivery"]);
    const [projector] = partitions.map(({ holder }) => holder);
    const slowest = { partition: expect.any(Number) as number, projector };
    const of = (name: string) => found.find((each) => each.name === name);
    const rows = stored.reduce((sum, each) => sum + each, 0);
    expect(of("messages")).toMatchObject({ rows, generation: 1, lastError: null, slowest });
    expect(of("delivery")).toMatchObject({ rows: null, generation: null, lastError: null, slowest });
    expect(generations).toMatchObject([{ number: 1, state: "live", position: found[0]?.head }]);
    // What its projector cannot read stops the views, which say so; delivery passes over it.
    const log = openEventStoreDb({ url: own.env.PARLEY_EVENTSTORE_URL ?? "" });
    const unreadable = { type: "UserRegistered", data: "{}", meta: JSON.stringify({ schema: 99 }) };
    await log.append(streamOf.user("mallory"), "any", [{ id: randomUUID(), ...unreadable }]);
    await log.close();
    await expect.poll(async () => (await status()).projections[0]?.lastError).toContain("user-mallory@0");
    const stopped = (await status()).projections.map(({ lastError }) => lastError?.split(": ")[0]);
    expect(stopped).toEqual([projector, projector, projector, projector, undefined]);
  },
);

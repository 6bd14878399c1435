import { randomUUID } from "node:crypto";
import { Binary } from "mongodb";
import { afterEach, describe, expect, it } from "vitest";
import { openMongo, type Mongo } from "../../../../src/infra/engines/mongodb/connection.js";
import {
  openMongoSnapshots,
  type MongoSnapshots,
} from "../../../../src/infra/snapshot-store/mongodb/snapshot-store.js";
import { bytesOf, chunk, snapshotOf, snapshotStoreContract } from "../../../contract/snapshot-store.contract.js";
import { engine } from "../../../kit/engines.js";
import { asRevision } from "../../../../src/domain/kernel/stream.js";

const mongodb = engine("PARLEY_MONGODB_URL");
const cleanUps: (() => Promise<unknown>)[] = [];
const cleanUpAll = async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
};
afterEach(cleanUpAll);

const newDatabase = async (): Promise<Mongo> => {
  const mongo = await openMongo({ url: mongodb ?? "", database: `snapshots-${randomUUID()}` });
  cleanUps.push(async () => {
    await mongo.db.dropDatabase();
    await mongo.close();
  });
  return mongo;
};
const open = ({ db }: Mongo, clock?: () => number): MongoSnapshots => {
  const store = openMongoSnapshots({ db, ...(clock && { clock }) });
  cleanUps.push(store.close);
  return store;
};
const partsOf = ({ db }: Mongo) => db.collection<{ readonly _id: string; readonly data: Binary }>("snapshot_chunks");
const headsOf = ({ db }: Mongo) => db.collection<{ readonly _id: string; readonly revision: number }>("snapshots");
const savesOf = ({ db }: Mongo) => db.collection("snapshot_saves");
/** Sweeps as of a time when every save of now has ended. */
const sweepTomorrow = async (mongo: Mongo): Promise<number> => {
  let later = 0;
  const store = open(mongo, () => Date.now() + later);
  later = 24 * 3_600_000;
  return store.sweep();
};

/** A chunk whose encoding is where the process is killed. */
const deadly = (name: string) => ({
  name,
  fixed: false,
  data: (): Uint8Array => {
    throw new Error("killed");
  },
});

describe.skipIf(mongodb === undefined)("on MongoDB", () => {
  snapshotStoreContract("MongoDB", async () => {
    const mongo = await newDatabase();
    let store = open(mongo);
    const reopen = async () => {
      await store.close();
      return (store = open(mongo));
    };
    return { store, reopen, close: cleanUpAll };
  });

  it("keeps the old snapshot when a save is killed, and the sweep removes what it had written", async () => {
    const mongo = await newDatabase();
    const store = open(mongo);
    await store.save("s", snapshotOf(1, chunk("a", "old"), chunk("f", "fixed", true)));
    const big = { name: "big", fixed: false, data: () => new Uint8Array(5 * 1024 * 1024) };
    const killed = snapshotOf(2, big, { ...big, name: "big2" }, chunk("f", "fixed", true), deadly("d"));
    await expect(store.save("s", killed)).rejects.toThrow("killed");
    expect(await partsOf(mongo).countDocuments()).toBe(3);
    expect(await store.load("s", 1)).toMatchObject({ revision: 1 });
    expect(await store.sweep()).toBe(0);
    expect(await sweepTomorrow(mongo)).toBe(1);
    expect(await savesOf(mongo).countDocuments()).toBe(0);
    expect((await store.load("s", 1))?.chunks.get("a")).toEqual(Buffer.from("old"));
  });

  it("does not grow by saves, whoever makes them", async () => {
    const mongo = await newDatabase();
    const stores = [open(mongo), open(mongo), open(mongo)];
    for (let round = 0; round < 10; round += 1) {
      const save = (store: MongoSnapshots, index: number) =>
        store.save("s", snapshotOf(round * 10 + index, chunk("f", "fixed", true), chunk("h", `${round}/${index}`)));
      await Promise.all(stores.map(save));
    }
    expect([90, 91, 92]).toContain((await stores[0]?.load("s", 1))?.revision);
    expect(await partsOf(mongo).countDocuments()).toBe(2);
    expect(await savesOf(mongo).countDocuments()).toBe(0);
  });

  it("never answers parts of two snapshots while others save", async () => {
    const mongo = await newDatabase();
    const [writer, other, reader] = [open(mongo), open(mongo), open(mongo)];
    const names = Array.from({ length: 20 }, (_, index) => `c/${index}`);
    const save = (store: MongoSnapshots, revision: number) =>
      store.save("s", snapshotOf(revision, ...names.map((name) => chunk(name, `${revision}`))));
    await save(writer, 0);
    let [isSaving, loads, newest] = [true, 0, 0];
    const saveOn = async () => {
      // The reader may be overtaken again and again: there is more to read until it has seen something.
      while (newest < 60 || (loads === 0 && newest < 600)) {
        await Promise.all([save(writer, newest + 1), save(other, newest + 2)]);
        newest += 2;
      }
    };
    const saving = saveOn().finally(() => (isSaving = false));
    while (isSaving) {
      const found = await reader.load("s", 1);
      // Overtaken again and again it may have none: that is a longer fold.
      if (found === undefined) continue;
      loads += 1;
      expect(new Set([...found.chunks.values()].map((data) => Buffer.from(data).toString()))).toEqual(
        new Set([`${found.revision}`]),
      );
      expect(found.chunks.size).toBe(names.length);
    }
    await saving;
    expect(loads).toBeGreaterThan(0);
    // The last two were saved at once: either may have come last.
    expect([newest - 1, newest]).toContain((await reader.load("s", 1))?.revision);
  });

  it("holds a chunk that is larger than a document may be", async () => {
    const store = open(await newDatabase());
    const data = new Uint8Array(20 * 1024 * 1024).map((_, index) => index % 251);
    await store.save("s", snapshotOf(1, { name: "big", fixed: false, data: () => data }, chunk("none", "")));
    const found = await store.load("s", 1);
    expect(Buffer.compare(found?.chunks.get("big") ?? new Uint8Array(), data)).toBe(0);
    expect(found?.chunks.get("none")).toHaveLength(0);
  });

  it.each<readonly [string, (mongo: Mongo) => Promise<unknown>]>([
    ["another byte", (mongo) => partsOf(mongo).updateOne({}, { $set: { data: new Binary(bytesOf("x")) } })],
    ["a missing chunk", (mongo) => partsOf(mongo).deleteOne({})],
    ["another head", (mongo) => headsOf(mongo).updateOne({ _id: "s" }, { $set: { revision: asRevision(99) } })],
    ["a head without chunks", (mongo) => headsOf(mongo).updateOne({ _id: "s" }, { $unset: { chunks: "" } })],
  ])("has no snapshot after %s, saves every chunk of the next one, and keeps nothing of the old", async (_, damage) => {
    const mongo = await newDatabase();
    const store = open(mongo);
    const save = (to: MongoSnapshots, revision: number) =>
      to.save("s", snapshotOf(revision, chunk("a", "something"), chunk("f", "fixed", true)));
    await save(store, 3);
    await damage(mongo);
    expect(await store.load("s", 1)).toBeUndefined();
    expect(await headsOf(mongo).countDocuments()).toBe(0);
    // Over a damaged head that nobody has loaded before, too.
    await save(store, 4);
    await damage(mongo);
    await save(store, 5);
    await store.load("s", 1);
    await save(store, 6);
    expect(await store.load("s", 1)).toMatchObject({ revision: 6 });
    expect((await store.load("s", 1))?.chunks.size).toBe(2);
    // All of it is of today.
    await sweepTomorrow(mongo);
    expect(await partsOf(mongo).countDocuments()).toBe(2);
    expect(await store.load("s", 1)).toMatchObject({ revision: 6 });
  });

  it("rejects when MongoDB cannot be asked", async () => {
    const mongo = await newDatabase();
    const store = open(mongo);
    const closed = await openMongo({ url: mongodb ?? "", database: mongo.db.databaseName });
    const other = open(closed);
    await other.close();
    await closed.close();
    await expect(other.load("s", 1)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(other.save("s", snapshotOf(1, chunk("a", "1")))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await store.load("s", 1)).toBeUndefined();
  });
});

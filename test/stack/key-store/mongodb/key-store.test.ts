import { randomBytes, randomUUID } from "node:crypto";
import type { Binary } from "mongodb";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import {
  assertMasterKey,
  openMongoKeyStore,
  type MongoKeyStore,
} from "../../../../src/infra/key-store/mongodb/key-store.js";
import { rewrapMongoKeys, storedMongoKeys } from "../../../../src/infra/key-store/mongodb/stored-keys.js";
import { openMongo, type Mongo } from "../../../../src/infra/engines/mongodb/connection.js";
import { keyStoreContract } from "../../../contract/key-store.contract.js";
import { engine } from "../../../kit/engines.js";
import { settled } from "../../../kit/turns.js";
import { mayStartServers, startOwnServers, type OwnServers } from "../../../kit/own-servers.js";

type Options = Partial<Parameters<typeof openMongoKeyStore>[0]>;
type StoredKey = { readonly _id: string; readonly wrapped: Binary };

const mongodb = engine("PARLEY_MONGODB_URL");
const masterKey = randomBytes(32);
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const newDatabase = async (url = mongodb ?? ""): Promise<Mongo> => {
  const mongo = await openMongo({ url, database: `keys-${randomUUID()}` });
  cleanUps.push(async () => {
    await mongo.db.dropDatabase();
    await mongo.close();
  });
  return mongo;
};
const open = ({ db }: Mongo, options: Options = {}): MongoKeyStore => {
  const store = openMongoKeyStore({ db, masterKeys: [masterKey], ...options });
  cleanUps.push(store.close);
  return store;
};
const documentsOf = ({ db }: Mongo) => db.collection<StoredKey>("keys");
/** A process that stands still before it writes. */
const writingAfter = (db: Mongo["db"], first: () => Promise<unknown>): Mongo["db"] =>
  changed(
    db,
    "collection",
    (collection) =>
      (...given) =>
        changed(
          collection(...given) as object,
          "bulkWrite",
          (write) =>
            (...batch) =>
              first().then(() => write(...batch)),
        ),
  );
type Method = (...given: readonly unknown[]) => unknown;
const changed = <A extends object>(whole: A, name: string, other: (method: Method) => Method): A =>
  new Proxy(whole, {
    get: (target, wanted): unknown => {
      const value: unknown = Reflect.get(target, wanted);
      if (typeof value !== "function") return value;
      const method: Method = (...given) => Reflect.apply(value, target, given) as unknown;
      return wanted === name ? other(method) : method;
    },
  });
const until = (condition: () => boolean | Promise<boolean>) => expect.poll(condition, { timeout: 60_000 }).toBe(true);

describe.skipIf(mongodb === undefined)("on MongoDB", () => {
  keyStoreContract("MongoDB", async () => {
    const mongo = await newDatabase();
    let store = open(mongo);
    const reopen = async (): Promise<MongoKeyStore> => {
      await store.close();
      return (store = open(mongo));
    };
    const close = async () => {
      for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
    };
    return { store, reopen, close };
  });

  it("gives all processes that make a key at the same moment the same one, which is the stored one", async () => {
    const first = await newDatabase();
    const name = first.db.databaseName;
    const others = await Promise.all([1, 2, 3].map(() => openMongo({ url: mongodb ?? "", database: name })));
    const stores = [first, ...others].map((mongo) => open(mongo));
    const ids = Array.from({ length: 100 }, (_, i) => `user/${i}/2026-01`);
    const made = await Promise.all(stores.map((store) => Promise.all(ids.map((id) => store.obtain(id)))));
    for (const keys of made) expect(keys).toEqual(made[0]);
    const fresh = open(first);
    expect(await Promise.all(ids.map((id) => fresh.find(id)))).toEqual(made[0]);
    await Promise.all(others.map((mongo) => mongo.close()));
  });

  it("stores no key that anybody could read without the master key, nor under another id", async () => {
    const mongo = await newDatabase();
    const key = await open(mongo).obtain("a");
    const stored = await documentsOf(mongo).findOne({ _id: "a" });
    expect(stored).toMatchObject({ alg: "A256GCM" });
    const wrapped = stored?.wrapped;
    expect(Buffer.from(wrapped?.value() ?? []).includes(key)).toBe(false);
    if (wrapped !== undefined) await documentsOf(mongo).insertOne({ _id: "b", wrapped });
    await expect(open(mongo).find("b")).rejects.toThrow(/the stored key b cannot be opened/);
  });

  it("says that the master key is the wrong one, at start and for every key, and answers the others", async () => {
    const mongo = await newDatabase();
    await assertMasterKey(mongo.db, [masterKey]);
    await assertMasterKey(mongo.db, [masterKey]);
    await open(mongo).obtain("right");
    const wrong = randomBytes(32);
    await expect(assertMasterKey(mongo.db, [wrong])).rejects.toThrow(/\(PARLEY_MASTER_KEY\) is not the one/);
    const store = open(mongo, { masterKeys: [wrong] });
    const asked = await Promise.allSettled([store.find("right"), store.obtain("right"), store.obtain("new")]);
    expect(asked.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
    expect(asked[0]).toMatchObject({ reason: { code: "UNAVAILABLE", message: /PARLEY_MASTER_KEY/ } });
    expect(store.cached("right")).toBeUndefined();
    await expect(assertMasterKey(mongo.db, [Buffer.alloc(16)])).rejects.toThrow("16 bytes");
    expect(() => openMongoKeyStore({ db: mongo.db, masterKeys: [Buffer.alloc(31)] })).toThrow("31 bytes");
  });

  it("wraps all keys anew beside processes that open with both, and the old one opens none of them then", async () => {
    const mongo = await newDatabase();
    await assertMasterKey(mongo.db, [masterKey]);
    const ids = Array.from({ length: 1_100 }, (_, i) => `k-${i}`);
    const before = open(mongo);
    const keys = await Promise.all(ids.map((id) => before.obtain(id)));
    const other = randomBytes(32);
    const both = open(mongo, { masterKeys: [other, masterKey] });
    await both.obtain("made meanwhile");
    // The mark is one of them; the one of meanwhile is wrapped with the new one already.
    expect(await rewrapMongoKeys(mongo.db, [other, masterKey], () => undefined)).toBe(1_101);
    expect(await rewrapMongoKeys(mongo.db, [other], () => undefined)).toBe(0);
    await assertMasterKey(mongo.db, [other]);
    await expect(assertMasterKey(mongo.db, [masterKey])).rejects.toThrow(/PARLEY_MASTER_KEY/);
    const after = open(mongo, { masterKeys: [other] });
    expect(await Promise.all(ids.map((id) => after.find(id)))).toEqual(keys);
    const taken: string[] = [];
    for await (const page of storedMongoKeys(mongo.db, [other]).pages()) taken.push(...page.map(({ id }) => id));
    expect(taken.toSorted()).toEqual([...ids, "made meanwhile"].toSorted());
  });

  it("does not declare a wrong master key right where there are keys but no mark", async () => {
    const mongo = await newDatabase();
    await open(mongo).obtain("a");
    await expect(assertMasterKey(mongo.db, [randomBytes(32)])).rejects.toThrow(/PARLEY_MASTER_KEY/);
    await assertMasterKey(mongo.db, [masterKey]);
  });

  it("forgets a key that was destroyed, used or not, and keeps the others fresh without being asked", async () => {
    const mongo = await newDatabase();
    const store = open(mongo, { cacheMs: 400 });
    const [kept] = await Promise.all([store.obtain("kept"), store.obtain("used"), store.obtain("unused")]);
    await documentsOf(mongo).deleteMany({ _id: { $ne: "kept" } });
    await until(() => store.cached("used") === undefined && store.figures().keysCached === 1);
    expect(await store.find("used")).toBeUndefined();
    expect(await store.find("unused")).toBeUndefined();
    expect(await store.find("kept")).toEqual(kept);
    expect(store.figures()).toMatchObject({ staleAnswers: 0, isAway: false });
  });

  it("forgets a key that was destroyed although the machine's clock was a day ahead when it came", async () => {
    const mongo = await newDatabase();
    const right = Date.now;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => right() + 24 * 3_600_000);
    cleanUps.push(() => {
      clock.mockRestore();
      return Promise.resolve();
    });
    const store = open(mongo, { cacheMs: 400 });
    await store.obtain("k");
    clock.mockImplementation(right);
    await documentsOf(mongo).deleteOne({ _id: "k" });
    await until(() => store.cached("k") === undefined);
  });

  it("leaves no key of a user who is erased while another process makes one, and hands none out", async () => {
    const mongo = await newDatabase();
    const eraser = open(mongo);
    // It has looked whether the user is erased, and stores the key only when all is over.
    const slow = open({ ...mongo, db: writingAfter(mongo.db, () => eraser.destroy("u")) });
    await expect(slow.obtain("u/2026-01/i")).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await documentsOf(mongo).countDocuments({ _id: /^u/ })).toBe(0);
    expect(await slow.obtain("v/2026-01/i")).toHaveLength(32);
    expect(await eraser.isErased("u")).toBe(true);
  });

  it("forgets a user's keys at once when it is told, also one whose answer was on its way", async () => {
    const mongo = await newDatabase();
    await Promise.all(["u/2026-01/i", "u/profile/i", "v/2026-01/i"].map((id) => open(mongo).obtain(id)));
    const store = open(mongo);
    await Promise.all([store.find("u/2026-01/i"), store.find("v/2026-01/i")]);
    const onItsWay = store.find("u/profile/i");
    // It has been asked for, and no answer comes before the turn ends.
    for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
    store.forget("u");
    expect([store.cached("u/2026-01/i"), store.cached("v/2026-01/i")?.length]).toEqual([undefined, 32]);
    expect(await onItsWay).toHaveLength(32);
    expect(store.cached("u/profile/i")).toBeUndefined();
  });

  it("looks for all keys again when it may have missed that a user was erased", async () => {
    const mongo = await newDatabase();
    const store = open(mongo, { cacheMs: 3_600_000 });
    const kept = await store.obtain("v/2026-01/i");
    await store.obtain("u/2026-01/i");
    await open(mongo).destroy("u");
    expect(store.cached("u/2026-01/i")).toHaveLength(32);
    store.recheck();
    await until(() => store.cached("u/2026-01/i") === undefined);
    expect(store.cached("v/2026-01/i")).toEqual(kept);
  });

  it("takes a key that was destroyed and made again by another process as the new one", async () => {
    const mongo = await newDatabase();
    const [store, other] = [open(mongo, { cacheMs: 400 }), open(mongo)];
    const old = await store.obtain("k");
    await documentsOf(mongo).deleteOne({ _id: "k" });
    const made = await other.obtain("k");
    expect(made).not.toEqual(old);
    await until(async () => (await store.obtain("k")).equals(made));
  });

  it("holds no more keys in memory than it may, the most recently used ones", async () => {
    const store = open(await newDatabase(), { cachedKeysMax: 2 });
    const key = await store.obtain("a");
    await store.obtain("b");
    store.cached("a");
    await store.obtain("c");
    expect([store.cached("a"), store.cached("b")]).toEqual([key, undefined]);
    expect(store.figures().keysCached).toBe(2);
  });
});

describe.skipIf(mongodb === undefined || !mayStartServers)("while MongoDB is away", () => {
  let servers: OwnServers;
  beforeAll(async () => {
    servers = await startOwnServers("mongodb");
  });
  afterAll(() => servers.stop());

  it("answers known keys, counted, for staleMs; refuses unknown ones, after the first at once; and goes on when it is back", async () => {
    let later = 0;
    const clock = () => Date.now() + later;
    const mongo = await newDatabase(servers.env.PARLEY_MONGODB_URL);
    const store = open(mongo, { cacheMs: 1_000, clock });
    const key = await store.obtain("known");
    await servers.kill("mongodb");

    await until(() => store.figures().isAway);
    await until(() => store.cached("known") !== undefined && store.figures().staleAnswers > 0);
    expect(await store.obtain("known")).toEqual(key);
    expect(await store.find("known")).toEqual(key);
    await expect(store.obtain("unknown")).rejects.toMatchObject({ name: "LogError", code: "UNAVAILABLE" });
    await expect(store.find("unknown")).rejects.toMatchObject({ name: "LogError", code: "UNAVAILABLE" });
    // From then on no caller waits for a time-out: both are told by the end of the turn.
    const answers: string[] = [];
    for (const answer of [store.obtain("another"), store.find("another")])
      answer.then(
        () => answers.push("answered"),
        () => answers.push("refused"),
      );
    await settled();
    expect(answers).toEqual(["refused", "refused"]);
    later = 3_600_000;
    expect(store.cached("known")).toBeUndefined();
    await expect(store.obtain("known")).rejects.toMatchObject({ code: "UNAVAILABLE" });

    await servers.startAgain("mongodb");
    await until(() =>
      store.obtain("known").then(
        (again) => again.equals(key),
        () => false,
      ),
    );
    await until(() => !store.figures().isAway);
    await documentsOf(mongo).deleteOne({ _id: "known" });
    await until(async () => (await store.find("known")) === undefined);
  });

  it("loses no key that it has handed out when MongoDB is killed", async () => {
    const mongo = await newDatabase(servers.env.PARLEY_MONGODB_URL);
    const store = open(mongo);
    const ids = Array.from({ length: 50 }, (_, i) => `k/${i}`);
    const keys = await Promise.all(ids.map((id) => store.obtain(id)));
    await servers.kill("mongodb");
    await servers.startAgain("mongodb");
    const fresh = open(mongo);
    await until(() =>
      fresh.find("k/0").then(
        () => true,
        () => false,
      ),
    );
    expect(await Promise.all(ids.map((id) => fresh.find(id)))).toEqual(keys);
  });
});

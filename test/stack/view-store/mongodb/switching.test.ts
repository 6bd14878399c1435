/** What projectors, readers and versions before do while generations of the views come and go. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import { asPosition, type RecordedEvent } from "../../../../src/domain/kernel/stream.js";
import { checkpointsOf } from "../../../../src/infra/view-store/mongodb/checkpoints.js";
import { collectionOf } from "../../../../src/infra/view-store/mongodb/documents.js";
import { mongoGenerations } from "../../../../src/infra/view-store/mongodb/generations/generations.js";
import { openMongoViews, type MongoViews } from "../../../../src/infra/view-store/mongodb/view-store.js";
import { changesWriter } from "../../../../src/infra/view-store/mongodb/writer.js";
import { rowsNames } from "../../../../src/projections/named.js";
import { partitionOf } from "../../../../src/projections/partitions.js";
import type { Generations } from "../../../../src/projections/ports/generations.js";
import { project, views as registry } from "../../../../src/projections/registry.js";
import { foldChanges, insert, type ViewChange, type ViewName } from "../../../../src/projections/view-change.js";
import { canonicalRow } from "../../../../src/projections/views/stored-row.js";
import { logs } from "../../../kit/arbitraries.js";
import { engine } from "../../../kit/engines.js";
import { seed, withSeed } from "../../../kit/seed.js";
import { openTestDatabase, type TestDatabase } from "./views-kit.js";

const url = engine("PARLEY_MONGODB_URL");
const partitions = 2;
const epoch = "e1";
const at = (position: number) => ({ position: asPosition(position), epoch });
const viewNames = Object.keys(registry) as readonly ViewName[];
const user = (name: string): ViewChange => insert("users", [name], { home: "main", registeredAt: 1 });

describe.skipIf(url === undefined)(`generations in MongoDB (seed ${seed})`, () => {
  let mongo: TestDatabase;
  let generations: Generations;
  const opened: MongoViews[] = [];
  const open = async (): Promise<MongoViews> => {
    const views = await openMongoViews({ db: mongo.db, partitions, epoch });
    opened.push(views);
    return views;
  };
  /** A version that knows no generations: it writes what it always wrote. */
  const oldVersion = () => {
    const writer = changesWriter(mongo.db, () => undefined);
    return {
      write: (changes: readonly ViewChange[]) => writer(changes, [1]),
      checkpoints: checkpointsOf(mongo.db, partitions, () => undefined),
    };
  };
  const filled = async (changes: readonly ViewChange[], position: number): Promise<number> => {
    const { number } = await generations.create({ names: rowsNames, epoch });
    const writer = await generations.write(number);
    await writer.apply(changes, at(position));
    await generations.markReady(number);
    return number;
  };
  beforeEach(async () => {
    mongo = await openTestDatabase(url ?? "");
    generations = mongoGenerations({ db: mongo.db, partitions, joinMsMax: 500 });
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((views) => views.close()));
    await mongo.drop();
  });
  const usersIn = async (generation: number): Promise<readonly string[]> =>
    (await (await generations.read(generation)).rows("users", { limit: 100 })).map(({ key }) => String(key[0]));

  it("readers take up the new one by themselves, what they waited for is in it, and the old one is written on until it is dropped", async () => {
    const [gateway, projector] = [await open(), await open()];
    await projector.write([user("alice")]);
    await projector.checkpoints.raise([0, 1], at(10));
    expect(await gateway.awaitCaughtUp(asPosition(10), 60_000)).toBe(true);
    const number = await filled([user("alice"), user("only-in-the-new-one")], 10);
    expect(await gateway.store.reads.user("only-in-the-new-one")).toBeUndefined();
    await generations.switchTo(number);
    await expect.poll(() => gateway.store.reads.user("only-in-the-new-one"), { timeout: 5_000 }).toBeDefined();
    expect(await gateway.store.checkpoint()).toEqual(at(10));
    // Until it begins again, nothing that it says counts.
    await projector.write([user("bob")]);
    await expect(projector.checkpoints.raise([0, 1], at(20))).rejects.toMatchObject({ code: "GENERATIONS_CHANGED" });
    expect(await projector.checkpoints.load()).toEqual([at(10), at(10)]);
    await projector.write([user("bob")]);
    await projector.checkpoints.raise([0, 1], at(20));
    expect(await gateway.awaitCaughtUp(asPosition(20), 60_000)).toBe(true);
    expect(await gateway.store.reads.user("bob")).toBeDefined();
    expect(await usersIn(1)).toEqual(["alice", "bob"]);
    await generations.drop(1);
    const names = (await mongo.db.listCollections().toArray()).map(({ name }) => name);
    expect(names).toContain(collectionOf("users", number));
    expect(names.filter((name) => viewNames.some((view) => name === collectionOf(view)))).toEqual([]);
    // A version before finds nothing begun, and builds what it knows from the start.
    expect(await oldVersion().checkpoints.load()).toEqual([undefined, undefined]);
    expect(await gateway.store.reads.user("bob")).toBeDefined();
  });

  it("a projector hears of others by itself, and begins where the slowest is", async () => {
    const projector = await open();
    await projector.checkpoints.raise([0, 1], at(10));
    let heard = 0;
    const end = projector.onGenerations(() => (heard += 1));
    const number = await filled([], 4);
    const switching = mongoGenerations({ db: mongo.db, partitions, joinMsMax: 60_000 }).switchTo(number);
    await expect.poll(async () => (await projector.checkpoints.load())[0]?.position, { timeout: 60_000 }).toBe(4);
    expect(heard).toBeGreaterThan(0);
    end();
    await projector.checkpoints.raise([0], at(12));
    await projector.checkpoints.raise([1], at(11));
    await switching;
    expect((await generations.list()).map(({ state, checkpoint }) => [state, checkpoint?.position])).toEqual([
      ["old", 11],
      ["live", 11],
    ]);
  });

  it("what a projector of a version before goes on with is not switched away from, and the partition is named", async () => {
    const [projector, old] = [await open(), oldVersion()];
    await projector.checkpoints.raise([0, 1], at(10));
    const number = await filled([], 10);
    await old.checkpoints.raise([1], at(15));
    await expect(generations.switchTo(number)).rejects.toThrow(/partitions 1 do not write it/);
    expect((await generations.list()).map(({ state }) => state)).toEqual(["live", "ready"]);
    expect(await projector.checkpoints.load()).toEqual([at(10), at(15)]);
    await (await generations.write(number)).apply([user("late")], at(15));
    await generations.switchTo(number);
  });

  it("a version before that works after the switch moves nothing that is read now, and what it did is done again", async () => {
    const [gateway, old] = [await open(), oldVersion()];
    await gateway.checkpoints.raise([0, 1], at(10));
    await generations.switchTo(await filled([], 10));
    await old.write([user("alice")]);
    await old.checkpoints.raise([0, 1], at(20));
    await expect.poll(async () => (await gateway.checkpoints.load())[0]?.position).toBe(10);
    expect(await gateway.store.checkpoint()).toEqual(at(10));
    expect(await oldVersion().checkpoints.load()).toEqual([at(20), at(20)]);
  });

  it("a reader who slept beyond a drop asks before it reads", async () => {
    const gateway = await open();
    await gateway.write([user("alice")]);
    await gateway.checkpoints.raise([0, 1], at(10));
    const number = await filled([user("alice")], 10);
    await generations.switchTo(number);
    await generations.drop(1);
    expect(await gateway.store.reads.user("alice")).toBeDefined();
    expect(await gateway.store.checkpoint()).toEqual(at(10));
  });

  it("whoever writes, in whatever order, what is live at the end is the log's", async () => {
    type Step = { readonly who: "new" | "slow" | "old"; readonly partition: number; readonly events: number };
    const steps = fc.array(
      fc.record<Step>({
        who: fc.constantFrom("new", "slow", "old"),
        partition: fc.integer({ min: 0, max: partitions - 1 }),
        events: fc.integer({ min: 1, max: 12 }),
      }),
      { minLength: 4, maxLength: 12 },
    );
    const rebuildWhile = async (
      { db }: TestDatabase,
      log: readonly RecordedEvent[],
      taken: readonly Step[],
      share: number,
    ) => {
      const all = await Promise.all(["new", "slow"].map(() => openMongoViews({ db, partitions, epoch })));
      const [fresh, slow] = all;
      if (fresh === undefined || slow === undefined) throw new Error("two were opened");
      const writer = changesWriter(db, () => undefined);
      const old = {
        write: (changes: readonly ViewChange[]) => writer(changes, [1]),
        checkpoints: checkpointsOf(db, partitions, () => undefined),
      };
      const made = mongoGenerations({ db, partitions, joinMsMax: 0 });
      const end = asPosition(log.at(-1)?.position ?? 0);
      const changesOf = (events: readonly RecordedEvent[]) =>
        events.flatMap((recorded) => project(decodeEvent(recorded), recorded));
      const ofPartition = (partition: number, after: number, events: number) =>
        log
          .filter(({ stream, position }) => partitionOf(stream, partitions) === partition && position > after)
          .slice(0, events);
      /** One batch, as a projector does it; one that is slow does not ask again what there is. */
      const work = async ({ who, partition, events }: Step): Promise<void> => {
        const by = who === "new" ? fresh : who === "slow" ? slow : old;
        const from = (await (who === "slow" ? old : by).checkpoints.load())[partition]?.position ?? 0;
        const batch = ofPartition(partition, from, events);
        const last = batch.length < events ? end : batch.at(-1)?.position;
        if (last === undefined) return;
        await by.write(changesOf(batch));
        await by.checkpoints.raise([partition], { position: last, epoch }).catch(() => undefined);
      };
      const middle = taken.length / 2;
      for (const step of taken.slice(0, middle)) await work(step);
      const { number } = await made.create({ names: rowsNames, epoch });
      const filler = await made.write(number);
      const upTo = log.slice(0, log.length === 0 ? 0 : share % (log.length + 1));
      await filler.apply(changesOf(upTo), { position: asPosition(upTo.at(-1)?.position ?? 0), epoch });
      await made.markReady(number);
      await made.switchTo(number).catch(() => undefined);
      for (const step of taken.slice(middle)) await work(step);
      // Where it was not switched, projectors left it out: whoever fills goes on where it is.
      await made.switchTo(number).catch(async () => {
        const from = (await filler.checkpoint())?.position ?? 0;
        await filler.apply(changesOf(log.filter(({ position }) => position > from)), { position: end, epoch });
        await made.switchTo(number);
      });
      for (let partition = 0; partition < partitions; partition += 1)
        await work({ who: "new", partition, events: Infinity });
      const folded = foldChanges(changesOf(log));
      for (const generation of [1, number]) {
        const reader = await made.read(generation);
        for (const view of viewNames) {
          const stored = (await reader.rows(view, { limit: 100_000 })).map((row) => canonicalRow(view, row));
          const wanted = (folded.get(view) ?? []).map((row) => canonicalRow(view, row));
          expect([generation, view, stored.toSorted()]).toEqual([generation, view, wanted.toSorted()]);
        }
      }
      await Promise.all(all.map((views) => views.close()));
    };
    await fc.assert(
      fc.asyncProperty(logs, steps, fc.nat(), async (log, taken, share) => {
        const database = await openTestDatabase(url ?? "");
        try {
          await rebuildWhile(database, log, taken, share);
        } finally {
          await database.drop();
        }
      }),
      withSeed({ numRuns: 8 }),
    );
  });
});

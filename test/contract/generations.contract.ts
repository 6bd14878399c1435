/** What every engine's `Generations` promise (projections/ports/generations.ts), as one executable suite. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/domain/catalogue.js";
import { asPosition, noPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { rowsNames } from "../../src/projections/named.js";
import type { GenerationReader, Generations } from "../../src/projections/ports/generations.js";
import type { ViewStore } from "../../src/projections/ports/view-store.js";
import { project, views } from "../../src/projections/registry.js";
import { foldChanges, type Key, type ViewChange, type ViewName } from "../../src/projections/view-change.js";
import { changesOfRow, digestOfRow } from "../../src/projections/views/stored-row.js";
import { logOf, logs } from "../kit/arbitraries.js";
import { seed, withSeed } from "../kit/seed.js";

export type OpenedGenerations = {
  readonly generations: Generations;
  /** Writes the live generation as its runner does. */
  readonly live: Pick<ViewStore, "apply">;
  readonly close: () => Promise<void>;
};

const viewNames = Object.keys(views) as readonly ViewName[];
const epoch = "e1";
const at = (position: number) => ({ position: asPosition(position), epoch });
const plan = { names: rowsNames, epoch };
const changesOf = (log: readonly RecordedEvent[]): readonly ViewChange[] =>
  log.flatMap((recorded) => project(decodeEvent(recorded), recorded));

/** A log with something in every view. */
const log = logOf([
  { do: "register", user: "alice", device: "phone", mobile: true },
  { do: "send", in: "g_one", user: "alice", reply: false },
  { do: "react", in: "g_one", user: "bob", share: 1, emoji: "👍", remove: false },
  { do: "receipt", in: "g_one", user: "bob", share: 1, read: true },
]);

type Digests = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Each row's digest by view and key, read page by page. */
const digestsIn = async (reader: GenerationReader, limit = 3): Promise<Digests> => {
  const found: Record<string, Record<string, string>> = {};
  for (const view of viewNames) {
    const ofView: Record<string, string> = {};
    let after: Key | undefined;
    for (;;) {
      const page = await reader.rows(view, { limit, ...(after === undefined ? {} : { after }) });
      for (const row of page) {
        if (after !== undefined) expect(reader.compare(view, after, row.key)).toBeLessThan(0);
        expect(ofView).not.toHaveProperty([JSON.stringify(row.key)]);
        ofView[JSON.stringify(row.key)] = digestOfRow(view, row);
        after = row.key;
      }
      if (page.length < limit) break;
    }
    found[view] = ofView;
  }
  return found;
};

/** The same, by folding alone: what no engine is asked for. */
const digestsOf = (changes: readonly ViewChange[]): Digests => {
  const folded = foldChanges(changes);
  return Object.fromEntries(
    viewNames.map((view) => [
      view,
      Object.fromEntries((folded.get(view) ?? []).map((row) => [JSON.stringify(row.key), digestOfRow(view, row)])),
    ]),
  );
};

export const generationsContract = (name: string, open: () => Promise<OpenedGenerations>): void => {
  describe(`${name} as Generations (seed ${seed})`, () => {
    let opened: OpenedGenerations;
    let generations: Generations;
    beforeEach(async () => {
      opened = await open();
      ({ generations } = opened);
    });
    afterEach(async () => {
      await opened.close();
    });
    const states = async () => (await generations.list()).map(({ number, state }) => [number, state]);

    it("one is built beside the live one, and knows from where on it has to follow it", async () => {
      await opened.live.apply(changesOf(log), at(9));
      expect(await states()).toEqual([[1, "live"]]);
      const made = await generations.create({ names: ["inbox"], epoch });
      expect(made).toMatchObject({
        number: 2,
        state: "building",
        names: ["inbox"],
        forkedAt: 9,
        checkpoint: undefined,
      });
      await expect(generations.create(plan)).rejects.toMatchObject({ code: "unfinished" });
      await generations.markReady(2);
      expect(await states()).toEqual([
        [1, "live"],
        [2, "ready"],
      ]);
      await expect(generations.create(plan)).rejects.toMatchObject({ code: "unfinished" });
      await expect(generations.read(7)).rejects.toMatchObject({ code: "none" });
      await expect(generations.write(1)).rejects.toMatchObject({ code: "live" });
    });

    it("what is written stays with its checkpoint, and a change without one does not move it", async () => {
      await opened.live.apply([], at(1));
      const { number } = await generations.create(plan);
      const writer = await generations.write(number);
      const changes = changesOf(log);
      await writer.apply(changes.slice(0, 4), at(3));
      await writer.apply(changes.slice(4));
      await writer.close();
      const reader = await generations.read(number);
      expect(await reader.checkpoint()).toEqual(at(3));
      expect(await digestsIn(reader)).toEqual(digestsOf(changes));
      await reader.close();
      expect((await generations.list()).at(-1)).toMatchObject({ number, checkpoint: at(3) });
    });

    it("rows are answered as the log's changes make them, by page and by key, in any order of the changes and with any number of lanes", async () => {
      await opened.live.apply([], at(1));
      await fc.assert(
        fc.asyncProperty(logs, fc.integer(), fc.integer({ min: 1, max: 4 }), async (random, shuffle, lanes) => {
          const { number } = await generations.create(plan);
          const writer = await generations.write(number, { lanes });
          const changes = changesOf(random);
          const turned = changes.toSorted((a, b) => order(a, shuffle) - order(b, shuffle));
          await writer.apply(turned.slice(0, 20), at(1));
          await writer.apply(turned.slice(20), at(2));
          await writer.settled();
          expect(await writer.checkpoint()).toEqual(at(2));
          const expected = digestsOf(changes);
          expect(await digestsIn(writer)).toEqual(expected);
          for (const view of viewNames) {
            const keys = Object.keys(expected[view] ?? {}).map((key) => JSON.parse(key) as Key);
            const missing = Object.values(views[view].key).map((type) => (type === "text" ? "nobody" : 77_777));
            const rows = await writer.rowsAt(view, [...keys, missing]);
            expect(Object.fromEntries(rows.map((row) => [JSON.stringify(row.key), digestOfRow(view, row)]))).toEqual(
              expected[view],
            );
            expect((await writer.figures(view)).rows).toBe(keys.length);
          }
          await writer.close();
          await generations.drop(number);
        }),
        withSeed({ numRuns: 10 }),
      );
    });

    it("a row that is copied by its changes is the same row", async () => {
      await opened.live.apply(changesOf(log), at(9));
      const { number } = await generations.create({ names: ["users"], epoch });
      const [live, writer] = [await generations.read(1), await generations.write(number)];
      for (const view of viewNames)
        for (const row of await live.rows(view, { limit: 100 })) await writer.apply(changesOfRow(view, row));
      expect(await writer.checkpoint()).toBeUndefined();
      expect(await digestsIn(writer)).toEqual(await digestsIn(live));
      expect((await live.figures("messages")).bytes ?? Infinity).toBeGreaterThan(0);
      await live.close();
      await writer.close();
    });

    it("the pointer moves to a generation and back; the old one stays until it is dropped", async () => {
      await opened.live.apply(changesOf(log), at(9));
      const { number } = await generations.create(plan);
      const writer = await generations.write(number);
      await writer.apply(changesOf(log), at(9));
      await writer.close();
      await generations.markReady(number);
      await generations.switchTo(number);
      await generations.switchTo(number);
      expect(await states()).toEqual([
        [1, "old"],
        [2, "live"],
      ]);
      await expect(generations.drop(number)).rejects.toMatchObject({ code: "live" });
      await generations.switchTo(1);
      expect(await states()).toEqual([
        [1, "live"],
        [2, "old"],
      ]);
      await generations.drop(2);
      await generations.drop(2);
      expect(await states()).toEqual([[1, "live"]]);
      const again = await generations.create(plan);
      const empty = await generations.read(again.number);
      expect(await digestsIn(empty)).toEqual(digestsOf([]));
      expect(await empty.checkpoint()).toBeUndefined();
      await empty.close();
      expect(again.forkedAt).not.toBe(noPosition);
    });

    it("one at a time rebuilds, and is told to give up", async () => {
      await opened.live.apply([], at(1));
      expect(await generations.cancel()).toBe(false);
      const claim = await generations.claim();
      await expect(generations.claim()).rejects.toMatchObject({ code: "claimed" });
      expect(await claim.isCancelled()).toBe(false);
      expect(await generations.cancel()).toBe(true);
      expect(await claim.isCancelled()).toBe(true);
      await claim.release();
      const next = await generations.claim();
      expect(await next.isCancelled()).toBe(false);
      await next.release();
      expect(await generations.cancel()).toBe(false);
    });
  });
};

/** Some order that only the change and the number decide. */
const order = (change: ViewChange, shuffle: number): number => {
  let hash = shuffle;
  for (const char of JSON.stringify(change)) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
  return hash;
};

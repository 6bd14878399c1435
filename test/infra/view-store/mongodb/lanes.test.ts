import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asPosition } from "../../../../src/domain/kernel/stream.js";
import { lanesOf } from "../../../../src/infra/view-store/mongodb/generations/lanes.js";
import { raise, type ViewChange } from "../../../../src/projections/view-change.js";
import { seed, withSeed } from "../../../kit/seed.js";

const rowOf = ({ view, key }: ViewChange): string => `${view} ${key.join(" ")}`;
const at = (position: number) => ({ position: asPosition(position), epoch: "e1" });

/** Batches of changes to a few rows, so that the same ones are in many. */
const batches = fc.array(
  fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 6 }).map((rows) => rows.map((row) => `u${row}`)),
  { minLength: 1, maxLength: 12 },
);
const changesOf = (rows: readonly string[], batch: number): readonly ViewChange[] =>
  rows.map((row) => raise("users", [row], { registeredAt: batch }));

describe(`writes in lanes (seed ${seed})`, () => {
  it("no two writes under way share a row, no more batches than lanes are under way, and a checkpoint follows all that it covers, in whatever order writes end", async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.integer({ min: 1, max: 5 }), fc.scheduler(), async (given, count, scheduler) => {
        const underWay = new Set<string>();
        const written = new Map<string, number[]>();
        const raised: number[] = [];
        let applied = 0;
        const lanes = lanesOf({
          lanes: count,
          write: async (changes) => {
            const rows = new Set(changes.map(rowOf));
            for (const row of rows) expect(underWay.has(row), row).toBe(false);
            for (const row of rows) underWay.add(row);
            await scheduler.schedule(Promise.resolve());
            for (const row of rows) underWay.delete(row);
            for (const change of changes)
              if (change.kind === "raise")
                written.set(rowOf(change), [...(written.get(rowOf(change)) ?? []), change.fields.registeredAt ?? -1]);
          },
          reached: async ({ position }) => {
            for (const [index, rows] of given.slice(0, position).entries())
              for (const change of changesOf(rows, index)) expect(written.get(rowOf(change)) ?? []).toContain(index);
            await scheduler.schedule(Promise.resolve());
            raised.push(position);
          },
        });
        const all = async (): Promise<void> => {
          for (const [index, rows] of given.entries()) {
            applied += 1;
            expect(applied - raised.length).toBeLessThanOrEqual(count);
            await lanes.apply(changesOf(rows, index), at(index + 1));
          }
          await lanes.settled();
        };
        await scheduler.waitFor(all());
        expect(raised).toEqual(given.map((_, index) => index + 1));
      }),
      withSeed({ numRuns: 100 }),
    );
  });

  it("what a lane cannot write is told, and no checkpoint goes beyond it", async () => {
    const raised: number[] = [];
    const lanes = lanesOf({
      lanes: 4,
      write: (changes) =>
        changes.some(({ key }) => key[0] === "bad") ? Promise.reject(new Error("away")) : Promise.resolve(),
      reached: ({ position }) => {
        raised.push(position);
        return Promise.resolve();
      },
    });
    await lanes.apply(changesOf(["u1", "u2"], 0), at(1));
    await lanes.settled();
    await lanes.apply(changesOf(["bad", "u1"], 1), at(2));
    await lanes.apply(changesOf(["u3"], 2), at(3));
    await expect(lanes.settled()).rejects.toThrow("away");
    await expect(lanes.apply(changesOf(["u4"], 3), at(4))).rejects.toThrow("away");
    expect(raised).toEqual([1]);
  });
});

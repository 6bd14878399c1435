import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asPosition, noPosition } from "../../../src/domain/kernel/stream.js";
import { rowsNames } from "../../../src/projections/named.js";
import { fill } from "../../../src/projections/rebuild/fill.js";
import { partsAhead, type Part, type Range } from "../../../src/projections/rebuild/parts.js";
import { seed, withSeed } from "../../kit/seed.js";

describe(`parts of the log projected ahead (seed ${seed})`, () => {
  it("they come in the log's order and tile it, whatever a batch holds and whichever is ready first; no more are held than were allowed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        fc.scheduler(),
        async (end, slice, atOnce, holds, scheduler) => {
          let [begun, taken] = [0, 0];
          const project = async ({ after, upTo }: Range): Promise<Part> => {
            begun += 1;
            // And the one that is being written.
            expect(begun - taken).toBeLessThanOrEqual(atOnce + 1);
            await scheduler.schedule(Promise.resolve());
            const reached = asPosition(Math.min(upTo, after + (holds[after % holds.length] ?? 1)));
            return { changes: [], reached, events: reached - after };
          };
          const all = async (): Promise<void> => {
            let at = 0;
            const range = { after: noPosition, upTo: asPosition(end) };
            const sliced = { slice: (after: number) => asPosition(after + slice), atOnce };
            for await (const { reached, events } of partsAhead(project, range, sliced)) {
              expect(reached - events).toBe(at);
              at = reached;
              taken += 1;
            }
            expect(at).toBe(end);
          };
          await scheduler.waitFor(all());
        },
      ),
      withSeed({ numRuns: 100 }),
    );
  });

  it("a rate holds for all threads together: what waits for its turn is not more than they hold", async () => {
    const [count, batch, end] = [3, 5, 100];
    let [read, paced] = [0, 0];
    await fill(
      {
        source: { readAll: () => Promise.reject(new Error("threads read")) },
        writer: {
          apply: () => Promise.resolve(),
          applyBound: () => Promise.resolve(),
          settled: () => Promise.resolve(),
        },
        generation: { names: rowsNames, forkedAt: noPosition },
        epoch: "e1",
        threads: {
          count,
          project: ({ after, upTo }) => {
            read += upTo - after;
            return Promise.resolve({ changes: { bound: [] }, reached: upTo, events: upTo - after });
          },
          close: () => Promise.resolve(),
        },
        pace: {
          batchMax: batch,
          after: (events) => {
            paced += events;
            expect(read - paced).toBeLessThanOrEqual(2 * count * batch);
            return Promise.resolve();
          },
        },
        onBatch: () => undefined,
      },
      noPosition,
      asPosition(end),
    );
    expect([read, paced]).toEqual([end, end]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createProgress } from "../../../src/projections/delivery/progress.js";
import { randomFrom } from "../../kit/random.js";
import { seed, withSeed } from "../../kit/seed.js";
import { asPosition } from "../../../src/domain/kernel/stream.js";

/** Per step: how far the next position is away, and how often it is begun; how many are ended before the next step. */
const steps = fc.array(
  fc.record({ gap: fc.integer({ min: 1, max: 5 }), times: fc.integer({ min: 1, max: 3 }), ends: fc.nat({ max: 4 }) }),
  { minLength: 1, maxLength: 60 },
);

describe("progress", () => {
  it(`is the largest position with everything begun up to it done, whatever the order (seed ${seed})`, () => {
    let told = 0;
    fc.assert(
      fc.property(steps, fc.nat(), (all, chance) => {
        const random = randomFrom(chance);
        const dones: number[] = [];
        const progress = createProgress((position) => dones.push(position), 1_000);
        const begun: number[] = [];
        const open: number[] = [];
        const expectAsDefined = (): void => {
          const firstOpen = Math.min(...open);
          const done = begun.filter((position) => position < firstOpen).at(-1);
          expect(dones.at(-1)).toBe(done);
        };
        const endOne = (): void => {
          const [ended] = open.splice(random.int(open.length), 1);
          if (ended !== undefined) progress.end(asPosition(ended));
          expectAsDefined();
        };
        let position = 0;
        for (const { gap, times, ends } of all) {
          position += gap;
          for (let time = 0; time < times; time += 1) {
            progress.begin(asPosition(position));
            open.push(position);
          }
          begun.push(position);
          expectAsDefined();
          for (let end = 0; end < ends; end += 1) endOne();
        }
        while (open.length > 0) endOne();
        expect(dones.at(-1)).toBe(position);
        expect(dones).toEqual([...new Set(dones)].sort((a, b) => a - b));
        told += dones.length;
      }),
      withSeed({ numRuns: 300 }),
    );
    expect(told).toBeGreaterThan(0);
  });

  it("has room below its bound, and says when it has it again", async () => {
    const progress = createProgress(() => undefined, 2);
    progress.begin(asPosition(1));
    expect(progress.room()).toBeUndefined();
    progress.begin(asPosition(2));
    let resumed = false;
    const room = progress.room()?.then(() => (resumed = true));
    expect(room).toBeDefined();
    // The second is done, but stands behind the first: both are still remembered.
    progress.end(asPosition(2));
    await Promise.resolve();
    expect([resumed, progress.room() === undefined]).toEqual([false, false]);
    const again = progress.room();
    progress.end(asPosition(1));
    await again;
    expect(progress.room()).toBeUndefined();
  });
});

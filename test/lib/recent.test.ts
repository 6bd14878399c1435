import fc from "fast-check";
import { LRUCache } from "lru-cache";
import { expect, it } from "vitest";
import { createRecent } from "../../src/lib/recent.js";
import { withSeed } from "../kit/seed.js";

it("keeps the same entries as an LRUCache, whatever is done, while they are few", () => {
  const key = fc.constantFrom("a", "b", "c", "d", "e");
  const step = fc.oneof(
    fc.record({ does: fc.constant("set" as const), key, value: fc.nat({ max: 9 }) }),
    fc.record({ does: fc.constantFrom("get" as const, "peek" as const, "delete" as const), key }),
    fc.record({ does: fc.constant("clear" as const) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), (max, steps) => {
      const recent = createRecent<string, number>(max);
      const oracle = new LRUCache<string, number>({ max });
      for (const { does, ...given } of steps) {
        if ("value" in given) {
          recent.set(given.key, given.value);
          oracle.set(given.key, given.value);
        } else if ("key" in given && does !== "set" && does !== "clear")
          expect(recent[does](given.key)).toBe(oracle[does](given.key));
        else {
          recent.clear();
          oracle.clear();
        }
        for (const name of ["a", "b", "c", "d", "e"]) expect(recent.peek(name)).toBe(oracle.peek(name));
      }
    }),
    withSeed({ numRuns: 300 }),
  );
});

it("forgets none but the oldest sixteenth at once, and never keeps more than it may", () => {
  const recent = createRecent<number, true>(1_000);
  for (let last = 0; last < 5_000; last++) {
    recent.set(last, true);
    if (last < 1_000) continue;
    expect([recent.peek(last - 1_000), recent.peek(last - 930)]).toEqual([undefined, true]);
  }
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSenderCounts } from "../../../../../src/infra/bus/nats/receiving/sender-counts.js";
import { withSeed } from "../../../../kit/seed.js";

const startMs = 1_000;
const create = (options: { readonly forgetMs?: number; readonly max?: number } = {}) =>
  createSenderCounts({ startedAtMs: 0, startMs, forgetMs: 60_000, max: 100, ...options });

describe("a gateway's count of its senders", () => {
  it("takes numbers in a row, the same again never, and tells a hole once", () => {
    const senders = create();
    const sights = [1, 2, 2, 1, 3, 5, 5, 6].map((counter) => senders.see("a", counter, 10));
    expect(sights).toEqual(["next", "next", "duplicate", "duplicate", "next", "hole", "duplicate", "next"]);
    expect(senders.taken("a")).toBe(6);
  });

  it("has missed nothing of the first sender after its own start, and perhaps something of any other", () => {
    expect(create().see("a", 1, startMs)).toBe("next");
    expect(create().see("a", 1, startMs + 1)).toBe("new sender");
    const senders = create();
    senders.see("a", 1, 0);
    expect(senders.see("b", 1, 1)).toBe("new sender");
    expect(create().see("a", 2, 0)).toBe("hole");
  });

  it("counts nothing for a probe", () => {
    const senders = create();
    expect(senders.see("a", 0, 0)).toBe("probe");
    expect(senders.taken("a")).toBe(0);
    expect(senders.see("a", 1, 1)).toBe("next");
  });

  it("forgets the silent and the too many, and takes nothing of theirs for a duplicate", () => {
    const silent = create({ forgetMs: 100 });
    silent.see("a", 1, 0);
    silent.see("a", 2, 0);
    silent.see("b", 1, 101);
    expect(silent.taken("a")).toBe(0);
    expect(silent.see("a", 3, 102)).toBe("hole");
    const many = create({ max: 2 });
    for (const sender of ["a", "b", "a", "c"]) many.see(sender, 1, 0);
    expect([many.taken("a"), many.taken("b"), many.taken("c")]).toEqual([1, 0, 1]);
  });

  it("hands each number over at most once and leaves no gap untold, however often requests are repeated or lost", () => {
    const attempts = fc.array(fc.record({ lost: fc.boolean(), repeats: fc.integer({ min: 1, max: 3 }) }));
    fc.assert(
      fc.property(attempts, (requests) => {
        const senders = create();
        let missing = 0;
        for (const [index, { lost, repeats }] of requests.entries()) {
          if (lost) missing++;
          if (lost) continue;
          const sights = Array.from({ length: repeats }, () => senders.see("a", index + 1, 0));
          expect(sights).toEqual([missing > 0 ? "hole" : "next", ...Array<string>(repeats - 1).fill("duplicate")]);
          missing = 0;
        }
      }),
      withSeed({ numRuns: 200 }),
    );
  });
});

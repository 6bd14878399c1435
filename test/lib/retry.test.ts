import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, retried } from "../../src/lib/retry.js";

const now = (): Promise<void> => Promise.resolve();

describe("work that fails", () => {
  it("is done again until it succeeds, and each failure is told with how many came before it", async () => {
    const told: (readonly [unknown, number])[] = [];
    const rests: number[] = [];
    const failed = (error: unknown, failures: number): number => {
      told.push([error, failures]);
      return failures * 10;
    };
    let calls = 0;
    const work = (): string => {
      calls += 1;
      if (calls === 1) throw new TypeError("thrown");
      if (calls === 2) throw "no error at all"; // eslint-disable-line @typescript-eslint/only-throw-error
      return "done";
    };
    const rest = (ms: number): Promise<void> => {
      rests.push(ms);
      return now();
    };
    expect(await retried(work, failed, rest)).toBe("done");
    expect(told).toEqual([
      [new TypeError("thrown"), 0],
      ["no error at all", 1],
    ]);
    expect(rests).toEqual([0, 10]);
  });

  it("ends with what `failed` throws", async () => {
    const failed = (error: unknown, failures: number): number => {
      if (failures === 3) throw new Error("enough", { cause: error });
      return 0;
    };
    let calls = 0;
    const work = (): Promise<never> => Promise.reject(new Error(`call ${++calls}`));
    await expect(retried(work, failed, now)).rejects.toEqual(new Error("enough", { cause: new Error("call 4") }));
  });

  it("begins in the caller's turn: what is ready costs no detour", () => {
    let begun = false;
    void retried(
      () => (begun = true),
      () => 0,
    );
    expect(begun).toBe(true);
  });
});

describe("a pause between two attempts", () => {
  it("doubles up to its bound, and is anything below that but for its steady share", () => {
    const backoff = { msMin: 50, msMax: 300 };
    expect([0, 1, 2, 3, 2_000].map((failures) => backoffMs(failures, backoff, () => 1))).toEqual([
      50, 100, 200, 300, 300,
    ]);
    fc.assert(
      fc.property(fc.nat(3_000), fc.double({ min: 0, max: 1, noNaN: true }), (failures, steady) => {
        const longest = Math.min(300, 50 * 2 ** failures);
        const ms = backoffMs(failures, { ...backoff, steady });
        expect(ms).toBeGreaterThanOrEqual(longest * steady - 1e-9);
        expect(ms).toBeLessThanOrEqual(longest + 1e-9);
      }),
    );
    expect(backoffMs(5, backoff, () => 0)).toBe(0);
  });
});

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LogError } from "../../src/commands/ports.js";
import { StoreUnavailable } from "../../src/projections/ports/away.js";
import { whileAway } from "../../src/projections/keep-trying.js";
import { seed, untilSeen } from "../kit/seed.js";
import { settled } from "../kit/turns.js";

const away = fc.constantFrom<Error>(
  new StoreUnavailable("the store is away"),
  new LogError("UNAVAILABLE", "the log is away"),
  new LogError("OUTCOME_UNKNOWN", "nobody knows"),
);

const never = (): boolean => false;

describe("while a store is away", () => {
  const waits: number[] = [];
  beforeEach(() => {
    waits.length = 0;
    vi.spyOn(globalThis, "setTimeout").mockImplementation((callback, ms) => {
      waits.push(ms ?? 0);
      void settled().then(callback);
      return {} as NodeJS.Timeout;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it(`tries again until it is there, with growing bounded waits, and tells of each time (seed ${seed})`, async () => {
    /** Waits longer than a second: it does grow. */
    const seen = { long: 0 };
    await untilSeen(seen, 1, (runs) =>
      fc.assert(
        fc.asyncProperty(fc.array(away, { maxLength: 20, size: "max" }), async (errors) => {
          waits.length = 0;
          const told: unknown[] = [];
          const left = [...errors];
          const work = (): Promise<string> => {
            const error = left.shift();
            return error === undefined ? Promise.resolve("done") : Promise.reject(error);
          };
          await expect(whileAway(work, never, (error) => told.push(error))).resolves.toBe("done");
          expect(told).toEqual(errors);
          expect(waits).toHaveLength(errors.length);
          for (const [attempt, wait] of waits.entries()) {
            expect(wait).toBeGreaterThanOrEqual(0);
            expect(wait).toBeLessThan(Math.min(5_000, 50 * 2 ** attempt));
            if (wait > 1_000) seen.long += 1;
          }
        }),
        runs(50),
      ),
    );
  });

  it("rejects at once with whatever is not a store that is away", async () => {
    for (const error of [new Error("a defect"), new LogError("TOO_LARGE", "too large")]) {
      const told: unknown[] = [];
      const failing = whileAway(
        () => Promise.reject(error),
        never,
        (each) => told.push(each),
      );
      await expect(failing).rejects.toBe(error);
      expect([told, waits]).toEqual([[], []]);
    }
  });

  it("rejects once nobody wants it any more", async () => {
    const error = new StoreUnavailable("the store is away");
    let calls = 0;
    const work = (): Promise<never> => {
      calls += 1;
      return Promise.reject(error);
    };
    await expect(whileAway(work, () => calls === 3)).rejects.toBe(error);
    expect([calls, waits.length]).toEqual([3, 2]);
  });
});

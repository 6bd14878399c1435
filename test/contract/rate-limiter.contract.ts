/** What every `RateLimiter` promises (gateway/ports.ts), as one executable suite: each adapter's test runs it. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RateLimiter, RateRule } from "../../src/gateway/ports.js";
import { withSeed } from "../kit/seed.js";

export type OpenedLimiter = { readonly limiter: RateLimiter; readonly close: () => Promise<void> };

const allowed = { allowed: true, retryAfterMs: 0 };
const refused = (retryAfterMs: number) => ({ allowed: false, retryAfterMs });

export const rateLimiterContract = (
  name: string,
  open: (now: () => number) => Promise<OpenedLimiter>,
  runs: number,
): void => {
  describe(`${name} as a rate limiter`, () => {
    const start = 1_800_000_000_000;
    let now = start;
    let opened: OpenedLimiter;
    let limiter: RateLimiter;
    beforeEach(async () => {
      now = start;
      opened = await open(() => now);
      ({ limiter } = opened);
    });
    afterEach(() => opened.close());

    it("allows a burst at once, then one after another evenly", async () => {
      const rule = { perMinute: 60, burst: 3 };
      for (const answer of [allowed, allowed, allowed, refused(1_000), refused(1_000)])
        expect(await limiter.take("k", rule)).toEqual(answer);
      now += 999;
      expect(await limiter.take("k", rule)).toEqual(refused(1));
      now += 1;
      expect(await limiter.take("k", rule)).toEqual(allowed);
      expect(await limiter.take("k", rule)).toEqual(refused(1_000));
    });

    it("allows the burst again after a rest, never more than it", async () => {
      const rule = { perMinute: 600, burst: 2 };
      for (const restMs of [0, 200, 100_000]) {
        now += restMs;
        for (const answer of [allowed, allowed, refused(100)]) expect(await limiter.take("k", rule)).toEqual(answer);
      }
    });

    it("counts each key for itself", async () => {
      const rule = { perMinute: 1, burst: 1 };
      expect(await limiter.take("k", rule)).toEqual(allowed);
      expect(await limiter.take("l", rule)).toEqual(allowed);
      expect(await limiter.take("k", rule)).toEqual(refused(60_000));
    });

    it("refuses a rule under which nothing is ever allowed", async () => {
      await expect(limiter.take("k", { perMinute: 0, burst: 1 })).rejects.toThrow(RangeError);
      await expect(limiter.take("k", { perMinute: 1, burst: 0 })).rejects.toThrow(RangeError);
    });

    it("answers as the definition does, whenever and however often it is asked", async () => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(histories, async ({ rule, requests }) => {
          const defined = definition(rule);
          run++;
          for (const { afterMs, key } of requests) {
            now += afterMs;
            expect(await limiter.take(`${run}-${key}`, rule)).toEqual(defined(key, now));
          }
        }),
        withSeed({ numRuns: runs }),
      );
    });

    it("allows exactly the burst among many who ask at once", async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => limiter.take("k", { perMinute: 6, burst: 7 })),
      );
      expect(answers.filter((one) => one.allowed)).toHaveLength(7);
    });
  });
};

export const histories = fc.record({
  rule: fc.record({ perMinute: fc.integer({ min: 1, max: 10_000 }), burst: fc.integer({ min: 1, max: 8 }) }),
  requests: fc.array(
    fc.record({
      afterMs: fc.oneof(fc.constant(0), fc.nat(20), fc.nat(5_000), fc.nat(120_000)),
      key: fc.constantFrom("a", "b"),
    }),
    { maxLength: 40 },
  ),
});

/**
 * The definition, as a bucket: it holds `burst` requests, each of which takes a whole number of microseconds to grow
 * back; a request is allowed when there is a whole one.
 */
const definition = ({ perMinute, burst }: RateRule) => {
  const whole = BigInt(Math.ceil(60_000_000 / perMinute));
  const buckets = new Map<string, { credit: bigint; at: bigint }>();
  return (key: string, nowMs: number) => {
    const at = BigInt(nowMs) * 1_000n;
    const full = whole * BigInt(burst);
    const bucket = buckets.get(key) ?? { credit: full, at };
    const grown = bucket.credit + at - bucket.at;
    const credit = grown > full ? full : grown;
    const isAllowed = credit >= whole;
    buckets.set(key, { credit: isAllowed ? credit - whole : credit, at });
    return isAllowed ? allowed : refused(Number((whole - credit + 999n) / 1_000n));
  };
};

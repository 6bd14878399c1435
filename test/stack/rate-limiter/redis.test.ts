import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OpenedRedis } from "../../../src/infra/engines/redis.js";
import { createMemoryRateLimiter } from "../../../src/infra/rate-limiter/memory.js";
import { createRedisRateLimiter } from "../../../src/infra/rate-limiter/redis.js";
import { rateLimiterContract } from "../../contract/rate-limiter.contract.js";
import { connectPatiently, keysOf, newPrefix, redisUrl, until } from "../engines/redis-kit.js";

const url = redisUrl ?? "";

describe.skipIf(redisUrl === undefined)("rates in Redis", () => {
  let opened: OpenedRedis;
  beforeAll(async () => {
    opened = await connectPatiently(url);
  });
  afterAll(() => {
    opened.close();
  });
  const limiterOf = (prefix: string, now?: () => number) =>
    createRedisRateLimiter({
      redis: opened.redis,
      prefix,
      // An answer of the memory would hide that Redis gave none.
      fallback: { take: () => Promise.reject(new Error("the fallback was asked")) },
      onFallback: () => undefined,
      ...(now === undefined ? {} : { now }),
    });

  rateLimiterContract(
    "Redis",
    (now) => Promise.resolve({ limiter: limiterOf(newPrefix(), now), close: () => Promise.resolve() }),
    60,
  );

  it("counts all processes together, by Redis' clock, and forgets what is used up", async () => {
    const prefix = newPrefix();
    const [one, other] = [limiterOf(prefix), limiterOf(prefix)];
    const slow = { perMinute: 1, burst: 2 };
    const answers = [await one.take("k", slow), await other.take("k", slow), await one.take("k", slow)];
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, true, false]);
    expect(answers[2]?.retryAfterMs).toBeGreaterThan(0);
    expect(answers[2]?.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect((await one.take("quick", { perMinute: 6_000, burst: 1 })).allowed).toBe(true);
    await until(async () => (await one.take("quick", { perMinute: 6_000, burst: 1 })).allowed);
    await until(async () => !(await keysOf(opened.redis, prefix)).some((key) => key.includes("quick")));
    expect(await opened.redis.pttl(`${prefix}:rate:{k}`)).toBeGreaterThan(0);
  });

  it("asks the fallback, and says so, when Redis does not answer", async () => {
    const gone = await connectPatiently(url);
    const reasons: Error[] = [];
    const limiter = createRedisRateLimiter({
      redis: gone.redis,
      prefix: newPrefix(),
      fallback: createMemoryRateLimiter({ now: () => 1_000 }),
      onFallback: (reason) => reasons.push(reason),
    });
    const rule = { perMinute: 1, burst: 1 };
    expect(await limiter.take("k", rule)).toEqual({ allowed: true, retryAfterMs: 0 });
    expect(reasons).toEqual([]);
    gone.close();
    expect(await limiter.take("k", rule)).toEqual({ allowed: true, retryAfterMs: 0 });
    expect(await limiter.take("k", rule)).toEqual({ allowed: false, retryAfterMs: 60_000 });
    expect(reasons).toMatchObject([{ code: "UNAVAILABLE" }, { code: "UNAVAILABLE" }]);
  });
});

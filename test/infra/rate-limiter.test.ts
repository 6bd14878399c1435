import { expect, it } from "vitest";
import { createMemoryRateLimiter } from "../../src/infra/rate-limiter/memory.js";
import { rateLimiterContract } from "../contract/rate-limiter.contract.js";

rateLimiterContract(
  "memory",
  (now) => Promise.resolve({ limiter: createMemoryRateLimiter({ now }), close: () => Promise.resolve() }),
  500,
);

it("forgets the key that was asked about longest ago when there are too many", async () => {
  const limiter = createMemoryRateLimiter({ now: () => 1_000, keysMax: 2 });
  const once = { perMinute: 1, burst: 1 };
  const isAllowed = async (key: string) => (await limiter.take(key, once)).allowed;
  expect([await isAllowed("a"), await isAllowed("b"), await isAllowed("a")]).toEqual([true, true, false]);
  expect(await isAllowed("c")).toBe(true);
  expect(await isAllowed("a")).toBe(false);
  expect(await isAllowed("b")).toBe(true);
});

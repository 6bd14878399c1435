import { afterEach, expect, it, vi } from "vitest";
import { createMemoryRateLimiter } from "../../../src/infra/rate-limiter/memory.js";
import { rateLimiterContract } from "../../contract/rate-limiter.contract.js";

rateLimiterContract(
  "memory",
  (now) => Promise.resolve({ limiter: createMemoryRateLimiter({ now }), close: () => Promise.resolve() }),
  500,
);

afterEach(() => {
  vi.useRealTimers();
});

it("lets nobody wait for a clock that was set back, nor come sooner for one that was set forward", async () => {
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: 1_800_000_000_000 });
  const limiter = createMemoryRateLimiter();
  const take = () => limiter.take("k", { perMinute: 60, burst: 2 });
  const allowed = { allowed: true, retryAfterMs: 0 };
  expect(await take()).toEqual(allowed);
  vi.setSystemTime(1_800_000_000_000 - 3_600_000);
  expect(await take()).toEqual(allowed);
  vi.setSystemTime(1_800_000_000_000 + 3_600_000);
  expect(await take()).toEqual({ allowed: false, retryAfterMs: 1_000 });
  vi.advanceTimersByTime(1_000);
  expect(await take()).toEqual(allowed);
});

it("forgets the key that was asked about longest ago when there are too many", async () => {
  const limiter = createMemoryRateLimiter({ now: () => 1_000, keysMax: 2 });
  const once = { perMinute: 1, burst: 1 };
  const isAllowed = async (key: string) => (await limiter.take(key, once)).allowed;
  expect([await isAllowed("a"), await isAllowed("b"), await isAllowed("a")]).toEqual([true, true, false]);
  expect(await isAllowed("c")).toBe(true);
  expect(await isAllowed("a")).toBe(false);
  expect(await isAllowed("b")).toBe(true);
});

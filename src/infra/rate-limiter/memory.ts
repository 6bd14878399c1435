import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru.js";
import type { RateLimiter, RateRule } from "../../gateway/ports.js";

export type MemoryRateLimiterOptions = {
  /** Milliseconds; a clock that is never set back: a user who has sent before would wait for as long as it was. */
  readonly now?: () => number;
  /** The keys that are remembered; beyond it the one that was asked about longest ago is forgotten and starts afresh. */
  readonly keysMax?: number;
};

/** Some 10 MB. */
const keysMaxDefault = 100_000;

/** The limits of one process. Never rejects but with RangeError, for a rule under which nothing is ever allowed. */
export const createMemoryRateLimiter = (options: MemoryRateLimiterOptions = {}): RateLimiter => {
  const { now = () => performance.now(), keysMax = keysMaxDefault } = options;
  /** When the key's requests would have been used up, in microseconds. */
  const arrivals = new LRUCache<string, number>(entriesMax(keysMax));
  const take = (key: string, rule: RateRule): Taken => {
    const { interval, tolerance } = microsecondsOf(rule);
    const at = Math.floor(now() * 1_000);
    const arrival = Math.max(arrivals.get(key) ?? 0, at);
    const early = arrival - tolerance - at;
    arrivals.set(key, early > 0 ? arrival : arrival + interval);
    return takenOf(early);
  };
  return {
    take: (key, rule) =>
      new Promise((resolve) => {
        resolve(take(key, rule));
      }),
  };
};

type Taken = Awaited<ReturnType<RateLimiter["take"]>>;

/** `early`: microseconds until the request would be allowed, 0 or less for one that is. */
export const takenOf = (early: number): Taken => ({
  allowed: early <= 0,
  retryAfterMs: early <= 0 ? 0 : Math.ceil(early / 1_000),
});

/**
 * GCRA in whole microseconds, so that it is exact in every engine: each request takes `interval`, and may come up to
 * `tolerance` before those before it are used up.
 *
 * @throws RangeError for a rule under which nothing is ever allowed
 */
export const microsecondsOf = ({ perMinute, burst }: RateRule): { interval: number; tolerance: number } => {
  if (!(perMinute > 0 && burst >= 1)) throw new RangeError(`not a rate: ${perMinute} a minute, ${burst} at once`);
  const interval = Math.ceil(60_000_000 / perMinute);
  return { interval, tolerance: Math.floor(interval * (burst - 1)) };
};

import { asError } from "../../lib/errors.js";
import type { Redis } from "ioredis";
import type { RateLimiter } from "../../gateway/ports.js";
import { defineScript } from "../engines/redis.js";
import { microsecondsOf, takenOf } from "./memory.js";

export type RedisRateLimiterOptions = {
  readonly redis: Redis;
  /** In front of every key, before a colon. */
  readonly prefix: string;
  /** Answers whenever Redis does not: limits are then each process's own. */
  readonly fallback: RateLimiter;
  /** Told of each answer that the fallback gave, with the reason; a metric. */
  readonly onFallback: (reason: Error) => void;
  /** Unix milliseconds instead of Redis' own time, which all processes share; for tests. */
  readonly now?: () => number;
};

/**
 * The limits of all processes together: one key and one round trip a request. Redis forgets a key when its requests are
 * used up. An answer that got lost has cost the request, and the fallback is asked as well.
 */
export const createRedisRateLimiter = (options: RedisRateLimiterOptions): RateLimiter => {
  const { redis, prefix, fallback, onFallback, now } = options;
  const script = defineScript(redis, "parleyRateTake", take);
  return {
    take: async (key, rule) => {
      const { interval, tolerance } = microsecondsOf(rule);
      const time = now === undefined ? [] : [Math.floor(now() * 1_000)];
      let early: number;
      try {
        early = Number(await script([`${prefix}:rate:{${key}}`], [interval, tolerance, ...time]));
      } catch (error) {
        onFallback(asError(error));
        return fallback.take(key, rule);
      }
      return takenOf(early);
    },
  };
};

/**
 * KEYS: the arrival. ARGV: interval, tolerance, the time of a test. Microseconds have 16 digits: Lua's own conversion to
 * text would cut them to 14. With a test's time the key outlives it, as the test's clock stands still meanwhile.
 */
const take = `
local time = redis.call('TIME')
local now = tonumber(ARGV[3]) or time[1] * 1000000 + time[2]
local arrival = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now)
local early = arrival - ARGV[2] - now
if early <= 0 then
  arrival = arrival + ARGV[1]
  local lifetime = ARGV[3] and 60000 or math.ceil((arrival - now) / 1000)
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', string.format('%.0f', lifetime))
end
return early
`;

import type { RateLimiter } from "./ports.js";
import type { Failure } from "./protocol/codes.js";

/** Undefined when the user may send or change one more message now. Never rejects. */
export type MessageRate = (userId: string) => Promise<Failure | undefined>;

/** What an outbox that comes back online may send at once: ten seconds' worth, and never fewer than ten messages. */
const burstOf = (perMinute: number): number => Math.max(10, Math.ceil(perMinute / 6));

/**
 * One limit for all devices of a user, and for messages, edits, deletions and reactions together: each is an event that
 * everybody gets. What `connected` calls `messagesPerMinute`.
 */
export const createMessageRate = (limiter: RateLimiter, perMinute: number): MessageRate => {
  const rule = { perMinute, burst: burstOf(perMinute) };
  return async (userId) => {
    const { allowed, retryAfterMs } = await limiter.take(`messages:${userId}`, rule);
    if (allowed) return undefined;
    return {
      code: "RATE_LIMITED",
      message: `At most ${perMinute} messages and changes of messages a minute, ${rule.burst} of them at once.`,
      retryAfter: Math.max(1, Math.ceil(retryAfterMs / 1_000)),
      limit: "messagesPerMinute",
    };
  };
};

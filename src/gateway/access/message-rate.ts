import type { UserId } from "../../domain/kernel/ids.js";
import type { RateLimiter } from "../ports.js";
import type { Failure } from "../protocol/codes.js";

/** Undefined when the user may do one more now. Never rejects. */
export type UserRate = (userId: UserId) => Promise<Failure | undefined>;
/** Of sending and changing messages. */
export type MessageRate = UserRate;

/** What an outbox that comes back online may send at once: ten seconds' worth, and never fewer than ten. */
const burstOf = (perMinute: number): number => Math.max(10, Math.ceil(perMinute / 6));

/**
 * One limit for all devices of a user, and for messages, edits, deletions and reactions together: each is an event that
 * everybody gets. What `connected` calls `messagesPerMinute`.
 */
export const createMessageRate = (limiter: RateLimiter, perMinute: number): MessageRate =>
  createUserRate(limiter, perMinute, { of: "messages", what: "messages and changes of messages" });

/** One for all changes by REST: each is an append, and most are an event that others get. */
export const createChangeRate = (limiter: RateLimiter, perMinute: number): UserRate =>
  createUserRate(limiter, perMinute, { of: "changes", what: "changes by REST" });

const createUserRate = (
  limiter: RateLimiter,
  perMinute: number,
  { of, what }: { readonly of: "messages" | "changes"; readonly what: string },
): UserRate => {
  const rule = { perMinute, burst: burstOf(perMinute) };
  return async (userId) => {
    const { allowed, retryAfterMs } = await limiter.take(`${of}:${userId}`, rule);
    if (allowed) return undefined;
    return {
      code: "RATE_LIMITED",
      message: `At most ${perMinute} ${what} a minute, ${rule.burst} of them at once.`,
      retryAfter: Math.max(1, Math.ceil(retryAfterMs / 1_000)),
      limit: `${of}PerMinute`,
    };
  };
};

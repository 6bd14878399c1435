/** Milliseconds. */
export type Backoff = { readonly delayMsBase: number; readonly delayMsMax: number };

/**
 * Exponential with full jitter: anything from 0 to the step's ceiling, so that clients that lost a server together do not
 * come back together. `attempt` counts from 0.
 */
export function fullJitterMs(backoff: Backoff, attempt: number, random: () => number): number {
  return Math.floor(random() * ceilingMs(backoff, attempt));
}

export function ceilingMs(backoff: Backoff, attempt: number): number {
  // 2^30 is beyond any ceiling; it keeps the power finite.
  return Math.min(backoff.delayMsMax, backoff.delayMsBase * 2 ** Math.min(attempt, 30));
}

import { pause } from "./time.js";

/** Milliseconds. */
export type Backoff = {
  /** The longest first pause; it doubles with each failure. */
  readonly msMin: number;
  readonly msMax: number;
  /** The share of a pause that is no jitter, 0 where it is missing: for what must not be asked again at once. */
  readonly steady?: number;
};

/** How long to wait after so many failures before the last one: with full jitter, so that processes that failed together do not try together. */
export const backoffMs = (
  failures: number,
  { msMin, msMax, steady = 0 }: Backoff,
  random: () => number = Math.random,
): number => Math.min(msMax, msMin * 2 ** failures) * (steady + (1 - steady) * random());

/**
 * Does the work until it succeeds. `failed` is told of each failure and how many came before it: it answers how long to
 * wait (ms), or throws what ends it.
 *
 * Not p-retry: it ends with a TypeError, drops the answer of work that is done as it is stopped, and has no jitter where
 * pauses are longest.
 */
export const retried = async <A>(
  work: () => A | Promise<A>,
  failed: (error: unknown, failures: number) => number,
  rest: (ms: number) => Promise<void> = pause,
): Promise<A> => {
  for (let failures = 0; ; failures += 1) {
    try {
      return await work();
    } catch (error) {
      await rest(failed(error, failures));
    }
  }
};

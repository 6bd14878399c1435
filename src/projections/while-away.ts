import { isAway } from "./ports.js";

const backoffMsMin = 50;
const backoffMsMax = 5_000;

/**
 * Does the work again, with jittered back-off and without end, for as long as the log or a store is away. Rejects with
 * whatever else the work rejects with, and with that as well once nobody wants it any more.
 */
export const whileAway = async <A>(
  work: () => Promise<A>,
  isStopped: () => boolean,
  onAway: (error: unknown) => void = () => undefined,
): Promise<A> => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error) || isStopped()) throw error;
      onAway(error);
      const waitMs = Math.random() * Math.min(backoffMsMax, backoffMsMin * 2 ** attempt);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
};

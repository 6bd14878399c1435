import { pause } from "../../lib/time.js";

/** Holds work back to a rate. */
export type Pace = {
  /** So much at a time, that the rate is even. */
  readonly batchMax: number;
  /** Resolves when so much, done since the start, is not beyond the rate. */
  readonly after: (count: number) => Promise<void>;
};

export const paceOf = (perSecondMax: number | undefined, now: () => number = () => performance.now()): Pace => {
  if (perSecondMax === undefined) return { batchMax: Infinity, after: () => Promise.resolve() };
  const began = now();
  let done = 0;
  return {
    batchMax: Math.max(1, Math.ceil(perSecondMax / 4)),
    after: async (count) => {
      done += count;
      const early = (done / perSecondMax) * 1_000 - (now() - began);
      if (early > 0) await pause(early);
    },
  };
};

/**
 * Which clients may come in now. After an outage all return at once; each costs a signature check and a registration,
 * so the gateway lets in only so many a second and at once, and tells the rest when to come back.
 */
export type AcceptRate = {
  /** False: answer 503. True: `leave` must follow, once. */
  readonly enter: () => boolean;
  readonly leave: () => void;
  /** Seconds, different for each caller, so that those refused together do not return together. */
  readonly retryAfterSeconds: () => number;
};

export type AcceptRateOptions = {
  /** Upgrades whose token is being checked. */
  readonly concurrentMax: number;
  readonly perSecondMax: number;
  /** That many may come at once after a quiet time. */
  readonly burstMax: number;
  /** Milliseconds; monotonic. */
  readonly now?: () => number;
  readonly random?: () => number;
};

const retryAfterSecondsMax = 10;

export const createAcceptRate = (options: AcceptRateOptions): AcceptRate => {
  const now = options.now ?? (() => performance.now());
  const random = options.random ?? Math.random;
  let concurrent = 0;
  let tokens = options.burstMax;
  let refilledAt = now();

  return {
    enter: () => {
      const at = now();
      tokens = Math.min(options.burstMax, tokens + ((at - refilledAt) / 1000) * options.perSecondMax);
      refilledAt = at;
      if (tokens < 1 || concurrent >= options.concurrentMax) return false;
      tokens--;
      concurrent++;
      return true;
    },
    leave: () => {
      concurrent--;
    },
    retryAfterSeconds: () => 1 + Math.floor(random() * retryAfterSecondsMax),
  };
};

/** At most so many at work, at most so many waiting, first come first served. */
export type Gate = {
  /** Undefined: there is no room to wait. Otherwise what `work` resolves to; its rejection is the caller's. */
  readonly pass: <A>(work: () => Promise<A>) => Promise<A | undefined>;
};

export const createGate = (atOnceMax: number, waitingMax: number): Gate => {
  let atWork = 0;
  const waiting = new Set<() => void>();
  const leave = (): void => {
    for (const next of waiting) {
      // The place goes over to the next one: `atWork` stays as it is.
      waiting.delete(next);
      next();
      return;
    }
    atWork--;
  };
  return {
    pass: async (work) => {
      if (atWork < atOnceMax) atWork++;
      else if (waiting.size >= waitingMax) return undefined;
      else await new Promise<void>((resolve) => waiting.add(resolve));
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
};

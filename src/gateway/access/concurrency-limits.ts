/** At most so many at work, at most so many waiting. The keys have their turns one after another, whatever line stands behind one. */
export type Gate = {
  /** Undefined: there is no room to wait. Otherwise what `work` resolves to; its rejection is the caller's. */
  readonly pass: <A>(key: string, work: () => Promise<A>) => Promise<A | undefined>;
  /** Undefined: no place is free at this moment. Waits for none. */
  readonly passNow: <A>(work: () => Promise<A>) => Promise<A | undefined>;
};

export const createGate = (atOnceMax: number, waitingMax: number): Gate => {
  let atWork = 0;
  let waiting = 0;
  /** Whose turn is next stands first. */
  const lines = new Map<string, (() => void)[]>();
  const leave = (): void => {
    for (const [key, line] of lines) {
      const next = line.shift();
      lines.delete(key);
      if (line.length > 0) lines.set(key, line);
      waiting--;
      // The place goes over to the next one: `atWork` stays as it is.
      next?.();
      return;
    }
    atWork--;
  };
  const wait = (key: string): Promise<void> =>
    new Promise((resolve) => {
      const line = lines.get(key);
      if (line === undefined) lines.set(key, [resolve]);
      else line.push(resolve);
      waiting++;
    });
  return {
    pass: async (key, work) => {
      if (atWork < atOnceMax) atWork++;
      else if (waiting >= waitingMax) return undefined;
      else await wait(key);
      try {
        return await work();
      } finally {
        leave();
      }
    },
    passNow: async (work) => {
      if (atWork >= atOnceMax) return undefined;
      atWork++;
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
};

/** At most so many of one key at once. */
export type Quota = {
  /** Undefined: the key has as many already. Otherwise what `work` resolves to; its rejection is the caller's. */
  readonly within: <A>(key: string, work: () => Promise<A>) => Promise<A | undefined>;
};

export const createQuota = (ofOneMax: number): Quota => {
  const counts = new Map<string, number>();
  const count = (key: string, by: 1 | -1): void => {
    const now = (counts.get(key) ?? 0) + by;
    if (now === 0) counts.delete(key);
    else counts.set(key, now);
  };
  return {
    within: async (key, work) => {
      if ((counts.get(key) ?? 0) >= ofOneMax) return undefined;
      count(key, 1);
      try {
        return await work();
      } finally {
        count(key, -1);
      }
    },
  };
};

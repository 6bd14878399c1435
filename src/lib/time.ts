export type PauseOptions = {
  /** Ends the pause at once. */
  readonly stopped?: AbortSignal;
  /** Does not keep the process alive. */
  readonly unref?: true;
};

/**
 * Resolves after `ms`, or when it is stopped; never rejects. By the global timers, since those of `node:timers/promises`
 * go by the real time in a test that sets its own.
 */
export const pause = (ms: number, { stopped, unref }: PauseOptions = {}): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stopped?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (unref === true) timer.unref();
    stopped?.addEventListener("abort", end);
    if (stopped?.aborted === true) end();
  });

/**
 * What the work answers or rejects with; what `late` answers or throws when it has not after `ms`: an error that says so,
 * where nothing else is given. The work itself goes on then.
 */
export const within = async <A, B = never>(
  work: Promise<A>,
  ms: number,
  late: () => B = () => noAnswerWithin(ms),
): Promise<A | B> => {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<typeof isLate>((resolve) => {
    timer = setTimeout(resolve, ms, isLate);
  });
  try {
    const first = await Promise.race([work, timeUp]);
    return first === isLate ? late() : first;
  } finally {
    clearTimeout(timer);
  }
};

const isLate = Symbol("late");

const noAnswerWithin = (ms: number): never => {
  throw new Error(`no answer within ${ms / 1_000} s`);
};

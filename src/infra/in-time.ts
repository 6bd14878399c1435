const isLate = Symbol("late");

/** What the work answers or throws, or what `late` does when it has not after `ms`. The work itself goes on then. */
export const inTime = async <A, B>(work: Promise<A>, ms: number, late: () => B): Promise<A | B> => {
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

/** Counts how many reads follow one another: those that are asked for together are one round, however many they are. */
export type Rounds = {
  readonly wrap: <Args extends readonly unknown[], A>(
    read: (...args: Args) => Promise<A>,
  ) => (...args: Args) => Promise<A>;
  /** Runs the work; the rounds that it took, and the most reads of one. */
  readonly during: <A>(
    work: () => Promise<A>,
  ) => Promise<{ readonly answer: A; readonly rounds: number; readonly widest: number }>;
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** More turns than any chain of promises between one read's answer and the next question takes. */
const quietTurns = 3;

export const createRounds = (): Rounds => {
  let underWay = 0;
  let waiting: (() => void)[] = [];
  return {
    wrap:
      (read) =>
      async (...args) => {
        underWay += 1;
        const answer = await read(...args).finally(() => {
          underWay -= 1;
        });
        await new Promise<void>((resolve) => waiting.push(resolve));
        return answer;
      },
    during: async (work) => {
      const found = { rounds: 0, widest: 0 };
      const state = { done: false };
      const answer = work().finally(() => {
        state.done = true;
      });
      while (!state.done) {
        for (let quiet = 0; quiet < quietTurns; quiet++) {
          await turn();
          if (underWay > 0) quiet = 0;
        }
        const round = waiting;
        waiting = [];
        if (round.length === 0) continue;
        found.rounds += 1;
        found.widest = Math.max(found.widest, round.length);
        for (const release of round) release();
      }
      return { answer: await answer, ...found };
    },
  };
};

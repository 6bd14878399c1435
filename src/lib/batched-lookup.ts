/** Asks for many ids with few calls. */
export type BatchedLookup<A> = {
  /** What the call said about this id. Rejects as the call did, or at once when too many wait. */
  readonly ask: (id: string) => Promise<A | undefined>;
  /** Resolves when nothing is under way. */
  readonly idle: () => Promise<void>;
};

/** Ids of one call. */
const batchMax = 256;

type Waiting<A> = {
  readonly id: string;
  readonly resolve: (answer: A | undefined) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * One call at a time; whatever is asked for meanwhile is the next one, and an id that waits is asked for once. `call`
 * answers a map of what there is.
 */
export const createBatchedLookup = <A>(
  call: (ids: readonly string[]) => Promise<ReadonlyMap<string, A>>,
  waitingMax: number,
): BatchedLookup<A> => {
  const asked = new Map<string, Promise<A | undefined>>();
  const queue: Waiting<A>[] = [];
  let running: Promise<void> | undefined;

  const runOne = async (batch: readonly Waiting<A>[]): Promise<void> => {
    try {
      const answers = await call(batch.map(({ id }) => id));
      for (const { id, resolve } of batch) {
        asked.delete(id);
        resolve(answers.get(id));
      }
    } catch (error) {
      for (const { id, reject } of batch) {
        asked.delete(id);
        reject(error);
      }
    }
  };
  const run = async (): Promise<void> => {
    // Every caller of this turn is in the first batch.
    await Promise.resolve();
    while (queue.length > 0) await runOne(queue.splice(0, batchMax));
    running = undefined;
  };
  return {
    ask: (id) => {
      const known = asked.get(id);
      if (known !== undefined) return known;
      if (asked.size >= waitingMax) return Promise.reject(new Error(`${waitingMax} ids are waited for`));
      const promise = new Promise<A | undefined>((resolve, reject) => queue.push({ id, resolve, reject }));
      asked.set(id, promise);
      running ??= run();
      return promise;
    },
    idle: () => running ?? Promise.resolve(),
  };
};

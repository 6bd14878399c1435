export type Job = { readonly id: string; readonly payload: string };

/** What became of one attempt. A handler that rejects is `retry` after the queue's own backoff. */
export type JobOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "retry"; readonly afterMs: number }
  | { readonly kind: "dead"; readonly reason: string };

export type DeadJob = Job & { readonly reason: string; readonly attempts: number; readonly diedAt: number };

/**
 * Jobs that are done at least once each, in no particular order. `enqueue` is durable when it resolves; an id that was
 * enqueued within `deduplicateMs` is one job, whether it is done or not. A job whose consumer dies is given to another
 * after `visibilityMs`; one that takes longer is kept from others for as long as its handler runs. After `attemptsMax`
 * attempts it is a dead letter, which stays until it is redriven or removed.
 */
export type WorkQueue = {
  /** Rejects with StoreUnavailable when the queue cannot take them: full, or away. Repeat the identical call. */
  readonly enqueue: (jobs: readonly Job[]) => Promise<void>;
  /** At most `concurrency` handlers at once. */
  readonly consume: (
    handler: (job: Job, attempt: number) => Promise<JobOutcome>,
    options: { readonly concurrency: number },
  ) => { /** Waits for the handlers under way. */ readonly stop: () => Promise<void> };
  /** Oldest first, after the id `after`. */
  readonly dead: (page: { readonly after?: string; readonly limit: number }) => Promise<readonly DeadJob[]>;
  /** As new jobs, attempts at zero. Answers how many there were. */
  readonly redrive: (ids: readonly string[]) => Promise<number>;
  readonly removeDead: (ids: readonly string[]) => Promise<number>;
  readonly stats: () => Promise<{ readonly waiting: number; readonly dead: number }>;
};

/** The embedded work queue: one SQLite file, every commit synced. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { WorkQueue } from "../../../projections/ports/work-queue.js";
import { isInDoubt, opening } from "../../engines/sqlite-file.js";
import { checkJobs, reasonOf, unavailable, withDefaults, type WorkQueueOptions } from "../attempts.js";
import { startConsumer, type SqliteConsumer } from "./consume.js";
import { sqliteJobs } from "./jobs.js";
import { openQueueFile } from "./schema.js";

export type SqliteQueue = WorkQueue & {
  /** Stops the consumers, waits for their handlers and closes the file. Repeatable. */
  readonly close: () => Promise<void>;
};

/** Jobs of one commit: about 3 ms, during which the event loop stands still. */
const batchMax = 256;

/**
 * Opens, or makes, the queue in the file `path` (mode 600), whose directory exists.
 *
 * It may run on the main thread: every call is one short transaction (or a few, with the event loop's turn between
 * them), and what handlers that end together leave to be written is one commit. `enqueue` and `redrive` are atomic for
 * 256 jobs at a time. Several processes may share the file; what another one enqueues is seen within 2 s. Of an id that
 * dies twice the later dead letter stays. A dead page after an id that is no more starts at the oldest.
 *
 * Jobs that could never be taken are refused with RangeError: ids above 200 characters, payloads above 64 KiB.
 * @throws Error when the file cannot be opened.
 */
export const openSqliteQueue = (given: WorkQueueOptions & { readonly path: string }): SqliteQueue => {
  const options = withDefaults(given);
  const db = opening(options.path, "the work queue", () => openQueueFile(options.path));
  const jobs = sqliteJobs(db, options);
  const asking = guard();
  const consumers = new Set<SqliteConsumer>();
  const notify = (): void => {
    for (const consumer of consumers) consumer.notify();
  };
  /** Answers the sum of what the calls answer. */
  const inBatches = async <A>(all: readonly A[], call: (batch: readonly A[]) => number): Promise<number> => {
    let sum = 0;
    for (let i = 0; i < all.length; i += batchMax) {
      if (i > 0) await nextTurn();
      sum += asking(() => call(all.slice(i, i + batchMax)));
    }
    return sum;
  };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([...consumers].map((consumer) => consumer.stop()));
    db.close();
  };

  return {
    enqueue: async (all) => {
      checkJobs(all);
      await inBatches(all, (batch) => {
        const now = Date.now();
        jobs.enqueue(batch, now, now + options.deduplicateMs);
        return batch.length;
      }).finally(notify);
    },
    consume: (handler, { concurrency }) => {
      const turn: typeof jobs.turn = (...args) => asking(() => jobs.turn(...args));
      const consumer = startConsumer({ turn, extend: jobs.extend }, handler, concurrency, options);
      consumers.add(consumer);
      return { stop: () => consumer.stop().finally(() => consumers.delete(consumer)) };
    },
    dead: ({ after, limit }) => promised(() => asking(() => jobs.dead(after, limit))),
    redrive: (ids) => inBatches(ids, (batch) => jobs.redrive(batch, Date.now())).finally(notify),
    removeDead: (ids) => inBatches(ids, jobs.removeDead),
    stats: () => promised(() => asking(jobs.stats)),
    close: () => (closing ??= close()),
  };
};

/** What is thrown becomes a rejection. */
const promised = async <A>(ask: () => A): Promise<A> => Promise.resolve(ask());

/** Everything that SQLite throws becomes StoreUnavailable. A file that is in doubt is not written again. */
const guard = () => {
  let broken: Error | undefined;
  return <A>(ask: () => A): A => {
    if (broken !== undefined) throw unavailable("the work queue has stopped", broken);
    try {
      return ask();
    } catch (error) {
      if (isInDoubt(error)) broken = new Error(reasonOf(error), { cause: error });
      throw unavailable("the work queue", error);
    }
  };
};

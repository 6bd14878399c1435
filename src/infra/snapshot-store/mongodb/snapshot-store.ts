/** Snapshots in MongoDB, for all processes: chunks in documents of their own, and a head that is switched last. */
import type { Db } from "mongodb";
import type { Clock, SnapshotStore } from "../../../commands/ports.js";
import { collectionsOf } from "./documents.js";
import { loadSnapshot } from "./load.js";
import { saveSnapshot } from "./save.js";
import { sweepSnapshots } from "./sweep.js";

export type MongoSnapshots = SnapshotStore & {
  /** Removes now what killed processes have left; it happens by itself at start and every hour. @throws StoreUnavailable */
  readonly sweep: () => Promise<number>;
  /** Repeatable. The sweep that is under way ends first. The database stays open: it is the opener's. */
  readonly close: () => Promise<void>;
};

export type MongoSnapshotOptions = {
  readonly db: Db;
  readonly clock?: Clock;
  /** Told of each sweep that failed; the next one comes in an hour. */
  readonly onProblem?: (error: unknown) => void;
};

const sweepEveryMs = 3_600_000;

/** Opens the store; makes its indexes in the background. `load` and `save` reject with StoreUnavailable. */
export const openMongoSnapshots = ({ db, clock = Date.now, onProblem }: MongoSnapshotOptions): MongoSnapshots => {
  const collections = collectionsOf(db);
  let sweeping: Promise<void> | undefined;
  const sweep = (): Promise<number> => sweepSnapshots(collections, clock());
  const sweepBeside = (): void => {
    sweeping ??= sweep()
      .then(() => undefined)
      .catch((error: unknown) => onProblem?.(error))
      .finally(() => {
        sweeping = undefined;
      });
  };
  sweepBeside();
  const timer = setInterval(sweepBeside, sweepEveryMs);
  timer.unref();
  return {
    load: (stream, version) => loadSnapshot(collections, stream, version),
    save: (stream, snapshot) => saveSnapshot(collections, stream, snapshot),
    sweep,
    close: async () => {
      clearInterval(timer);
      await sweeping;
    },
  };
};

import type { Db } from "mongodb";
import { noPosition, type Position } from "../../../domain/kernel/stream.js";
import type { Checkpoint, ViewStore } from "../../../projections/ports/view-store.js";
import type { ViewChange } from "../../../projections/view-change.js";
import { reachable } from "../../engines/mongodb/connection.js";
import {
  checkpointDocuments,
  checkpointsOf,
  claimEpoch,
  refuseViewsAhead,
  type Checkpoints,
  type LogEnd,
} from "./checkpoints.js";
import { createLooks, type Looks } from "./generations/looks.js";
import { writtenOf } from "./generations/pointer.js";
import { createProjecting } from "./generations/projecting.js";
import { createReading } from "./generations/reading.js";
import { loadStanding } from "./generations/standing.js";
import { createIndexes } from "./indexes.js";
import { createCheckpointPoll, type CheckpointPoll } from "./checkpoint-poll.js";

/** The views in MongoDB, which any number of projectors write and any number of gateways read. */
export type MongoViews = {
  /** `apply` writes the changes, then raises the checkpoint of every partition. */
  readonly store: ViewStore;
  /**
   * Writes changes to all generations that there were when the projector began (`checkpoints.load`), without moving a
   * checkpoint; resolves when a majority has them (mongodb/writer.ts: failures).
   */
  readonly write: (changes: readonly ViewChange[]) => Promise<void>;
  /** The projector's alone: `load` begins its work anew. Others ask `liveIn`. */
  readonly checkpoints: Checkpoints;
  /** Whoever writes begins again when it is called: there are other generations to write. Until it is ended. */
  readonly onGenerations: (changed: () => void) => () => void;
  /** What the queries wait with: true as soon as every partition is projected up to the position. */
  readonly awaitCaughtUp: CheckpointPoll["awaitCaughtUp"];
  readonly reached: CheckpointPoll["reached"];
  /** The log's head when they were opened; 0 without a log. */
  readonly opened: Position;
  /** Readers that wait are answered false. The connection is its owner's to close. */
  readonly close: () => Promise<void>;
};

export type MongoViewsOptions = {
  readonly db: Db;
  /** How many partitions projectors share the work in: the same in every process. */
  readonly partitions?: number;
  /** Of the log. Views that are empty take it; without it views are taken as they are. */
  readonly epoch?: string;
  /** Views that are ahead of it are refused; without it they are taken as they are. */
  readonly log?: LogEnd;
  /** Told of what is tried again: the server away for a moment, two first writers of one row. */
  readonly onProblem?: (error: Error) => void;
};

/**
 * Opens the views and makes the indexes that are missing.
 *
 * @throws ViewsOfAnotherLog, code VIEWS_UNUSABLE, when the views' epoch is not the one given
 * @throws ViewsAheadOfLog, the same code, when a checkpoint of theirs or of delivery's is beyond the log's end
 * @throws StoreUnavailable when MongoDB does not answer, and what the log rejects with
 */
export const openMongoViews = async (options: MongoViewsOptions): Promise<MongoViews> => {
  const { db, partitions = 1, epoch, log, onProblem = () => undefined } = options;
  if (epoch !== undefined) await claimEpoch(checkpointsOf(db, partitions, onProblem), epoch);
  const collection = checkpointDocuments(db);
  const load = () => loadStanding(collection, partitions);
  const first = await load();
  if (log !== undefined) {
    const views = { load: () => Promise.resolve(writtenOf(first.pointer).flatMap(first.checkpoints)) };
    const delivery = checkpointsOf(db, partitions, onProblem, "delivery");
    await refuseViewsAhead(db.databaseName, { views, delivery }, log);
  }
  await reachable(() => createIndexes(db, writtenOf(first.pointer)));
  const opened = (await log?.head()) ?? noPosition;
  const reading = createReading(db, first);
  const looks: Looks = createLooks(load, first, reading.looked, onProblem);
  const { write, checkpoints } = createProjecting({ db, collection, partitions, first, looks, onProblem });
  const checkpoint = (): Promise<Checkpoint | undefined> => reading.checkpoint(looks);
  const { awaitCaughtUp, reached, close } = createCheckpointPoll(checkpoint, onProblem);
  const everyPartition = Array.from({ length: partitions }, (_, partition) => partition);
  return {
    store: {
      apply: async (changes, projected) => {
        await write(changes);
        await checkpoints.raise(everyPartition, projected);
      },
      checkpoint,
      reads: reading.reads(looks),
    },
    write,
    checkpoints,
    onGenerations: looks.watch,
    awaitCaughtUp,
    reached,
    opened,
    close,
  };
};

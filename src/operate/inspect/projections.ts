import { newestEpoch } from "../../commands/epoch.js";
import { statSync } from "node:fs";
import { filesOf } from "../../profiles/data-directory.js";
import { isDamaged, openLogOf, readCheckpoint } from "./stores.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";

/** How far a projection has come behind the log. Positions of this log are dense: `lag` is a number of events. */
export type ProjectionStatus = {
  readonly name: string;
  /** Position of the last event projected; 0 before the first. */
  readonly position: Position;
  readonly head: number;
  readonly lag: number;
  /** Null before the first event. */
  readonly epoch: string | null;
  readonly logEpoch: string | null;
  /** Of the file and its WAL. */
  readonly bytes: number;
  /** Undefined when all is well; else what is wrong and how to mend it. */
  readonly problem?: string;
};

/** `views.db` is no file of views. The message has what it is and what to do, the cause what was seen. */
export class ViewsDamaged extends Error {
  constructor(dir: string, cause: Error) {
    const { views } = filesOf(dir);
    super(`${views} cannot be read: ${cause.message}. ${buildAgain(dir)}`, { cause });
    this.name = "ViewsDamaged";
  }
}

/** The projections of a data directory, its server running or not. Rejects with NotThere without a log or views, and ViewsDamaged. */
export const projectionStatuses = async (dir: string): Promise<readonly ProjectionStatus[]> => {
  const checkpoint = checkpointOf(dir);
  // The log after the views: a head that was read first could be behind a checkpoint of the meantime.
  const log = openLogOf(dir);
  try {
    const head = await log.head();
    const logEpoch = (await newestEpoch(log)) ?? null;
    const position = checkpoint?.position ?? noPosition;
    const epoch = checkpoint?.epoch ?? null;
    const problem = problemOf(dir, { position, head, epoch, logEpoch });
    const bytes = bytesOf(filesOf(dir).views) + bytesOf(`${filesOf(dir).views}-wal`);
    const lag = Math.max(0, head - position);
    return [
      { name: "views", position, head, lag, epoch, logEpoch, bytes, ...(problem === undefined ? {} : { problem }) },
    ];
  } finally {
    log.close();
  }
};

const checkpointOf = (dir: string): ReturnType<typeof readCheckpoint> => {
  try {
    return readCheckpoint(dir);
  } catch (error) {
    throw isDamaged(error) ? new ViewsDamaged(dir, error) : error;
  }
};

/** What to do with views that do not fit. */
export const buildAgain = (dir: string): string => {
  const { views } = filesOf(dir);
  return `Stop Parley, delete ${views}, ${views}-wal and ${views}-shm, and start it: views are built again from the log`;
};

const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

type Standing = Pick<ProjectionStatus, "position" | "head" | "epoch" | "logEpoch">;

const problemOf = (dir: string, { position, head, epoch, logEpoch }: Standing): string | undefined => {
  const { log } = filesOf(dir);
  const mend = `${log} may be an old one or another's: look at it first. If it is the right one: ${lowered(buildAgain(dir))}`;
  if (epoch !== null && epoch !== logEpoch) return `The views were made from another incarnation of the log. ${mend}`;
  if (position > head) return `The views are at ${position}, beyond the log's end at ${head}. ${mend}`;
  return undefined;
};

/** 0 for a file that is not there. */
export const bytesOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

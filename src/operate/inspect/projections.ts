import { newestEpoch } from "../../commands/epoch.js";
import { statSync } from "node:fs";
import { filesOf } from "../../profiles/data-directory.js";
import { generationPath } from "../../infra/view-store/sqlite/generation-files.js";
import { sqliteGenerations } from "../../infra/view-store/sqlite/generations.js";
import { projectionNames, viewsOfNames } from "../../projections/named.js";
import type { GenerationFigures } from "../../projections/ports/generations.js";
import { callServer } from "../admin.js";
import { bytesTogether, type ProjectionsStatus, type ProjectionStatus } from "./status.js";
import { isDamaged, isLocked, openLogOf, readCheckpoint } from "./stores.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";

/** How far the views have come behind the log. Positions of this log are dense: `lag` is a number of events. */
export type ViewsStanding = {
  /** Position of the last event projected; 0 before the first. */
  readonly position: Position;
  readonly head: number;
  readonly lag: number;
  /** Null before the first event. */
  readonly epoch: string | null;
  readonly logEpoch: string | null;
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

/** The views of a data directory, its server running or not. Rejects with NotThere without a log or views, and ViewsDamaged. */
export const viewsStanding = async (dir: string): Promise<ViewsStanding> => {
  const checkpoint = checkpointOf(dir);
  // The log after the views: a head that was read first could be behind a checkpoint of the meantime.
  const log = openLogOf(dir);
  try {
    const head = await log.head();
    const logEpoch = (await newestEpoch(log)) ?? null;
    const position = checkpoint?.position ?? noPosition;
    const epoch = checkpoint?.epoch ?? null;
    const problem = problemOf(dir, { position, head, epoch, logEpoch });
    const lag = Math.max(0, head - position);
    return { position, head, lag, epoch, logEpoch, ...(problem === undefined ? {} : { problem }) };
  } finally {
    log.close();
  }
};

/** The projections by name, and the generations of their rows. Rejects as `viewsStanding` does. */
export const projectionStatuses = async (dir: string): Promise<ProjectionsStatus> => {
  const standing = await viewsStanding(dir);
  const errors = await errorsOfServer(dir);
  const generations = sqliteGenerations(dir);
  const all = await generations.list();
  const generation = all.find(({ state }) => state === "live")?.number ?? 1;
  const reader = await generations.read(generation);
  try {
    const projections: ProjectionStatus[] = [];
    for (const name of projectionNames) {
      const views = viewsOfNames([name]);
      if (views.length === 0) {
        const { head, logEpoch } = standing;
        const none = { position: null, lag: null, rows: null, generation: null, epoch: null };
        projections.push({ name, ...none, head, logEpoch, lastError: errors.delivery });
        continue;
      }
      const figures: GenerationFigures[] = [];
      for (const view of views) figures.push(await reader.figures(view));
      const rows = figures.reduce((sum, each) => sum + each.rows, 0);
      const bytes = bytesTogether(figures.map((each) => each.bytes));
      projections.push({ name, ...standing, rows, ...bytes, generation, lastError: errors.views });
    }
    return {
      ...{ profile: "embedded", head: standing.head, logEpoch: standing.logEpoch },
      projections,
      generations: all.map(({ number, state, checkpoint }) => {
        const path = generationPath(dir, number);
        return {
          ...{ number, state, position: checkpoint?.position ?? noPosition },
          bytes: bytesOf(path) + bytesOf(`${path}-wal`),
        };
      }),
    };
  } finally {
    await reader.close();
  }
};

type ErrorsOfServer = { readonly views: string | null; readonly delivery: string | null };

/** Why its projections do not go on, as the running server says; one that starts, ends or is of before says nothing. */
const errorsOfServer = async (dir: string): Promise<ErrorsOfServer> => {
  if (!isLocked(dir)) return { views: null, delivery: null };
  return callServer<ErrorsOfServer>(dir, "projections.errors", {}).catch(() => ({ views: null, delivery: null }));
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

type Standing = Pick<ViewsStanding, "position" | "head" | "epoch" | "logEpoch">;

const problemOf = (dir: string, { position, head, epoch, logEpoch }: Standing): string | undefined => {
  const { log } = filesOf(dir);
  const mend = `${log} may be an old one or another's: look at it first. If it is the right one: ${lowered(buildAgain(dir))}`;
  if (epoch !== null && epoch !== logEpoch) return `The views were made from another incarnation of the log. ${mend}`;
  if (position > head) return `The views are at ${position}, beyond the log's end at ${head}. ${mend}`;
  return undefined;
};

/** 0 for a file that is not there. */
export const bytesOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

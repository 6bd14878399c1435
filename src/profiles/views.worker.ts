/** The views' thread of the embedded profile: reads the log's file, projects it and answers the reads. */
import { workerData } from "node:worker_threads";
import type { Checkpoint } from "../projections/ports/view-store.js";
import { repairRows } from "../projections/reconcile/repair.js";
import { startRunner, type Runner } from "../projections/runner.js";
import { openSqliteLogReader, type SqliteLogReader } from "../infra/event-log/sqlite/file-reader.js";
import type {
  FromViews,
  OpenedViews,
  ToViews,
  ViewsHandlers,
  ViewsWorkerData,
} from "../infra/view-store/sqlite/view-store.js";
import { discardViews, olderViewsIn } from "../infra/view-store/sqlite/older-views.js";
import {
  answering,
  openSqliteViewsFile,
  ViewsUnusable,
  type SqliteViews,
} from "../infra/view-store/sqlite/views-file.js";
import { serveWorker } from "../infra/engines/worker.js";
import { noPosition } from "../domain/kernel/stream.js";

type Opened = { readonly log: SqliteLogReader; readonly views: SqliteViews; runner: Runner };

const data = workerData as ViewsWorkerData;
let opened: Opened | undefined;

const started = (): Opened => {
  if (opened === undefined) throw new Error("the views were not started");
  return opened;
};

const start = async (): Promise<OpenedViews> => {
  const log = openSqliteLogReader(data.logPath);
  let views: SqliteViews | undefined;
  try {
    const replaced = await discardOlder(log);
    views = openSqliteViewsFile(data.path);
    const { from, head } = await startingPoint(views.checkpoint(), log);
    opened = { log, views, runner: runnerOf(log, views, from) };
    return { from, head, replaced };
  } catch (error) {
    views?.close();
    log.close();
    throw error;
  }
};

const runnerOf = (log: SqliteLogReader, views: SqliteViews, from: Checkpoint): Runner =>
  startRunner({
    source: log,
    apply: views.apply,
    from,
    onCheckpoint: (checkpoint) => {
      say({ checkpoint });
    },
    onProblem: (problem) => {
      say({ problem: problem?.message ?? null });
    },
    onFailure: ({ error }) => {
      say({ failure: error.message });
    },
  });

/** Whether there were any. That they are not this log's is a reason to look, whatever their form is. */
const discardOlder = async (log: SqliteLogReader): Promise<boolean> => {
  const older = olderViewsIn(data.path);
  if (older === undefined) return false;
  await startingPoint(older.checkpoint, log);
  discardViews(data.path);
  return true;
};

/** Positions of another log, or beyond this one's end, mean nothing here: such views are not this log's. */
const startingPoint = async (
  checkpoint: Checkpoint | undefined,
  log: SqliteLogReader,
): Promise<Pick<OpenedViews, "from" | "head">> => {
  const from = checkpoint ?? { position: noPosition, epoch: data.epoch };
  const unless = `${data.logPath} may be an old one or another's: look at it first. If it is the right one, delete`;
  if (from.epoch !== data.epoch)
    throw new ViewsUnusable(data.path, "it was made from another incarnation of the log", unless);
  const head = await log.head();
  if (from.position > head)
    throw new ViewsUnusable(data.path, `it is at position ${from.position}, beyond the log's end at ${head}`, unless);
  return { from, head };
};

const handlers: ViewsHandlers = {
  start,
  apply: (changes, checkpoint) => {
    started().views.apply(changes, checkpoint);
  },
  checkpoint: () => started().views.checkpoint(),
  read: (name, args) =>
    answering(() => (started().views.reads[name] as (...args: readonly unknown[]) => unknown)(...args)),
  repair: (at, replacements) => {
    const { log, views } = started();
    return repairRows({ source: log, checkpoint: views.checkpoint, replace: views.replace }, at, replacements);
  },
  halt: async () => {
    const { runner } = started();
    await runner.stop();
    return runner.checkpoint();
  },
  goOn: () => {
    const { log, views, runner } = started();
    // Where it ended, which its file has.
    started().runner = runnerOf(log, views, runner.checkpoint());
    started().runner.wake();
  },
  stop: async () => {
    const { runner, views, log } = started();
    await runner.stop();
    views.close();
    log.close();
  },
};

const { post } = serveWorker(handlers, (message) => {
  const told = message as ToViews;
  const { runner } = started();
  if ("wake" in told) runner.wake();
  else runner.hurry(told.hurry);
});

const say = (message: FromViews): void => {
  post(message);
};

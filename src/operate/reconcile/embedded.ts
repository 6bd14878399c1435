import { liveViewsPath } from "../../infra/view-store/sqlite/generation-files.js";
import { openStoredRows } from "../../infra/view-store/sqlite/stored-rows.js";
import { openSqliteViewsFile } from "../../infra/view-store/sqlite/views-file.js";
import type { Closers } from "../../profiles/close-all.js";
import { repairRows } from "../../projections/reconcile/repair.js";
import { viewsVersion } from "../../projections/registry.js";
import type { Position } from "../../domain/kernel/stream.js";
import { withServerOrLock } from "../admin.js";
import { buildAgain } from "../inspect/projections.js";
import { openLogOf, readCheckpoint } from "../inspect/stores.js";
import type { FoundDrift, ViewsToReconcile } from "./views.js";

/** @throws NotThere without views, Error for views of another log or version */
export const openEmbeddedViews = (dir: string, epoch: string | undefined, closers: Closers): ViewsToReconcile => {
  const views = liveViewsPath(dir);
  const checkpoint = readCheckpoint(dir);
  if (checkpoint !== undefined && checkpoint.epoch !== epoch)
    throw new Error(`${views} was made from another incarnation of the log. ${buildAgain(dir)}`);
  const { stored, close } = openStoredRows(views);
  closers.push(close);
  return { stored, repair: (at, drifts) => repairIn(dir, at, drifts) };
};

/** By the thread that writes the views where a server runs, else here, under the directory's lock. */
const repairIn = (dir: string, at: Position, drifts: readonly FoundDrift[]): Promise<number> =>
  withServerOrLock(dir, {
    running: async (call) => {
      const replacements = drifts.map(({ view, key, right }) => ({ view, key, right }));
      await call("views.repair", { viewsVersion, at, replacements });
      return drifts.length;
    },
    stopped: async () => {
      const log = openLogOf(dir);
      try {
        const { checkpoint, replace, close } = openSqliteViewsFile(liveViewsPath(dir));
        try {
          await repairRows({ source: log, checkpoint, replace }, at, drifts);
          return drifts.length;
        } finally {
          close();
        }
      } finally {
        log.close();
      }
    },
  });

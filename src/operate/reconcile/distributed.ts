import type { Closers } from "../../profiles/close-all.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import {
  checkpointDocuments,
  smallestCheckpoint,
  ViewsOfAnotherLog,
} from "../../infra/view-store/mongodb/checkpoints.js";
import { liveOf } from "../../infra/view-store/mongodb/generations/pointer.js";
import { loadStanding } from "../../infra/view-store/mongodb/generations/standing.js";
import { repairingIn } from "../../infra/view-store/mongodb/repair.js";
import { storedRowsIn } from "../../infra/view-store/mongodb/stored-rows.js";
import { changesSince } from "../../projections/reconcile/repair.js";
import { openDatabase } from "../open-engines.js";
import type { LogToRead } from "../target.js";
import type { ViewsToReconcile } from "./views.js";

/** @throws (rejects) ViewsOfAnotherLog, and Error that names MongoDB when it does not answer */
export const openDistributedViews = async (
  config: DistributedConfig,
  log: LogToRead,
  epoch: string | undefined,
  closers: Closers,
): Promise<ViewsToReconcile> => {
  const { db } = await openDatabase(config, closers);
  const standing = () => loadStanding(checkpointDocuments(db), config.partitions);
  // The one that readers read now; should another become live meanwhile, what is told is of this one.
  const live = liveOf((await standing()).pointer);
  const checkpoints = { load: async () => (await standing()).checkpoints(live) };
  const checkpoint = smallestCheckpoint(await checkpoints.load());
  if (checkpoint !== undefined && checkpoint.epoch !== epoch)
    throw new ViewsOfAnotherLog(db.databaseName, checkpoint.epoch, epoch ?? "none");
  const repair = repairingIn(db, (at, names) => changesSince(log, at, names), live);
  return { stored: storedRowsIn(db, checkpoints, live), repair };
};

import type { Closers } from "../../profiles/close-all.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { smallestCheckpoint, ViewsOfAnotherLog } from "../../infra/view-store/mongodb/checkpoints.js";
import { liveIn } from "../../infra/view-store/mongodb/generations/live.js";
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
  const { generation, checkpoints } = await liveIn(db, config.partitions);
  const checkpoint = smallestCheckpoint(await checkpoints.load());
  if (checkpoint !== undefined && checkpoint.epoch !== epoch)
    throw new ViewsOfAnotherLog(db.databaseName, checkpoint.epoch, epoch ?? "none");
  const repair = repairingIn(db, (at, names) => changesSince(log, at, names), generation);
  return { stored: storedRowsIn(db, checkpoints, generation), repair };
};

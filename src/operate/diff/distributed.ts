import { checkpointsOf } from "../../infra/view-store/mongodb/checkpoints.js";
import { rowsSideIn } from "../../infra/view-store/mongodb/stored-rows.js";
import type { Closers } from "../../profiles/close-all.js";
import type { Side } from "../../projections/diff/rows.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { openDatabase } from "../open-engines.js";

/** The live views in MongoDB. @throws (rejects) Error that names MongoDB when it does not answer */
export const openLiveSide = async (config: DistributedConfig, closers: Closers): Promise<Side> => {
  const { db } = await openDatabase(config, closers);
  return rowsSideIn(
    db,
    checkpointsOf(db, config.partitions, () => undefined),
  );
};

import { checkpointDocuments } from "../../infra/view-store/mongodb/checkpoints.js";
import { mongoGenerations } from "../../infra/view-store/mongodb/generations/generations.js";
import { liveOf } from "../../infra/view-store/mongodb/generations/pointer.js";
import { loadStanding } from "../../infra/view-store/mongodb/generations/standing.js";
import type { Closers } from "../../profiles/close-all.js";
import type { Side } from "../../projections/diff/rows.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { openDatabase } from "../open-engines.js";

/** The live views in MongoDB. @throws (rejects) Error that names MongoDB when it does not answer */
export const openLiveSide = async (config: DistributedConfig, closers: Closers): Promise<Side> => {
  const { db } = await openDatabase(config, closers);
  const { partitions } = config;
  const { pointer } = await loadStanding(checkpointDocuments(db), partitions);
  return mongoGenerations({ db, partitions }).read(liveOf(pointer));
};

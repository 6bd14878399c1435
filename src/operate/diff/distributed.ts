import { mongoGenerations } from "../../infra/view-store/mongodb/generations/generations.js";
import { liveIn } from "../../infra/view-store/mongodb/generations/live.js";
import type { Closers } from "../../profiles/close-all.js";
import type { Side } from "../../projections/diff/rows.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { openDatabase } from "../open-engines.js";

/** The live views in MongoDB. @throws (rejects) Error that names MongoDB when it does not answer */
export const openLiveSide = async (config: DistributedConfig, closers: Closers): Promise<Side> => {
  const { db } = await openDatabase(config, closers);
  const { partitions } = config;
  const { generation } = await liveIn(db, partitions);
  return mongoGenerations({ db, partitions }).read(generation);
};

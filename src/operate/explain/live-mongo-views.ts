import { noPosition } from "../../domain/kernel/stream.js";
import { smallestCheckpoint } from "../../infra/view-store/mongodb/checkpoints.js";
import { collectionsOf } from "../../infra/view-store/mongodb/documents.js";
import { liveIn } from "../../infra/view-store/mongodb/generations/live.js";
import { mongoReads } from "../../infra/view-store/mongodb/reads.js";
import type { Closers } from "../../profiles/close-all.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { openDatabase } from "../open-engines.js";
import type { OpenedLiveViews } from "./views.js";

/** The distributed profile's part of `openLiveViews`. */
export const openLiveMongoViews = async (config: DistributedConfig, closers: Closers): Promise<OpenedLiveViews> => {
  const { db } = await openDatabase(config, closers);
  const { generation, checkpoints } = await liveIn(db, config.partitions);
  return {
    reads: mongoReads(collectionsOf(db, generation)),
    reached: async () => smallestCheckpoint(await checkpoints.load())?.position ?? noPosition,
    epoch: async () => (await checkpoints.load()).find((each) => each !== undefined)?.epoch,
  };
};

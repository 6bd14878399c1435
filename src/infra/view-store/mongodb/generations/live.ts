import type { Db } from "mongodb";
import { checkpointDocuments, type Checkpoints } from "../checkpoints.js";
import { liveOf } from "./pointer.js";
import { loadStanding } from "./standing.js";

/**
 * The generation that readers read now, with its checkpoints, for those who look at rows as they are stored. Should another
 * become live meanwhile, what they find is of this one.
 */
export const liveIn = async (
  db: Db,
  partitions: number,
): Promise<{ readonly generation: number; readonly checkpoints: Pick<Checkpoints, "load"> }> => {
  const collection = checkpointDocuments(db);
  const generation = liveOf((await loadStanding(collection, partitions)).pointer);
  return {
    generation,
    checkpoints: { load: async () => (await loadStanding(collection, partitions)).checkpoints(generation) },
  };
};

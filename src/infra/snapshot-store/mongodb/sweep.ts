import { reachable } from "../../engines/mongodb/connection.js";
import { partIdsOf, type SnapshotCollections } from "./documents.js";

/** A save takes no longer. One that does may find its snapshot damaged: a longer fold. */
const saveEndsWithinMs = 3_600_000;
/** Saves that are tidied up after in one sweep; the others wait for the next one. */
const savesPerSweep = 1_000;

/**
 * Removes the chunks that killed processes have left: of each stream with a save that did not tidy up, the old parts
 * which its head does not name. `now` in milliseconds. Several processes may sweep at once. Resolves with how many parts went.
 * @throws StoreUnavailable
 */
export const sweepSnapshots = async ({ heads, parts, saves }: SnapshotCollections, now: number): Promise<number> => {
  const savedBefore = new Date(now - saveEndsWithinMs);
  // By then the last part of a save that was killed is old enough as well.
  const startedBefore = new Date(now - 2 * saveEndsWithinMs);
  let removed = 0;
  await reachable(async () => {
    await parts.createIndex({ stream: 1 });
    await saves.createIndex({ startedAt: 1 });
    const left = await saves
      .find({ startedAt: { $lt: startedBefore } })
      .sort({ startedAt: 1 })
      .limit(savesPerSweep)
      .toArray();
    for (const { _id, stream } of left) {
      const named = partIdsOf(await heads.findOne({ _id: stream }));
      // Young parts belong to a save that is under way, and old ones that a young head names were named by the one before.
      const unwanted = { stream, savedAt: { $lt: savedBefore }, _id: { $nin: [...named] } };
      removed += (await parts.deleteMany(unwanted)).deletedCount;
      await saves.deleteOne({ _id });
    }
  });
  return removed;
};

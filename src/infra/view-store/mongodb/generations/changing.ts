import type { Collection } from "mongodb";
import { reachable } from "../../../engines/mongodb/connection.js";
import { whileRevision, type CheckpointDocument } from "../checkpoints.js";
import { checkpointsId } from "../documents.js";
import type { Pointer } from "./pointer.js";
import type { Standing } from "./standing.js";

/**
 * Changes the pointer, with the checkpoints of generations that it has no more; two that change it at once come one after
 * the other. `next` may be asked again, and answers undefined for a change that is not needed.
 * @throws StoreUnavailable, and what `next` throws; nothing is changed then
 */
export const changePointer = async (
  collection: Collection<CheckpointDocument>,
  load: () => Promise<Standing>,
  next: (now: Standing) => Pointer | undefined,
): Promise<Pointer> => {
  for (;;) {
    const now = await load();
    const pointer = next(now);
    if (pointer === undefined) return now.pointer;
    const filter = { ...whileRevision(now.pointer.revision), _id: checkpointsId.views };
    const gone = now.pointer.entries.filter(({ number }) => !pointer.entries.some((entry) => entry.number === number));
    const fields = gone.flatMap(({ number }) => Object.keys(now.stored(number)));
    // A version that knows no generations must not take the first one, which is gone, for complete.
    const unset =
      fields.length === 0 ? {} : { $unset: Object.fromEntries(fields.map((field) => [field, "" as const])) };
    const update = { $set: { generations: pointer }, ...unset };
    const { matchedCount } = await reachable(() => collection.updateOne(filter, update));
    if (matchedCount === 1) return pointer;
  }
};

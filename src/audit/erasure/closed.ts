import { LRUCache } from "lru-cache";
import { erasureOf } from "../../domain/user/erasure.js";
import type { EventLog } from "../../commands/ports.js";
import type { Sealing } from "../../commands/sealing/sealing.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { entriesMax } from "../../lib/lru.js";
import type { OpenContent } from "../../projections/ports/open-content.js";

/** Authors in memory, of some 100 bytes each. */
const usersMax = 20_000;

/**
 * Opens what people wrote, but nothing of one who was erased by now, whatever moment it is told of: what was never sealed
 * stands in the log, and no key could be destroyed (ADR 28). Each author's stream is looked at once.
 */
export const closedForErasedIn = (log: Pick<EventLog, "readStream">, open: Sealing["open"]): OpenContent => {
  const known = new LRUCache<UserId, Promise<boolean>>(entriesMax(usersMax));
  const isErased = (userId: UserId): Promise<boolean> => {
    const found = known.get(userId) ?? erasureOf(log, userId).then((event) => event !== undefined);
    known.set(userId, found);
    return found;
  };
  return async (context, sealed, author) =>
    sealed.alg === "none" && author !== undefined && (await isErased(author)) ? null : open(context, sealed);
};

import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { laterOf, noPosition, type Position } from "../../domain/kernel/stream.js";

/** Up to where in the log a user's reads must see: the newest change that an answer has told that user about. */
export type ReadYourWrites = {
  readonly wrote: (userId: UserId, position: Position) => void;
  readonly seen: (userId: UserId) => Position;
};

/**
 * Remembers the `usersMax` users who wrote last, one by one. A user who is forgotten waits for the newest position that
 * was ever forgotten: perhaps longer than needed, never too short.
 */
export const createReadYourWrites = (usersMax: number): ReadYourWrites => {
  let forgotten: Position = noPosition;
  // Changed in place: a cache that takes an entry for each message costs more than what it keeps.
  const newest = new LRUCache<string, { at: Position }>({
    ...entriesMax(usersMax),
    dispose: ({ at }, _, reason) => {
      if (reason === "evict") forgotten = laterOf(forgotten, at);
    },
  });
  return {
    wrote: (userId, position) => {
      const known = newest.peek(userId);
      // A user who was forgotten may have been told of something newer.
      if (known === undefined) newest.set(userId, { at: laterOf(forgotten, position) });
      else if (known.at < position) {
        known.at = position;
        newest.get(userId);
      }
    },
    seen: (userId) => newest.peek(userId)?.at ?? forgotten,
  };
};

import type { Position } from "../../domain/kernel/stream.js";

/** Up to where in the log a user's reads must see: the newest change that an answer has told that user about. */
export type ReadYourWrites = {
  readonly wrote: (userId: string, position: Position) => void;
  readonly seen: (userId: string) => Position;
};

/**
 * Remembers the `usersMax` users who wrote last, one by one. A user who is forgotten waits for the newest position that
 * was ever forgotten: perhaps longer than needed, never too short.
 */
export const createReadYourWrites = (usersMax: number): ReadYourWrites => {
  const newest = new Map<string, Position>();
  let forgotten: Position = 0;
  return {
    wrote: (userId, position) => {
      const known = newest.get(userId);
      if (known !== undefined && known >= position) return;
      // Deleted first, so that the map's order is the order of the last writes.
      newest.delete(userId);
      newest.set(userId, position);
      if (newest.size <= usersMax) return;
      for (const [oldest, at] of newest) {
        newest.delete(oldest);
        forgotten = Math.max(forgotten, at);
        break;
      }
    },
    seen: (userId) => newest.get(userId) ?? forgotten,
  };
};

import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru.js";
import { decodeUserEvent } from "../../domain/catalogue.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { streamOf } from "../../domain/kernel/stream.js";
import { streamPagesBackwards } from "../../domain/kernel/stream-pages.js";
import { defaultPrivacy, type UserEvent } from "../../domain/user/user.events.js";
import type { EventSource } from "../ports/event-source.js";

/**
 * Which users see reads: those that show their own. Folded by delivery itself, as memberships are: a view that lags, or
 * is out, must not show what its reader has just given up.
 */
export type ReadPrivacy = {
  /** Undefined when it is not in memory. */
  readonly known: (userId: UserId) => boolean | undefined;
  /** @throws UnreadableEvent, and what the log throws */
  readonly load: (userId: UserId) => Promise<boolean>;
  /** Every event of users' streams, in order. */
  readonly follow: (userId: UserId, event: UserEvent) => void;
};

/** A user id and a boolean each: some 20 MiB at the very most. */
const usersKeptMax = 100_000;
const pageEvents = 256;

export const createReadPrivacy = (source: Pick<EventSource, "readStream">): ReadPrivacy => {
  const kept = new LRUCache<UserId, boolean>(entriesMax(usersKeptMax));
  return {
    known: (userId) => kept.get(userId),
    load: async (userId) => {
      const read = await newestIn(source, userId);
      // What came by while this was read is newer.
      const known = kept.get(userId) ?? read;
      kept.set(userId, known);
      return known;
    },
    follow: (userId, event) => {
      if (event.type === "ProfileChanged" && event.changes.privacy !== undefined)
        kept.set(userId, event.changes.privacy.readReceipts);
    },
  };
};

/** From the end of the stream to the newest change of privacy. */
const newestIn = async (source: Pick<EventSource, "readStream">, userId: UserId): Promise<boolean> => {
  for await (const page of streamPagesBackwards(source, streamOf.user(userId), pageEvents))
    for (const recorded of page) {
      const event = decodeUserEvent(recorded);
      if (event.type === "ProfileChanged" && event.changes.privacy !== undefined)
        return event.changes.privacy.readReceipts;
    }
  return defaultPrivacy.readReceipts;
};

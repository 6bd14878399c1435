import { LRUCache } from "lru-cache";
import type { EventLog } from "../../commands/ports.js";
import { decodeUserEvent, UnreadableEvent } from "../../domain/catalogue.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import { streamOf, type Position } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";
import { entriesMax } from "../../lib/lru.js";
import type { Opened, OpenText, Person } from "./record.js";

/** The display names of people at any moment, from their own streams. */
export type People = { readonly at: (userId: UserId, position: Position) => Promise<PersonThen> };

/** `until`: the position of their next change of name; Infinity when there is none. */
export type PersonThen = { readonly person: Person; readonly until: number };

/** A name from a position on; undefined: none. */
type Named = { readonly from: Position; readonly name: Opened | undefined };

/** Names in memory: most users have one, of some hundred bytes. */
const usersMax = 20_000;

export const createPeople = (log: Pick<EventLog, "readStream">, open: OpenText): People => {
  const known = new LRUCache<UserId, Promise<readonly Named[]>>(entriesMax(usersMax));
  const namesOf = (userId: UserId): Promise<readonly Named[]> => {
    const names = known.get(userId) ?? readNames(log, open, userId);
    known.set(userId, names);
    return names;
  };
  return {
    at: async (userId, position) => {
      const names = await namesOf(userId);
      const name = names.findLast(({ from }) => from <= position)?.name;
      const until = names.find(({ from }) => from > position)?.from ?? Infinity;
      return { person: name === undefined ? { userId } : { userId, name }, until };
    },
  };
};

const readNames = async (
  log: Pick<EventLog, "readStream">,
  open: OpenText,
  userId: UserId,
): Promise<readonly Named[]> => {
  const names: Named[] = [];
  for await (const recorded of streamEvents(log, streamOf.user(userId))) {
    if (recorded.type !== "ProfileChanged") continue;
    const from = recorded.position;
    try {
      const event = decodeUserEvent(recorded);
      if (event.type !== "ProfileChanged" || event.changes.displayName === undefined) continue;
      const { displayName } = event.changes;
      const name = displayName === null ? undefined : await open(sealedAs.displayName(userId), displayName, userId);
      names.push({ from, name });
    } catch (error) {
      if (!(error instanceof UnreadableEvent)) throw error;
      names.push({ from, name: { damaged: error.message } });
    }
  }
  return names;
};

import type { Db } from "mongodb";
import type { Checkpoint, ViewReads } from "../../../../projections/ports/view-store.js";
import { collectionsOf } from "../documents.js";
import { mongoReads } from "../reads.js";
import type { Looks } from "./looks.js";
import { entryOf, liveOf } from "./pointer.js";
import { reachedIn, type Standing } from "./standing.js";

/** The generation that this process reads, and how far it is. */
export type Reading = {
  /** Told of every look. */
  readonly looked: (standing: Standing) => void;
  /** Asks now, and takes up what became live. Never less than it answered before. @throws StoreUnavailable */
  readonly checkpoint: (looks: Looks) => Promise<Checkpoint | undefined>;
  /** Each read is of one generation. */
  readonly reads: (looks: Looks) => ViewReads;
};

/**
 * Readers follow the pointer, and never go back: what was answered as reached holds of the generation that is read next as
 * well. One that is not so far yet is taken up a look later; what it takes the place of is written on meanwhile.
 */
export const createReading = (db: Db, first: Standing): Reading => {
  let live = liveOf(first.pointer);
  let reads = mongoReads(collectionsOf(db, live));
  let reached = reachedIn(first, live);

  const takeUp = (standing: Standing): void => {
    const next = liveOf(standing.pointer);
    const isGone = entryOf(standing.pointer, live) === undefined;
    if (next !== live && (isGone || positionOf(reachedIn(standing, next)) >= positionOf(reached))) {
      live = next;
      reads = mongoReads(collectionsOf(db, live));
    }
    const now = reachedIn(standing, live);
    if (positionOf(now) >= positionOf(reached)) reached = now;
  };
  const following = (looks: Looks): ViewReads => {
    const now = async (): Promise<ViewReads> => {
      await looks.current();
      return reads;
    };
    return {
      inbox: async (...asked) => (await now()).inbox(...asked),
      summaries: async (...asked) => (await now()).summaries(...asked),
      touchedSince: async (...asked) => (await now()).touchedSince(...asked),
      members: async (...asked) => (await now()).members(...asked),
      messages: async (...asked) => (await now()).messages(...asked),
      messagesAt: async (...asked) => (await now()).messagesAt(...asked),
      messageById: async (...asked) => (await now()).messageById(...asked),
      receiptCounts: async (...asked) => (await now()).receiptCounts(...asked),
      receiptsOf: async (...asked) => (await now()).receiptsOf(...asked),
      membershipSteps: async (...asked) => (await now()).membershipSteps(...asked),
      user: async (...asked) => (await now()).user(...asked),
      devices: async (...asked) => (await now()).devices(...asked),
      erasedAfter: async (...asked) => (await now()).erasedAfter(...asked),
      erasedAmong: async (...asked) => (await now()).erasedAmong(...asked),
    };
  };
  return {
    looked: takeUp,
    checkpoint: async (looks) => {
      await looks.look();
      return reached;
    },
    reads: following,
  };
};

const positionOf = (checkpoint: Checkpoint | undefined): number => checkpoint?.position ?? -1;

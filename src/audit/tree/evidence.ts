/** Where a log is not what a head signs, once its root says that it is not. */
import type { TreeReads } from "../../projections/ports/tree-store.js";
import type { Finding, Place } from "./finding.js";
import type { ToldHead } from "./head.js";
import { locate, type EventOrBad, type Span } from "./locate.js";
import { ifWhole, rangeHash } from "./tiles.js";
import type { Upcoming } from "./upcoming-heads.js";

/** What is looked at again, once something is wrong. */
export type Evidence = {
  readonly events: () => AsyncIterable<readonly EventOrBad[]>;
  readonly hashes?: TreeReads;
};

/** The root of a span is not what `head` signs. */
export const differing = async (input: Evidence, span: Span, head: Upcoming): Promise<Finding> => {
  const of = head.isWitness ? "the head that a witness kept" : `the head at position ${head.position}`;
  const kept = await hashesOf(input.hashes, head);
  const place = await locate(input.events, span, kept);
  return {
    ...{ position: place.position, to: place.to, kind: "event" },
    says: `${place.says}; ${of} signs another history of the first ${head.size} events`,
  };
};

/** Hashes that were kept are believed when the signed root is theirs. */
export const hashesOf = async (hashes: TreeReads | undefined, { size, root }: Pick<ToldHead, "size" | "root">) => {
  if (hashes === undefined) return undefined;
  const found = await ifWhole(rangeHash(hashes, [0, size]));
  return found?.toString("hex") === root ? hashes : undefined;
};

/** The log has ended, and `head` signs more. */
export const shortBy = async (input: Evidence, head: Upcoming, end: Place, signed: Place): Promise<Finding> => {
  // An event that was taken out before makes the log too short as well.
  const kept = await hashesOf(input.hashes, head);
  if (kept !== undefined) {
    const { position, exact, says } = await locate(input.events, { from: signed, to: end }, kept);
    if (exact) return { position, to: position, kind: "event", says };
  }
  const lacking = `${head.size - end.size} of the ${head.size} events that it signs are missing`;
  if (!head.isWitness)
    return {
      ...{ position: signed.position + 1, to: head.position, kind: "event" },
      says: `before the head at position ${head.position} ${lacking}`,
    };
  return {
    ...{ position: end.position + 1, to: end.position + 1, kind: "truncated" },
    says: `it ends with ${end.size} events at position ${end.position}; of a head that a witness kept ${lacking}`,
  };
};

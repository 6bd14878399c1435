/** Which event of a span is not what was signed: by kept hashes exactly, else by what damage leaves behind. */
import { writtenAt } from "../written-at.js";
import { isLeaf, canonicalOf } from "../canonical.js";
import { leafHash, type Hash } from "../merkle.js";
import type { TreeReads } from "../../projections/ports/tree-store.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import { ifWhole, leafHashAt, positionOfLeaf } from "./tiles.js";

/** A line that is no event of an export's form stands as `bad`: why, and between which positions it would be. */
export type EventOrBad = RecordedEvent | BadLine;
export type BadLine = {
  readonly bad: string;
  readonly after: number;
  readonly to: number;
  /** Nothing since the last signed head can be relied on. */
  readonly sinceSigned?: true;
};

/** The first `from.size` leaves, up to its position, are as they were signed; those after it up to `to` are not. */
export type Span = {
  readonly from: { readonly size: number; readonly position: number };
  readonly to: { readonly size: number; readonly position: number };
};

export type Located = {
  readonly position: number;
  readonly to: number;
  /** The event itself is known. */
  readonly exact: boolean;
  readonly says: string;
};

/** What is remembered of a span to see what is odd in it: of a longer one only its beginning is looked at so. */
const rememberedMax = 200_000;

export const locate = async (
  events: () => AsyncIterable<readonly EventOrBad[]>,
  { from, to }: Span,
  hashes: TreeReads | undefined,
): Promise<Located> => {
  let index = 0;
  let before: RecordedEvent | undefined;
  let kept = hashes;
  const odd = createOddities();
  let suspect: { readonly position: number; readonly says: string } | undefined;
  for await (const page of events())
    for (const event of page) {
      if ("bad" in event || !isLeaf(event.stream)) continue;
      index += 1;
      if (index <= from.size) {
        before = event;
        continue;
      }
      if (index > to.size) return within();
      if (kept !== undefined) {
        const signed = await ifWhole(leafHashAt(kept, index - 1));
        const found = leafHash(canonicalOf(event));
        if (signed?.equals(found) === false) return await told(kept, event, index - 1, found);
        // Behind a hash that is lost a difference need not be the first.
        if (signed === undefined) kept = undefined;
      }
      suspect ??= odd.look(event, before);
      before = event;
    }
  return within();

  function within(): Located {
    const position = from.position + 1;
    if (suspect !== undefined)
      return {
        position,
        to: to.position,
        exact: false,
        says: `an event from position ${position} to ${to.position} is not what was signed; look at position ${suspect.position} first: ${suspect.says}`,
      };
    return {
      position,
      to: to.position,
      exact: false,
      says: `an event from position ${position} to ${to.position} is not what was signed`,
    };
  }
};

const told = async (hashes: TreeReads, event: RecordedEvent, index: number, found: Hash): Promise<Located> => {
  const { position, stream, revision } = event;
  const signedNext = await ifWhole(leafHashAt(hashes, index + 1));
  const where = (await ifWhole(positionOfLeaf(hashes, index))) ?? event.position;
  const name = `${stream}@${revision}`;
  if (signedNext?.equals(found) === true)
    return {
      position: where,
      to: where,
      exact: true,
      says: `the event that was signed at position ${where} is missing; ${name} follows in its place`,
    };
  const says =
    where === position
      ? `${name} at position ${position} is not what was signed`
      : `${name} stands at position ${position} where another event was signed at ${where}`;
  return { position, to: position, exact: true, says };
};

type Seen = { readonly revision: number; readonly at: number };

const createOddities = () => {
  const streams = new Map<string, Seen>();
  const ids = new Set<string>();
  return {
    look: (event: RecordedEvent, before: RecordedEvent | undefined) => {
      const { position, stream, revision, id } = event;
      const at = atOf(event);
      const seen = streams.get(stream);
      const says = oddIn(event, seen, at, ids.has(id));
      if (ids.size < rememberedMax) {
        ids.add(id);
        streams.set(stream, { revision, at });
      }
      if (says !== undefined) return { position, says };
      return before !== undefined && position <= before.position
        ? { position, says: "its position is not after the one before it" }
        : undefined;
    },
  };
};

const oddIn = (
  { stream, revision }: RecordedEvent,
  seen: Seen | undefined,
  at: number,
  isKnownId: boolean,
): string | undefined => {
  if (isKnownId) return "its id was there before";
  if (Number.isNaN(at)) return "its metadata has no time";
  if (seen === undefined) return undefined;
  if (revision !== seen.revision + 1) return `${stream} goes from revision ${seen.revision} to ${revision}`;
  if (at < seen.at) return `it is older than ${stream}@${seen.revision}, the one before it`;
  return undefined;
};

const atOf = (event: RecordedEvent): number => writtenAt(event) ?? NaN;

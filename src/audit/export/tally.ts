import { createHash } from "node:crypto";
import type { Position, RecordedEvent } from "../../domain/kernel/stream.js";
import { canonicalOf } from "../canonical.js";
import { growTree, leafHash } from "../merkle.js";

/** What is counted over the events of an export, or of a log, in their order. */
export type Totals = {
  readonly events: number;
  readonly types: Readonly<Record<string, number>>;
  /** Positions of the first and the last event; null where there is none. */
  readonly first: Position | null;
  readonly last: Position | null;
  /**
   * SHA-256, in hex, over the canonical form of each event and a line feed after it: the same for the same events
   * wherever they lie, since there is no position in it.
   */
  readonly sha256: string;
  /** Of the tree of RFC 9162 whose leaves are these canonical forms, in hex: of a whole log what its signed heads have. */
  readonly root: string;
};

export type Tally = {
  readonly add: (event: RecordedEvent) => void;
  readonly events: () => number;
  readonly last: () => Position | null;
  /** Ends the counting. */
  readonly totals: () => Totals;
};

/** Parley's types are few; a stranger's could be as many as the events. */
const typesMax = 1_000;

export const createTally = (): Tally => {
  const hash = createHash("sha256");
  const tree = growTree();
  const types = new Map<string, number>();
  let events = 0;
  let first: Position | null = null;
  let last: Position | null = null;
  return {
    add: (event) => {
      const canonical = canonicalOf(event);
      hash.update(canonical).update("\n");
      tree.push(leafHash(canonical));
      const type = types.has(event.type) || types.size < typesMax ? event.type : "(others)";
      types.set(type, (types.get(type) ?? 0) + 1);
      events += 1;
      first ??= event.position;
      last = event.position;
    },
    events: () => events,
    last: () => last,
    totals: () => ({
      events,
      types: Object.fromEntries([...types].sort(([a], [b]) => (a < b ? -1 : 1))),
      first,
      last,
      sha256: hash.digest("hex"),
      root: tree.root().toString("hex"),
    }),
  };
};

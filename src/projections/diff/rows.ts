import { decodeEvent } from "../../domain/catalogue.js";
import { firstRevision, noPosition, type Position } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";
import type { GenerationReader, StoredRow } from "../ports/generations.js";
import { rowName, viewRowOf } from "../ports/stored-rows.js";
import { fieldsOf } from "../reconcile/drift.js";
import { createFold } from "../reconcile/fold.js";
import type { Proof, RightRow } from "../reconcile/right-rows.js";
import { sequenceOf, streamsOf, whole, type Subject } from "../reconcile/subject.js";
import { project } from "../registry.js";
import type { Key, Value, ViewName } from "../view-change.js";
import { canonicalRow } from "../views/stored-row.js";

/** One of two generations; rows of both in the order of `compare`. */
export type Side = Pick<GenerationReader, "checkpoint" | "rows" | "rowsAt">;

export type FieldDifference = {
  readonly field: string;
  readonly a: Value | undefined;
  readonly b: Value | undefined;
  readonly aVersion?: number | undefined;
  readonly bVersion?: number | undefined;
  /** What this build makes of the log, and the event that it follows from. */
  readonly right: Value | undefined;
  readonly proof: Proof | undefined;
};
export type RowDifference = {
  readonly view: ViewName;
  readonly key: Key;
  readonly kind: "only in a" | "only in b" | "different";
  readonly fields: readonly FieldDifference[];
};
/** `moved`: rows that events between the two positions speak of: nothing is said of them. */
export type ViewDifferences = {
  readonly view: ViewName;
  readonly same: number;
  readonly onlyA: number;
  readonly onlyB: number;
  readonly different: number;
  readonly moved: number;
};
export type RowsDiff = {
  readonly a: Position;
  readonly b: Position;
  readonly views: readonly ViewDifferences[];
  readonly samples: readonly RowDifference[];
  /** So many rows differed that the rest were not compared. */
  readonly isCut: boolean;
};

export type RowsDiffOptions = {
  readonly source: Pick<EventSource, "readStream" | "readAll">;
  readonly views: readonly ViewName[];
  readonly compare: (view: ViewName, a: Key, b: Key) => number;
  /** Differences that are told with their fields, of each view. */
  readonly samples: number;
  /** Told now and again how many rows were looked at, of both together. */
  readonly onRows?: (rows: number) => void;
};

/** The two are so far apart that to tell what moved would be to read that much of the log. */
export class TooFarApart extends Error {
  constructor(a: Position, b: Position) {
    super(`one is at ${a} and the other at ${b}, too far apart to compare: bring the scratch copy forward`);
    this.name = "TooFarApart";
  }
}

const pageRows = 500;
/** Rows that seemed to differ and are looked at again, over all views. */
const candidatesMax = 50_000;
const apartMax = 500_000;

type Candidate = { readonly view: ViewName; readonly key: Key };

/**
 * Compares the rows of two generations by their canonical form. Either may move meanwhile: what differed in passing is
 * looked at again at the end, and what events between the two speak of is counted apart.
 *
 * @throws TooFarApart, and what the stores and the log throw
 */
export const diffRows = async (a: Side, b: Side, options: RowsDiffOptions): Promise<RowsDiff> => {
  const [beganA, beganB] = await Promise.all([positionOf(a), positionOf(b)]);
  const counts = new Map<ViewName, { same: number; onlyA: number; onlyB: number; different: number; moved: number }>();
  const candidates: Candidate[] = [];
  let looked = 0;
  for (const view of options.views) {
    const count = { same: 0, onlyA: 0, onlyB: 0, different: 0, moved: 0 };
    counts.set(view, count);
    for await (const found of merged(a, b, view, options.compare)) {
      if (found === undefined) count.same += 1;
      else candidates.push({ view, key: found });
      looked += 1;
      if ((looked & 0xff) === 0) options.onRows?.(looked);
      if (candidates.length > candidatesMax) break;
    }
    if (candidates.length > candidatesMax) break;
  }
  const [endA, endB] = await Promise.all([positionOf(a), positionOf(b)]);
  const [from, to] = [Math.min(beganA, beganB) as Position, Math.max(endA, endB) as Position];
  if (candidates.length > 0 && to - from > apartMax) throw new TooFarApart(endA, endB);
  const moved = candidates.length === 0 ? new Set<string>() : await movedBetween(options.source, from, to);
  const samples: RowDifference[] = [];
  for (const candidate of candidates) {
    const count = counts.get(candidate.view);
    if (count === undefined) continue;
    if (moved.has(rowName(candidate))) {
      count.moved += 1;
      continue;
    }
    const [rowA, rowB] = await Promise.all([rowAt(a, candidate), rowAt(b, candidate)]);
    if (isSame(candidate.view, rowA, rowB)) {
      count.same += 1;
      continue;
    }
    const kind = rowA === undefined ? "onlyB" : rowB === undefined ? "onlyA" : "different";
    count[kind] += 1;
    if (count.onlyA + count.onlyB + count.different <= options.samples)
      samples.push(differenceOf(candidate, rowA, rowB, await provedRow(options.source, candidate, to)));
  }
  const views = [...counts].map(([view, count]) => ({ view, ...count }));
  return { a: endA, b: endB, views, samples, isCut: candidates.length > candidatesMax };
};

const positionOf = async (side: Side): Promise<Position> => (await side.checkpoint())?.position ?? noPosition;

const isSame = (view: ViewName, a: StoredRow | undefined, b: StoredRow | undefined): boolean =>
  a === undefined || b === undefined ? a === b : canonicalRow(view, a) === canonicalRow(view, b);

/** Undefined for a row that both have alike, the key of one that they have not. */
async function* merged(
  a: Side,
  b: Side,
  view: ViewName,
  compare: RowsDiffOptions["compare"],
): AsyncGenerator<Key | undefined> {
  const [left, right] = [rowsOf(a, view), rowsOf(b, view)];
  let [ofA, ofB] = await Promise.all([left.next(), right.next()]);
  for (;;) {
    const [rowA, rowB] = [ofA.value, ofB.value];
    const row = rowA ?? rowB;
    if (row === undefined) return;
    const order = rowA === undefined ? 1 : rowB === undefined ? -1 : compare(view, rowA.key, rowB.key);
    if (order === 0 && isSame(view, rowA, rowB)) yield undefined;
    else yield order <= 0 ? (rowA ?? row).key : (rowB ?? row).key;
    if (order <= 0) ofA = await left.next();
    if (order >= 0) ofB = await right.next();
  }
}

async function* rowsOf(side: Side, view: ViewName): AsyncGenerator<StoredRow, undefined> {
  let after: Key | undefined;
  for (;;) {
    const page = await side.rows(view, { limit: pageRows, ...(after === undefined ? {} : { after }) });
    yield* page;
    after = page.at(-1)?.key;
    if (page.length < pageRows) return undefined;
  }
}

const rowAt = async (side: Side, { view, key }: Candidate): Promise<StoredRow | undefined> =>
  (await side.rowsAt(view, [key]))[0];

/** Names of the rows that events after `from` and up to `to` speak of. */
const movedBetween = async (
  source: Pick<EventSource, "readAll">,
  from: Position,
  to: Position,
): Promise<ReadonlySet<string>> => {
  const names = new Set<string>();
  for (let position = from; position < to;) {
    const page = await source.readAll(position, pageRows);
    for (const recorded of page) {
      if (recorded.position > to) break;
      for (const change of project(decodeEvent(recorded), recorded)) names.add(rowName(change));
    }
    position = page.at(-1)?.position ?? to;
  }
  return names;
};

const differenceOf = (
  { view, key }: Candidate,
  a: StoredRow | undefined,
  b: StoredRow | undefined,
  right: RightRow | undefined,
): RowDifference => {
  const kind = a === undefined ? "only in b" : b === undefined ? "only in a" : "different";
  const fields = fieldsOf(a && viewRowOf(view, a), b && viewRowOf(view, b)).map(
    ({ field, stored, right: ofB, storedVersion, rightVersion }) => ({
      ...{ field, a: stored, b: ofB, aVersion: storedVersion, bVersion: rightVersion },
      right: right?.facts[field] ?? right?.raised[field] ?? right?.registers[field]?.value,
      proof: right?.proofs[field],
    }),
  );
  return { view, key, kind, fields };
};

/** One row as this build makes it of its streams alone. */
const provedRow = async (
  source: Pick<EventSource, "readStream">,
  row: Candidate,
  upTo: Position,
): Promise<RightRow | undefined> => {
  const subject = subjectOf(row);
  const sequence = sequenceOf(row);
  const window = sequence === undefined ? whole : { from: sequence, to: sequence };
  const begin = new Map(streamsOf(subject).map((stream) => [stream, firstRevision]));
  const fold = createFold({ source, project, rowsMax: candidatesMax }, subject, begin, window);
  await fold.foldTo(upTo);
  return fold.rows.get(rowName(row));
};

const subjectOf = ({ view, key }: Candidate): Subject => {
  const [first, second] = key.map(String);
  if (view === "users" || view === "devices") return { kind: "user", userId: first ?? "" };
  const conversationId = first ?? "";
  const ofOne = view === "members" || view === "memberships" || view === "receiptSteps";
  // Of a head nothing but the head is folded: nobody's id is empty.
  if (view === "conversations") return { kind: "conversation", conversationId, only: "" };
  return { kind: "conversation", conversationId, ...(ofOne && second !== undefined ? { only: second } : {}) };
};

import { firstRevision, noPosition, type Position } from "../../domain/kernel/stream.js";
import { pause } from "../../lib/time.js";
import type { EventSource } from "../ports/event-source.js";
import { rowName, type Replacement, type ViewRow, type StoredRows } from "../ports/stored-rows.js";
import { project } from "../registry.js";
import { driftOf, type Drift } from "./drift.js";
import { createFold, type Begin, type SubjectFold } from "./fold.js";
import { rowAlone } from "./right-rows.js";
import { rowsAsked, sequenceOf, streamsOf, whole, type Subject } from "./subject.js";

export type ReconcileDependencies = {
  readonly source: Pick<EventSource, "readStream" | "head">;
  readonly stored: StoredRows;
  /** Another build's, for tests. */
  readonly project?: typeof project;
  /** Rows of a conversation that are in memory at once. */
  readonly rowsMax?: number;
};

/** A drift with the row to put in place of what is stored, as of the position `at`. */
export type FoundDrift = Drift & Pick<Replacement, "stored" | "right"> & { readonly at: Position };

export type Reconciled = {
  /** Rows of the views and of the log that were compared, each once. */
  readonly rows: number;
  readonly drifted: number;
};

/** Messages, their reactions and receipts of one window: some 50 MB. */
const rowsInMemoryMax = 50_000;

/**
 * Recomputes from the log alone all rows of a subject, and compares them with those stored, window by window. Store and
 * log may move meanwhile.
 *
 * @param onDrift awaited, one after another
 * @throws UnreadableEvent, and what the log and the store throw
 */
export const reconcileSubject = async (
  { source, stored, ...options }: ReconcileDependencies,
  subject: Subject,
  onDrift: (found: FoundDrift) => void | Promise<void>,
): Promise<Reconciled> => {
  const deps = { source, project: options.project ?? project, rowsMax: options.rowsMax ?? rowsInMemoryMax };
  let begin: Begin | undefined = new Map(streamsOf(subject).map((stream) => [stream, firstRevision]));
  let [rows, drifted, from] = [0, 0, 0];
  while (begin !== undefined) {
    const fold: SubjectFold = createFold(deps, subject, begin, { ...whole, from });
    const found = await compareWindow(stored, source, subject, fold);
    rows += found.rows;
    drifted += found.drifts.length;
    for (const drift of found.drifts) await onDrift(drift);
    begin = fold.beyond();
    from = fold.window().to + 1;
  }
  return { rows, drifted };
};

type Compared = { readonly rows: number; readonly drifts: readonly FoundDrift[] };

const compareWindow = async (
  stored: StoredRows,
  source: ReconcileDependencies["source"],
  subject: Subject,
  fold: SubjectFold,
): Promise<Compared> => {
  const first = await look(stored, source, subject, fold);
  if (first.drifts.length === 0 || first.isExact) return first;
  // A store without one moment, and a log whose nodes follow each other: what is wrong is so a moment later as well.
  for (let waits = waitsMax; waits > 0 && (await stored.reached()) < first.at; waits -= 1) await pause(againMs);
  const again = await look(stored, source, subject, fold, first.at);
  const names = new Set(first.drifts.map(rowName));
  return { ...again, drifts: again.drifts.filter((drift) => names.has(rowName(drift))) };
};

const againMs = 250;
/** Views that come no further in this time are compared as they are, and allowed what they lack. */
const waitsMax = 40;

/** `seen`: up to where an earlier look has folded. */
const look = async (
  stored: StoredRows,
  source: ReconcileDependencies["source"],
  subject: Subject,
  fold: SubjectFold,
  seen = noPosition,
): Promise<Compared & { readonly isExact: boolean; readonly at: Position }> => {
  await fold.foldTo(await stored.reached());
  // Folding took its time: little is left to happen after this.
  const reached = await stored.reached();
  const { rows, exactlyAt } = await stored.read(rowsAsked(subject, fold.window()));
  fold.addUsers(rows.flatMap(({ view, key }) => (view === "members" ? [String(key[1])] : [])));
  await fold.foldTo(reached);
  if (reached >= seen) fold.rows.note();
  const at = exactlyAt ?? (await source.head());
  await fold.foldTo(at);
  const isExact = exactlyAt !== undefined;
  return { isExact, at, ...compare(fold, rows, at, isExact) };
};

const compare = (fold: SubjectFold, storedRows: readonly ViewRow[], at: Position, isExact: boolean): Compared => {
  const { to } = fold.window();
  const left = new Map(storedRows.map((row) => [rowName(row), row]));
  const drifts: FoundDrift[] = [];
  let rows = 0;
  const check = (name: string, stored: ViewRow | undefined): void => {
    const right = fold.rows.get(name);
    rows += 1;
    const drift = driftOf(stored, right, isExact ? undefined : fold.rows.moved(name));
    if (drift !== undefined) drifts.push({ ...drift, stored, right: right && rowAlone(right), at });
  };
  for (const right of fold.rows.all()) {
    const name = rowName(right);
    check(name, left.get(name));
    left.delete(name);
  }
  // The last fold may have made the window smaller: what lies beyond it is the next one's.
  for (const [name, row] of left) if ((sequenceOf(row) ?? 0) <= to) check(name, row);
  return { rows, drifts };
};

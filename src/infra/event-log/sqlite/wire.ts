/**
 * What the main thread and the log's thread say to each other. A message costs more than the events in it, so each side
 * sends at most a few per turn of its loop, and as flat arrays, which are cloned several times faster than objects.
 */
import type { Direction } from "../../../commands/ports.js";
import type { ExpectedRevision, NewEvent, Position, Revision, StreamName } from "../../../domain/kernel/stream.js";
import type { Cells } from "./read-statements.js";

export type LogWorkerData = { readonly path: string };

/** Appends one after another: stream, expected, number of events, then id, type, data and meta of each. */
export type AppendCells = (string | number)[];
export const cellsPerNewEvent = 4;
/** Three numbers for each append, in order: an `outcome`, then the revision and position of its last event. */
export type ResultCells = number[];

/** `conflict`: the revision is the stream's actual one, the position 0. */
export const outcome = { appended: 0, duplicate: 1, conflict: 2 } as const;
export const cellsPerResult = 3;

/** Expectations as numbers: every revision is itself, `no_stream` the revision before the first. */
const anyRevision = -2;
export const expectsAny = (expected: number): boolean => expected === anyRevision;
const expectedCell = (expected: ExpectedRevision): number =>
  expected === "any" ? anyRevision : expected === "no_stream" ? -1 : expected;

export const pushAppend = (
  cells: AppendCells,
  stream: StreamName,
  expected: ExpectedRevision,
  events: readonly NewEvent[],
): void => {
  cells.push(stream, expectedCell(expected), events.length);
  for (const event of events) cells.push(event.id, event.type, event.data, event.meta);
};

export type ReadRequest =
  | { readonly all: true; readonly from: Position | undefined; readonly count: number; readonly direction: Direction }
  | { readonly stream: StreamName; readonly from: Revision; readonly count: number; readonly direction: Direction };

export type ToLog =
  | { readonly kind: "append"; readonly cells: AppendCells; readonly appends: number; readonly events: number }
  | { readonly kind: "read"; readonly request: ReadRequest }
  | { readonly kind: "close" };

/** Answers to appends come in the order of the appends, answers to reads in the order of the reads. */
export type FromLog =
  | { readonly kind: "opened"; readonly head: Position }
  | { readonly kind: "committed"; readonly results: ResultCells }
  | { readonly kind: "page"; readonly cells: Cells }
  | { readonly kind: "read_failed"; readonly reason: string }
  /** The log has stopped. The oldest `uncertain` unanswered appends were in the commit that failed; none after them was begun. */
  | { readonly kind: "failed"; readonly reason: string; readonly uncertain: number }
  | { readonly kind: "closed" };

/** Whether an append is new, a repetition or a conflict. Idempotency is by event ids, and for ever (commands/ports.ts). */
import { asRevision, revisionAfter, type Position, type Revision } from "../../../domain/kernel/stream.js";
import type { Db } from "./schema.js";
import type { LogIndex, StreamState } from "./stream-index.js";
import { cellsPerNewEvent, expectsAny, type AppendCells } from "./wire.js";

/** A repetition is answered with its last event's place. */
export type Judgement = "append" | "conflict" | { readonly revision: Revision; readonly position: Position };

/** Judges the append whose events are at `start` to `end` of the cells. */
export type Judge = (
  stream: StreamState,
  expected: number,
  cells: AppendCells,
  start: number,
  end: number,
) => Judgement;

export const createJudge = (db: Db, index: LogIndex): Judge => {
  const idAt = db.prepare<[number], string>("select id from events where position = ?").pluck();
  const revisionAt = db.prepare<[number], Revision>("select revision from events where position = ?").pluck();

  /** All ids have to be at the revisions after the expected one, in order; then they were appended by this very append. */
  const afterRevision: Judge = (stream, expected, cells, start, end) => {
    let revision = asRevision(expected);
    let position: Position | undefined;
    for (let at = start; at < end; at += cellsPerNewEvent) {
      revision = revisionAfter(revision);
      position = index.position(stream, revision);
      if (position === undefined || idAt.get(position) !== cells[at]) return "conflict";
    }
    return position === undefined ? "conflict" : { revision, position };
  };

  /** New if the stream knows none of the ids, a repetition if it has all of them side by side in this order. */
  const anywhere: Judge = (stream, _expected, cells, start, end) => {
    const positions: (Position | undefined)[] = [];
    for (let at = start; at < end; at += cellsPerNewEvent)
      positions.push(index.anyPosition(stream, cells[at] as string));
    if (positions.every((position) => position === undefined)) return "append";
    const revisions = positions.map((position) => (position === undefined ? undefined : revisionAt.get(position)));
    const [first] = revisions;
    const position = positions.at(-1);
    if (first === undefined || position === undefined) return "conflict";
    if (revisions.some((revision, i) => revision !== first + i)) return "conflict";
    return { revision: revisionAfter(first, revisions.length - 1), position };
  };

  return (stream, expected, cells, start, end) => {
    if (expectsAny(expected)) return stream.id === 0 ? "append" : anywhere(stream, expected, cells, start, end);
    if (expected === stream.head) return "append";
    return expected > stream.head ? "conflict" : afterRevision(stream, expected, cells, start, end);
  };
};

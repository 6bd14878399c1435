/** Between EventStoreDB's records and ours: what a position is, which texts an event has. */
import { LogError } from "../../../commands/ports.js";
import { asPosition, asRevision, type Position, type RecordedEvent } from "../../../domain/kernel/stream.js";
import type { StoredRecord } from "./reply.js";

/**
 * @param commit the store's commit position, a byte offset, in decimal where it is a text.
 * @throws LogError when it is beyond 2^53: no log that fits a disk gets there, so it is damage.
 */
export const positionOf = (commit: number | string): Position => {
  const position = Number(commit);
  if (!Number.isSafeInteger(position))
    throw new LogError("UNAVAILABLE", `${commit} is no position that can be trusted`);
  return asPosition(position);
};

/** Position of a record in `$all`. @throws LogError when it has none, or one that an explicit transaction made. */
export const recordedPositionOf = ({ commit, prepare, stream, revision }: StoredRecord): Position => {
  if (commit !== prepare)
    throw new LogError(
      "UNAVAILABLE",
      `${stream}@${revision} was written in an explicit transaction (commit ${commit}, prepare ${prepare}); Parley writes none`,
    );
  return positionOf(commit);
};

/**
 * The event with its texts as they were appended, also where they are no JSON: they are refused where they are decoded.
 * @throws LogError, see `recordedPositionOf`.
 */
export const recordedEventOf = (record: StoredRecord): RecordedEvent => ({
  id: record.id,
  type: record.type,
  data: record.data,
  meta: record.meta,
  stream: record.stream,
  revision: asRevision(record.revision),
  position: recordedPositionOf(record),
});

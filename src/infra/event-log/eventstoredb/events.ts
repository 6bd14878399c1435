/** Between EventStoreDB's records and ours: which streams are Parley's, what a position is, the texts of an event. */
import type { AllStreamRecordedEvent, AllStreamResolvedEvent, Position as StorePosition } from "@eventstore/db-client";
import { LogError } from "../../../commands/ports.js";
import { asPosition, asRevision, type Position, type RecordedEvent } from "../../../domain/kernel/stream.js";

/** Our position as the store's. Both numbers are the same because Parley never writes explicit transactions. */
export const storePositionOf = (position: Position): StorePosition => ({
  commit: BigInt(position),
  prepare: BigInt(position),
});

/**
 * @param commit the store's commit position, a byte offset in decimal.
 * @throws LogError when it is beyond 2^53: no log that fits a disk gets there, so it is damage.
 */
export const positionOf = (commit: bigint | string): Position => {
  const position = Number(commit);
  if (!Number.isSafeInteger(position))
    throw new LogError("UNAVAILABLE", `${commit} is no position that can be trusted`);
  return asPosition(position);
};

/** Position of a record of `$all`. @throws LogError when it has none, or one that an explicit transaction made. */
export const recordedPositionOf = (event: AllStreamRecordedEvent): Position => {
  const { commit, prepare } = event.position;
  if (commit !== prepare)
    throw new LogError(
      "UNAVAILABLE",
      `${event.streamId}@${event.revision} was written in an explicit transaction (commit ${commit}, prepare ${prepare}); Parley writes none`,
    );
  return positionOf(commit);
};

/**
 * The client has parsed what is JSON, so it is written again: for texts that `JSON.stringify` made, as all of ours are,
 * that gives the same text. What is not JSON stays as it is, and is refused where it is decoded.
 * @throws LogError, see `recordedPositionOf`.
 */
export const recordedEventOf = (event: AllStreamRecordedEvent): RecordedEvent => ({
  id: event.id,
  type: event.type,
  data: textOf(event.data),
  meta: textOf(event.metadata),
  stream: event.streamId,
  revision: asRevision(Number(event.revision)),
  position: recordedPositionOf(event),
});

/** The records among what `$all` gives; a link that leads nowhere has none. */
export const recordsOf = (resolved: readonly AllStreamResolvedEvent[]): readonly AllStreamRecordedEvent[] =>
  resolved.flatMap(({ event }) => (event === undefined ? [] : [event]));

const textOf = (value: unknown): string => {
  if (value === undefined) return "";
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : JSON.stringify(value);
};

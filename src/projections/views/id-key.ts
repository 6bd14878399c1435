import type { MessageId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";

/**
 * An integer to find a message by its id, made so that an index on it is cheap to write: ids are random, and an index on
 * them would touch another page for nearly every message. Here the log is cut into stretches, and the id's first 32 bits
 * order the messages of one stretch: what is written lies in the newest stretch, a megabyte of index. A look-up of
 * a message asks one stretch after another. Different messages may share a key: the id itself has to be compared.
 */
export const idKeyOf = (messageId: MessageId, position: Position): number => idKeyIn(stretchOf(position), messageId);

const positionsPerStretch = 2 ** 16;
/** So that a key stays an exact integer whatever positions a log has. */
const stretches = 2 ** 21;

const stretchOf = (position: Position): number => Math.floor(position / positionsPerStretch);
const idKeyIn = (stretch: number, messageId: MessageId): number =>
  (stretch % stretches) * 2 ** 32 + parseInt(messageId.slice(0, 8), 16);

/** The keys that a message may have whose position is between the two, both inclusive; the newest first. */
export function* idKeysBetween(messageId: MessageId, from: Position, to: Position): Generator<number> {
  for (let stretch = stretchOf(to); stretch >= stretchOf(from); stretch -= 1) yield idKeyIn(stretch, messageId);
}

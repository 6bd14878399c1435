import { erasureOf } from "../../domain/user/erasure.js";
import type { EventLog } from "../../commands/ports.js";
import { decodeUserEvent } from "../../domain/catalogue.js";
import type { UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Place, Reader, Readership } from "../who-could-read.js";

/** Streams that are looked at together. */
const atOnce = 100;

/**
 * What erasures up to a position end: whoever was erased reads nothing any more, and nobody reads what an erased author
 * wrote. One read of the author's stream and of each reader's who could read until now.
 */
export const endedByErasures = async (
  log: Pick<EventLog, "readStream">,
  { message, readers }: Readership,
  upTo: Position,
): Promise<Readership> => {
  const author = await erasedAt(log, message.senderId, upTo);
  const ended: Reader[] = [];
  for (let from = 0; from < readers.length; from += atOnce)
    ended.push(
      ...(await Promise.all(
        readers.slice(from, from + atOnce).map(async (reader) => {
          const still = reader.intervals.at(-1)?.until === undefined && reader.never === undefined;
          const own = still ? await erasedAt(log, reader.userId, upTo) : undefined;
          return withoutErased(reader, author, own);
        }),
      )),
    );
  return { message: author === undefined ? message : { ...message, erased: author }, readers: ended };
};

const erasedAt = async (
  log: Pick<EventLog, "readStream">,
  userId: UserId,
  upTo: Position,
): Promise<Place | undefined> => {
  const event = await erasureOf(log, userId);
  if (event === undefined || event.position > upTo) return undefined;
  const { position, stream, revision } = event;
  return { position, stream, revision, at: decodeUserEvent(event).at };
};

const withoutErased = (reader: Reader, author: Place | undefined, own: Place | undefined): Reader => {
  const first = [author, own].filter((place) => place !== undefined).sort((a, b) => a.position - b.position)[0];
  if (first === undefined || reader.never !== undefined) return reader;
  const intervals = reader.intervals
    .filter(({ from }) => from.position < first.position)
    .map((interval) =>
      interval.until !== undefined && interval.until.position < first.position
        ? interval
        : {
            ...interval,
            until: first,
            ended: first === author ? ("author erased" as const) : ("reader erased" as const),
          },
    );
  return intervals.length > 0
    ? { ...reader, intervals }
    : { ...reader, intervals, never: "joined after its author was erased" };
};

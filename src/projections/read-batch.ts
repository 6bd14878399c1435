import type { Position, RecordedEvent } from "../domain/kernel/stream.js";
import type { EventSource } from "./ports/event-source.js";

export type EventBatch = {
  readonly events: readonly RecordedEvent[];
  /** A bound ended it: the log may have more. */
  readonly isFull: boolean;
};

/**
 * Of a read: eight mebibytes of the largest events (64 KiB). The cost of a read of the file is lost in that of 128 events,
 * and no read is so large that what it brings could not be held.
 */
const readEventsMax = 128;
/** Of a batch. Its changes and rows hold its texts again, and again as parameters: a hundred mebibytes for a moment. */
const batchBytesMax = 8 * 1024 * 1024;

/**
 * The next events after a position, for one batch: `eventsMax` at most, and hardly more than 8 MiB, however many of the
 * largest ones wait. At least one where there is one.
 */
export const readBatch = async (
  source: Pick<EventSource, "readAll">,
  after: Position,
  eventsMax: number,
): Promise<EventBatch> => {
  const events: RecordedEvent[] = [];
  let from = after;
  let bytes = 0;
  while (events.length < eventsMax && bytes < batchBytesMax) {
    const count = Math.min(readEventsMax, eventsMax - events.length);
    const page = await source.readAll(from, count);
    for (const event of page) {
      events.push(event);
      bytes += event.data.length + event.meta.length;
    }
    from = page.at(-1)?.position ?? from;
    if (page.length < count) return { events, isFull: false };
  }
  return { events, isFull: true };
};

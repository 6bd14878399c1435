import type { EventLog } from "../../src/commands/ports.js";
import { asPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";

/** A log to read that is a list of events, by position. */
export const logOfEvents = (events: readonly RecordedEvent[]): Pick<EventLog, "readStream" | "readAll" | "head"> => {
  const streams = new Map<string, RecordedEvent[]>();
  for (const event of events) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
  const page = (found: readonly RecordedEvent[], count: number) => Promise.resolve(found.slice(0, count));
  return {
    readStream: (stream, from, count, direction = "forwards") => {
      const all = streams.get(stream) ?? [];
      return direction === "forwards"
        ? page(all.slice(Math.max(0, from)), count)
        : page((from < 0 ? all : all.slice(0, from + 1)).toReversed(), count);
    },
    readAll: (from, count, direction = "forwards") =>
      direction === "forwards"
        ? page(
            events.filter(({ position }) => position > (from ?? 0)),
            count,
          )
        : page(events.filter(({ position }) => from === undefined || position < from).toReversed(), count),
    head: () => Promise.resolve(events.at(-1)?.position ?? asPosition(0)),
  };
};

import {
  noRevision,
  revisionAfter,
  type Position,
  type RecordedEvent,
  type Revision,
  type StreamName,
} from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports/event-source.js";

/** The log as it was when it ended at `bound`, however far it goes by now: what a projector then could read of streams. */
export const asOf = (
  source: Pick<EventSource, "readStream">,
  bound: () => Position,
): Pick<EventSource, "readStream"> => {
  const forwards = async (stream: StreamName, from: Revision, count: number): Promise<readonly RecordedEvent[]> => {
    const until = bound();
    return (await source.readStream(stream, from, count)).filter(({ position }) => position <= until);
  };
  /** Of the events before `end`, which is beyond the bound, the last that is not: by halves. */
  const lastBefore = async (stream: StreamName, end: Revision): Promise<Revision> => {
    let [low, high] = [0, Number(end)];
    while (low < high) {
      const middle = (low + high) >> 1;
      const [event] = await forwards(stream, revisionAfter(noRevision, middle + 1), 1);
      if (event === undefined) high = middle;
      else low = middle + 1;
    }
    return revisionAfter(noRevision, low);
  };
  const backwards = async (stream: StreamName, from: Revision, count: number): Promise<readonly RecordedEvent[]> => {
    const page = await source.readStream(stream, from, count, "backwards");
    const [newest] = page;
    if (newest === undefined || newest.position <= bound()) return page;
    const last = await lastBefore(stream, newest.revision);
    return last < 0 ? [] : source.readStream(stream, last, count, "backwards");
  };
  return {
    readStream: (stream, from, count, direction = "forwards") =>
      direction === "forwards" ? forwards(stream, from, count) : backwards(stream, from, count),
  };
};

import {
  asPosition,
  asRevision,
  firstRevision,
  noRevision,
  revisionAfter,
  type Position,
  type RecordedEvent,
  type Revision,
  type StreamName,
} from "./stream.js";

/** Events of one read: neither a reader's memory nor a writer's checkpoint of the WAL minds so many. */
export const streamPageEvents = 500;

/** Of each layer's port of the log, what reading a stream needs: at most `count` events from `from`, inclusive. */
export type StreamReader = {
  readonly readStream: (
    stream: StreamName,
    from: Revision,
    count: number,
    direction?: "forwards" | "backwards",
  ) => Promise<readonly RecordedEvent[]>;
};

/** Every bound is inclusive. What is left out is no bound: from the stream's beginning, up to its end. */
export type StreamPart = {
  readonly from?: Revision;
  readonly to?: Revision;
  /** In the log's order, which a stream's own follows. */
  readonly upTo?: Position;
  /** How many events are read at once, and so in memory. */
  readonly pageEvents?: number;
};

const noEnd: Position = asPosition(Infinity);

/**
 * A stream's events, oldest first, page by page; no page is empty. A page that is not full is the last: what is appended
 * afterwards is for the next who asks. The next page is read when it is asked for.
 */
export async function* streamPages(
  log: StreamReader,
  stream: StreamName,
  { from = firstRevision, to = asRevision(Infinity), upTo = noEnd, pageEvents = streamPageEvents }: StreamPart = {},
): AsyncGenerator<readonly RecordedEvent[], void> {
  for (let next = from; next <= to;) {
    const count = Math.min(pageEvents, to - next + 1);
    const page = await log.readStream(stream, next, count);
    const last = page.at(-1);
    if (last === undefined) return;
    if (last.position > upTo) {
      const within = page.filter(({ position }) => position <= upTo);
      if (within.length > 0) yield within;
      return;
    }
    yield page;
    if (page.length < count) return;
    next = revisionAfter(last.revision);
  }
}

/** `streamPages`, for those who have nothing to do between pages. */
export async function* streamEvents(
  log: StreamReader,
  stream: StreamName,
  part?: StreamPart,
): AsyncGenerator<RecordedEvent, void> {
  for await (const page of streamPages(log, stream, part)) yield* page;
}

/** The whole stream, newest first, page by page. What is appended meanwhile is not in it. */
export async function* streamPagesBackwards(
  log: StreamReader,
  stream: StreamName,
  pageEvents = streamPageEvents,
): AsyncGenerator<readonly RecordedEvent[], void> {
  for (let from = noRevision; ;) {
    const page = await log.readStream(stream, from, pageEvents, "backwards");
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    // Revision -1 would be the end once more.
    if (page.length < pageEvents || last.revision === firstRevision) return;
    from = revisionAfter(last.revision, -1);
  }
}

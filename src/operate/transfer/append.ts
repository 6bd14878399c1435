import { LogError, type AppendResult, type EventLog } from "../../commands/ports.js";
import { limits } from "../../domain/kernel/limits.js";
import { revisionAfter, type RecordedEvent, firstRevision } from "../../domain/kernel/stream.js";
import { backoffMs, retried } from "../../lib/retry.js";

/** Appends events at the places that they had, in their order. */
export type PlacedAppender = {
  /** Resolves when there is room for the next one. @throws (rejects) what an append before it was refused with */
  readonly add: (event: RecordedEvent) => Promise<void>;
  /** Resolves when everything is durable. */
  readonly finish: () => Promise<void>;
};

const eventsOfAppendMax = 128;
/** Room for what a store counts beside the texts. */
const bytesOfAppendMax = limits.appendBytesMax / 2;
const attemptsMax = 10;
const backoff = { msMin: 100, msMax: 5_000 };

/** What may be under way; one append at a time where the order of several is nobody's promise. */
export type AtOnce = { readonly events: number; readonly bytes: number } | "one";

/**
 * What follows on another in the same stream shares an append. Where several are under way the first that is refused is the
 * last that is sent, so that nothing comes to lie in front of it.
 */
export const createPlacedAppender = (log: Pick<EventLog, "append">, atOnce: AtOnce): PlacedAppender => {
  const underWay: { readonly answered: Promise<void>; readonly events: number; readonly bytes: number }[] = [];
  const load = { events: 0, bytes: 0 };
  let batch: RecordedEvent[] = [];
  let bytes = 0;
  let refused: { readonly error: unknown } | undefined;

  const flush = async (): Promise<void> => {
    const [first] = batch;
    if (first === undefined) return;
    if (refused !== undefined) throw refused.error;
    const answered = appendAt(log, first, batch, atOnce === "one" ? attemptsMax : 1);
    answered.catch((error: unknown) => {
      refused ??= { error };
    });
    underWay.push({ answered, events: batch.length, bytes });
    load.events += batch.length;
    load.bytes += bytes;
    batch = [];
    bytes = 0;
    while (underWay.length > 0 && isFull()) await oldest();
  };
  const isFull = (): boolean => atOnce === "one" || load.events > atOnce.events || load.bytes > atOnce.bytes;
  const oldest = async (): Promise<void> => {
    const append = underWay.shift();
    if (append === undefined) return;
    load.events -= append.events;
    load.bytes -= append.bytes;
    await append.answered;
  };
  return {
    add: async (event) => {
      const size = Buffer.byteLength(event.data) + Buffer.byteLength(event.meta);
      const last = batch.at(-1);
      const follows = last?.stream === event.stream && batch.length < eventsOfAppendMax && isNew(event, batch);
      if (!follows || bytes + size > bytesOfAppendMax) await flush();
      batch.push(event);
      bytes += size;
    },
    finish: async () => {
      await flush();
      while (underWay.length > 0) await oldest();
    },
  };
};

/** Logs from before events had ids of their own have some twice, in appends of their own. */
const isNew = ({ id }: RecordedEvent, batch: readonly RecordedEvent[]): boolean =>
  batch.every((other) => other.id !== id);

/** Repeated as it is where its outcome is not known: the log knows it again by its ids. */
const appendAt = async (
  log: Pick<EventLog, "append">,
  { stream, revision }: RecordedEvent,
  events: readonly RecordedEvent[],
  attempts: number,
): Promise<void> => {
  const expected = revision === firstRevision ? "no_stream" : revisionAfter(revision, -1);
  const added = events.map(({ id, type, data, meta }) => ({ id, type, data, meta }));
  const result = await retried<AppendResult>(
    () => log.append(stream, expected, added),
    (error, failures) => {
      if (!(error instanceof LogError) || error.code === "TOO_LARGE" || failures + 1 >= attempts) throw error;
      return backoffMs(failures, backoff);
    },
  );
  if (result.kind === "conflict")
    throw new Error(
      `${stream}@${revision} has no place: the stream is at revision ${result.actual}. Somebody else writes this log, or the export has not the whole stream`,
    );
};

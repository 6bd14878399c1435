import { LogError, type AppendResult, type EventLog } from "../../commands/ports.js";
import { limits } from "../../domain/kernel/limits.js";
import { noPosition, revisionAfter, type RecordedEvent, firstRevision } from "../../domain/kernel/stream.js";
import { backoffMs, retried } from "../../lib/retry.js";

/** Appends events at the places that they had, in their order. */
export type PlacedAppender = {
  /** Resolves when there is room for the next one. @throws (rejects) what an append before it was refused with */
  readonly add: (event: RecordedEvent) => Promise<void>;
  /** Resolves when everything is durable; nothing can be added any more. */
  readonly finish: () => Promise<void>;
};

const eventsOfAppendMax = 128;
/** Room for what a store counts beside the texts. */
const bytesOfAppendMax = limits.appendBytesMax / 2;
const backoff = { msMin: 100, msMax: 5_000 };

/** A log that stores appends in the order in which it is given them, whatever their streams. */
export type OrderedLog = {
  /** When an append has failed, none that is given later to the same appends is stored. */
  readonly open: () => Appends;
  /** What may be under way. */
  readonly atOnce: { readonly events: number; readonly bytes: number };
  /** How often an append is asked for in all; 1 for a log that never recovers. */
  readonly attemptsMax: number;
};
type Appends = { readonly append: EventLog["append"]; readonly close: () => void };

type UnderWay = {
  readonly events: readonly RecordedEvent[];
  readonly bytes: number;
  readonly answer: Promise<AppendResult | { readonly kind: "failed"; readonly error: unknown }>;
};

/**
 * What follows on another in the same stream shares an append, and several appends are under way. When one fails, nothing
 * later is begun; what was under way ends, and goes on one by one from the first that failed: the log knows again by its
 * ids what it had stored. The positions that it answers say whether the order was kept.
 */
export const createPlacedAppender = ({ open, atOnce, attemptsMax }: OrderedLog): PlacedAppender => {
  let appends = open();
  let underWay: UnderWay[] = [];
  const load = { events: 0, bytes: 0 };
  let batch: RecordedEvent[] = [];
  let bytes = 0;
  let last = noPosition;

  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    const answer = appendAt(appends, batch).catch((error: unknown) => ({ kind: "failed" as const, error }));
    underWay.push({ events: batch, bytes, answer });
    load.events += batch.length;
    load.bytes += bytes;
    batch = [];
    bytes = 0;
    while (load.events > atOnce.events || load.bytes > atOnce.bytes) await oldest();
  };
  const oldest = async (): Promise<void> => {
    const append = underWay.shift();
    if (append === undefined) return;
    load.events -= append.events.length;
    load.bytes -= append.bytes;
    const answer = await append.answer;
    if (answer.kind === "failed") await goOnFrom(append, answer.error);
    else stored(append, answer);
  };
  const goOnFrom = async (failed: UnderWay, error: unknown): Promise<void> => {
    if (attemptsMax === 1 || !mayPass(error)) throw error;
    const rest = [failed, ...underWay];
    underWay = [];
    Object.assign(load, { events: 0, bytes: 0 });
    await Promise.all(rest.map(({ answer }) => answer));
    for (const append of rest) stored(append, await again(append));
  };
  /** Repeated as it is, each time by appends of their own, which the one that failed has ended. */
  const again = ({ events }: UnderWay): Promise<AppendResult> =>
    retried<AppendResult>(
      () => {
        appends.close();
        appends = open();
        return appendAt(appends, events);
      },
      (error, failures) => {
        if (!mayPass(error) || failures + 2 >= attemptsMax) throw error;
        return backoffMs(failures, backoff);
      },
    );
  const stored = ({ events: [first] }: UnderWay, answer: AppendResult): void => {
    const place = `${first?.stream}@${first?.revision}`;
    if (answer.kind === "conflict")
      throw new Error(
        `${place} has no place: the stream is at revision ${answer.actual}. Somebody else writes this log, or the export has not the whole stream`,
      );
    if (answer.position <= last)
      throw new Error(
        `${place} came to lie before what was given earlier, so the log's order is another one: empty it and begin again`,
      );
    last = answer.position;
  };
  return {
    add: async (event) => {
      const size = Buffer.byteLength(event.data) + Buffer.byteLength(event.meta);
      const follows = batch.at(-1)?.stream === event.stream && batch.length < eventsOfAppendMax && isNew(event, batch);
      if (!follows || bytes + size > bytesOfAppendMax) await flush();
      batch.push(event);
      bytes += size;
    },
    finish: async () => {
      await flush();
      while (underWay.length > 0) await oldest();
      appends.close();
    },
  };
};

const mayPass = (error: unknown): boolean => error instanceof LogError && error.code !== "TOO_LARGE";

/** Logs from before events had ids of their own have some twice, in appends of their own. */
const isNew = ({ id }: RecordedEvent, batch: readonly RecordedEvent[]): boolean =>
  batch.every((other) => other.id !== id);

const appendAt = ({ append }: Appends, events: readonly RecordedEvent[]): Promise<AppendResult> => {
  const [first] = events;
  if (first === undefined) throw new RangeError("an append has no events");
  const expected = first.revision === firstRevision ? "no_stream" : revisionAfter(first.revision, -1);
  const added = events.map(({ id, type, data, meta }) => ({ id, type, data, meta }));
  return append(first.stream, expected, added);
};

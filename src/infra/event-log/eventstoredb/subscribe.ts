/**
 * Subscriptions to `$all`, supervised. The client's own end with the connection and stay ended; here each is opened
 * again, after the last event whose batch the subscriber has resolved, until it is stopped. The server's checkpoints are
 * not looked at: the client announces them ahead of the events that it still holds.
 */
import { PassThrough, type Readable } from "node:stream";
import { LogError, type Subscriber, type Subscription } from "../../../commands/ports.js";
import { isParleyStream, streamPrefixes, type Position, type RecordedEvent } from "../../../domain/kernel/stream.js";
import { asError } from "../../../lib/errors.js";
import { backoffMs } from "../../../lib/retry.js";
import { pause } from "../../../lib/time.js";
import type { ClientInternals } from "./client.js";
import { failureKind, unavailable } from "./errors.js";
import { recordedEventOf } from "./events.js";
import { cancelSoon, openRead } from "./open-read.js";
import { subscriptionRequest } from "./read-request.js";
import type { Reply } from "./reply.js";

export type FollowOptions = {
  readonly internals: ClientInternals;
  readonly target: string;
  readonly head: () => Promise<Position>;
  readonly onConnected: (connected: boolean) => void;
  /** Each loss of the connection, before the next attempt. */
  readonly onProblem: (error: Error) => void;
};

/** Events of one batch, and replies that are held decoded ahead of it. */
const batchEventsMax = 500;
const readAhead = 256;
/**
 * Of a batch: subscribers hold its texts several times over while they work on it (a projector's changes, the bulk that
 * writes them), so a batch of the largest events is a short one, as where the views read the log's file (`readBatch`).
 */
const batchBytesMax = 8 * 1024 * 1024;
/** Half of a pause is steady: the position of a follower that lags a little has to have time to come. */
const untilThere = { msMin: 100, msMax: 5_000, steady: 0.5 };
/** A follower of the leader may lag behind a position for a moment; a position that stays beyond the end is another log's. */
const beyondMax = 5;
/** In windows of 32 events of others: how often the server reports where it is in what it filters out. */
const checkpointInterval = 1_000;

/** Starts following; see `EventLog.subscribe`. `"head"` is the head at some time after the call. */
export const follow = (options: FollowOptions, from: Position | "head", subscriber: Subscriber): Subscription => {
  const stopping = new AbortController();
  supervise(options, from, subscriber, stopping.signal).catch((error: unknown) => {
    if (!stopping.signal.aborted) subscriber.onFailure(asError(error));
  });
  return {
    stop: () => {
      stopping.abort();
    },
  };
};

/** Rejects with what no new attempt can mend: the subscriber's own error, a position of another log, a record that cannot be read. */
const supervise = async (
  options: FollowOptions,
  from: Position | "head",
  subscriber: Subscriber,
  stopped: AbortSignal,
): Promise<void> => {
  const isStopped = (): boolean => stopped.aborted;
  let position = from;
  let failures = 0;
  let beyond = 0;
  while (!isStopped()) {
    try {
      const head = await options.head().catch(lost);
      if (position === "head") position = head;
      beyond = position > head ? beyond + 1 : 0;
      if (position > head) lost(beyondTheEnd(position, head, options.target));
      if (isStopped()) return;
      const handOver = async (events: readonly RecordedEvent[]): Promise<void> => {
        failures = 0;
        await subscriber.onEvents(events);
        position = events.at(-1)?.position ?? position;
      };
      await consume(options, position, handOver, stopped);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      if (beyond >= beyondMax || failureKind(error.reason) === "invalid_position") throw error.reason;
      options.onConnected(false);
      options.onProblem(unavailable(error.reason, options.target, "a subscription has to begin again"));
      await pause(backoffMs(beyond > 0 ? beyond : failures, untilThere), { stopped });
      failures += 1;
    }
  }
};

/** What a new attempt may mend; everything else that is thrown here comes from our side. */
class Lost extends Error {
  constructor(readonly reason: Error) {
    super(reason.message);
    this.name = "Lost";
  }
}

const lost = (reason: unknown): never => {
  throw new Lost(reason instanceof Error ? reason : new Error(String(reason)));
};

const beyondTheEnd = (position: Position, head: Position, target: string): LogError =>
  new LogError(
    "UNAVAILABLE",
    `position ${position} is beyond the end (${head}) of the event store at ${target}: it belongs to another log`,
  );

/** Hands over until it is stopped. Throws `Lost` when the stream ends, the subscriber's errors and those of records that cannot be read as they are. */
const consume = async (
  { internals, onConnected }: FollowOptions,
  after: Position,
  handOver: (events: readonly RecordedEvent[]) => Promise<void>,
  stopped: AbortSignal,
): Promise<void> => {
  const request = subscriptionRequest(after === 0 ? "start" : after, streamPrefixes, checkpointInterval);
  const call = await openRead(internals, request, false).catch(lost);
  const stream = new PassThrough({ objectMode: true, highWaterMark: readAhead });
  let ended: Error | undefined;
  let wake = (): void => undefined;
  const end = (error?: Error): void => {
    ended ??= error ?? new Error("the server ended the subscription");
    wake();
  };
  const onStop = (): void => {
    wake();
  };
  stream.on("readable", () => {
    wake();
  });
  call.on("data", ({ kind }: Reply) => {
    if (kind === "confirmation") onConnected(true);
  });
  // Stays attached: an error that comes after the end must find a listener too.
  call.on("error", end);
  stream.on("end", () => {
    end();
  });
  call.pipe(stream);
  stopped.addEventListener("abort", onStop);
  try {
    while (!stopped.aborted) {
      const events = take(stream);
      if (events.length > 0) {
        await handOver(events);
      } else if (ended !== undefined) {
        lost(ended);
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    stopped.removeEventListener("abort", onStop);
    // Leaving the loop alone would leave the call open on the server.
    cancelSoon(call);
  }
};

/**
 * What can be read at once, up to the bounds of a batch. Reading to the end of what there is makes the stream say when
 * there is more; who stopped before it asks again by itself.
 */
const take = (stream: Readable): readonly RecordedEvent[] => {
  const events: RecordedEvent[] = [];
  let bytes = 0;
  while (events.length < batchEventsMax && bytes < batchBytesMax) {
    const reply = stream.read() as Reply | null;
    if (reply === null) break;
    if (reply.kind !== "event" || !isParleyStream(reply.record.stream)) continue;
    events.push(recordedEventOf(reply.record));
    bytes += reply.record.data.length + reply.record.meta.length;
  }
  return events;
};

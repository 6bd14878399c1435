/**
 * The event log on EventStoreDB or KurrentDB. Positions are the store's commit positions: opaque, growing, not dense.
 * Streams that are not Parley's are not there.
 */
import { within } from "../../../lib/time.js";
import { setMaxListeners } from "node:events";
import { StreamsService } from "@eventstore/db-client/generated/streams_grpc_pb.js";
import { LogError, type EventLog, type Subscription } from "../../../commands/ports.js";
import type { Position } from "../../../domain/kernel/stream.js";
import { createAppender } from "./append.js";
import { openOrderedAppends, type OrderedAppends } from "./append-in-order.js";
import { acquireClient } from "./client.js";
import { unavailable } from "./errors.js";
import { createReader } from "./read.js";
import { follow } from "./subscribe.js";

export type EventStoreDbLog = EventLog & {
  /** Ends subscriptions without a word, waits for appends under way, refuses new ones. Repeatable. */
  readonly close: () => Promise<void>;
  /**
   * Position of the last record of any stream, as the leader has it: never below a position that any node has told.
   * @throws (rejects) LogError `UNAVAILABLE`
   */
  readonly end: () => Promise<Position>;
  /** See `append-in-order.ts`; the caller closes it before the log. */
  readonly openOrderedAppends: () => OrderedAppends;
  /** @throws (rejects) LogError `UNAVAILABLE` that says what is wrong and what to look at. */
  readonly ping: () => Promise<void>;
  /** Whether the server answered when it was last asked. */
  readonly connected: () => boolean;
};

export type EventStoreDbOptions = {
  /** `esdb://`, `esdb+discover://` or `kurrentdb://`, with `?tls=false` and the client's other settings. */
  readonly url: string;
  /** How long an append waits for its answer before its outcome is unknown. */
  readonly appendTimeoutMs?: number;
  /** What was or will be mended without an operator's help, for the log of the process; also each append without an answer. */
  readonly onProblem?: (error: Error) => void;
};

/** Beyond the server's own write time-out (2 s): an answer that comes at all comes before. */
const appendTimeoutMsDefault = 5_000;
const pingTimeoutMs = 5_000;

/**
 * Opens nothing yet: the connection is made when it is needed and again whenever it was lost; `ping` tells whether it
 * can be. A process has one client, shared by all callers that open the same address.
 *
 * Reads that decide (`readStream`, `head`) ask the leader, and wait for an election; `readAll` and subscriptions
 * are content with any node.
 * @throws Error for an address that is none, or another one than the process has a client for.
 */
export const openEventStoreDb = (options: EventStoreDbOptions): EventStoreDbLog => {
  const { url, appendTimeoutMs = appendTimeoutMsDefault, onProblem = () => undefined } = options;
  const { internals, target, release } = acquireClient(url, onProblem);
  const closing = new AbortController();
  // Every read under way listens, and takes its listener back.
  setMaxListeners(0, closing.signal);
  const subscriptions = new Set<Subscription>();
  let connected = false;
  const onConnected = (value: boolean): void => {
    connected = value;
  };
  const { append, ...appender } = createAppender({
    internals,
    target,
    timeoutMs: appendTimeoutMs,
    onAnswered: () => {
      onConnected(true);
    },
    onLost: (error) => {
      onConnected(false);
      // A process that only appends would never say that the store is away.
      onProblem(error);
    },
  });
  const reader = createReader({ internals, target, closed: closing.signal, onAnswer: onConnected });
  const following = { internals, target, head: reader.head, onConnected, onProblem };

  const ping = async (): Promise<void> => {
    try {
      const features = await within(internals.capabilities, pingTimeoutMs, silent);
      if (!features.supports(StreamsService.batchAppend))
        throw new LogError("UNAVAILABLE", `the event store at ${target} is read-only or older than 21.10`);
      await reader.readAll(undefined, 1, "backwards");
    } catch (error) {
      onConnected(false);
      throw unavailable(error, target, "no answer");
    }
  };
  const close = async (): Promise<void> => {
    for (const subscription of subscriptions) subscription.stop();
    closing.abort();
    await appender.close();
    await release();
  };
  let closed: Promise<void> | undefined;

  return {
    append,
    readStream: reader.readStream,
    readAll: reader.readAll,
    head: reader.head,
    end: reader.end,
    openOrderedAppends: () =>
      openOrderedAppends({ internals, target, timeoutMs: appendTimeoutMs, atLeader: reader.head }),
    subscribe: (from, { onEvents, onFailure }) => {
      const subscription = follow(following, from, {
        onEvents,
        onFailure: (error) => {
          subscriptions.delete(subscription);
          onFailure(error);
        },
      });
      subscriptions.add(subscription);
      if (closed !== undefined) subscription.stop();
      return {
        stop: () => {
          subscriptions.delete(subscription);
          subscription.stop();
        },
      };
    },
    close: () => (closed ??= close()),
    ping,
    connected: () => connected,
  };
};

const silent = (): never => {
  throw new LogError("UNAVAILABLE", `the event store has not answered within ${pingTimeoutMs} ms`);
};

/**
 * Subscriptions: a confirmation, everything after the given place, `caughtUp` when the end is reached, then whatever
 * comes. The log's own subscription waits for the client and reads again what it could not hand over.
 */
import { randomUUID } from "node:crypto";
import { status } from "@grpc/grpc-js";
import type { EventLog } from "../commands/ports.js";
import {
  asPosition,
  asRevision,
  firstRevision,
  noPosition,
  noRevision,
  revisionAfter,
  type Position,
  type RecordedEvent,
  type Revision,
} from "../domain/kernel/stream.js";
import { caughtUpResponse, checkpointResponse, confirmationResponse, eventResponse } from "./encode.js";
import { callErrorOf, CallError } from "./errors.js";
import { filterOf, type Filter } from "./filter.js";
import { nameOf, wholeNumber } from "./proto.js";
import { pageEvents, type ReadOptions, type Sink } from "./sink.js";

/** Strictly after a position. @throws (rejects) CallError for one beyond the end: it belongs to another log. */
export const subscribeToAll = async (log: EventLog, options: ReadOptions, sink: Sink): Promise<void> => {
  const filter = filterOf(options.getFilter());
  const start = options.getAll();
  const position = start?.getPosition();
  const head = await log.head();
  const atHead = start?.hasEnd() === true ? head : noPosition;
  const from = position !== undefined ? asPosition(wholeNumber(position.getCommitPosition())) : atHead;
  if (from > head)
    throw new CallError(
      status.INVALID_ARGUMENT,
      `Position ${from} is beyond the end of this log, ${head}.`,
      "invalid-position",
    );
  await sink.send(confirmationResponse(randomUUID()));
  follow(log, from, sink, createAllConsumer(log, filter, from, sink));
};

type Consume = {
  readonly onEvents: (events: readonly RecordedEvent[]) => Promise<void>;
  /** Before any events: whether there is nothing to catch up with. */
  readonly onStart: () => Promise<void>;
};

const createAllConsumer = (log: EventLog, filter: Filter, from: Position, sink: Sink): Consume => {
  const { checkpointEvents, select } = filter;
  let considered = 0;
  let live = false;
  let last = from;

  /** Once, with a checkpoint: a client that filters knows then that everything before is behind. */
  const caughtUp = async (): Promise<void> => {
    if (live || sink.ended() || last < (await log.head())) return;
    live = true;
    if (checkpointEvents > 0 && last > 0) await sink.send(checkpointResponse(last));
    await sink.send(caughtUpResponse);
  };
  return {
    onStart: caughtUp,
    onEvents: async (events) => {
      const selected = new Set(select(events));
      for (const event of events) {
        if (sink.ended()) return;
        last = event.position;
        if (selected.has(event)) {
          const waits = sink.send(eventResponse(event));
          if (waits !== undefined) await waits;
        }
        if (checkpointEvents > 0 && ++considered % checkpointEvents === 0) await sink.send(checkpointResponse(last));
      }
      if (!live) await caughtUp();
    },
  };
};

/** Strictly after a revision; the stream need not exist yet. */
export const subscribeToStream = async (log: EventLog, options: ReadOptions, sink: Sink): Promise<void> => {
  const start = options.getStream();
  const stream = nameOf(start?.getStreamIdentifier());
  // The head first: what comes while the past is read is seen twice then, and told apart by its revision.
  const head = await log.head();
  let next: Revision = firstRevision;
  if (start?.hasRevision() === true) next = revisionAfter(asRevision(wholeNumber(start.getRevision())));
  else if (start?.hasEnd() === true)
    next = revisionAfter((await log.readStream(stream, noRevision, 1, "backwards"))[0]?.revision ?? noRevision);
  await sink.send(confirmationResponse(randomUUID()));
  for (let page = await log.readStream(stream, next, pageEvents); page.length > 0 && !sink.ended();) {
    for (const event of page) {
      if (sink.ended()) return;
      await sink.send(eventResponse(event));
      next = revisionAfter(event.revision);
    }
    page = await log.readStream(stream, next, pageEvents);
  }
  await sink.send(caughtUpResponse);
  follow(log, head, sink, {
    onStart: () => Promise.resolve(),
    onEvents: async (events) => {
      for (const event of events) {
        if (sink.ended()) return;
        if (event.stream !== stream || event.revision < next) continue;
        next = revisionAfter(event.revision);
        await sink.send(eventResponse(event));
      }
    },
  });
};

/** Until the client or the log ends it. */
const follow = (log: EventLog, from: Position, sink: Sink, { onStart, onEvents }: Consume): void => {
  const fail = (error: unknown): void => {
    sink.fail(callErrorOf(error));
  };
  onStart().then(() => {
    if (sink.ended()) return;
    const subscription = log.subscribe(from, { onEvents, onFailure: fail });
    sink.onEnd(subscription.stop);
  }, fail);
};

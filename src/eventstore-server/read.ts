/** `Streams.Read`: a stream or `$all`, so many events or a subscription. */
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
} from "../domain/kernel/stream.js";
import { eventResponse, notFoundResponse } from "./encode.js";
import { invalid, type CallError } from "./errors.js";
import { filterOf } from "./filter.js";
import { nameOf, streams, wholeNumber } from "./proto.js";
import { pageEvents, type ReadCall, type ReadOptions, type Sink } from "./sink.js";
import { subscribeToAll, subscribeToStream } from "./subscribe.js";

/** Answers one call of Read until it ends. Whatever goes wrong ends the call with a status. */
export const read = async (
  log: EventLog,
  call: ReadCall,
  sink: Sink,
  report: (error: unknown) => CallError,
): Promise<void> => {
  try {
    const options = call.request.getOptions();
    if (options === undefined) throw invalid("A read has options.");
    if (options.hasSubscription()) {
      await (options.hasStream() ? subscribeToStream : subscribeToAll)(log, options, sink);
    } else {
      await (options.hasStream() ? readStream : readAll)(log, options, sink);
      sink.end();
    }
  } catch (error) {
    sink.fail(report(error));
  }
};

const isBackwards = (options: ReadOptions): boolean =>
  options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;

/** From a revision, inclusive. */
const readStream = async (log: EventLog, options: ReadOptions, sink: Sink): Promise<void> => {
  const stream = nameOf(options.getStream()?.getStreamIdentifier());
  const direction = isBackwards(options) ? "backwards" : "forwards";
  const start = options.getStream();
  let from = direction === "backwards" ? noRevision : firstRevision;
  if (start?.hasRevision() === true) from = asRevision(wholeNumber(start.getRevision()));
  else if (start?.hasStart() === true) from = firstRevision;
  else if (start?.hasEnd() === true && direction === "forwards") from = asRevision(Number.MAX_SAFE_INTEGER);
  let left = wholeNumber(options.getCount());
  const [newest] = await log.readStream(stream, noRevision, 1, "backwards");
  if (newest === undefined) {
    await sink.send(notFoundResponse(stream));
    return;
  }
  while (left > 0 && !sink.ended()) {
    const count = Math.min(left, pageEvents);
    const page =
      from > newest.revision && direction === "forwards" ? [] : await log.readStream(stream, from, count, direction);
    await sendAll(page, sink);
    const last = page.at(-1);
    left -= page.length;
    if (last === undefined || page.length < count) return;
    from = revisionAfter(last.revision, direction === "backwards" ? -1 : 1);
    if (from < 0) return;
  }
};

/** Forwards from a position, inclusive; backwards strictly before it. */
const readAll = async (log: EventLog, options: ReadOptions, sink: Sink): Promise<void> => {
  const direction = isBackwards(options) ? "backwards" : "forwards";
  const { select } = filterOf(options.getFilter());
  let from = startOfAll(options, direction === "backwards");
  if (from === "nothing") return;
  let left = wholeNumber(options.getCount());
  while (left > 0 && !sink.ended()) {
    const page: readonly RecordedEvent[] = await log.readAll(from, pageEvents, direction);
    const selected = select(page).slice(0, left);
    await sendAll(selected, sink);
    left -= selected.length;
    if (page.length < pageEvents) return;
    from = page.at(-1)?.position;
  }
};

/** Where the log is to be read from: strictly after (backwards: before) it. */
const startOfAll = (options: ReadOptions, backwards: boolean): Position | undefined | "nothing" => {
  const start = options.getAll();
  const position = start?.getPosition();
  if (position !== undefined) {
    const commit = wholeNumber(position.getCommitPosition());
    return asPosition(backwards ? commit : Math.max(0, commit - 1));
  }
  if (start?.hasEnd() === true) return backwards ? undefined : "nothing";
  return backwards ? "nothing" : noPosition;
};

const sendAll = async (events: readonly RecordedEvent[], sink: Sink): Promise<void> => {
  for (const event of events) {
    if (sink.ended()) return;
    const waits = sink.send(eventResponse(event));
    if (waits !== undefined) await waits;
  }
};

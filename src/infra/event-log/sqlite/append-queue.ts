/** The main side's queue of appends: bounded, sent once per turn of the event loop, answered in order. */
import { LogError, type AppendResult, type AppendThen } from "../../../commands/ports.js";
import { limits } from "../../../domain/kernel/limits.js";
import {
  asPosition,
  asRevision,
  type ExpectedRevision,
  type NewEvent,
  type Position,
  type RecordedEvent,
  type StreamName,
} from "../../../domain/kernel/stream.js";
import { cellsPerResult, outcome, pushAppend, type AppendCells, type ResultCells, type ToLog } from "./wire.js";

export type QueueBounds = {
  /** Events that may wait for their commit, those in flight included. */
  readonly queueEventsMax: number;
  /** The same in bytes of ids, types, data and meta. */
  readonly queueBytesMax: number;
};

export type AppendQueue = {
  /** @throws (rejects) LogError, see `EventLog.append`; RangeError for no events or an id that is there twice. */
  readonly append: (
    stream: StreamName,
    expected: ExpectedRevision,
    events: readonly NewEvent[],
  ) => Promise<AppendResult>;
  /** The same by calling back. */
  readonly appendThen: AppendThen;
  /** Sends all that waits, whatever is in flight: for the end. */
  readonly flush: () => void;
  /** A commit's results, for the oldest unanswered appends. Calls `publish` before it answers any of them. */
  readonly settle: (results: ResultCells, publish: (commit: Commit) => void) => void;
  /** Ends the queue: the oldest `uncertain` of the appends that were sent may be durable, all others are not. */
  readonly fail: (reason: string, uncertain: number) => void;
  /** Refuses whatever comes from now on; what was accepted is still answered. */
  readonly close: (reason: string) => void;
  readonly depth: () => { readonly events: number; readonly bytes: number; readonly sent: number };
};

type Pending = {
  readonly stream: StreamName;
  readonly expected: ExpectedRevision;
  readonly events: readonly NewEvent[];
  readonly bytes: number;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: Error) => void;
};

/** What one commit has answered: an answer for each append. */
export type Commit = { readonly batch: readonly Pending[]; readonly answers: readonly Answer[] };
/** `isNew`: it was written now, not before. */
type Answer = { readonly result: AppendResult; readonly isNew: boolean };

/** Events of one message, so that a huge turn still makes commits of a sensible size. */
const messageEventsMax = 512;

export const createAppendQueue = (bounds: QueueBounds, send: (message: ToLog) => void): AppendQueue => {
  let waiting: Pending[] = [];
  const sent: Pending[] = [];
  let events = 0;
  let bytes = 0;
  let ended: string | undefined;

  /** While a commit is in flight the next one gathers here: fuller commits cost less an event, and no command waits longer. */
  const sendNext = (): void => {
    if (sent.length === 0) flush();
  };
  const flush = (): void => {
    const batch = waiting;
    waiting = [];
    for (let at = 0; at < batch.length;) {
      const cells: AppendCells = [];
      let count = 0;
      const start = at;
      for (let next = batch[at]; next !== undefined && count < messageEventsMax; next = batch[++at]) {
        pushAppend(cells, next.stream, next.expected, next.events);
        count += next.events.length;
        sent.push(next);
      }
      send({ kind: "append", cells, appends: at - start, events: count });
    }
  };
  const refusal = (count: number, size: number): Error | undefined => {
    if (count === 0) return new RangeError("an append has at least one event");
    if (size > limits.appendBytesMax)
      return new LogError("TOO_LARGE", `${size} bytes are more than the ${limits.appendBytesMax} of an append`);
    if (ended !== undefined) return new LogError("UNAVAILABLE", ended);
    if (events + count > bounds.queueEventsMax || bytes + size > bounds.queueBytesMax)
      return new LogError("UNAVAILABLE", `the log's queue is full: ${events} events, ${bytes} bytes`);
    return undefined;
  };

  const appendThen: AppendThen = (stream, expected, added, resolve, reject) => {
    const size = sizeOf(added);
    if (size instanceof Error) {
      later(reject, size);
      return;
    }
    const refused = refusal(added.length, size);
    if (refused !== undefined) {
      later(reject, refused);
      return;
    }
    // In the loop's check phase: after everything that this turn's sockets bring, before the next turn waits.
    if (waiting.length === 0) setImmediate(sendNext);
    waiting.push({ stream, expected, events: added, bytes: size, resolve, reject });
    events += added.length;
    bytes += size;
  };

  return {
    append: (stream, expected, added) =>
      new Promise((resolve, reject) => {
        appendThen(stream, expected, added, resolve, reject);
      }),
    appendThen,
    flush,
    settle: (results, publish) => {
      const batch = sent.splice(0, results.length / cellsPerResult);
      for (const pending of batch) {
        events -= pending.events.length;
        bytes -= pending.bytes;
      }
      const answers = answersOf(results);
      // After this turn: those whose answers come just now may have more.
      if (waiting.length > 0) setImmediate(sendNext);
      publish({ batch, answers });
      for (let i = 0; i < answers.length; i += 1) {
        const answer = answers[i];
        if (answer !== undefined) batch[i]?.resolve(answer.result);
      }
    },
    close: (reason) => {
      ended = reason;
    },
    fail: (reason, uncertain) => {
      ended = reason;
      for (const [i, { reject }] of sent.entries())
        reject(new LogError(i < uncertain ? "OUTCOME_UNKNOWN" : "UNAVAILABLE", reason));
      for (const { reject } of waiting) reject(new LogError("UNAVAILABLE", reason));
      sent.length = 0;
      waiting = [];
      events = 0;
      bytes = 0;
    },
    depth: () => ({ events, bytes, sent: sent.length }),
  };
};

const later = (reject: (error: Error) => void, error: Error): void => {
  queueMicrotask(() => {
    reject(error);
  });
};

/** UTF-8 bytes of an append, or why it is none: LogError TOO_LARGE for an event, RangeError for an id that is there twice. */
const sizeOf = (events: readonly NewEvent[]): number | Error => {
  let sum = 0;
  for (const { id, type, data, meta } of events) {
    const size = id.length + type.length + Buffer.byteLength(data) + Buffer.byteLength(meta);
    if (size > limits.eventBytesMax)
      return new LogError("TOO_LARGE", `${size} bytes are more than the ${limits.eventBytesMax} of an event`);
    sum += size;
  }
  if (events.length > 1 && new Set(events.map(({ id }) => id)).size < events.length)
    return new RangeError("an append has an event id twice");
  return sum;
};

const answersOf = (results: ResultCells): Answer[] => {
  const answers: Answer[] = [];
  for (let at = 0; at < results.length; at += cellsPerResult) {
    const kind = results[at];
    const revision = asRevision(results[at + 1] ?? 0);
    const position = asPosition(results[at + 2] ?? 0);
    const result: AppendResult =
      kind === outcome.conflict ? { kind: "conflict", actual: revision } : { kind: "appended", revision, position };
    answers.push({ result, isNew: kind === outcome.appended });
  }
  return answers;
};

/** The events that a commit has added, in position order, from the main side's own copies: nothing is sent back. */
export const committedEvents = (commit: Commit): RecordedEvent[] => {
  const recorded: RecordedEvent[] = [];
  for (const [i, { stream, events }] of commit.batch.entries()) {
    const answer = commit.answers[i];
    if (answer?.isNew !== true || answer.result.kind !== "appended") continue;
    let revision = answer.result.revision - events.length;
    let position = answer.result.position - events.length;
    // Written out: V8 copies an object by spread in a slow call, 2 µs for each event of a commit.
    for (const { id, type, data, meta, decoded } of events)
      recorded.push({
        id,
        type,
        data,
        meta,
        decoded,
        stream,
        revision: asRevision(++revision),
        position: asPosition(++position),
      });
  }
  return recorded;
};

/** The position of the last event that a commit has added, if it added any. */
export const lastCommitted = ({ answers }: Commit): Position | undefined => {
  const last = answers.findLast(({ isNew }) => isNew)?.result;
  return last?.kind === "appended" ? last.position : undefined;
};

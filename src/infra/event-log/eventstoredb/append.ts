/**
 * Appends, each with a time-out of its own. The client's `appendToStream` has none in batches, fails the appends of every
 * call when one ends, throws out of a stream's handler when an answer comes late (the process dies of it) and rejects a
 * promise that nobody holds when a call ends under load. Hence this one, on the client's channel: every append is
 * answered exactly once, and an answer that no append waits for is dropped.
 */
import { LogError, type AppendResult, type EventLog } from "../../../commands/ports.js";
import { openAppendCall, type AppendCall } from "./call.js";
import type { ClientInternals } from "./client.js";
import { unavailable } from "./errors.js";
import { appendRequest, sizeOf } from "./request.js";

export type Appender = {
  /** See `EventLog.append`. @throws (rejects) LogError; RangeError for no events or an id that is there twice. */
  readonly append: EventLog["append"];
  /** Refuses what comes from now on; resolves when everything that was taken is answered or timed out. */
  readonly close: () => Promise<void>;
};

export type AppenderOptions = {
  readonly internals: ClientInternals;
  readonly target: string;
  readonly timeoutMs: number;
  readonly onAnswered: () => void;
  /** An append had no answer, or could not be sent. */
  readonly onLost: (error: LogError) => void;
};

/** What may wait for an answer: beyond that a refusal is kinder than memory that grows while the server stands still. */
const waitingMax = 10_000;
const waitingBytesMax = 64 * 1024 * 1024;

export const createAppender = (options: AppenderOptions): Appender => {
  const { target, timeoutMs } = options;
  const calls = createCalls(options);
  const waiting = { appends: 0, bytes: 0 };
  let correlation = 0;
  let closed = false;
  let onIdle: (() => void) | undefined;

  /** Resolves once with what became of it, or rejects once, within `timeoutMs`. */
  const append: Appender["append"] = async (stream, expected, events) => {
    const bytes = sizeOf(events);
    if (closed) throw new LogError("UNAVAILABLE", "the log is closed");
    if (waiting.appends >= waitingMax || waiting.bytes + bytes > waitingBytesMax)
      throw new LogError("UNAVAILABLE", `${waiting.appends} appends wait for the event store at ${target}`);
    const id = correlation++;
    const request = appendRequest(id, stream, expected, events);
    waiting.appends += 1;
    waiting.bytes += bytes;
    try {
      const answer = await answerWithin(calls, timeoutMs, target, id, (call, settle) => {
        call.send(id, request, settle);
      });
      options.onAnswered();
      return answer;
    } catch (error) {
      if (error instanceof LogError && error.code !== "TOO_LARGE") options.onLost(error);
      throw error;
    } finally {
      waiting.appends -= 1;
      waiting.bytes -= bytes;
      if (waiting.appends === 0) onIdle?.();
    }
  };
  return {
    append,
    close: async () => {
      closed = true;
      if (waiting.appends > 0) await new Promise<void>((resolve) => (onIdle = resolve));
      calls.close();
    },
  };
};

/** `send` is called as soon as there is a call. Before that nothing is written; from then on the outcome is unknown until it is answered. */
export const answerWithin = (
  calls: Pick<Calls, "current">,
  timeoutMs: number,
  target: string,
  correlation: number,
  send: (call: AppendCall, settle: (answer: AppendResult | LogError) => void) => void,
): Promise<AppendResult> =>
  new Promise((resolve, reject) => {
    let used: AppendCall | undefined;
    let over = false;
    const settle = (answer: AppendResult | LogError): void => {
      over = true;
      clearTimeout(timer);
      if (answer instanceof LogError) reject(answer);
      else resolve(answer);
    };
    const timer = setTimeout(() => {
      const code = used === undefined ? "UNAVAILABLE" : "OUTCOME_UNKNOWN";
      settle(new LogError(code, `the event store at ${target} has not answered within ${timeoutMs} ms`));
      // A call that has left one append without an answer gets no more of them.
      used?.retire();
      used?.forget(correlation);
    }, timeoutMs);
    calls.current().then(
      (call) => {
        if (over) return;
        used = call;
        send(call, settle);
      },
      (error: unknown) => {
        settle(unavailable(error, target, "the append was not sent"));
      },
    );
  });

type Calls = {
  /** The call that appends travel on, opened if there is none. Rejects when there is no server. */
  readonly current: () => Promise<AppendCall>;
  readonly close: () => void;
};

const createCalls = ({ internals, target }: AppenderOptions): Calls => {
  let opening: Promise<AppendCall> | undefined;
  let current: AppendCall | undefined;
  const open = (): Promise<AppendCall> => {
    opening = openAppendCall(internals, target)
      .then((call) => (current = call))
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };
  return {
    current: () => (current?.usable() === true ? Promise.resolve(current) : (opening ?? open())),
    close: () => {
      current?.retire();
      // One that opens only now has no append to carry.
      opening?.then(
        (call) => {
          call.retire();
        },
        () => undefined,
      );
    },
  };
};

/**
 * The embedded event log: SQLite in a worker thread, group commit, live subscriptions. Appends of one turn of the event
 * loop travel together; everything that waits while a commit is in flight is the next commit.
 */
import type { Worker } from "node:worker_threads";
import { LogError, type EventLog } from "../../../commands/ports.js";
import type { Position } from "../../../domain/kernel/stream.js";
import { startThread } from "../../engines/thread.js";
import { workerUrl } from "../../engines/worker.js";
import { committedEvents, createAppendQueue, lastCommitted, type QueueBounds } from "./append-queue.js";
import { createFeed } from "./feed.js";
import { createReadQueue } from "./read-queue.js";
import { eventsOf } from "./read-statements.js";
import type { FromLog, LogWorkerData, ReadRequest, ResultCells, ToLog } from "./wire.js";

export type SqliteLog = EventLog & {
  /** The same log for callers that can wait: all but the commands, whose reads have places of their own and go first. */
  readonly background: Pick<EventLog, "readStream" | "readAll" | "subscribe" | "head">;
  /** Refuses new appends (`UNAVAILABLE`), makes those that wait durable, ends subscriptions without a word. Repeatable. */
  readonly close: () => Promise<void>;
  readonly stats: () => LogStats;
  /** Resolves when the log has stopped by itself: a commit or sync failed, or its thread died. Only a restart helps. */
  readonly failed: Promise<LogError>;
};

export type LogStats = {
  /** Events and bytes that wait for their commit, those in flight included. */
  readonly queueDepth: number;
  readonly queueBytes: number;
  /** Since the start. */
  readonly commits: number;
  readonly eventsAppended: number;
  readonly head: Position;
};

/** Some two seconds of work at full speed: beyond that, a refusal is kinder than a late answer. */
const boundsDefault: QueueBounds = { queueEventsMax: 50_000, queueBytesMax: 64 * 1024 * 1024 };

/** Of the log's thread: an event is a row within a commit and then rubbish. 3 to 48 cost the same an event. */
const youngMb = 6;

/**
 * Opens, or makes, the log in the file `path` (mode 600), whose directory exists.
 * @throws (rejects) LogError `UNAVAILABLE`, with the reason, when it cannot be opened.
 */
export const openSqliteLog = (path: string, options: Partial<QueueBounds> = {}): Promise<SqliteLog> =>
  new Promise((resolve, reject) => {
    const workerData: LogWorkerData = { path };
    const worker = startThread(workerUrl(import.meta.url, "./event-log.worker.js"), {
      workerData,
      name: "event-log",
      youngMb,
    });
    const refuse = (error: Error): void => {
      reject(new LogError("UNAVAILABLE", error.message, { cause: error }));
    };
    const ended = (): void => {
      refuse(new Error("its thread ended"));
    };
    worker.once("error", refuse);
    worker.once("exit", ended);
    worker.once("message", (message: FromLog) => {
      worker.off("error", refuse);
      worker.off("exit", ended);
      if (message.kind === "opened") resolve(createLog(worker, message.head, { ...boundsDefault, ...options }));
    });
  });

const createLog = (worker: Worker, start: Position, bounds: QueueBounds): SqliteLog => {
  const send = (message: ToLog): void => {
    worker.postMessage(message);
  };
  const queue = createAppendQueue(bounds, send);
  const reads = createReadQueue(send);
  const feed = createFeed(start, (from, count) =>
    reads.inBackground({ all: true, from, count, direction: "forwards" }),
  );
  const counters = { commits: 0, eventsAppended: 0 };
  const exited = new Promise<void>((resolve) => worker.once("exit", resolve));
  let reportFailure: (error: LogError) => void;
  const failed = new Promise<LogError>((resolve) => (reportFailure = resolve));
  let closing: Promise<void> | undefined;
  let closed = false;

  const stop = (reason: string, uncertain: number): void => {
    if (closed) return;
    closed = true;
    const error = new LogError("UNAVAILABLE", reason);
    queue.fail(reason, uncertain);
    reads.fail(error);
    feed.end(error);
    void worker.terminate();
    reportFailure(error);
  };
  const committed = (results: ResultCells): void => {
    queue.settle(results, (commit) => {
      counters.commits++;
      const head = lastCommitted(commit);
      if (head === undefined) return;
      counters.eventsAppended += head - feed.head();
      feed.advance(head, feed.active() ? committedEvents(commit) : []);
    });
  };
  const receive = (message: FromLog): void => {
    switch (message.kind) {
      case "committed":
        committed(message.results);
        break;
      case "page":
        reads.settle(eventsOf(message.cells));
        break;
      case "read_failed":
        reads.settle(new LogError("UNAVAILABLE", `the log could not be read: ${message.reason}`));
        break;
      case "failed":
        stop(`the log has stopped: ${message.reason}`, message.uncertain);
        break;
      case "opened":
        break;
      case "closed":
        closed = true;
        break;
    }
  };
  worker.on("message", receive);
  worker.on("error", (error: Error) => {
    stop(`the log's thread failed: ${error.message}`, queue.depth().sent);
  });
  worker.on("exit", () => {
    stop("the log's thread ended", queue.depth().sent);
  });
  const close = async (): Promise<void> => {
    queue.flush();
    queue.close("the log is closed");
    send({ kind: "close" });
    await exited;
    reads.fail(new LogError("UNAVAILABLE", "the log is closed"));
    feed.end();
  };

  const following = { subscribe: feed.subscribe, head: () => Promise.resolve(feed.head()) };
  return {
    append: queue.append,
    appendThen: queue.appendThen,
    ...readingWith(reads.first),
    ...following,
    background: { ...readingWith(reads.inBackground), ...following },
    close: () => (closing ??= close()),
    stats: () => {
      const { events, bytes } = queue.depth();
      return { queueDepth: events, queueBytes: bytes, ...counters, head: feed.head() };
    },
    failed,
  };
};

const readingWith = (
  read: (request: ReadRequest) => ReturnType<EventLog["readAll"]>,
): Pick<EventLog, "readStream" | "readAll"> => ({
  readStream: (stream, from, count, direction = "forwards") => read({ stream, from, count, direction }),
  readAll: (from, count, direction = "forwards") => read({ all: true, from, count, direction }),
});

/**
 * The log's thread. Everything that is waiting when it looks is one commit; then it answers reads for about as long as a
 * commit takes, and looks again: neither a long queue of reads nor one of appends keeps the other waiting for more than one step.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { openLogCore, type LogCore } from "./log-core.js";
import { opening } from "../../engines/sqlite-file.js";
import { walLookMs } from "../../engines/wal.js";
import type { FromLog, LogWorkerData, ReadRequest, ToLog } from "./wire.js";

type Batch = Extract<ToLog, { kind: "append" }>;

/** Events of one commit: at 10 µs each the first of them waits 10 ms for the last. */
const commitEventsMax = 1024;
/** Reads of one step end at the first answer after so long. */
const readingMs = 2;
/** How long nothing has to come in before work is done that can wait. */
const idleMs = 20;

const run = (core: LogCore, port: NonNullable<typeof parentPort>): void => {
  // Bounded by the main side, which refuses appends and reads above its own bounds.
  const appends: Batch[] = [];
  const reads: ReadRequest[] = [];
  let closing = false;
  let stopped = false;
  const running = (): boolean => !stopped;
  let idle: NodeJS.Timeout | undefined;

  const post = (message: FromLog): void => {
    port.postMessage(message);
  };
  const take = (message: ToLog): void => {
    if (message.kind === "append") appends.push(message);
    else if (message.kind === "read") reads.push(message.request);
    else closing = true;
  };
  const takeWaiting = (): void => {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      take(next.message as ToLog);
  };
  /** A failed commit is never tried again: after a failed sync it is unknown what the file holds. */
  const stop = (error: unknown, uncertain: number): void => {
    stopped = true;
    post({ kind: "failed", reason: reasonOf(error), uncertain });
    port.close();
  };
  const commitWaiting = (): void => {
    const batch: Batch[] = [];
    for (let events = 0; events < commitEventsMax && appends[0] !== undefined; events += appends.shift()?.events ?? 0)
      batch.push(appends[0]);
    if (batch.length === 0) return;
    try {
      post({ kind: "committed", results: core.commit(batch.map(({ cells }) => cells)) });
    } catch (error) {
      stop(
        error,
        batch.reduce((sum, { appends: count }) => sum + count, 0),
      );
    }
  };
  const answer = (request: ReadRequest): void => {
    try {
      post({ kind: "page", cells: core.read(request) });
    } catch (error) {
      post({ kind: "read_failed", reason: reasonOf(error) });
    }
  };
  const readWaiting = (): void => {
    const until = performance.now() + readingMs;
    for (let next = reads.shift(); next !== undefined; next = performance.now() < until ? reads.shift() : undefined)
      answer(next);
  };
  const maintain = (isIdle: boolean): void => {
    try {
      core.maintain(isIdle);
    } catch (error) {
      stop(error, 0);
    }
  };
  const work = (): void => {
    takeWaiting();
    while (running() && (appends.length > 0 || reads.length > 0)) {
      commitWaiting();
      if (running()) readWaiting();
      if (running()) maintain(false);
      takeWaiting();
    }
    if (!running()) return;
    if (closing) close();
    else idle = setTimeout(rest, idleMs);
  };
  /** A slow reader may leave long after the last append: then its WAL is still to be cut. */
  const rest = (): void => {
    maintain(true);
    if (running()) idle = setTimeout(rest, walLookMs);
  };
  const close = (): void => {
    stopped = true;
    core.close();
    post({ kind: "closed" });
    port.close();
  };

  port.on("message", (message: ToLog) => {
    if (stopped) return;
    clearTimeout(idle);
    take(message);
    work();
  });
  post({ kind: "opened", head: core.head() });
};

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

if (parentPort !== null) {
  const { path } = workerData as LogWorkerData;
  run(
    opening(path, "the log", () => openLogCore(path)),
    parentPort,
  );
}

/** One consumer of the SQLite work queue: claims as many jobs as it has room for, and wakes when there is a reason. */
import type { JobOutcome } from "../../../projections/ports/work-queue.js";
import { attemptJob, problemOf, type Handler, type WorkQueueOptions } from "../attempts.js";
import type { Claim, Settled, SqliteJobs, Turn } from "./jobs.js";

export type SqliteConsumer = {
  /** There may be something to claim. */
  readonly notify: () => void;
  /** Claims no more; resolves when the handlers under way have ended and what became of their jobs is written. */
  readonly stop: () => Promise<void>;
};

/** Another process on the same file (`parley push redrive`) cannot notify this one. */
const lookMs = 2_000;
/** After a turn that failed: the file is locked by another process, or the disk is full. */
const failedMs = 250;
/** Turns that a stopping consumer tries in vain before it lets its jobs be done again. */
const lastTurnsMax = 4;

export const startConsumer = (
  jobs: Pick<SqliteJobs, "turn" | "extend">,
  handler: Handler,
  concurrency: number,
  options: Required<WorkQueueOptions>,
): SqliteConsumer => {
  const { visibilityMs, backoffMs, onProblem } = options;
  const running = new Set<Claim>();
  const finished: Settled[] = [];
  let [scheduled, stopping, done, failures] = [false, false, false, 0];
  let timer: NodeJS.Timeout | undefined;
  let ended: (() => void) | undefined;

  const notify = (): void => {
    if (scheduled || done) return;
    scheduled = true;
    // Whatever happens in this turn of the event loop is one commit.
    setImmediate(pump);
  };
  const wakeIn = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(notify, ms);
  };
  const run = async (claim: Claim): Promise<void> => {
    const { id, payload, attempts } = claim;
    const outcome = await attemptJob(handler, { id, payload }, attempts, options);
    running.delete(claim);
    finished.push({ claim, outcome });
    notify();
  };
  const turn = (): Turn | undefined => {
    const settled = finished.splice(0);
    try {
      const now = Date.now();
      const made = jobs.turn(settled, stopping ? 0 : concurrency - running.size, now, now + visibilityMs);
      failures = 0;
      return made;
    } catch (error) {
      failures++;
      finished.unshift(...settled);
      onProblem(problemOf("the work queue's file", error));
      return undefined;
    }
  };
  const pump = (): void => {
    scheduled = false;
    const made = turn();
    if (made === undefined) wakeIn(failedMs);
    else {
      for (const claim of made.unburied) {
        onProblem(new Error(`there is no room for the dead letter of job ${claim.id}: redrive or remove some`));
        finished.push({ claim, outcome: laterOf(backoffMs(claim.attempts)) });
      }
      for (const claim of made.claimed) {
        running.add(claim);
        void run(claim);
      }
      if (finished.length > 0) notify();
      else if (!stopping && running.size < concurrency)
        wakeIn(Math.min(Math.max((made.nextAt ?? Infinity) - Date.now(), 0), lookMs));
    }
    if (stopping && running.size === 0 && (finished.length === 0 || failures > lastTurnsMax)) end();
  };
  const heartbeat = setInterval(() => {
    if (running.size === 0) return;
    try {
      jobs.extend([...running], Date.now() + visibilityMs);
    } catch (error) {
      onProblem(problemOf("the work queue's file", error));
    }
  }, visibilityMs / 3);
  const end = (): void => {
    done = true;
    clearTimeout(timer);
    clearInterval(heartbeat);
    ended?.();
  };

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping = true;
    notify();
    return (stopped ??= new Promise((resolve) => (ended = resolve)));
  };
  notify();
  return { notify, stop };
};

const laterOf = (afterMs: number): JobOutcome => ({ kind: "retry", afterMs: Math.max(0, Math.round(afterMs)) });

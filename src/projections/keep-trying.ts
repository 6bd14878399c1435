import { asError } from "../lib/errors.js";
import { backoffMs, retried } from "../lib/retry.js";
import { pause } from "../lib/time.js";
import { isAway } from "./ports/away.js";

const untilAnswered = { msMin: 50, msMax: 5_000 };

/**
 * Does the work again, with jittered back-off and without end, for as long as the log or a store is away. Rejects with
 * whatever else the work rejects with, and with that as well once it is stopped.
 */
export const whileAway = <A>(
  work: () => Promise<A>,
  isStopped: () => boolean,
  onAway: (error: unknown) => void = () => undefined,
): Promise<A> =>
  retried(work, (error, failures) => {
    if (!isAway(error) || isStopped()) throw error;
    onAway(error);
    return backoffMs(failures, untilAnswered);
  });

/** What a failed attempt is told to, and with undefined the first that succeeds after it. */
export type OnProblem = (problem: Error | undefined) => void;

/** Shorter than `untilAnswered`: views that can be written again are not to be kept waiting for longer than a takeover takes. */
const untilWritten = { msMin: 50, msMax: 2_000 };

/**
 * Does the work again, with jittered back-off and without end, whatever it rejects with: for work that can fail only by
 * what a store or the log answers. An answer that Parley does not know is as passing as none.
 *
 * @throws the last failure once it is stopped
 */
export const untilDone = async <A>(
  work: () => A | Promise<A>,
  stopped: AbortSignal,
  onProblem: OnProblem,
): Promise<A> => {
  let failures = 0;
  const failed = (error: unknown): number => {
    if (stopped.aborted) throw error;
    onProblem(asError(error));
    return backoffMs(failures++, untilWritten);
  };
  const done = await retried(work, failed, (ms) => pause(ms, { stopped }));
  if (failures > 0) onProblem(undefined);
  return done;
};

/** A part that works by itself. */
export type Running = { readonly stop: () => void | Promise<void> };

/** What worked for so long was well: the next pause is the shortest again. */
const calmMs = 10_000;

export type Kept = { readonly stop: () => Promise<void> };

export type Part<A> = {
  /** What it needs before it can begin; repeated while it rejects, whatever with. */
  readonly prepare: () => Promise<A>;
  /** `onEnded` is for a part that has ended by itself: it is prepared and begun again, at once where nothing is wrong. */
  readonly begin: (prepared: A, onEnded: (why: Error | "again") => void) => Running;
  readonly onProblem: OnProblem;
};

/**
 * Keeps a part going: whatever keeps it from beginning, or ends it, it begins again, with back-off and without end.
 * `stop` resolves when nothing of it is under way any more.
 */
export const keepGoing = <A>({ prepare, begin, onProblem }: Part<A>): Kept => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const isStopped = (): boolean => signal.aborted;
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => {
      resolve(undefined);
    });
  });

  const once = async (): Promise<Error | "again" | undefined> => {
    const prepared = await prepare();
    if (isStopped()) return undefined;
    // Before it begins: it may have something to say at once.
    onProblem(undefined);
    let onEnded: (why: Error | "again") => void = () => undefined;
    const ended = new Promise<Error | "again">((resolve) => (onEnded = resolve));
    const running = begin(prepared, onEnded);
    const why = await Promise.race([ended, stopped]);
    await running.stop();
    return why;
  };
  const run = async (): Promise<void> => {
    for (let failures = 0; !isStopped(); failures += 1) {
      const startedAt = performance.now();
      const why = await once().catch(asError);
      if (why === undefined || isStopped()) break;
      if (performance.now() - startedAt > calmMs) failures = 0;
      if (why === "again") continue;
      onProblem(why);
      await pause(backoffMs(failures, untilWritten), { stopped: signal });
    }
  };
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
};

import { asError } from "../lib/errors.js";
import { isAway } from "./ports.js";

const backoffMsMin = 50;
const backoffMsMax = 5_000;

/**
 * Does the work again, with jittered back-off and without end, for as long as the log or a store is away. Rejects with
 * whatever else the work rejects with, and with that as well once nobody wants it any more.
 */
export const whileAway = async <A>(
  work: () => Promise<A>,
  isStopped: () => boolean,
  onAway: (error: unknown) => void = () => undefined,
): Promise<A> => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error) || isStopped()) throw error;
      onAway(error);
      const waitMs = Math.random() * Math.min(backoffMsMax, backoffMsMin * 2 ** attempt);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
};

/** What a failed attempt is told to, and with undefined the first that succeeds after it. */
export type OnProblem = (problem: Error | undefined) => void;

/** Shorter than `backoffMsMax`: views that can be written again are not to be kept waiting for longer than a takeover takes. */
const pauseMsMax = 2_000;

/**
 * Does the work again, with jittered back-off and without end, whatever it rejects with: for work that can fail only by
 * what a store or the log answers. An answer that nobody knows is as passing as none.
 *
 * @throws the last failure once it is stopped
 */
export const untilDone = async <A>(
  work: () => A | Promise<A>,
  stopped: AbortSignal,
  onProblem: OnProblem,
): Promise<A> => {
  for (let failures = 0; ; failures += 1) {
    try {
      const done = await work();
      if (failures > 0) onProblem(undefined);
      return done;
    } catch (error) {
      if (stopped.aborted) throw error;
      onProblem(asError(error));
      await pauseAfter(failures, stopped);
    }
  }
};

/** Full jitter, so that those who failed together do not try together; ends at once when it is stopped. */
const pauseAfter = (failures: number, stopped: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stopped.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.random() * Math.min(pauseMsMax, backoffMsMin * 2 ** failures));
    stopped.addEventListener("abort", end);
    if (stopped.aborted) end();
  });

/** A part that works by itself. */
export type Running = { readonly stop: () => void | Promise<void> };

/** What worked for so long was well: the next pause is the shortest again. */
const calmMs = 10_000;

export type Kept = { readonly stop: () => Promise<void> };

export type Part<A> = {
  /** What it needs before it can begin; repeated while it rejects, whatever with. */
  readonly prepare: () => Promise<A>;
  /** `onEnded` is for a part that has ended by itself: it is prepared and begun again. */
  readonly begin: (prepared: A, onEnded: (error: Error) => void) => Running;
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

  const once = async (): Promise<Error | undefined> => {
    const prepared = await prepare();
    if (isStopped()) return undefined;
    // Before it begins: it may have something to say at once.
    onProblem(undefined);
    let onEnded: (error: Error) => void = () => undefined;
    const ended = new Promise<Error>((resolve) => (onEnded = resolve));
    const running = begin(prepared, onEnded);
    const error = await Promise.race([ended, stopped]);
    await running.stop();
    return error;
  };
  const run = async (): Promise<void> => {
    for (let failures = 0; !isStopped(); failures += 1) {
      const startedAt = performance.now();
      const error = await once().catch(asError);
      if (error === undefined || isStopped()) break;
      if (performance.now() - startedAt > calmMs) failures = 0;
      onProblem(error);
      await pauseAfter(failures, signal);
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

import { laterOf, type Position } from "../../domain/kernel/stream.js";

/** Callers that wait for a position of the log. */
export type PositionWaiters = {
  /** True when the position is reached, false when the time is up, when the views work on it no more, or beyond `waitersMax`. */
  readonly wait: (position: Position, timeoutMs: number) => Promise<boolean>;
  readonly reached: (position: Position) => void;
  /** Nothing further will be reached. */
  readonly giveUp: () => void;
};

/** More than this many readers at once are more than can be answered in the time that they wait. */
const waitersMax = 10_000;

export const createPositionWaiters = (start: Position): PositionWaiters => {
  const waiting = new Set<{ readonly position: Position; readonly settle: (reached: boolean) => void }>();
  let newest = start;
  let over = false;
  return {
    wait: (position, timeoutMs) => {
      if (position <= newest) return Promise.resolve(true);
      if (over || waiting.size >= waitersMax) return Promise.resolve(false);
      return new Promise((resolve) => {
        const waiter = {
          position,
          settle: (reached: boolean) => {
            clearTimeout(timer);
            waiting.delete(waiter);
            resolve(reached);
          },
        };
        const timer = setTimeout(waiter.settle, timeoutMs, false);
        waiting.add(waiter);
      });
    },
    reached: (position) => {
      newest = laterOf(newest, position);
      for (const waiter of waiting) if (waiter.position <= newest) waiter.settle(true);
    },
    giveUp: () => {
      over = true;
      for (const waiter of waiting) waiter.settle(false);
    },
  };
};

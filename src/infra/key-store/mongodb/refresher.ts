/** Looks for the keys in memory again before they are too old, so that a destroyed one disappears and the others stay. */
import type { AgingKeys } from "./cache.js";
import { markOf } from "../wrapping.js";

export type Refresher = {
  /** Looks for all of them again, from now on. */
  readonly recheck: () => void;
  /** Resolves when the round that is under way has ended. */
  readonly stop: () => Promise<void>;
};

type RefresherOptions = {
  readonly keys: AgingKeys;
  readonly find: (
    ids: readonly string[],
  ) => Promise<{ readonly askedAt: number; readonly found: ReadonlyMap<string, Uint8Array> }>;
  readonly clock: () => number;
  readonly cacheMs: number;
  readonly staleMs: number;
  readonly onProblem: ((error: unknown) => void) | undefined;
};

/** Ids of one question: some milliseconds for MongoDB. */
const idsPerQuestion = 1_000;

export const createRefresher = ({ keys, find, clock, cacheMs, staleMs, onProblem }: RefresherOptions): Refresher => {
  let isStopped = false;
  let round: Promise<void> | undefined;
  let allBefore = -Infinity;

  const refresh = async (): Promise<void> => {
    keys.forgetUnused(clock() - staleMs);
    while (!isStopped) {
      const due = keys.due(Math.max(allBefore, clock() - cacheMs * refreshAtShare), idsPerQuestion);
      if (due.length === 0) return;
      const { askedAt, found } = await find(due.map(([keyId]) => keyId));
      for (const [keyId, mark] of due) {
        const wrapped = found.get(keyId);
        // Another wrapping is another key: a caller that needs it asks for it.
        if (wrapped !== undefined && markOf(wrapped) === mark) keys.confirm(keyId, askedAt);
        else keys.drop(keyId);
      }
    }
  };
  const begin = (): void => {
    round ??= refresh()
      // The store has noted that MongoDB is away; the keys grow older until the next round.
      .catch((error: unknown) => onProblem?.(error))
      .finally(() => {
        round = undefined;
      });
  };
  const timer = setInterval(begin, cacheMs * everyShare);
  timer.unref();
  return {
    recheck: () => {
      allBefore = clock();
      begin();
    },
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await round;
    },
  };
};

/** Of `cacheMs`: begun at 45 of 60 seconds, and tried every 3, there are five attempts before a key is too old. */
const refreshAtShare = 0.75;
const everyShare = 0.05;

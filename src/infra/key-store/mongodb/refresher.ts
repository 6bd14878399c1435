/** Looks for the keys in memory again before they are too old, so that a destroyed one disappears and the others stay. */
import type { AgingKeys } from "./cache.js";
import { markOf } from "../wrapping.js";

export type Refresher = {
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

  const refresh = async (): Promise<void> => {
    keys.forgetUnused(clock() - staleMs);
    while (!isStopped) {
      const due = keys.due(clock() - cacheMs * refreshAtShare, idsPerQuestion);
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
  const timer = setInterval(() => {
    round ??= refresh()
      // The store has noted that MongoDB is away; the keys grow older until the next round.
      .catch((error: unknown) => onProblem?.(error))
      .finally(() => {
        round = undefined;
      });
  }, cacheMs * everyShare);
  timer.unref();
  return {
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

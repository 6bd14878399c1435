import { StoreUnavailable } from "../../../projections/ports/away.js";
import { backoffMs, retried } from "../../../lib/retry.js";
import { pause } from "../../../lib/time.js";

/** Asks a server about ids. Rejects with StoreUnavailable when it does not answer. */
type Ask<A> = (ids: readonly string[]) => Promise<A>;

export type Guarded<A> = {
  /** Rejects as the question does, and at once while the server is known to be away. */
  readonly ask: Ask<A>;
  readonly isAway: () => boolean;
  /** Repeatable. Resolves when nothing is asked behind the callers any more. */
  readonly stop: () => Promise<void>;
};

const untilThere = { msMin: 100, msMax: 1_000, steady: 0.5 };

type Rest = (ms: number, stopped: AbortSignal) => Promise<void>;
/** Keeps no process alive that has nothing else to do. */
const realRest: Rest = (ms, stopped) => pause(ms, { stopped, unref: true });

/**
 * A conversation stands still while a command of it waits for its key, so callers find out once that the server is away:
 * after a question without an answer all others are refused at once. Behind them one id of that question is asked for
 * until there is an answer; so the server's return is noticed whether or not any caller comes.
 */
export const refusingWhileAway = <A>(ask: Ask<A>, rest: Rest = realRest): Guarded<A> => {
  const stopping = new AbortController();
  const { signal: stopped } = stopping;
  let away: StoreUnavailable | undefined;
  let asking: Promise<void> | undefined;

  const askUntilThere = async (ids: readonly string[]): Promise<void> => {
    const failed = (error: unknown, failures: number): number => {
      // Any answer shows that the server is there, a refusal too.
      if (stopped.aborted || !(error instanceof StoreUnavailable)) throw error;
      return backoffMs(failures, untilThere);
    };
    const once = (): Promise<A> => {
      stopped.throwIfAborted();
      return ask(ids);
    };
    await retried(once, failed, (ms) => rest(ms, stopped)).catch(() => undefined);
    away = undefined;
  };
  const notice = (error: StoreUnavailable, ids: readonly string[]): void => {
    // Another question that was under way has noticed it.
    if (away !== undefined) return;
    away = error;
    asking = askUntilThere(ids.slice(0, 1));
  };
  return {
    ask: async (ids) => {
      if (away !== undefined) throw away;
      try {
        return await ask(ids);
      } catch (error) {
        if (error instanceof StoreUnavailable) notice(error, ids);
        throw error;
      }
    },
    isAway: () => away !== undefined,
    stop: async () => {
      stopping.abort();
      await asking;
    },
  };
};

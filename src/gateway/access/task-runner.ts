import { E, type Either } from "../../domain/kernel/fp.js";
import type { Ids } from "../../commands/ports.js";
import { isAway } from "../../projections/ports/away.js";
import { gatewayLimits } from "../limits.js";
import type { Logger } from "../ports.js";
import type { Failure } from "../protocol/codes.js";

/** Runs what the application does for the gateway: every piece ends in exactly one outcome, a defect included. */
export type TaskRunner = {
  /**
   * Calls `task` at once, `done` with its outcome later. What `task` throws or rejects with is a defect: logged under an
   * id, and all that the client learns is the id.
   */
  readonly run: <A>(
    task: () => Promise<Either<Failure, A>>,
    done: (outcome: Either<Failure, A>) => void,
    log: () => object,
  ) => void;
  /** `run` of what calls back: `settled` or `failed`, once, now or later. */
  readonly runThen: <A>(
    task: (settled: (outcome: Either<Failure, A>) => void, failed: (error: unknown) => void) => void,
    done: (outcome: Either<Failure, A>) => void,
    log: () => object,
  ) => void;
  readonly pending: () => number;
  /** Resolves when nothing is pending, or after `msMax`: then with a warning in the log. */
  readonly idle: (msMax: number) => Promise<void>;
};

export const createTaskRunner = (logger: Logger, ids: Ids): TaskRunner => {
  let pending = 0;
  const waiters = new Set<() => void>();
  const ended = (): void => {
    pending--;
    if (pending === 0) for (const waiter of waiters) waiter();
  };
  const runThen: TaskRunner["runThen"] = (task, done, log) => {
    pending++;
    const settled = (outcome: Parameters<typeof done>[0]): void => {
      try {
        done(outcome);
      } catch (error) {
        defect(logger, ids, error, log());
      } finally {
        ended();
      }
    };
    const failed = (error: unknown): void => {
      settled(E.left(defect(logger, ids, error, log())));
    };
    try {
      task(settled, failed);
    } catch (error) {
      failed(error);
    }
  };
  return {
    run: (task, done, log) => {
      runThen(
        (settled, failed) => {
          task().then(settled, failed);
        },
        done,
        log,
      );
    },
    runThen,
    pending: () => pending,
    idle: (msMax) =>
      pending === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            const finish = (): void => {
              clearTimeout(timer);
              waiters.delete(finish);
              resolve();
            };
            const timer = setTimeout(() => {
              logger.warn({ pending }, "Requests were still in flight when the time to drain was over");
              finish();
            }, msMax);
            waiters.add(finish);
          }),
  };
};

/**
 * What the client is told of an error: to come back, when the log or a store cannot be asked now; of a defect, which is
 * logged, no more than where to look.
 */
export const defect = (logger: Logger, ids: Ids, error: unknown, log: object): Failure => {
  if (isAway(error)) {
    logger.debug({ ...log, err: error }, "A request could not be answered now");
    return { code: "UNAVAILABLE", message: "The server cannot answer this now; try again.", retryAfter };
  }
  const errorId = ids.uuid();
  logger.error({ ...log, errorId, err: error }, "A request ended in a defect");
  return { code: "INTERNAL", message: `Something is wrong with the server; it is logged as ${errorId}.` };
};

const retryAfter = gatewayLimits.retryAfterS;

import { MongoBulkWriteError, MongoServerError } from "mongodb";
import { StoreUnavailable } from "../../../projections/ports/away.js";
import { backoffMs, retried } from "../../../lib/retry.js";
import { reachable } from "../../engines/mongodb/connection.js";
import { isPassingCode } from "../../engines/mongodb/passing-errors.js";

/**
 * The pauses are one and a half seconds at most, and each attempt fails within two seconds when no server is there: what
 * lasts longer is the caller's to wait for.
 */
const attemptsMax = 6;
const untilPassed = { msMin: 50, msMax: 800 };

/**
 * Repeats work that may be repeated, while its failure is one that passes. With full jitter, so that writers who have met
 * do not meet again.
 * @throws StoreUnavailable for what did not pass in time; anything else as it was
 */
export const untilPassing = (work: () => Promise<void>, onProblem: (error: Error) => void): Promise<void> =>
  retried(
    () => reachable(work),
    (error, failures) => {
      if (!passes(error)) throw error;
      if (failures + 1 === attemptsMax) throw unavailable(error);
      onProblem(error);
      return backoffMs(failures, untilPassed);
    },
  );

/** DuplicateKey: two writers have upserted a row's first change. WriteConflict: two have changed it at once. */
const conflictCodes: ReadonlySet<number> = new Set([11_000, 112]);

const passes = (error: unknown): error is Error => {
  if (error instanceof StoreUnavailable) return true;
  if (!(error instanceof MongoServerError)) return false;
  const codes =
    error instanceof MongoBulkWriteError ? [error.writeErrors].flat().map(({ code }) => code) : [Number(error.code)];
  return codes.length > 0 && codes.every((code) => conflictCodes.has(code) || isPassingCode(code));
};

const unavailable = (error: Error): StoreUnavailable =>
  error instanceof StoreUnavailable ? error : new StoreUnavailable(`MongoDB: ${error.message}`, { cause: error });

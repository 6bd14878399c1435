/** What both work queues share: their options, what a job may be, and what becomes of an attempt. */
import { StoreUnavailable } from "../../projections/ports/away.js";
import type { Job, JobOutcome } from "../../projections/ports/work-queue.js";

export type WorkQueueOptions = {
  /** Attempts after which a job is a dead letter; 8 when omitted. */
  readonly attemptsMax?: number;
  /** How long a job is kept from others after its consumer was last heard of; 30,000 when omitted. */
  readonly visibilityMs?: number;
  /** How long an enqueued id is remembered; 120,000 when omitted. */
  readonly deduplicateMs?: number;
  /** Bounds of what waits, and as much again of what is dead: above either, `enqueue` is refused. */
  readonly jobsMax: number;
  readonly bytesMax: number;
  /** Delay after the attempt with this number (the first is 1) was rejected. */
  readonly backoffMs: (attempt: number) => number;
  /** What goes wrong where no caller waits for an answer, rejecting handlers too. Nothing is lost by it. */
  readonly onProblem: (error: Error) => void;
};

export type Handler = (job: Job, attempt: number) => Promise<JobOutcome>;

export const withDefaults = <O extends WorkQueueOptions>(options: O): O & Required<WorkQueueOptions> => ({
  ...options,
  attemptsMax: options.attemptsMax ?? 8,
  visibilityMs: options.visibilityMs ?? 30_000,
  deduplicateMs: options.deduplicateMs ?? 120_000,
});

/** A queue carries references to what is to be done, not media: a push payload ends at 4 KiB. */
const payloadBytesMax = 65_536;
const idLengthMax = 200;
/** Long enough for a stack's first line, short enough for a header. */
const reasonLengthMax = 1_000;

/** @throws RangeError for a job that no queue takes: repeating the call would not help. */
export const checkJobs = (jobs: readonly Job[]): void => {
  for (const { id, payload } of jobs) {
    if (id.length > idLengthMax) throw new RangeError(`a job's id has at most ${idLengthMax} characters: ${id}`);
    const bytes = Buffer.byteLength(payload);
    if (bytes > payloadBytesMax)
      throw new RangeError(`job ${id} has a payload of ${bytes} bytes: at most ${payloadBytesMax} are taken`);
    // Half a surrogate pair has no UTF-8: it would come back as another text.
    if (/\p{Surrogate}/u.test(id + payload)) throw new RangeError(`job ${id} is not well-formed Unicode`);
  }
};

/**
 * Runs the handler once and says what is to become of the job: `retry` only while attempts are left. A job that comes
 * back after its last attempt was given to consumers that died: it is dead without a further try.
 */
export const attemptJob = async (
  handler: Handler,
  job: Job,
  attempt: number,
  options: Required<WorkQueueOptions>,
): Promise<JobOutcome> => {
  const { attemptsMax, backoffMs, onProblem } = options;
  if (attempt > attemptsMax)
    return { kind: "dead", reason: `nothing came of ${attemptsMax} attempts: the last consumer died or was cut off` };
  const again = (afterMs: number, why: string): JobOutcome =>
    attempt < attemptsMax
      ? { kind: "retry", afterMs: Math.max(0, Math.round(afterMs)) }
      : { kind: "dead", reason: `${attemptsMax} attempts, the last: ${why}`.slice(0, reasonLengthMax) };
  try {
    const outcome = await handler(job, attempt);
    switch (outcome.kind) {
      case "done":
        return outcome;
      case "dead":
        return { kind: "dead", reason: outcome.reason.slice(0, reasonLengthMax) };
      case "retry":
        return again(outcome.afterMs, "asked for another");
    }
  } catch (error) {
    const why = reasonOf(error);
    onProblem(new Error(`attempt ${attempt} of job ${job.id} failed: ${why}`, { cause: error }));
    return again(backoffMs(attempt), why);
  }
};

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const problemOf = (what: string, error: unknown): Error =>
  new Error(`${what}: ${reasonOf(error)}`, { cause: error });

export const unavailable = (what: string, error: unknown): StoreUnavailable =>
  error instanceof StoreUnavailable ? error : new StoreUnavailable(`${what}: ${reasonOf(error)}`, { cause: error });

import { E } from "../domain/kernel/fp.js";
import { revisionAfter, type Position, type Revision, type StreamName } from "../domain/kernel/stream.js";
import { reject, type Rejection } from "../domain/rejections.js";
import { backoffMs, retried } from "../lib/retry.js";
import { pause } from "../lib/time.js";
import { decideAll, startPosition, type Batch, type Job } from "./batch.js";
import { catchUp } from "./load.js";
import { LogError, type EventLog } from "./ports.js";
import { refuse } from "./refuse.js";
import type { Folded, Loaded, Route, Routed, RoutedEvent } from "./routes.js";

/** A command that others keep getting ahead of is tried again for so long from its arrival: shorter than clients wait. */
const commandMsMax = 10_000;
/** Without a leader for a second or two a shared log takes nothing: so long from a command's arrival that is waited for. */
const leaderlessMsMax = 4_000;
/** An append that may have been written is repeated for so long; its outcome is known only then. */
const unknownMsMax = 30_000;
const untilKnown = { msMin: 1, msMax: 1_000 };
/** Rivals and followers are a few milliseconds ahead or behind. */
const untilTaken = { msMin: 1, msMax: 20 };

/**
 * The one loop that retries appends. All jobs are decided one after another on the same state and appended together;
 * on a conflict everything is decided again from scratch on what is there now; an unknown outcome repeats the identical
 * append until it is definite.
 * @returns the aggregate to go on with. `settle`, to be called next, answers as many of `jobs` as one append may hold, and
 * takes them off its front: by then the caller knows the aggregate as their answers describe it.
 * @throws LogError, and UnreadableEvent: nothing is settled then but what came too long ago, and the state is to be read again.
 */
export const transact = async <Command extends Routed, State, Event extends RoutedEvent, Index>(
  log: EventLog,
  route: Route<Command, State, Event, Index>,
  stream: StreamName,
  known: Loaded<State, Index>,
  jobs: Job<Command, State, Event>[],
  /** Whether others append to the stream as well: an append tells when `known` was old, a refusal has to ask. */
  isShared = false,
): Promise<Transacted<State, Index>> => {
  let loaded = known;
  let mustAsk = isShared && route.expects === "revision";
  let conflicts = 0;
  while (jobs.length > 0) {
    // From scratch includes what is looked up: it was so for the window of then.
    const prepared = await prepareFirst(route, loaded, jobs);
    if (prepared === undefined) continue;
    const batch = decideAll(route, loaded, prepared);
    if (batch.events.length === 0) {
      const now = mustAsk ? await catchUp(log, route, stream, loaded) : loaded;
      mustAsk = false;
      if (now.revision === loaded.revision) {
        return { ...loaded, conflicts, settle: settling(batch, jobs, startPosition) };
      }
      loaded = now;
      continue;
    }
    const expected = route.expects === "any" ? "any" : loaded.revision < 0 ? "no_stream" : loaded.revision;
    const append = () => log.append(stream, expected, batch.events);
    const result = await untilDefinite(append, isShared ? arrivalOf(jobs) + leaderlessMsMax : 0);
    if (result.kind === "appended") {
      const settle = settling(batch, jobs, result.position);
      // With `any` others may have written in between: their events are not in the state yet, and no answer waits for them.
      if (result.revision !== loaded.revision + batch.events.length && route.expects === "any") {
        settle();
        return { ...(await catchUp(log, route, stream, loaded)), conflicts, settle: () => undefined };
      }
      return { ...accepted(route, loaded, batch), conflicts, settle };
    }
    await pause(backoffMs(conflicts++, untilTaken));
    loaded = await catchUpTo(result.actual, log, route, stream, loaded, arrivalOf(jobs) + commandMsMax);
    refuseLate(jobs);
  }
  return { ...loaded, conflicts, settle: () => undefined };
};

const settling =
  <Command, State, Event>(
    batch: Batch<Command, State, Event>,
    jobs: Job<Command, State, Event>[],
    position: Position,
  ): (() => void) =>
  () => {
    settleAll(batch, jobs, position);
  };

/** Only now does the index change: what an append decided that was not taken has left no trace. */
export const accepted = <Command, State, Event, Index>(
  { decider }: Route<Command, State, Event, Index>,
  loaded: Loaded<State, Index>,
  { events, decided, state }: Batch<Command, State, Event>,
): Loaded<State, Index> => {
  let { revision } = loaded;
  for (const event of decided) decider.index.fold(loaded.index, event, (revision = revisionAfter(revision)));
  return { ...loaded, state, revision, eventId: events.at(-1)?.id ?? loaded.eventId };
};

/** The aggregate to go on with, and how often others were first. */
export type Transacted<State, Index> = Loaded<State, Index> & {
  readonly conflicts: number;
  readonly settle: () => void;
};

const arrivalOf = (jobs: readonly { readonly arrivedAt: number }[]): number => jobs[0]?.arrivedAt ?? 0;

/**
 * A conflict says how far the stream is. A store that has not come so far where it is read is waited for: to decide on
 * less is to be refused again.
 */
const catchUpTo = async <Command, State, Event, Index>(
  actual: Revision,
  log: EventLog,
  route: Route<Command, State, Event, Index>,
  stream: StreamName,
  from: Loaded<State, Index>,
  until: number,
): Promise<Loaded<State, Index>> => {
  if (actual < from.revision)
    throw new LogError("UNAVAILABLE", `${stream} ends at ${actual}, and was read up to ${from.revision}: another log`);
  let loaded = from;
  for (let attempt = 0; ; attempt += 1) {
    loaded = await catchUp(log, route, stream, loaded);
    if (loaded.revision >= actual || performance.now() > until) return loaded;
    await pause(backoffMs(attempt, untilTaken));
  }
};

/** Those that have been overtaken for too long. Nothing of theirs was written. */
const refuseLate = <Command, State, Event>(jobs: Job<Command, State, Event>[]): void => {
  const arrivedAfter = performance.now() - commandMsMax;
  const inTime = jobs.findIndex(({ arrivedAt }) => arrivedAt >= arrivedAfter);
  for (const job of jobs.splice(0, inTime < 0 ? jobs.length : inTime)) job.settle(E.left(overtaken));
};

const overtaken: Rejection = {
  ...reject(
    "UNAVAILABLE",
    "Others kept changing this at the same moment; nothing was written. Retry with the same key.",
  ),
  retryAfter: 1,
};

/**
 * Those behind it that have to be prepared as well end the batch before them, and are first in the next. What cannot be
 * read is no reason to refuse those that need none of it: undefined when the first is refused instead, and with it all
 * that would wait for the same.
 */
const prepareFirst = async <Command, State, Event, Index>(
  { reading }: Route<Command, State, Event, Index>,
  folded: Folded<State, Index>,
  jobs: Job<Command, State, Event>[],
): Promise<readonly Job<Command, State, Event>[] | undefined> => {
  const [first, ...others] = jobs;
  const read = first === undefined ? undefined : reading?.(folded, first.command);
  if (first === undefined || read === undefined) return jobs;
  try {
    return [{ ...first, command: await read() }, ...others];
  } catch (error) {
    // A defect is of the one command.
    const waits = ({ command }: Job<Command, State, Event>) =>
      error instanceof LogError && reading?.(folded, command) !== undefined;
    jobs.splice(0, jobs.length, ...others.filter((job) => !waits(job)));
    for (const job of [first, ...others.filter(waits)]) refuse(job, error);
    return undefined;
  }
};

/** Answers as many of the jobs as the batch has outcomes for, and takes them off the front. */
export const settleAll = <Command, State, Event>(
  batch: Batch<Command, State, Event>,
  jobs: Job<Command, State, Event>[],
  position: Position,
): void => {
  const settled = jobs.splice(0, batch.outcomes.length);
  for (let index = 0; index < settled.length; index += 1) {
    const job = settled[index];
    const outcome = batch.outcomes[index];
    if (job === undefined || outcome === undefined) continue;
    if (E.isLeft(outcome) || outcome.right.events.length === 0) {
      job.settle(outcome);
    } else {
      const { command, state, events, revision } = outcome.right;
      job.settle(E.right({ command, state, events, revision, position }));
    }
  }
};

/** @param leaderUntil when a log that wrote nothing for want of a leader is asked no more */
const untilDefinite = <A>(append: () => Promise<A>, leaderUntil: number): Promise<A> => {
  const unknownUntil = performance.now() + unknownMsMax;
  let isUnknown = false;
  return retried(append, (error, failures) => {
    const code = error instanceof LogError ? error.code : undefined;
    // Once it may have been written, a repetition that was not says nothing about the first.
    isUnknown ||= code === "OUTCOME_UNKNOWN";
    const now = performance.now();
    if (!isUnknown && (code !== "UNAVAILABLE" || now > leaderUntil)) throw error;
    if (now > unknownUntil) throw new LogError("OUTCOME_UNKNOWN", "the log did not say", { cause: error });
    return backoffMs(failures, isUnknown ? untilKnown : untilTaken);
  });
};

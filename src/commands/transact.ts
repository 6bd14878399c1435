import { encodeEvent } from "../domain/catalogue.js";
import { E, type Either } from "../domain/kernel/fp.js";
import { limits } from "../domain/kernel/limits.js";
import type { NewEvent, Position, Revision, StreamName } from "../domain/kernel/stream.js";
import { reject, type Rejection } from "../domain/rejections.js";
import { catchUp } from "./load.js";
import { LogError, type EventLog } from "./ports.js";
import { refuse } from "./refuse.js";
import type { Loaded, Route, Routed, RoutedEvent } from "./routes.js";

/** What became of one command: the state right after it, its events (none: nothing to change), and where they stand. */
export type Settled<Command, State, Event> = {
  /** As it was decided: with what was read for it. */
  readonly command: Command;
  readonly state: State;
  readonly events: readonly Event[];
  /** Revision of the command's last event, or of the state that made it needless. */
  readonly revision: Revision;
  /** Log position of the append; 0 when nothing was written. */
  readonly position: Position;
};

/** A command waiting for its turn. `settle` is called exactly once, after its events are durable. */
export type Job<Command, State, Event> = {
  readonly command: Command;
  /** On the monotonic clock. Those behind it came later. */
  readonly arrivedAt: number;
  readonly settle: (outcome: Either<Rejection, Settled<Command, State, Event>>) => void;
  /** Instead of `settle`, for a defect. */
  readonly fail: (error: Error) => void;
};

/** A command that others keep getting ahead of is tried again for so long from its arrival: shorter than clients wait. */
const commandMsMax = 10_000;
/** Without a leader for a second or two a shared log takes nothing: so long from a command's arrival that is waited for. */
const leaderlessMsMax = 4_000;
/** What may have been written is asked for again for so long; its outcome is known only then. */
const unknownMsMax = 30_000;
const unknownBackoffMsMax = 1_000;
const backoffMsMax = 20;

/**
 * The one loop that retries appends. All jobs are decided one after another on the same state and appended together;
 * on a conflict everything is decided again from scratch on what is there now; an unknown outcome repeats the identical
 * append until it is definite. Takes as many jobs off the front of `jobs` as one append may hold.
 * @returns the aggregate to go on with.
 * @throws LogError, and UnreadableEvent: nothing is settled then but what came too long ago, and the state is to be read again.
 */
export const transact = async <Command extends Routed, State, Event extends RoutedEvent>(
  log: EventLog,
  route: Route<Command, State, Event>,
  stream: StreamName,
  known: Loaded<State>,
  jobs: Job<Command, State, Event>[],
  /** Whether others append to the stream as well: an append tells when `known` was old, a refusal has to ask. */
  isShared = false,
): Promise<Transacted<State>> => {
  let loaded = known;
  let mustAsk = isShared && route.expects === "revision";
  let conflicts = 0;
  while (jobs.length > 0) {
    // From scratch includes what is looked up: it was so for the window of then.
    const prepared = await prepareFirst(route, loaded.state, jobs);
    if (prepared === undefined) continue;
    const batch = decideAll(route, loaded, prepared);
    if (batch.events.length === 0) {
      const now = mustAsk ? await catchUp(log, route, stream, loaded) : loaded;
      mustAsk = false;
      if (now.revision === loaded.revision) {
        settleAll(batch, jobs, startPosition);
        return { ...loaded, conflicts };
      }
      loaded = now;
      continue;
    }
    const expected = route.expects === "any" ? "any" : loaded.revision < 0 ? "no_stream" : loaded.revision;
    const append = () => log.append(stream, expected, batch.events);
    const result = await untilDefinite(append, isShared ? arrivalOf(jobs) + leaderlessMsMax : 0).catch(
      (error: unknown) => {
        route.rewind?.(loaded.state, loaded.revision);
        throw error;
      },
    );
    if (result.kind === "appended") {
      settleAll(batch, jobs, result.position);
      const revision = loaded.revision + batch.events.length;
      // With `any` others may have written in between: their events are not in the state yet.
      if (result.revision !== revision && route.expects === "any")
        return { ...(await catchUp(log, route, stream, loaded)), conflicts };
      return { ...loaded, state: batch.state, revision, eventId: batch.events.at(-1)?.id ?? loaded.eventId, conflicts };
    }
    route.rewind?.(loaded.state, loaded.revision);
    await backoff(conflicts++);
    loaded = await catchUpTo(result.actual, log, route, stream, loaded, arrivalOf(jobs) + commandMsMax);
    refuseLate(jobs);
  }
  return { ...loaded, conflicts };
};

/** The aggregate to go on with, and how often others were first. */
export type Transacted<State> = Loaded<State> & { readonly conflicts: number };

const arrivalOf = (jobs: readonly { readonly arrivedAt: number }[]): number => jobs[0]?.arrivedAt ?? 0;

/**
 * A conflict says how far the stream is. A store that has not come so far where it is read is waited for: to decide on
 * less is to be refused again.
 */
const catchUpTo = async <Command, State, Event>(
  actual: Revision,
  log: EventLog,
  route: Route<Command, State, Event>,
  stream: StreamName,
  from: Loaded<State>,
  until: number,
): Promise<Loaded<State>> => {
  if (actual < from.revision)
    throw new LogError("UNAVAILABLE", `${stream} ends at ${actual}, and was read up to ${from.revision}: another log`);
  let loaded = from;
  for (let attempt = 0; ; attempt += 1) {
    loaded = await catchUp(log, route, stream, loaded);
    if (loaded.revision >= actual || performance.now() > until) return loaded;
    await backoff(attempt);
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
const prepareFirst = async <Command, State, Event>(
  { prepare, isPrepared }: Route<Command, State, Event>,
  state: State,
  jobs: Job<Command, State, Event>[],
): Promise<readonly Job<Command, State, Event>[] | undefined> => {
  const [first, ...others] = jobs;
  const prepared = first === undefined ? undefined : prepare?.(state, first.command);
  if (first === undefined || prepared === undefined) return jobs;
  try {
    return [{ ...first, command: await prepared }, ...others];
  } catch (error) {
    // A defect is of the one command.
    const waits = ({ command }: Job<Command, State, Event>) =>
      error instanceof LogError && isPrepared?.(state, command) === false;
    jobs.splice(0, jobs.length, ...others.filter((job) => !waits(job)));
    for (const job of [first, ...others.filter(waits)]) refuse(job, error);
    return undefined;
  }
};

const startPosition: Position = 0;

type Batch<Command, State, Event> = {
  readonly outcomes: readonly Either<Rejection, Settled<Command, State, Event>>[];
  readonly events: readonly NewEvent[];
  readonly state: State;
};

const decideAll = <Command extends Routed, State, Event extends RoutedEvent>(
  route: Route<Command, State, Event>,
  { state: before, revision: from }: Loaded<State>,
  jobs: readonly Job<Command, State, Event>[],
): Batch<Command, State, Event> => {
  const outcomes: Either<Rejection, Settled<Command, State, Event>>[] = [];
  const events: NewEvent[] = [];
  let state = before;
  let bytes = 0;
  for (const { command } of jobs) {
    if (outcomes.length > 0 && route.isPrepared?.(state, command) === false) break;
    const decision = route.decider.decide(state, command);
    if (E.isLeft(decision)) {
      outcomes.push(decision);
      continue;
    }
    if (decision.right.length === 0) {
      const known = route.remembering?.(state, command) ?? command;
      outcomes.push(
        E.right({ command: known, state, events: [], revision: from + events.length, position: startPosition }),
      );
      continue;
    }
    const encoded = decision.right.map((event) => encodeEvent(event, command.context));
    bytes += encoded.reduce((sum, event) => sum + (event.data.length + event.meta.length) * utf8BytesPerUnitMax, 0);
    // The first always goes: what one command makes is within the log's bound by the limits of the protocol.
    if (events.length > 0 && bytes > limits.appendBytesMax) break;
    for (const event of decision.right) state = route.decider.evolve(state, event);
    events.push(...encoded);
    outcomes.push(
      E.right({ command, state, events: decision.right, revision: from + events.length, position: startPosition }),
    );
  }
  return { outcomes, events, state };
};

/** A UTF-16 unit is at most three bytes of UTF-8. */
const utf8BytesPerUnitMax = 3;

const settleAll = <Command, State, Event>(
  batch: Batch<Command, State, Event>,
  jobs: Job<Command, State, Event>[],
  position: Position,
): void => {
  jobs.splice(0, batch.outcomes.length).forEach((job, index) => {
    const outcome = batch.outcomes[index];
    if (outcome === undefined) return;
    if (E.isLeft(outcome) || outcome.right.events.length === 0) {
      job.settle(outcome);
    } else {
      const { command, state, events, revision } = outcome.right;
      job.settle(E.right({ command, state, events, revision, position }));
    }
  });
};

/** @param leaderUntil when a log that wrote nothing for want of a leader is asked no more */
const untilDefinite = async <A>(append: () => Promise<A>, leaderUntil: number): Promise<A> => {
  const unknownUntil = performance.now() + unknownMsMax;
  let isUnknown = false;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await append();
    } catch (error) {
      const code = error instanceof LogError ? error.code : undefined;
      // Once it may have been written, a repetition that was not says nothing about the first.
      isUnknown ||= code === "OUTCOME_UNKNOWN";
      const now = performance.now();
      if (!isUnknown && (code !== "UNAVAILABLE" || now > leaderUntil)) throw error;
      if (now > unknownUntil) throw new LogError("OUTCOME_UNKNOWN", "the log did not say", { cause: error });
      await backoff(attempt, isUnknown ? unknownBackoffMsMax : backoffMsMax);
    }
  }
};

const backoff = (attempt: number, msMax = backoffMsMax): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(msMax, 2 ** attempt)));

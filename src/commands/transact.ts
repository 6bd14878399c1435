import { isDeepStrictEqual } from "node:util";
import { encodeEvent } from "../domain/catalogue.js";
import { E, type Either } from "../domain/kernel/fp.js";
import { limits } from "../domain/kernel/limits.js";
import type { NewEvent, Position, Revision, StreamName } from "../domain/kernel/stream.js";
import { reject, type Rejection } from "../domain/rejections.js";
import { catchUp } from "./load.js";
import { LogError, type AppendResult, type EventLog } from "./ports.js";
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
  readonly settle: (outcome: Either<Rejection, Settled<Command, State, Event>>) => void;
  /** Instead of `settle`, for a defect. */
  readonly fail: (error: Error) => void;
};

const conflictsMax = 20;
/** What may have been written is asked for again for so long; its outcome is known only then. */
const unknownMsMax = 30_000;
const unknownBackoffMsMax = 1_000;
const backoffMsMax = 200;

/**
 * The one loop that retries appends. All jobs are decided one after another on the same state and appended together;
 * on a conflict everything is decided again from scratch on what is there now; an unknown outcome repeats the identical
 * append until it is definite. Takes as many jobs off the front of `jobs` as one append may hold.
 * @returns the aggregate to go on with.
 * @throws LogError, and UnreadableEvent: nothing is settled then, and the state is to be read again.
 */
export const transact = async <Command extends Routed, State, Event extends RoutedEvent>(
  log: EventLog,
  route: Route<Command, State, Event>,
  stream: StreamName,
  known: Loaded<State>,
  jobs: Job<Command, State, Event>[],
  /** Whether others append to the stream as well: an append tells when `known` was old, a refusal has to ask. */
  isShared = false,
): Promise<Loaded<State>> => {
  let loaded = known;
  let mustAsk = isShared && route.expects === "revision";
  const [first] = jobs;
  for (let conflicts = 0; conflicts < conflictsMax; conflicts += 1) {
    // From scratch includes what was looked up: it was so for the window of then.
    if (first !== undefined) jobs[0] = first;
    await prepareFirst(route, loaded.state, jobs);
    const batch = decideAll(route, loaded, jobs);
    if (batch.events.length === 0) {
      const now = mustAsk ? await catchUp(log, route, stream, loaded) : loaded;
      mustAsk = false;
      if (now.revision === loaded.revision) {
        settleAll(batch, jobs, startPosition);
        return loaded;
      }
      loaded = now;
      continue;
    }
    const expected = route.expects === "any" ? "any" : loaded.revision < 0 ? "no_stream" : loaded.revision;
    const until = performance.now() + unknownMsMax;
    const append = () => log.append(stream, expected, batch.events);
    const result = await untilDefinite(append, until).catch((error: unknown) => {
      route.rewind?.(loaded.state, loaded.revision);
      throw error;
    });
    if (result.kind === "appended" && (!isShared || (await isOurs(log, stream, batch.events, result, until)))) {
      settleAll(batch, jobs, result.position);
      const revision = loaded.revision + batch.events.length;
      // With `any` others may have written in between: their events are not in the state yet.
      if (result.revision !== revision && route.expects === "any") return await catchUp(log, route, stream, loaded);
      return { ...loaded, state: batch.state, revision, eventId: batch.events.at(-1)?.id ?? loaded.eventId };
    }
    route.rewind?.(loaded.state, loaded.revision);
    await backoff(conflicts);
    loaded = await catchUp(log, route, stream, loaded);
  }
  const refused = E.left({ ...reject("CONFLICT", "Too many concurrent changes; try again."), retryAfter: 1 });
  for (const job of jobs.splice(0)) job.settle(refused);
  return loaded;
};

/** Those behind it that have to be prepared as well end the batch before them, and are first in the next. */
const prepareFirst = async <Command, State, Event>(
  { prepare }: Route<Command, State, Event>,
  state: State,
  jobs: Job<Command, State, Event>[],
): Promise<void> => {
  const [first] = jobs;
  const prepared = first === undefined ? undefined : prepare?.(state, first.command);
  if (first !== undefined && prepared !== undefined) jobs[0] = { ...first, command: await prepared };
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

/** @param isWritten whether what `ask` is about may be written already */
const untilDefinite = async <A>(ask: () => Promise<A>, until: number, isWritten = false): Promise<A> => {
  let isUnknown = isWritten;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      // Once it may have been written, a repetition that was not says nothing about the first.
      isUnknown ||= error instanceof LogError && error.code === "OUTCOME_UNKNOWN";
      if (!isUnknown) throw error;
      if (performance.now() > until) throw new LogError("OUTCOME_UNKNOWN", "the log did not say", { cause: error });
      await backoff(attempt, unknownBackoffMsMax);
    }
  }
};

/**
 * Two processes that take the same key at once append the same ids after the same revision: the log keeps the first and
 * tells both that it is there. Whoever was second decides again, and answers what was accepted. Something is durable then:
 * a log that does not let itself be read is asked again, and never taken for one that wrote nothing.
 */
const isOurs = async (
  log: EventLog,
  stream: StreamName,
  events: readonly NewEvent[],
  { revision, duplicate }: Extract<AppendResult, { kind: "appended" }>,
  until: number,
): Promise<boolean> => {
  if (!duplicate) return true;
  const read = () => log.readStream(stream, revision - events.length + 1, events.length);
  const stored = await untilDefinite(read, until, true);
  return events.every(({ meta, data }, index) => {
    const there = stored[index];
    return there !== undefined && sameJson(meta, there.meta) && sameJson(data, there.data);
  });
};

const sameJson = (one: string, other: string): boolean =>
  one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other));

const backoff = (attempt: number, msMax = backoffMsMax): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(msMax, 2 ** attempt)));

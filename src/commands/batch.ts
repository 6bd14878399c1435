import { encodeEvent } from "../domain/catalogue.js";
import { E, type Either } from "../domain/kernel/fp.js";
import { limits } from "../domain/kernel/limits.js";
import { noPosition, revisionAfter, type NewEvent, type Position, type Revision } from "../domain/kernel/stream.js";
import type { Rejection } from "../domain/rejections.js";
import type { Loaded, Route, Routed, RoutedEvent } from "./routes.js";

/** What became of one command: the state right after it, its events (none: nothing to change), and where they stand. */
export type CommandResult<Command, State, Event> = {
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
  readonly settle: (outcome: Either<Rejection, CommandResult<Command, State, Event>>) => void;
  /** Instead of `settle`, for a defect. */
  readonly fail: (error: Error) => void;
};

export const startPosition: Position = noPosition;

export type Batch<Command, State, Event> = {
  readonly outcomes: readonly Either<Rejection, CommandResult<Command, State, Event>>[];
  /** Of all commands, and the same encoded. */
  readonly decided: readonly Event[];
  readonly events: readonly NewEvent[];
  readonly state: State;
};

/**
 * Decides the jobs one after another, each over what those before it have decided: as many as one append may hold. Changes
 * nothing of what it is given.
 */
export const decideAll = <Command extends Routed, State, Event extends RoutedEvent, Index>(
  { decider, reading, remembering }: Route<Command, State, Event, Index>,
  loaded: Loaded<State, Index>,
  jobs: readonly Job<Command, State, Event>[],
): Batch<Command, State, Event> => {
  const outcomes: Either<Rejection, CommandResult<Command, State, Event>>[] = [];
  const decided: Event[] = [];
  const events: NewEvent[] = [];
  const index = decider.index.over(loaded.index);
  let { state, revision } = loaded;
  let bytes = 0;
  for (const { command } of jobs) {
    if (outcomes.length > 0 && reading?.({ state, index }, command) !== undefined) break;
    const decision = decider.decide(state, command, index);
    if (E.isLeft(decision)) {
      outcomes.push(decision);
      continue;
    }
    if (decision.right.length === 0) {
      const known = remembering?.(index, command) ?? command;
      outcomes.push(E.right({ command: known, state, events: [], revision, position: startPosition }));
      continue;
    }
    const before = events.length;
    for (const event of decision.right) {
      const encoded = encodeEvent(event, command.context);
      bytes += (encoded.data.length + encoded.meta.length) * utf8BytesPerUnitMax;
      events.push(encoded);
    }
    // The first always goes: what one command makes is within the log's bound by the limits of the protocol.
    if (before > 0 && bytes > limits.appendBytesMax) {
      events.length = before;
      break;
    }
    for (const event of decision.right) {
      revision = revisionAfter(revision);
      state = decider.evolve(state, event);
      decider.index.add(index, event, revision);
      decided.push(event);
    }
    outcomes.push(E.right({ command, state, events: decision.right, revision, position: startPosition }));
  }
  return { outcomes, decided, events, state };
};

/** A UTF-16 unit is at most three bytes of UTF-8. */
const utf8BytesPerUnitMax = 3;

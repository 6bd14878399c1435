import type { Either } from "./fp.js";
import type { Rejection } from "../rejections.js";
import type { By, ByUser } from "./by.js";
import type { EventId, Revision } from "./stream.js";

/** Every event carries when and by whom it was decided; the log stores these beside the data (`meta`). */
export type EventContext<Who extends By = By> = {
  /** UUID of the event: made before `decide`, from the command's id. */
  readonly id: EventId;
  /** Unix milliseconds; never decreases within a stream. */
  readonly at: number;
  readonly by: Who;
};

/**
 * What a command brings with it, since `decide` asks no clock for the time and makes no id. Every command of today is a
 * user's; one that others may give says so in its context's type.
 */
export type CommandContext<Who extends By = ByUser> = {
  readonly commandId: string;
  readonly correlationId: string;
  /** The clock when the command arrived, Unix milliseconds. */
  readonly now: number;
  readonly by: Who;
};

/**
 * An aggregate. `decide` is total and deterministic and never throws; no events means that there is nothing to change.
 * `evolve` knows every stored version's current form, and leaves the state that it is given as it is.
 */
export type Decider<Command, State, Event, Index = undefined> = {
  readonly initial: () => State;
  readonly evolve: (state: State, event: Event) => State;
  readonly decide: (state: State, command: Command, index: Index) => Either<Rejection, readonly Event[]>;
  readonly index: Indexing<Index, Event>;
};

/**
 * What an aggregate's decisions read beside its state, where copying it for each event would cost more than deciding it:
 * changed in place, and therefore only by events that were accepted.
 */
export type Indexing<Index, Event> = {
  readonly empty: () => Index;
  /** Folds in place what the log has at `revision`. */
  readonly fold: (index: Index, event: Event, revision: Revision) => void;
  /** An index for one append: it reads what `index` holds, and leaves it as it is. */
  readonly over: (index: Index) => Index;
  /** Adds what was decided for that append, and may be dropped, to what `over` made. */
  readonly add: (over: Index, event: Event, revision: Revision) => void;
};

/** Of an aggregate whose state is all that its decisions read. */
export const noIndex: Indexing<undefined, unknown> = {
  empty: () => undefined,
  fold: () => undefined,
  over: () => undefined,
  add: () => undefined,
};

import type { Either } from "./fp.js";
import type { Rejection } from "../rejections.js";
import type { By, ByUser } from "./by.js";

/** Every event carries when and by whom it was decided; the log stores these beside the data (`meta`). */
export type EventContext<Who extends By = By> = {
  /** UUID of the event: made before `decide`, from the command's id. */
  readonly id: string;
  /** Unix milliseconds; never decreases within a stream. */
  readonly at: number;
  readonly by: Who;
};

/**
 * What a command brings with it, since `decide` asks nobody for the time or an id. Every command of today is a user's;
 * one that others may give says so in its context's type.
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
 * `evolve` knows every stored version's current form.
 */
export type Decider<Command, State, Event> = {
  readonly initial: () => State;
  readonly evolve: (state: State, event: Event) => State;
  readonly decide: (state: State, command: Command) => Either<Rejection, readonly Event[]>;
};

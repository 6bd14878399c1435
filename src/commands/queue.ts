import { limits } from "../domain/kernel/limits.js";
import type { Job } from "./batch.js";
import { refuse } from "./refuse.js";

/** A command in its place, made or still in the making. */
export type Waiting<Command, State, Event> = Omit<Job<Command, State, Event>, "command"> & {
  readonly command: Command | Promise<Command>;
};
/** A look at the state that everything before it leaves. */
export type Inspection<State> = {
  readonly inspect: (state: State) => void;
  readonly fail: (error: Error) => void;
  readonly ageMsMax: number;
};
/** What waits for one stream, in order. */
export type Queue<Command, State, Event> = (Waiting<Command, State, Event> | Inspection<State>)[];

/** How many at the front are such, at most what one append may hold. */
export const frontOf = <Command, State, Event>(
  queue: Queue<Command, State, Event>,
  isSuch: (item: Queue<Command, State, Event>[number]) => boolean,
): number => {
  const end = queue.findIndex((item, index) => index >= limits.commandsPerAppendMax || !isSuch(item));
  return end < 0 ? queue.length : end;
};

/** Takes the commands at the front off it. */
export const takeJobs = <Command, State, Event>(
  queue: Queue<Command, State, Event>,
): Waiting<Command, State, Event>[] =>
  queue.splice(
    0,
    frontOf(queue, (item) => !("inspect" in item)),
  ) as Waiting<Command, State, Event>[];

export const isJob = <Command, State, Event>(
  item: Waiting<Command, State, Event> | Inspection<State>,
): item is Job<Command, State, Event> => !("inspect" in item) && !(item.command instanceof Promise);

/** Awaits them together, and refuses those that could not be made. */
export const made = async <Command, State, Event>(
  waiting: readonly Waiting<Command, State, Event>[],
): Promise<Job<Command, State, Event>[]> => {
  const commands = await Promise.allSettled(waiting.map(({ command }) => command));
  return waiting.flatMap((job, index) => {
    const command = commands[index];
    if (command?.status === "fulfilled") return [{ ...job, command: command.value }];
    refuse(job, command?.reason);
    return [];
  });
};

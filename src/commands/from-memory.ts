import { decideAll, type Batch, type Job } from "./batch.js";
import type { AppendResult, EventLog } from "./ports.js";
import { frontOf, isJob, type Queue } from "./queue.js";
import type { Loaded, Route, Routed, RoutedEvent } from "./routes.js";

/**
 * Decides the commands at the front of a queue that are made, as far as nothing has to be read for them. Takes none off
 * it; undefined when the first has to wait.
 */
export const decideReady = <Command extends Routed, State, Event extends RoutedEvent, Index>(
  route: Route<Command, State, Event, Index>,
  known: Loaded<State, Index>,
  queue: Queue<Command, State, Event>,
): Batch<Command, State, Event> | undefined => {
  const [first] = queue;
  if (first === undefined || !isJob(first)) return undefined;
  try {
    if (route.reading?.(known, first.command) !== undefined) return undefined;
    return decideAll(route, known, queue.slice(0, frontOf(queue, isJob)) as Job<Command, State, Event>[]);
  } catch {
    // A defect. It is met again on the long way, which says whose it is.
    return undefined;
  }
};

/** The log, whose first append has been made already. */
export const answeringFirst = (log: EventLog, answer: () => Promise<AppendResult>): EventLog => {
  let isFirst = true;
  return {
    ...log,
    append: (...append) => {
      if (!isFirst) return log.append(...append);
      isFirst = false;
      return answer();
    },
  };
};

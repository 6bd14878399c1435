import type { By } from "./by.js";
import type { CommandContext, EventContext } from "./decider.js";
import { uuidv5 } from "./ids.js";

/**
 * Makes the events' own part: ids from the command's, so that the same command always makes the same events.
 * @param lastAt time of the stream's newest event, before which none is stamped; 0 where time need not ascend
 */
export const stamping = <Who extends By>(context: CommandContext<Who>, lastAt: number) => {
  let made = 0;
  return (): EventContext<Who> => ({
    id: uuidv5("event", context.commandId, String(made++)),
    at: Math.max(context.now, lastAt),
    by: context.by,
  });
};

import type { By } from "./by.js";
import type { CommandContext, EventContext } from "./decider.js";
import { isUuid, uuidv5 } from "./ids.js";

/**
 * Makes the events' own part: ids from the command's, so that the same command always makes the same events. The first has
 * the command's id itself, which nearly always is the only one: a digest costs a message as much as deciding it.
 * @param lastAt time of the stream's newest event, before which none is stamped; 0 where time need not ascend
 */
export const stamping = <Who extends By>(context: CommandContext<Who>, lastAt: number) => {
  let made = 0;
  const { commandId, by } = context;
  return (): EventContext<Who> => {
    const nth = made++;
    const id = nth === 0 && isUuid(commandId) ? commandId : uuidv5("event", commandId, String(nth));
    return { id, at: Math.max(context.now, lastAt), by };
  };
};

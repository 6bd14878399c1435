import type { CommandContext, EventContext } from "../kernel/decider.js";
import type { Either } from "../kernel/fp.js";
import { uuidv5 } from "../kernel/ids.js";
import { reject, type Rejection } from "../rejections.js";
import type { ConversationCommand } from "./conversation.js";
import type { ConversationEvent } from "./conversation.events.js";

export type Decision = Either<Rejection, readonly ConversationEvent[]>;

/** A command as it comes to be decided. */
export type With<C> = C & Pick<ConversationCommand, "context" | "found">;

/** Makes the events' own part: ids from the command's, so that the same command always makes the same events. */
export const stamping = (context: CommandContext, lastAt: number) => {
  let made = 0;
  return (id?: string): EventContext => ({
    id: id ?? uuidv5("event", context.commandId, String(made++)),
    at: Math.max(context.now, lastAt),
    by: context.by,
  });
};

export const formerMember = reject("FORBIDDEN", "You are no longer a member of this conversation.");

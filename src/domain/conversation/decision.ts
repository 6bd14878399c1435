import type { Either } from "../kernel/fp.js";
import type { Rejection } from "../rejections.js";
import type { ConversationCommand } from "./conversation.js";
import type { ConversationEvent } from "./conversation.events.js";

export type Decision = Either<Rejection, readonly ConversationEvent[]>;

/** A command as it comes to be decided. */
export type With<C> = C & Pick<ConversationCommand, "context" | "found">;

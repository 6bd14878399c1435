import type { Conversation, ConversationCommand } from "../domain/conversation/conversation.js";
import type { ConversationEvent } from "../domain/conversation/conversation.events.js";
import type { Changed } from "./commands.js";
import type { CommandResult } from "./batch.js";
import type { Writer } from "./writer.js";

export type ConversationWriter = Writer<ConversationCommand, Conversation, ConversationEvent>;
export type ConversationDone = CommandResult<ConversationCommand, Conversation, ConversationEvent>;

/** `pos` only of what changed something. */
export const changed = ({ events, revision, position }: ConversationDone): Changed => ({
  position,
  ...(events.length > 0 ? { pos: revision } : {}),
});

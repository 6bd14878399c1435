import type { AmendingEvent } from "../../domain/conversation/amendments.js";
import type {
  ConversationEvent,
  MessageEdited,
  MessageSent,
  ReactionAdded,
  ReactionRemoved,
} from "../../domain/conversation/conversation.events.js";
import { userIdOf } from "../../domain/kernel/by.js";
import type { ConversationId } from "../../domain/kernel/ids.js";
import { sealedAs } from "../../domain/kernel/sealed.js";

/** Events that carry content: the only ones for which something may have to be opened. */
export type ContentEvent = MessageSent | MessageEdited;
export const hasContent = (event: ConversationEvent): event is ContentEvent =>
  event.type === "MessageSent" || event.type === "MessageEdited";

export const isAboutMessage = (event: ConversationEvent): event is MessageSent | AmendingEvent => "messageId" in event;

type ReactionEvent = ReactionAdded | ReactionRemoved;
export const isReaction = (event: ConversationEvent): event is ReactionEvent =>
  event.type === "ReactionAdded" || event.type === "ReactionRemoved";

/** What the emoji of a reaction is sealed as. */
export const emojiContext = (conversationId: ConversationId, { messageId, by }: ReactionEvent): string =>
  sealedAs.emoji(conversationId, messageId, userIdOf(by));

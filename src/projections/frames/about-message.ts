import type { AmendingEvent } from "../../domain/conversation/amendments.js";
import type { ConversationEvent, MessageEdited, MessageSent } from "../../domain/conversation/conversation.events.js";

/** Events that carry content: the only ones for which something may have to be opened. */
export type ContentEvent = MessageSent | MessageEdited;
export const hasContent = (event: ConversationEvent): event is ContentEvent =>
  event.type === "MessageSent" || event.type === "MessageEdited";

export const isAboutMessage = (event: ConversationEvent): event is MessageSent | AmendingEvent => "messageId" in event;

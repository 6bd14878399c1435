import type { ConversationInput, ConversationState } from "./conversation.js";
import { erasedMessage } from "./messages.js";
import type { ChangeFrame, InboxState, Message, NewMessage, Reaction } from "./protocol.js";

/**
 * What becomes of a conversation when a user was erased: what they wrote and how they reacted goes, ids and figures stay.
 * `unread`, too: the server goes on counting what was erased until it is read.
 */
export function withoutUser(conversation: ConversationState, userId: string): ConversationState {
  const erased = new Set([userId]);
  const messages = conversation.messages.map((message) => messageWithout(message, erased));
  const isSame = messages.every((message, index) => message === conversation.messages[index]);
  return {
    ...conversation,
    messages: isSame ? conversation.messages : messages,
    held: conversation.held.map((frame) => frameWithout(frame, erased)),
    inbox: inboxWithout(conversation.inbox, erased),
  };
}

/** What comes later than their erasure and was made before it: a frame on its way, a page of history. */
export function inputWithout(input: ConversationInput, erased: ReadonlySet<string>): ConversationInput {
  if (erased.size === 0) return input;
  switch (input.kind) {
    case "live":
      return { ...input, frame: frameWithout(input.frame, erased) };
    case "entry": {
      const { entry } = input;
      const changes = entry.changes.map((frame) => frameWithout(frame, erased));
      return { ...input, entry: { ...entry, changes, state: inboxWithout(entry.state, erased) } };
    }
    case "summary": {
      const { summary } = input;
      return { ...input, summary: { ...summary, state: inboxWithout(summary.state, erased) } };
    }
    case "history":
      return { ...input, messages: input.messages.map((message) => messageWithout(message, erased)) };
    case "info":
    case "left":
    case "signal":
    case "read":
    case "pending":
    case "discard":
      return input;
  }
}

function frameWithout(frame: ChangeFrame, erased: ReadonlySet<string>): ChangeFrame {
  if (frame.type === "message.new") {
    const { payload } = frame;
    return erased.has(payload.senderId) ? { ...frame, payload: gone(payload) } : frame;
  }
  if (frame.type !== "message.updated") return frame;
  const { by, reaction } = frame.payload;
  const payload = { ...frame.payload };
  if (reaction !== undefined && erased.has(reaction.userId)) delete payload.reaction;
  // Only its author edits a message, and it is gone here already.
  if (by !== undefined && erased.has(by)) {
    delete payload.content;
    delete payload.editedAt;
  }
  return { ...frame, payload };
}

function messageWithout(message: Message, erased: ReadonlySet<string>): Message {
  if (erased.has(message.senderId)) return gone(message);
  const { reactions } = message;
  if (reactions?.some(({ userIds }) => userIds.some((userId) => erased.has(userId))) !== true) return message;
  return {
    ...message,
    reactions: reactions.map((one) => reactionWithout(one, erased)).filter(({ count }) => count > 0),
  };
}

/** Those who are only counted stay counted, as the server counts them. */
function reactionWithout(reaction: Reaction, erased: ReadonlySet<string>): Reaction {
  const userIds = reaction.userIds.filter((userId) => !erased.has(userId));
  return { ...reaction, userIds, count: reaction.count - (reaction.userIds.length - userIds.length) };
}

const gone = <M extends NewMessage>(message: M): M =>
  message.deletedAt !== undefined ? message : erasedMessage(message);

function inboxWithout(inbox: InboxState, erased: ReadonlySet<string>): InboxState {
  const last = inbox.lastMessage;
  if (last === null || !erased.has(last.senderId)) return inbox;
  return { ...inbox, lastMessage: { ...last, preview: "", deleted: true } };
}

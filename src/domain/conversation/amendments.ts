import type { MessageId, UserId } from "../kernel/ids.js";
import type { Revision } from "../kernel/stream.js";
import type { ConversationEvent } from "./conversation.events.js";

/** What was done to a message since it was sent, as far as the state remembers it. */
export type Amendment = {
  readonly deleted: boolean;
  /** Of the newest edit. */
  readonly digest: string | undefined;
  /** `emoji user` → whether it is there. What is not here is as the message was before. */
  readonly reactions: ReadonlyMap<string, boolean>;
  /** Of the newest of these changes. */
  readonly pos: Revision;
};

/**
 * Changes to messages, old ones too, since the start of the state's window. Copied when changed: amendments are rare
 * next to messages, and few are kept.
 */
export type Amendments = ReadonlyMap<MessageId, Amendment>;

const untouched: Amendment = { deleted: false, digest: undefined, reactions: new Map(), pos: -1 };

export type AmendingEvent = Extract<
  ConversationEvent,
  { type: "MessageEdited" | "MessageDeleted" | "ReactionAdded" | "ReactionRemoved" }
>;

/** @param windowStart amendments before it are forgotten: whoever asks for them asks the views, which have them */
export const amend = (before: Amendments, event: AmendingEvent, pos: Revision, windowStart: Revision): Amendments => {
  const kept = new Map([...before].filter(([, amendment]) => amendment.pos >= windowStart));
  return kept.set(event.messageId, amended(before.get(event.messageId) ?? untouched, event, pos));
};

const amended = (before: Amendment, event: AmendingEvent, pos: Revision): Amendment => {
  switch (event.type) {
    case "MessageEdited":
      return { ...before, digest: event.digest, pos };
    case "MessageDeleted":
      return { deleted: true, digest: undefined, reactions: new Map(), pos };
    case "ReactionAdded":
    case "ReactionRemoved": {
      const key = reactionKey(event.emoji, event.by.userId);
      const reactions = new Map(before.reactions).set(key, event.type === "ReactionAdded");
      return { ...before, reactions, pos };
    }
  }
};

/** No user id holds a space. */
export const reactionKey = (emoji: string, userId: UserId): string => `${emoji} ${userId}`;
export const emojiOf = (key: string): string => key.slice(0, key.lastIndexOf(" "));

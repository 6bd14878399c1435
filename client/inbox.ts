import { indexOfSequence, messageAt, type ConversationState, type Me } from "./conversation.js";
import type { ChangeFrame, Content, InboxState, LastMessage, Message, SignalFrame } from "./protocol.js";

/**
 * The inbox row between two syncs: the server's last figures, carried on by what the frames say. An estimate only where
 * the messages in question are not in memory; the next sync, which a deletion of such a one asks for, brings the
 * server's own count.
 */

const previewCharsMax = 120;

export function inboxAfterNew(inbox: InboxState, message: Message, me: Me): InboxState {
  const counts = message.senderId !== me.userId && message.deletedAt === undefined && message.sequence > inbox.readUpTo;
  const newer = inbox.lastMessage === null || message.sequence > inbox.lastMessage.sequence;
  return {
    ...inbox,
    unread: inbox.unread + (counts ? 1 : 0),
    lastMessage: newer ? lastMessageOf(message) : inbox.lastMessage,
  };
}

/** After an edit, a deletion or expiry: `before` and `after` are the same message. */
export function inboxAfterUpdate(inbox: InboxState, before: Message, after: Message, me: Me): InboxState {
  const vanished = before.deletedAt === undefined && after.deletedAt !== undefined;
  const counted = vanished && before.senderId !== me.userId && before.sequence > inbox.readUpTo;
  const last = inbox.lastMessage;
  return {
    ...inbox,
    unread: Math.max(0, inbox.unread - (counted ? 1 : 0)),
    lastMessage: last?.sequence === after.sequence ? lastMessageOf(after, last.type) : last,
  };
}

/** Whether a frame took away a message of which this device does not know whether it was counted as unread. */
export const isUncounted = (conversation: ConversationState, frame: ChangeFrame): boolean =>
  frame.type === "message.updated" &&
  frame.payload.deletedAt !== undefined &&
  conversation.inbox.unread > 0 &&
  frame.payload.sequence > conversation.inbox.readUpTo &&
  messageAt(conversation, frame.payload.sequence) === undefined;

/** After the own read cursor moved, here or on another device. A cursor never goes back. */
export function inboxAfterRead(conversation: ConversationState, upToSequence: number, me: Me): InboxState {
  const { inbox, messages } = conversation;
  if (upToSequence <= inbox.readUpTo) return inbox;
  const lastSequence = conversation.info?.lastSequence ?? 0;
  const beyond = messages.slice(indexOfSequence(messages, upToSequence + 1));
  const behind = Math.max(0, lastSequence - upToSequence);
  const unread =
    beyond.length === behind
      ? beyond.filter((message) => message.senderId !== me.userId && message.deletedAt === undefined).length
      : Math.min(inbox.unread, behind);
  return { ...inbox, readUpTo: upToSequence, unread };
}

export function conversationAfterSignal(
  conversation: ConversationState,
  frame: Exclude<SignalFrame, { type: "receipt.rollup" }>,
  me: Me,
): ConversationState {
  switch (frame.type) {
    case "receipt.update":
      return afterReceipt(conversation, frame.payload);
    case "inbox.update": {
      const { readUpTo, unread, pinned, archived, mutedUntil } = frame.payload;
      const read = readUpTo === undefined ? conversation.inbox : inboxAfterRead(conversation, readUpTo, me);
      return {
        ...conversation,
        inbox: {
          ...read,
          ...(pinned === undefined ? {} : { pinned }),
          ...(archived === undefined ? {} : { archived }),
          ...(mutedUntil === undefined ? {} : { mutedUntil }),
          // A count that belongs to an older cursor than ours is older, too.
          ...(unread === undefined || (readUpTo ?? read.readUpTo) < read.readUpTo ? {} : { unread }),
        },
      };
    }
  }
}

function afterReceipt(
  conversation: ConversationState,
  receipt: Extract<SignalFrame, { type: "receipt.update" }>["payload"],
): ConversationState {
  const known = conversation.receipts.get(receipt.userId) ?? { deliveredUpTo: 0, readUpTo: 0 };
  const readUpTo = Math.max(known.readUpTo, receipt.readUpTo ?? 0);
  // Read implies delivered.
  const deliveredUpTo = Math.max(known.deliveredUpTo, receipt.deliveredUpTo ?? 0, readUpTo);
  const { inbox } = conversation;
  return {
    ...conversation,
    receipts: new Map(conversation.receipts).set(receipt.userId, { deliveredUpTo, readUpTo }),
    // The other party of a direct conversation is all of them.
    inbox: {
      ...inbox,
      deliveredToAll: Math.max(inbox.deliveredToAll, deliveredUpTo),
      readByAll: Math.max(inbox.readByAll, readUpTo),
    },
  };
}

function lastMessageOf(message: Message, typeBefore: Content["type"] = "text"): LastMessage {
  return {
    sequence: message.sequence,
    messageId: message.messageId,
    senderId: message.senderId,
    type: message.content?.type ?? typeBefore,
    preview: previewOf(message.content),
    timestamp: message.timestamp,
    ...(message.deletedAt === undefined ? {} : { deleted: true }),
  };
}

function previewOf(content: Content | undefined): string {
  switch (content?.type) {
    case "text":
      return content.text.slice(0, previewCharsMax);
    case "image":
    case "video":
    case "audio":
    case "document":
      return (content.caption ?? content.filename ?? "").slice(0, previewCharsMax);
    case "location":
      return (content.label ?? "").slice(0, previewCharsMax);
    case "encrypted":
    case undefined:
      return "";
  }
}

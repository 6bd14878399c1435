import { indexOfSequence, messageAt, type ConversationState, type Me } from "./conversation.js";
import type { ChangeFrame, Content, InboxState, LastMessage, Message, SignalFrame } from "./protocol.js";

/**
 * The inbox row between two syncs: the server's last figures, carried on by what the frames say. Where they do not say
 * enough, `unread` is an estimate and known to be one: the sync that this asks for brings the server's own count.
 */

const previewCharsMax = 120;

export function inboxAfterNew(inbox: InboxState, message: Message, me: Me): InboxState {
  const counts = message.senderId !== me.userId && !isDeleted(message) && message.sequence > inbox.readUpTo;
  const newer = inbox.lastMessage === null || message.sequence > inbox.lastMessage.sequence;
  return {
    ...inbox,
    unread: inbox.unread + (counts ? 1 : 0),
    lastMessage: newer ? lastMessageOf(message) : inbox.lastMessage,
  };
}

/** What is gone because its author was erased counts as it did. */
const isDeleted = ({ deletedAt, erased }: Message): boolean => deletedAt !== undefined && erased === undefined;

/** After an edit, a deletion or expiry: `before` and `after` are the same message. */
export function inboxAfterUpdate(inbox: InboxState, before: Message, after: Message, me: Me): InboxState {
  const vanished = !isDeleted(before) && isDeleted(after);
  const counted = vanished && before.senderId !== me.userId && before.sequence > inbox.readUpTo;
  const last = inbox.lastMessage;
  return {
    ...inbox,
    unread: Math.max(0, inbox.unread - (counted ? 1 : 0)),
    lastMessage: last?.sequence === after.sequence ? lastMessageOf(after, last.type) : last,
  };
}

/**
 * Whether a change takes a message from the unread ones of which this device cannot say whether it was counted: one that
 * is not in memory, or one that is deleted already. The latter were shown as deleted ahead of their deletion (frames and
 * history say what is so by now), and the server's count, which is that of a `pos`, may have come in between.
 */
export function isUncounted(before: ConversationState, frame: ChangeFrame, me: Me): boolean {
  if (before.inbox.unread === 0) return false;
  if (frame.type === "message.expired") return isExpiryUncounted(before, frame.payload, me);
  if (frame.type !== "message.updated") return false;
  const { sequence, deletedAt, editedAt, reaction } = frame.payload;
  // An edit's or a reaction's frame says it as well, when it is made after the deletion.
  const deletes = deletedAt !== undefined && editedAt === undefined && reaction === undefined;
  return deletes && sequence > before.inbox.readUpTo && isUnsure(messageAt(before, sequence), me);
}

const isUnsure = (message: Message | undefined, me: Me): boolean =>
  message === undefined || (isDeleted(message) && message.senderId !== me.userId);

/** Each repeats what has expired before up to its sequence, and that has been counted. */
function isExpiryUncounted(
  { inbox, messages, expiredUpTo }: ConversationState,
  { messageIds = [], upToSequence = 0 }: Extract<ChangeFrame, { type: "message.expired" }>["payload"],
  me: Me,
): boolean {
  const from = Math.max(inbox.readUpTo, expiredUpTo);
  const upTo = messages.filter(({ sequence }) => sequence > from && sequence <= upToSequence);
  const named = messages.filter(({ messageId }) => messageIds.includes(messageId));
  const absent = upTo.length < upToSequence - from || named.length < messageIds.length;
  return absent || [...upTo, ...named.filter(({ sequence }) => sequence > from)].some((one) => isUnsure(one, me));
}

/** After the own read cursor moved, here or on another device. A cursor never goes back. */
export function afterRead(conversation: ConversationState, upToSequence: number, me: Me): ConversationState {
  const { inbox } = conversation;
  if (upToSequence <= inbox.readUpTo) return conversation;
  const behind = Math.max(0, lastSequenceOf(conversation) - upToSequence);
  const beyond = messagesBeyond(conversation, upToSequence);
  const known = beyond.length === behind;
  const unread = known
    ? beyond.filter((message) => message.senderId !== me.userId && !isDeleted(message)).length
    : Math.min(inbox.unread, behind);
  return { ...conversation, inbox: { ...inbox, readUpTo: upToSequence, unread }, unreadEstimated: !known };
}

/** Of the newest message that the count contains, as far as this device has heard of it. */
const lastSequenceOf = ({ info, inbox }: ConversationState): number =>
  Math.max(info?.lastSequence ?? 0, inbox.lastMessage?.sequence ?? 0);

/** In memory, and counted: a page of history may have brought some whose frame is still to come. */
const messagesBeyond = ({ messages, pos }: ConversationState, sequence: number): readonly Message[] =>
  messages.slice(indexOfSequence(messages, sequence + 1)).filter((message) => message.pos <= pos);

export function conversationAfterSignal(
  conversation: ConversationState,
  frame: Exclude<SignalFrame, { type: "receipt.rollup" }>,
  me: Me,
): ConversationState {
  switch (frame.type) {
    case "receipt.update":
      return afterReceipt(conversation, frame.payload);
    case "inbox.update": {
      const { pinned, archived, mutedUntil } = frame.payload;
      const read = afterReadElsewhere(conversation, frame.payload, me);
      return {
        ...read,
        inbox: {
          ...read.inbox,
          ...(pinned === undefined ? {} : { pinned }),
          ...(archived === undefined ? {} : { archived }),
          ...(mutedUntil === undefined ? {} : { mutedUntil }),
        },
      };
    }
  }
}

/**
 * The count that comes with a cursor is that of the views at `pos`, and frames come before or after them: it is right for
 * a device that is at the same `pos`, for any other a guess, where the messages in memory do not say better.
 */
function afterReadElsewhere(
  conversation: ConversationState,
  { readUpTo, unread, pos }: Extract<SignalFrame, { type: "inbox.update" }>["payload"],
  me: Me,
): ConversationState {
  if (readUpTo === undefined) return conversation;
  const read = afterRead(conversation, readUpTo, me);
  // A count that belongs to an older cursor than ours is older, too.
  if (unread === undefined || readUpTo < read.inbox.readUpTo) return read;
  if (pos === read.pos) return { ...read, inbox: { ...read.inbox, unread }, unreadEstimated: false };
  return read.unreadEstimated ? { ...read, inbox: { ...read.inbox, unread } } : read;
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

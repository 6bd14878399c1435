import type { ConversationEvent, MemberJoined, MessageSent } from "../../domain/conversation/conversation.events.js";
import type { ReceiptsEvent } from "../../domain/receipts/receipts.events.js";

/** A server → client frame (PROTOCOL §5). */
export type Frame = { readonly type: string; readonly payload: Readonly<Record<string, unknown>> };

/** What may be shown of a message's content: its JSON text; or that it is gone, and since when; or nothing. */
export type Shown =
  | { readonly kind: "content"; readonly text: string }
  | { readonly kind: "deleted"; readonly deletedAt: number }
  | { readonly kind: "hidden" };

export const hidden: Shown = { kind: "hidden" };

/**
 * The frame of a change for one viewer: a function of the event, so that live delivery and sync say the same. Undefined
 * for the start of a conversation, which has no frame of its own.
 */
export const frameOf = (
  conversationId: string,
  event: ConversationEvent,
  pos: number,
  viewerId: string,
  shown: Shown,
): Frame | undefined => {
  const common = { conversationId, pos, by: event.by.userId, timestamp: event.at };
  switch (event.type) {
    case "ConversationStarted":
      return undefined;
    case "MemberJoined":
      if (event.members.some(({ userId }) => userId === viewerId))
        return createdFrame(conversationId, event, pos, viewerId);
      return { type: "member.joined", payload: { ...common, members: event.members, memberCount: event.memberCount } };
    case "MemberLeft":
      return { type: "member.left", payload: { ...common, userId: event.userId, memberCount: event.memberCount } };
    case "MemberRoleChanged":
      return { type: "member.role", payload: { ...common, userId: event.userId, role: event.role } };
    case "SettingsChanged":
      return { type: "conversation.updated", payload: { ...common, changes: event.changes } };
    case "MessageSent":
      return { type: "message.new", payload: messagePayload(conversationId, event, pos, viewerId, shown) };
  }
};

/** Whoever becomes a member gets the conversation as it was at that moment. */
const createdFrame = (conversationId: string, event: MemberJoined, pos: number, viewerId: string): Frame => {
  const { kind, ...profile } = event.profile;
  const peer = kind === "direct" ? event.members.find(({ userId }) => userId !== viewerId) : undefined;
  const conversation = {
    conversationId,
    type: kind,
    ...profile,
    memberCount: event.memberCount,
    myRole: event.members.find(({ userId }) => userId === viewerId)?.role,
    ...(peer === undefined ? {} : { peerId: peer.userId }),
    lastSequence: event.sequence,
    pos,
  };
  return { type: "conversation.created", payload: { conversation, pos, by: event.by.userId, timestamp: event.at } };
};

const messagePayload = (conversationId: string, event: MessageSent, pos: number, viewerId: string, shown: Shown) => ({
  messageId: event.messageId,
  conversationId,
  sequence: event.sequence,
  pos,
  senderId: event.by.userId,
  senderDeviceId: event.by.deviceId,
  ...(viewerId === event.by.userId ? { clientMessageId: event.clientMessageId } : {}),
  ...(shown.kind === "content" ? { content: JSON.parse(shown.text) as unknown } : {}),
  timestamp: event.at,
  ...(event.expiresAt === undefined ? {} : { expiresAt: event.expiresAt }),
  ...(event.replyTo === undefined ? {} : { replyTo: event.replyTo }),
  ...(shown.kind === "deleted" ? { deletedAt: shown.deletedAt } : {}),
});

/**
 * `JSON.stringify(frameOf(…))` of a message with content, for the sender's devices and for everybody else's, without
 * parsing the content: the one frame that is made for every message. Ids need no escaping, by their patterns.
 */
export const encodeMessage = (conversationId: string, event: MessageSent, pos: number, content: string) => {
  const { messageId, sequence, by, expiresAt, replyTo } = event;
  const head = `{"type":"message.new","payload":{"messageId":"${messageId}","conversationId":"${conversationId}","sequence":${sequence},"pos":${pos},"senderId":"${by.userId}","senderDeviceId":"${by.deviceId}"`;
  const expiry = expiresAt === undefined ? "" : `,"expiresAt":${expiresAt}`;
  const reply = replyTo === undefined ? "" : `,"replyTo":"${replyTo}"`;
  const tail = `,"content":${content},"timestamp":${event.at}${expiry}${reply}}}`;
  return { own: `${head},"clientMessageId":${JSON.stringify(event.clientMessageId)}${tail}`, others: head + tail };
};

/** One `receipt.update` for each cursor of the event. */
export const receiptFrames = (event: ReceiptsEvent): readonly { readonly userId: string; readonly frame: Frame }[] =>
  event.cursors.map(({ userId, deliveredUpTo, readUpTo, at }) => ({
    userId,
    frame: {
      type: "receipt.update",
      payload: {
        conversationId: event.conversationId,
        userId,
        ...(deliveredUpTo === undefined ? {} : { deliveredUpTo }),
        ...(readUpTo === undefined ? {} : { readUpTo }),
        timestamp: at,
      },
    },
  }));

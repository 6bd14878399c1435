import { deviceIdOf, userIdOf } from "../../domain/kernel/by.js";
import type { AmendingEvent } from "../../domain/conversation/amendments.js";
import type { ConversationEvent, MemberJoined, MessageSent } from "../../domain/conversation/conversation.events.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { quoted } from "../../domain/kernel/json.js";
import type { ReceiptsEvent } from "../../domain/receipts/receipts.events.js";
import type { Texts } from "./texts.js";
import type { Revision } from "../../domain/kernel/stream.js";

/** The types of all frames that projections make. */
export type FrameType =
  | "message.new"
  | "message.updated"
  | "conversation.created"
  | "conversation.updated"
  | "member.joined"
  | "member.left"
  | "member.role"
  | "receipt.update"
  | "receipt.rollup"
  | "inbox.update"
  | "device.updated"
  | "user.erased";

/** A server → client frame (PROTOCOL §5). */
export type Frame = { readonly type: FrameType; readonly payload: Readonly<Record<string, unknown>> };

/**
 * What may be shown of the message that a change is about: its content's JSON text; or that it is gone, and since when, or
 * because its author was erased;
 * `visible` is a change without content of a message that the viewer may see, `hidden` one that they may not see. Of a
 * reaction: its emoji, unless its key is gone. Of a conversation's change: `texts`, what it is called.
 */
export type Shown =
  | { readonly kind: "texts"; readonly texts: Texts }
  | { readonly kind: "content"; readonly text: string }
  | { readonly kind: "deleted"; readonly deletedAt: number; readonly erased?: true; readonly emoji?: string }
  | { readonly kind: "visible"; readonly emoji?: string }
  | { readonly kind: "hidden" };

export const hidden: Shown = { kind: "hidden" };
export const visible: Shown = { kind: "visible" };

/** Of a reaction to a message that may be gone by now. Null: the emoji's key is gone. */
export const withEmoji = (shown: Shown, emoji: string | null): Shown =>
  emoji !== null && (shown.kind === "visible" || shown.kind === "deleted") ? { ...shown, emoji } : shown;

/**
 * The frame of a change for one viewer: a function of the event, so that live delivery and sync say the same. Undefined
 * for the start of a conversation, which has no frame of its own.
 */
export const frameOf = (
  conversationId: ConversationId,
  event: ConversationEvent,
  pos: Revision,
  viewerId: UserId,
  shown: Shown,
): Frame | undefined => {
  const common = { conversationId, pos, ...whoActed(event), timestamp: event.at };
  switch (event.type) {
    case "ConversationStarted":
      return undefined;
    case "MemberJoined":
      if (event.members.some(({ userId }) => userId === viewerId))
        return createdFrame(conversationId, event, pos, viewerId, shown);
      return { type: "member.joined", payload: { ...common, members: event.members, memberCount: event.memberCount } };
    case "MemberLeft":
      return { type: "member.left", payload: { ...common, userId: event.userId, memberCount: event.memberCount } };
    case "MemberRoleChanged":
      return { type: "member.role", payload: { ...common, userId: event.userId, role: event.role } };
    case "SettingsChanged":
      return { type: "conversation.updated", payload: { ...common, changes: inTheClear(event.changes, shown) } };
    case "MessageSent":
      return { type: "message.new", payload: messagePayload(conversationId, event, pos, viewerId, shown) };
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved": {
      const { messageId, sequence } = event;
      const about = { conversationId, messageId, sequence, pos, timestamp: event.at, ...whoActed(event) };
      return { type: "message.updated", payload: { ...about, ...amendmentOf(event, shown) } };
    }
  }
};

/** Missing where no user of the chat did it. */
const whoActed = ({ by }: ConversationEvent) => {
  const userId = userIdOf(by);
  return userId === undefined ? {} : { by: userId };
};

/** Only what changed. Of a message that is gone by now every frame says so, and none has its content. */
const amendmentOf = (event: AmendingEvent, shown: Shown): Readonly<Record<string, unknown>> => {
  const gone = shown.kind === "deleted" ? goneOf(shown) : {};
  switch (event.type) {
    case "MessageEdited":
      return { ...contentOf(shown), editedAt: event.at, ...gone };
    case "MessageDeleted":
      return { deletedAt: event.at };
    case "ReactionAdded":
    case "ReactionRemoved": {
      const emoji = "emoji" in shown ? shown.emoji : undefined;
      if (emoji === undefined) return gone;
      const reaction = { emoji, userId: userIdOf(event.by) };
      return { reaction: event.type === "ReactionAdded" ? reaction : { ...reaction, removed: true }, ...gone };
    }
  }
};

const contentOf = (shown: Shown) => (shown.kind === "content" ? { content: JSON.parse(shown.text) as unknown } : {});

/** With what was opened in place of what is sealed; JSON leaves out what did not open. */
const inTheClear = <F extends object>(fields: F, shown: Shown) => {
  const texts: Texts = shown.kind === "texts" ? shown.texts : {};
  return { ...fields, name: texts.name, description: texts.description };
};

/** A new member gets the conversation as it was at that moment. */
const createdFrame = (
  conversationId: ConversationId,
  event: MemberJoined,
  pos: Revision,
  viewerId: UserId,
  shown: Shown,
): Frame => {
  const { kind, ...profile } = inTheClear(event.profile, shown);
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
  return { type: "conversation.created", payload: { conversation, pos, ...whoActed(event), timestamp: event.at } };
};

const messagePayload = (
  conversationId: ConversationId,
  event: MessageSent,
  pos: Revision,
  viewerId: UserId,
  shown: Shown,
) => ({
  messageId: event.messageId,
  conversationId,
  sequence: event.sequence,
  pos,
  ...senderOf(event),
  ...(viewerId === userIdOf(event.by) ? { clientMessageId: event.clientMessageId } : {}),
  ...contentOf(shown),
  timestamp: event.at,
  ...(event.expiresAt === undefined ? {} : { expiresAt: event.expiresAt }),
  ...(event.replyTo === undefined ? {} : { replyTo: event.replyTo }),
  ...(shown.kind === "content" ? besideContent(event) : {}),
  ...(shown.kind === "deleted" ? goneOf(shown) : {}),
});

const goneOf = ({ deletedAt, erased }: Extract<Shown, { kind: "deleted" }>) => ({
  deletedAt,
  ...(erased === true ? { erased } : {}),
});

/** Says something of what was written, so it is shown with the content alone. */
const besideContent = ({ mentions, forwarded }: MessageSent) => ({
  ...(mentions === undefined ? {} : { mentions }),
  ...(forwarded === undefined ? {} : { forwarded }),
});

/** A sender without a device (a bot, an application) writes from none. */
const senderOf = ({ by }: MessageSent) => {
  const senderDeviceId = deviceIdOf(by);
  return { senderId: userIdOf(by), ...(senderDeviceId === undefined ? {} : { senderDeviceId }) };
};

/**
 * `JSON.stringify(frameOf(…))` of a message with content, for the sender's devices and for all others, without
 * parsing the content: the one frame that is made for every message. Ids need no escaping, by their patterns.
 */
export const encodeMessage = (conversationId: ConversationId, event: MessageSent, pos: Revision, content: string) => {
  const { messageId, sequence, by, expiresAt, replyTo, mentions } = event;
  const deviceId = deviceIdOf(by);
  const device = deviceId === undefined ? "" : `,"senderDeviceId":"${deviceId}"`;
  const head = `{"type":"message.new","payload":{"messageId":"${messageId}","conversationId":"${conversationId}","sequence":${sequence},"pos":${pos},"senderId":"${userIdOf(by)}"${device}`;
  const expiry = expiresAt === undefined ? "" : `,"expiresAt":${expiresAt}`;
  const reply = replyTo === undefined ? "" : `,"replyTo":"${replyTo}"`;
  const named = mentions === undefined ? "" : `,"mentions":${JSON.stringify(mentions)}`;
  const forwarded = event.forwarded === undefined ? "" : ',"forwarded":true';
  const tail = `,"content":${content},"timestamp":${event.at}${expiry}${reply}${named}${forwarded}}}`;
  return { own: `${head},"clientMessageId":${quoted(event.clientMessageId)}${tail}`, others: head + tail };
};

/** What is to be forgotten of a user, in all conversations at once. */
export const erasedFrame = (userId: UserId, timestamp: number): Frame => ({
  type: "user.erased",
  payload: { userId, timestamp },
});

/**
 * One `receipt.update` for each cursor of the event that says something to a viewer who sees reads, or does not: without
 * read receipts one neither shows nor sees reads, and what is read then counts as delivered alone.
 */
export const receiptFrames = (
  event: ReceiptsEvent,
  seesReads: boolean,
): readonly { readonly userId: UserId; readonly frame: Frame }[] =>
  event.cursors.flatMap((cursor) => {
    const { userId, deliveredUpTo, at } = cursor;
    const readUpTo = seesReads && cursor.private !== true ? cursor.readUpTo : undefined;
    // A private read of what had been delivered before: even the empty frame would tell that something was read.
    if (deliveredUpTo === undefined && readUpTo === undefined) return [];
    const payload = {
      conversationId: event.conversationId,
      userId,
      ...(deliveredUpTo === undefined ? {} : { deliveredUpTo }),
      ...(readUpTo === undefined ? {} : { readUpTo }),
      timestamp: at,
    };
    return [{ userId, frame: { type: "receipt.update", payload } }];
  });

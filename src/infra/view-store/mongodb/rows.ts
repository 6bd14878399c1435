import { defaultSettings, type Settings } from "../../../domain/conversation/conversation.events.js";
import type { UserId } from "../../../domain/kernel/ids.js";
import type { ConversationRow, MemberRow, MembershipStep, MessageRow } from "../../../projections/ports/rows.js";
import { sealedOf } from "../../../projections/views/sealed-value.js";
import {
  valueOf,
  type ConversationDocument,
  type MemberDocument,
  type MembershipDocument,
  type MessageDocument,
} from "./documents.js";
import { asPosition, asRevision } from "../../../domain/kernel/stream.js";

/** How documents become rows of the port. */

export const conversationOf = (found: ConversationDocument): ConversationRow => {
  const settings = valueOf(found.settings);
  return {
    conversationId: found.conversationId,
    kind: found.kind,
    createdBy: found.createdBy,
    createdAt: found.createdAt,
    name: sealedOf(valueOf(found.name)),
    description: sealedOf(valueOf(found.description)),
    avatarMediaId: valueOf(found.avatarMediaId),
    settings: settings === null ? defaultSettings : (JSON.parse(settings) as Settings),
    messageTtl: valueOf(found.messageTtl),
    memberCount: valueOf(found.memberCount) ?? 0,
    lastSequence: found.lastSequence ?? 0,
    headPos: asRevision(found.headPos ?? -1),
    activity: asPosition(found.activity ?? 0),
  };
};

export const memberOf = (found: MemberDocument): MemberRow => ({
  userId: found.userId,
  present: found.present.x,
  role: found.role.x,
  joinedAt: found.joinedAt.x,
  joinedPos: asRevision(found.joinedPos.x),
  deliveredUpTo: found.deliveredUpTo ?? 0,
  readUpTo: found.readUpTo ?? 0,
});

export const stepOf = ({ pos, joined, sequence, at }: MembershipDocument): MembershipStep => ({
  pos,
  joined,
  sequence,
  at,
});

/** A deleted message has lost its reactions with its content. */
export const messageOf = (found: MessageDocument, reactions: MessageRow["reactions"]): MessageRow => {
  const deletedAt = valueOf(found.deletedAt);
  return {
    conversationId: found.conversationId,
    sequence: found.sequence,
    messageId: found.messageId,
    senderId: found.senderId,
    senderDeviceId: found.senderDeviceId,
    clientMessageId: found.clientMessageId,
    contentType: found.contentType,
    pos: found.pos,
    at: found.at,
    replyTo: found.replyTo,
    mentions: typeof found.mentions === "string" ? (JSON.parse(found.mentions) as readonly UserId[]) : [],
    forwarded: found.forwarded === true,
    expiresAt: found.expiresAt,
    content: sealedOf(valueOf(found.content)),
    deletedAt,
    editedAt: valueOf(found.editedAt),
    editDigest: valueOf(found.editDigest),
    reactions: deletedAt === null ? reactions : [],
    updatedPos: found.updatedPos ?? found.pos,
  };
};

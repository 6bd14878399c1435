import type { Sealed, Settings } from "../../domain/conversation/conversation.events.js";
import type { ConversationRow, MemberRow, MembershipStep, MessageRow } from "../../projections/ports.js";

/** How rows of the tables become rows of the port: booleans are 0 and 1, settings and sealed content are JSON texts. */

export type StoredConversation = Omit<ConversationRow, "settings"> & { readonly settings: string };
export const conversationColumns =
  "conversationId, kind, createdBy, createdAt, name, description, avatarMediaId, settings, messageTtl, memberCount, ifnull(lastSequence, 0) as lastSequence, headPos, activity";
export const conversationOf = (stored: StoredConversation): ConversationRow => ({
  ...stored,
  settings: JSON.parse(stored.settings) as Settings,
});

export type StoredMember = Omit<MemberRow, "present"> & { readonly present: 0 | 1 };
export const memberColumns = "userId, present, role, joinedAt, joinedPos, deliveredUpTo, readUpTo";
export const memberOf = (stored: StoredMember): MemberRow => ({ ...stored, present: stored.present === 1 });

export type StoredStep = Omit<MembershipStep, "joined"> & { readonly joined: 0 | 1 };
export const stepColumns = "pos, joined, sequence, at";
export const stepOf = (stored: StoredStep): MembershipStep => ({ ...stored, joined: stored.joined === 1 });

/** Nothing edits or deletes yet, so `editedAt` and `deletedAt` are no columns. */
export type StoredMessage = Omit<MessageRow, "content" | "editedAt" | "deletedAt"> & {
  readonly content: string | null;
};
export const messageColumns =
  "conversationId, sequence, messageId, senderId, senderDeviceId, clientMessageId, contentType, pos, at, replyTo, expiresAt, content, updatedPos";
export const messageOf = (stored: StoredMessage): MessageRow => ({
  ...stored,
  content: stored.content === null ? null : (JSON.parse(stored.content) as Sealed),
  deletedAt: null,
  editedAt: null,
});

/** A record of asynchronous methods as the worker's side, which is synchronous, has them. */
export type Synchronous<Methods extends Record<string, (...args: never[]) => Promise<unknown>>> = {
  readonly [Name in keyof Methods]: (...args: Parameters<Methods[Name]>) => Awaited<ReturnType<Methods[Name]>>;
};

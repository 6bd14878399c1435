import type { Settings } from "../../../domain/conversation/conversation.events.js";
import type { UserId } from "../../../domain/kernel/ids.js";
import { sealedOf } from "../../../projections/views/sealed-value.js";
import type {
  ConversationRow,
  MemberRow,
  MembershipStep,
  MessageRow,
  SummaryRow,
} from "../../../projections/ports/rows.js";

/** How rows of the tables become rows of the port: booleans are 0 and 1, settings and sealed texts are JSON. */

export type StoredConversation = Omit<ConversationRow, "name" | "description" | "settings"> & {
  readonly name: string | null;
  readonly description: string | null;
  readonly settings: string;
};
export const conversationColumns =
  "conversationId, kind, createdBy, createdAt, name, description, avatarMediaId, settings, messageTtl, memberCount, ifnull(lastSequence, 0) as lastSequence, headPos, activity";
export const conversationOf = (stored: StoredConversation): ConversationRow => ({
  ...stored,
  name: sealedOf(stored.name),
  description: sealedOf(stored.description),
  settings: JSON.parse(stored.settings) as Settings,
});

export type StoredMember = Omit<MemberRow, "present"> & { readonly present: 0 | 1 };

/** What the member's row has for the member alone. */
export type StoredPreferences = Pick<SummaryRow, "membershipPosition" | "pinned" | "mutedUntil"> & {
  readonly archived: 0 | 1 | null;
};
export const preferenceColumns = "membershipPosition, pinned, archived, mutedUntil";

export const memberColumns = "userId, present, role, joinedAt, joinedPos, deliveredUpTo, readUpTo";
export const memberOf = (stored: StoredMember): MemberRow => ({ ...stored, present: stored.present === 1 });

export type StoredStep = Omit<MembershipStep, "joined"> & { readonly joined: 0 | 1 };
export const stepColumns = "pos, joined, sequence, at";
export const stepOf = (stored: StoredStep): MembershipStep => ({ ...stored, joined: stored.joined === 1 });

export type StoredMessage = Omit<MessageRow, "content" | "reactions" | "mentions" | "forwarded"> & {
  readonly content: string | null;
  readonly mentions: string | null;
  readonly forwarded: 1 | null;
};
export const messageColumns =
  "conversationId, sequence, messageId, senderId, senderDeviceId, clientMessageId, contentType, pos, at, replyTo, mentions, forwarded, expiresAt, content, editedAt, editDigest, deletedAt, updatedPos";
/** A deleted message has lost its reactions with its content. */
export const messageOf = (stored: StoredMessage, reactions: MessageRow["reactions"]): MessageRow => ({
  ...stored,
  content: sealedOf(stored.content),
  mentions: stored.mentions === null ? [] : (JSON.parse(stored.mentions) as readonly UserId[]),
  forwarded: stored.forwarded === 1,
  reactions: stored.deletedAt === null ? reactions : [],
});

/** A record of asynchronous methods as the worker's side, which is synchronous, has them. */
export type Synchronous<Methods extends Record<string, (...args: never[]) => Promise<unknown>>> = {
  readonly [Name in keyof Methods]: (...args: Parameters<Methods[Name]>) => Awaited<ReturnType<Methods[Name]>>;
};

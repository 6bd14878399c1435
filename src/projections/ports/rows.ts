import type { ContentType, ConversationKind, Role, Settings } from "../../domain/conversation/conversation.events.js";
import type { ConversationId, DeviceId, MessageId, Sequence, UserId } from "../../domain/kernel/ids.js";
import type { Sealed } from "../../domain/kernel/sealed.js";
import type { Position, Revision } from "../../domain/kernel/stream.js";
import type { DeviceType, Privacy } from "../../domain/user/user.events.js";

export type ConversationRow = {
  readonly conversationId: ConversationId;
  readonly kind: ConversationKind;
  readonly createdBy: UserId;
  readonly createdAt: number;
  readonly name: Sealed | null;
  readonly description: Sealed | null;
  readonly avatarMediaId: string | null;
  readonly settings: Settings;
  readonly messageTtl: number | null;
  readonly memberCount: number;
  readonly lastSequence: Sequence;
  readonly headPos: Revision;
  /** Log position of the newest change of the conversation's stream. */
  readonly activity: Position;
};

export type MemberRow = {
  readonly userId: UserId;
  readonly present: boolean;
  readonly role: Role;
  readonly joinedAt: number;
  readonly joinedPos: Revision;
  readonly deliveredUpTo: Sequence;
  readonly readUpTo: Sequence;
};

/** One conversation as one member sees it, with everything that PROTOCOL §6's `summary` needs. */
export type SummaryRow = {
  readonly conversation: ConversationRow;
  readonly member: MemberRow;
  /** The other party of a direct conversation. */
  readonly peerId: UserId | null;
  /** Log position of the user's newest joining or leaving. */
  readonly membershipPosition: Position;
  readonly steps: readonly MembershipStep[];
  /** The newest message that the member may see. */
  readonly lastMessage: MessageRow | null;
  /** Last sequence that the member may see: the head for a present one. */
  readonly lastVisible: Sequence;
  /** Own messages, and others' deleted ones, after max(readUpTo, visibleFrom − 1) and up to `lastVisible`. */
  readonly ownAfter: number;
  readonly deletedAfter: number;
  /** First sequence of the newest interval in which they may see. */
  readonly visibleFrom: Sequence;
  /** Smallest cursors of the other present members; null without others. A reader who shows no reads sees none: 0. */
  readonly deliveredToAll: Sequence | null;
  readonly readByAll: Sequence | null;
  readonly pinned: number | null;
  readonly archived: boolean;
  readonly mutedUntil: number | null;
  readonly sortAt: number;
};

export type TouchedRow = {
  readonly conversationId: ConversationId;
  readonly activity: Position;
  readonly present: boolean;
  /** Log position of the user's newest joining or leaving. */
  readonly membershipPosition: Position;
};

export type MembershipStep = {
  readonly pos: Revision;
  readonly joined: boolean;
  readonly sequence: Sequence;
  readonly at: number;
};

/** Users named for each emoji (PROTOCOL §6): the rest is a count. */
export const reactionUserIdsMax = 50;

export type MessageRow = {
  readonly conversationId: ConversationId;
  readonly sequence: Sequence;
  readonly messageId: MessageId;
  readonly senderId: UserId;
  /** Null where the sender has none: a bot. */
  readonly senderDeviceId: DeviceId | null;
  readonly clientMessageId: string;
  readonly contentType: ContentType;
  readonly pos: Revision;
  readonly at: number;
  readonly replyTo: MessageId | null;
  /** Empty where no user is named. */
  readonly mentions: readonly UserId[];
  readonly forwarded: boolean;
  readonly expiresAt: number | null;
  /** Null when it was deleted, expired or erased. */
  readonly content: Sealed | null;
  readonly deletedAt: number | null;
  readonly editedAt: number | null;
  /** Of the newest edit's content. */
  readonly editDigest: string | null;
  /** By the order in which each was first there. */
  readonly reactions: readonly ReactionRow[];
  readonly updatedPos: Revision;
};

/** Those who have reacted to a message with one digest: with one emoji. */
export type ReactionRow = {
  readonly count: number;
  /** The first `reactionUserIdsMax` of them, in the order in which they added it last, at `pos`. */
  readonly users: readonly { readonly userId: UserId; readonly pos: Revision; readonly emoji: Sealed }[];
};

export type FoundMessage = {
  /** -1 while the views do not know the conversation. */
  readonly coversTo: Revision;
  readonly message: MessageRow | null;
  readonly reactions: readonly { readonly digest: string; readonly userId: UserId }[];
};

export type ReceiptCounts = {
  readonly sequence: Sequence;
  readonly messageId: MessageId;
  readonly senderId: UserId;
  readonly of: number;
  readonly delivered: number;
  readonly read: number;
};

export type ReceiptRow = {
  readonly userId: UserId;
  readonly deliveredAt: number | null;
  readonly readAt: number | null;
};

export type UserRow = {
  readonly userId: UserId;
  readonly displayName: Sealed | null;
  readonly avatarMediaId: string | null;
  readonly privacy: Privacy;
};

/** A user who was erased, and where in the log. */
export type ErasedRow = { readonly userId: UserId; readonly position: Position };

export type DeviceRow = { readonly deviceId: DeviceId; readonly deviceType: DeviceType; readonly registeredAt: number };

import type { Either } from "../../domain/kernel/fp.js";
import type { Actor, ConversationId, DeviceId, MessageId, Sequence, UserId } from "../../domain/kernel/ids.js";
import type { ConversationKind, Role, Settings, ContentType } from "../../domain/conversation/conversation.events.js";
import type { DeviceType } from "../../domain/user/user.events.js";
import type { Position, Revision } from "../../domain/kernel/stream.js";
import type { Rejection } from "../../domain/rejections.js";
import type { Frame } from "../frames/frames.js";

/** What the read side answers. All shapes are PROTOCOL §6 and §7's. */
export type Queries = {
  /** Resolves when the views contain everything up to `position`; UNAVAILABLE after two seconds. Never rejects. */
  readonly awaitCaughtUp: (position: Position) => Promise<Either<Rejection, undefined>>;
  readonly inbox: (actor: Actor, page: { limit: number; cursor?: string; archived?: boolean }) => Answer<InboxPage>;
  readonly summary: (actor: Actor, conversationId: ConversationId) => Answer<Summary>;
  readonly members: (
    actor: Actor,
    conversationId: ConversationId,
    page: { limit: number; cursor?: string },
  ) => Answer<MembersPage>;
  readonly history: (
    actor: Actor,
    conversationId: ConversationId,
    page: { before?: Sequence; after?: Sequence; limit: number },
  ) => Answer<HistoryPage>;
  /** Message info: for its sender only. */
  readonly receipts: (
    actor: Actor,
    conversationId: ConversationId,
    messageId: MessageId,
    page: { limit: number; cursor?: string },
  ) => Answer<ReceiptsPage>;
  /** Everything up to `head`, the log's head when the request arrived, which the caller has awaited. */
  readonly sync: (actor: Actor, request: SyncRequest, head: Position) => Answer<SyncResult>;
  /**
   * The same request while the views are on their way to `head`: a page that is full without what they lack, or entries
   * that are all cut short, so that whatever they lack is asked for later. Undefined when the answer needs the head, or the
   * views lack something up to `own`, the newest of the user's answered writes.
   */
  readonly syncAhead: (
    actor: Actor,
    request: SyncRequest,
    head: Position,
    own: Position,
  ) => Promise<SyncResult | undefined>;
  readonly me: (actor: Actor) => Answer<Me>;
  readonly user: (userId: UserId) => Answer<PublicUser>;
};

export type Answer<A> = Promise<Either<Rejection, A>>;

export type ConversationView = {
  readonly conversationId: ConversationId;
  readonly type: ConversationKind;
  readonly name?: string;
  readonly description?: string;
  readonly avatarMediaId?: string;
  readonly settings: Settings;
  readonly messageTtl?: number;
  readonly createdBy: UserId;
  readonly createdAt: number;
  readonly memberCount: number;
  readonly myRole: Role;
  readonly peerId?: UserId;
  readonly lastSequence: Sequence;
  readonly pos: Revision;
};

export type StateView = {
  readonly readUpTo: Sequence;
  readonly unread: number;
  readonly pinned: number | null;
  readonly archived: boolean;
  readonly mutedUntil: number | null;
  readonly deliveredToAll: Sequence;
  readonly readByAll: Sequence;
  readonly lastMessage: {
    readonly sequence: Sequence;
    readonly messageId: MessageId;
    readonly senderId: UserId;
    readonly type: ContentType;
    readonly preview: string;
    readonly timestamp: number;
    readonly deleted?: true;
  } | null;
};

export type Summary = { readonly conversation: ConversationView; readonly state: StateView };
export type InboxPage = { readonly conversations: readonly Summary[]; readonly nextCursor?: string };
export type MembersPage = {
  readonly members: readonly { readonly userId: UserId; readonly role?: Role; readonly joinedAt: number }[];
  readonly nextCursor?: string;
};

/** The `message.new` payload with what has happened to it since. */
export type MessageView = {
  readonly messageId: MessageId;
  readonly conversationId: ConversationId;
  readonly sequence: Sequence;
  readonly pos: Revision;
  readonly senderId: UserId;
  /** Missing where the sender has no device. */
  readonly senderDeviceId?: DeviceId;
  readonly clientMessageId?: string;
  readonly content?: unknown;
  readonly timestamp: number;
  readonly expiresAt?: number;
  readonly replyTo?: MessageId;
  readonly mentions?: readonly UserId[];
  readonly forwarded?: true;
  readonly editedAt?: number;
  readonly deletedAt?: number;
  /** Its author was erased: it was not deleted, and counts as it did. */
  readonly erased?: true;
  readonly reactions?: readonly {
    readonly emoji: string;
    readonly count: number;
    readonly userIds: readonly UserId[];
  }[];
  readonly updatedPos: Revision;
};
export type HistoryPage = {
  readonly messages: readonly MessageView[];
  readonly hasMore: boolean;
  readonly nextCursor?: string;
};

export type ReceiptsPage = {
  readonly sequence: Sequence;
  readonly of: number;
  readonly delivered: number;
  readonly read: number;
  readonly members: readonly { readonly userId: UserId; readonly deliveredAt?: number; readonly readAt?: number }[];
  readonly nextCursor?: string;
};

export type SyncRequest = {
  readonly epoch?: string;
  readonly token?: string;
  readonly cursors?: Readonly<Record<string, number>>;
  readonly only?: boolean;
  readonly limit?: number;
  readonly next?: string;
};
export type SyncEntry = {
  readonly conversationId: ConversationId;
  readonly changes: readonly Frame[];
  readonly pos: Revision;
  readonly hasMore: boolean;
  readonly reset: boolean;
  readonly state: StateView;
};
export type SyncResult = {
  readonly epoch: string;
  readonly reset: boolean;
  readonly conversations: readonly SyncEntry[];
  readonly newConversations: readonly Summary[];
  readonly left: readonly ConversationId[];
  /** Missing where nobody is. */
  readonly erased?: readonly UserId[];
  readonly token?: string;
  readonly next?: string;
  readonly serverTime: number;
};

export type PublicUser = { readonly userId: UserId; readonly displayName?: string; readonly avatarMediaId?: string };
export type Me = PublicUser & {
  readonly privacy: { readonly lastSeen: "contacts" | "nobody"; readonly readReceipts: boolean };
  readonly devices: readonly {
    readonly deviceId: DeviceId;
    readonly deviceType: DeviceType;
    readonly lastSeen: number;
    readonly current?: true;
  }[];
  readonly blocks: readonly UserId[];
};

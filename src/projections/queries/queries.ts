import type { Either } from "../../domain/kernel/fp.js";
import type { Actor } from "../../domain/kernel/ids.js";
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
  readonly summary: (actor: Actor, conversationId: string) => Answer<Summary>;
  readonly members: (
    actor: Actor,
    conversationId: string,
    page: { limit: number; cursor?: string },
  ) => Answer<MembersPage>;
  readonly history: (
    actor: Actor,
    conversationId: string,
    page: { before?: number; after?: number; limit: number },
  ) => Answer<HistoryPage>;
  /** Message info: for its sender only. */
  readonly receipts: (
    actor: Actor,
    conversationId: string,
    messageId: string,
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
  readonly user: (userId: string) => Answer<PublicUser>;
};

export type Answer<A> = Promise<Either<Rejection, A>>;

export type ConversationView = {
  readonly conversationId: string;
  readonly type: ConversationKind;
  readonly name?: string;
  readonly description?: string;
  readonly avatarMediaId?: string;
  readonly settings: Settings;
  readonly messageTtl?: number;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly memberCount: number;
  readonly myRole: Role;
  readonly peerId?: string;
  readonly lastSequence: number;
  readonly pos: Revision;
};

export type StateView = {
  readonly readUpTo: number;
  readonly unread: number;
  readonly pinned: number | null;
  readonly archived: boolean;
  readonly mutedUntil: number | null;
  readonly deliveredToAll: number;
  readonly readByAll: number;
  readonly lastMessage: {
    readonly sequence: number;
    readonly messageId: string;
    readonly senderId: string;
    readonly type: ContentType;
    readonly preview: string;
    readonly timestamp: number;
    readonly deleted?: true;
  } | null;
};

export type Summary = { readonly conversation: ConversationView; readonly state: StateView };
export type InboxPage = { readonly conversations: readonly Summary[]; readonly nextCursor?: string };
export type MembersPage = {
  readonly members: readonly { readonly userId: string; readonly role?: Role; readonly joinedAt: number }[];
  readonly nextCursor?: string;
};

/** The `message.new` payload with what has happened to it since. */
export type MessageView = {
  readonly messageId: string;
  readonly conversationId: string;
  readonly sequence: number;
  readonly pos: Revision;
  readonly senderId: string;
  /** Missing where the sender has no device. */
  readonly senderDeviceId?: string;
  readonly clientMessageId?: string;
  readonly content?: unknown;
  readonly timestamp: number;
  readonly expiresAt?: number;
  readonly replyTo?: string;
  readonly mentions?: readonly string[];
  readonly forwarded?: true;
  readonly editedAt?: number;
  readonly deletedAt?: number;
  readonly reactions?: readonly {
    readonly emoji: string;
    readonly count: number;
    readonly userIds: readonly string[];
  }[];
  readonly updatedPos: Revision;
};
export type HistoryPage = {
  readonly messages: readonly MessageView[];
  readonly hasMore: boolean;
  readonly nextCursor?: string;
};

export type ReceiptsPage = {
  readonly sequence: number;
  readonly of: number;
  readonly delivered: number;
  readonly read: number;
  readonly members: readonly { readonly userId: string; readonly deliveredAt?: number; readonly readAt?: number }[];
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
  readonly conversationId: string;
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
  readonly left: readonly string[];
  readonly token?: string;
  readonly next?: string;
  readonly serverTime: number;
};

export type PublicUser = { readonly userId: string; readonly displayName?: string; readonly avatarMediaId?: string };
export type Me = PublicUser & {
  readonly privacy: { readonly lastSeen: "contacts" | "nobody"; readonly readReceipts: boolean };
  readonly devices: readonly {
    readonly deviceId: string;
    readonly deviceType: DeviceType;
    readonly lastSeen: number;
    readonly current?: true;
  }[];
  readonly blocks: readonly string[];
};

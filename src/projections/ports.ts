import type { Sealed } from "../domain/kernel/sealed.js";
import type { Position, RecordedEvent, Revision, StreamName } from "../domain/kernel/stream.js";
import type { Role, ConversationKind, Settings, ContentType } from "../domain/conversation/conversation.events.js";
import type { DeviceType, Privacy } from "../domain/user/user.events.js";
import type { ViewChange } from "./view-change.js";

/** What projections need of the log: the reading half of the commands' `EventLog`, with the same promises. */
export type EventSource = {
  readonly readStream: (
    stream: StreamName,
    from: Revision,
    count: number,
    direction?: "forwards" | "backwards",
  ) => Promise<readonly RecordedEvent[]>;
  /** At most `count` events strictly after `from`, oldest first. */
  readonly readAll: (from: Position, count: number) => Promise<readonly RecordedEvent[]>;
  readonly head: () => Promise<Position>;
  /** The next batch comes when `onEvents` has resolved. */
  readonly subscribe: (
    from: Position | "head",
    subscriber: {
      readonly onEvents: (events: readonly RecordedEvent[]) => void | Promise<void>;
      readonly onFailure: (error: Error) => void;
    },
  ) => { readonly stop: () => void };
};

/** A store that cannot be asked now, though nothing is wrong with the request: what it rejects with. */
export class StoreUnavailable extends Error {
  readonly code = "UNAVAILABLE";
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StoreUnavailable";
  }
}

/** Whether an error says that a store or the log cannot be asked now: what was asked may be asked again. */
export const isAway = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "UNAVAILABLE" || error.code === "OUTCOME_UNKNOWN");

/** How far a store's views have come, and in which incarnation of the log. A store stamps its own atomically with the changes. */
export type Checkpoint = { readonly position: Position; readonly epoch: string };

/**
 * Read models. `apply` may be repeated, interleaved and reordered freely: every change is a join (view-change.ts).
 * Rows whose facts have not arrived are not there for readers. Every read sees one moment of the store; where a batch is not
 * atomic, a summary's figures are those of its head, however far the rows beside it are.
 */
export type ViewStore = {
  /** Applies all changes, then the checkpoint: after a crash the checkpoint is never ahead of the changes. */
  readonly apply: (changes: readonly ViewChange[], checkpoint: Checkpoint) => Promise<void>;
  readonly checkpoint: () => Promise<Checkpoint | undefined>;
  readonly reads: ViewReads;
};

export type ViewReads = {
  /** Inbox order: pinned ascending, then last message (else creation) descending, then id. `after` is exclusive. */
  readonly inbox: (
    userId: string,
    page: { archived: boolean | undefined; after?: InboxKey; limit: number },
  ) => Promise<readonly SummaryRow[]>;
  /** The conversations named in which the user is or was a member, in no particular order. */
  readonly summaries: (userId: string, conversationIds: readonly string[]) => Promise<readonly SummaryRow[]>;
  /**
   * Sync's list: the user's conversations, past ones too, with `touched` beyond `touchedAfter`. A past one is touched
   * only by what happened to the user: joining, leaving, an own receipt. Newest activity first and then by id downwards,
   * or by id alone, which no change moves; strictly after `after`.
   */
  readonly touchedSince: (
    userId: string,
    page: { touchedAfter: Position; order: "activity" | "id"; after?: ActivityKey; limit: number },
  ) => Promise<readonly TouchedRow[]>;
  /** Present members by user id, strictly after `after`. */
  readonly members: (conversationId: string, page: { after?: string; limit: number }) => Promise<readonly MemberRow[]>;
  /** Messages by sequence, `from` and `to` inclusive. Content is sealed, and null when it was taken away. */
  readonly messages: (
    conversationId: string,
    range: { from: number; to: number; limit: number; order: "ascending" | "descending" },
  ) => Promise<readonly MessageRow[]>;
  /** Those of the sequences that exist. */
  readonly messagesAt: (conversationId: string, sequences: readonly number[]) => Promise<readonly MessageRow[]>;
  /** A message by id with all its reactions, and the last revision of the conversation's stream that these views hold. */
  readonly messageById: (conversationId: string, messageId: string) => Promise<FoundMessage>;
  /**
   * For each of the sequences: `of` = members when it was sent, less the sender, and how many of these have received and
   * (visibly) read up to it.
   */
  readonly receiptCounts: (conversationId: string, sequences: readonly number[]) => Promise<readonly ReceiptCounts[]>;
  /** Those members by user id, strictly after `after`, with the times of their first steps at or beyond the sequence. */
  readonly receiptsOf: (
    conversationId: string,
    sequence: number,
    page: { after?: string; limit: number },
  ) => Promise<readonly ReceiptRow[]>;
  /** When the user joined and left, by pos; empty for a user who never was a member. */
  readonly membershipSteps: (conversationId: string, userId: string) => Promise<readonly MembershipStep[]>;
  readonly user: (userId: string) => Promise<UserRow | undefined>;
  readonly devices: (userId: string) => Promise<readonly DeviceRow[]>;
};

export type InboxKey = { readonly pinned: number | null; readonly sortAt: number; readonly conversationId: string };
export type ActivityKey = { readonly activity: Position; readonly conversationId: string };

export type ConversationRow = {
  readonly conversationId: string;
  readonly kind: ConversationKind;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly name: Sealed | null;
  readonly description: Sealed | null;
  readonly avatarMediaId: string | null;
  readonly settings: Settings;
  readonly messageTtl: number | null;
  readonly memberCount: number;
  readonly lastSequence: number;
  readonly headPos: Revision;
  /** Log position of the newest change of the conversation's stream. */
  readonly activity: Position;
};

export type MemberRow = {
  readonly userId: string;
  readonly present: boolean;
  readonly role: Role;
  readonly joinedAt: number;
  readonly joinedPos: Revision;
  readonly deliveredUpTo: number;
  readonly readUpTo: number;
};

/** One conversation as one member sees it, with everything that PROTOCOL §6's `summary` needs. */
export type SummaryRow = {
  readonly conversation: ConversationRow;
  readonly member: MemberRow;
  /** The other party of a direct conversation. */
  readonly peerId: string | null;
  /** Log position of the user's newest joining or leaving. */
  readonly membershipPosition: Position;
  readonly steps: readonly MembershipStep[];
  /** The newest message that the member may see. */
  readonly lastMessage: MessageRow | null;
  /** Last sequence that the member may see: the head for a present one. */
  readonly lastVisible: number;
  /** Own messages, and others' deleted ones, after max(readUpTo, visibleFrom − 1) and up to `lastVisible`. */
  readonly ownAfter: number;
  readonly deletedAfter: number;
  /** First sequence of the newest interval in which they may see. */
  readonly visibleFrom: number;
  /** Smallest cursors of the other present members; null without others. A reader who shows no reads sees none: 0. */
  readonly deliveredToAll: number | null;
  readonly readByAll: number | null;
  readonly pinned: number | null;
  readonly archived: boolean;
  readonly mutedUntil: number | null;
  readonly sortAt: number;
};

export type TouchedRow = {
  readonly conversationId: string;
  readonly activity: Position;
  readonly present: boolean;
  /** Log position of the user's newest joining or leaving. */
  readonly membershipPosition: Position;
};

export type MembershipStep = {
  readonly pos: Revision;
  readonly joined: boolean;
  readonly sequence: number;
  readonly at: number;
};

/** Users named for each emoji (PROTOCOL §6): the rest is a count. */
export const reactionUserIdsMax = 50;

export type MessageRow = {
  readonly conversationId: string;
  readonly sequence: number;
  readonly messageId: string;
  readonly senderId: string;
  /** Null where the sender has none: a bot. */
  readonly senderDeviceId: string | null;
  readonly clientMessageId: string;
  readonly contentType: ContentType;
  readonly pos: Revision;
  readonly at: number;
  readonly replyTo: string | null;
  /** Empty where no user is named. */
  readonly mentions: readonly string[];
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
  readonly users: readonly { readonly userId: string; readonly pos: Revision; readonly emoji: Sealed }[];
};

export type FoundMessage = {
  /** -1 while the views do not know the conversation. */
  readonly coversTo: Revision;
  readonly message: MessageRow | null;
  readonly reactions: readonly { readonly digest: string; readonly userId: string }[];
};

export type ReceiptCounts = {
  readonly sequence: number;
  readonly messageId: string;
  readonly senderId: string;
  readonly of: number;
  readonly delivered: number;
  readonly read: number;
};
export type ReceiptRow = {
  readonly userId: string;
  readonly deliveredAt: number | null;
  readonly readAt: number | null;
};

export type UserRow = {
  readonly userId: string;
  readonly displayName: Sealed | null;
  readonly avatarMediaId: string | null;
  readonly privacy: Privacy;
};
export type DeviceRow = { readonly deviceId: string; readonly deviceType: DeviceType; readonly registeredAt: number };

/** Opens what was sealed as `context`: a message's content as its id, another text as `sealedAs` says. Null when its key is gone. */
export type OpenContent = (context: string, sealed: Sealed) => Promise<string | null>;

/** One frame, encoded once, for all devices of some users. */
export type Delivery = {
  readonly recipients: readonly string[];
  /** UTF-8 JSON text of the frame. */
  readonly frame: string;
  /** Only the recipient's other devices: the one that acted knows already. */
  readonly exceptDeviceId?: string;
  /** Typing and the like: shed when a socket's outbox is half full. */
  readonly ephemeral?: true;
};

/**
 * Frames to gateways. `deliver` resolves when every frame is in the outbox of each of its recipients' sockets, in the
 * order given; a recipient without a socket is no failure. `connected` says whether a user has a socket anywhere
 * besides the device named: what is costly to make is not made for users who are away.
 */
export type Bus = {
  readonly deliver: (deliveries: readonly Delivery[]) => void | Promise<void>;
  readonly connected: (userId: string, exceptDeviceId?: string) => boolean;
  /** Ends the device's session, wherever it is, with 4401: it was removed. */
  readonly disconnect: (userId: string, deviceId: string) => void;
};

/**
 * Partitions of the log's streams shared among processes by leases. Leases only share work: two holders of one partition
 * are harmless, and while the store of leases is away for longer than a lease every holder has all of them.
 */
export type PartitionLeases = {
  readonly held: () => readonly number[];
  /** Gives them back, so that others need not wait until they lapse. */
  readonly stop: () => Promise<void>;
};

export type Job = { readonly id: string; readonly payload: string };

/** What became of one attempt. A handler that rejects is `retry` after the queue's own backoff. */
export type JobOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "retry"; readonly afterMs: number }
  | { readonly kind: "dead"; readonly reason: string };

export type DeadJob = Job & { readonly reason: string; readonly attempts: number; readonly diedAt: number };

/**
 * Jobs that are done at least once each, in no particular order. `enqueue` is durable when it resolves; an id that was
 * enqueued within `deduplicateMs` is one job, whether it is done or not. A job whose consumer dies is given to another
 * after `visibilityMs`; one that takes longer is kept from others for as long as its handler runs. After `attemptsMax`
 * attempts it is a dead letter, which stays until it is redriven or removed.
 */
export type WorkQueue = {
  /** Rejects with StoreUnavailable when the queue cannot take them: full, or away. Repeat the identical call. */
  readonly enqueue: (jobs: readonly Job[]) => Promise<void>;
  /** At most `concurrency` handlers at once. */
  readonly consume: (
    handler: (job: Job, attempt: number) => Promise<JobOutcome>,
    options: { readonly concurrency: number },
  ) => { /** Waits for the handlers under way. */ readonly stop: () => Promise<void> };
  /** Oldest first, after the id `after`. */
  readonly dead: (page: { readonly after?: string; readonly limit: number }) => Promise<readonly DeadJob[]>;
  /** As new jobs, attempts at zero. Answers how many there were. */
  readonly redrive: (ids: readonly string[]) => Promise<number>;
  readonly removeDead: (ids: readonly string[]) => Promise<number>;
  readonly stats: () => Promise<{ readonly waiting: number; readonly dead: number }>;
};

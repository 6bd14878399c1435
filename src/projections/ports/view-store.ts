import type { ConversationId, MessageId, Sequence, UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { ViewChange } from "../view-change.js";
import type {
  DeviceRow,
  ErasedRow,
  FoundMessage,
  MemberRow,
  MembershipStep,
  MessageRow,
  ReceiptCounts,
  ReceiptRow,
  SummaryRow,
  TouchedRow,
  UserRow,
} from "./rows.js";

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
    userId: UserId,
    page: { archived: boolean | undefined; after?: InboxKey; limit: number },
  ) => Promise<readonly SummaryRow[]>;
  /** The conversations named in which the user is or was a member, in no particular order. */
  readonly summaries: (userId: UserId, conversationIds: readonly ConversationId[]) => Promise<readonly SummaryRow[]>;
  /**
   * Sync's list: the user's conversations, past ones too, with `touched` beyond `touchedAfter`. A past one is touched
   * only by what happened to the user: joining, leaving, an own receipt. Newest activity first and then by id downwards,
   * or by id alone, which no change moves; strictly after `after`.
   */
  readonly touchedSince: (
    userId: UserId,
    page: { touchedAfter: Position; order: "activity" | "id"; after?: ActivityKey; limit: number },
  ) => Promise<readonly TouchedRow[]>;
  /** Present members by user id, strictly after `after`; `former`: and those who are none any more. */
  readonly members: (
    conversationId: ConversationId,
    page: { after?: UserId; limit: number; former?: true },
  ) => Promise<readonly MemberRow[]>;
  /** Messages by sequence, `from` and `to` inclusive. Content is sealed, and null when it was taken away. */
  readonly messages: (
    conversationId: ConversationId,
    range: { from: Sequence; to: Sequence; limit: number; order: "ascending" | "descending" },
  ) => Promise<readonly MessageRow[]>;
  /** Those of the sequences that exist. */
  readonly messagesAt: (
    conversationId: ConversationId,
    sequences: readonly Sequence[],
  ) => Promise<readonly MessageRow[]>;
  /** A message by id with all its reactions, and the last revision of the conversation's stream that these views hold. */
  readonly messageById: (conversationId: ConversationId, messageId: MessageId) => Promise<FoundMessage>;
  /**
   * For each of the sequences: `of` = members when it was sent, less the sender, and how many of these have received and
   * (visibly) read up to it.
   */
  readonly receiptCounts: (
    conversationId: ConversationId,
    sequences: readonly Sequence[],
  ) => Promise<readonly ReceiptCounts[]>;
  /** Those members by user id, strictly after `after`, with the times of their first steps at or beyond the sequence. */
  readonly receiptsOf: (
    conversationId: ConversationId,
    sequence: Sequence,
    page: { after?: UserId; limit: number },
  ) => Promise<readonly ReceiptRow[]>;
  /** When the user joined and left, by pos; empty for a user who never was a member. */
  readonly membershipSteps: (conversationId: ConversationId, userId: UserId) => Promise<readonly MembershipStep[]>;
  readonly user: (userId: UserId) => Promise<UserRow | undefined>;
  readonly devices: (userId: UserId) => Promise<readonly DeviceRow[]>;
  /** Users whose erasures are beyond the position, in the log's order. */
  readonly erasedAfter: (position: Position, limit: number) => Promise<readonly ErasedRow[]>;
  /** Those of the users who were erased. */
  readonly erasedAmong: (userIds: readonly UserId[]) => Promise<readonly UserId[]>;
};

export type InboxKey = {
  readonly pinned: number | null;
  readonly sortAt: number;
  readonly conversationId: ConversationId;
};

export type ActivityKey = { readonly activity: Position; readonly conversationId: ConversationId };

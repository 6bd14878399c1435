import type Database from "better-sqlite3";
import type { ReceiptCounts, ReceiptRow } from "../../../projections/ports/rows.js";
import type { ViewReads } from "../../../projections/ports/view-store.js";
import type { StepKind } from "../../../projections/views/receipt-steps.js";
import type { Synchronous } from "./rows.js";
import type { ConversationId, Sequence, UserId } from "../../../domain/kernel/ids.js";
import type { Revision } from "../../../domain/kernel/stream.js";

type ReceiptReads = Pick<Synchronous<ViewReads>, "receiptCounts" | "receiptsOf">;

/** Which of a message's members have received and read it, and when. */
export const receiptReads = (db: Database.Database): ReceiptReads => {
  const sent = sentAt(db);
  const countsOf = receiptCountsOf(db);
  const rowsOf = receiptRowsOf(db);
  return {
    receiptCounts: db.transaction((conversationId: ConversationId, sequences: readonly Sequence[]) =>
      countsOf(
        conversationId,
        sequences.flatMap((sequence) => sent(conversationId, sequence) ?? []),
      ),
    ),
    receiptsOf: db.transaction((conversationId: ConversationId, sequence: Sequence, page: ReceiptsPage) => {
      const message = sent(conversationId, sequence);
      return message === undefined ? [] : rowsOf(conversationId, message, page);
    }),
  };
};

type ReceiptsPage = Parameters<ViewReads["receiptsOf"]>[2];
type Sent = Pick<ReceiptCounts, "sequence" | "messageId" | "senderId"> & { readonly pos: Revision };

const sentAt = (db: Database.Database) => {
  const select = db.prepare<[string, number], Sent>(
    "select sequence, messageId, senderId, pos from messages where conversationId = ? and sequence = ? and messageId is not null",
  );
  return (conversationId: ConversationId, sequence: Sequence): Sent | undefined => select.get(conversationId, sequence);
};

/** Counts in memory: a roll-up asks for many messages of one conversation, and its members are the same for all. */
const receiptCountsOf = (db: Database.Database) => {
  type Step = {
    readonly userId: UserId;
    readonly pos: Revision;
    readonly joined: 0 | 1;
    readonly deliveredStep: Sequence;
    readonly readStep: Sequence;
  };
  const steps = db.prepare<[string], Step>(
    `select s.userId, s.pos, s.joined, ifnull(m.deliveredStep, 0) as deliveredStep, ifnull(m.readStep, 0) as readStep
      from memberships s left join members m on m.conversationId = s.conversationId and m.userId = s.userId
      where s.conversationId = ? and s.joined is not null order by s.userId, s.pos desc`,
  );
  return (conversationId: ConversationId, messages: readonly Sent[]): readonly ReceiptCounts[] => {
    const all = messages.length === 0 ? [] : steps.all(conversationId);
    return messages.map(({ pos, ...message }) => {
      const counts = { of: 0, delivered: 0, read: 0 };
      let decided = "";
      // By user, the newest step first: the first one before the message says whether they were a member.
      for (const { userId, pos: stepPos, joined, deliveredStep, readStep } of all) {
        if (userId === decided || stepPos > pos) continue;
        decided = userId;
        if (joined === 0 || userId === message.senderId) continue;
        counts.of += 1;
        if (deliveredStep >= message.sequence) counts.delivered += 1;
        if (readStep >= message.sequence) counts.read += 1;
      }
      return { ...message, ...counts };
    });
  };
};

/**
 * Steps looked at for one time. A user's devices need not be equally far, so the first step beyond a message need not be
 * the earliest; more than this many steps of a slower device before the faster one's do not occur.
 */
const stepsLookedAtMax = 64;

const receiptRowsOf = (db: Database.Database) => {
  // `having` sees the row with the greatest pos: a bare column beside max() is that row's.
  const members = db
    .prepare<[string, string, number, string, number], string>(
      `select userId from (
        select userId, joined, max(pos) from memberships
          where conversationId = ? and userId > ? and pos < ? and userId <> ? and joined is not null group by userId)
        where joined = 1 order by userId limit ?`,
    )
    .pluck();
  const time = db
    .prepare<[string, string, StepKind, number, number], number | null>(
      `select -max(minusAt) from (
        select minusAt from receiptSteps
          where conversationId = ? and userId = ? and kind = ? and upTo >= ? order by upTo limit ?)`,
    )
    .pluck();
  return (conversationId: ConversationId, message: Sent, { after = "", limit }: ReceiptsPage): readonly ReceiptRow[] =>
    members.all(conversationId, after, message.pos, message.senderId, limit).map((userId) => {
      const first = (kind: StepKind) =>
        time.get(conversationId, userId, kind, message.sequence, stepsLookedAtMax) ?? null;
      const readAt = first("read");
      return { userId, deliveredAt: earlier(first("delivered"), readAt), readAt };
    });
};

/** Reading is receiving. */
const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? (a ?? b) : Math.min(a, b);

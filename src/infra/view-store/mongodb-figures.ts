import type { Filter } from "mongodb";
import type { SummaryRow } from "../../projections/ports.js";
import { idOf, type MessageDocument, type ViewCollections } from "./mongodb-documents.js";
import { messagesAt } from "./mongodb-messages.js";

/** What somebody may see of a conversation. */
export type Reach = {
  readonly conversationId: string;
  readonly visibleFrom: number;
  readonly lastVisible: number;
  /** Newest sequence that they may see. */
  readonly newest: number | undefined;
  /** Unread lies after it, and up to `lastVisible`. */
  readonly from: number;
};

type Figures = Pick<SummaryRow, "visibleFrom" | "lastVisible" | "lastMessage" | "ownAfter" | "deletedAfter">;

/** What unread is made of, and the newest messages that may be seen: three queries for all conversations. */
export const messageFigures = async (
  views: ViewCollections,
  userId: string,
  reaches: readonly Reach[],
): Promise<(conversationId: string) => Figures> => {
  const unread = reaches.filter(({ from, lastVisible }) => from < lastVisible);
  const newest = reaches.flatMap(({ conversationId, newest: sequence }) =>
    sequence === undefined ? [] : [idOf(conversationId, sequence)],
  );
  const [messages, own, deleted] = await Promise.all([
    messagesAt(views, newest),
    countsOf(views, unread, { senderId: userId }),
    countsOf(views, unread, { "deletedAt.x": { $gte: 0 }, senderId: { $ne: userId } }),
  ]);
  const lastMessages = new Map(messages.map((message) => [message.conversationId, message]));
  const byId = new Map(reaches.map((reach) => [reach.conversationId, reach]));
  return (conversationId) => {
    const { visibleFrom = 1, lastVisible = 0 } = byId.get(conversationId) ?? {};
    return {
      visibleFrom,
      lastVisible,
      lastMessage: lastMessages.get(conversationId) ?? null,
      ownAfter: own.get(conversationId) ?? 0,
      deletedAfter: deleted.get(conversationId) ?? 0,
    };
  };
};

/**
 * How many unread messages of each conversation are so. The condition is part of each branch, so that each is answered
 * from the index that has it (`by_sender`, and `deleted`, which holds only what was). It stands before them as well: that
 * the partial index may be used is plain then, and a server that has to look at a message looks at it once.
 */
const countsOf = async (
  { messages }: ViewCollections,
  unread: readonly Reach[],
  condition: Filter<MessageDocument>,
): Promise<ReadonlyMap<string, number>> => {
  if (unread.length === 0) return new Map();
  const branches = unread.map(({ conversationId, from, lastVisible }) => ({
    ...{ conversationId, sequence: { $gt: from, $lte: lastVisible }, ...condition },
  }));
  const counted = await messages
    .aggregate<{ readonly _id: string; readonly count: number }>([
      { $match: { ...condition, $or: branches } },
      { $group: { _id: "$conversationId", count: { $sum: 1 } } },
    ])
    .toArray();
  return new Map(counted.map(({ _id, count }) => [_id, count]));
};

import type { Filter } from "mongodb";
import type { SummaryRow } from "../../../projections/ports/rows.js";
import { idOf, type MessageDocument, type ViewCollections } from "./documents.js";
import { messagesAt } from "./messages.js";
import type { ConversationId, Sequence, UserId } from "../../../domain/kernel/ids.js";
import type { Revision } from "../../../domain/kernel/stream.js";

/** What a member may see of a conversation. */
export type Reach = {
  readonly conversationId: ConversationId;
  /** Of the head that this is of. What is later is not of it, though the messages may have it already. */
  readonly headPos: Revision;
  readonly visibleFrom: Sequence;
  readonly lastVisible: Sequence;
  /** Newest sequence that they may see. */
  readonly newest: Sequence | undefined;
  /** Unread lies after it, and up to `lastVisible`. */
  readonly from: Sequence;
};

type Figures = Pick<SummaryRow, "visibleFrom" | "lastVisible" | "lastMessage" | "ownAfter" | "deletedAfter">;

/** What unread is made of, and the newest messages that may be seen: three queries for all conversations. */
export const messageFigures = async (
  views: ViewCollections,
  userId: UserId,
  reaches: readonly Reach[],
): Promise<(conversationId: ConversationId) => Figures> => {
  const unread = reaches.filter(({ from, lastVisible }) => from < lastVisible);
  const newest = reaches.flatMap(({ conversationId, newest: sequence }) =>
    sequence === undefined ? [] : [idOf(conversationId, sequence)],
  );
  const [messages, own, deleted] = await Promise.all([
    messagesAt(views, newest),
    countsOf(views, unread, { senderId: userId }),
    // A deletion of after the head comes to the reader as a change of its own, and would count twice.
    countsOf(views, unread, { "deletedAt.x": { $gte: 0 }, senderId: { $ne: userId } }, ({ headPos }) => ({
      "deletedAt.v": { $lte: headPos },
    })),
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
 * How many unread messages of each conversation are so. Each branch is answered from the index that has it (`by_sender`,
 * and `deleted`, which holds only what was). What all branches share stands before them as well, with the conversations
 * and the smallest sequence: a planner that does not look into branches has the index's fields all the same, does not
 * walk through all that a user ever sent, and sees that the partial index may be used.
 */
const countsOf = async (
  { messages }: ViewCollections,
  unread: readonly Reach[],
  condition: Filter<MessageDocument>,
  ofEach: (reach: Reach) => Filter<MessageDocument> = () => ({}),
): Promise<ReadonlyMap<ConversationId, number>> => {
  if (unread.length === 0) return new Map();
  const counted = await messages
    .aggregate<{ readonly _id: string; readonly count: number }>([
      { $match: unreadWhere(unread, condition, ofEach) },
      { $group: { _id: "$conversationId", count: { $sum: 1 } } },
    ])
    .toArray();
  return new Map(counted.map(({ _id, count }) => [_id, count]));
};

const unreadWhere = (
  unread: readonly Reach[],
  condition: Filter<MessageDocument>,
  ofEach: (reach: Reach) => Filter<MessageDocument>,
): Filter<MessageDocument> => {
  const branches = unread.map((reach): Filter<MessageDocument> => {
    const { conversationId, from, lastVisible } = reach;
    return { conversationId, sequence: { $gt: from, $lte: lastVisible }, ...condition, ...ofEach(reach) };
  });
  const [only] = branches;
  if (only !== undefined && branches.length === 1) return only;
  const smallest = Math.min(...unread.map(({ from }) => from));
  const common = {
    conversationId: { $in: unread.map(({ conversationId }) => conversationId) },
    sequence: { $gt: smallest },
  };
  return { ...common, ...condition, $or: branches };
};

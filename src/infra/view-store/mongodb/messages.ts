import type { FoundMessage, MessageRow } from "../../../projections/ports/rows.js";
import type { ViewReads } from "../../../projections/ports/view-store.js";
import { idOf, type MessageDocument, type ViewCollections, arrived } from "./documents.js";
import { allReactions, groupedReactions } from "./reactions.js";
import { messageOf } from "./rows.js";
import { noRevision } from "../../../domain/kernel/stream.js";

type MessageReads = Pick<ViewReads, "messages" | "messagesAt" | "messageById">;

export const messageReads = (views: ViewCollections): MessageReads => {
  const withReactions = reactionsOf(views);
  return {
    messages: async (conversationId, { from, to, limit, order }) => {
      if (limit <= 0 || from > to) return [];
      const found = await views.messages
        .find({ _id: { $gte: idOf(conversationId, from), $lte: idOf(conversationId, to) }, contentType: arrived })
        .sort({ _id: order === "ascending" ? 1 : -1 })
        .limit(limit)
        .toArray();
      return withReactions(found);
    },
    messagesAt: async (conversationId, sequences) => {
      const found = await messagesAt(
        views,
        sequences.map((sequence) => idOf(conversationId, sequence)),
      );
      const bySequence = new Map(found.map((row) => [row.sequence, row]));
      return sequences.flatMap((sequence) => bySequence.get(sequence) ?? []);
    },
    messageById: messageByIdOf(views),
  };
};

/** Those of the messages that exist, by `_id`, of whatever conversations and in no particular order. */
export const messagesAt = async (views: ViewCollections, ids: readonly string[]): Promise<readonly MessageRow[]> =>
  ids.length === 0
    ? []
    : reactionsOf(views)(await views.messages.find({ _id: { $in: [...ids] }, contentType: arrived }).toArray());

/**
 * Adds the reactions of a page. A reaction raises its message's `updatedPos` beyond the `pos` that the message itself
 * raised it to, so most pages need not ask: nothing has happened to their messages since they were sent.
 */
const reactionsOf =
  (views: ViewCollections) =>
  async (found: readonly MessageDocument[]): Promise<readonly MessageRow[]> => {
    const grouped = await groupedReactions(
      views,
      found.filter(({ pos, updatedPos, deletedAt }) => updatedPos !== pos && (deletedAt?.x ?? null) === null),
    );
    return found.map((row) => messageOf(row, grouped(row)));
  };

/** The head is read first: everything up to it was written before it, so the answer is at least as new. */
const messageByIdOf =
  (views: ViewCollections): ViewReads["messageById"] =>
  async (conversationId, messageId): Promise<FoundMessage> => {
    const head = await views.conversations.findOne(
      { _id: idOf(conversationId), kind: arrived },
      { projection: { headPos: 1 } },
    );
    if (head === null) return { coversTo: noRevision, message: null, reactions: [] };
    const coversTo = head.headPos ?? noRevision;
    const found = await views.messages.findOne({ messageId, conversationId });
    if (found === null) return { coversTo, message: null, reactions: [] };
    const [message = null] = await reactionsOf(views)([found]);
    const there = message?.deletedAt === null;
    return {
      coversTo,
      message,
      reactions: there ? await allReactions(views, conversationId, found.sequence) : [],
    };
  };

import type { Db, IndexDescription } from "mongodb";
import type { ViewName } from "../../../projections/view-change.js";
import { collectionOf } from "./documents.js";

/**
 * Each is paid for by every write to its view, so each names the read that it serves. What asks for a conversation's
 * rows in their order needs none: that is the order of the `_id`s. One that changes gets a new name, since MongoDB
 * refuses another index of the same name.
 *
 * Reads and what they are made for (`test/stack/view-store/mongodb/indexes.test.ts` holds every command against it):
 *
 * | read | the order of `_id`s | an index |
 * |---|---|---|
 * | inbox, touchedSince | conversations by their ids | members `by_user` |
 * | summaries | conversations, members, memberships, newest messages, peers | unread: messages `by_sender`, `deleted`; others' cursors: members `by_delivered`, `by_read` |
 * | members, membershipSteps, messages, messagesAt, user, devices, receiptsOf | all | reactions of a page: `by_digest` |
 * | messageById | the head, the reactions | messages `by_message_id` |
 * | erasedAfter | | users `erased` |
 * | receiptCounts | messages, memberships, members | |
 *
 * No planner has been asked: no server here has one that is MongoDB's. So each first `$match` names the index's leading
 * fields itself, and beside an `_id` no field that leads an index.
 */
export const indexes: Partial<Readonly<Record<ViewName, readonly IndexDescription[]>>> = {
  members: [
    // The inbox and sync: a user's conversations.
    { name: "by_user", key: { userId: 1 } },
    // deliveredToAll and readByAll: the smallest cursor without looking at a thousand members.
    { name: "by_delivered", key: { conversationId: 1, "present.x": 1, deliveredUpTo: 1 } },
    { name: "by_read", key: { conversationId: 1, "present.x": 1, shownReadUpTo: 1 } },
  ],
  messages: [
    // Unread: one's own messages after a cursor.
    { name: "by_sender", key: { senderId: 1, conversationId: 1, sequence: 1 } },
    // Unread: others' deleted messages after a cursor. Only deletions pay for it.
    {
      name: "deleted",
      key: { conversationId: 1, sequence: 1, senderId: 1 },
      partialFilterExpression: { "deletedAt.x": { $gte: 0 } },
    },
    // A message by its id. Not by the `idKey` that SQLite uses: EventStoreDB's positions are bytes, so its stretches
    // would be too short to ask one after another.
    { name: "by_message_id", key: { messageId: 1 } },
  ],
  reactions: [
    // A page's reactions, and the first fifty users of each.
    { name: "by_digest", key: { conversationId: 1, sequence: 1, digest: 1, "present.x": 1, "present.v": 1 } },
  ],
  users: [
    // Sync: who was erased since a token. Only erasures pay for it.
    {
      name: "erased",
      key: { "erasedPosition.x": 1 },
      partialFilterExpression: { "erasedPosition.x": { $gte: 0 } },
    },
  ],
};

/** Makes what is missing in these generations; what is there costs nothing. MongoDB builds without stopping writers. */
export const createIndexes = async (db: Db, generations: readonly number[]): Promise<void> => {
  await Promise.all(
    generations.flatMap((generation) =>
      Object.entries(indexes).map(([view, ofView]) =>
        db.collection(collectionOf(view as ViewName, generation)).createIndexes([...ofView]),
      ),
    ),
  );
};

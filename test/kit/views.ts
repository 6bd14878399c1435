import type { ViewReads } from "../../src/projections/ports/view-store.js";
import { conversationIds, users } from "./arbitraries.js";
import { noPosition } from "../../src/domain/kernel/stream.js";

/** Everything that a store's views say about the users and conversations of the arbitraries. */
export const dumpViews = async (reads: ViewReads): Promise<unknown> => ({
  erasedAmong: [...(await reads.erasedAmong(users))].sort(),
  users: await Promise.all(
    users.map(async (userId) => ({
      user: await reads.user(userId),
      devices: await reads.devices(userId),
      inbox: await reads.inbox(userId, { archived: undefined, limit: 200 }),
      summaries: await reads.summaries(userId, conversationIds),
      touched: await reads.touchedSince(userId, { touchedAfter: noPosition, order: "id", limit: 200 }),
    })),
  ),
  erased: await reads.erasedAfter(noPosition, 200),
  conversations: await Promise.all(
    conversationIds.map(async (id) => ({
      members: await reads.members(id, { limit: 200 }),
      everybody: await reads.members(id, { limit: 200, former: true }),
      messages: await reads.messages(id, { from: 1, to: 10_000, limit: 10_000, order: "ascending" }),
      byId: await Promise.all(
        (await reads.messages(id, { from: 1, to: 10_000, limit: 10_000, order: "ascending" })).map(({ messageId }) =>
          reads.messageById(id, messageId),
        ),
      ),
      ...(await receiptsIn(reads, id)),
      steps: await Promise.all(users.map((userId) => reads.membershipSteps(id, userId))),
    })),
  ),
});

const receiptsIn = async (reads: ViewReads, id: string) => {
  const messages = await reads.messages(id, { from: 1, to: 10_000, limit: 10_000, order: "ascending" });
  const sequences = messages.map(({ sequence }) => sequence);
  return {
    counts: await reads.receiptCounts(id, sequences),
    receipts: await Promise.all(sequences.map((sequence) => reads.receiptsOf(id, sequence, { limit: 200 }))),
  };
};

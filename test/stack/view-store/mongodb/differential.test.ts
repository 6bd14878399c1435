/** The views in MongoDB beside SQLite's, which are the reference: the same histories, told in every disorder. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../../src/domain/catalogue.js";
import { asPosition, type RecordedEvent } from "../../../../src/domain/kernel/stream.js";
import { openMongoViews } from "../../../../src/infra/view-store/mongodb/view-store.js";
import type { ViewReads, ViewStore } from "../../../../src/projections/ports/view-store.js";
import { project } from "../../../../src/projections/registry.js";
import type { ViewChange } from "../../../../src/projections/view-change.js";
import { conversationIds, logs, users } from "../../../kit/arbitraries.js";
import { engine } from "../../../kit/engines.js";
import { seed, withSeed } from "../../../kit/seed.js";
import { withCoreStore } from "../../../kit/sqlite-views.js";
import { dumpViews } from "../../../kit/views.js";
import { openTestDatabase } from "./views-kit.js";

const url = engine("PARLEY_MONGODB_URL");

const at = (position: number) => ({ position: asPosition(position), epoch: "e1" });
const changesOf = (events: readonly RecordedEvent[]): readonly ViewChange[] =>
  events.flatMap((recorded) => project(decodeEvent(recorded), recorded));

/** A log, and for each of two projectors its events in some order, each at least once between the two of them. */
const told = logs.chain((log) => {
  const indexes = fc.array(fc.nat({ max: log.length - 1 }), { maxLength: 40 });
  return fc.record({
    log: fc.constant(log),
    order: fc.shuffledSubarray([...log.keys()], { minLength: log.length, maxLength: log.length }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    again: fc.tuple(indexes, indexes),
    chunk: fc.integer({ min: 1, max: 40 }),
  });
});
type Told = typeof told extends fc.Arbitrary<infer A> ? A : never;

const chunksFor = (
  { log, order, share, again, chunk }: Told,
  projector: 0 | 1,
): readonly (readonly RecordedEvent[])[] => {
  const cut = Math.round(order.length * share);
  const own = projector === 0 ? order.slice(0, cut) : order.slice(cut);
  const events = [...own, ...again[projector]].flatMap((index) => log[index] ?? []);
  const chunks: RecordedEvent[][] = [];
  for (let from = 0; from < events.length; from += chunk) chunks.push(events.slice(from, from + chunk));
  return chunks;
};

/** Pages, bounds and filters, which `dumpViews` leaves at their widest. */
const pagesOf = async (reads: ViewReads): Promise<unknown> => ({
  users: await Promise.all(
    users.map(async (userId) => ({
      inbox: await pagedInbox(reads, userId),
      archived: await reads.inbox(userId, { archived: true, limit: 3 }),
      unarchived: await reads.inbox(userId, { archived: false, limit: 3 }),
      touched: await pagedTouched(reads, userId),
    })),
  ),
  conversations: await Promise.all(
    conversationIds.map(async (id) => ({
      members: await Promise.all(["", "alice", "b", "zoe"].map((after) => reads.members(id, { after, limit: 2 }))),
      middle: await reads.messages(id, { from: 2, to: 5, limit: 2, order: "descending" }),
      nothing: await reads.messages(id, { from: 5, to: 2, limit: 2, order: "ascending" }),
      some: await reads.messagesAt(id, [3, 1, 99, 2]),
      receipts: await Promise.all(["alice", "bob"].map((after) => reads.receiptsOf(id, 2, { after, limit: 1 }))),
      counts: await reads.receiptCounts(id, [4, 1, 99]),
    })),
  ),
  unknown: [
    ...[await reads.user("nobody"), await reads.devices("nobody"), await reads.summaries("nobody", conversationIds)],
    ...[await reads.messageById("g_one", "no-such-id"), await reads.membershipSteps("g_none", "alice")],
  ],
});

const pagedInbox = async (reads: ViewReads, userId: string): Promise<readonly string[]> => {
  const ids: string[] = [];
  let after: Parameters<ViewReads["inbox"]>[1]["after"];
  for (;;) {
    const page = await reads.inbox(userId, {
      archived: undefined,
      limit: 1,
      ...(after === undefined ? {} : { after }),
    });
    const [row] = page;
    if (row === undefined) return ids;
    after = { pinned: row.pinned, sortAt: row.sortAt, conversationId: row.conversation.conversationId };
    ids.push(after.conversationId);
  }
};

const pagedTouched = async (reads: ViewReads, userId: string): Promise<readonly unknown[]> =>
  Promise.all(
    [0, 5, 15].map(asPosition).flatMap((touchedAfter) =>
      (["activity", "id"] as const).map(async (order) => {
        const page = { touchedAfter, order, limit: 1 };
        const [first] = await reads.touchedSince(userId, page);
        return first === undefined
          ? []
          : [first, await reads.touchedSince(userId, { ...page, after: first, limit: 9 })];
      }),
    ),
  );

const everything = async ({ reads }: ViewStore): Promise<unknown> => [await dumpViews(reads), await pagesOf(reads)];

describe.skipIf(url === undefined)(`MongoDB beside SQLite (seed ${seed})`, () => {
  it("two projectors at once, in any order and with any repetition, make what SQLite makes in order", async () => {
    await fc.assert(
      fc.asyncProperty(told, async (history) => {
        const expected = await withCoreStore(async (store) => {
          await store.apply(changesOf(history.log), at(1));
          return everything(store);
        });
        const mongo = await openTestDatabase(url ?? "");
        try {
          const projectors = [await openMongoViews({ db: mongo.db }), await openMongoViews({ db: mongo.db })] as const;
          await Promise.all(
            ([0, 1] as const).map(async (index) => {
              for (const chunk of chunksFor(history, index))
                await projectors[index].store.apply(changesOf(chunk), at(1));
            }),
          );
          expect(await everything(projectors[0].store)).toEqual(expected);
        } finally {
          await mongo.drop();
        }
      }),
      withSeed({ numRuns: 12 }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent, type DomainEvent } from "../../src/domain/catalogue.js";
import type { Sealed } from "../../src/domain/kernel/sealed.js";
import { reactionKey } from "../../src/domain/conversation/amendments.js";
import { userIdOf } from "../../src/domain/kernel/by.js";
import { asPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { messageIndex } from "../../src/infra/view-store/message-index.js";
import { project } from "../../src/projections/registry.js";
import { conversationIds, logs } from "../kit/arbitraries.js";
import { seed, untilSeen, withSeed } from "../kit/seed.js";
import { withCoreStore } from "../kit/sqlite-views.js";
import type { ViewReads } from "../../src/projections/ports/view-store.js";

type Placed = { readonly event: DomainEvent; readonly pos: number };

/** The events of a conversation's stream and of its receipts', each in order. */
const streamsOf = (log: readonly RecordedEvent[], id: string) => {
  const placed = log.map((recorded) => ({ recorded, event: decodeEvent(recorded), pos: recorded.revision }));
  const of = (stream: string): readonly Placed[] => placed.filter(({ recorded }) => recorded.stream === stream);
  return { conversation: of(`conversation-${id}`), receipts: of(`receipts-${id}`) };
};

const withEach = (
  runs: (numRuns: number) => fc.Parameters<unknown>,
  check: (reads: ViewReads, log: readonly RecordedEvent[], id: string) => Promise<void>,
) =>
  fc.assert(
    fc.asyncProperty(logs, (log) =>
      withCoreStore(async (store) => {
        const changes = log.flatMap((recorded) => project(decodeEvent(recorded), recorded));
        await store.apply(changes, { position: asPosition(1), epoch: "e" });
        for (const id of conversationIds) await check(store.reads, log, id);
      }),
    ),
    runs(40),
  );

describe(`laws of what is done to messages (seed ${seed})`, () => {
  it("content, times and reactions of a message are what its events say, one after another", async () => {
    const seen = { edited: 0, deleted: 0, reacted: 0 };
    await untilSeen(seen, 5, (runs) =>
      withEach(runs, async (reads, log, id) => {
        const rows = await reads.messages(id, { from: 1, to: 1_000, limit: 1_000, order: "descending" });
        const expected = naiveMessages(streamsOf(log, id).conversation);
        expect(rows.map(({ sequence }) => sequence)).toEqual([...expected.keys()].reverse());
        for (const row of rows) {
          const { sequence, content, deletedAt, editedAt, updatedPos, reactions } = row;
          const there = expected.get(sequence)?.there;
          expect({ sequence, text: content?.data ?? null, deletedAt, editedAt, updatedPos, reactions, there }).toEqual({
            sequence,
            ...expected.get(sequence),
          });
          if (editedAt !== null) seen.edited += 1;
          if (deletedAt !== null) seen.deleted += 1;
          if (reactions.length > 0) seen.reacted += 1;
        }
      }),
    );
  });

  it("a message is found by its id, with everything that was done to it", () =>
    withEach(
      (numRuns) => withSeed({ numRuns }),
      async (reads, log, id) => {
        const index = messageIndex(reads);
        const events = streamsOf(log, id).conversation;
        const expected = naiveMessages(events);
        expect(await index.find(id, "00000000-0000-5000-8000-000000000000")).toEqual({
          coversTo: events.length - 1,
          message: null,
        });
        for (const { event, pos } of events) {
          if (event.type !== "MessageSent") continue;
          const { messageId, sequence, at, by, contentType } = event;
          const { deletedAt, there } = expected.get(sequence) ?? { deletedAt: null, there: [] };
          const { coversTo, message } = await index.find(id, messageId);
          expect(coversTo).toBe(events.length - 1);
          const edits = events.filter(
            ({ event: other }) => other.type === "MessageEdited" && other.messageId === messageId,
          );
          expect({ ...message, reactions: message?.reactions.toSorted() }).toEqual({
            ...(edits.length === 0 ? {} : { digest: "d" }),
            ...{ messageId, sequence, pos, at, senderId: userIdOf(by), contentType, deleted: deletedAt !== null },
            reactions: there.toSorted(),
          });
        }
      },
    ));

  it("receipts of a message: its members when it was sent, by the receipts they gave, with the first times", async () => {
    const seen = { read: 0 };
    await untilSeen(seen, 2, (runs) =>
      withEach(runs, async (reads, log, id) => {
        const { conversation, receipts } = streamsOf(log, id);
        for (const { event, pos } of conversation) {
          if (event.type !== "MessageSent") continue;
          const { sequence, messageId } = event;
          const members = membersAt(conversation, pos).filter((userId) => userId !== userIdOf(event.by));
          const expected = members.sort().map((userId) => naiveReceipt(receipts, userId, sequence));
          expect(await reads.receiptsOf(id, sequence, { limit: 100 })).toEqual(expected);
          const counts = {
            of: members.length,
            delivered: expected.filter(({ deliveredAt }) => deliveredAt !== null).length,
            read: expected.filter(({ readAt }) => readAt !== null).length,
          };
          seen.read += counts.read;
          const head = { sequence, messageId, senderId: userIdOf(event.by) };
          expect(await reads.receiptCounts(id, [sequence])).toEqual([{ ...head, ...counts }]);
        }
      }),
    );
  });
});

type NaiveMessage = {
  text: string | null;
  deletedAt: number | null;
  editedAt: number | null;
  updatedPos: number;
  reactions: { count: number; users: { userId: string; pos: number; emoji: Sealed }[] }[];
  /** `reactionKey`s. */
  there: string[];
};

const naiveMessages = (events: readonly Placed[]): ReadonlyMap<number, NaiveMessage> => {
  const found = new Map<number, NaiveMessage>();
  /** By sequence, the digests that were ever there, in order. */
  const ever = new Map<number, string[]>();
  const users = new Map<string, NaiveMessage["reactions"][number]["users"]>();
  for (const { event, pos } of events) {
    if (event.type === "MessageSent")
      found.set(event.sequence, {
        ...{ text: event.content.data, deletedAt: null, editedAt: null, updatedPos: pos, reactions: [], there: [] },
      });
    if (!("messageId" in event)) continue;
    const message = found.get(event.sequence);
    if (message === undefined) continue;
    message.updatedPos = pos;
    if (event.type === "MessageEdited") Object.assign(message, { text: event.content.data, editedAt: event.at });
    if (event.type === "MessageDeleted")
      Object.assign(message, { text: null, deletedAt: event.at, reactions: [], there: [] });
    if (event.type === "ReactionAdded" || event.type === "ReactionRemoved") {
      const order = ever.get(event.sequence) ?? [];
      const { digest, emoji } = event;
      const userId = userIdOf(event.by);
      if (!order.includes(digest)) order.push(digest);
      ever.set(event.sequence, order);
      const name = `${event.sequence} ${digest}`;
      const others = (users.get(name) ?? []).filter((other) => other.userId !== userId);
      users.set(name, event.type === "ReactionAdded" ? [...others, { userId, pos, emoji }] : others);
      const groups = order.map((each) => ({ digest: each, of: users.get(`${event.sequence} ${each}`) ?? [] }));
      message.reactions = groups.flatMap(({ of }) => (of.length === 0 ? [] : [{ count: of.length, users: of }]));
      message.there = groups.flatMap((each) => each.of.map((who) => reactionKey(each.digest, who.userId)));
    }
  }
  return found;
};

const membersAt = (events: readonly Placed[], before: number): string[] => {
  const members = new Set<string>();
  for (const { event, pos } of events) {
    if (pos >= before) break;
    if (event.type === "MemberJoined") for (const { userId } of event.members) members.add(userId);
    if (event.type === "MemberLeft") members.delete(event.userId);
  }
  return [...members];
};

const naiveReceipt = (receipts: readonly Placed[], userId: string, sequence: number) => {
  let deliveredAt: number | null = null;
  let readAt: number | null = null;
  for (const { event } of receipts) {
    if (event.type !== "ReceiptsAdvanced") continue;
    for (const cursor of event.cursors) {
      if (cursor.userId !== userId) continue;
      if (Math.max(cursor.deliveredUpTo ?? 0, cursor.readUpTo ?? 0) >= sequence) deliveredAt ??= cursor.at;
      if (cursor.private !== true && (cursor.readUpTo ?? 0) >= sequence) readAt ??= cursor.at;
    }
  }
  return { userId, deliveredAt, readAt };
};

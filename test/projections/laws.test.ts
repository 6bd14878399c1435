import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/domain/catalogue.js";
import { userIdOf } from "../../src/domain/kernel/by.js";
import { asPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import type { ViewStore } from "../../src/projections/ports/view-store.js";
import { unreadOf } from "../../src/projections/frames/unread.js";
import { project, views } from "../../src/projections/registry.js";
import type { Value, ViewChange } from "../../src/projections/view-change.js";
import { conversationIds, logs, users } from "../kit/arbitraries.js";
import { seed, untilSeen, withSeed } from "../kit/seed.js";
import { withCoreStore } from "../kit/sqlite-views.js";
import { dumpViews } from "../kit/views.js";

const changesOf = (events: readonly RecordedEvent[]): readonly ViewChange[] =>
  events.flatMap((recorded) => project(decodeEvent(recorded), recorded));

const applyIn = async (store: ViewStore, batches: readonly (readonly ViewChange[])[]): Promise<void> => {
  for (const [index, batch] of batches.entries()) await store.apply(batch, { position: asPosition(index), epoch: "e" });
};

/** The views of a log applied in one batch, in order. */
const rebuilt = (log: readonly RecordedEvent[]): Promise<unknown> =>
  withCoreStore(async (store) => {
    await applyIn(store, [changesOf(log)]);
    return dumpViews(store.reads);
  });

/** A log's events in any order, each once at least. */
const scrambled = logs.chain((log) =>
  fc.record({
    log: fc.constant(log),
    again: fc.array(fc.nat({ max: log.length - 1 }), { maxLength: 30 }),
    keys: fc.array(fc.double({ noNaN: true }), { minLength: log.length + 30, maxLength: log.length + 30 }),
    cuts: fc.array(fc.nat({ max: log.length }), { maxLength: 6 }),
  }),
);

const split = <A>(all: readonly A[], cuts: readonly number[]): readonly (readonly A[])[] => {
  const bounds = [0, ...cuts.toSorted((a, b) => a - b), all.length];
  return bounds.slice(1).map((end, index) => all.slice(bounds[index], end));
};

describe(`laws of the views (seed ${seed})`, () => {
  it("any order of the changes with any duplicates, in any batches, gives the same views", async () => {
    await fc.assert(
      fc.asyncProperty(scrambled, async ({ log, again, keys, cuts }) => {
        const events = [...log, ...again.map((index) => log[index] ?? log[0])].filter((event) => event !== undefined);
        const order = events.map((event, index) => ({ event, key: keys[index] ?? 0 })).sort((a, b) => a.key - b.key);
        const changes = changesOf(order.map(({ event }) => event));
        const views = await withCoreStore(async (store) => {
          await applyIn(store, split(changes, cuts));
          return dumpViews(store.reads);
        });
        expect(views).toEqual(await rebuilt(log));
      }),
      withSeed({ numRuns: 25 }),
    );
  });

  it("incremental in any batches is the same as rebuilt in one", async () => {
    await fc.assert(
      fc.asyncProperty(scrambled, async ({ log, cuts }) => {
        const incremental = await withCoreStore(async (store) => {
          await applyIn(store, split(log, cuts).map(changesOf));
          return dumpViews(store.reads);
        });
        expect(incremental).toEqual(await rebuilt(log));
      }),
      withSeed({ numRuns: 20 }),
    );
  });

  it("unread is its definition: visible, after the cursor, of somebody else, not deleted", async () => {
    const seen = { positive: 0 };
    await untilSeen(seen, 20, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, async (log) => {
          await withCoreStore(async (store) => {
            await applyIn(store, [changesOf(log)]);
            for (const userId of users)
              for (const row of await store.reads.summaries(userId, conversationIds)) {
                const expected = naiveUnread(log, row.conversation.conversationId, userId);
                if (expected > 0) seen.positive += 1;
                expect({ userId, in: row.conversation.conversationId, unread: unreadOf(row) }).toEqual({
                  userId,
                  in: row.conversation.conversationId,
                  unread: expected,
                });
              }
          });
        }),
        runs(60),
      ),
    );
  });

  it("an equal version of a register implies an equal value", () => {
    fc.assert(
      fc.property(logs, (log) => {
        const written = new Map<string, Value>();
        for (const change of changesOf(log)) {
          if (change.kind !== "assign") continue;
          for (const [field, value] of Object.entries(change.fields)) {
            const name = JSON.stringify([change.view, change.key, field, change.version]);
            if (written.has(name)) expect(value).toBe(written.get(name));
            written.set(name, value);
          }
        }
      }),
      withSeed({ numRuns: 60 }),
    );
  });

  it("facts of a key come from one event, and a field is of one kind only", () => {
    for (const { key, facts, raised, registers } of Object.values(views)) {
      const names = [...Object.keys(key), ...Object.keys(facts), ...raised, ...Object.keys(registers)];
      expect(new Set(names).size).toBe(names.length);
    }
    fc.assert(
      fc.property(logs, (log) => {
        const writers = new Map<string, string>();
        for (const recorded of log)
          for (const change of changesOf([recorded])) {
            if (change.kind !== "insert") continue;
            const name = JSON.stringify([change.view, change.key]);
            expect(writers.has(name)).toBe(false);
            writers.set(name, recorded.id);
          }
      }),
      withSeed({ numRuns: 60 }),
    );
  });
});

/** From the history alone, one event after another: no cursors' arithmetic, only what is there to be read. */
const naiveUnread = (log: readonly RecordedEvent[], conversationId: string, userId: string): number => {
  let inside = false;
  let read = 0;
  let unread: { sequence: number; senderId: string }[] = [];
  const sent: { sequence: number; senderId: string }[] = [];
  const deleted = new Set<number>();
  for (const recorded of log) {
    const event = decodeEvent(recorded);
    const here = recorded.stream === `conversation-${conversationId}`;
    if (here && event.type === "MemberJoined" && event.members.some((member) => member.userId === userId)) {
      inside = true;
      read = Math.max(read, event.sequence);
      unread = sent.filter(({ sequence }) => sequence >= event.visibleFrom);
    }
    if (here && event.type === "MemberLeft" && event.userId === userId) inside = false;
    if (here && event.type === "MessageSent") {
      const message = { sequence: event.sequence, senderId: userIdOf(event.by) };
      sent.push(message);
      if (inside) unread.push(message);
    }
    if (here && event.type === "MessageDeleted") deleted.add(event.sequence);
    if (event.type === "ReceiptsAdvanced" && event.conversationId === conversationId)
      for (const cursor of event.cursors) if (cursor.userId === userId) read = Math.max(read, cursor.readUpTo ?? 0);
  }
  return unread.filter(({ sequence, senderId }) => sequence > read && senderId !== userId && !deleted.has(sequence))
    .length;
};

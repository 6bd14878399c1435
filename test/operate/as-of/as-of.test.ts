import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { asPosition, noPosition, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { asOfIn, whoCouldReadIn, type AsOfLine, type AsOfSubject } from "../../../src/operate/as-of/as-of.js";
import { momentOf, type MomentAsked } from "../../../src/operate/as-of/moment.js";
import type { LogToRead } from "../../../src/operate/target.js";
import type { MessageRow, ReceiptCounts } from "../../../src/projections/ports/rows.js";
import type { ViewReads } from "../../../src/projections/ports/view-store.js";
import { historyQuery } from "../../../src/projections/queries/history.js";
import { inboxQuery } from "../../../src/projections/queries/inbox.js";
import { membersQuery } from "../../../src/projections/queries/members.js";
import { project } from "../../../src/projections/registry.js";
import { conversationIds, logs, users } from "../../kit/arbitraries.js";
import { sourceOf } from "../../kit/damage.js";
import { seed, untilSeen, withSeed } from "../../kit/seed.js";
import { withCoreStore } from "../../kit/sqlite-views.js";
import { as, open } from "../../projections/queries/queries-kit.js";

/** A log that is an array, as operators read one. */
const logOfEvents = (events: readonly RecordedEvent[]): LogToRead => ({
  ...sourceOf(events),
  readAll: (from, count, direction = "forwards") => {
    const beyond = events.filter(({ position }) =>
      direction === "forwards" ? position > (from ?? noPosition) : position < (from ?? Infinity),
    );
    return Promise.resolve((direction === "forwards" ? beyond : beyond.toReversed()).slice(0, count));
  },
});

/** The whole log up to a position, rebuilt: every stream, by the real projection into the real store. */
const rebuilt = <A>(events: readonly RecordedEvent[], body: (reads: ViewReads) => Promise<A>): Promise<A> =>
  withCoreStore(async (store) => {
    const changes = events.flatMap((recorded) => project(decodeEvent(recorded), recorded));
    await store.apply(changes, { position: asPosition(events.length), epoch: "e" });
    return body(store.reads);
  });

const linesOf = async (log: LogToRead, subject: AsOfSubject, moment: MomentAsked): Promise<readonly AsOfLine[]> => {
  const lines: AsOfLine[] = [];
  await asOfIn(log, subject, { moment, open }, (line) => lines.push(line));
  return lines;
};
const every = <K extends string>(lines: readonly AsOfLine[], kind: K) =>
  lines.flatMap((line) => (kind in line ? [(line as unknown as Record<K, unknown>)[kind]] : []));

/** A row of the views as a line has it. */
const messageOf = (row: MessageRow, counts: ReceiptCounts | undefined) => {
  const { conversationId, editDigest, content, reactions, ...rest } = row;
  expect([typeof conversationId, editDigest === null || typeof editDigest === "string"]).toEqual(["string", true]);
  return {
    ...rest,
    content: content && { text: content.data },
    reactions: reactions.map(({ count, users: named }) => ({
      count,
      users: named.map(({ userId, emoji }) => ({ userId, emoji: { text: emoji.data } })),
    })),
    receipts: { of: counts?.of, delivered: counts?.delivered, read: counts?.read },
  };
};

const cuts = fc.integer({ min: 1, max: 100 }).map((hundredths) => hundredths / 100);
const cutOf = (events: readonly RecordedEvent[], share: number) => events.slice(0, Math.ceil(share * events.length));

describe(`as of (seed ${seed})`, () => {
  it("is what the views rebuilt from the log up to there say, of random histories and at any cut", async () => {
    const seen = { messages: 0, versions: 0 };
    await untilSeen(seen, 5, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, cuts, async (events, share) => {
          const log = logOfEvents(events);
          const before = cutOf(events, share);
          const moment = { position: before.at(-1)?.position ?? 0 };
          await rebuilt(before, async (reads) => {
            for (const conversation of conversationIds) {
              const started = before.some(({ stream }) => stream === `conversation-${conversation}`);
              const told = linesOf(log, { conversation }, moment);
              if (!started) {
                await expect(told).rejects.toThrow(/no conversation/);
                continue;
              }
              const lines = await told;
              const range = { from: 1, to: 10_000, limit: 10_000, order: "ascending" as const };
              const rows = await reads.messages(conversation, range);
              const counts = await reads.receiptCounts(
                conversation,
                rows.map(({ sequence }) => sequence),
              );
              seen.messages += rows.length;
              expect(every(lines, "member")).toEqual(await reads.members(conversation, { limit: 100 }));
              expect(every(lines, "message")).toEqual(rows.map((row, index) => messageOf(row, counts[index])));
              const versions = every(lines, "version") as readonly {
                readonly position: number;
                readonly change: string;
              }[];
              seen.versions += versions.length;
              const changed = new Set(
                rows.filter(({ editedAt, deletedAt }) => editedAt ?? deletedAt).map(({ messageId }) => messageId),
              );
              expect(versions.map(({ position }) => position)).toEqual(
                before
                  .filter(({ stream, type }) => stream === `conversation-${conversation}` && type.startsWith("Message"))
                  .filter((each) => changed.has((JSON.parse(each.data) as { messageId: string }).messageId))
                  .map(({ position }) => position),
              );
              const someone = (await reads.members(conversation, { limit: 1 }))[0];
              if (someone === undefined) continue;
              const members = await membersQuery({ reads })(as(someone.userId), conversation, { limit: 100 });
              expect(E.isRight(members) && members.right.members.map(({ userId }) => userId)).toEqual(
                (every(lines, "member") as readonly { readonly userId: string }[]).map(({ userId }) => userId),
              );
            }
          });
        }),
        runs(12),
      ),
    );
  });

  it("a user's inbox is what their inbox would have answered then, unread and all", async () => {
    await fc.assert(
      fc.asyncProperty(logs, cuts, fc.constantFrom(...users), async (events, share, user) => {
        const before = cutOf(events, Math.max(share, 4 / events.length));
        const moment = { position: before.at(-1)?.position ?? 0 };
        const lines = await linesOf(logOfEvents(events), { user }, moment);
        await rebuilt(before, async (reads) => {
          const page = { limit: 100, archived: undefined } as never;
          const inbox = await inboxQuery({ reads, open })(as(user), page);
          if (E.isLeft(inbox)) throw new Error("no inbox");
          const told = every(lines, "inbox") as readonly Record<string, unknown>[];
          expect(
            told.map(
              ({
                conversationId,
                unread,
                readUpTo,
                pinned,
                archived,
                mutedUntil,
                readByAll,
                deliveredToAll,
                role,
              }) => ({
                ...{ conversationId, unread, readUpTo, pinned, archived, mutedUntil, role },
                ...{ readByAll: readByAll ?? 0, deliveredToAll: deliveredToAll ?? 0 },
              }),
            ),
          ).toEqual(
            inbox.right.conversations.map(({ conversation, state }) => ({
              conversationId: conversation.conversationId,
              unread: state.unread,
              readUpTo: state.readUpTo,
              pinned: state.pinned,
              archived: state.archived,
              mutedUntil: state.mutedUntil,
              role: conversation.myRole,
              readByAll: state.readByAll,
              deliveredToAll: state.deliveredToAll,
            })),
          );
          expect(every(lines, "device")).toEqual(await reads.devices(user));
          const row = await reads.user(user);
          const name = row?.displayName;
          expect(every(lines, "user")).toEqual([{ ...row, displayName: name ? { text: name.data } : null }]);
        });
      }),
      withSeed({ numRuns: 30 }),
    );
  });

  it("who could read a message is who was answered its text by history, at every cut", async () => {
    const seen = { readable: 0, never: 0, ended: 0, back: 0 };
    await untilSeen(seen, 3, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, fc.nat(), async (events, which) => {
          const sent = events.filter(({ type }) => type === "MessageSent");
          const chosen = sent[which % Math.max(sent.length, 1)];
          if (chosen === undefined) return;
          const { messageId } = JSON.parse(chosen.data) as { readonly messageId: string };
          const conversation = chosen.stream.slice("conversation-".length);
          const { readers } = await whoCouldReadIn(logOfEvents(events), messageId, { moment: "now" });
          seen.never += readers.filter(({ never }) => never !== undefined).length;
          for (const { intervals } of readers) {
            seen.ended += intervals.filter(({ until }) => until !== undefined).length;
            seen.back += intervals.filter(({ because }) => because === "joined with it in sight").length;
          }
          // Only events of the conversation's own stream can change what its history answers.
          const cutsHere = events.filter(({ stream }) => stream === chosen.stream).map(({ position }) => position);
          await withCoreStore(async (store) => {
            let taken = 0;
            for (const cut of cutsHere) {
              const until = events.findLastIndex(({ position }) => position <= cut) + 1;
              const more = events.slice(taken, until);
              taken = until;
              await store.apply(
                more.flatMap((recorded) => project(decodeEvent(recorded), recorded)),
                { position: cut, epoch: "e" },
              );
              const source = sourceOf(events.slice(0, until));
              for (const user of users) {
                const page = await historyQuery({ source, reads: store.reads, open })(as(user), conversation, {
                  limit: 1_000,
                });
                const message = E.isLeft(page)
                  ? undefined
                  : page.right.messages.find((each) => each.messageId === messageId);
                const reads = message !== undefined && "content" in message && message.content !== undefined;
                const intervals = readers.find(({ userId }) => userId === user)?.intervals ?? [];
                const could = intervals.some(
                  ({ from, until: end }) => from.position <= cut && (end === undefined || cut < end.position),
                );
                expect([cut, user, could]).toEqual([cut, user, reads]);
                if (reads) seen.readable += 1;
              }
            }
          });
        }),
        runs(25),
      ),
    );
  });

  it("a time is the last event in the log's order that says it or earlier, whatever clocks said in between", async () => {
    await fc.assert(
      fc.asyncProperty(
        logs,
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: -1, max: 51 }),
        async (events, clocks, at) => {
          const told = events.map((event, index) => ({
            ...event,
            meta: JSON.stringify({ ...(JSON.parse(event.meta) as object), at: clocks[index % clocks.length] ?? 0 }),
          }));
          const wanted = told.filter(({ meta }) => (JSON.parse(meta) as { at: number }).at <= at).at(-1);
          const { position, last } = await momentOf(logOfEvents(told), { at });
          expect([position, last?.stream]).toEqual([wanted?.position ?? 0, wanted?.stream]);
        },
      ),
      withSeed({ numRuns: 50 }),
    );
  });

  it("a position between two events is the one before it, and one beyond the log is refused with its end", async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.nat(), async (events, which) => {
        const sparse = events.map((event) => ({ ...event, position: asPosition(event.position * 3) }));
        const log = logOfEvents(sparse);
        const position = which % (sparse.length * 3 + 1);
        const wanted = sparse.findLast((event) => event.position <= position)?.position ?? 0;
        expect((await momentOf(log, { position })).position).toBe(wanted);
        await expect(momentOf(log, { position: sparse.length * 3 + 1 })).rejects.toThrow(
          `ends at position ${sparse.length * 3}`,
        );
      }),
      withSeed({ numRuns: 50 }),
    );
  });

  it("what is not there is refused with what is", async () => {
    const events = fc.sample(logs, { numRuns: 1, seed })[0] ?? [];
    const log = logOfEvents(events);
    const asking = linesOf(log, { user: "nobody" }, "now");
    await expect(asking).rejects.toThrow(/no user nobody .*(alice|bob|carol|dave)/);
    await expect(linesOf(log, { user: "dave" }, { position: 1 })).rejects.toThrow(/no user dave yet at position 1/);
    await expect(whoCouldReadIn(log, "none", { moment: "now" })).rejects.toThrow(/no message none in this log/);
  });
});

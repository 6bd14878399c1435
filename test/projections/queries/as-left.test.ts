import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { asPosition, streamOf, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import type { OpenContent } from "../../../src/projections/ports/open-content.js";
import type { ViewReads } from "../../../src/projections/ports/view-store.js";
import { asLeft } from "../../../src/projections/queries/as-left.js";
import { historyQuery } from "../../../src/projections/queries/history.js";
import { project } from "../../../src/projections/registry.js";
import { conversationIds, logOf, users } from "../../kit/arbitraries.js";
import { seed, untilSeen } from "../../kit/seed.js";
import { withCoreStore } from "../../kit/sqlite-views.js";
import { wish } from "../../kit/wishes.js";

const open: OpenContent = (_messageId, { data }) => Promise.resolve(data);
const sourceOf = (log: readonly RecordedEvent[]) => ({
  readStream: (stream: string, from: number, count: number) =>
    Promise.resolve(log.filter((each) => each.stream === stream && each.revision >= from).slice(0, count)),
});
const withViews = <A>(log: readonly RecordedEvent[], body: (reads: ViewReads) => Promise<A>): Promise<A> =>
  withCoreStore(async (store) => {
    const changes = log.flatMap((recorded) => project(decodeEvent(recorded), recorded));
    await store.apply(changes, { position: asPosition(1), epoch: "e" });
    return body(store.reads);
  });

const historyOf = async (log: readonly RecordedEvent[], reads: ViewReads, userId: string, conversationId: string) => {
  const history = historyQuery({ source: sourceOf(log), reads, open });
  const answer = await history({ userId, deviceId: "phone" }, conversationId, { limit: 200 });
  if (E.isLeft(answer)) throw new Error(answer.left.message);
  return answer.right.messages;
};

const user = fc.constantFrom(...users);
const share = fc.integer({ min: 1, max: 100 }).map((hundredths) => hundredths / 100);
const amendment = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("edit" as const), in: fc.constant("g_one" as const), user, share }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("delete" as const), in: fc.constant("g_one" as const), user, share }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ do: fc.constant("react" as const), in: fc.constant("g_one" as const), user, share },
      ...{ emoji: fc.constantFrom("👍", "🎉"), remove: fc.boolean() },
    }),
  },
);
/** Carol and Dave come, much happens, both leave, and much is done to what they had seen. */
const leavings = fc
  .tuple(
    fc.array(wish, { minLength: 20, maxLength: 60, size: "max" }),
    fc.array(amendment, { minLength: 10, maxLength: 30, size: "max" }),
  )
  .map(([before, since]) => {
    const both = ["carol", "dave"] as const;
    const joining = { do: "join", in: "g_one", users: both, all: true } as const;
    return logOf([
      joining,
      ...before,
      ...both.map((each) => ({ do: "leave", in: "g_one", user: each }) as const),
      ...since,
    ]);
  });

describe(`what a former member reads (seed ${seed})`, () => {
  it("is what was there when they left, less what was deleted since", async () => {
    const seen = { editedSince: 0, reactedSince: 0, deletedSince: 0 };
    await untilSeen(seen, 3, (runs) =>
      fc.assert(
        fc.asyncProperty(leavings, async (log) => {
          await withViews(log, async (reads) => {
            for (const id of conversationIds)
              for (const userId of users) {
                const left = (await reads.membershipSteps(id, userId)).at(-1);
                if (left === undefined || left.joined) continue;
                const isUpTo = ({ stream, revision }: RecordedEvent) =>
                  stream !== streamOf.conversation(id) || revision <= left.pos;
                const then = log.filter(isUpTo);
                const before = await withViews(then, (readsThen) => historyOf(then, readsThen, userId, id));
                const now = await historyOf(log, reads, userId, id);
                const deleted = new Set(
                  now.flatMap(({ messageId, content }) => (content === undefined ? [messageId] : [])),
                );
                const kept = <M extends { messageId: string }>(messages: readonly M[]) =>
                  messages.filter(({ messageId }) => !deleted.has(messageId));
                expect(kept(now)).toEqual(kept(before));
                expect(now.map(({ sequence }) => sequence)).toEqual(before.map(({ sequence }) => sequence));
                for (const event of log.filter((each) => !isUpTo(each)).map(decodeEvent)) {
                  if (!("messageId" in event) || !before.some(({ messageId }) => messageId === event.messageId))
                    continue;
                  if (event.type === "MessageEdited") seen.editedSince += 1;
                  if (event.type === "ReactionAdded") seen.reactedSince += 1;
                  if (event.type === "MessageDeleted") seen.deletedSince += 1;
                }
              }
          });
        }),
        runs(20),
      ),
    );
  }, 120_000);
});

describe("a message of long before the leaving, changed since", () => {
  const send = { do: "send", in: "g_one", user: "alice", reply: false } as const;
  const edit = { do: "edit", in: "g_one", user: "alice", share: 0.01 } as const;
  const others = Array.from({ length: 8 }, () => send);
  const joins = { do: "join", in: "g_one", users: ["carol"], all: true } as const;
  const leaves = { do: "leave", in: "g_one", user: "carol" } as const;
  const react = { do: "react", in: "g_one", user: "bob", share: 0.01, emoji: "👍", remove: false } as const;
  /** With only the five events before the leaving in reach. */
  const firstOf = (wishes: Parameters<typeof logOf>[0]) => {
    const log = logOf(wishes);
    return withViews(log, async (reads) => {
      const steps = await reads.membershipSteps("g_one", "carol");
      const rows = await reads.messages("g_one", { from: 1, to: 9, limit: 9, order: "ascending" });
      const [first] = await asLeft(sourceOf(log), "g_one", steps, rows, 5);
      return { text: first?.content?.data, editedAt: first?.editedAt, reactions: first?.reactions };
    });
  };
  const said = (text: string) => expect.stringContaining(text) as string;

  it("is as it was sent when it was edited since", async () => {
    const found = await firstOf([send, joins, ...others, leaves, edit]);
    expect(found).toEqual({ text: said("alice m0"), editedAt: null, reactions: [] });
  });

  it("is as it was edited before, when only a reaction came since", async () => {
    const found = await firstOf([send, joins, edit, ...others, leaves, react]);
    expect(found).toEqual({ text: said("alice edited 1"), editedAt: expect.any(Number) as number, reactions: [] });
  });
});

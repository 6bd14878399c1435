/** Whom the log says to be erased shows so everywhere, also where their texts stand in it as they were written. */
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEvent, encodeEvent } from "../../../src/domain/catalogue.js";
import { E, type Either } from "../../../src/domain/kernel/fp.js";
import { asPosition, asRevision, noPosition, streamOf, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import type { Rejection } from "../../../src/domain/rejections.js";
import { createQueries } from "../../../src/projections/queries/create.js";
import type { MessageView, Queries } from "../../../src/projections/queries/queries.js";
import { project } from "../../../src/projections/registry.js";
import { conversationIds, logOf, logs, users } from "../../kit/arbitraries.js";
import { sourceOf } from "../../kit/damage.js";
import { seed, untilSeen } from "../../kit/seed.js";
import { withCoreStore } from "../../kit/sqlite-views.js";
import { as, open } from "./queries-kit.js";

const erasing = (log: readonly RecordedEvent[], userId: string): readonly RecordedEvent[] => {
  const stream = streamOf.user(userId);
  const by = { kind: "operator" as const, userId: "root" };
  const event = encodeEvent(
    { type: "UserErased", id: randomUUID(), at: 9e12, by, reason: "asked" },
    { commandId: "c", correlationId: "c" },
  );
  const revision = asRevision(log.filter((each) => each.stream === stream).length);
  return [...log, { ...event, stream, revision, position: asPosition((log.at(-1)?.position ?? 0) + 1) }];
};

const withQueries = <A>(log: readonly RecordedEvent[], body: (queries: Queries) => Promise<A>): Promise<A> =>
  withCoreStore(async (store) => {
    const head = log.at(-1)?.position ?? noPosition;
    const changes = log.flatMap((recorded) => project(decodeEvent(recorded), recorded));
    await store.apply(changes, { position: head, epoch: "e" });
    const reached = { awaitCaughtUp: () => Promise.resolve(true), reached: () => head, problem: () => undefined };
    return body(
      createQueries({
        source: { ...sourceOf(log), subscribe: () => ({ stop: () => undefined }) },
        views: { store, ...reached, opened: noPosition },
        ...{ open, epoch: "e", clock: () => 9e12 },
      }),
    );
  });

const right = <A>(answer: Either<Rejection, A>): A | undefined => (E.isRight(answer) ? answer.right : undefined);

/** All that a user is answered of what people wrote. */
const answersTo = async (queries: Queries, reader: string) => {
  const inbox = right(await queries.inbox(as(reader), { archived: undefined, limit: 100 } as never));
  const conversations = [];
  for (const id of conversationIds) {
    const history = right(await queries.history(as(reader), id, { limit: 200 }));
    const request = { cursors: { [id]: asRevision(-1) }, only: true, limit: 1_000 };
    const sync = right(await queries.sync(as(reader), request, noPosition));
    conversations.push({ history: history?.messages ?? [], frames: sync?.conversations.flatMap((one) => one.changes) });
  }
  return { conversations, previews: inbox?.conversations.map(({ state }) => state.lastMessage) ?? [] };
};

const usersReacting = ({ reactions = [] }: MessageView): readonly string[] =>
  reactions.flatMap(({ userIds }) => userIds).sort();

/** Texts of the arbitraries begin with their author's name. */
const saidBy = (user: string): RegExp => new RegExp(`"text":"${user} |"preview":"${user} `);

describe(`a user who was erased (seed ${seed})`, () => {
  it("is shown without anything that they wrote, sealed or not, and all others with what they wrote", async () => {
    const seen = { theirs: 0, reactions: 0, previews: 0 };
    await untilSeen(seen, 3, (runs) =>
      fc.assert(
        fc.asyncProperty(logs, fc.constantFrom(...users), async (log, user) => {
          const before = await withQueries(log, (queries) =>
            Promise.all(users.map((each) => answersTo(queries, each))),
          );
          await withQueries(erasing(log, user), async (queries) => {
            for (const [index, reader] of users.entries()) {
              const after = await answersTo(queries, reader);
              const [was, is] = [JSON.stringify(before[index]), JSON.stringify(after)];
              seen.theirs += Number(saidBy(user).test(was));
              expect(is).not.toMatch(saidBy(user));
              for (const other of users)
                if (other !== user) expect(saidBy(other).test(is)).toBe(saidBy(other).test(was));
              for (const [at, { history }] of after.conversations.entries()) {
                const theirs = history.filter(({ senderId }) => senderId === user);
                for (const message of theirs) expect(message).toHaveProperty("deletedAt");
                expect(history.length).toBe(before[index]?.conversations[at]?.history.length);
                const reactedThen = before[index]?.conversations[at]?.history.map(usersReacting) ?? [];
                seen.reactions += reactedThen.filter((names) => names.includes(user)).length;
                // Of a message that is gone as well nothing is told.
                const others = reactedThen.map((names, of) =>
                  history[of]?.senderId === user ? [] : names.filter((name) => name !== user),
                );
                expect(history.map(usersReacting)).toEqual(others);
              }
              const reacted = JSON.stringify(after.conversations.map(({ frames }) => frames));
              expect(reacted).not.toContain(`,"userId":"${user}"}`);
              const previews = after.previews.filter((last) => last?.senderId === user);
              seen.previews += previews.length;
              for (const last of previews) expect(last).toMatchObject({ preview: "", deleted: true });
            }
          });
        }),
        runs(8),
      ),
    );
  });

  it("is not among those who gave a reaction that is not sealed, whoever was first", async () => {
    const react = (user: (typeof users)[number]) =>
      ({ do: "react", in: "g_one", user, share: 1, emoji: "👍", remove: false }) as const;
    const log = logOf([{ do: "send", in: "g_one", user: "alice", reply: false }, react("bob"), react("alice")]);
    const reactedWithout = (user: (typeof users)[number]) =>
      withQueries(erasing(log, user), async (queries) => {
        const { conversations } = await answersTo(queries, "bob");
        return conversations.flatMap(({ history }) => history.map(({ reactions }) => reactions));
      });
    const by = (userId: string) => [[{ emoji: "👍", count: 1, userIds: [userId] }]];
    expect([await reactedWithout("bob"), await reactedWithout("carol")]).toEqual([
      by("alice"),
      [[{ emoji: "👍", count: 2, userIds: ["bob", "alice"] }]],
    ]);
    expect(await reactedWithout("alice")).toEqual([undefined]);
  });
});

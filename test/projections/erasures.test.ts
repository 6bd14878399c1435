import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeConversationEvent, decodeEvent, encodeEvent } from "../../src/domain/catalogue.js";
import { asPosition, asRevision, noPosition, streamOf, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import { project } from "../../src/projections/registry.js";
import type { SyncRequest, SyncResult } from "../../src/projections/queries/queries.js";
import { syncQueries } from "../../src/projections/queries/sync/sync.js";
import { encodeToken } from "../../src/projections/queries/sync/tokens.js";
import { startCapture } from "../../src/projections/replay/capture.js";
import { assign, insert, raise } from "../../src/projections/view-change.js";
import type { ViewStore } from "../../src/projections/ports/view-store.js";
import { right } from "../kit/answers.js";
import { conversationIds, logOf, logs, users } from "../kit/arbitraries.js";
import { wish } from "../kit/wishes.js";
import { sourceOf } from "../kit/damage.js";
import { seed, untilSeen } from "../kit/seed.js";
import { withCoreStore } from "../kit/sqlite-views.js";
import { open } from "./queries/queries-kit.js";

const epoch = "e";

/** The log, and then the end of a user. */
const withErased = (log: readonly RecordedEvent[], userId: string): readonly RecordedEvent[] => {
  const stream = streamOf.user(userId);
  const position = asPosition((log.at(-1)?.position ?? 0) + 1);
  const revision = asRevision(log.filter((event) => event.stream === stream).length);
  const event = { type: "UserErased", id: "erased", at: 9_999, by: { kind: "operator" }, reason: "r" } as const;
  return [...log, { ...encodeEvent(event, { commandId: "c", correlationId: "c" }), stream, revision, position }];
};

const apply = (store: ViewStore, events: readonly RecordedEvent[]): Promise<void> =>
  store.apply(
    events.flatMap((recorded) => project(decodeEvent(recorded), recorded)),
    { position: events.at(-1)?.position ?? noPosition, epoch },
  );

const syncing =
  (log: readonly RecordedEvent[], store: ViewStore) =>
  async (userId: string, request: SyncRequest): Promise<SyncResult> => {
    const source = { ...sourceOf(log), subscribe: () => ({ stop: () => undefined }) };
    const head = log.at(-1)?.position ?? noPosition;
    const { sync } = syncQueries({
      ...{ source, reads: store.reads, reached: () => head, checkpoint: store.checkpoint, epoch },
      ...{ open, clock: () => 1 },
    });
    return right(await sync({ userId, deviceId: "phone" }, request, head));
  };

const tokenOf = (userId: string, position: number) => encodeToken(epoch, userId, asPosition(position));

/** Who is told by delivery, with everybody connected. */
const toldLive = async (log: readonly RecordedEvent[], store: ViewStore, from: number): Promise<readonly string[]> => {
  const capture = startCapture(
    { source: sourceOf(log), reads: store.reads, project: (events) => apply(store, events) },
    log[from - 1]?.position ?? noPosition,
  );
  const lines = await capture.turn(log.slice(from));
  capture.stop();
  type Line = { readonly to?: readonly string[]; readonly frame?: { readonly type: string } };
  return lines
    .map((line) => JSON.parse(line) as Line)
    .flatMap(({ to = [], frame }) => (frame?.type === "user.erased" ? to : []));
};

/** Who was ever a member beside the user, or may see what was said while the user was one: step by step, as the log tells. */
const acquaintancesOf = (log: readonly RecordedEvent[], userId: string): ReadonlySet<string> => {
  const met = new Set<string>();
  for (const id of conversationIds) {
    const present = new Set<string>();
    /** The last sequence that was given while the user was a member, and before a member of later comes. */
    let lastBeside = -1;
    let sequence = 0;
    for (const recorded of log.filter(({ stream }) => stream === streamOf.conversation(id))) {
      const event = decodeConversationEvent(recorded);
      if (event.type === "MessageSent") sequence = event.sequence;
      if (event.type === "MemberLeft") present.delete(event.userId);
      if (event.type === "MemberJoined")
        for (const member of event.members) {
          present.add(member.userId);
          if (lastBeside >= event.visibleFrom) met.add(member.userId);
        }
      if (present.has(userId)) {
        lastBeside = sequence;
        for (const other of present) met.add(other);
      }
    }
  }
  return new Set([...met].filter((id) => id !== userId));
};

const anybody = fc.constantFrom(...users);
const groups = conversationIds.filter((id) => id !== "d_direct");
/** The user has left whatever there is: seldom met by chance, since nobody leaves a direct conversation. */
const departed = fc
  .record({ wishes: fc.array(wish, { minLength: 1, maxLength: 100, size: "max" }), erased: anybody })
  .map(({ wishes, erased }) => {
    const ofGroups = wishes.filter((wished) => !("in" in wished) || wished.in !== "d_direct");
    const leaves = groups.map((id) => ({ do: "leave", in: id, user: erased }) as const);
    return { before: logOf([...ofGroups, ...leaves]), erased };
  });
const histories = fc.oneof(
  { weight: 3, arbitrary: fc.record({ before: logs, erased: anybody }) },
  { weight: 1, arbitrary: departed },
);

describe(`who is told that a user was erased (seed ${seed})`, () => {
  it("is whoever may have met them, live as by sync, and nobody else", async () => {
    const seen = { told: 0, "not told": 0, "told as a former member": 0, "told of one who had left": 0 };
    await untilSeen(seen, 3, (runs) =>
      fc.assert(
        fc.asyncProperty(histories, ({ before, erased }) =>
          withCoreStore(async (store) => {
            const log = withErased(before, erased);
            const expected = acquaintancesOf(log, erased);
            await apply(store, before);
            const live = await toldLive(log, store, before.length);
            // The erased one's own devices are told first; no other is told twice.
            expect(live.toSorted()).toEqual([...expected, erased].toSorted());
            const sync = syncing(log, store);
            for (const userId of users.filter((user) => user !== erased)) {
              const { erased: listed = [] } = await sync(userId, { token: tokenOf(userId, before.length) });
              expect(listed, userId).toEqual(expected.has(userId) ? [erased] : []);
              seen[expected.has(userId) ? "told" : "not told"] += 1;
              const rows = await store.reads.summaries(userId, conversationIds);
              if (expected.has(userId) && rows.every(({ member }) => !member.present))
                seen["told as a former member"] += 1;
            }
            const own = await store.reads.summaries(erased, conversationIds);
            if (expected.size > 0 && own.every(({ member }) => !member.present)) seen["told of one who had left"] += 1;
          }),
        ),
        runs(20),
      ),
    );
  });
});

describe("a sync", () => {
  const log = withErased(logOf([{ do: "send", in: "g_one", user: "alice", reply: false }]), "alice");
  const before = log.length - 1;
  const erasedOf = (request: SyncRequest) =>
    withCoreStore(async (store) => {
      await apply(store, log);
      return (await syncing(log, store)("bob", request)).erased;
    });

  it("names who was erased since the token, and to a device that has anything of before without one, whoever was", async () => {
    expect(await erasedOf({ token: tokenOf("bob", before) })).toEqual(["alice"]);
    expect(await erasedOf({ token: tokenOf("bob", log.length) })).toBeUndefined();
    expect(await erasedOf({ cursors: { g_one: 2 } })).toEqual(["alice"]);
    expect(await erasedOf({ token: tokenOf("bob", before), cursors: { g_one: 2 }, only: true })).toBeUndefined();
    expect(await erasedOf({})).toBeUndefined();
    expect(await erasedOf({ epoch: "another", cursors: { g_one: 2 } })).toBeUndefined();
  });

  it("goes page by page over more of them than one answer looks up, and misses none", async () => {
    await withCoreStore(async (store) => {
      await apply(store, log);
      const many = Array.from({ length: 1_200 }, (_, i) => `user-${String(i).padStart(4, "0")}`);
      const first = log.length + 1;
      const member = (userId: string) => [
        assign("members", ["g_one", userId], { joinedPos: 1, present: true, membershipPosition: 1, joinedAt: 1 }, 1),
        raise("members", ["g_one", userId], { touched: 1 }),
        insert("memberships", ["g_one", userId, 1], { joined: true, sequence: 1, at: 1 }),
      ];
      await store.apply(
        many.flatMap((userId, index) => [
          insert("users", [userId], { home: "main", registeredAt: 1 }),
          assign("users", [userId], { erasedAt: 1, erasedPosition: first + index }, 1),
          // Of every second one the reader knows nothing.
          ...(index % 2 === 0 ? member(userId) : []),
        ]),
        { position: asPosition(first + many.length), epoch },
      );
      const sync = syncing(log, store);
      const listed: string[] = [];
      const pages: number[] = [];
      let answer: SyncResult | undefined;
      do {
        const next: { readonly next?: string } = answer?.next === undefined ? {} : { next: answer.next };
        answer = await sync("bob", { token: tokenOf("bob", before), ...next });
        listed.push(...(answer.erased ?? []));
        pages.push(answer.erased?.length ?? 0);
        expect(answer.token === undefined).toBe(answer.next !== undefined);
      } while (answer.next !== undefined);
      expect(listed).toEqual(["alice", ...many.filter((_, index) => index % 2 === 0)]);
      expect(pages.length).toBe(2);
    });
  });
});

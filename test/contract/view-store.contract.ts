/** What every `ViewStore` promises (projections/ports/view-store.ts), as one executable suite: each adapter's test runs it. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeEvent } from "../../src/domain/catalogue.js";
import { defaultSettings } from "../../src/domain/conversation/conversation.events.js";
import { unsealed } from "../../src/domain/kernel/sealed.js";
import { asPosition, noPosition, type RecordedEvent } from "../../src/domain/kernel/stream.js";
import type { ViewStore } from "../../src/projections/ports/view-store.js";
import { unreadOf } from "../../src/projections/frames/unread.js";
import { project } from "../../src/projections/registry.js";
import { assign, insert, raise, type ViewChange } from "../../src/projections/view-change.js";
import { logOf, logs } from "../kit/arbitraries.js";
import { seed } from "../kit/seed.js";
import { dumpViews } from "../kit/views.js";
import { sealedValue } from "../../src/projections/views/sealed-value.js";
import { emojiOf } from "../kit/reactions.js";

export type OpenedViews = {
  readonly store: ViewStore;
  /** Closes the store and opens it again on the same data. */
  readonly reopen: () => Promise<ViewStore>;
  readonly close: () => Promise<void>;
};

const named = (text: string): string => sealedValue(unsealed(text));
const at = (position: number) => ({ position: asPosition(position), epoch: "e1" });
const changesOf = (log: readonly RecordedEvent[]): readonly ViewChange[] =>
  log.flatMap((recorded) => project(decodeEvent(recorded), recorded));

/** A conversation's row with the least that readers need, and a member's. */
const conversation = (id: string, createdAt: number, activity = createdAt): readonly ViewChange[] => [
  insert("conversations", [id], { kind: "group", home: "main", createdBy: "alice", createdAt }),
  assign("conversations", [id], { settings: JSON.stringify(defaultSettings), memberCount: 1 }, 0),
  raise("conversations", [id], { headPos: 1, activity: asPosition(activity), touched: activity }),
];
const member = (
  id: string,
  userId: string,
  fields: { present?: boolean; position?: number; version?: number } = {},
) => {
  const { present = true, position = 1, version = 1 } = fields;
  return [
    assign("members", [id, userId], { role: "member", joinedAt: 1, joinedPos: 1, visibleFrom: 1 }, 1),
    assign("members", [id, userId], { present, membershipPosition: position }, version),
    raise("members", [id, userId], { deliveredUpTo: 0, readUpTo: 0, touched: position }),
    insert("memberships", [id, userId, 1], { joined: true, sequence: 1, at: 1 }),
  ];
};

export const viewStoreContract = (name: string, open: () => Promise<OpenedViews>): void => {
  describe(`${name} as a ViewStore`, () => {
    let opened: OpenedViews;
    let store: ViewStore;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(async () => {
      await opened.close();
    });
    const ids = async (page: Partial<Parameters<ViewStore["reads"]["inbox"]>[1]> = {}) =>
      (await store.reads.inbox("alice", { archived: undefined, limit: 10, ...page })).map(
        (row) => row.conversation.conversationId,
      );

    it("keeps changes and checkpoint over a reopening", async () => {
      expect(await store.checkpoint()).toBeUndefined();
      await store.apply([...conversation("g_1", 5), ...member("g_1", "alice")], at(7));
      await store.apply([], at(9));
      store = await opened.reopen();
      expect(await store.checkpoint()).toEqual(at(9));
      expect(await ids()).toEqual(["g_1"]);
    });

    it("applies all changes of a batch or none, and then moves no checkpoint", async () => {
      const bad = raise("conversations", ["g_1"], { noSuchField: 1 });
      await expect(store.apply([...conversation("g_1", 5), ...member("g_1", "alice"), bad], at(7))).rejects.toThrow(
        "noSuchField",
      );
      expect(await store.checkpoint()).toBeUndefined();
      expect(await ids()).toEqual([]);
    });

    it("registers go by version and numbers only grow, in whatever order and batches they come", async () => {
      const later = assign("conversations", ["g_1"], { name: named("later"), description: null }, 8);
      const earlier = assign("conversations", ["g_1"], { name: named("earlier"), description: named("said once") }, 3);
      const heads = [raise("conversations", ["g_1"], { headPos: 8 }), raise("conversations", ["g_1"], { headPos: 3 })];
      for (const change of [later, earlier, ...heads, ...conversation("g_1", 5), ...member("g_1", "alice"), earlier])
        await store.apply([change], at(1));
      const [row] = await store.reads.summaries("alice", ["g_1"]);
      expect(row?.conversation).toMatchObject({ name: unsealed("later"), description: null, headPos: 8 });
    });

    it("a row whose facts have not arrived is not there", async () => {
      const content = assign("messages", ["g_1", 1], { content: '{"alg":"none","keyId":"","data":"{}"}' }, 2);
      await store.apply([...member("g_1", "alice"), content, raise("messages", ["g_1", 1], { updatedPos: 2 })], at(1));
      await store.apply([raise("members", ["g_2", "alice"], { readUpTo: 3 }), ...conversation("g_2", 1)], at(2));
      expect(await ids()).toEqual([]);
      expect(await store.reads.summaries("alice", ["g_1", "g_2"])).toEqual([]);
      expect(await store.reads.messagesAt("g_1", [1])).toEqual([]);
      expect(await store.reads.user("alice")).toBeUndefined();
      expect(await store.reads.members("g_2", { limit: 5 })).toEqual([]);
    });

    it("users who were erased are told among others, and are no users any more, in whatever order it is said", async () => {
      const gone = assign("users", ["bob"], { displayName: null, erasedAt: 9 }, 5);
      const named = assign("users", ["bob"], { displayName: '{"alg":"none","keyId":"","data":"Bob"}' }, 4);
      const there = ["alice", "bob"].map((userId) => insert("users", [userId], { home: "main", registeredAt: 1 }));
      await store.apply([gone, ...there, named], at(1));
      expect(await store.reads.erasedAmong(["alice", "bob", "carol"])).toEqual(["bob"]);
      expect(await store.reads.erasedAmong(["alice"])).toEqual([]);
      expect(await store.reads.erasedAmong([])).toEqual([]);
      expect([await store.reads.user("bob"), (await store.reads.user("alice"))?.userId]).toEqual([undefined, "alice"]);
    });

    it("the inbox lists present memberships, newest message (else creation) first, then by id, page after page", async () => {
      const message = raise("conversations", ["g_old"], { lastMessageAt: 99 });
      await store.apply(
        [
          ...["g_b", "g_a"].flatMap((id) => [...conversation(id, 50), ...member(id, "alice")]),
          ...[...conversation("g_old", 1), ...member("g_old", "alice"), message],
          ...[...conversation("g_left", 60), ...member("g_left", "alice", { present: false, version: 4 })],
          ...[...conversation("g_others", 70), ...member("g_others", "bob")],
        ],
        at(1),
      );
      expect(await ids()).toEqual(["g_old", "g_a", "g_b"]);
      expect(await ids({ archived: false, limit: 2 })).toEqual(["g_old", "g_a"]);
      expect(await ids({ after: { pinned: null, sortAt: 50, conversationId: "g_a" } })).toEqual(["g_b"]);
      expect(await ids({ after: { pinned: null, sortAt: 99, conversationId: "g_old" }, limit: 1 })).toEqual(["g_a"]);
      expect(await ids({ archived: true })).toEqual([]);
    });

    it("sync's list goes by activity or by id; others' doings touch only present members", async () => {
      await store.apply(
        [10, 20, 30].flatMap((activity) => [
          ...conversation(`g_${activity}`, 1, activity),
          ...member(`g_${activity}`, "alice", { position: asPosition(5) }),
        ]),
        at(1),
      );
      await store.apply(
        [...conversation("g_40", 1, 40), ...member("g_40", "alice", { present: false, position: asPosition(6) })],
        at(2),
      );
      await store.apply([raise("conversations", ["g_10"], { touched: 45 })], at(3));
      type Page = Parameters<ViewStore["reads"]["touchedSince"]>[1];
      const touched = async (page: Omit<Page, "limit">) =>
        (await store.reads.touchedSince("alice", { limit: 10, ...page })).map((row) => row.activity);
      expect(await touched({ touchedAfter: noPosition, order: "activity" })).toEqual([40, 30, 20, 10]);
      expect(await touched({ touchedAfter: asPosition(6), order: "activity" })).toEqual([30, 20, 10]);
      expect(await touched({ touchedAfter: asPosition(25), order: "activity" })).toEqual([30, 10]);
      expect(await touched({ touchedAfter: noPosition, order: "id" })).toEqual([10, 20, 30, 40]);
      const after = { activity: asPosition(30), conversationId: "g_30" };
      expect(await touched({ touchedAfter: noPosition, order: "activity", after })).toEqual([20, 10]);
      expect(await touched({ touchedAfter: noPosition, order: "id", after })).toEqual([40]);
      // By id alone: a conversation that moves keeps its place.
      await store.apply([raise("conversations", ["g_20"], { activity: asPosition(50), touched: 50 })], at(4));
      expect(await touched({ touchedAfter: noPosition, order: "activity" })).toEqual([50, 40, 30, 10]);
      expect(await touched({ touchedAfter: noPosition, order: "id", after })).toEqual([40]);
      const [, left] = await store.reads.touchedSince("alice", {
        touchedAfter: noPosition,
        order: "activity",
        limit: 2,
      });
      expect(left).toEqual({ conversationId: "g_40", activity: 40, present: false, membershipPosition: 6 });
    });

    it("summaries, messages, members and steps tell what a small log says", async () => {
      const all = { in: "g_one" as const, all: false };
      const send = (user: "alice" | "bob" | "carol") => ({ do: "send" as const, in: all.in, user, reply: false });
      await store.apply(
        changesOf(
          logOf([
            ...[send("alice"), send("bob"), { do: "join", users: ["carol"], ...all } as const, send("alice")],
            ...[{ do: "receipt", in: all.in, user: "bob", share: 1, read: true } as const, send("bob"), send("carol")],
            ...[{ do: "leave", in: all.in, user: "carol" } as const, send("alice")],
          ]),
        ),
        at(1),
      );
      const [alice] = await store.reads.summaries("alice", ["g_one"]);
      expect(alice).toMatchObject({ lastVisible: 6, visibleFrom: 1, ownAfter: 3, deletedAfter: 0, peerId: null });
      expect(alice).toMatchObject({ deliveredToAll: 3, readByAll: 3, lastMessage: { sequence: 6, senderId: "alice" } });
      expect(alice && unreadOf(alice)).toBe(3);
      const [carol] = await store.reads.summaries("carol", ["g_one"]);
      expect(carol).toMatchObject({ member: { present: false, readUpTo: 2 }, visibleFrom: 3, lastVisible: 5 });
      expect(carol?.lastMessage?.sequence).toBe(5);
      expect(carol && unreadOf(carol)).toBe(2);
      expect(
        (await store.reads.membershipSteps("g_one", "carol")).map(({ joined, sequence }) => [joined, sequence]),
      ).toEqual([
        [true, 3],
        [false, 6],
      ]);
      const sequences = async (from: number, to: number, limit: number, order: "ascending" | "descending") =>
        (await store.reads.messages("g_one", { from, to, limit, order })).map(({ sequence }) => sequence);
      expect(await sequences(2, 5, 3, "ascending")).toEqual([2, 3, 4]);
      expect(await sequences(2, 5, 3, "descending")).toEqual([5, 4, 3]);
      expect((await store.reads.messagesAt("g_one", [2, 99])).map(({ sequence }) => sequence)).toEqual([2]);
      expect((await store.reads.members("g_one", { limit: 5 })).map(({ userId }) => userId)).toEqual(["alice", "bob"]);
      expect((await store.reads.members("g_one", { after: "alice", limit: 5 })).map(({ userId }) => userId)).toEqual([
        "bob",
      ]);
    });

    it("erased users come by where the log erases them, and members of before where they are asked for", async () => {
      const erased = (userId: string, position: number) =>
        assign("users", [userId], { displayName: null, erasedAt: 5, erasedPosition: asPosition(position) }, 3);
      const seen = (userId: string) => insert("users", [userId], { home: "main", registeredAt: 1 });
      await store.apply(
        [
          ...["alice", "bob", "carol", "dave"].map(seen),
          ...[erased("bob", 30), erased("alice", 40), erased("carol", 20), erased("never-seen", 25)],
          ...[...conversation("g_1", 5), ...member("g_1", "bob"), ...member("g_1", "erin")],
          ...member("g_1", "alice", { present: false, version: 4 }),
        ],
        at(50),
      );
      const bob = { userId: "bob", position: 30 };
      expect(await store.reads.erasedAfter(noPosition, 2)).toEqual([{ userId: "carol", position: 20 }, bob]);
      expect(await store.reads.erasedAfter(asPosition(20), 9)).toEqual([bob, { userId: "alice", position: 40 }]);
      expect(await store.reads.erasedAfter(asPosition(40), 9)).toEqual([]);
      const ofGroup = async (page: { after?: string; former?: true }) =>
        (await store.reads.members("g_1", { limit: 5, ...page })).map(({ userId, present }) => [userId, present]);
      expect(await ofGroup({})).toEqual([
        ["bob", true],
        ["erin", true],
      ]);
      expect(await ofGroup({ former: true })).toEqual([
        ["alice", false],
        ["bob", true],
        ["erin", true],
      ]);
      expect(await ofGroup({ former: true, after: "alice" })).toEqual([
        ["bob", true],
        ["erin", true],
      ]);
    });

    it("a message is found by its id, however far apart in the log its conversation's events are", async () => {
      const send = (reply: boolean) => ({ do: "send", in: "g_one", user: "alice", reply }) as const;
      const log = logOf([send(false), send(false), send(true), { ...send(false), in: "g_two" }]);
      const far = log.map((recorded) => ({ ...recorded, position: asPosition(recorded.position * 50_000) }));
      await store.apply(changesOf(far), at(1));
      const ids = (await store.reads.messages("g_one", { from: 1, to: 9, limit: 9, order: "ascending" })).map(
        ({ messageId }) => messageId,
      );
      for (const [index, messageId] of ids.entries())
        expect(await store.reads.messageById("g_one", messageId)).toMatchObject({
          ...{ coversTo: 4, message: { messageId, sequence: index + 1 }, reactions: [] },
        });
      expect(await store.reads.messageById("g_two", ids[0] ?? "")).toEqual({
        coversTo: 2,
        message: null,
        reactions: [],
      });
      expect(await store.reads.messageById("g_none", ids[0] ?? "")).toMatchObject({ coversTo: -1, message: null });
    });

    it("names fifty users of a reaction and counts them all; by id it names them all", async () => {
      const [sent] = changesOf(logOf([{ do: "send", in: "g_one", user: "alice", reply: false }])).filter(
        ({ view, kind }) => view === "messages" && kind === "insert",
      );
      const users = Array.from({ length: 60 }, (_, index) => `user-${index}`);
      const { emoji, digest } = emojiOf("👍");
      const there = users.map((userId, pos) =>
        assign("reactions", ["g_one", 1, digest, userId], { present: true, shown: sealedValue(emoji) }, pos),
      );
      const taken = assign("reactions", ["g_one", 1, digest, "user-0"], { present: false, shown: null }, 99);
      await store.apply([...(sent === undefined ? [] : [sent]), ...conversation("g_one", 1), taken, ...there], at(1));
      await store.apply([insert("conversations", ["g_one"], { startedPosition: 1 })], at(2));
      const [row] = await store.reads.messagesAt("g_one", [1]);
      const named = users.slice(1, 51).map((userId, index) => ({ userId, pos: index + 1, emoji }));
      expect(row?.reactions).toEqual([{ count: 59, users: named }]);
      const found = await store.reads.messageById("g_one", row?.messageId ?? "");
      expect(found.reactions).toHaveLength(59);
      expect(found.reactions).toContainEqual({ digest, userId: "user-59" });
    });

    it("a random log twice, backwards the second time, is the log once", async () => {
      const [sample = []] = fc.sample<readonly RecordedEvent[]>(logs, { seed, numRuns: 1 });
      const changes = changesOf(sample);
      await store.apply(changes, at(1));
      const once = await dumpViews(store.reads);
      await store.apply([...changes].reverse(), at(2));
      expect(await dumpViews(store.reads)).toEqual(once);
    });
  });
};

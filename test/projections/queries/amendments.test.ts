import { describe, expect, it } from "vitest";
import { messageIdOf } from "../../../src/domain/kernel/ids.js";
import type { ViewReads } from "../../../src/projections/ports/view-store.js";
import { historyQuery } from "../../../src/projections/queries/history.js";
import { inboxQuery } from "../../../src/projections/queries/inbox.js";
import { receiptsQuery } from "../../../src/projections/queries/receipts.js";
import { summaryQuery } from "../../../src/projections/queries/summary.js";
import { meQuery, userQuery } from "../../../src/projections/queries/users.js";
import { codeOf, right } from "../../kit/answers.js";
import { logOf } from "../../kit/arbitraries.js";
import { as, open, withLog } from "./queries-kit.js";
import { asPosition, noPosition } from "../../../src/domain/kernel/stream.js";

type User = "alice" | "bob" | "carol" | "dave";
type Where = "d_direct" | "g_one" | "g_two";
const send = (user: User, where: Where = "g_one") => ({ do: "send", in: where, user, reply: false }) as const;
const join = { do: "join", in: "g_one", users: ["carol"], all: false } as const;
const leave = { do: "leave", in: "g_one", user: "carol" } as const;
const read = (user: User, hidden = false) =>
  ({ do: "receipt", in: "g_one", user, share: 1, read: true, private: hidden }) as const;
const received = (user: User) => ({ do: "receipt", in: "g_one", user, share: 1, read: false }) as const;
const amend = (what: "edit" | "delete", user: User) => ({ do: what, in: "g_one", user, share: 1 }) as const;
const react = (user: User, emoji: string, remove = false) =>
  ({ do: "react", in: "g_one", user, share: 1, emoji, remove }) as const;
type Preferred = { pinned?: number | null; archived?: boolean; mutedUntil?: number | null };
const prefer = (where: Where, changes: Preferred) => ({ do: "prefer", in: where, user: "alice", changes }) as const;
const showReads = (user: User, readReceipts: boolean) =>
  ({ do: "profile", user, changes: { privacy: { lastSeen: "contacts", readReceipts } } }) as const;

/** The id of the `index`-th message of g_one, from 0. */
const idOf = (user: User, index: number) => messageIdOf("g_one", as(user), `m${index}`);

describe("what was done to messages, in history and previews", () => {
  /** Asked only for former members. */
  const source = { readStream: () => Promise.reject(new Error("the log was read")) };
  const newest = async (reads: ViewReads) =>
    right(await historyQuery({ source, reads, open })(as("bob"), "g_one", { limit: 1 })).messages[0];
  const state = async (reads: ViewReads) => right(await summaryQuery({ reads, open })(as("bob"), "g_one")).state;

  it("an edit shows its content and time, reactions their users", () =>
    withLog(
      [send("alice"), amend("edit", "alice"), react("bob", "🎉"), react("alice", "👍"), react("alice", "🎉")],
      async (reads) => {
        expect(await newest(reads)).toMatchObject({
          content: { type: "text", text: "alice edited 1" },
          editedAt: expect.any(Number) as number,
          updatedPos: 6,
          reactions: [
            { emoji: "🎉", count: 2, userIds: ["bob", "alice"] },
            { emoji: "👍", count: 1, userIds: ["alice"] },
          ],
        });
        expect((await state(reads)).lastMessage?.preview).toBe("alice edited 1");
      },
    ));

  it("reactions that were all taken back are not shown", () =>
    withLog([send("alice"), react("bob", "🎉"), react("bob", "🎉", true)], async (reads) => {
      expect(await newest(reads)).not.toHaveProperty("reactions");
    }));

  it("a deleted message keeps its row and nothing else, is not unread and has no preview", () =>
    withLog([send("alice"), send("alice"), react("bob", "🎉"), amend("delete", "alice")], async (reads) => {
      const row = await newest(reads);
      expect(row).toMatchObject({ sequence: 2, deletedAt: expect.any(Number) as number, updatedPos: 5 });
      for (const gone of ["content", "reactions", "editedAt"]) expect(row).not.toHaveProperty(gone);
      expect(await state(reads)).toMatchObject({ unread: 1, lastMessage: { sequence: 2, preview: "", deleted: true } });
    }));
});

describe("preferences", () => {
  const inboxOf = async (reads: ViewReads, page: { archived?: boolean; limit?: number; cursor?: string } = {}) => {
    const { conversations, nextCursor } = right(await inboxQuery({ reads, open })(as("alice"), { limit: 9, ...page }));
    return { ids: conversations.map(({ conversation }) => conversation.conversationId), conversations, nextCursor };
  };
  const all = [send("alice", "d_direct"), send("alice", "g_one"), send("alice", "g_two")];

  it("pinned first by rank, then by time, over pages too", () =>
    withLog([...all, prefer("d_direct", { pinned: 2 }), prefer("g_one", { pinned: 1 })], async (reads) => {
      expect((await inboxOf(reads)).ids).toEqual(["g_one", "d_direct", "g_two"]);
      const first = await inboxOf(reads, { limit: 1 });
      const second = await inboxOf(reads, { limit: 1, cursor: first.nextCursor ?? "" });
      const third = await inboxOf(reads, { limit: 1, cursor: second.nextCursor ?? "" });
      expect([first, second, third].flatMap(({ ids }) => ids)).toEqual(["g_one", "d_direct", "g_two"]);
      expect(third.nextCursor).toBeUndefined();
    }));

  it("taken back, last writer wins; a new message does not un-archive; without the filter all are there", () =>
    withLog(
      [
        ...[...all, prefer("d_direct", { pinned: 1, mutedUntil: 77 }), prefer("d_direct", { pinned: null })],
        ...[prefer("g_one", { archived: true }), send("bob", "g_one")],
      ],
      async (reads) => {
        expect((await inboxOf(reads)).ids).toEqual(["g_one", "g_two", "d_direct"]);
        expect((await inboxOf(reads, { archived: true })).ids).toEqual(["g_one"]);
        const shown = await inboxOf(reads, { archived: false });
        expect(shown.ids).toEqual(["g_two", "d_direct"]);
        expect(shown.conversations[1]?.state).toMatchObject({ pinned: null, archived: false, mutedUntil: 77 });
        const [touched] = await reads.touchedSince("alice", {
          ...{ touchedAfter: noPosition, order: "activity", limit: 1 },
        });
        expect(touched?.conversationId).toBe("g_one");
      },
    ));

  it("touch the conversation for sync, although nothing in it has changed", () =>
    withLog([...all, prefer("d_direct", { pinned: 1 })], async (reads) => {
      const since = async (touchedAfter: number) =>
        (
          await reads.touchedSince("alice", { touchedAfter: asPosition(touchedAfter), order: "activity", limit: 9 })
        ).map(({ conversationId }) => conversationId);
      const log = logOf([...all, prefer("d_direct", { pinned: 1 })]);
      expect(await since(log.length - 1)).toEqual(["d_direct"]);
      expect(await since(log.length)).toEqual([]);
    }));
});

describe("receipts of a message", () => {
  const receipts = async (reads: ViewReads, userId: string, messageId: string, page = {}) =>
    receiptsQuery({ reads })(as(userId), "g_one", messageId, { limit: 9, ...page });

  it("name the users who were members then, with times; page by page", () =>
    withLog([join, send("alice"), received("bob"), read("carol"), leave, read("bob")], async (reads) => {
      const answer = right(await receipts(reads, "alice", idOf("alice", 0)));
      expect(answer).toMatchObject({ sequence: 1, of: 2, delivered: 2, read: 2 });
      expect(answer.members).toEqual([
        { userId: "bob", deliveredAt: expect.any(Number) as number, readAt: expect.any(Number) as number },
        { userId: "carol", deliveredAt: expect.any(Number) as number, readAt: expect.any(Number) as number },
      ]);
      expect(answer.members[0]?.deliveredAt).toBeLessThan(answer.members[0]?.readAt ?? 0);
      const first = right(await receipts(reads, "alice", idOf("alice", 0), { limit: 1 }));
      const rest = right(await receipts(reads, "alice", idOf("alice", 0), { limit: 1, cursor: first.nextCursor }));
      expect([...first.members, ...rest.members]).toEqual(answer.members);
      expect(rest).not.toHaveProperty("nextCursor");
      expect(codeOf(await receipts(reads, "alice", idOf("alice", 0), { cursor: "e30" }))).toBe("INVALID_MESSAGE");
    }));

  it("a member who joins later has not received what was said before", () =>
    withLog([send("alice"), join, send("alice"), read("carol")], async (reads) => {
      expect(right(await receipts(reads, "alice", idOf("alice", 0)))).toMatchObject({ of: 1, delivered: 0 });
      expect(right(await receipts(reads, "alice", idOf("alice", 1)))).toMatchObject({ of: 2, delivered: 1, read: 1 });
    }));

  it("what is read in private is delivered to others and read for oneself", () =>
    withLog([send("alice"), read("bob", true)], async (reads) => {
      const answer = right(await receipts(reads, "alice", idOf("alice", 0)));
      expect(answer).toMatchObject({ of: 1, delivered: 1, read: 0 });
      expect(answer.members).toEqual([{ userId: "bob", deliveredAt: expect.any(Number) as number }]);
      const state = async (userId: string) => right(await summaryQuery({ reads, open })(as(userId), "g_one")).state;
      expect(await state("alice")).toMatchObject({ deliveredToAll: 1, readByAll: 0 });
      expect(await state("bob")).toMatchObject({ unread: 0, readUpTo: 1 });
    }));

  it("a user who shows no reads sees none", () =>
    withLog([send("alice"), read("bob"), showReads("alice", false)], async (reads) => {
      const answer = right(await receipts(reads, "alice", idOf("alice", 0)));
      expect(answer).toMatchObject({ of: 1, delivered: 1, read: 0 });
      expect(answer.members).toEqual([{ userId: "bob", deliveredAt: expect.any(Number) as number }]);
      const { state } = right(await summaryQuery({ reads, open })(as("alice"), "g_one"));
      expect(state).toMatchObject({ deliveredToAll: 1, readByAll: 0 });
    }));

  it("are the sender's; what one cannot see is not there; former members and strangers are told so", () =>
    withLog([send("alice"), join, send("carol"), leave], async (reads) => {
      expect(codeOf(await receipts(reads, "bob", idOf("alice", 0)))).toBe("FORBIDDEN");
      expect(codeOf(await receipts(reads, "alice", idOf("bob", 7)))).toBe("MESSAGE_NOT_FOUND");
      expect(codeOf(await receipts(reads, "carol", idOf("carol", 1)))).toBe("FORBIDDEN");
      expect(codeOf(await receipts(reads, "dave", idOf("alice", 0)))).toBe("CONVERSATION_NOT_FOUND");
    }));

  it("a member who could not see it is told that it is not there", () =>
    withLog([send("alice"), join], async (reads) => {
      expect(codeOf(await receipts(reads, "carol", idOf("alice", 0)))).toBe("MESSAGE_NOT_FOUND");
    }));
});

describe("people", () => {
  const register = (device: string) => ({ do: "register", user: "alice", device, mobile: true }) as const;

  it("have a name, privacy and the devices that were not removed", () =>
    withLog(
      [
        ...[register("phone"), register("laptop"), { do: "removeDevice", user: "alice", device: "phone" } as const],
        ...[showReads("alice", false), { do: "profile", user: "alice", changes: { displayName: "Alice" } } as const],
      ],
      async (reads) => {
        const me = right(await meQuery({ reads, open })(as("alice")));
        expect(me).toMatchObject({ displayName: "Alice", privacy: { lastSeen: "contacts", readReceipts: false } });
        expect(me.devices.map(({ deviceId }) => deviceId)).toEqual(["laptop"]);
        expect(right(await userQuery({ reads, open })("alice"))).toEqual({ userId: "alice", displayName: "Alice" });
      },
    ));

  it("a removed device that is registered again is there again", () =>
    withLog(
      [register("phone"), { do: "removeDevice", user: "alice", device: "phone" }, register("phone")],
      async (reads) => {
        expect(right(await meQuery({ reads, open })(as("alice"))).devices).toMatchObject([
          { deviceId: "phone", current: true },
        ]);
      },
    ));
});

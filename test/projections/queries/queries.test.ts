import { describe, expect, it } from "vitest";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { defaultSettings } from "../../../src/domain/conversation/conversation.events.js";
import type { OpenContent } from "../../../src/projections/ports/open-content.js";
import type { ViewReads } from "../../../src/projections/ports/view-store.js";
import { historyQuery } from "../../../src/projections/queries/history.js";
import { inboxQuery } from "../../../src/projections/queries/inbox.js";
import { membersQuery } from "../../../src/projections/queries/members.js";
import { previewOf } from "../../../src/projections/queries/preview.js";
import { summaryQuery } from "../../../src/projections/queries/summary.js";
import { meQuery, userQuery } from "../../../src/projections/queries/users.js";
import { project } from "../../../src/projections/registry.js";
import { codeOf, right } from "../../kit/answers.js";
import { logOf } from "../../kit/arbitraries.js";
import { withCoreStore } from "../../kit/sqlite-views.js";
import { as, open, withLog, type Wishes } from "./queries-kit.js";
import { asPosition } from "../../../src/domain/kernel/stream.js";

const send = (user: "alice" | "bob" | "carol", where: "d_direct" | "g_one" | "g_two" = "g_one") =>
  ({ do: "send", in: where, user, reply: false }) as const;
const join = (all: boolean) => ({ do: "join", in: "g_one", users: ["carol"], all }) as const;
const leave = { do: "leave", in: "g_one", user: "carol" } as const;

describe("history", () => {
  /** Asked only for former members to whose messages something was done since. */
  const source = { readStream: () => Promise.reject(new Error("the log was read")) };
  // Sequences: alice 1–3, carol joins (without, then with what was before), 4–5, carol leaves, 6–7, carol is back, 8.
  const story = (all: boolean): Wishes => [
    ...[send("alice"), send("alice"), send("alice"), join(false), send("carol"), send("alice"), leave],
    ...[send("alice"), send("bob"), join(all), send("alice")],
  ];
  const pages = async (reads: ViewReads, userId: string, page: { before?: number; after?: number; limit: number }) => {
    const { messages, hasMore, nextCursor } = right(
      await historyQuery({ source, reads, open })(as(userId), "g_one", page),
    );
    return { sequences: messages.map(({ sequence }) => sequence), hasMore, nextCursor };
  };

  it("pages both ways, ascending within a page, the newest by default", () =>
    withLog(story(false), async (reads) => {
      const page = (bounds: { before?: number; after?: number }, limit = 3) =>
        pages(reads, "alice", { ...bounds, limit });
      expect(await page({})).toEqual({ sequences: [6, 7, 8], hasMore: true, nextCursor: "6" });
      expect(await page({ before: 6 })).toEqual({ sequences: [3, 4, 5], hasMore: true, nextCursor: "3" });
      expect(await page({ before: 3 })).toEqual({ sequences: [1, 2], hasMore: false, nextCursor: undefined });
      expect(await page({ after: 0 })).toEqual({ sequences: [1, 2, 3], hasMore: true, nextCursor: "3" });
      expect(await page({ after: 5 })).toEqual({ sequences: [6, 7, 8], hasMore: false, nextCursor: undefined });
      expect(await page({ after: 8 })).toEqual({ sequences: [], hasMore: false, nextCursor: undefined });
    }));

  it("shows nobody what was said while they were away, unless their return showed them all", async () => {
    await withLog(story(false), async (reads) => {
      expect((await pages(reads, "carol", { limit: 50 })).sequences).toEqual([4, 5, 8]);
      expect(await pages(reads, "carol", { limit: 2 })).toMatchObject({ sequences: [5, 8], hasMore: true });
      expect(await pages(reads, "carol", { after: 4, limit: 1 })).toMatchObject({ sequences: [5], hasMore: true });
    });
    await withLog(story(true), async (reads) => {
      expect((await pages(reads, "carol", { limit: 50 })).sequences).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });
  });

  it("a former member reads what was visible; summary and members are closed to them, all to strangers", () =>
    withLog([send("alice"), join(false), send("bob"), leave, send("alice")], async (reads) => {
      expect((await pages(reads, "carol", { limit: 50 })).sequences).toEqual([2]);
      expect(codeOf(await summaryQuery({ reads, open })(as("carol"), "g_one"))).toBe("FORBIDDEN");
      expect(codeOf(await membersQuery({ reads })(as("carol"), "g_one", { limit: 5 }))).toBe("FORBIDDEN");
      for (const answer of [
        await historyQuery({ source, reads, open })(as("dave"), "g_one", { limit: 5 }),
        await summaryQuery({ reads, open })(as("dave"), "g_one"),
        await membersQuery({ reads })(as("dave"), "g_one", { limit: 5 }),
      ])
        expect(codeOf(answer)).toBe("CONVERSATION_NOT_FOUND");
      expect(right(await inboxQuery({ reads, open })(as("carol"), { limit: 5 })).conversations).toEqual([]);
    }));

  it("tells the client's key to its user alone; what cannot be opened stays as a deleted row", () =>
    withLog([send("alice"), send("bob")], async (reads) => {
      const { messages } = right(await historyQuery({ source, reads, open })(as("alice"), "g_one", { limit: 5 }));
      expect(messages.map(({ clientMessageId }) => clientMessageId)).toEqual(["m0", undefined]);
      expect(messages[0]).toMatchObject({ content: { type: "text", text: "alice m0" }, senderDeviceId: "phone" });
      const gone = historyQuery({ source, reads, open: () => Promise.resolve(null) });
      const [erased] = right(await gone(as("alice"), "g_one", { limit: 5 })).messages;
      expect(erased).toMatchObject({ sequence: 1, deletedAt: expect.any(Number) as number });
      expect(erased).not.toHaveProperty("content");
    }));

  it("not before and after at once", () =>
    withLog([send("alice")], async (reads) => {
      const answer = await historyQuery({ source, reads, open })(as("alice"), "g_one", {
        before: 5,
        after: 1,
        limit: 5,
      });
      expect(answer).toMatchObject({ left: { code: "INVALID_MESSAGE", details: [{ field: "after" }] } });
    }));
});

describe("inbox, summary, members", () => {
  it("pages the inbox by cursor and refuses a cursor that is none", () =>
    withLog([send("alice", "g_two"), send("bob"), send("alice", "d_direct")], async (reads) => {
      const inbox = inboxQuery({ reads, open });
      const first = right(await inbox(as("alice"), { limit: 2 }));
      expect(first.conversations.map(({ conversation }) => conversation.conversationId)).toEqual(["d_direct", "g_one"]);
      const rest = right(await inbox(as("alice"), { limit: 2, cursor: first.nextCursor ?? "" }));
      expect(rest.conversations.map(({ conversation }) => conversation.conversationId)).toEqual(["g_two"]);
      expect(rest).not.toHaveProperty("nextCursor");
      for (const cursor of ["", "nonsense", Buffer.from("{}").toString("base64url"), "bnVsbA"])
        expect(await inbox(as("alice"), { limit: 2, cursor })).toMatchObject({
          left: { code: "INVALID_MESSAGE", details: [{ field: "cursor" }] },
        });
    }));

  it("a summary is the protocol's, with what is not set left out", () =>
    withLog([send("alice", "d_direct"), send("bob", "d_direct")], async (reads) => {
      const { conversation, state } = right(await summaryQuery({ reads, open })(as("alice"), "d_direct"));
      expect(conversation).toEqual({
        conversationId: "d_direct",
        type: "direct",
        settings: expect.objectContaining({ historyVisibility: "since_join" }) as object,
        createdBy: "alice",
        createdAt: 1,
        memberCount: 2,
        myRole: "member",
        peerId: "bob",
        lastSequence: 2,
        pos: 3,
      });
      expect(state).toMatchObject({ unread: 1, readUpTo: 0, pinned: null, archived: false, mutedUntil: null });
      expect(state).toMatchObject({ deliveredToAll: 0, readByAll: 0 });
      expect(state.lastMessage).toMatchObject({ sequence: 2, senderId: "bob", type: "text", preview: "bob m1" });
    }));

  it("a last message that is gone has no preview", () =>
    withLog([send("alice")], async (reads) => {
      const summary = summaryQuery({ reads, open: () => Promise.resolve(null) });
      const { state } = right(await summary(as("bob"), "g_one"));
      expect(state.lastMessage).toMatchObject({ sequence: 1, preview: "", deleted: true });
    }));

  it("members by page; roles in groups only", () =>
    withLog([join(false), send("alice", "d_direct")], async (reads) => {
      const members = membersQuery({ reads });
      const first = right(await members(as("alice"), "g_one", { limit: 2 }));
      expect(first.members.map(({ userId, role }) => [userId, role])).toEqual([
        ["alice", "member"],
        ["bob", "member"],
      ]);
      const rest = right(await members(as("alice"), "g_one", { limit: 2, cursor: first.nextCursor ?? "" }));
      expect(rest.members.map(({ userId }) => userId)).toEqual(["carol"]);
      expect(rest.nextCursor).toBeUndefined();
      const direct = right(await members(as("alice"), "d_direct", { limit: 5 }));
      expect(direct.members.every((member) => !("role" in member))).toBe(true);
      expect(codeOf(await members(as("alice"), "g_one", { limit: 2, cursor: "e30" }))).toBe("INVALID_MESSAGE");
    }));

  it("users and their devices", () =>
    withLog(
      [
        { do: "register", user: "alice", device: "phone", mobile: false },
        { do: "register", user: "alice", device: "laptop", mobile: false },
        { do: "register", user: "alice", device: "phone", mobile: true },
      ],
      async (reads) => {
        expect(right(await meQuery({ reads, open })(as("alice")))).toEqual({
          userId: "alice",
          privacy: { lastSeen: "contacts", readReceipts: true },
          devices: [
            { deviceId: "laptop", deviceType: "desktop", lastSeen: 1_006 },
            { deviceId: "phone", deviceType: "mobile", lastSeen: 1_007, current: true },
          ],
          blocks: [],
        });
        expect(right(await userQuery({ reads, open })("bob"))).toEqual({ userId: "bob" });
        expect(codeOf(await userQuery({ reads, open })("nobody"))).toBe("USER_NOT_FOUND");
      },
    ));
});

describe("previews", () => {
  it("are at most 120 code points, never half of one", () => {
    const text = (value: string) => previewOf("text", JSON.stringify({ type: "text", text: value }));
    expect(text("x".repeat(120))).toBe("x".repeat(120));
    expect(text(`${"x".repeat(119)}🙂🙂`)).toBe(`${"x".repeat(119)}🙂`);
    expect(text("🙂".repeat(500))).toBe("🙂".repeat(120));
  });
  it("of other kinds are their label or caption, of end-to-end content nothing", () => {
    expect(previewOf("location", '{"type":"location","latitude":1,"longitude":2,"label":"Here"}')).toBe("Here");
    expect(previewOf("location", '{"type":"location","latitude":1,"longitude":2}')).toBe("");
    expect(previewOf("image", '{"type":"image","mediaId":"m_1","caption":"Look"}')).toBe("Look");
    expect(previewOf("encrypted", '{"type":"encrypted","ciphertext":"YQ=="}')).toBe("");
  });
});

describe("what people and conversations are called", () => {
  const story: Wishes = [
    { do: "rename", in: "g_one", name: "Friends", settings: defaultSettings },
    { do: "profile", user: "alice", changes: { displayName: "Alice" } },
  ];
  const gone: OpenContent = () => Promise.resolve(null);

  it.each([
    ["sealed", 0],
    ["in plain text by the version before", story.length],
  ])("is opened where the answer is made, and absent where the key is gone: %s", async (_, before) => {
    const changes = logOf(story, before).flatMap((recorded) => project(decodeEvent(recorded), recorded));
    await withCoreStore(async (store) => {
      await store.apply(changes, { position: asPosition(1), epoch: "e" });
      const { reads } = store;
      const shown = async (opener: OpenContent) => {
        const { conversation } = right(await summaryQuery({ reads, open: opener })(as("bob"), "g_one"));
        const { conversations } = right(await inboxQuery({ reads, open: opener })(as("bob"), { limit: 9 }));
        const user = right(await userQuery({ reads, open: opener })("alice"));
        const me = right(await meQuery({ reads, open: opener })(as("alice")));
        return [conversation.name, conversations[0]?.conversation.name, user.displayName, me.displayName];
      };
      expect(await shown(open)).toEqual(["Friends", "Friends", "Alice", "Alice"]);
      expect(await shown(gone)).toEqual([undefined, undefined, undefined, undefined]);
      expect(right(await userQuery({ reads, open: gone })("alice"))).not.toHaveProperty("displayName");
    });
  });

  it("is opened as what it is: a name as its conversation's name, a display name as its user's", () =>
    withLog(story, async (reads) => {
      const contexts: string[] = [];
      const noting: OpenContent = (context, { data }) => {
        contexts.push(context);
        return Promise.resolve(data);
      };
      await summaryQuery({ reads, open: noting })(as("bob"), "g_one");
      await userQuery({ reads, open: noting })("alice");
      expect(contexts).toEqual(["g_one/name", "alice/displayName"]);
    }));
});

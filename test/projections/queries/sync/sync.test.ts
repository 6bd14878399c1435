import { describe, expect, it } from "vitest";
import type { SyncRequest, SyncResult } from "../../../../src/projections/queries/queries.js";
import { E } from "../../../../src/domain/kernel/fp.js";
import {
  by,
  sideForAll,
  right,
  send,
  startDirect,
  startGroup,
  syncOf,
  textContent,
  type ReadSide,
} from "../../delivery/delivery-kit.js";
import { asPosition, asRevision } from "../../../../src/domain/kernel/stream.js";

/** PROTOCOL §7 on the real log and views. Each test has users of its own, so all share one log. */
let side: ReadSide;
sideForAll((opened) => (side = opened));

const sync = async (userId: string, request: SyncRequest = {}): Promise<SyncResult> =>
  right(await syncOf(side, { userId, deviceId: "phone" }, request));
const tokenOf = async (userId: string): Promise<string> => (await sync(userId)).token ?? "";
const code = async (userId: string, request: SyncRequest) => {
  const answer = await syncOf(side, { userId, deviceId: "phone" }, request);
  return E.isLeft(answer) ? answer.left.code : "none";
};
const entry = (result: SyncResult, conversationId: string) => {
  const found = result.conversations.find((each) => each.conversationId === conversationId);
  if (found === undefined) throw new Error(`no entry for ${conversationId}`);
  return found;
};
const posOf = (result: SyncResult, conversationId: string) =>
  entry(result, conversationId).changes.map(({ payload }) => payload.pos);
const newIds = (result: SyncResult) => result.newConversations.map(({ conversation }) => conversation.conversationId);

let serial = 0;
const fresh = (name: string) => `${name}${serial++}`;

describe("changes", () => {
  it("−1 is from the start of what is visible; the same frames as live, message.updated among them", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [bob]);
    const { messageId } = await send(side, conversationId, alice, "one");
    right(await side.commands.editMessage({ conversationId, messageId, ...textContent("two") }, by(alice)));
    right(await side.commands.addReaction({ conversationId, messageId, emoji: "x" }, by(bob)));
    const result = await sync(bob, { cursors: { [conversationId]: -1 } });
    expect(entry(result, conversationId)).toMatchObject({
      pos: 4,
      hasMore: false,
      reset: false,
      changes: [
        { type: "conversation.created", payload: { pos: 1 } },
        // A function of the change: what was sent, and then what it was edited to.
        { type: "message.new", payload: { pos: 2, content: { text: "one" } } },
        { type: "message.updated", payload: { pos: 3, content: { text: "two" } } },
        { type: "message.updated", payload: { pos: 4, reaction: { emoji: "x", userId: bob } } },
      ],
    });
    expect(newIds(result)).toEqual([]);
    expect(posOf(await sync(bob, { cursors: { [conversationId]: 2 } }), conversationId)).toEqual([3, 4]);
  });

  it("deleted content is in no byte of any answer, however the message was changed before", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [bob]);
    const token = await tokenOf(bob);
    const { messageId } = await send(side, conversationId, alice, "SECRET one");
    right(await side.commands.editMessage({ conversationId, messageId, ...textContent("SECRET two") }, by(alice)));
    right(await side.commands.addReaction({ conversationId, messageId, emoji: "x" }, by(bob)));
    right(await side.commands.deleteMessage({ conversationId, messageId }, by(alice)));
    for (const request of [
      { token },
      { cursors: { [conversationId]: -1 } },
      { cursors: { [conversationId]: 1 } },
      {},
    ]) {
      const result = await sync(bob, request);
      expect(JSON.stringify(result)).not.toContain("SECRET");
      for (const { type, payload } of result.conversations.flatMap(({ changes }) => changes))
        if (type.startsWith("message.")) {
          expect(payload).toHaveProperty("deletedAt");
          expect(payload).not.toHaveProperty("content");
        }
    }
    expect(posOf(await sync(bob, { token }), conversationId)).toEqual([2, 3, 4, 5]);
  });

  it("limit and hasMore: the rest is asked with the entry's pos; 1,000 changes and 256 KiB an answer", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const ids = [await startGroup(side, alice, [bob]), await startGroup(side, alice, [bob])] as const;
    const token = await tokenOf(bob);
    for (const id of ids)
      await Promise.all(Array.from({ length: 700 }, (_, index) => send(side, id, alice, `${index}`)));
    const limited = await sync(bob, { token, limit: 10 });
    for (const id of ids) expect(entry(limited, id)).toMatchObject({ hasMore: true, pos: 11 });
    const first = await sync(bob, { token, limit: 1_000 });
    expect(first.conversations.flatMap(({ changes }) => changes).length).toBeLessThanOrEqual(1_000);
    const seen = new Map<string, unknown[]>(ids.map((id) => [id, []]));
    let request: SyncRequest = { token, limit: 1_000 };
    for (let page = 0; page < 20; page++) {
      const result = await sync(bob, request);
      expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThanOrEqual(256 * 1024);
      const cursors: Record<string, number> = {};
      for (const { conversationId, changes, pos, hasMore } of result.conversations) {
        seen.get(conversationId)?.push(...changes.map(({ payload }) => payload.pos));
        if (hasMore) cursors[conversationId] = pos;
      }
      if (result.next !== undefined) request = { ...request, next: result.next };
      else if (Object.keys(cursors).length > 0) request = { cursors, only: true, limit: 1_000 };
      else break;
      // Entries that were cut short within the pages are asked for once the pages are through.
      if (result.next !== undefined && Object.keys(cursors).length > 0) {
        const rest = await sync(bob, { cursors, only: true, limit: 1_000 });
        for (const { conversationId, changes, hasMore } of rest.conversations) {
          seen.get(conversationId)?.push(...changes.map(({ payload }) => payload.pos));
          expect(hasMore).toBe(false);
        }
      }
    }
    for (const id of ids) expect(seen.get(id)).toEqual(Array.from({ length: 700 }, (_, index) => 2 + index));
  });

  it("an answer stays below 256 KiB where messages are large, and each page gets on", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [bob]);
    const large = "ü".repeat(7_000);
    await Promise.all(Array.from({ length: 40 }, () => send(side, conversationId, alice, large)));
    const seen: unknown[] = [];
    for (let pos = 1, more = true, pages = 0; more; pages++) {
      expect(pages).toBeLessThan(10);
      const result = await sync(bob, { cursors: { [conversationId]: pos }, limit: 1_000 });
      expect(Buffer.byteLength(JSON.stringify(result))).toBeLessThanOrEqual(256 * 1024);
      const found = entry(result, conversationId);
      seen.push(...found.changes.map(({ payload }) => payload.pos));
      ({ pos, hasMore: more } = found);
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, index) => 2 + index));
  });
});

describe("tokens", () => {
  it("leave out what is untouched; preferences or receipts alone make an entry without changes", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [bob]);
    const other = await startDirect(side, alice, bob);
    await send(side, conversationId, alice, "hi");
    let token = await tokenOf(bob);
    expect((await sync(bob, { token })).conversations).toEqual([]);
    right(await side.commands.registerDevice({}, by(bob)));
    right(await side.commands.changePreferences({ conversationId, pinned: 3, archived: true }, by(bob)));
    const preferred = await sync(bob, { token });
    expect(preferred.conversations).toMatchObject([
      { conversationId, changes: [], pos: 2, hasMore: false, state: { pinned: 3, archived: true } },
    ]);
    token = preferred.token ?? "";
    right(await side.commands.advanceReceipts({ conversationId, readUpTo: 1 }, by(bob)));
    const read = await sync(bob, { token });
    expect(read.conversations).toMatchObject([{ conversationId, changes: [], state: { readUpTo: 1, unread: 0 } }]);
    expect((await sync(alice, { token: await tokenOf(alice) })).conversations).toEqual([]);
    // Named ones always have an entry; `only` has nothing else, and no token.
    const named = await sync(bob, { token: read.token ?? "", cursors: { [other]: 1 } });
    expect(named.conversations).toMatchObject([{ conversationId: other, changes: [], pos: 1 }]);
    const only = await sync(bob, { cursors: { [other]: 0 }, only: true });
    expect([only.conversations.map((each) => each.conversationId), only.newConversations]).toEqual([[other], []]);
    expect(only.token).toBeUndefined();
  });

  it("of another incarnation, another user, beyond the head or nonsense are a reset: a first sync's answer", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [bob]);
    const token = await tokenOf(bob);
    const forged = (change: object) => {
      const decoded = JSON.parse(Buffer.from(token, "base64url").toString()) as object;
      return Buffer.from(JSON.stringify({ ...decoded, ...change })).toString("base64url");
    };
    expect(await sync(bob, { token, epoch: side.epoch })).toMatchObject({ reset: false });
    for (const request of [
      { token, epoch: "another" },
      { token: await tokenOf(alice) },
      { token: forged({ epoch: "another" }) },
      { token: forged({ position: asPosition(1e9) }) },
      { token: "nonsense", cursors: { [conversationId]: 1 }, only: true },
      { token: "" },
    ]) {
      const result = await sync(bob, request);
      expect(result).toMatchObject({ reset: true, conversations: [], left: [], token: expect.any(String) as string });
      expect(newIds(result)).toEqual([conversationId]);
    }
  });

  it("a next that is not the server's is INVALID_MESSAGE", async () => {
    const bob = fresh("bob");
    for (const next of ["", "nonsense", await tokenOf(bob)]) expect(await code(bob, { next })).toBe("INVALID_MESSAGE");
  });
});

describe("resets of an entry", () => {
  it("a cursor beyond the head, and more than 5,000 behind", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [bob]);
    const token = await tokenOf(bob);
    await Promise.all(Array.from({ length: 5_001 }, (_, index) => send(side, conversationId, alice, `${index}`)));
    const head = 5_002;
    const reset = { changes: [], pos: asRevision(head), hasMore: false, reset: true };
    const at = async (pos: number) => entry(await sync(bob, { cursors: { [conversationId]: pos } }), conversationId);
    expect(await at(head + 1)).toMatchObject(reset);
    expect(await at(1)).toMatchObject(reset);
    expect(await at(2)).toMatchObject({ reset: false, hasMore: true, pos: 102 });
    expect(await at(head)).toMatchObject({ reset: false, changes: [], pos: head });
    expect(entry(await sync(bob, { token }), conversationId)).toMatchObject(reset);
  });
});

describe("coming and going", () => {
  it("joined since, and again, is new; left since is left, with an entry up to the own leaving", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [bob]);
    await send(side, conversationId, alice, "seen");
    const before = await tokenOf(bob);
    right(await side.commands.leaveConversation({ conversationId, userId: bob }, by(alice)));
    await send(side, conversationId, alice, "SECRET while away");
    const gone = await sync(bob, { token: before });
    expect(gone.left).toEqual([conversationId]);
    expect(entry(gone, conversationId)).toMatchObject({ pos: 3, changes: [{ type: "member.left" }], hasMore: false });
    expect(newIds(gone)).toEqual([]);
    const named = await sync(bob, { cursors: { [conversationId]: 1 }, only: true });
    expect([named.left, posOf(named, conversationId)]).toEqual([[conversationId], [2, 3]]);
    // Nothing of a conversation that was left before the token.
    await send(side, conversationId, alice, "SECRET later");
    expect(await sync(bob, { token: gone.token ?? "" })).toMatchObject({ conversations: [], left: [] });
    expect(newIds(await sync(bob))).toEqual([]);
    right(await side.commands.joinMembers({ conversationId, userIds: [bob] }, by(alice)));
    const { messageId } = await send(side, conversationId, alice, "back");
    for (const token of [before, gone.token ?? ""]) {
      const back = await sync(bob, { token });
      expect([newIds(back), back.left, back.conversations]).toEqual([[conversationId], [], []]);
    }
    // Across both memberships: what happened meanwhile has its place, and no content.
    right(await side.commands.addReaction({ conversationId, messageId, emoji: "x" }, by(bob)));
    const all = await sync(bob, { cursors: { [conversationId]: -1 } });
    expect(posOf(all, conversationId)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(JSON.stringify(all)).not.toContain("SECRET");
    const shown = entry(all, conversationId).changes.map(({ payload }) => "content" in payload);
    expect(shown).toEqual([false, true, false, false, false, false, true, false]);
  });

  it("edits and reactions of what a newcomer may not see come without content and reaction", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, []);
    const { messageId } = await send(side, conversationId, alice, "SECRET");
    right(await side.commands.joinMembers({ conversationId, userIds: [bob] }, by(alice)));
    right(await side.commands.editMessage({ conversationId, messageId, ...textContent("SECRET 2") }, by(alice)));
    right(await side.commands.addReaction({ conversationId, messageId, emoji: "x" }, by(alice)));
    const result = await sync(bob, { cursors: { [conversationId]: -1 } });
    expect(posOf(result, conversationId)).toEqual([3, 4, 5]);
    expect(JSON.stringify(result)).not.toContain("SECRET");
    expect(entry(result, conversationId).changes[2]?.payload).not.toHaveProperty("reaction");
  });

  it("with the whole history in sight, −1 starts at its beginning", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const conversationId = await startGroup(side, alice, [], true);
    await send(side, conversationId, alice, "before");
    right(await side.commands.joinMembers({ conversationId, userIds: [bob] }, by(alice)));
    const result = await sync(bob, { cursors: { [conversationId]: -1 } });
    expect(entry(result, conversationId).changes).toMatchObject([
      { type: "message.new", payload: { pos: 2, content: { text: "before" } } },
      { type: "conversation.created", payload: { pos: 3 } },
    ]);
  });

  it("ids never joined are left, without entry, whether they exist or not", async () => {
    const [alice, eve] = [fresh("alice"), fresh("eve")];
    const conversationId = await startGroup(side, alice, []);
    const result = await sync(eve, { cursors: { [conversationId]: -1, g_none: 5 } });
    expect(result.left.toSorted()).toEqual([conversationId, "g_none"].toSorted());
    expect(result).toMatchObject({ conversations: [], newConversations: [] });
  });
});

describe("pages", () => {
  it("over more than 200 conversations: each once, latest activity first, whatever happens between the pages", async () => {
    const [alice, bob] = [fresh("alice"), fresh("bob")];
    const ids = await Promise.all(Array.from({ length: 450 }, () => startGroup(side, alice, [bob])));
    const pages: SyncResult[] = [];
    const later: string[] = [];
    let request: SyncRequest = {};
    for (;;) {
      const page = await sync(bob, request);
      pages.push(page);
      expect(page.newConversations.length).toBeLessThanOrEqual(200);
      expect(page.token === undefined).toBe(page.next !== undefined);
      if (page.next === undefined) break;
      request = { next: page.next };
      if (pages.length > 10) throw new Error("the pages have no end");
      // Conversations from all over the list move to its top, and a new one comes.
      for (const id of [ids[3], ids[200], ids[449]]) if (id !== undefined) await send(side, id, alice, "meanwhile");
      if (pages.length === 1) later.push(await startGroup(side, alice, [bob]));
    }
    const seen = pages.flatMap(newIds);
    expect(pages.length).toBeGreaterThanOrEqual(3);
    expect(new Set(seen)).toEqual(new Set([...ids, ...later]));
    // A conversation that moved may come twice, and what it moved by is after the token: nothing is lost.
    const missed = await sync(bob, { token: pages.at(-1)?.token ?? "" });
    const touched = new Set([...missed.conversations.map((each) => each.conversationId), ...newIds(missed)]);
    for (const id of [ids[3], ids[200], ids[449], later[0]]) expect(touched).toContain(id);
    const firstPage = pages[0]?.newConversations.map(({ conversation }) => conversation.createdAt) ?? [];
    expect(firstPage.length).toBeGreaterThan(100);
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isNowhere, openPlace, type Place } from "../kit/place.js";
import { outcomeOf, text, wireDevice, type Frame, type Payload, type WireDevice } from "../kit/wire.js";

type Entry = { conversationId: string; changes: readonly Frame[]; pos: number; hasMore: boolean; state: Payload };

describe.skipIf(isNowhere)("messages after they were sent", () => {
  let server: Place;
  let phone: WireDevice;
  let laptop: WireDevice;
  let bob: WireDevice;
  let direct = "";
  let sent = 0;

  beforeAll(async () => {
    server = await openPlace();
    phone = await wireDevice(server, "alice", "phone");
    laptop = await wireDevice(server, "alice", "laptop");
    bob = await wireDevice(server, "bob", "phone");
    const { body } = await phone.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
    direct = body.conversationId as string;
  });
  afterAll(() => server.dispose());

  const everyone = () => [phone, laptop, bob];
  const say = async (
    device: WireDevice,
    conversationId: string,
    value: string,
    more: object = {},
  ): Promise<Payload> => {
    const clientMessageId = `m${++sent}`;
    const request = { conversationId, clientMessageId, content: text(value), ...more };
    const answer = await device.ask("message.send", request);
    expect(answer, JSON.stringify(answer.payload)).toMatchObject({ type: "message.ack" });
    return answer.payload;
  };
  /** Asks, expects an ack with a pos, and every device to get the frame of that pos. */
  const changeBy = async (
    device: WireDevice,
    type: string,
    payload: Payload & { readonly conversationId: string },
    receivers: readonly WireDevice[] = everyone(),
  ): Promise<Payload> => {
    const answer = await device.ask(type, payload);
    const { conversationId } = payload;
    expect(answer).toMatchObject({ type: "ack", payload: { conversationId, pos: expect.any(Number) as number } });
    const frames = await Promise.all(
      receivers.map((each) => each.frame("message.updated", { conversationId, pos: answer.payload.pos })),
    );
    for (const frame of frames) expect(frame).toEqual(frames[0]);
    return frames[0]?.payload ?? {};
  };
  const entryOf = async (device: WireDevice, conversationId: string, pos: number): Promise<Entry> => {
    const body = { cursors: { [conversationId]: pos }, only: true, limit: 1_000 };
    const { payload } = await device.ask("sync", body);
    const [entry] = payload.conversations as readonly Entry[];
    if (entry === undefined) throw new Error("sync has no entry");
    return entry;
  };
  /** After a sync, which waits for the views, what a read says is no older. */
  const rowsOf = async (device: WireDevice, conversationId: string): Promise<readonly Payload[]> => {
    await device.rest("POST /sync", {});
    const { body } = await device.rest(`GET /conversations/${conversationId}/messages?limit=200`);
    return body.messages as readonly Payload[];
  };
  const rowOf = async (device: WireDevice, conversationId: string, messageId: unknown) =>
    (await rowsOf(device, conversationId)).find((row) => row.messageId === messageId);
  const stateOf = async (device: WireDevice, conversationId: string): Promise<Payload> => {
    await device.rest("POST /sync", {});
    return (await device.rest(`GET /conversations/${conversationId}`)).body.state as Payload;
  };
  const groupWith = async (participantIds: readonly string[], more: object = {}): Promise<string> =>
    (await phone.rest("POST /groups", { name: "Group", participantIds, ...more })).body.conversationId as string;

  it("an edit is a frame for every device, an ack with its pos, and in history, preview and sync", async () => {
    const { messageId, sequence, pos } = await say(phone, direct, "frist");
    const about = { conversationId: direct, messageId };
    const frame = await changeBy(phone, "message.edit", { ...about, content: text("first") });
    expect(frame).toMatchObject({ ...about, sequence, by: "alice", content: text("first") });
    expect(frame.editedAt).toBe(frame.timestamp);
    expect(Object.keys(frame).toSorted()).toEqual(
      ["by", "content", "conversationId", "editedAt", "messageId", "pos", "sequence", "timestamp"].toSorted(),
    );
    for (const device of everyone())
      expect(await rowOf(device, direct, messageId)).toMatchObject({
        content: text("first"),
        editedAt: frame.editedAt,
        pos,
        updatedPos: frame.pos,
      });
    expect((await stateOf(bob, direct)).lastMessage).toMatchObject({ messageId, preview: "first" });
    expect((await entryOf(bob, direct, pos as number)).changes).toContainEqual({
      type: "message.updated",
      payload: frame,
    });
  });

  it("an edit that changes nothing, of another type, or of an unknown message", async () => {
    const { messageId } = await say(phone, direct, "same");
    const about = { conversationId: direct, messageId };
    expect(await phone.ask("message.edit", { ...about, content: text("same") })).toMatchObject({ type: "ack" });
    await changeBy(phone, "message.edit", { ...about, content: text("other") });
    const again = await phone.ask("message.edit", { ...about, content: text("other") });
    expect(again).toMatchObject({ type: "ack", payload: { conversationId: direct } });
    expect(again.payload).not.toHaveProperty("pos");
    const location = { type: "location", latitude: 1, longitude: 2 };
    expect(outcomeOf(await phone.ask("message.edit", { ...about, content: location }))).toBe("INVALID_MESSAGE");
    const unknown = { ...about, messageId: "00000000-0000-4000-8000-000000000000" };
    expect(outcomeOf(await phone.ask("message.edit", { ...unknown, content: text("x") }))).toBe("MESSAGE_NOT_FOUND");
  });

  it("reactions: frames, counts, repeats without pos, taking back", async () => {
    const { messageId } = await say(bob, direct, "react to me");
    const about = { conversationId: direct, messageId };
    const added = await changeBy(phone, "reaction.add", { ...about, emoji: "👍" });
    expect(added.reaction).toEqual({ emoji: "👍", userId: "alice" });
    expect(added).not.toHaveProperty("content");
    await changeBy(bob, "reaction.add", { ...about, emoji: "👍" });
    await changeBy(bob, "reaction.add", { ...about, emoji: "🎉" });
    const repeat = await laptop.ask("reaction.add", { ...about, emoji: "👍" });
    expect(repeat.payload).toEqual({ conversationId: direct });
    for (const device of everyone())
      expect((await rowOf(device, direct, messageId))?.reactions).toEqual([
        { emoji: "👍", count: 2, userIds: ["alice", "bob"] },
        { emoji: "🎉", count: 1, userIds: ["bob"] },
      ]);
    const removed = await changeBy(laptop, "reaction.remove", { ...about, emoji: "👍" });
    expect(removed.reaction).toEqual({ emoji: "👍", userId: "alice", removed: true });
    const nothing = await phone.ask("reaction.remove", { ...about, emoji: "👍" });
    expect(nothing.payload).toEqual({ conversationId: direct });
    expect((await rowOf(bob, direct, messageId))?.reactions).toContainEqual({
      emoji: "👍",
      count: 1,
      userIds: ["bob"],
    });
  });

  it("what looks the same is one reaction, which everybody spells as they like, and is taken back in any spelling", async () => {
    const { messageId } = await say(phone, direct, "hearts");
    const react = (device: WireDevice, type: string, emoji: string) =>
      device.ask(type, { conversationId: direct, messageId, emoji });
    expect((await react(phone, "reaction.add", "❤\ufe0f")).payload).toHaveProperty("pos");
    // The same once more changes nothing.
    expect((await react(phone, "reaction.add", "❤")).payload).not.toHaveProperty("pos");
    const { payload } = await react(bob, "reaction.add", "❤");
    await phone.frame("message.updated", { pos: payload.pos, reaction: { emoji: "❤", userId: "bob" } });
    expect((await rowOf(bob, direct, messageId))?.reactions).toEqual([
      { emoji: "❤\ufe0f", count: 2, userIds: ["alice", "bob"] },
    ]);
    const back = (await react(phone, "reaction.remove", "❤")).payload;
    await bob.frame("message.updated", {
      pos: back.pos,
      reaction: { emoji: "❤", userId: "alice", removed: true },
    });
    expect((await rowOf(phone, direct, messageId))?.reactions).toEqual([{ emoji: "❤", count: 1, userIds: ["bob"] }]);
  });

  it("a message has at most 50 different reactions; one of those is still open to others", async () => {
    const { messageId } = await say(phone, direct, "fifty");
    const react = (device: WireDevice, emoji: string) =>
      device.ask("reaction.add", { conversationId: direct, messageId, emoji });
    for (const answer of await Promise.all(Array.from({ length: 50 }, (_, index) => react(phone, `:e${index}:`))))
      expect(outcomeOf(answer)).toBe("ok");
    expect(outcomeOf(await react(bob, ":e50:"))).toBe("TOO_LARGE");
    expect(outcomeOf(await react(bob, ":e7:"))).toBe("ok");
  });

  it("mentions of members and forwarding are told live, by sync and by history, and are no part of the key", async () => {
    const mentions = ["bob", "nobody", "bob"];
    const ack = await say(phone, direct, "look, Bob", { mentions, forwarded: true });
    const { messageId, pos } = ack;
    const told = { messageId, mentions: ["bob"], forwarded: true };
    for (const device of everyone())
      expect((await device.frame("message.new", { messageId })).payload).toMatchObject(told);
    expect((await entryOf(bob, direct, (pos as number) - 1)).changes).toMatchObject([{ payload: told }]);
    expect(await rowOf(bob, direct, messageId)).toMatchObject(told);
    const again = { conversationId: direct, clientMessageId: ack.clientMessageId, content: text("look, Bob") };
    expect((await phone.ask("message.send", { ...again, mentions: ["alice"] })).payload).toEqual({
      ...ack,
      duplicate: true,
    });
    const plain = await say(phone, direct, "nobody is meant", { mentions: ["nobody"] });
    const { payload } = await bob.frame("message.new", { messageId: plain.messageId });
    for (const shown of [payload, await rowOf(bob, direct, plain.messageId)]) {
      expect(shown).not.toHaveProperty("mentions");
      expect(shown).not.toHaveProperty("forwarded");
    }
  });

  it("of a message that was deleted, sync and history tell neither mentions nor forwarding", async () => {
    const { messageId, pos } = await say(phone, direct, "look, Bob", { mentions: ["bob"], forwarded: true });
    await changeBy(phone, "message.delete", { conversationId: direct, messageId });
    const { changes } = await entryOf(bob, direct, (pos as number) - 1);
    for (const shown of [changes[0]?.payload, await rowOf(bob, direct, messageId)]) {
      expect(shown).toMatchObject({ messageId, deletedAt: expect.any(Number) as number });
      expect(shown).not.toHaveProperty("mentions");
      expect(shown).not.toHaveProperty("forwarded");
    }
  });

  it("replies name what they reply to, or are refused", async () => {
    const { messageId } = await say(bob, direct, "a question");
    const reply = await say(phone, direct, "an answer", { replyTo: messageId });
    const frame = await bob.frame("message.new", { messageId: reply.messageId });
    expect(frame.payload).toMatchObject({ replyTo: messageId });
    expect(await rowOf(bob, direct, reply.messageId)).toMatchObject({ replyTo: messageId });
    const bad = { conversationId: direct, clientMessageId: "bad", content: text("x"), replyTo: reply.conversationId };
    expect(outcomeOf(await phone.ask("message.send", bad))).toBe("INVALID_MESSAGE");
    const unknown = { ...bad, replyTo: "00000000-0000-4000-8000-000000000000" };
    expect(outcomeOf(await phone.ask("message.send", unknown))).toBe("MESSAGE_NOT_FOUND");
  });

  it("a deletion: the content is gone from frames, history, preview and sync, the row stays", async () => {
    const { messageId, sequence, pos } = await say(phone, direct, "regret");
    const about = { conversationId: direct, messageId };
    await changeBy(phone, "message.edit", { ...about, content: text("deep regret") });
    const frame = await changeBy(phone, "message.delete", about);
    expect(frame).toMatchObject({ ...about, sequence, by: "alice" });
    expect(frame.deletedAt).toBe(frame.timestamp);
    expect(frame).not.toHaveProperty("content");
    for (const device of everyone()) {
      const row = await rowOf(device, direct, messageId);
      expect(row).toMatchObject({ sequence, deletedAt: frame.deletedAt, updatedPos: frame.pos });
      expect(row).not.toHaveProperty("content");
      const { lastMessage } = await stateOf(device, direct);
      expect(lastMessage).toMatchObject({ messageId, preview: "", deleted: true });
      const { changes } = await entryOf(device, direct, (pos as number) - 1);
      expect(JSON.stringify(changes)).not.toContain("regret");
      expect(changes.map(({ payload }) => payload.pos)).toEqual([pos, (pos as number) + 1, frame.pos]);
      expect(changes[0]?.payload.deletedAt).toBe(frame.deletedAt);
    }
    const again = await phone.ask("message.delete", about);
    expect(again).toMatchObject({ type: "ack", payload: { conversationId: direct } });
    expect(again.payload).not.toHaveProperty("pos");
    expect(outcomeOf(await phone.ask("message.edit", { ...about, content: text("back") }))).toBe("MESSAGE_NOT_FOUND");
    expect(outcomeOf(await bob.ask("reaction.add", { ...about, emoji: "👍" }))).toBe("MESSAGE_NOT_FOUND");
    const repeat = { conversationId: direct, clientMessageId: `m${sent}`, content: text("regret") };
    expect((await phone.ask("message.send", repeat)).payload).toMatchObject({
      messageId,
      sequence,
      pos,
      duplicate: true,
    });
  });

  it("what sync tells is what was sent live, frame by frame, for the sender's devices and the other's", async () => {
    const conversationId = await groupWith(["bob"]);
    const start = (await phone.frame("conversation.created", { conversationId })).payload.pos as number;
    const { messageId } = await say(phone, conversationId, "one");
    const about = { conversationId, messageId };
    await phone.rest(`PATCH /conversations/${conversationId}`, { name: "New", settings: { onlyAdminsCanEdit: true } });
    await phone.rest(`PATCH /conversations/${conversationId}/members/bob`, { role: "admin" });
    await phone.rest(`POST /conversations/${conversationId}/members`, { userIds: ["carol"] });
    await bob.ask("reaction.add", { ...about, emoji: "👍" });
    await say(bob, conversationId, "two", { replyTo: messageId });
    await phone.rest(`DELETE /conversations/${conversationId}/members/carol`);
    const last = await laptop.ask("message.edit", { ...about, content: text("uno") });
    for (const device of everyone()) {
      await device.frame("message.updated", { conversationId, pos: last.payload.pos });
      const live = device.changes(conversationId).filter(({ payload }) => (payload.pos as number) > start);
      const { changes, pos, hasMore } = await entryOf(device, conversationId, start);
      expect(changes).toEqual(live);
      expect({ pos, hasMore }).toEqual({ pos: last.payload.pos, hasMore: false });
      expect(live.map(({ payload }) => payload.pos)).toEqual(live.map((_, index) => start + 1 + index));
    }
  });

  it("deleted while bob was offline: no byte that bob's device receives holds the text", async () => {
    const group = await groupWith(["bob"]);
    await bob.frame("conversation.created", { conversationId: group });
    const before = await bob.ask("sync", {});
    const token = before.payload.token as string;
    const cursors = Object.fromEntries(
      await Promise.all([direct, group].map(async (id) => [id, (await entryOf(bob, id, 0)).pos] as const)),
    ) as Record<string, number>;
    await bob.close();
    for (const conversationId of [direct, group]) {
      const { messageId } = await say(phone, conversationId, "TOPSECRET as sent");
      const about = { conversationId, messageId };
      const everyHere = [phone, laptop];
      await changeBy(laptop, "message.edit", { ...about, content: text("TOPSECRET as edited") }, everyHere);
      await changeBy(phone, "reaction.add", { ...about, emoji: "👍" }, everyHere);
      await changeBy(phone, "message.delete", about, everyHere);
      const kept = await say(phone, conversationId, "stays");
      await say(phone, conversationId, "KEPT reply", { replyTo: kept.messageId });
      const newest = await say(phone, conversationId, "TOPSECRET newest");
      await changeBy(phone, "message.delete", { conversationId, messageId: newest.messageId }, everyHere);
    }
    bob = await wireDevice(server, "bob", "phone", { query: `?sync=${encodeURIComponent(token)}` });
    await bob.frame("sync.result");
    await bob.ask("sync", {});
    await bob.ask("sync", { token });
    await bob.ask("sync", { cursors, only: true });
    await bob.ask("sync", { cursors: { [direct]: -1, [group]: -1 }, only: true, limit: 1_000 });
    await bob.rest("POST /sync", { cursors, limit: 1 });
    await bob.rest("GET /conversations");
    for (const id of [direct, group]) {
      await bob.rest(`GET /conversations/${id}`);
      await bob.rest(`GET /conversations/${id}/messages?limit=200`);
      await bob.rest(`GET /conversations/${id}/messages?after=0&limit=200`);
    }
    const bytes = bob.bytes();
    expect(bytes.split("KEPT reply").length).toBeGreaterThan(6);
    expect(bytes).not.toContain("TOPSECRET");
  });

  it("a member who comes back sees both memberships and nothing between them, and changes of the unseen as bare frames", async () => {
    const group = await groupWith(["bob"]);
    const first = await say(phone, group, "while here");
    await bob.frame("message.new", { messageId: first.messageId });
    await phone.rest(`DELETE /conversations/${group}/members/bob`);
    await bob.frame("member.left", { conversationId: group, userId: "bob" });
    const between = await say(phone, group, "HIDDEN one");
    await changeBy(phone, "reaction.add", { conversationId: group, messageId: first.messageId, emoji: "👍" }, [laptop]);
    const rejoin = await phone.rest(`POST /conversations/${group}/members`, { userIds: ["bob"] });
    expect(rejoin.body).toEqual({ added: ["bob"], memberCount: 2 });
    const joined = await laptop.frame("member.joined", { conversationId: group });
    const created = await bob.frame("conversation.created", { conversationId: group, pos: joined.payload.pos });
    expect(created.payload).toMatchObject({ conversation: { myRole: "member", lastSequence: 2 } });
    expect((await stateOf(bob, group)).lastMessage).toMatchObject({ messageId: first.messageId });
    expect((await stateOf(bob, group)).unread).toBe(0);
    const third = await say(phone, group, "back again");
    const edit = { conversationId: group, messageId: between.messageId, content: text("HIDDEN two") };
    const ack = await phone.ask("message.edit", edit);
    const bare = await bob.frame("message.updated", { conversationId: group, pos: ack.payload.pos });
    expect(bare.payload).not.toHaveProperty("content");
    const reaction = await phone.ask("reaction.add", {
      conversationId: group,
      messageId: between.messageId,
      emoji: "🙈",
    });
    const bareToo = await bob.frame("message.updated", { conversationId: group, pos: reaction.payload.pos });
    expect(bareToo.payload).not.toHaveProperty("reaction");
    expect((await rowsOf(bob, group)).map(({ sequence }) => sequence)).toEqual([1, 3]);
    expect((await rowOf(bob, group, first.messageId))?.reactions).toEqual([
      { emoji: "👍", count: 1, userIds: ["alice"] },
    ]);
    expect((await stateOf(bob, group)).unread).toBe(1);
    await entryOf(bob, group, -1);
    const on = { conversationId: group, messageId: between.messageId };
    expect(outcomeOf(await bob.ask("reaction.add", { ...on, emoji: "👍" }))).toBe("MESSAGE_NOT_FOUND");
    const reply = { conversationId: group, clientMessageId: "r", content: text("x"), replyTo: between.messageId };
    expect(outcomeOf(await bob.ask("message.send", reply))).toBe("MESSAGE_NOT_FOUND");
    expect(third.sequence).toBe(3);
    expect(bob.bytes()).not.toContain("HIDDEN");
    expect(bob.bytes()).not.toContain(Buffer.from("🙈").toString("latin1"));
  });

  it("historyVisibility at joining decides what a newcomer sees", async () => {
    const carol = await wireDevice(server, "carol");
    const open = await groupWith(["bob"], { settings: { historyVisibility: "all" } });
    const closed = await groupWith(["bob"]);
    for (const group of [open, closed]) {
      await say(phone, group, `early in ${group}`);
      await phone.rest(`POST /conversations/${group}/members`, { userIds: ["carol"] });
      await carol.frame("conversation.created", { conversationId: group });
      await say(phone, group, "later");
    }
    expect((await rowsOf(carol, open)).map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect((await rowsOf(carol, closed)).map(({ sequence }) => sequence)).toEqual([2]);
    expect((await stateOf(carol, open)).unread).toBe(1);
    expect(carol.bytes()).toContain(`early in ${open}`);
    expect(carol.bytes()).not.toContain(`early in ${closed}`);
    const changes = (await entryOf(carol, open, -1)).changes.filter(({ type }) => type === "message.new");
    expect(changes.map(({ payload }) => payload.sequence)).toEqual([1, 2]);
    // Opened later, it opens nothing for a member who is there already; one who comes back then sees all.
    await phone.rest(`PATCH /conversations/${closed}`, { settings: { historyVisibility: "all" } });
    expect((await rowsOf(carol, closed)).map(({ sequence }) => sequence)).toEqual([2]);
    await phone.rest(`DELETE /conversations/${closed}/members/carol`);
    await phone.rest(`POST /conversations/${closed}/members`, { userIds: ["carol"] });
    expect((await rowsOf(carol, closed)).map(({ sequence }) => sequence)).toEqual([1, 2]);
    await carol.close();
  });

  it("a group asked for again with its clientRequestId is the first one, for this user on any device", async () => {
    const asked = { name: "Once", participantIds: ["bob"], clientRequestId: "request-1" };
    const answers = await Promise.all(Array.from({ length: 5 }, () => phone.rest("POST /groups", asked)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 200, 201]);
    const ids = new Set(answers.map(({ body }) => body.conversationId));
    expect(ids.size).toBe(1);
    const [id] = ids;
    const other = await laptop.rest("POST /groups", { ...asked, name: "Twice", participantIds: [] });
    expect(other).toMatchObject({ status: 200, body: { conversationId: id, name: "Once", memberCount: 2 } });
    const bobs = await bob.rest("POST /groups", asked);
    expect(bobs.status).toBe(201);
    expect(bobs.body.conversationId).not.toBe(id);
  });
});

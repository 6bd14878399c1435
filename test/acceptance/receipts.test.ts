import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../kit/device.js";
import { isNowhere, openPlace, type Place } from "../kit/place.js";
import { onceEach, outcomeOf, text, wireDevice, type Payload, type WireDevice } from "../kit/wire.js";

type Info = { sequence: number; of: number; delivered: number; read: number; members: readonly Payload[] };

describe.skipIf(isNowhere)("receipts", () => {
  let server: Place;
  let phone: WireDevice;
  let laptop: WireDevice;
  let bob: WireDevice;
  let carol: WireDevice;
  let sent = 0;

  beforeAll(async () => {
    server = await openPlace();
    phone = await wireDevice(server, "alice", "phone");
    laptop = await wireDevice(server, "alice", "laptop");
    bob = await wireDevice(server, "bob");
    carol = await wireDevice(server, "carol");
  });
  afterAll(() => server.dispose());

  const say = async (conversationId: string, value = "hello", device = phone): Promise<Payload> => {
    const clientMessageId = `m${++sent}`;
    return (await device.ask("message.send", { conversationId, clientMessageId, content: text(value) })).payload;
  };
  const directWith = async (device: WireDevice, peer: string): Promise<string> =>
    (await device.rest("POST /conversations", { type: "direct", participantIds: [peer] })).body
      .conversationId as string;
  const groupWith = async (participantIds: readonly string[]): Promise<string> =>
    (await phone.rest("POST /groups", { name: "Group", participantIds })).body.conversationId as string;
  const move = (
    device: WireDevice,
    type: "message.delivered" | "message.read",
    conversationId: string,
    upToSequence: number,
  ) => device.ask(type, { conversationId, upToSequence });
  const stateOf = async (device: WireDevice, conversationId: string): Promise<Payload> => {
    await device.rest("POST /sync", {});
    return (await device.rest(`GET /conversations/${conversationId}`)).body.state as Payload;
  };
  const infoOf = async (device: WireDevice, conversationId: string, messageId: unknown): Promise<Info> => {
    await device.rest("POST /sync", {});
    const answer = await device.rest(`GET /conversations/${conversationId}/messages/${String(messageId)}/receipts`);
    expect(answer.status).toBe(200);
    return answer.body as unknown as Info;
  };
  const framesOf = (device: WireDevice, type: string, conversationId: string) =>
    onceEach(device.frames.filter((frame) => frame.type === type && frame.payload.conversationId === conversationId));

  it("direct: delivered and read reach all the sender's devices; they only go forward", async () => {
    const id = await directWith(phone, "bob");
    for (let index = 0; index < 3; index += 1) await say(id);
    expect(await move(bob, "message.delivered", id, 2)).toMatchObject({ type: "ack" });
    for (const device of [phone, laptop])
      await device.frame("receipt.update", { conversationId: id, userId: "bob", deliveredUpTo: 2 });
    expect(await stateOf(phone, id)).toMatchObject({ deliveredToAll: 2, readByAll: 0 });
    await move(bob, "message.read", id, 3);
    for (const device of [phone, laptop])
      await device.frame("receipt.update", { conversationId: id, userId: "bob", readUpTo: 3 });
    expect(await stateOf(phone, id)).toMatchObject({ deliveredToAll: 3, readByAll: 3 });
    expect(await move(bob, "message.read", id, 1)).toMatchObject({ type: "ack" });
    expect(await move(bob, "message.delivered", id, 1)).toMatchObject({ type: "ack" });
    expect(outcomeOf(await move(bob, "message.read", id, 4))).toBe("INVALID_MESSAGE");
    expect(await stateOf(phone, id)).toMatchObject({ deliveredToAll: 3, readByAll: 3 });
    expect(await stateOf(bob, id)).toMatchObject({ readUpTo: 3, unread: 0 });
    // No user is told of their own receipts so.
    expect(framesOf(bob, "receipt.update", id)).toEqual([]);
    expect(framesOf(phone, "receipt.update", id)).toHaveLength(2);
  });

  it("reading on one device is an inbox.update on the other, not on this one", async () => {
    const id = await directWith(bob, "alice");
    const { sequence, pos } = await say(id, "for alice", bob);
    await phone.frame("message.new", { conversationId: id, sequence });
    await phone.ask("message.read", { cursors: [{ conversationId: id, upToSequence: sequence }] });
    await laptop.frame("inbox.update", { conversationId: id, readUpTo: sequence, unread: 0, pos });
    await phone.ask("heartbeat", {});
    expect(framesOf(phone, "inbox.update", id)).toEqual([]);
    expect((await stateOf(laptop, id)).unread).toBe(0);
  });

  it("message info: times of each member at sending, `of` fixed then; the sender only", async () => {
    const id = await groupWith(["bob", "carol"]);
    const first = await say(id);
    expect(await infoOf(phone, id, first.messageId)).toEqual({
      sequence: 1,
      of: 2,
      delivered: 0,
      read: 0,
      members: [{ userId: "bob" }, { userId: "carol" }],
    });
    await phone.rest(`POST /conversations/${id}/members`, { userIds: ["dave"] });
    const dave = await wireDevice(server, "dave");
    const second = await say(id);
    const before = Date.now();
    await move(bob, "message.delivered", id, 1);
    await move(carol, "message.read", id, 2);
    await move(dave, "message.read", id, 2);
    const info = await infoOf(phone, id, first.messageId);
    expect(info).toMatchObject({ of: 2, delivered: 2, read: 1 });
    expect(info.members.map(({ userId }) => userId)).toEqual(["bob", "carol"]);
    const [bobs, carols] = info.members;
    expect(bobs).not.toHaveProperty("readAt");
    for (const time of [bobs?.deliveredAt, carols?.deliveredAt, carols?.readAt]) {
      expect(time).toBeGreaterThanOrEqual(before - 1);
      expect(time).toBeLessThanOrEqual(Date.now() + 1);
    }
    expect(await infoOf(laptop, id, second.messageId)).toMatchObject({ of: 3, delivered: 2, read: 2 });
    await phone.rest(`DELETE /conversations/${id}/members/carol`);
    expect(await infoOf(phone, id, first.messageId)).toMatchObject({ of: 2, delivered: 2, read: 1 });
    const path = `GET /conversations/${id}/messages/${String(first.messageId)}/receipts`;
    expect(outcomeOf(await bob.rest(path))).toBe("403 FORBIDDEN");
    expect(outcomeOf(await dave.rest(path))).toBe("404 MESSAGE_NOT_FOUND");
    await dave.close();
  });

  it("roll-ups: to the sender's devices alone, with the members of the sending only", async () => {
    const id = await groupWith(["bob", "carol"]);
    const { messageId } = await say(id);
    await move(bob, "message.delivered", id, 1);
    await move(carol, "message.read", id, 1);
    for (const device of [phone, laptop])
      await device.frame("receipt.rollup", {
        conversationId: id,
        messageId,
        sequence: 1,
        delivered: 2,
        read: 1,
        of: 2,
      });
    await move(bob, "message.read", id, 1);
    for (const device of [phone, laptop])
      await device.frame("receipt.rollup", { conversationId: id, messageId, delivered: 2, read: 2, of: 2 });
    for (const device of [bob, carol]) expect(framesOf(device, "receipt.rollup", id)).toEqual([]);
    for (const device of [phone, laptop, bob, carol]) expect(framesOf(device, "receipt.update", id)).toEqual([]);
    expect(await stateOf(phone, id)).toMatchObject({ deliveredToAll: 1, readByAll: 1 });
  });

  it("roll-ups: the newest 50 messages, and few of them for many receipts", async () => {
    const id = await groupWith(["bob"]);
    await Promise.all(Array.from({ length: 60 }, () => say(id)));
    const start = performance.now();
    for (let upTo = 1; upTo <= 60; upTo += 1) void move(bob, "message.read", id, upTo);
    await phone.frame("receipt.rollup", { conversationId: id, sequence: 60, read: 1 });
    const sequences = () => framesOf(phone, "receipt.rollup", id).map(({ payload }) => payload.sequence as number);
    await eventually(() => new Set(sequences()).size >= 50, "a roll-up of each");
    const intervals = Math.ceil((performance.now() - start) / 250) + 1;
    const rollups = sequences();
    expect(Math.min(...rollups)).toBe(11);
    for (const sequence of new Set(rollups))
      expect(rollups.filter((each) => each === sequence).length).toBeLessThanOrEqual(intervals);
    expect(new Set(rollups).size).toBe(50);
  });

  describe("a user who shows no reads", () => {
    it("neither shows nor sees them: read is shown as delivered", async () => {
      const shy = await wireDevice(server, "shy");
      const put = await shy.rest("PUT /me", { privacy: { lastSeen: "contacts", readReceipts: false } });
      expect(put).toMatchObject({ status: 200, body: { privacy: { readReceipts: false } } });
      const id = await directWith(phone, "shy");
      const { messageId } = await say(id, "do you read me");
      await move(shy, "message.read", id, 1);
      await phone.frame("receipt.update", { conversationId: id, userId: "shy", deliveredUpTo: 1 });
      expect(framesOf(phone, "receipt.update", id).filter(({ payload }) => "readUpTo" in payload)).toEqual([]);
      const info = await infoOf(phone, id, messageId);
      expect(info).toMatchObject({ of: 1, delivered: 1, read: 0 });
      expect(info.members[0]).not.toHaveProperty("readAt");
      expect(await stateOf(phone, id)).toMatchObject({ deliveredToAll: 1, readByAll: 0 });
      // It is still read for the reader.
      expect(await stateOf(shy, id)).toMatchObject({ readUpTo: 1, unread: 0 });

      const own = await say(id, "I do", shy);
      await move(phone, "message.read", id, 2);
      await shy.frame("receipt.update", { conversationId: id, userId: "alice", deliveredUpTo: 2 });
      expect(framesOf(shy, "receipt.update", id).filter(({ payload }) => "readUpTo" in payload)).toEqual([]);
      const seen = await infoOf(shy, id, own.messageId);
      expect(seen).toMatchObject({ of: 1, delivered: 1, read: 0 });
      expect(seen.members[0]).not.toHaveProperty("readAt");
      expect(await stateOf(shy, id)).toMatchObject({ deliveredToAll: 2, readByAll: 0 });
      await shy.close();
    });

    it("counts as delivered in a group's roll-ups, and sees no reads in the own", async () => {
      const silent = await wireDevice(server, "silent");
      await silent.rest("PUT /me", { privacy: { lastSeen: "contacts", readReceipts: false } });
      const id = await groupWith(["bob", "silent"]);
      const first = await say(id);
      await move(silent, "message.read", id, 1);
      await move(bob, "message.read", id, 1);
      await phone.frame("receipt.rollup", { conversationId: id, messageId: first.messageId, delivered: 2, read: 1 });
      const own = await say(id, "mine", silent);
      await move(bob, "message.read", id, 2);
      const rollup = await silent.frame("receipt.rollup", { conversationId: id, messageId: own.messageId });
      expect(rollup.payload).toMatchObject({ delivered: 1, read: 0, of: 2 });
      await silent.close();
    });
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Client } from "../../client/index.js";
import { conversationOf, connectDevice, eventually, text, textsOf } from "../kit/device.js";
import { startServer, type TestServer } from "../kit/server.js";

/** Alice has a phone and a laptop, bob a phone. The steps build on one another, as days do. */
describe("three devices talk", () => {
  let server: TestServer;
  let phone: Client;
  let laptop: Client;
  let bob: Client;
  let direct = "";
  let group = "";

  const everyDevice = (): readonly Client[] => [phone, laptop, bob];
  const everyoneHas = (conversationId: string, value: string) =>
    eventually(
      () => everyDevice().every((device) => textsOf(device, conversationId).includes(value)),
      `all have ${value}`,
    );
  const unreadOf = async (device: Client, conversationId: string) =>
    (await device.conversation(conversationId)).state.unread;

  beforeAll(async () => {
    server = await startServer();
    phone = await connectDevice(server, "alice", "phone", { deviceType: "mobile" });
    laptop = await connectDevice(server, "alice", "laptop", { deviceType: "desktop" });
    bob = await connectDevice(server, "bob", "phone", { deviceType: "mobile" });
  });
  afterAll(async () => {
    for (const device of [phone, laptop, bob]) device.close();
    await server.dispose();
  });

  it("a direct conversation is one, whoever starts it", async () => {
    const first = await phone.createDirect("bob");
    const second = await bob.createDirect("alice");
    expect(second.conversationId).toBe(first.conversationId);
    expect(first).toMatchObject({ type: "direct", peerId: "bob", memberCount: 2, pos: 1, lastSequence: 0 });
    direct = first.conversationId;
    await eventually(() => everyDevice().every((device) => device.conversations.has(direct)), "all know it");
  });

  it("a message is acknowledged and reaches every device, the sender's included", async () => {
    const ack = await phone.send(direct, text("Hello, Bob")).accepted;
    expect(ack).toMatchObject({ sequence: 1, pos: 2, duplicate: false, conversationId: direct });
    await everyoneHas(direct, "Hello, Bob");
    expect(new Set(everyDevice().map((device) => conversationOf(device, direct).pos))).toEqual(new Set([2]));
  });

  it("delivered and read reach the sender; reading makes unread 0 on every device", async () => {
    const receipts = () => conversationOf(laptop, direct).receipts.get("bob");
    await eventually(() => receipts()?.deliveredUpTo === 1, "alice's laptop sees it delivered");
    expect(await unreadOf(bob, direct)).toBe(1);
    bob.markRead(direct, 1);
    await eventually(() => receipts()?.readUpTo === 1, "alice's laptop sees it read");
    expect(await unreadOf(bob, direct)).toBe(0);
    const { state } = await phone.conversation(direct);
    expect(state).toMatchObject({ deliveredToAll: 1, readByAll: 1, unread: 0 });
  });

  it("one device's reading is news to the user's other device", async () => {
    await bob.send(direct, text("Hello, Alice")).accepted;
    await everyoneHas(direct, "Hello, Alice");
    phone.markRead(direct, 2);
    await eventually(() => conversationOf(laptop, direct).inbox.readUpTo === 2, "the laptop knows");
    expect(conversationOf(laptop, direct).inbox.unread).toBe(0);
  });

  it("a group is made once, however often it is asked for", async () => {
    const asked = { name: "Friends", participantIds: ["bob"], clientRequestId: "r-1" };
    const first = await phone.createGroup(asked);
    expect(await phone.createGroup(asked)).toEqual(first);
    expect(first).toMatchObject({ type: "group", name: "Friends", myRole: "owner", memberCount: 2 });
    group = first.conversationId;
    await laptop.send(group, text("Welcome")).accepted;
    await everyoneHas(group, "Welcome");
    const { members } = await bob.members(group);
    expect(members.map(({ userId, role }) => [userId, role])).toEqual([
      ["alice", "owner"],
      ["bob", "member"],
    ]);
  });

  it("bob is offline for 1,000 messages and has them within 5 s of coming back", async () => {
    bob.close();
    await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => laptop.send(group, text(`while you slept ${i}`)).accepted),
    );
    const before = Date.now();
    bob = await connectDevice(server, "bob", "phone");
    const { messages } = await bob.history(group, { limit: 200 });
    expect(Date.now() - before).toBeLessThan(5_000);
    expect(messages.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 200 }, (_, i) => 802 + i));
    expect(await unreadOf(bob, group)).toBe(1_001);
  });

  it("a device that was away for 1,000 messages syncs every one of them from its cursor within 5 s", async () => {
    const before = Date.now();
    const seen: number[] = [];
    for (let pos = 2, more = true; more;) {
      const answer = await bob.request("sync", { cursors: { [group]: pos }, only: true, limit: 1_000 });
      const [entry] = answer.conversations as {
        pos: number;
        hasMore: boolean;
        changes: { type: string; payload: { sequence: number } }[];
      }[];
      seen.push(...(entry?.changes ?? []).map(({ payload }) => payload.sequence));
      more = entry?.hasMore === true;
      pos = entry?.pos ?? 0;
    }
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, i) => 2 + i));
    expect(Date.now() - before).toBeLessThan(5_000);
  });

  it("a removed member sees no more, and comes back to what was said since", async () => {
    await phone.removeMember(group, "bob");
    await eventually(() => conversationOf(bob, group).membership === "left", "bob knows that he is out");
    await phone.send(group, text("without bob")).accepted;
    await expect(bob.send(group, text("let me in")).accepted).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(bob.members(group)).rejects.toMatchObject({ code: "FORBIDDEN" });
    const { messages } = await bob.history(group, { limit: 1 });
    expect(messages[0]?.content).toEqual(text("while you slept 999"));
    expect(await phone.addMembers(group, ["bob", "alice"])).toEqual({ added: ["bob"], memberCount: 2 });
    await eventually(() => conversationOf(bob, group).membership === "member", "bob is back");
    await phone.send(group, text("welcome back")).accepted;
    await everyoneHas(group, "welcome back");
    expect(await unreadOf(bob, group)).toBe(1);
    const texts = (await bob.history(group, { limit: 200 })).messages.map(({ content }) => content);
    expect(texts).not.toContainEqual(text("without bob"));
  });

  it("the laptop dies and comes back to the same conversation", async () => {
    laptop.close();
    await phone.send(direct, text("are you there?")).accepted;
    laptop = await connectDevice(server, "alice", "laptop");
    await laptop.history(direct, {});
    await laptop.send(direct, text("yes")).accepted;
    await everyoneHas(direct, "yes");
    expect(textsOf(laptop, direct)).toEqual(["Hello, Bob", "Hello, Alice", "are you there?", "yes"]);
  });

  it("the server is killed and started again: nothing is lost, everybody goes on by themselves", async () => {
    const epoch = phone.connected()?.epoch;
    await server.kill();
    const pending = phone.send(direct, text("into the void")).accepted;
    await server.start();
    expect(await pending).toMatchObject({ sequence: 5 });
    await everyoneHas(direct, "into the void");
    expect(phone.connected()?.epoch).toBe(epoch);
    expect((await bob.history(direct, {})).messages.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
  });

  it("SIGTERM tells the clients, ends with 0 and leaves everything in place", async () => {
    expect(await server.terminate()).toBe(0);
    await server.start();
    await eventually(() => everyDevice().every((device) => device.connection().kind === "online"), "all back");
    await bob.send(direct, text("still here")).accepted;
    await everyoneHas(direct, "still here");
  });
});

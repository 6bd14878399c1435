import { afterEach, describe, expect, it } from "vitest";
import { startDelivery, type DeliveryDependencies } from "../../../src/projections/delivery/delivery.js";
import { createErasures } from "../../../src/projections/delivery/erasures.js";
import { createInboxUpdates } from "../../../src/projections/delivery/inbox-updates.js";
import { createTyping } from "../../../src/gateway/ephemeral/typing.js";
import { createReceiptRollups } from "../../../src/projections/delivery/receipt-rollups.js";
import { eventually } from "../../kit/device.js";
import {
  by,
  connect,
  sideForEach,
  right,
  send,
  startDirect,
  startGroup,
  textContent,
  type ReadSide,
  type Received,
} from "./delivery-kit.js";

let side: ReadSide;
const stopping = sideForEach((opened) => (side = opened));

const problems: Error[] = [];
const deliver = (overrides: Partial<DeliveryDependencies> = {}) => {
  const { log, bus, sealing, queries, views } = side;
  const common = { bus, reads: views.store.reads, awaitCaughtUp: queries.awaitCaughtUp };
  const onFailure = (error: Error) => void problems.push(error);
  const onLost = () => undefined;
  const rollups = createReceiptRollups({ ...common, onFailure, onLost });
  const inboxUpdates = createInboxUpdates({ ...common, onFailure, onLost });
  const erasures = createErasures({ ...common, onFailure, onLost });
  const delivery = startDelivery({
    ...{ source: log, bus, openNow: sealing.openNow, open: sealing.open, inboxUpdates, rollups, erasures, onFailure },
    typing: createTyping({ bus }),
    onUndeliverable: (_event, error) => void problems.push(error),
    ...overrides,
  });
  stopping(delivery.stop, rollups.stop, erasures.stop);
  return delivery;
};
afterEach(() => {
  expect(problems.splice(0)).toEqual([]);
});

const ofType = (device: Received, type: string) => device.frames.filter((frame) => frame.type === type);
const payloads = (device: Received, type: string) => ofType(device, type).map(({ payload }) => payload);
const posOf = (device: Received): readonly unknown[] =>
  device.frames.filter(({ payload }) => "pos" in payload).map(({ payload }) => payload.pos);
/** Everything appended so far has been seen by delivery, and its backlog has had time to empty: a last change has arrived. */
const arrived = (device: Received, pos: number) =>
  eventually(() => posOf(device).includes(pos), `${device.actor.userId} at pos ${pos}`);

describe("changes of messages", () => {
  it("reach every device once, in pos order, with only what changed", async () => {
    deliver();
    const [alice, bob] = [connect(side.hub, "alice"), connect(side.hub, "bob")];
    const conversationId = await startGroup(side, "alice", ["bob"]);
    const { messageId, sequence } = await send(side, conversationId, "alice", "one");
    const name = { conversationId, messageId };
    right(await side.commands.editMessage({ ...name, ...textContent("two") }, by("alice")));
    right(await side.commands.addReaction({ ...name, emoji: "👍" }, by("bob")));
    right(await side.commands.removeReaction({ ...name, emoji: "👍" }, by("bob")));
    const { pos = -1 } = right(await side.commands.deleteMessage(name, by("alice")));
    await arrived(bob, pos);
    expect(posOf(bob)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(posOf(alice)).toEqual(posOf(bob));
    const common = { conversationId, messageId, sequence, timestamp: expect.any(Number) as number };
    const at = expect.any(Number) as number;
    expect(payloads(bob, "message.updated")).toEqual([
      { ...common, pos: 3, by: "alice", content: { type: "text", text: "two" }, editedAt: at },
      { ...common, pos: 4, by: "bob", reaction: { emoji: "👍", userId: "bob" } },
      { ...common, pos: 5, by: "bob", reaction: { emoji: "👍", userId: "bob", removed: true } },
      { ...common, pos: 6, by: "alice", deletedAt: at },
    ]);
  });

  it("of messages that a newcomer may not see come without content and reaction", async () => {
    deliver();
    const conversationId = await startGroup(side, "alice", ["bob"]);
    const { messageId } = await send(side, conversationId, "alice", "before");
    const carol = connect(side.hub, "carol");
    right(await side.commands.joinMembers({ conversationId, userIds: ["carol"] }, by("alice")));
    right(await side.commands.editMessage({ conversationId, messageId, ...textContent("hidden") }, by("alice")));
    const { pos = -1 } = right(await side.commands.addReaction({ conversationId, messageId, emoji: "x" }, by("alice")));
    await arrived(carol, pos);
    expect(carol.texts.join()).not.toContain("hidden");
    for (const payload of payloads(carol, "message.updated")) {
      expect(payload).toMatchObject({ messageId, by: "alice" });
      expect(payload).not.toHaveProperty("content");
      expect(payload).not.toHaveProperty("reaction");
    }
    expect(ofType(carol, "message.updated")).toHaveLength(2);
  });

  it("settings come complete, roles and the leaver's last frame as the protocol says", async () => {
    deliver();
    const bob = connect(side.hub, "bob");
    const conversationId = await startGroup(side, "alice", ["bob"]);
    right(await side.commands.changeSettings({ conversationId, settings: { onlyAdminsCanPost: true } }, by("alice")));
    right(await side.commands.changeMemberRole({ conversationId, userId: "bob", role: "admin" }, by("alice")));
    const { pos = -1 } = right(await side.commands.leaveConversation({ conversationId, userId: "bob" }, by("alice")));
    await send(side, conversationId, "alice", "not for bob");
    await arrived(bob, pos);
    const timestamp = expect.any(Number) as number;
    expect(bob.frames.slice(1)).toEqual([
      {
        type: "conversation.updated",
        payload: {
          ...{ conversationId, pos: 2, by: "alice", timestamp },
          changes: {
            settings: {
              onlyAdminsCanPost: true,
              onlyAdminsCanEdit: false,
              allowMemberInvites: true,
              historyVisibility: "since_join",
            },
          },
        },
      },
      {
        type: "member.role",
        payload: { conversationId, pos: 3, by: "alice", timestamp, userId: "bob", role: "admin" },
      },
      { type: "member.left", payload: { conversationId, pos, by: "alice", timestamp, userId: "bob", memberCount: 1 } },
    ]);
  });
});

describe("deleted content never leaves again", () => {
  /** A source that hands over nothing until it is let go: then everything in one batch. */
  const heldBack = () => {
    const held: Parameters<Parameters<typeof side.log.subscribe>[1]["onEvents"]>[0][number][] = [];
    let letGo: () => void = () => undefined;
    const source: DeliveryDependencies["source"] = {
      ...side.log,
      subscribe: (from, subscriber) => {
        letGo = () => void subscriber.onEvents(held);
        return side.log.subscribe(from, { ...subscriber, onEvents: (events) => void held.push(...events) });
      },
    };
    return {
      source,
      letGo: () => {
        letGo();
      },
      held,
    };
  };
  const story = async () => {
    const conversationId = await startGroup(side, "alice", ["bob"]);
    const { messageId } = await send(side, conversationId, "alice", "SECRET one", {
      mentions: ["bob"],
      forwarded: true,
    });
    right(await side.commands.editMessage({ conversationId, messageId, ...textContent("SECRET two") }, by("alice")));
    right(await side.commands.addReaction({ conversationId, messageId, emoji: "x" }, by("bob")));
    const { pos = -1 } = right(await side.commands.deleteMessage({ conversationId, messageId }, by("alice")));
    return pos;
  };
  const expectGone = (device: Received) => {
    expect(posOf(device)).toEqual([1, 2, 3, 4, 5]);
    expect(device.texts.join()).not.toContain("SECRET");
    for (const { payload } of device.frames.slice(1)) {
      expect(payload).toHaveProperty("deletedAt");
      for (const told of ["content", "mentions", "forwarded"]) expect(payload).not.toHaveProperty(told);
    }
    expect(device.frames[1]).toMatchObject({ type: "message.new" });
  };

  it("from a batch that holds a message, its edit and its deletion", async () => {
    const { source, letGo } = heldBack();
    deliver({ source });
    const [alice, bob] = [connect(side.hub, "alice"), connect(side.hub, "bob")];
    const pos = await story();
    await eventually(() => side.log.stats().queueDepth === 0, "appended");
    letGo();
    await arrived(bob, pos);
    expectGone(alice);
    expectGone(bob);
  });

  it("from a backlog that lags: the log is asked right before the frame is made", async () => {
    let openGate: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (openGate = resolve));
    // Nothing is in memory, and keys are slow: every message waits in its backlog.
    deliver({
      openNow: () => undefined,
      open: async (messageId, content) => {
        await gate;
        return side.sealing.open(messageId, content);
      },
    });
    const bob = connect(side.hub, "bob");
    const pos = await story();
    openGate();
    await arrived(bob, pos);
    expectGone(bob);
  });

  it("while delivery is behind the log, whatever stood in an earlier batch", async () => {
    let openGate: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (openGate = resolve));
    const blocker = await startGroup(side, "zoe", []);
    const oneByOne: DeliveryDependencies["source"] = {
      ...side.log,
      subscribe: (from, subscriber) =>
        side.log.subscribe(from, {
          ...subscriber,
          onEvents: async (events) => {
            for (const event of events) await subscriber.onEvents([event]);
          },
        }),
    };
    deliver({
      source: oneByOne,
      waitingEventsMax: 1,
      openNow: (messageId, content) =>
        content.keyId.startsWith("zoe") ? undefined : side.sealing.openNow(messageId, content),
      open: async (messageId, content) => {
        if (content.keyId.startsWith("zoe")) await gate;
        return side.sealing.open(messageId, content);
      },
    });
    const bob = connect(side.hub, "bob");
    await send(side, blocker, "zoe", "holds up the log");
    const pos = await story();
    openGate();
    await arrived(bob, pos);
    expectGone(bob);
  });
});

describe("after a restart, when every conversation is cold", () => {
  it("reads at most 32 pages of the log at once, and leaves the log to the commands", async () => {
    const ids = await Promise.all(Array.from({ length: 100 }, (_, index) => startGroup(side, `u${index}`, ["bob"])));
    let openGate: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (openGate = resolve));
    let reading = 0;
    let readingMax = 0;
    const readStream: DeliveryDependencies["source"]["readStream"] = async (...asked) => {
      readingMax = Math.max(readingMax, ++reading);
      await gate;
      return side.log.readStream(...asked).finally(() => (reading -= 1));
    };
    const delivery = deliver({ source: { ...side.log, readStream } });
    const bob = connect(side.hub, "bob");
    await Promise.all(ids.map((id, index) => send(side, id, `u${index}`, "back")));
    const head = await side.log.head();
    await eventually(() => delivery.position() === head && reading >= 32, "all messages wait");
    expect(reading).toBe(32);
    openGate();
    await eventually(() => ofType(bob, "message.new").length === ids.length, "every message");
    expect(readingMax).toBe(32);
  });
});

describe("receipts", () => {
  const read = async (conversationId: string, userId: string, readUpTo: number, deviceId = "phone") =>
    right(await side.commands.advanceReceipts({ conversationId, readUpTo }, by(userId, deviceId)));
  const hideReads = async (userId: string) => {
    right(await side.commands.registerDevice({}, by(userId)));
    right(await side.commands.changeProfile({ privacy: { readReceipts: false } }, by(userId)));
  };
  const afterwards = async (conversationId: string, device: Received) => {
    const { pos } = await send(side, conversationId, "alice", "afterwards");
    await arrived(device, pos);
  };

  it("of a direct conversation go to the other party, reads included", async () => {
    deliver();
    const alice = connect(side.hub, "alice");
    const conversationId = await startDirect(side, "alice", "bob");
    await send(side, conversationId, "alice", "hi");
    await read(conversationId, "bob", 1);
    await eventually(() => ofType(alice, "receipt.update").length > 0, "the receipt");
    expect(payloads(alice, "receipt.update")).toEqual([
      { conversationId, userId: "bob", deliveredUpTo: 1, readUpTo: 1, timestamp: expect.any(Number) as number },
    ]);
  });

  it.each(["bob", "alice"])("are shown as delivered alone when %s shows no reads", async (who) => {
    await hideReads(who);
    deliver();
    const alice = connect(side.hub, "alice");
    const conversationId = await startDirect(side, "alice", "bob");
    await send(side, conversationId, "alice", "hi");
    right(await side.commands.advanceReceipts({ conversationId, deliveredUpTo: 1 }, by("bob")));
    await read(conversationId, "bob", 1);
    await send(side, conversationId, "alice", "hi again");
    await read(conversationId, "bob", 2);
    await afterwards(conversationId, alice);
    expect(payloads(alice, "receipt.update")).toMatchObject([{ deliveredUpTo: 1 }, { deliveredUpTo: 2 }]);
    expect(JSON.stringify(payloads(alice, "receipt.update"))).not.toContain("readUpTo");
  });

  it("a change of privacy counts from the next receipt on", async () => {
    deliver();
    const alice = connect(side.hub, "alice");
    const conversationId = await startDirect(side, "alice", "bob");
    await send(side, conversationId, "alice", "1");
    await read(conversationId, "bob", 1);
    await hideReads("alice");
    await send(side, conversationId, "alice", "2");
    await read(conversationId, "bob", 2);
    await afterwards(conversationId, alice);
    expect(payloads(alice, "receipt.update").map((payload) => payload.readUpTo)).toEqual([1, undefined]);
  });

  it("of groups roll up: to the sender, of the newest 50, seldom, and only what changed", async () => {
    deliver();
    const others = ["bob", "carol", "dave"];
    const conversationId = await startGroup(side, "alice", others);
    const [alice, bob] = [connect(side.hub, "alice"), connect(side.hub, "bob")];
    for (let index = 0; index < 60; index++) await send(side, conversationId, index === 59 ? "bob" : "alice", "x");
    await Promise.all(others.map((userId) => read(conversationId, userId, 60)));
    await eventually(() => payloads(alice, "receipt.rollup").some(({ read }) => read === 3), "the last count");
    const last = new Map(payloads(alice, "receipt.rollup").map((payload) => [payload.sequence, payload]));
    expect([...last.keys()].toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 49 }, (_, index) => 11 + index),
    );
    for (const payload of last.values())
      expect(payload).toMatchObject({ conversationId, delivered: 3, read: 3, of: 3 });
    expect(payloads(bob, "receipt.rollup").at(-1)).toMatchObject({ sequence: 60, read: 2, of: 3 });
    const before = alice.frames.length;
    // The same devices again say nothing new, and another of bob's devices changes no count.
    await read(conversationId, "bob", 60, "laptop");
    await send(side, conversationId, "bob", "y");
    await read(conversationId, "carol", 61);
    await eventually(() => payloads(bob, "receipt.rollup").some(({ sequence }) => sequence === 61), "bob's");
    expect(alice.frames.slice(before).filter(({ type }) => type === "receipt.rollup")).toEqual([]);
    expect(ofType(alice, "receipt.update")).toEqual([]);
  });
});

describe("a user's own devices", () => {
  it("mirror preferences, learn of devices, and a removed one is sent away with 4401", async () => {
    deliver();
    right(await side.commands.registerDevice({}, by("alice")));
    const conversationId = await startGroup(side, "alice", ["bob"]);
    const [phone, laptop, bob] = [
      connect(side.hub, "alice"),
      connect(side.hub, "alice", "laptop"),
      connect(side.hub, "bob"),
    ];
    right(await side.commands.changePreferences({ conversationId, pinned: 1, mutedUntil: null }, by("alice")));
    right(await side.commands.changePreferences({ conversationId, archived: true }, by("alice")));
    right(await side.commands.registerDevice({ deviceType: "desktop" }, by("alice", "laptop")));
    right(await side.commands.removeDevice({ deviceId: "laptop" }, by("alice")));
    await eventually(() => laptop.closed.length > 0, "the laptop is sent away");
    expect(laptop.closed).toEqual([4401]);
    expect(phone.closed).toEqual([]);
    expect(payloads(laptop, "inbox.update")).toMatchObject([
      { conversationId, pinned: 1 },
      { conversationId, archived: true },
    ]);
    expect(payloads(phone, "inbox.update")).toEqual([]);
    expect(payloads(phone, "device.updated")).toEqual([{ deviceId: "laptop" }, { deviceId: "laptop", removed: true }]);
    expect(bob.frames).toEqual([]);
  });
});

import { describe, expect, it, vi } from "vitest";
import { byUser } from "../../../src/domain/kernel/by.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { messageIdOf } from "../../../src/domain/kernel/ids.js";
import { reject } from "../../../src/domain/rejections.js";
import { createGate, createQuota } from "../../../src/gateway/access/concurrency-limits.js";
import { createHub } from "../../../src/gateway/connections/hub.js";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import { createMessageRate } from "../../../src/gateway/access/message-rate.js";
import type { RateLimiter } from "../../../src/gateway/ports.js";
import { createReadYourWrites } from "../../../src/gateway/access/read-your-writes.js";
import { createWriteBarrier } from "../../../src/gateway/session/write-barrier.js";
import { foreignFrames } from "../../kit/malformed.js";
import { settled } from "../../kit/turns.js";
import { createConnection, createGatewayKit, createApp } from "./dispatch-kit.js";
import { asPosition, noPosition } from "../../../src/domain/kernel/stream.js";
import { unsealed } from "../../../src/domain/kernel/sealed.js";

const online = async (userId = "alice", kit = createGatewayKit()) => {
  const client = createConnection(userId);
  const claims = { ...client.connection.actor, expiresAt: kit.now() + 3_600_000 };
  await kit.dispatcher.opened(client.connection, claims, {});
  const say = (frame: object): void => {
    kit.dispatcher.text(client.connection, JSON.stringify(frame));
  };
  const answer = (id: string) =>
    vi.waitFor(
      () => {
        const found = client.frames.find((frame) => frame.id === id);
        if (!found) throw new Error(`no answer to ${id}`);
        return found;
      },
      { timeout: 60_000 },
    );
  return { ...client, kit, say, answer, claims };
};
const startDirect = async (kit: ReturnType<typeof createGatewayKit>, a = "alice", b = "bob"): Promise<string> => {
  const by = { kind: "user" as const, userId: a, deviceId: "phone" };
  const started = await kit.app.commands.startDirect({ peerId: b }, { commandId: "c", correlationId: "c", now: 1, by });
  if (started._tag === "Left") throw new Error("not started");
  return started.right.conversationId;
};
/** Of the messages that were accepted, in their order. */
const keysIn = (kit: ReturnType<typeof createGatewayKit>, conversationId: string) =>
  kit.changesOf(conversationId).flatMap((event) => (event.type === "MessageSent" ? [event.clientMessageId] : []));
const message = (id: string | undefined, conversationId: string, clientMessageId: string) => ({
  type: "message.send",
  ...(id === undefined ? {} : { id }),
  payload: { conversationId, clientMessageId, content: { type: "text", text: "hi" } },
});

describe("opening", () => {
  it("registers the device, then says connected with the limits", async () => {
    const { frames, kit } = await online();
    expect(await kit.devicesOf("alice")).toMatchObject([{ deviceId: "phone", deviceType: "mobile" }]);
    expect(frames).toEqual([
      {
        type: "connected",
        payload: {
          connectionId: expect.any(String) as string,
          userId: "alice",
          deviceId: "phone",
          epoch: "epoch-1",
          serverTime: kit.now(),
          heartbeatInterval: 30_000,
          limits: { maxMessageBytes: 16_384, maxFrameBytes: 131_072, messagesPerMinute: 0 },
        },
      },
    ]);
  });

  it("sends the sync that was asked for unasked, and lets frames wait for connected", async () => {
    const kit = createGatewayKit();
    const { connection, types } = createConnection("alice");
    const release = kit.holdCommands();
    const claims = { ...connection.actor, expiresAt: Infinity };
    const opened = kit.dispatcher.opened(connection, claims, { syncToken: "t" });
    kit.dispatcher.text(connection, JSON.stringify({ type: "heartbeat", id: "h" }));
    await Promise.resolve();
    expect(types()).toEqual([]);
    release();
    await opened;
    await kit.dispatcher.drain();
    expect(types()).toEqual(["connected", "heartbeat.ack", "sync.result"]);
    expect(kit.calls).toContain('sync {"token":"t"}');
  });

  it("turns away with 1012 what the server cannot take, with 4401 whom it will not", async () => {
    const kit = createGatewayKit();
    kit.breakDown("head");
    const failing = await online("alice", kit);
    expect(failing.frames).toMatchObject([
      { type: "error", payload: { code: "INTERNAL" } },
      { type: "server.draining", payload: { reconnectAfterMs: expect.any(Number) as number } },
    ]);
    expect(failing.closes).toEqual([1012]);
    expect(JSON.stringify(failing.frames)).not.toContain("secret");
    const refusing = createApp();
    const registerDevice = () => Promise.resolve(E.left(reject("FORBIDDEN", "suspended")));
    const commands = { ...refusing.app.commands, registerDevice };
    const suspended = await online("suspended", createGatewayKit({ ...refusing, app: { ...refusing.app, commands } }));
    expect(suspended.frames).toMatchObject([{ type: "error", payload: { code: "FORBIDDEN" } }]);
    expect(suspended.closes).toEqual([4401]);
  });

  it("ends with 4401 when the device is removed between the log's answer and its entering", async () => {
    const real = createApp();
    const { registerDevice } = real.app.commands;
    /** What the log has answered comes after what is told of it meanwhile. */
    let told: (() => Promise<void>) | undefined;
    const late: typeof registerDevice = async (command, context) => {
      const answer = await registerDevice(command, context);
      const news = told;
      told = undefined;
      await news?.();
      return answer;
    };
    const kit = createGatewayKit({
      ...real,
      app: { ...real.app, commands: { ...real.app.commands, registerDevice: late } },
    });
    const hub = createHub();
    const open = async (deviceId: string, issuedAt: number) => {
      const client = createConnection("alice", deviceId);
      const { connection } = client;
      const claims = { ...connection.actor, expiresAt: Infinity, issuedAt };
      const enter = (): void =>
        void hub.register({
          ...connection,
          send: (frame) => {
            connection.send(frame.toString());
          },
        });
      await kit.dispatcher.opened(connection, claims, { enter });
      return client;
    };
    const remove = async (deviceId: string): Promise<void> => {
      const context = {
        commandId: "c",
        correlationId: "c",
        now: 50,
        by: byUser({ userId: "alice", deviceId: "phone" }),
      };
      await kit.app.commands.removeDevice({ deviceId }, context);
      kit.deviceAccess.deviceRemoved("alice", deviceId);
      hub.connectionOf("alice", deviceId)?.close(4401, "device removed");
    };
    told = () => remove("lost");
    const lost = await open("lost", 1);
    expect([lost.closes, lost.types()]).toEqual([[4401], ["error"]]);
    const back = await open("lost", 51);
    expect([back.closes, back.types()]).toEqual([[], ["connected"]]);
    told = () => {
      kit.deviceAccess.removalsMissed();
      return Promise.resolve();
    };
    expect((await open("laptop", 1)).closes).toEqual([]);
  });
});

describe("typing", () => {
  it("is told to the others, in order, and ends with the connection", async () => {
    const { kit, say, answer, connection } = await online();
    const conversationId = await startDirect(kit);
    say({ type: "typing.start", payload: { conversationId } });
    say({ type: "typing.stop", payload: { conversationId } });
    say({ type: "typing.start", id: "t", payload: { conversationId } });
    expect(await answer("t")).toEqual({ type: "ack", id: "t", payload: { conversationId } });
    kit.dispatcher.closed(connection);
    const started = `alice in ${conversationId} to bob`;
    expect(kit.typed).toEqual([started, `alice no more in ${conversationId}`, started, "alice/phone gone"]);
  });

  it("does not begin after the connection has gone, and a user who never typed has no end to tell", async () => {
    const { kit, say, connection } = await online();
    const conversationId = await startDirect(kit);
    const release = kit.holdCommands();
    say({ type: "typing.start", payload: { conversationId } });
    kit.dispatcher.closed(connection);
    release();
    await kit.dispatcher.drain();
    expect(kit.typed).toEqual([]);
  });
});

describe("requests", () => {
  it("are acknowledged with what was accepted, and with nothing of the log's own", async () => {
    const { kit, say, answer } = await online();
    const conversationId = await startDirect(kit);
    say(message("a", conversationId, "k1"));
    const ack = await answer("a");
    expect(ack.type).toBe("message.ack");
    expect(Object.keys(ack.payload).sort()).toEqual(
      ["clientMessageId", "messageId", "conversationId", "sequence", "pos", "timestamp", "duplicate"].sort(),
    );
    say(message("b", conversationId, "k1"));
    expect((await answer("b")).payload).toEqual({ ...ack.payload, duplicate: true });
    expect(kit.metrics).toEqual(["message.send ok", "latency sane", "message.send ok", "latency sane"]);
  });

  it("of one connection reach a conversation in their order", async () => {
    const { kit, say } = await online();
    const conversationId = await startDirect(kit);
    for (let n = 0; n < 200; n++) say(message(undefined, conversationId, `k${n}`));
    await kit.dispatcher.drain();
    expect(keysIn(kit, conversationId)).toEqual(Array.from({ length: 200 }, (_, n) => `k${n}`));
  });

  it("that change a message are acknowledged with the change's pos, or none where nothing changed", async () => {
    const { kit, say, answer } = await online();
    const conversationId = await startDirect(kit);
    say(message("m", conversationId, "k"));
    const sent = (await answer("m")).payload;
    const { messageId } = sent;
    const name = { conversationId, messageId };
    const frames = [
      { type: "message.edit", payload: { ...name, content: { type: "text", text: "b" } } },
      { type: "reaction.add", payload: { ...name, emoji: "👍" } },
      { type: "reaction.remove", payload: { ...name, emoji: "👍" } },
      { type: "message.delete", payload: name },
    ];
    for (const [index, frame] of frames.entries()) {
      say({ ...frame, id: `first ${index}` });
      say({ ...frame, id: `again ${index}` });
      expect(await answer(`first ${index}`)).toMatchObject({
        type: "ack",
        payload: { conversationId, pos: Number(sent.pos) + 1 + index },
      });
      expect(await answer(`again ${index}`)).toEqual({
        type: "ack",
        id: `again ${index}`,
        payload: { conversationId },
      });
    }
    const by = { kind: "user" as const, userId: "alice", deviceId: "phone" };
    expect(kit.changesOf(conversationId).slice(-4)).toMatchObject([
      { type: "MessageEdited", messageId, by, content: { data: '{"type":"text","text":"b"}' } },
      { type: "ReactionAdded", messageId, by, emoji: unsealed("👍") },
      { type: "ReactionRemoved", messageId, by, emoji: unsealed("👍") },
      { type: "MessageDeleted", messageId, by },
    ]);
    expect(kit.changesOf(conversationId)[Number(sent.pos)]).toMatchObject({ type: "MessageSent", messageId });
    expect(kit.metrics.slice(-2)).toEqual(["message.delete ok", "message.delete ok"]);
  });

  it("without an id that change a message are not acknowledged, but refused they are", async () => {
    const { kit, say, types } = await online();
    const conversationId = await startDirect(kit);
    const payload = { conversationId, messageId: "00000000-0000-5000-8000-000000000000", emoji: "👍" };
    say({ type: "reaction.add", payload });
    say({ type: "typing.start", payload });
    await kit.dispatcher.drain();
    expect(types()).toEqual(["connected", "error"]);
  });

  it("reach a conversation in their order, of whatever kind they are", async () => {
    const { kit, say } = await online();
    const conversationId = await startDirect(kit);
    const payload = { conversationId, messageId: "00000000-0000-5000-8000-000000000000", emoji: "👍" };
    const before = kit.calls.length;
    say(message(undefined, conversationId, "k"));
    say({ type: "reaction.add", payload });
    say({ type: "message.delete", payload });
    say(message(undefined, conversationId, "k2"));
    say({ type: "reaction.remove", payload });
    const calls = ["sendMessage", "addReaction", "deleteMessage", "sendMessage", "removeReaction"];
    expect(kit.calls.slice(before)).toEqual(calls);
    await kit.dispatcher.drain();
    expect(keysIn(kit, conversationId)).toEqual(["k", "k2"]);
  });

  it("that are answered make room for others, however many there were", async () => {
    const { kit, say, types } = await online();
    const conversationId = await startDirect(kit);
    const count = bounds.requestsInFlightMax + 1;
    for (let n = 0; n < count; n += 1) {
      say(message(undefined, conversationId, `k${n}`));
      if (n % 500 === 0) await kit.dispatcher.drain();
    }
    await kit.dispatcher.drain();
    expect(types().filter((type) => type !== "connected")).toEqual(Array<string>(count).fill("message.ack"));
  });

  it("that change a message are limited with the messages, receipts and the rest are not, and the order stays", async () => {
    const takes: string[] = [];
    const limiter: RateLimiter = {
      take: (key) => {
        takes.push(key);
        return Promise.resolve({ allowed: takes.length <= 3, retryAfterMs: 1_500 });
      },
    };
    const kit = createGatewayKit(undefined, { messageRate: createMessageRate(limiter, 60) });
    const { say, answer } = await online("alice", kit);
    const conversationId = await startDirect(kit);
    const messageId = messageIdOf(conversationId, { userId: "alice", deviceId: "phone" }, "k");
    const payload = { conversationId, messageId, emoji: "👍" };
    const edited = { ...payload, content: { type: "text", text: "ho" } };
    say(message("send", conversationId, "k"));
    say({ type: "reaction.add", id: "add", payload });
    say({ type: "message.edit", id: "edit", payload: edited });
    say({ type: "message.read", id: "read", payload: { conversationId, upToSequence: 1 } });
    say({ type: "reaction.remove", id: "remove", payload });
    say({ type: "message.edit", id: "again", payload: edited });
    say({ type: "message.delete", id: "delete", payload });
    say({ type: "heartbeat", id: "beat", payload: {} });
    for (const id of ["add", "edit", "read"]) expect((await answer(id)).type).toBe("ack");
    for (const id of ["remove", "again", "delete"])
      expect(await answer(id)).toMatchObject({
        type: "error",
        payload: { code: "RATE_LIMITED", limit: "messagesPerMinute", retryAfter: 2, conversationId },
      });
    expect([(await answer("send")).type, (await answer("beat")).type]).toEqual(["message.ack", "heartbeat.ack"]);
    expect(takes).toEqual(Array<string>(6).fill("messages:alice"));
  });

  it("of strangers are refused, whatever they ask", async () => {
    const kit = createGatewayKit();
    const conversationId = await startDirect(kit);
    const mallory = await online("mallory", kit);
    for (const [index, frame] of foreignFrames(conversationId).entries()) {
      mallory.say({ ...frame, id: `f${index}` });
      const { type, payload } = await mallory.answer(`f${index}`);
      expect([frame.type, type, payload.code]).toEqual([frame.type, "error", "CONVERSATION_NOT_FOUND"]);
    }
    expect(kit.typed).toEqual([]);
  });

  it("that are refused say so with their ids", async () => {
    const { say, answer } = await online();
    say(message("a", "d_nobody", "k"));
    expect(await answer("a")).toMatchObject({
      type: "error",
      payload: { code: "CONVERSATION_NOT_FOUND", conversationId: "d_nobody", clientMessageId: "k" },
    });
  });

  it("that meet a defect say where it is logged and leak nothing", async () => {
    const { kit, say, answer } = await online();
    kit.breakDown("sendMessage");
    say(message("a", "d_1", "k"));
    const { payload } = await answer("a");
    expect(payload).toMatchObject({ code: "INTERNAL", conversationId: "d_1" });
    expect(JSON.stringify(payload)).not.toContain("secret");
    const errorId = (kit.logged[0] as { errorId: string }).errorId;
    expect(payload.message).toContain(errorId);
    expect(kit.dispatcher.pending()).toBe(0);
  });

  it("for a new token take a good one and refuse a bad one", async () => {
    const { say, answer, kit, closes, connection } = await online();
    for (const token of ["alice/phone", "bob/phone", "rubbish", "broken"])
      say({ type: "auth.refresh", id: token, payload: { token } });
    expect((await answer("alice/phone")).type).toBe("ack");
    expect((await answer("bob/phone")).payload.code).toBe("UNAUTHORIZED");
    expect((await answer("rubbish")).payload.code).toBe("UNAUTHORIZED");
    expect((await answer("broken")).payload.code).toBe("INTERNAL");
    expect(kit.metrics.filter((metric) => metric === "authentication refresh")).toHaveLength(2);
    expect(closes).toEqual([]);
    kit.dispatcher.closed(connection);
  });
});

describe("reading", () => {
  it("sees what this connection sent before, even unanswered", async () => {
    const { kit, say, answer } = await online();
    const conversationId = await startDirect(kit);
    const bob = await online("bob", kit);
    const release = kit.holdCommands();
    say(message("m", conversationId, "k"));
    say({ type: "sync", id: "s" });
    // What came later and waits for nothing is answered; the message is held.
    bob.say({ type: "sync", id: "b" });
    expect((await bob.answer("b")).payload.newConversations).toMatchObject([{ conversation: { lastSequence: 0 } }]);
    await settled();
    expect(kit.calls.filter((call) => call.startsWith("sync"))).toHaveLength(1);
    release();
    expect((await answer("s")).payload.newConversations).toMatchObject([{ conversation: { lastSequence: 1 } }]);
    expect(Math.max(...kit.waits)).toBe(kit.position());
  });

  it("says UNAVAILABLE when the views do not come along", async () => {
    const { kit, say, answer } = await online();
    kit.stuckAt(0);
    say({ type: "sync", id: "s" });
    expect((await answer("s")).payload).toMatchObject({ code: "UNAVAILABLE", retryAfter: 1 });
  });
});

describe("the end of a connection", () => {
  it("writes the receipts that waited", async () => {
    const { kit, say, connection } = await online();
    const conversationId = await startDirect(kit);
    say(message(undefined, conversationId, "k"));
    say({ type: "message.read", payload: { conversationId, upToSequence: 1 } });
    kit.dispatcher.closed(connection);
    await kit.dispatcher.drain();
    const cursors = [{ userId: "alice", deviceId: "phone", deliveredUpTo: 1, readUpTo: 1 }];
    expect(kit.receiptsOf(conversationId)).toMatchObject([{ conversationId, cursors }]);
  });

  it("does not take along commands in flight, and a drain waits for them", async () => {
    const { kit, say, connection, frames } = await online();
    const conversationId = await startDirect(kit);
    const release = kit.holdCommands();
    say(message("m", conversationId, "k"));
    kit.dispatcher.closed(connection);
    let drained = false;
    const drain = kit.dispatcher.drain().then(() => (drained = true));
    await settled();
    expect([drained, kit.dispatcher.pending()]).toEqual([false, 1]);
    release();
    await drain;
    expect(keysIn(kit, conversationId)).toEqual(["k"]);
    expect(frames.map(({ type }) => type)).toEqual(["connected"]);
  });

  it("comes by itself: receipts after 250 ms, 4408 after three intervals, 4401 with the token, 4400 for binary", async () => {
    const { kit, say, answer, closes } = await online();
    const conversationId = await startDirect(kit);
    const start = performance.now();
    say({ type: "message.read", id: "r", payload: { conversationId, upToSequence: 0 } });
    expect((await answer("r")).type).toBe("ack");
    expect(performance.now() - start).toBeGreaterThan(200);
    kit.pass(89_999);
    kit.dispatcher.tick();
    expect(closes).toEqual([]);
    kit.pass(1);
    kit.dispatcher.tick();
    expect(closes).toEqual([4408]);
    expect(kit.metrics).toContain("heartbeat");
    const expiring = await online("bob");
    expiring.kit.pass(expiring.claims.expiresAt - expiring.kit.now());
    expiring.kit.dispatcher.tick();
    const rude = await online("carol");
    rude.kit.dispatcher.binary(rude.connection);
    expect([expiring.closes, rude.closes]).toEqual([[4401], [4400]]);
  });

  it("does not come when the server's clock is set, but for a token that has ended by it", async () => {
    const { kit, say, closes } = await online();
    say({ type: "heartbeat" });
    for (const byMs of [91_000, -7_200_000, 7_200_000]) {
      kit.setClock(byMs);
      kit.dispatcher.tick();
    }
    expect(closes).toEqual([]);
    kit.setClock(-7_200_000);
    kit.pass(90_000);
    kit.dispatcher.tick();
    expect(closes).toEqual([4408]);
    const expiring = await online("bob");
    expiring.kit.setClock(3_600_000);
    expiring.kit.dispatcher.tick();
    expect(expiring.closes).toEqual([4401]);
  });

  it("is quiet about connections it does not know", () => {
    const { dispatcher } = createGatewayKit();
    const { connection, frames } = createConnection("alice");
    dispatcher.text(connection, "{}");
    dispatcher.binary(connection);
    dispatcher.closed(connection);
    expect(frames).toEqual([]);
  });
});

describe("the parts", () => {
  it("read-your-writes never forgets too much", () => {
    const writes = createReadYourWrites(2);
    writes.wrote("a", asPosition(10));
    writes.wrote("b", asPosition(4));
    writes.wrote("a", asPosition(7));
    writes.wrote("c", asPosition(20));
    expect(["a", "b", "c", "never"].map(writes.seen)).toEqual([10, 4, 20, 10]);
    writes.wrote("d", asPosition(30));
    expect(["a", "b", "c", "d"].map(writes.seen)).toEqual([10, 10, 20, 30]);
    // What changed nothing stands nowhere, and a user who was forgotten was told of something.
    writes.wrote("a", noPosition);
    expect(writes.seen("a")).toBe(10);
  });

  it("a gate lets so many in, so many wait and the others go", async () => {
    const gate = createGate(2, 1);
    const done: (() => void)[] = [];
    let most = 0;
    let inside = 0;
    const work = () =>
      gate.pass("a", async () => {
        most = Math.max(most, ++inside);
        await new Promise<void>((resolve) => done.push(resolve));
        inside--;
        return "done";
      });
    const all = [work(), work(), work(), work()];
    expect(await all[3]).toBeUndefined();
    for (let n = 0; n < 3; n++) {
      await expect.poll(() => done.length).toBeGreaterThan(n);
      done[n]?.();
    }
    expect(await Promise.all(all)).toEqual(["done", "done", "done", undefined]);
    expect(most).toBe(2);
  });

  it("a gate goes on after a failure", async () => {
    const gate = createGate(1, 1);
    await expect(gate.pass("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await gate.pass("a", () => Promise.resolve(1))).toBe(1);
  });

  it("a gate gives the keys their turns one after another, and keeps the order of each", async () => {
    const gate = createGate(1, 10);
    const turns: string[] = [];
    const work = (key: string, name: string) => gate.pass(key, () => Promise.resolve(void turns.push(name)));
    await Promise.all([
      ...["a1", "a2", "a3", "a4"].map((name) => work("a", name)),
      ...["b1", "b2"].map((name) => work("b", name)),
      work("c", "c1"),
    ]);
    expect(turns).toEqual(["a1", "a2", "b1", "c1", "a3", "b2", "a4"]);
  });

  it("a quota is each key's own, and given back whatever came of it", async () => {
    const quota = createQuota(1);
    let end: () => void = () => undefined;
    const first = quota.within(
      "a",
      () =>
        new Promise<string>(
          (resolve) =>
            (end = () => {
              resolve("first");
            }),
        ),
    );
    expect(await quota.within("a", () => Promise.resolve("second"))).toBeUndefined();
    expect(await quota.within("b", () => Promise.resolve("another's"))).toBe("another's");
    end();
    expect(await first).toBe("first");
    await expect(quota.within("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await quota.within("a", () => Promise.resolve("third"))).toBe("third");
  });

  it("a barrier waits for what began before it alone", async () => {
    const writes = createWriteBarrier();
    const seen: string[] = [];
    const first = writes.begin();
    void writes.barrier().then(() => seen.push("one"));
    const second = writes.begin();
    void writes.barrier().then(() => seen.push("two"));
    writes.end(second);
    await settled();
    expect(seen).toEqual([]);
    writes.end(first);
    await settled();
    expect(seen).toEqual(["one", "two"]);
    const later = writes.begin();
    void writes.barrier().then(() => seen.push("three"));
    writes.end(later);
    await writes.barrier();
    expect(seen).toContain("three");
  });
});

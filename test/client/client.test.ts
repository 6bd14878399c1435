import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { memoryOutboxStore, type Client, type ClientOptions, type ParleyError } from "../../client/index.js";
import { eventually } from "../kit/device.js";
import { withSeed } from "../kit/seed.js";
import { settled } from "../kit/turns.js";
import { online, testClient, timedPlatform, texts, until } from "./kit.js";
import { me, startScriptedServer, type ScriptedServer } from "./scripted-server.js";

const id = "g_1";
let server: ScriptedServer;
let clients: Client[];

beforeEach(async () => {
  server = await startScriptedServer();
  clients = [];
  server.start(id);
});
afterEach(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

async function connect(more: Partial<ClientOptions> = {}): Promise<Client> {
  const client = start(more);
  await online(client);
  return client;
}
function start(more: Partial<ClientOptions> = {}): Client {
  const client = testClient(server.url, more);
  clients.push(client);
  client.connect();
  return client;
}
const text = (words: string) => ({ type: "text" as const, text: words });
const errorsOf = (client: Client): ParleyError[] => {
  const errors: ParleyError[] = [];
  client.on("error", (error) => errors.push(error));
  return errors;
};
const said = (conversationId = id): string[] =>
  (server.log.get(conversationId) ?? []).flatMap(({ type, payload }) =>
    type === "message.new" && payload.content?.type === "text" ? [payload.content.text] : [],
  );

describe("a connection", () => {
  test("comes back after a cut and fetches what was missed", async () => {
    const client = await connect();
    server.say(id, "bob", "live");
    await until(client, () => texts(client, id).length === 1);
    server.cutAll();
    server.faults.copies = () => 0;
    server.syncLimit = 2; // no live frame shows that there is more: the entries say so
    for (let count = 0; count < 5; count += 1) server.say(id, "bob", `missed ${count}`);
    await until(client, () => texts(client, id).length === 6);
    expect(texts(client, id)).toEqual(said());
    expect(client.conversations.get(id)?.inbox.unread).toBe(6);
  });

  test("counts as the server does when a message that it never had is deleted", async () => {
    for (let count = 0; count < 3; count += 1) server.say(id, "bob", `before ${count}`);
    const client = await connect();
    expect(texts(client, id)).toEqual([]);
    expect(client.conversations.get(id)?.inbox.unread).toBe(3);
    const remove = (sequence: number): void => {
      const pos = 4 + sequence;
      const about = { conversationId: id, messageId: `${id}-${sequence}`, sequence, pos, timestamp: pos, by: "bob" };
      server.append(id, { type: "message.updated", payload: { ...about, deletedAt: pos } });
    };
    remove(1);
    remove(2);
    await eventually(() => client.conversations.get(id)?.inbox.unread === 1, "the server's count is here");
    server.say(id, "bob", "live");
    await until(client, () => texts(client, id).length === 1);
    expect(client.conversations.get(id)?.inbox.unread).toBe(2);
  });

  test("counts as the server does when a message was deleted before its frame was made", async () => {
    const client = await connect();
    server.say(id, "bob", "stays");
    server.faults.copies = () => 0;
    const late = server.say(id, "bob", "goes");
    // Made after the deletion, which the views do not have yet: their count has the message, the device shows it deleted.
    const payload = { ...late.payload, deletedAt: 4 };
    delete (payload as { content?: unknown }).content;
    server.push({ ...late, payload });
    server.push({ type: "sync.required", payload: { conversationId: id } });
    await eventually(() => client.conversations.get(id)?.inbox.unread === 2, "the count of the views is here");
    server.faults.copies = () => 1;
    const about = { conversationId: id, messageId: `${id}-2`, sequence: 2, pos: 4, timestamp: 4, by: "bob" };
    server.append(id, { type: "message.updated", payload: { ...about, deletedAt: 4 } });
    await eventually(() => client.conversations.get(id)?.inbox.unread === 1, "the server's count is here");
    expect(client.conversations.get(id)?.unreadEstimated).toBe(false);
  });

  test("counts as the server does when it read where it has no messages, once the server has its cursor", async () => {
    server.say(id, "bob", "one");
    server.say(id, me.userId, "two");
    server.say(id, "bob", "three");
    const client = await connect();
    expect(texts(client, id)).toEqual([]);
    client.markRead(id, 1);
    expect(client.conversations.get(id)).toMatchObject({ unreadEstimated: true, inbox: { readUpTo: 1, unread: 2 } });
    await eventually(() => client.conversations.get(id)?.unreadEstimated === false, "the server's count is here");
    expect(client.conversations.get(id)?.inbox).toMatchObject({ readUpTo: 1, unread: 1 });
  });

  test("does not ask while it is away, and the next connection does", async () => {
    for (const words of ["one", "two", "three"]) server.say(id, "bob", words);
    server.say(id, me.userId, "four");
    const { platform, timers } = timedPlatform();
    const client = await connect({ platform });
    server.faults.upgradeStatus = 503;
    server.cutAll();
    await until(client, () => client.connection().kind !== "online");
    const running = timers();
    client.markRead(id, 1);
    expect([client.conversations.get(id)?.unreadEstimated, timers()]).toEqual([true, running]);
    server.faults.upgradeStatus = undefined;
    await eventually(() => client.conversations.get(id)?.unreadEstimated === false, "the server's count is here");
    expect(client.conversations.get(id)?.inbox).toMatchObject({ readUpTo: 1, unread: 2 });
  });

  test("of an older device is closed by 4409 and stays closed", async () => {
    const { platform, timers } = timedPlatform();
    const client = await connect({ platform });
    server.closeAll(4409);
    await until(client, () => client.connection().kind === "closed");
    expect(client.connection()).toMatchObject({ cause: { code: "REPLACED" } });
    await settled();
    expect([timers(), server.upgrades.length]).toEqual([0, 1]);
  });

  test("asks for a new token after 4401", async () => {
    const reasons: boolean[] = [];
    const token = ({ rejected }: { rejected: boolean }) => {
      reasons.push(rejected);
      return `t${reasons.length}`;
    };
    const client = await connect({ token });
    server.closeAll(4401);
    await until(client, () => client.connection().kind === "waiting");
    await online(client);
    expect(reasons).toEqual([false, true]);
    expect(server.upgrades.map((upgrade) => upgrade.token)).toEqual(["t1", "t2"]);
  });

  test("that is refused for good learns why over HTTP, and gives up after three fresh tokens", async () => {
    server.faults.upgradeStatus = 401;
    const client = start();
    const errors = errorsOf(client);
    await until(client, () => client.connection().kind === "closed");
    expect(client.connection()).toMatchObject({ cause: { code: "UNAUTHORIZED" } });
    expect(errors.map(({ code }) => code)).toEqual(["UNAUTHORIZED", "UNAUTHORIZED", "UNAUTHORIZED"]);
  });

  test("waits as long as a draining server asks", async () => {
    const client = await connect();
    server.push({ type: "server.draining", payload: { reconnectAfterMs: 200 } });
    const closedAt = performance.now();
    server.closeAll(1012);
    await until(client, () => client.connection().kind === "waiting");
    await online(client);
    expect((server.upgrades[1]?.at ?? 0) - closedAt).toBeGreaterThanOrEqual(195);
  });

  test("waits for the last error's retryAfter after 4429", async () => {
    const client = await connect();
    server.push({ type: "error", payload: { code: "RATE_LIMITED", message: "slow down", retryAfter: 0.2 } });
    const closedAt = performance.now();
    server.closeAll(4429);
    await until(client, () => client.connection().kind === "waiting");
    await online(client);
    expect((server.upgrades[1]?.at ?? 0) - closedAt).toBeGreaterThanOrEqual(195);
  });

  test("is given up when the heartbeat has no answer", async () => {
    server.heartbeatIntervalMs = 20;
    server.faults.heartbeatAnswered = false;
    const client = await connect();
    await until(client, () => client.connection().kind === "waiting");
    await online(client);
    expect(server.upgrades.length).toBeGreaterThan(1);
  });

  test("ends with the AbortSignal", async () => {
    const abort = new AbortController();
    const client = await connect({ signal: abort.signal });
    const { accepted } = client.send(id, text("never"));
    abort.abort();
    await expect(accepted).rejects.toMatchObject({ code: "CLOSED" });
    expect(client.connection()).toMatchObject({ kind: "closed", cause: { code: "CLOSED" } });
  });
});

describe("catching up", () => {
  test("heals gaps that lost frames leave, in pages", async () => {
    const client = await connect();
    let count = 0;
    server.syncLimit = 3;
    server.faults.copies = () => (++count % 4 === 0 ? 2 : 0);
    for (let said = 0; said < 40; said += 1) server.say(id, "bob", `m${said}`);
    await until(client, () => texts(client, id).length === 40);
    expect(texts(client, id)).toEqual(said());
  });

  test("names only what moved since its token", async () => {
    for (let count = 0; count < 20; count += 1) server.start(`g_x${count}`);
    const client = await connect();
    server.say(id, "bob", "moved");
    await until(client, () => texts(client, id).length === 1);
    server.cutAll();
    await until(client, () => client.connection().kind !== "online");
    await online(client);
    const asked = server.received.filter(({ type }) => type === "sync").at(-1)?.payload;
    expect(asked).toMatchObject({ cursors: { [id]: 2 } });
    expect(asked).toHaveProperty("token");
  });

  test("learns of conversations whose first frame was lost", async () => {
    const client = await connect();
    server.faults.copies = () => 0;
    server.start("g_2");
    server.faults.copies = () => 1;
    server.say("g_2", "bob", "hello");
    await until(client, () => texts(client, "g_2").length === 1);
    expect(client.conversations.get("g_2")).toMatchObject({ membership: "member", pos: 2, info: { name: "g" } });
  });

  test("drops everything when the epoch changed", async () => {
    const client = await connect();
    server.say(id, "bob", "of the old log");
    await until(client, () => texts(client, id).length === 1);
    let dropped = 0;
    client.on("dropped", () => (dropped += 1));
    server.epoch = "e2";
    server.log.set(id, []);
    server.faults.copies = () => 0;
    server.start(id);
    server.cutAll();
    await until(client, () => client.connection().kind !== "online");
    await online(client);
    expect(dropped).toBe(1);
    expect(client.conversations.get(id)).toMatchObject({ pos: 1, messages: [] });
  });

  test("reports frames that it does not know, and goes on", async () => {
    const client = await connect();
    const unknown: string[] = [];
    client.on("unknown", ({ type }) => unknown.push(type));
    server.push({ type: "hologram.new", payload: { pos: 17 } });
    server.say(id, "bob", "after it");
    await until(client, () => texts(client, id).length === 1);
    expect(unknown).toEqual(["hologram.new"]);
  });
});

describe("sending", () => {
  test("shows the message at once, and then in its place", async () => {
    const client = await connect();
    const { accepted, clientMessageId } = client.send(id, text("hi"));
    expect(client.conversations.get(id)?.pending).toMatchObject([{ clientMessageId, status: { kind: "waiting" } }]);
    expect(await accepted).toMatchObject({ clientMessageId, sequence: 1, duplicate: false });
    await until(client, () => client.conversations.get(id)?.pending.length === 0);
    expect(texts(client, id)).toEqual(["hi"]);
  });

  test("accepts each message exactly once and in order, whatever acks, frames and sockets are lost", async () => {
    const happenings = fc.record({
      acks: fc.array(fc.constantFrom("sent", "sent", "lost", "cut"), { minLength: 1, maxLength: 30 }),
      copies: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 30 }),
      inFlightMax: fc.integer({ min: 1, max: 8 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(happenings, async ({ acks, copies, inFlightMax }) => {
        const conversationId = `g_p${(run += 1)}`;
        let [ack, copy] = [0, 0];
        server.start(conversationId);
        // The last fate is a good one, so that a run whose answers are all lost ends.
        server.faults.ack = () => [...acks, "sent" as const][ack++ % (acks.length + 1)] ?? "sent";
        server.faults.copies = () => [...copies, 1][copy++ % (copies.length + 1)] ?? 1;
        const client = await connect({ inFlightMax, requestTimeoutMs: 30 });
        const sent = Array.from({ length: 12 }, (_, index) => `m${index}`);
        const accepted = await Promise.all(sent.map((words) => client.send(conversationId, text(words)).accepted));
        expect(said(conversationId)).toEqual(sent);
        expect(accepted.map(({ sequence }) => sequence)).toEqual(sent.map((_, index) => index + 1));
        server.faults.copies = () => 1;
        server.say(conversationId, "bob", "the end");
        const held = () => client.conversations.get(conversationId);
        await until(client, () => held()?.pos === server.log.get(conversationId)?.at(-1)?.payload.pos);
        expect(texts(client, conversationId)).toEqual(said(conversationId));
        expect(held()?.pending).toEqual([]);
        client.close();
      }),
      withSeed({ numRuns: 25 }),
    );
  });

  test("tries again, oldest first, when the server cannot accept now", async () => {
    let refusals = 3;
    server.faults.refuse = () => (refusals-- > 0 ? { code: "UNAVAILABLE" } : undefined);
    const client = await connect({ inFlightMax: 1 });
    await Promise.all(["a", "b", "c"].map((words) => client.send(id, text(words)).accepted));
    expect(said()).toEqual(["a", "b", "c"]);
  });

  test("is refused for good by a final error, and the rest goes on", async () => {
    let first = true;
    server.faults.refuse = () => {
      const refusal = first ? { code: "FORBIDDEN" } : undefined;
      first = false;
      return refusal;
    };
    const client = await connect();
    const refused = client.send(id, text("a"));
    const fine = client.send(id, text("b"));
    await expect(refused.accepted).rejects.toMatchObject({ code: "FORBIDDEN" });
    await fine.accepted;
    const failed = () => client.conversations.get(id)?.pending.filter(({ status }) => status.kind === "failed") ?? [];
    expect(failed()).toHaveLength(1);
    client.discard(id, refused.clientMessageId);
    expect(failed()).toHaveLength(0);
  });

  test.each([
    ["CONFLICT", 0.01],
    ["MEDIA_NOT_FOUND", 0.01],
    ["FORBIDDEN", 0.01],
    ["INTERNAL", 0.01],
    ["UNAVAILABLE", undefined],
    ["RATE_LIMITED", undefined],
  ])("is sent again after %s with retryAfter %s", async (code, retryAfter) => {
    let refusals = 6;
    const refusal = retryAfter === undefined ? { code } : { code, retryAfter };
    server.faults.refuse = () => (refusals-- > 0 ? refusal : undefined);
    const client = await connect();
    expect(await client.send(id, text("a")).accepted).toMatchObject({ sequence: 1 });
  });

  test.each(["CONFLICT", "MEDIA_NOT_FOUND", "DUPLICATE_MESSAGE", "TOO_LARGE", "INVALID_MESSAGE"])(
    "is refused for good by %s without retryAfter: the same again would be as well",
    async (code) => {
      let refusals = 1;
      server.faults.refuse = () => (refusals-- > 0 ? { code } : undefined);
      const client = await connect();
      await expect(client.send(id, text("a")).accepted).rejects.toMatchObject({ code });
    },
  );

  test("does not wait for views: a failing sync holds back no message", async () => {
    server.faults.syncError = "UNAVAILABLE";
    const client = start();
    expect(await client.send(id, text("accepted")).accepted).toMatchObject({ sequence: 1 });
    expect(client.connection().kind).toBe("syncing");
    server.faults.syncError = undefined;
    await online(client);
    expect(texts(client, id)).toEqual(["accepted"]);
  });

  test("survives the client with a store, and is bounded", async () => {
    const storage = memoryOutboxStore();
    const before = testClient(server.url, { storage, outboxMax: 2 });
    before.send(id, text("a"), { clientMessageId: "k1" });
    before.send(id, text("b"), { clientMessageId: "k2" });
    await expect(before.send(id, text("c")).accepted).rejects.toMatchObject({ code: "OVERLOADED" });
    before.close();
    const after = await connect({ storage });
    await until(after, () => texts(after, id).length === 2);
    expect(said()).toEqual(["a", "b"]);
    expect(await storage.load()).toEqual([]);
  });

  test("keeps who is mentioned and that it was forwarded, until the frame says it", async () => {
    const storage = memoryOutboxStore();
    const before = testClient(server.url, { storage });
    const more = { replyTo: "r", mentions: ["bob"], forwarded: true as const };
    before.send(id, text("a"), { clientMessageId: "k1", ...more, signal: new AbortController().signal });
    expect(before.conversations.get(id)?.pending).toMatchObject([{ clientMessageId: "k1", ...more }]);
    before.close();
    const after = await connect({ storage });
    await until(after, () => texts(after, id).length === 1);
    const sent = server.received.filter(({ type }) => type === "message.send");
    expect(sent.map(({ payload }) => payload)).toEqual([
      { conversationId: id, clientMessageId: "k1", content: text("a"), ...more },
    ]);
    expect(after.conversations.get(id)?.messages).toMatchObject([{ mentions: ["bob"], forwarded: true }]);
  });

  test("refuses what no frame takes without losing the connection", async () => {
    const client = await connect();
    await expect(client.send(id, text("x".repeat(70_000))).accepted).rejects.toMatchObject({ code: "TOO_LARGE" });
    await client.send(id, text("short")).accepted;
    expect(server.upgrades).toHaveLength(1);
  });
});

describe("receipts", () => {
  const cursors = (type: string) =>
    server.received
      .filter((frame) => frame.type === type)
      .flatMap(({ payload }) => payload.cursors as { conversationId: string; upToSequence: number }[]);
  const { platform, timers } = timedPlatform();
  /** Once there are so many, and the client has no timer but its heartbeat: nothing waits, and nothing is unanswered. */
  const settledAt = async (type: string, count: number) => {
    const nothingWaits = async (): Promise<boolean> => {
      await settled();
      return cursors(type).length >= count && timers() === 1;
    };
    await eventually(nothingWaits, `${count} of ${type}`);
  };

  test("are coalesced, grow only, and go out again after a reconnect until they are acknowledged", async () => {
    const client = await connect({ platform, acknowledgeDelivery: false, requestTimeoutMs: 5_000 });
    for (let count = 0; count < 5; count += 1) server.say(id, "bob", `m${count}`);
    await until(client, () => texts(client, id).length === 5);
    client.markRead(id, 3);
    client.markRead(id, 4);
    client.markRead(id, 2);
    expect(client.conversations.get(id)?.inbox).toMatchObject({ readUpTo: 4, unread: 1 });
    await settledAt("message.read", 1);
    expect(cursors("message.read")).toEqual([{ conversationId: id, upToSequence: 4 }]);
    server.cutAll();
    await until(client, () => client.connection().kind !== "online");
    client.markRead(id, 5);
    await online(client);
    await settledAt("message.read", 2);
    expect(cursors("message.read").at(-1)).toEqual({ conversationId: id, upToSequence: 5 });
    expect(cursors("message.read")).toHaveLength(2);
  });

  test("of delivery follow by themselves, for others' messages only", async () => {
    const client = await connect({ platform, requestTimeoutMs: 5_000 });
    server.say(id, "bob", "for alice");
    await until(client, () => texts(client, id).length === 1);
    await client.send(id, text("own")).accepted;
    await settledAt("message.delivered", 1);
    expect(cursors("message.delivered")).toEqual([{ conversationId: id, upToSequence: 1 }]);
    expect(client.conversations.get(id)?.messages[1]?.senderId).toBe(me.userId);
  });
});

import { describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import {
  createClient,
  memoryOutboxStore,
  platformWith,
  type Client,
  type ClientOptions,
  type OutboxStore,
  type ParleyError,
} from "../../client/index.js";
import { nodePlatform } from "../../client/node.js";
import { settled } from "../kit/turns.js";
import { connected, emptySync, fakePlatform, type FakePlatform, type FakeSocket } from "./fake-platform.js";
import { created, inboxState } from "./scripted-server.js";

/**
 * What applications, stores, proxies and servers do wrong. An exception that the client lets out, or a rejection that
 * nobody holds, would end the process: vitest fails a run in which one happens.
 */

const id = "g_1";
const text = (words: string) => ({ type: "text" as const, text: words });

type Hard = { readonly client: Client; readonly platform: FakePlatform; readonly errors: ParleyError[] };
function hard(more: Partial<ClientOptions> = {}, platform = fakePlatform()): Hard {
  const client = createClient({ url: "http://parley.test", token: () => "good", platform, ...more });
  const errors: ParleyError[] = [];
  client.on("error", (error) => errors.push(error));
  return { client, platform, errors };
}
const codes = (errors: readonly ParleyError[]): string[] => errors.map(({ code }) => code);

async function socketOf({ platform }: Hard): Promise<FakeSocket> {
  await settled();
  const socket = platform.sockets.at(-1);
  if (socket === undefined) throw new Error("no socket was opened");
  return socket;
}
/** Connects, catches up with nothing, and is online. */
async function online(it: Hard): Promise<FakeSocket> {
  it.client.connect();
  const socket = await socketOf(it);
  socket.say(connected);
  await settled();
  answer(socket, "sync", { type: "sync.result", payload: emptySync });
  await settled();
  expect(it.client.connection().kind).toBe("online");
  return socket;
}
/** Answers the oldest request of that type that has no answer yet. */
const answered = new WeakSet();
function answer(socket: FakeSocket, type: string, frame: object): void {
  const asked = socket.sent.find((request) => request.type === type && !answered.has(request));
  if (asked === undefined) throw new Error(`no ${type} waits for an answer`);
  answered.add(asked);
  socket.say({ id: asked.id, ...frame });
}
const ack = (clientMessageId: string, sequence = 1) => ({
  type: "message.ack",
  payload: {
    clientMessageId,
    messageId: `m${sequence}`,
    conversationId: id,
    sequence,
    pos: sequence,
    timestamp: 0,
    duplicate: false,
  },
});
const said = (sequence: number, words: string) => ({
  type: "message.new",
  payload: {
    messageId: `m${sequence}`,
    conversationId: id,
    sequence,
    pos: sequence + 1,
    senderId: "bob",
    senderDeviceId: "phone",
    content: text(words),
    timestamp: 0,
  },
});
const never = <A>(): Promise<A> => new Promise<A>(() => undefined);

describe("a server's address", () => {
  test.each(["localhost:8080", "", "/", "parley.test", "ws://parley.test", "http://a:b@parley.test", "http://h/?x=1"])(
    "is refused at once: %j",
    (url) => {
      expect(() => createClient({ url, token: () => "good", platform: fakePlatform() })).toThrow(TypeError);
    },
  );

  test.each([
    ["http://parley.test", "ws://parley.test/ws", "http://parley.test/api/v1/me"],
    ["HTTPS://parley.test:8443//", "wss://parley.test:8443/ws", "https://parley.test:8443/api/v1/me"],
    ["https://parley.test/chat/eu/", "wss://parley.test/chat/eu/ws", "https://parley.test/chat/eu/api/v1/me"],
  ])("%s is used for both", async (url, socketUrl, restUrl) => {
    const asked: string[] = [];
    const platform = fakePlatform((url) => {
      asked.push(url);
      return Promise.resolve({ status: 200, text: () => Promise.resolve("{}") });
    });
    const it = hard({ url }, platform);
    it.client.connect();
    expect((await socketOf(it)).url).toBe(socketUrl);
    await it.client.me();
    expect(asked).toEqual([restUrl]);
    it.client.close();
  });
});

describe("a token", () => {
  test("is taken without the white space around it", async () => {
    const authorizations: (string | undefined)[] = [];
    const platform = fakePlatform((_url, { headers }) => {
      authorizations.push(headers.authorization);
      return Promise.resolve({ status: 200, text: () => Promise.resolve("{}") });
    });
    const it = hard({ token: () => " abc.def.ghi\n" }, platform);
    it.client.connect();
    expect((await socketOf(it)).protocols).toEqual(["parley.v1", "bearer.abc.def.ghi"]);
    await it.client.me();
    expect(authorizations).toEqual(["Bearer abc.def.ghi"]);
    it.client.close();
  });

  test.each<[string, () => unknown]>([
    ["undefined", () => undefined],
    ["null", () => null],
    ["an empty text", () => "\n"],
    ["a text with a line feed in it", () => "abc\ndef"],
    ["an object", () => ({ token: "abc" })],
    [
      "an exception",
      () => {
        throw new Error("logged out");
      },
    ],
    ["a rejection", () => Promise.reject(new Error("logged out"))],
  ])("that is %s is an UNAUTHORIZED everywhere, and asked for again", async (_name, token) => {
    const it = hard({ token: token as () => string });
    it.client.connect();
    await settled();
    expect(it.client.connection()).toMatchObject({ kind: "waiting", cause: { code: "UNAUTHORIZED" } });
    await it.platform.elapse(1000);
    expect(it.client.connection().kind).toBe("waiting");
    expect(codes(it.errors)).toEqual(["UNAUTHORIZED", "UNAUTHORIZED"]);
    expect(it.platform.sockets).toEqual([]);
    await expect(it.client.me()).rejects.toMatchObject({ name: "ParleyError", code: "UNAUTHORIZED" });
    await expect(it.client.refreshToken()).rejects.toMatchObject({ name: "ParleyError", code: "UNAUTHORIZED" });
    for (const { message } of it.errors) expect(message).not.toMatch(/abc/);
    it.client.close();
  });

  test("that never comes holds up neither the connection nor a call for ever", async () => {
    const it = hard({ token: () => never() });
    it.client.connect();
    const calls = [it.client.me(), it.client.refreshToken()].map((call) => call.catch((error: unknown) => error));
    await it.platform.elapse(10_000);
    expect(it.client.connection()).toMatchObject({ kind: "waiting", cause: { code: "TIMEOUT" } });
    for (const call of calls) expect(await call).toMatchObject({ code: "TIMEOUT" });
    it.client.close();
    expect(it.platform.timers.size).toBe(0);
  });

  test("that is refused before `connected` is asked for anew, three times in all", async () => {
    const reasons: boolean[] = [];
    const it = hard({
      token: ({ rejected }) => {
        reasons.push(rejected);
        return "good";
      },
    });
    it.client.connect();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      (await socketOf(it)).drop(4401);
      await it.platform.elapse(5000); // more than the delay, less than an attempt takes
    }
    expect(reasons).toEqual([false, true, true]);
    expect(it.client.connection()).toMatchObject({ kind: "closed", cause: { code: "UNAUTHORIZED" } });
  });
});

describe("a connection", () => {
  test("whose WebSocket can't be made is reported, and tried again", async () => {
    let made = 0;
    const forbidden = platformWith(function () {
      made += 1;
      throw new Error("SecurityError: an insecure WebSocket on a secure page");
    } as never);
    const it = hard({}, { ...fakePlatform(), openSocket: forbidden.openSocket });
    it.client.connect();
    await settled();
    expect(it.client.connection()).toMatchObject({ kind: "waiting", cause: { code: "PROTOCOL" } });
    expect(codes(it.errors)).toEqual(["PROTOCOL"]);
    await it.platform.elapse(500);
    expect(made).toBe(2);
    it.client.close();
  });

  test("on real sockets survives a token that no header takes", async () => {
    const client = createClient({
      url: "http://127.0.0.1:9",
      token: () => "abc def",
      platform: nodePlatform(WebSocket),
    });
    const error = new Promise<ParleyError>((resolve) => client.on("error", resolve));
    client.connect();
    expect(await error).toMatchObject({ code: "UNAUTHORIZED" });
    client.close();
  });

  test("that opens and never says `connected` is given up, closed, and tried again", async () => {
    const it = hard();
    it.client.connect();
    const socket = await socketOf(it);
    await it.platform.elapse(10_000);
    expect(it.client.connection()).toMatchObject({ kind: "waiting", cause: { code: "TIMEOUT" } });
    expect(socket.closed()).toBe(true);
    await it.platform.elapse(500);
    expect(it.platform.sockets).toHaveLength(2);
    it.client.close();
  });

  test("whose `connected` lacks what it needs is given up and tried again", async () => {
    const { limits, ...lacking } = connected.payload;
    for (const payload of [{}, lacking, { ...lacking, limits, heartbeatInterval: "often" }]) {
      const it = hard();
      it.client.connect();
      const socket = await socketOf(it);
      socket.say({ type: "connected", payload });
      expect(it.client.connection()).toMatchObject({ kind: "waiting", cause: { code: "PROTOCOL" } });
      expect(codes(it.errors)).toEqual(["PROTOCOL"]);
      expect(socket.closed()).toBe(true);
      it.client.close();
      expect(it.platform.timers.size).toBe(0);
    }
  });

  test("that is replaced before `connected` stays closed", async () => {
    const it = hard();
    it.client.connect();
    (await socketOf(it)).drop(4409);
    await settled();
    expect(it.client.connection()).toMatchObject({ kind: "closed", cause: { code: "REPLACED" } });
    expect(it.platform.timers.size).toBe(0);
  });

  test("that is taken and dropped over and over is tried less and less often", async () => {
    const it = hard();
    const delays: number[] = [];
    it.client.on("connection", (state) => {
      if (state.kind === "waiting") delays.push(state.delayMs);
    });
    await online(it);
    for (let times = 0; times < 4; times += 1) {
      it.platform.sockets.at(-1)?.drop(1011);
      await it.platform.elapse(delays.at(-1) ?? 0);
      const socket = await socketOf(it);
      socket.say(connected);
      await settled();
      answer(socket, "sync", { type: "sync.result", payload: emptySync });
      await settled();
    }
    expect(delays).toEqual([499, 999, 1999, 3999]);
    await it.platform.elapse(8000); // it holds
    it.platform.sockets.at(-1)?.drop(1011);
    expect(delays.at(-1)).toBe(499);
    it.client.close();
  });

  test.each(["connecting", "syncing", "online", "waiting"])(
    "that a handler closes when it is %s stays closed",
    async (at) => {
      const it = hard();
      it.client.on("connection", ({ kind }) => {
        if (kind === at) it.client.close();
      });
      const kinds: string[] = [];
      it.client.on("connection", ({ kind }) => kinds.push(kind));
      it.client.connect();
      await settled();
      const socket = it.platform.sockets[0];
      socket?.say(connected);
      await settled();
      if (socket !== undefined && at !== "syncing") answer(socket, "sync", { type: "sync.result", payload: emptySync });
      await settled();
      socket?.drop(1011);
      await it.platform.elapse(100_000);
      expect(kinds.slice(-2)).toEqual([at, "closed"]);
      expect(it.client.connection()).toMatchObject({ kind: "closed", cause: { code: "CLOSED" } });
      expect(it.platform.timers.size).toBe(0);
      expect(it.platform.sockets.length).toBeLessThanOrEqual(1);
    },
  );

  test("that an error handler closes stays closed", async () => {
    const it = hard({
      token: () => {
        throw new Error("logged out");
      },
    });
    it.client.on("error", () => {
      it.client.close();
    });
    it.client.connect();
    await it.platform.elapse(100_000);
    expect(it.client.connection().kind).toBe("closed");
    expect(it.errors).toHaveLength(1);
    expect(it.platform.timers.size).toBe(0);
  });

  test("that is closed while it sends and syncs leaves nothing behind, and rejects what waits", async () => {
    const it = hard();
    it.client.connect();
    const socket = await socketOf(it);
    socket.say(connected);
    await settled(); // sync is asked, and stays without an answer
    const waiting = [it.client.send(id, text("a")).accepted, it.client.edit(id, "m1", text("b"))];
    const outcomes = Promise.allSettled(waiting);
    await settled();
    it.client.close();
    expect(await outcomes).toMatchObject([{ reason: { code: "CLOSED" } }, { reason: { code: "CLOSED" } }]);
    await expect(it.client.send(id, text("c")).accepted).rejects.toMatchObject({ code: "CLOSED" });
    await it.platform.elapse(100_000);
    expect(it.platform.timers.size).toBe(0);
    expect(socket.closed()).toBe(true);
  });

  test("is not given up over a heartbeat that the server refuses: it lives", async () => {
    const it = hard();
    const socket = await online(it);
    await it.platform.elapse(30_000);
    answer(socket, "heartbeat", { type: "error", payload: { code: "UNAVAILABLE", message: "busy" } });
    await it.platform.elapse(30_000);
    expect(it.client.connection().kind).toBe("online");
    expect(socket.sent.filter(({ type }) => type === "heartbeat")).toHaveLength(2);
    it.client.close();
  });

  test("takes options that are there and undefined as left out", async () => {
    const it = hard({ requestTimeoutMs: undefined, connectTimeoutMs: undefined, backoff: undefined } as never);
    it.client.connect();
    const socket = await socketOf(it);
    await it.platform.elapse(9_999);
    expect(socket.closed()).toBe(false);
    socket.drop(1006);
    expect(it.client.connection()).toMatchObject({ kind: "waiting", delayMs: 499 });
    it.client.close();
  });

  test("waits for as long as it is asked to, even if no timer is that long", async () => {
    vi.useFakeTimers();
    try {
      let fired = 0;
      const stop = platformWith(WebSocket).startTimer(() => (fired += 1), Infinity);
      await vi.advanceTimersByTimeAsync(1_000_000);
      expect(fired).toBe(0);
      stop();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("frames", () => {
  test("of another shape than their type are reported, and take nothing with them", async () => {
    const it = hard();
    const socket = await online(it);
    socket.say(created(id, 1));
    socket.say(said(1, "before"));
    for (const frame of [
      "not json",
      "null",
      { type: 7 },
      { type: "member.joined", payload: { conversationId: id, pos: 3, timestamp: 0 } },
      { type: "message.ack", payload: {} },
      { type: "error" },
      { type: "receipt.update", payload: { conversationId: id } },
      { type: "sync.required", payload: { conversationId: 7 } },
    ]) {
      socket.say(frame);
    }
    await settled();
    expect(it.client.connection().kind).toBe("online");
    // The change is asked for again; it comes as it was, and is skipped for what became of it.
    expect(socket.sent.filter(({ type }) => type === "sync").length).toBeGreaterThan(1);
    const bad = { type: "member.joined", payload: { conversationId: id, pos: 3, timestamp: 0 } };
    const entry = { conversationId: id, changes: [bad], pos: 3, hasMore: false, reset: false, state: inboxState([]) };
    answer(socket, "sync", { type: "sync.result", payload: { ...emptySync, conversations: [entry] } });
    await settled();
    socket.say({ ...said(2, "after"), payload: { ...said(2, "after").payload, pos: 4 } });
    expect(it.client.conversations.get(id)).toMatchObject({ pos: 4, messages: [{ content: text("after") }] });
    expect(new Set(codes(it.errors))).toEqual(new Set(["PROTOCOL", "INTERNAL"]));
    it.client.close();
  });

  test("of changes that a newer server makes are passed over where sync brings them", async () => {
    const it = hard();
    const socket = await online(it);
    const unknown: string[] = [];
    it.client.on("unknown", ({ type }) => unknown.push(type));
    socket.say(created(id, 1));
    const pinned = { type: "message.pinned", payload: { conversationId: id, pos: 2, timestamp: 0 } };
    socket.say(pinned);
    const next = { ...said(1, "next"), payload: { ...said(1, "next").payload, pos: 3 } };
    socket.say(next);
    await settled();
    const state = inboxState([]);
    const entry = { conversationId: id, changes: [pinned, next], pos: 3, hasMore: false, reset: false, state };
    answer(socket, "sync", { type: "sync.result", payload: { ...emptySync, conversations: [entry] } });
    await settled();
    expect(it.client.conversations.get(id)).toMatchObject({ pos: 3, messages: [{ content: text("next") }] });
    expect(unknown).toEqual(["message.pinned"]);
    expect(it.errors).toEqual([]);
    it.client.close();
  });
});

describe("sending", () => {
  test("what JSON can't say is refused, and the rest goes on", async () => {
    const it = hard();
    const socket = await online(it);
    const circle: Record<string, unknown> = {};
    circle.itself = circle;
    for (const metadata of [circle, { count: 1n }]) {
      const { accepted } = it.client.send(id, { ...text("x"), metadata });
      await expect(accepted).rejects.toMatchObject({ name: "ParleyError", code: "INVALID_MESSAGE" });
      const asked = it.client.request("message.edit", metadata);
      await expect(asked).rejects.toMatchObject({ name: "ParleyError", code: "INVALID_MESSAGE" });
      const called = it.client.call("PUT", "/me", metadata);
      await expect(called).rejects.toMatchObject({ name: "ParleyError", code: "INVALID_MESSAGE" });
    }
    const { accepted } = it.client.send(id, text("fine"), { clientMessageId: "k" });
    await settled();
    answer(socket, "message.send", ack("k"));
    expect(await accepted).toMatchObject({ sequence: 1 });
    it.client.close();
  });

  test("sends again what was given, not what became of the object since", async () => {
    const it = hard();
    const socket = await online(it);
    const content = { type: "text" as const, text: "first" };
    const { accepted } = it.client.send(id, content, { clientMessageId: "k" });
    await settled();
    content.text = "second";
    answer(socket, "message.send", { type: "error", payload: { code: "UNAVAILABLE", message: "later" } });
    await it.platform.elapse(1000);
    answer(socket, "message.send", ack("k"));
    await accepted;
    const sent = socket.sent.filter(({ type }) => type === "message.send");
    expect(sent.map(({ payload }) => payload.content)).toEqual([text("first"), text("first")]);
    it.client.close();
  });

  test("takes no answer but an acknowledgement for one, and a second one for nothing", async () => {
    const it = hard();
    const socket = await online(it);
    let settledTimes = 0;
    const { accepted } = it.client.send(id, text("a"), { clientMessageId: "k" });
    void accepted.finally(() => (settledTimes += 1));
    await settled();
    answer(socket, "message.send", { type: "ack", payload: {} });
    await it.platform.elapse(1000);
    expect(settledTimes).toBe(0);
    answer(socket, "message.send", ack("k"));
    socket.say(ack("k"));
    socket.say({ ...ack("k", 9), id: "1" });
    expect(await accepted).toMatchObject({ sequence: 1 });
    expect(socket.sent.filter(({ type }) => type === "message.send")).toHaveLength(2);
    expect(it.errors).toEqual([]);
    it.client.close();
  });

  test("a request that no frame takes costs the connection nothing", async () => {
    const it = hard();
    const socket = await online(it);
    const asked = it.client.edit(id, "m1", text("x".repeat(70_000)));
    await expect(asked).rejects.toMatchObject({ code: "TOO_LARGE" });
    expect(socket.sent.some(({ type }) => type === "message.edit")).toBe(false);
    it.client.close();
  });

  test("thousands that no frame takes are refused one by one, without an end of the stack", async () => {
    const it = hard();
    it.client.connect();
    const socket = await socketOf(it);
    const limits = { ...connected.payload.limits, maxFrameBytes: 1000 };
    socket.say({ ...connected, payload: { ...connected.payload, limits } });
    const long = text("x".repeat(1000));
    const all = Array.from({ length: 3500 }, () => it.client.send(id, long).accepted);
    const outcomes = Promise.allSettled(all);
    await settled(); // all are stored
    answer(socket, "sync", { type: "sync.result", payload: emptySync });
    expect(new Set((await outcomes).map((outcome) => outcome.status))).toEqual(new Set(["rejected"]));
    it.client.close();
  });

  test("a receipt up to what is no sequence is refused, and one that the server refuses hides no later one", async () => {
    const it = hard();
    const socket = await online(it);
    it.client.markRead(id, NaN);
    it.client.markDelivered(id, undefined as never);
    await it.platform.elapse(1000);
    expect(codes(it.errors)).toEqual(["INVALID_MESSAGE", "INVALID_MESSAGE"]);
    expect(socket.sent.filter(({ type }) => type.startsWith("message."))).toEqual([]);
    it.client.markRead(id, 1000);
    await it.platform.elapse(50);
    answer(socket, "message.read", { type: "error", payload: { code: "INVALID_MESSAGE", message: "beyond the last" } });
    await it.platform.elapse(50);
    it.client.markRead(id, 3);
    await it.platform.elapse(50);
    const cursors = socket.sent.filter(({ type }) => type === "message.read").map(({ payload }) => payload.cursors);
    expect(cursors.at(-1)).toEqual([{ conversationId: id, upToSequence: 3 }]);
    it.client.close();
  });
});

describe("an outbox's store", () => {
  const failing = (fail: () => Promise<never>): OutboxStore => ({ load: fail, put: fail, remove: fail });
  const broken: [string, OutboxStore][] = [
    [
      "throws",
      failing(() => {
        throw new Error("full");
      }),
    ],
    ["rejects", failing(() => Promise.reject(new Error("full")))],
    ["never answers", failing(never)],
    ["gives no list", { ...memoryOutboxStore(), load: () => Promise.resolve(undefined as never) }],
    ["gives what is no message", { ...memoryOutboxStore(), load: () => Promise.resolve([null, { x: 1 }] as never) }],
  ];
  test.each(broken)("that %s is reported as STORAGE; messages are sent all the same", async (_name, storage) => {
    const it = hard({ storage });
    const accepted = ["k1", "k2"].map((key) => it.client.send(id, text(key), { clientMessageId: key }).accepted);
    const socket = await online(it);
    await it.platform.elapse(10_000);
    for (const key of ["k1", "k2"]) answer(socket, "message.send", ack(key));
    for (const one of accepted) expect(await one).toMatchObject({ sequence: 1 });
    await it.platform.elapse(10_000);
    expect(new Set(codes(it.errors))).toEqual(new Set(["STORAGE"]));
    it.client.close();
  });

  test("that is late loses nothing: what it had is sent then", async () => {
    let load: (stored: { conversationId: string; clientMessageId: string; content: object }[]) => void = () =>
      undefined;
    const late = { ...memoryOutboxStore(), load: () => new Promise((resolve) => (load = resolve)) };
    const it = hard({ storage: late as never });
    const socket = await online(it);
    it.client.send(id, text("new"), { clientMessageId: "new" }).accepted.catch(() => undefined);
    await it.platform.elapse(10_000);
    load([{ conversationId: id, clientMessageId: "old", content: text("old") }]);
    await settled();
    const sent = socket.sent.filter(({ type }) => type === "message.send");
    expect(sent.map(({ payload }) => payload.clientMessageId)).toEqual(["new", "old"]);
    it.client.close();
  });
});

describe("REST", () => {
  const answering = (status: number, body: string) =>
    fakePlatform(() => Promise.resolve({ status, text: () => Promise.resolve(body) }));

  test.each([
    [400, "INVALID_MESSAGE"],
    [401, "UNAUTHORIZED"],
    [403, "FORBIDDEN"],
    [404, "NOT_FOUND"],
    [405, "METHOD_NOT_ALLOWED"],
    [409, "CONFLICT"],
    [413, "TOO_LARGE"],
    [429, "RATE_LIMITED"],
    [500, "INTERNAL"],
    [502, "UNAVAILABLE"],
    [503, "UNAVAILABLE"],
    [504, "UNAVAILABLE"],
  ])("a proxy's page with status %i is %s", async (status, code) => {
    const { client } = hard({}, answering(status, "<html>"));
    await expect(client.me()).rejects.toMatchObject({ code, message: `GET /me answered ${status}` });
    client.close();
  });

  test("an answer of another shape is the server's fault, not a state of ours", async () => {
    for (const body of ["", "[]", "<html>", "{}"]) {
      const { client } = hard({}, answering(200, body));
      await expect(client.history(id)).rejects.toMatchObject({ code: "PROTOCOL" });
      expect(client.conversations.size).toBe(0);
      client.close();
    }
  });

  test("a fetch that hangs, heeds the signal or not, ends in time and takes its timer along", async () => {
    for (const fetch of [
      () => never<never>(),
      () => Promise.resolve({ status: 200, text: () => never<string>() }),
      () => {
        throw new Error("no fetch here");
      },
    ]) {
      const it = hard({ requestTimeoutMs: 3000 }, fakePlatform(fetch));
      const call = it.client.me().catch((error: unknown) => error);
      await it.platform.elapse(3000);
      expect(["TIMEOUT", "DISCONNECTED"]).toContain(((await call) as ParleyError).code);
      expect(it.platform.timers.size).toBe(0);
      it.client.close();
    }
  });

  test("asking why upgrades fail does not hold up the next attempt when it hangs", async () => {
    const it = hard(
      {},
      fakePlatform(() => never()),
    );
    it.client.connect();
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      (await socketOf(it)).drop(1006);
      // What the question may take, and the delay after it.
      for (let ms = 0; ms < 14_000 && it.platform.sockets.length === attempt; ms += 100) await it.platform.elapse(100);
      expect(it.platform.sockets).toHaveLength(attempt + 1);
    }
    it.client.close();
    expect(it.platform.timers.size).toBeLessThanOrEqual(2); // of the last question; it ends within its time
  });
});

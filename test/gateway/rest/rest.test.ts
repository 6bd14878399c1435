import { LogError } from "../../../src/commands/ports.js";
import { StoreUnavailable } from "../../../src/projections/ports/away.js";
import { afterAll, describe, expect, it } from "vitest";
import { messageIdOf } from "../../../src/domain/kernel/ids.js";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import { createChangeRate } from "../../../src/gateway/access/message-rate.js";
import type { HttpResponse } from "../../../src/gateway/ports.js";
import { createMemoryRateLimiter } from "../../../src/infra/rate-limiter/memory.js";
import { foreignCalls, malformedCalls } from "../../kit/malformed.js";
import { createApp, createConnection, createGatewayKit } from "../session/dispatch-kit.js";

type Asked = { as?: string | null; authorization?: string; body?: unknown; raw?: Buffer | "too_large" };

const createClient = (kit = createGatewayKit()) => {
  const ask = async (method: string, target: string, asked: Asked = {}) => {
    const [path = "", query = ""] = target.split("?");
    const { as = "alice/phone", body, raw } = asked;
    const bytes = raw ?? Buffer.from(body === undefined ? "" : JSON.stringify(body));
    const response: HttpResponse = await kit.rest({
      method,
      path: path.startsWith("/api") ? path : `/api/v1${path}`,
      query: new URLSearchParams(query),
      authorization: asked.authorization ?? (as === null ? undefined : `Bearer ${as}`),
      body: () => Promise.resolve(bytes),
    });
    const json = (response.body === undefined ? {} : JSON.parse(response.body)) as Record<string, unknown>;
    return { status: response.status, headers: response.headers ?? {}, json };
  };
  const direct = async (peer = "bob") =>
    (await ask("POST", "/conversations", { body: { type: "direct", participantIds: [peer] } })).json
      .conversationId as string;
  return { kit, ask, direct };
};

describe("one user", () => {
  it("has so many calls at work at most; one more is told when to come back, and everybody else is answered", async () => {
    const kit = createGatewayKit();
    const { ask } = createClient(kit);
    let end: (body: Buffer) => void = () => undefined;
    const trickling = new Promise<Buffer>((resolve) => (end = resolve));
    let reading = 0;
    const body = () => {
      reading++;
      return trickling;
    };
    const slow = Array.from({ length: bounds.callsOfUserMax }, (_, index) =>
      kit.rest({
        ...{ method: "PUT", path: "/api/v1/me", query: new URLSearchParams() },
        ...{ authorization: `Bearer alice/d${index % 5}`, body },
      }),
    );
    await expect.poll(() => reading).toBe(bounds.callsOfUserMax);
    const refused = await ask("GET", "/me");
    expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "1"]);
    expect(refused.json).toMatchObject({ error: "RATE_LIMITED", limit: "callsAtOnce", retryAfter: 1 });
    expect((await ask("GET", "/me", { as: "bob/phone" })).status).toBe(200);
    end(Buffer.from("{}"));
    expect((await Promise.all(slow)).map(({ status }) => status)).toEqual(slow.map(() => 200));
    expect((await ask("GET", "/me")).status).toBe(200);
  });

  it("makes so many changes a minute at most, and reads and syncs all the same", async () => {
    const limiter = createMemoryRateLimiter({ now: () => 0 });
    const { ask } = createClient(createGatewayKit(undefined, { changeRate: createChangeRate(limiter, 60) }));
    const changes = [
      ...(["a", "b", "c"] as const).map((name) => ["POST", "/groups", { name, participantIds: [] }] as const),
      ...(["d", "e", "f"] as const).map((displayName) => ["PUT", "/me", { displayName }] as const),
      ["POST", "/conversations", { type: "direct", participantIds: ["bob"] }],
      ["DELETE", "/me/devices/tablet", undefined],
      ["PATCH", "/conversations/g_none", { name: "x" }],
      ["PUT", "/conversations/g_none/preferences", { archived: true }],
    ] as const;
    for (const [method, path, body] of changes) expect((await ask(method, path, { body })).status).not.toBe(429);
    const refused = await ask("PUT", "/me", { body: { displayName: "g" } });
    expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "1"]);
    expect(refused.json).toMatchObject({ error: "RATE_LIMITED", limit: "changesPerMinute", retryAfter: 1 });
    expect((await ask("GET", "/me")).json.displayName).toBe("f");
    expect((await ask("POST", "/sync", { body: {} })).status).toBe(200);
    const bob = await ask("PUT", "/me", { as: "bob/phone", body: { displayName: "Bob" } });
    expect(bob.status).toBe(200);
  });
});

describe("conversations", () => {
  it("between two are made once: 201, then 200, as the caller sees it", async () => {
    const { ask, kit } = createClient();
    const body = { type: "direct", participantIds: ["bob"] };
    const first = await ask("POST", "/conversations", { body });
    const second = await ask("POST", "/conversations", { body });
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(first.json).toMatchObject({ type: "direct", memberCount: 2 });
    expect(second.json).toEqual(first.json);
    expect(kit.waits.at(-1)).toBe(kit.position());
    const read = await ask("GET", `/conversations/${String(first.json.conversationId)}`);
    expect(read.json.conversation).toEqual(first.json);
    expect(kit.waits.at(-1)).toBe(kit.position());
    expect(first.headers["cache-control"]).toBe("no-store");
  });

  it("of groups are made once per clientRequestId", async () => {
    const { ask } = createClient();
    const body = { name: "Crew", participantIds: ["bob", "carol"], clientRequestId: "r1", unknown: 1 };
    const first = await ask("POST", "/groups", { body });
    const again = await ask("POST", "/groups", { body });
    const other = await ask("POST", "/groups", { body: { ...body, clientRequestId: "r2" } });
    expect([first.status, again.status, other.status]).toEqual([201, 200, 201]);
    expect(again.json.conversationId).toBe(first.json.conversationId);
    expect(first.json).toMatchObject({ name: "Crew", memberCount: 3 });
  });

  it("list, show, add, remove and page", async () => {
    const { ask, kit } = createClient();
    const made = await ask("POST", "/groups", { body: { name: "Crew", participantIds: [] } });
    const at = `/conversations/${String(made.json.conversationId)}`;
    expect((await ask("POST", `${at}/members`, { body: { userIds: ["bob", "alice"] } })).json).toEqual({
      added: ["bob"],
      memberCount: 2,
    });
    expect((await ask("GET", `${at}/members`)).json.members).toHaveLength(2);
    const removed = await ask("DELETE", `${at}/members/bob`);
    expect([removed.status, removed.json]).toEqual([204, {}]);
    expect((await ask("DELETE", `${at}/members/bob`)).json.error).toBe("USER_NOT_FOUND");
    expect((await ask("GET", at)).json).toMatchObject({ conversation: { memberCount: 1 }, state: { unread: 0 } });
    await ask("POST", "/groups", { body: { name: "Other", participantIds: [] } });
    const cursor = String((await ask("GET", "/conversations?limit=1")).json.nextCursor);
    expect((await ask("GET", `/conversations?limit=7&archived=false&cursor=${cursor}&foo=1`)).status).toBe(200);
    await ask("GET", "/conversations");
    await ask("GET", `${at}/messages?before=10&limit=200`);
    await ask("GET", `${at}/messages`);
    expect(kit.calls.filter((call) => /^(inbox|history)/.test(call))).toEqual([
      'inbox {"limit":1}',
      `inbox {"limit":7,"cursor":"${cursor}","archived":false}`,
      'inbox {"limit":50}',
      'history {"limit":200,"before":10}',
      'history {"limit":50}',
    ]);
  });

  it("of others do not exist", async () => {
    const { ask, direct } = createClient();
    const id = await direct();
    for (const path of ["", "/members", "/messages"]) {
      const answer = await ask("GET", `/conversations/${id}${path}`, { as: "mallory/phone" });
      expect([answer.status, answer.json.error]).toEqual([404, "CONVERSATION_NOT_FOUND"]);
    }
    for (const [target, body] of foreignCalls(id)) {
      const [method = "", path = ""] = target.split(" ");
      const answer = await ask(method, path, { as: "mallory/phone", body });
      expect([target, answer.status, answer.json.error]).toEqual([target, 404, "CONVERSATION_NOT_FOUND"]);
    }
    for (const odd of ["d_none", "%20", "..", "x".repeat(200), "__proto__"])
      expect((await ask("GET", `/conversations/${odd}`)).json.error).toBe("CONVERSATION_NOT_FOUND");
  });
});

describe("changes", () => {
  it("of a group are answered with the group as it is then; none at all is well too", async () => {
    const { ask, kit } = createClient();
    const made = await ask("POST", "/groups", { body: { name: "Crew", participantIds: [] } });
    const at = `/conversations/${String(made.json.conversationId)}`;
    const body = { name: "Team", description: "", settings: { onlyAdminsCanPost: true, x: 1 }, y: 1 };
    const changed = await ask("PATCH", at, { body });
    expect([changed.status, changed.json.name]).toEqual([200, "Team"]);
    const command = { name: "Team", description: "", settings: { onlyAdminsCanPost: true } };
    expect(kit.asked.at(-1)).toEqual({
      name: "changeSettings",
      command: { conversationId: made.json.conversationId, ...command },
    });
    expect(kit.waits.at(-1)).toBe(kit.position());
    const position = kit.position();
    for (const empty of [{ body: {} }, { body: { y: 5 } }, {}])
      expect((await ask("PATCH", at, empty)).json).toEqual(changed.json);
    expect(kit.waits.at(-1)).toBe(position);
    expect(kit.position()).toBe(position);
  });

  it("of a role are answered with it", async () => {
    const { ask, kit } = createClient();
    const made = await ask("POST", "/groups", { body: { name: "Crew", participantIds: ["bob"] } });
    const at = `/conversations/${String(made.json.conversationId)}/members`;
    const answer = await ask("PATCH", `${at}/bob`, { body: { role: "admin" } });
    expect([answer.status, answer.json]).toEqual([200, { userId: "bob", role: "admin" }]);
    expect(kit.asked.at(-1)).toMatchObject({ name: "changeMemberRole", command: { userId: "bob", role: "admin" } });
    expect((await ask("PATCH", `${at}/nobody`, { body: { role: "admin" } })).json.error).toBe("USER_NOT_FOUND");
  });

  it("of preferences are answered with all three", async () => {
    const { ask, direct } = createClient();
    const at = `/conversations/${await direct()}/preferences`;
    const answer = await ask("PUT", at, { body: { pinned: 2, mutedUntil: 99, unread: 5 } });
    expect([answer.status, answer.json]).toEqual([200, { pinned: 2, archived: false, mutedUntil: 99 }]);
    const cleared = await ask("PUT", at, { body: { pinned: null, archived: true, mutedUntil: null } });
    expect(cleared.json).toEqual({ pinned: null, archived: true, mutedUntil: null });
    expect((await ask("PUT", at)).status).toBe(200);
  });

  it("of the profile are answered with it", async () => {
    const { ask, kit } = createClient();
    const answer = await ask("PUT", "/me", { body: { displayName: "Alice 🌈", privacy: { readReceipts: false } } });
    expect(answer.status).toBe(200);
    const privacy = { lastSeen: "contacts", readReceipts: false };
    expect(answer.json).toMatchObject({ userId: "alice", displayName: "Alice 🌈", privacy });
    expect(kit.waits.at(-1)).toBe(kit.position());
    expect((await ask("PUT", "/me", { body: {} })).json).toEqual(answer.json);
  });

  it("message info comes in pages", async () => {
    const { ask, kit } = createClient();
    const made = await ask("POST", "/groups", { body: { name: "Crew", participantIds: ["bob", "carol"] } });
    const conversationId = String(made.json.conversationId);
    const by = { kind: "user" as const, userId: "alice", deviceId: "phone" };
    await kit.app.commands.sendMessage(
      { conversationId, clientMessageId: "k", contentType: "text", content: '{"type":"text","text":"hi"}' },
      { commandId: "c", correlationId: "c", now: kit.now(), by },
    );
    const messageId = messageIdOf(conversationId, by, "k");
    const at = `/conversations/${conversationId}/messages/${messageId}/receipts`;
    const first = (await ask("GET", `${at}?limit=1`)).json;
    expect(first).toMatchObject({ sequence: 1, of: 2, delivered: 0, read: 0, members: [{ userId: "bob" }] });
    const cursor = String(first.nextCursor);
    expect((await ask("GET", `${at}?limit=5&cursor=${cursor}`)).json.members).toEqual([{ userId: "carol" }]);
    await ask("GET", at);
    expect(kit.calls.filter((call) => call.startsWith("receipts"))).toEqual([
      `receipts ${messageId} {"limit":1}`,
      `receipts ${messageId} {"limit":5,"cursor":"${cursor}"}`,
      `receipts ${messageId} {"limit":200}`,
    ]);
  });
});

describe("a device that is removed", () => {
  it("is not let in again, by REST and by sockets, until it has a newer token", async () => {
    const { ask, kit } = createClient();
    await ask("GET", "/me", { as: "alice/laptop/5" });
    const removal = await ask("DELETE", "/me/devices/laptop");
    expect([removal.status, removal.json]).toEqual([204, {}]);
    const refused = await ask("GET", "/me", { as: "alice/laptop/5" });
    expect([refused.status, refused.json.error]).toEqual([401, "UNAUTHORIZED"]);
    expect(refused.headers["www-authenticate"]).toContain("invalid_token");
    const { connection, closes, frames } = createConnection("alice", "laptop");
    await kit.dispatcher.opened(connection, { ...connection.actor, expiresAt: Infinity, issuedAt: 5 }, {});
    expect(frames).toMatchObject([{ type: "error", payload: { code: "UNAUTHORIZED" } }]);
    expect(closes).toEqual([4401]);
    expect(kit.metrics).toContain("authentication rest");
    expect(kit.metrics).toContain("authentication upgrade");
    expect((await ask("GET", "/me", { as: `alice/laptop/${kit.now() + 1}` })).status).toBe(200);
  });

  it("elsewhere is forgotten here when the log's follower says so", async () => {
    const { ask, kit } = createClient();
    expect((await ask("GET", "/me", { as: "alice/laptop/5" })).status).toBe(200);
    const by = { kind: "user" as const, userId: "alice", deviceId: "phone" };
    const context = { commandId: "c", correlationId: "c", now: kit.now(), by };
    await kit.app.commands.removeDevice({ deviceId: "laptop" }, context);
    kit.deviceAccess.deviceRemoved("alice", "laptop");
    expect((await ask("GET", "/me", { as: "alice/laptop/5" })).status).toBe(401);
  });

  it("while it is being let in is looked at again by its next call", async () => {
    const { ask, kit } = createClient();
    const registrations = () => kit.calls.filter((call) => call === "registerDevice").length;
    const release = kit.holdCommands();
    const first = ask("GET", "/users/alice");
    await expect.poll(registrations).toBe(1);
    kit.deviceAccess.deviceRemoved("alice", "phone");
    release();
    await first;
    for (let n = 0; n < 3; n++) await ask("GET", "/users/alice");
    expect(registrations()).toBe(2);
  });

  it("was there: an unknown one is NOT_FOUND, and nobody removes another's", async () => {
    const { ask } = createClient();
    await ask("GET", "/me", { as: "bob/tablet" });
    for (const device of ["nothing", "tablet", "%20", "__proto__"]) {
      const answer = await ask("DELETE", `/me/devices/${device}`);
      expect([answer.status, answer.json.error]).toEqual([404, "NOT_FOUND"]);
    }
    expect((await ask("GET", "/me", { as: "bob/tablet" })).status).toBe(200);
  });
});

describe("people", () => {
  it("are registered with their device by the first call, and only by it", async () => {
    const { ask, kit } = createClient();
    expect((await ask("GET", "/me")).json).toMatchObject({
      userId: "alice",
      devices: [{ deviceId: "phone", current: true }],
    });
    await ask("GET", "/me/devices");
    for (let n = 0; n < 3; n++) await ask("GET", "/users/alice");
    // Asked twice above; the calls themselves look nothing up.
    expect(kit.calls.filter((call) => call === "me")).toHaveLength(2);
    expect(kit.calls.filter((call) => call === "registerDevice")).toHaveLength(1);
    expect((await ask("GET", "/me/devices")).json).toEqual({
      devices: [{ deviceId: "phone", deviceType: "web", lastSeen: kit.now(), current: true }],
    });
    expect((await ask("GET", "/users/nobody")).json.error).toBe("USER_NOT_FOUND");
  });

  it("keep the kind of device that they connected with", async () => {
    const { ask, kit } = createClient();
    await kit.app.commands.registerDevice(
      { deviceType: "desktop" },
      { commandId: "c", correlationId: "c", now: 1, by: { kind: "user", userId: "alice", deviceId: "phone" } },
    );
    expect((await ask("GET", "/me")).json.devices).toMatchObject([{ deviceType: "desktop" }]);
  });
});

describe("read-your-writes", () => {
  it("is one for sockets and REST", async () => {
    const { ask, kit, direct } = createClient();
    const conversationId = await direct();
    const { connection, frames } = createConnection("alice");
    await kit.dispatcher.opened(connection, { ...connection.actor, expiresAt: Infinity }, {});
    const payload = { conversationId, clientMessageId: "k", content: { type: "text", text: "hi" } };
    kit.dispatcher.text(connection, JSON.stringify({ type: "message.send", id: "m", payload }));
    await kit.dispatcher.drain();
    expect(frames.at(-1)?.type).toBe("message.ack");
    await ask("GET", "/conversations");
    expect(kit.waits.at(-1)).toBe(kit.position());
    kit.stuckAt(kit.position() - 1);
    const answer = await ask("GET", "/conversations");
    expect([answer.status, answer.json.error, answer.headers["retry-after"]]).toEqual([503, "UNAVAILABLE", "1"]);
  });

  it("holds for every call that changes something, and for nobody else's", async () => {
    const { ask, kit } = createClient();
    await ask("GET", "/me", { as: "alice/tablet" });
    await ask("GET", "/me", { as: "zoe/web" });
    const made = await ask("POST", "/groups", { body: { name: "Crew", participantIds: ["bob"] } });
    const at = `/conversations/${String(made.json.conversationId)}`;
    const changes = [
      ["POST", "/conversations", { type: "direct", participantIds: ["bob"] }],
      ["POST", "/groups", { name: "Other", participantIds: [] }],
      ["PATCH", at, { name: "Team" }],
      ["PUT", `${at}/preferences`, { archived: true }],
      ["POST", `${at}/members`, { userIds: ["carol"] }],
      ["PATCH", `${at}/members/carol`, { role: "admin" }],
      ["DELETE", `${at}/members/carol`, undefined],
      ["PUT", "/me", { displayName: "Alice" }],
      ["DELETE", "/me/devices/tablet", undefined],
    ] as const;
    for (const [method, path, body] of changes) {
      const before = kit.position();
      expect((await ask(method, path, { body })).status).toBeLessThan(300);
      expect([path, kit.position()]).not.toEqual([path, before]);
      kit.stuckAt(kit.position() - 1);
      expect([method, path, (await ask("GET", "/me/devices")).status]).toEqual([method, path, 503]);
      expect((await ask("GET", "/me/devices", { as: "zoe/web" })).status).toBe(200);
      kit.stuckAt(Infinity);
    }
  });

  it("lets a sync wait for everything accepted before it", async () => {
    const { ask, kit, direct } = createClient();
    await ask("GET", "/me", { as: "zoe/web" });
    await direct();
    const answer = await ask("POST", "/sync", { body: { limit: 5 }, as: "zoe/web" });
    expect(answer.json).toMatchObject({ epoch: "epoch-1", reset: false });
    expect(kit.waits.at(-1)).toBe(kit.position());
  });
});

describe("refusals before any handler", () => {
  it("name routes and methods", async () => {
    const { ask } = createClient();
    for (const path of ["/nothing", "/users/", "/me/", "/conversations/a/b/c/d", "/api/v2/me", "/api/v1", "//me"])
      expect([path, (await ask("GET", path)).json.error]).toEqual([path, "NOT_FOUND"]);
    const wrong = await ask("PUT", "/conversations");
    expect([wrong.status, wrong.json.error]).toEqual([405, "METHOD_NOT_ALLOWED"]);
    expect(wrong.headers.allow).toBe("POST, GET, HEAD, OPTIONS");
    const options = await ask("OPTIONS", "/groups", { as: null });
    expect([options.status, options.headers.allow]).toEqual([204, "POST, OPTIONS"]);
    expect((await ask("HEAD", "/me")).status).toBe(200);
  });

  it("ask for a token", async () => {
    const { ask, kit } = createClient();
    const none = await ask("GET", "/me", { as: null });
    expect([none.status, none.json.error]).toEqual([401, "UNAUTHORIZED"]);
    expect(none.headers["www-authenticate"]).toBe('Bearer realm="parley"');
    for (const authorization of ["Bearer rubbish", "Basic YTpi", "Bearer", "alice/phone"]) {
      const bad = await ask("GET", "/me", { authorization });
      expect([bad.status, bad.headers["www-authenticate"]]).toEqual([
        401,
        'Bearer realm="parley", error="invalid_token"',
      ]);
    }
    expect(kit.metrics.filter((metric) => metric === "authentication rest")).toHaveLength(5);
    expect(kit.calls).toEqual([]);
    expect((await ask("GET", "/me", { authorization: "bearer alice/phone" })).status).toBe(200);
  });

  it("say 503 where a token cannot be judged now: it may be good", async () => {
    const { ask, kit } = createClient();
    const answer = await ask("GET", "/me", { as: "unjudged" });
    expect([answer.status, answer.json.error, answer.headers["retry-after"]]).toEqual([503, "UNAVAILABLE", "1"]);
    expect(answer.headers["www-authenticate"]).toBeUndefined();
    expect(kit.metrics).not.toContain("authentication rest");
  });

  it.each<readonly [string, Error]>([
    ["the log", new LogError("UNAVAILABLE", "secret of the log")],
    ["a store", new StoreUnavailable("secret of the store")],
  ])("say 503 and when to come back while %s is away", async (_, error) => {
    const { ask, kit } = createClient();
    kit.breakDown("startGroup", error);
    const answer = await ask("POST", "/groups", { body: { name: "n", participantIds: [] } });
    expect([answer.status, answer.json.error, answer.headers["retry-after"]]).toEqual([503, "UNAVAILABLE", "1"]);
    expect(JSON.stringify(answer.json)).not.toContain("secret");
  });

  it("turn a defect into 500 with nothing leaked", async () => {
    const { ask, kit } = createClient();
    kit.breakDown("startGroup");
    const defect = await ask("POST", "/groups", { body: { name: "n", participantIds: [] } });
    expect([defect.status, defect.json.error]).toEqual([500, "INTERNAL"]);
    expect(JSON.stringify(defect.json)).not.toContain("secret");
    expect((await ask("GET", "/me", { as: "broken" })).status).toBe(500);
    expect(kit.logged).toHaveLength(2);
  });

  it("leave a client that is gone to the transport", async () => {
    const { kit } = createClient();
    const gone = kit.rest({
      method: "POST",
      path: "/api/v1/sync",
      query: new URLSearchParams(),
      authorization: "Bearer alice/phone",
      body: () => Promise.reject(new Error("gone")),
    });
    await expect(gone).rejects.toThrow("gone");
    expect(kit.logged).toEqual([]);
  });
});

describe("a malformed call", () => {
  const { ask, kit } = createClient(createGatewayKit(createApp(afterAll)));

  it.each(malformedCalls)("%s", async (_name, target, body, status, field, expected) => {
    const [method = "", path = ""] = target.split(" ");
    const raw = Buffer.isBuffer(body) ? body : typeof body === "string" ? Buffer.from(body) : undefined;
    const answer = await ask(method, path, raw === undefined ? { body } : { raw });
    expect([answer.status, answer.json.error]).toEqual([status, status === 413 ? "TOO_LARGE" : "INVALID_MESSAGE"]);
    expect(answer.json.details).toEqual([{ field, expected }]);
    expect(kit.streams()).toEqual(["user-alice"]);
  });

  it("too large to be read", async () => {
    const answer = await ask("POST", "/groups", { raw: "too_large" });
    expect([answer.status, answer.json.error]).toEqual([413, "TOO_LARGE"]);
  });
});

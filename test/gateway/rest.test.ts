import { describe, expect, it } from "vitest";
import type { HttpResponse } from "../../src/gateway/ports.js";
import { createConnection, createGatewayKit } from "./dispatch-kit.js";

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
    expect((await ask("GET", "/conversations?limit=7&archived=false&cursor=c&foo=1")).status).toBe(200);
    await ask("GET", "/conversations");
    await ask("GET", `${at}/messages?before=10&limit=200`);
    await ask("GET", `${at}/messages`);
    expect(kit.calls.filter((call) => /^(inbox|history)/.test(call))).toEqual([
      'inbox {"limit":7,"cursor":"c","archived":false}',
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
    for (const odd of ["d_none", "%20", "..", "x".repeat(200), "__proto__"])
      expect((await ask("GET", `/conversations/${odd}`)).json.error).toBe("CONVERSATION_NOT_FOUND");
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
      devices: [{ deviceId: "phone", deviceType: "web", current: true }],
    });
    expect((await ask("GET", "/users/nobody")).json.error).toBe("USER_NOT_FOUND");
  });

  it("keep the kind of device that they connected with", async () => {
    const { ask, kit } = createClient();
    await kit.app.commands.registerDevice(
      { deviceType: "desktop" },
      { commandId: "c", correlationId: "c", now: 1, by: { userId: "alice", deviceId: "phone" } },
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

const many = (count: number) => Array.from({ length: count }, (_, n) => `u${n}`);
const group = (over: object) => ({ name: "n", participantIds: [], ...over });
const direct = (...participantIds: unknown[]) => ({ type: "direct", participantIds });
const idForm = "1-128 characters of A-Z a-z 0-9 _ . : @ -";
const noJson = "a JSON object in UTF-8";

/** Method, target, body (a string is sent as it is), status, field, what was expected of it. */
const bad: readonly [name: string, target: string, body: unknown, status: number, field: string, expected: string][] = [
  ["no JSON", "POST /groups", "{", 400, "body", noJson],
  ["no body", "POST /groups", "", 400, "body", noJson],
  ["a list", "POST /sync", "[]", 400, "body", noJson],
  ["null", "POST /sync", "null", 400, "body", noJson],
  ["bytes of no UTF-8", "POST /sync", Buffer.from([0x7b, 0xff, 0x7d]), 400, "body", noJson],
  ["another type", "POST /conversations", { ...direct("bob"), type: "group" }, 400, "type", '"direct"'],
  ["no participants", "POST /conversations", { type: "direct" }, 400, "participantIds", "at most 1000 user ids"],
  ["nobody", "POST /conversations", direct(), 400, "participantIds", "exactly one other user"],
  ["two", "POST /conversations", direct("bob", "carol"), 400, "participantIds", "exactly one other user"],
  ["oneself", "POST /conversations", direct("alice"), 400, "participantIds", "exactly one other user"],
  ["an odd id", "POST /conversations", direct("b b"), 400, "participantIds.0", idForm],
  ["a number as id", "POST /conversations", direct(7), 400, "participantIds.0", idForm],
  ["no name", "POST /groups", { participantIds: [] }, 400, "name", "1 to 100 characters"],
  ["an empty name", "POST /groups", group({ name: "" }), 400, "name", "1 to 100 characters"],
  ["a name of 101", "POST /groups", group({ name: "😀".repeat(101) }), 400, "name", "1 to 100 characters"],
  ["half a pair as name", "POST /groups", group({ name: "\ud83d" }), 400, "name", "1 to 100 characters"],
  [
    "a long description",
    "POST /groups",
    group({ description: "x".repeat(513) }),
    400,
    "description",
    "0 to 512 characters",
  ],
  ["null as description", "POST /groups", group({ description: null }), 400, "description", "0 to 512 characters"],
  [
    "an odd setting",
    "POST /groups",
    group({ settings: { allowMemberInvites: 1 } }),
    400,
    "settings.allowMemberInvites",
    "true or false",
  ],
  [
    "an odd visibility",
    "POST /groups",
    group({ settings: { historyVisibility: "x" } }),
    400,
    "settings.historyVisibility",
    'one of "since_join", "all"',
  ],
  [
    "an odd request id",
    "POST /groups",
    group({ clientRequestId: "" }),
    400,
    "clientRequestId",
    "1-64 printable ASCII characters",
  ],
  [
    "1,001 participants",
    "POST /groups",
    group({ participantIds: many(1001) }),
    413,
    "participantIds",
    "at most 1000 user ids",
  ],
  ["nobody to add", "POST /conversations/d_1/members", { userIds: [] }, 400, "userIds", "1 to 256 user ids"],
  ["257 to add", "POST /conversations/d_1/members", { userIds: many(257) }, 413, "userIds", "1 to 256 user ids"],
  ["an odd one to add", "POST /conversations/d_1/members", { userIds: ["a", ""] }, 400, "userIds.1", idForm],
  ["an odd sync", "POST /sync", { cursors: { d_1: 1.5 } }, 400, "cursors.d_1", "an integer of at least -1"],
  ["a limit of 0", "GET /conversations?limit=0", undefined, 400, "limit", "an integer from 1 to 200"],
  ["a limit of 201", "GET /conversations?limit=201", undefined, 400, "limit", "an integer from 1 to 200"],
  ["a limit of ten", "GET /conversations?limit=ten", undefined, 400, "limit", "an integer from 1 to 200"],
  ["an empty limit", "GET /conversations?limit=", undefined, 400, "limit", "an integer from 1 to 200"],
  ["a limit of 1e1", "GET /conversations?limit=1e1", undefined, 400, "limit", "an integer from 1 to 200"],
  ["archived perhaps", "GET /conversations?archived=perhaps", undefined, 400, "archived", '"true" or "false"'],
  ["an empty cursor", "GET /conversations?cursor=", undefined, 400, "cursor", "a cursor"],
  [
    "a negative before",
    "GET /conversations/d_1/messages?before=-1",
    undefined,
    400,
    "before",
    "an integer of at least 0",
  ],
  [
    "before and after",
    "GET /conversations/d_1/messages?before=1&after=1",
    undefined,
    400,
    "after",
    "nothing beside before",
  ],
  ["a bad escape", "GET /users/%E0%A4", undefined, 400, "path", "percent-encoded UTF-8"],
  ["a lone percent", "GET /conversations/%/members", undefined, 400, "path", "percent-encoded UTF-8"],
];

describe("a malformed call", () => {
  it.each(bad)("%s", async (_name, target, body, status, field, expected) => {
    const { ask, kit } = createClient();
    const [method = "", path = ""] = target.split(" ");
    const raw = Buffer.isBuffer(body) ? body : typeof body === "string" ? Buffer.from(body) : undefined;
    const answer = await ask(method, path, raw === undefined ? { body } : { raw });
    expect([answer.status, answer.json.error]).toEqual([status, status === 413 ? "TOO_LARGE" : "INVALID_MESSAGE"]);
    expect(answer.json.details).toEqual([{ field, expected }]);
    expect(kit.conversations.size).toBe(0);
  });

  it("too large to be read", async () => {
    const { ask } = createClient();
    const answer = await ask("POST", "/groups", { raw: "too_large" });
    expect([answer.status, answer.json.error]).toEqual([413, "TOO_LARGE"]);
  });
});

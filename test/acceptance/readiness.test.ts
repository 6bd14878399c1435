import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { filesOf } from "../../src/profiles/data-directory.js";
import { openSqliteLog } from "../../src/infra/event-log/sqlite/event-log.js";
import type { Readiness } from "../../src/gateway/ports.js";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice } from "../kit/wire.js";

let server: TestServer;
let conversationId: unknown;
beforeAll(async () => {
  server = await startServer();
  const alice = await wireDevice(server, "alice");
  const started = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
  conversationId = started.body.conversationId;
  expect(await server.terminate()).toBe(0);
  const log = await openSqliteLog(filesOf(server.dataDir).log);
  const poison = { id: randomUUID(), type: "MessageSent", data: JSON.stringify({ sequence: "four" }), meta: "{}" };
  await log.append("conversation-g_poison", "no_stream", [poison]);
  await log.close();
  await server.start();
});
afterAll(() => server.dispose());

it("the embedded profile whose views have stopped names them, and is ready: it accepts", async () => {
  const readyz = async () => {
    const response = await fetch(`${server.url()}/readyz`);
    return { status: response.status, ...((await response.json()) as Readiness) };
  };
  await expect.poll(async () => Object.keys((await readyz()).problems), { timeout: 60_000 }).toEqual(["views"]);
  expect(await readyz()).toMatchObject({
    status: 200,
    ready: true,
    problems: { views: expect.stringContaining("cannot be projected") as string },
  });
  const alice = await wireDevice(server, "alice");
  const sent = await alice.ask("message.send", { conversationId, clientMessageId: "m", content: text("hello") });
  expect(sent.type).toBe("message.ack");
  await alice.close();
});

it("views that have stopped are not read: a reader is told to come back", async () => {
  const alice = await wireDevice(server, "alice");
  for (const path of ["/conversations", `/conversations/${String(conversationId)}`, "/me"])
    expect(await alice.rest(`GET ${path}`)).toMatchObject({
      status: 503,
      body: { error: "UNAVAILABLE", retryAfter: 1 },
    });
  const synced = await alice.ask("sync", {});
  expect(synced).toMatchObject({ type: "error", payload: { code: "UNAVAILABLE", retryAfter: 1 } });
  await alice.close();
});

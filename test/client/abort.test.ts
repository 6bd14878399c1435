import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { storedOutbox, type Client, type ClientOptions } from "../../client/index.js";
import { browserPlatform, randomUuid } from "../../client/browser.js";
import { nodePlatform } from "../../client/node.js";
import { WebSocket } from "ws";
import { settled } from "../kit/turns.js";
import { online, testClient, until } from "./kit.js";
import { startScriptedServer, type ScriptedServer } from "./scripted-server.js";

const id = "g_1";
const text = (words: string) => ({ type: "text" as const, text: words });
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
const start = (more: Partial<ClientOptions> = {}): Client => {
  const client = testClient(server.url, more);
  clients.push(client);
  return client;
};

describe("an AbortSignal", () => {
  test("ends waiting for an acceptance; the message is sent all the same", async () => {
    const client = start();
    const controller = new AbortController();
    const { accepted, clientMessageId } = client.send(id, text("later"), { signal: controller.signal });
    controller.abort(new Error("left the page"));
    await expect(accepted).rejects.toMatchObject({ code: "ABORTED", cause: new Error("left the page") });
    expect(client.conversations.get(id)?.pending).toMatchObject([{ clientMessageId, status: { kind: "waiting" } }]);
    client.connect();
    await until(client, () => client.conversations.get(id)?.messages.length === 1);
    expect(client.conversations.get(id)?.pending).toEqual([]);
  });

  test("that never aborts changes nothing, and is not listened to for longer than the call", async () => {
    const client = start();
    client.connect();
    await online(client);
    let listeners = 0;
    const { signal } = new AbortController();
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    expect(await client.send(id, text("now"), { signal }).accepted).toMatchObject({ sequence: 1 });
    await settled();
    expect(listeners).toBe(0);
  });

  test("ends REST calls and requests, and one that has aborted asks nothing", async () => {
    let asked = 0;
    const controller = new AbortController();
    const platform = {
      ...nodePlatform(WebSocket),
      /** A server that never answers; what it is asked ends only with the signal. */
      fetch: (_url: string, { signal }: { readonly signal?: AbortSignal }) => {
        asked += 1;
        // Not before all are under way, and after this one listens.
        if (asked === 3)
          queueMicrotask(() => {
            controller.abort();
          });
        return new Promise<never>((_, reject) => {
          signal?.addEventListener("abort", () => {
            reject(new Error("the fetch was aborted"));
          });
        });
      },
    };
    const client = start({ platform, requestTimeoutMs: 60_000 });
    const { signal } = controller;
    const waiting = [client.inbox({}, { signal }), client.createDirect("bob", { signal }), client.me({ signal })];
    for (const call of waiting) await expect(call).rejects.toMatchObject({ code: "ABORTED" });
    expect(asked).toBe(3);
    await expect(client.history(id, {}, { signal })).rejects.toMatchObject({ code: "ABORTED" });
    await expect(client.edit(id, "m", text("x"), { signal })).rejects.toMatchObject({ code: "ABORTED" });
    expect(asked).toBe(3);
  });
});

test("a persistent outbox carries messages over to the next page", async () => {
  const texts = new Map<string, string>();
  const store = {
    get length() {
      return texts.size;
    },
    key: (index: number) => [...texts.keys()][index] ?? null,
    getItem: (key: string) => texts.get(key) ?? null,
    setItem: (key: string, value: string) => void texts.set(key, value),
    removeItem: (key: string) => void texts.delete(key),
  };
  const first = start({ storage: storedOutbox({ store, name: "alice/phone" }) });
  first.send(id, text("one"));
  first.send(id, text("two"));
  await until(first, () => texts.size === 2);
  first.close();
  const second = start({ storage: storedOutbox({ store, name: "alice/phone" }) });
  second.connect();
  await until(second, () => second.conversations.get(id)?.messages.length === 2);
  expect(second.conversations.get(id)?.messages.map(({ content }) => content)).toEqual([text("one"), text("two")]);
  await until(second, () => texts.size === 0);
});

describe("the browser's platform", () => {
  test("makes UUIDs also where the origin is not secure", () => {
    const prototype = Object.getPrototypeOf(crypto) as object;
    const own = Object.getOwnPropertyDescriptor(prototype, "randomUUID");
    Object.defineProperty(prototype, "randomUUID", { value: undefined, configurable: true });
    try {
      const made = Array.from({ length: 100 }, randomUuid);
      for (const uuid of made)
        expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(new Set(made).size).toBe(100);
    } finally {
      if (own !== undefined) Object.defineProperty(prototype, "randomUUID", own);
    }
    expect(randomUuid()).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("is that of the global WebSocket, and says when there is none", async () => {
    const holder = globalThis as { WebSocket?: unknown };
    const own = holder.WebSocket;
    try {
      holder.WebSocket = undefined;
      expect(browserPlatform).toThrow("no WebSocket");
      holder.WebSocket = WebSocket;
      const client = start({ platform: browserPlatform() });
      client.connect();
      await online(client);
      expect(await client.send(id, text("from a page")).accepted).toMatchObject({ sequence: 1 });
    } finally {
      holder.WebSocket = own;
    }
  });
});

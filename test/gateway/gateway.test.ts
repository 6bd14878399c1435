import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Dispatching } from "../../src/gateway/gateway.js";
import { settled } from "../kit/turns.js";
import { gatewayLimits } from "../../src/gateway/limits.js";
import { heldBack, startTestGateway, openClient, upgradeHeaders, wsUrl, type TestGateway } from "./gateway-kit.js";

let server: TestGateway;
afterEach(() => server.stop());

const ask = (path: string, init: RequestInit = {}) => fetch(`${server.gateway.url}${path}`, init);

describe("pages", () => {
  it("say that the process lives, what this is, what it measures and what is missing", async () => {
    server = await startTestGateway({
      readiness: () => Promise.resolve({ ready: false, problems: { log: "on fire" } }),
    });
    expect(await (await ask("/healthz")).json()).toEqual({ status: "ok", version: "1.2.3-test" });
    expect(await (await ask("/")).text()).toContain("/api/v1");
    const metrics = await ask("/metrics");
    expect(metrics.headers.get("content-type")).toContain("text/plain");
    const figures = await metrics.text();
    for (const line of ["parley_connections 0", 'parley_build_info{version="1.2.3-test"} 1'])
      expect(figures).toContain(line);
    const readyz = await ask("/readyz");
    expect(readyz.status).toBe(503);
    expect(await readyz.json()).toEqual({ ready: false, problems: { log: "on fire" } });
    const nothing = await ask("/toString");
    expect(nothing.status).toBe(404);
    expect(await nothing.json()).toMatchObject({ error: "NOT_FOUND" });
    expect((await ask("/ws")).status).toBe(426);
    const written = await ask("/healthz", { method: "POST" });
    expect(written.status).toBe(405);
    expect(await written.json()).toMatchObject({ error: "METHOD_NOT_ALLOWED" });
  });

  it("do not wait for a dependency that never answers", async () => {
    server = await startTestGateway({ readiness: () => new Promise(() => undefined) });
    expect((await ask("/readyz")).status).toBe(503);
  });
});

describe("a device", () => {
  it("has one live connection: a newer one closes the older with 4409 and misses nothing", async () => {
    server = await startTestGateway();
    const older = await server.client("alice", "phone");
    const other = await server.client("alice", "laptop");
    const newer = await server.client("alice", "phone");
    expect((await older.closed).code).toBe(4409);
    server.hub.deliver([{ recipients: ["alice"], frame: "to both" }]);
    expect(await newer.next(1)).toBe("to both");
    expect(await other.next(1)).toBe("to both");
    expect(server.hub.size()).toBe(2);
    expect(older.received).toEqual(['{"type":"connected"}']);
    const text = await server.telemetry.metricsText();
    expect(text).toContain("parley_reconnects_total 1");
    expect(text).toContain('parley_connections_closed_total{code="4409"} 1');
  });

  it("gets every frame once, on one of its connections, while it is replaced again and again", async () => {
    server = await startTestGateway();
    const clients = [await server.client("alice")];
    let sent = 0;
    for (let index = 0; index < 20; index++) {
      const connecting = server.client("alice").then((client) => clients.push(client));
      while (clients.length < index + 2) {
        server.hub.deliver([{ recipients: ["alice"], frame: `frame ${++sent}` }]);
        await settled();
      }
      await connecting;
    }
    server.hub.deliver([{ recipients: ["alice"], frame: "last" }]);
    await expect.poll(() => clients.at(-1)?.received.at(-1)).toBe("last");
    await Promise.all(clients.slice(0, -1).map((client) => client.closed));
    const frames = clients.flatMap((client) => client.received.filter((text) => text.startsWith("frame ")));
    expect(frames).toEqual(Array.from({ length: sent }, (_, index) => `frame ${index + 1}`));
  });
});

describe("opening and ticking", () => {
  it("says when the token was issued that a connection came with, as far as it is told", async () => {
    const issued: (number | undefined)[] = [];
    const opening: Dispatching["opened"] = ({ issuedAt }, claims) => {
      issued.push(issuedAt, claims.issuedAt);
      return Promise.resolve();
    };
    server = await startTestGateway({ dispatcher: { opened: opening } });
    await server.client("alice");
    expect(issued).toEqual([expect.any(Number), issued[0]]);
  });

  it("lets nobody in who is being closed already: the device keeps the connection that it has", async () => {
    let opened = 0;
    const opening: Dispatching["opened"] = async (connection, _claims, { enter }) => {
      // Its token ended while the log was asked.
      if (++opened === 2) connection.close(4401, "token expired");
      await enter?.();
      connection.greet("connected");
    };
    server = await startTestGateway({ dispatcher: { opened: opening } });
    const first = await server.client("alice");
    const late = await server.client("alice");
    expect((await late.closed).code).toBe(4401);
    expect(server.hub.size()).toBe(1);
    server.hub.deliver([{ recipients: ["alice"], frame: "still here" }]);
    expect(await first.next(1)).toBe("still here");
  });

  it("closes with 1011 what cannot be opened", async () => {
    server = await startTestGateway({ dispatcher: { opened: () => Promise.reject(new Error("a defect")) } });
    const client = await server.client("alice");
    expect((await client.closed).code).toBe(1011);
    expect(server.log.join()).toContain("a defect");
    expect(server.hub.size()).toBe(0);
  });

  it("drives heartbeats, and a tick that fails is not the last", async () => {
    let ticks = 0;
    const tick = () => {
      ticks++;
      throw new Error("a defect");
    };
    server = await startTestGateway({ config: { heartbeatIntervalMs: 100 }, dispatcher: { tick } });
    await expect.poll(() => ticks).toBeGreaterThan(2);
    expect(server.log.join()).toContain("a defect");
  });
});

describe("draining", () => {
  it("answers what is in flight, tells every client when to return, and lets nobody in", async () => {
    let settle: () => void = () => undefined;
    const settled = new Promise<void>((resolve) => (settle = resolve));
    server = await startTestGateway({ dispatcher: { drain: () => settled } });
    const clients = await Promise.all(Array.from({ length: 600 }, (_, index) => server.client(`user${index}`)));
    const [first] = clients;
    const token = server.token("late");
    const kept = await ask("/healthz");
    expect(kept.status).toBe(200);

    const drained = server.gateway.drain();
    for (const connection of server.hub.connections())
      if (connection.actor.userId === "user0") connection.send("the acknowledgement of what was in flight");
    settle();
    const closes = await Promise.all(clients.map((client) => client.closed));
    await drained;
    expect(new Set(closes.map((close) => close.code))).toEqual(new Set([1012]));
    expect(first?.received.at(-2)).toBe("the acknowledgement of what was in flight");
    const delays = clients.map((client) => {
      const frame = JSON.parse(client.received.at(-1) ?? "{}") as {
        type: string;
        payload: { reconnectAfterMs: number };
      };
      expect(frame.type).toBe("server.draining");
      return frame.payload.reconnectAfterMs;
    });
    expect(new Set(delays).size).toBeGreaterThan(100);
    await expect(openClient(`${wsUrl(server.gateway)}?token=${token}`)).rejects.toThrow(/ECONNREFUSED|503/);
    expect(server.hub.size()).toBe(0);
  });

  it("says so in readiness while it lasts, on connections that stand", async () => {
    server = await startTestGateway({ dispatcher: { drain: () => new Promise(() => undefined) } });
    const answered: string[] = [];
    const standing = connect(server.gateway.port, "127.0.0.1");
    standing.on("data", (chunk) => answered.push(chunk.toString()));
    const get = (path: string, headers = "") => standing.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    get("/readyz");
    await expect.poll(() => answered.join()).toContain("200 OK");
    void server.gateway.drain();
    get("/readyz");
    await expect.poll(() => answered.join()).toMatch(/503 .*"gateway":"draining"/s);
    answered.length = 0;
    get(`/ws?token=${server.token("a")}`, `${upgradeHeaders}\r\n`);
    await expect.poll(() => answered.join()).toMatch(/503 .*UNAVAILABLE/s);
    await expect(ask("/readyz")).rejects.toThrow();
    standing.destroy();
  });

  it("answers the calls that are in flight, and refuses further ones on connections that stand", async () => {
    const { rest, asked, letGo } = heldBack(201);
    server = await startTestGateway({ rest });
    const standing = connect(server.gateway.port, "127.0.0.1");
    let text = "";
    let isClosed = false;
    standing.on("data", (chunk) => (text += chunk.toString()));
    standing.on("close", () => (isClosed = true));
    standing.write("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    await expect.poll(() => text).toContain("200 OK");
    const call = fetch(`${server.gateway.url}/api/v1/groups`, { method: "POST", body: "{}" });
    await expect.poll(asked).toBe(1);

    let isDrained = false;
    const drained = server.gateway.drain().then(() => (isDrained = true));
    standing.write("POST /api/v1/groups HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    await expect.poll(() => isClosed).toBe(true);
    expect(text).toMatch(/HTTP\/1\.1 503 .*connection: close.*"error":"UNAVAILABLE"/is);
    expect([asked(), isDrained]).toEqual([1, false]);
    letGo();
    const answer = await call;
    expect([answer.status, answer.headers.get("connection")]).toEqual([201, "close"]);
    await drained;
  });

  it("is not over before its last answer has left: closing right after it cuts none", async () => {
    const { rest, asked, letGo } = heldBack(201);
    const { gateway } = (server = await startTestGateway({ rest }));
    const call = fetch(`${gateway.url}/api/v1/groups`, { method: "POST", body: "{}" });
    await expect.poll(asked).toBe(1);
    const closed = gateway.drain().then(gateway.close);
    letGo();
    expect((await call).status).toBe(201);
    await closed;
  });

  it("of an idle gateway does not take its whole budget, and may be asked for twice", async () => {
    server = await startTestGateway();
    const before = performance.now();
    await Promise.all([server.gateway.drain(), server.gateway.drain()]);
    expect(performance.now() - before).toBeLessThan(gatewayLimits.drainMsMax);
  });
});

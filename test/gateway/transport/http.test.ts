import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  heldBack,
  describeRequest,
  rawExchange,
  startTestGateway,
  type TestGateway,
  type TestOptions,
} from "../gateway-kit.js";

let server: TestGateway;
const restart = async (options: TestOptions) => {
  await server.stop();
  server = await startTestGateway(options);
};
beforeEach(async () => {
  server = await startTestGateway({ config: { maxBodyBytes: 1000 } });
});
afterEach(() => server.stop());

const ask = (path: string, init: RequestInit = {}) => fetch(`${server.gateway.url}${path}`, init);
const answers = (count: number) => (text: string) => text.split("HTTP/1.1 ").length > count && text.endsWith("}");
const exchange = (bytes: string, until = answers(1)) => rawExchange(server.gateway.port, bytes, until);
const isAlive = async () => {
  expect((await ask("/healthz")).status).toBe(200);
};

describe("a request", () => {
  it.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])("reaches its handler: %s", async (method) => {
    const body = method === "GET" ? null : "hello";
    const response = await ask("/api/v1/x%20y?a=1&a=2&b=%C3%BC", {
      method,
      body,
      headers: { authorization: "Bearer t" },
    });
    expect(await response.json()).toEqual({
      method,
      path: "/api/v1/x%20y",
      query: [
        ["a", "1"],
        ["a", "2"],
        ["b", "ü"],
      ],
      authorization: "Bearer t",
      bytes: body?.length ?? 0,
      text: body ?? "",
    });
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  });

  it("with HEAD has the headers of its GET and no body", async () => {
    const [head, get] = await Promise.all([ask("/healthz", { method: "HEAD" }), ask("/healthz")]);
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe(String((await get.text()).length));
    expect(await head.text()).toBe("");
  });

  it("that is answered without content is told of no length, and can be followed by the next", async () => {
    await restart({ rest: () => Promise.resolve({ status: 204 }) });
    const request = "DELETE /api/v1/x HTTP/1.1\r\nHost: x\r\n\r\n";
    const empty = (count: number) => (text: string) => text.split("\r\n\r\n").length > count;
    const text = await exchange(request, empty(1));
    expect(text).toMatch(/^HTTP\/1\.1 204 No Content\r\n/);
    expect(text).not.toMatch(/content-length/i);
    await isAlive();
  });

  it("may have headers of 12 KiB", async () => {
    const response = await ask("/api/v1/x", { headers: { authorization: `Bearer ${"t".repeat(12_000)}` } });
    expect(response.status).toBe(200);
    expect((await ask("/api/v1/x", { headers: { authorization: "t".repeat(17_000) } })).status).toBe(431);
  });

  it("can be followed by the next on the same connection, whether its body was read or not", async () => {
    await restart({
      rest: (request) =>
        request.path === "/api/unread" ? Promise.resolve({ status: 200, body: "{}" }) : describeRequest(request),
    });
    const post = (path: string) => `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n`;
    const socket = connect(server.gateway.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    for (const [index, path] of ["/api/unread", "/api/read", "/api/unread", "/api/read"].entries()) {
      socket.write(post(path) + "he");
      socket.write("llo");
      await expect.poll(() => answers(index + 1)(text)).toBe(true);
    }
    socket.destroy();
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(4);
    expect(text.match(/"text":"hello"/g)).toHaveLength(2);
  });

  it("may come in chunks", async () => {
    const text = await exchange(
      "POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    expect(text).toContain('"text":"abcde"');
  });

  it("that is too large is answered with 413, with its length announced or not", async () => {
    const announced = await ask("/api/x", { method: "POST", body: "x".repeat(1001) });
    expect(announced.status).toBe(413);
    const atTheLimit = await ask("/api/x", { method: "POST", body: "x".repeat(1000) });
    expect(atTheLimit.status).toBe(200);
    const large = await ask("/api/x", { method: "POST", body: "x".repeat(900_000) });
    expect(large.status).toBe(413);
    const chunked = await exchange(
      `POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5dc\r\n${"x".repeat(1500)}\r\n0\r\n\r\n`,
    );
    expect(chunked).toContain("413");
    const endless = await exchange(
      `POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n${"x".repeat(1_200_000)}`,
      () => false,
    );
    expect(endless === "" || endless.includes("413")).toBe(true);
    await isAlive();
  });

  it.each([
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "\x00\x01rubbish\r\n\r\n",
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
  ])("that is malformed is refused and hurts nobody: %j", async (bytes) => {
    expect(await exchange(bytes, () => false)).toMatch(/^HTTP\/1\.1 (400|431|505)/);
    await isAlive();
  });

  it("whose client goes away, amid its body or while it is worked on, leaves nothing behind", async () => {
    let asked = 0;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    await restart({
      rest: async (request) => {
        asked++;
        if (request.path === "/api/slow") await released;
        else await request.body();
        return { status: 200, body: "{}" };
      },
    });
    for (let index = 0; index < 20; index++) {
      for (const head of [
        "POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf",
        "GET /api/slow HTTP/1.1\r\nHost: x\r\n\r\n",
      ]) {
        const socket = connect(server.gateway.port, "127.0.0.1");
        socket.on("error", () => undefined);
        socket.write(head);
        await expect.poll(() => asked, { interval: 1 }).toBeGreaterThan(0);
        asked = 0;
        socket.destroy();
      }
    }
    release();
    await isAlive();
    expect(server.log).toEqual([]);
  });

  it("whose handler fails is answered with 500 that says nothing, and is logged", async () => {
    await restart({ rest: () => Promise.reject(new Error("the password is 123")) });
    const response = await ask("/api/x?token=s3cr3t", { method: "POST", body: "x" });
    expect(response.status).toBe(500);
    const body = await response.text();
    expect(JSON.parse(body)).toMatchObject({ error: "INTERNAL" });
    expect(body).not.toContain("123");
    expect(server.log.join()).toContain("the password is 123");
    expect(server.log.join()).toContain('"path":"/api/x"');
    expect(server.log.join()).not.toContain("s3cr3t");
  });

  it("beyond those that may be at work is refused, but operators' pages are served all the same", async () => {
    const { rest, asked, letGo } = heldBack(200);
    await restart({ config: { requestsMax: 2 }, rest });
    const busy = [ask("/api/v1/me"), ask("/api/v1/me")];
    await expect.poll(asked).toBe(2);
    const refused = await ask("/api/v1/me");
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: "UNAVAILABLE", retryAfter: 1 });
    for (const page of ["/healthz", "/readyz", "/metrics", "/healthz?probe=1"])
      expect((await ask(page)).status).toBe(200);
    expect((await ask("/healthz", { method: "HEAD" })).status).toBe(200);
    expect((await ask("/healthz", { method: "POST", body: "x" })).status).toBe(503);
    letGo();
    expect((await Promise.all(busy)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await ask("/api/v1/me")).status).toBe(200);
  });

  it("for an operators' page is answered though it brings a body, of which nothing is kept", async () => {
    const text = await exchange(`GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n${"x".repeat(900)}`);
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    await isAlive();
  });

  it("cannot smuggle headers into its answer", async () => {
    await restart({
      rest: (request) => Promise.resolve({ status: 200, headers: { "x-a": request.query.get("a") ?? "" }, body: "{}" }),
    });
    const response = await ask("/api/x?a=1%0d%0aset-cookie:%20a=b");
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("x-a")).toBe("1set-cookie: a=b");
  });
});

describe("other origins", () => {
  it("are told that they may, when they are configured, and others are not", async () => {
    await restart({ config: { allowedOrigins: ["https://chat.example"] } });
    const preflight = await ask("/api/v1/me", {
      method: "OPTIONS",
      headers: { origin: "https://chat.example", "access-control-request-method": "PUT" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-methods")).toContain("PUT");
    const mine = await ask("/api/v1/me", { headers: { origin: "https://chat.example" } });
    expect(mine.headers.get("access-control-allow-origin")).toBe("https://chat.example");
    const theirs = await ask("/api/v1/me", { headers: { origin: "https://evil.example" } });
    expect(theirs.headers.get("access-control-allow-origin")).toBeNull();
  });
});

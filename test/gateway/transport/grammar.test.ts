import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rawExchange, startTestGateway, trickled, upgradeHeaders, type TestGateway } from "../gateway-kit.js";

/** HTTP byte by byte, as clients' libraries would never send it: docs/adr/0015 says what is refused, and what cannot be. */
let server: TestGateway;
/** Paths that reached REST. */
let handled: string[];
/** Bodies that REST has read. */
let read: string[];
beforeEach(async () => {
  handled = [];
  read = [];
  server = await startTestGateway({
    rest: async (request) => {
      handled.push(request.path);
      const body = await request.body();
      read.push(body.toString());
      return { status: 200, body: JSON.stringify({ text: body.toString() }) };
    },
  });
});
afterEach(() => server.stop());

/** Until the server closes: no answer is waited for by time. */
const untilClosed = (bytes: string) => rawExchange(server.gateway.port, bytes, () => false);
const post = (headers: string, body: string) => `POST /api/x HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n${body}`;
const next = "GET /api/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

const ambiguous: readonly [field: string, bytes: string][] = [
  ["content-length", post("Content-Length: 5\r\nContent-Length: 50", "hello")],
  ["content-length", post("Content-Length: 50\r\nContent-Length: 5", "hello")],
  ["content-length", post("Content-Length: 5\r\nContent-Length: 5", "hello")],
  ["content-length", post("Content-Length:", "")],
  ["transfer-encoding", post("Transfer-Encoding: identity", "5\r\nhello\r\n0\r\n\r\n")],
  ["transfer-encoding", post("Transfer-Encoding: xchunked", "5\r\nhello\r\n0\r\n\r\n")],
  ["transfer-encoding", post("Transfer-Encoding: chunked, identity", "5\r\nhello\r\n0\r\n\r\n")],
  ["transfer-encoding", post("Transfer-Encoding: gzip, chunked", "5\r\nhello\r\n0\r\n\r\n")],
  ["transfer-encoding", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "5\r\nhello\r\n0\r\n\r\n")],
  ["transfer-encoding", post("Transfer-Encoding:", "")],
  ["host", post("Host: y\r\nContent-Length: 5", "hello")],
  ["trailer", post("Trailer: x-sum\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n")],
];

describe("a request that can be read in two ways", () => {
  it.each(ambiguous)("is refused for its %s, and its connection closed: %j", async (field, bytes) => {
    const [head = "", body = ""] = (await untilClosed(bytes)).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(head).toMatch(/\r\nConnection: close\r\n/);
    expect(JSON.parse(body)).toMatchObject({ error: "INVALID_MESSAGE", details: [{ field }] });
    expect(handled).toEqual([]);
  });

  it.each(ambiguous)("has no second request behind it (%s): %j", async (_field, bytes) => {
    const text = await untilClosed(bytes + next);
    expect(text).not.toMatch(/HTTP\/1\.1 2/);
    expect(handled).toEqual([]);
  });

  it.each([
    ["refused by the library", post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n")],
    ["refused by the library", post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n")],
    ["refused by the library", post("Content-Length: +5", "hello")],
    ["refused by the library", post("Content-Length: -5", "hello")],
    ["refused by the library", post("Content-Length: 0x5", "hello")],
    ["refused by the library", post("Content-Length: 5, 6", "hello")],
    ["refused by the library", post("Content-Length: 99999999999999999999999", "hello")],
    ["refused by the library", post("Transfer-Encoding: chunked", "zz\r\nhello\r\n0\r\n\r\n")],
    ["refused by the library", post("Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n")],
    ["refused by the library", post("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n")],
    ["refused by the library", `GET /api/x HTTP/1.1\r\nX: 1\r\n\r\n`],
    ["refused by the library", `GET /api/x HTTP/1.1\nHost: x\n\n`],
    ["refused by the library", `GET http://x/api/x HTTP/1.1\r\nHost: x\r\n\r\n`],
    [
      "refused by the library",
      `GET /api/x HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 100 }, (_, i) => `A${i}: b\r\n`).join("")}\r\n`,
    ],
  ])("or in none is %s: %j", async (_by, bytes) => {
    const text = await untilClosed(bytes + next);
    expect(text).toMatch(/^HTTP\/1\.1 (400|431|505) /);
    expect(text).not.toMatch(/HTTP\/1\.1 2/);
    expect(handled.filter((path) => path === "/api/smuggled")).toEqual([]);
  });

  it("is not done when a trailer comes unannounced, which the library takes for a request and refuses", async () => {
    const chunked = (headers: string, trailer: string) =>
      post(`Transfer-Encoding: chunked${headers}`, `5\r\nhello\r\n0\r\n${trailer}\r\n`);
    expect(await untilClosed(chunked("", "X-Sum: 1\r\n"))).toMatch(/^HTTP\/1\.1 505 /);
    expect([handled, read]).toEqual([["/api/x"], []]);
    expect(await untilClosed(chunked("\r\nConnection: close", ""))).toMatch(/^HTTP\/1\.1 200 .*\{"text":"hello"\}$/s);
    expect(read).toEqual(["hello"]);
  });

  it("does not become a WebSocket: what looks like a body would be frames", async () => {
    for (const header of [
      "Content-Length: 5",
      "Content-Length: 5\r\nContent-Length: 0",
      "Transfer-Encoding: chunked",
    ]) {
      const head = `GET /ws?token=${server.token("alice")} HTTP/1.1\r\nHost: x\r\n${upgradeHeaders}\r\n${header}\r\n\r\n`;
      expect(await untilClosed(head)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    }
    expect(server.told).toEqual([]);
  });
});

describe("an answer that closes the connection", () => {
  it("is the last: what the same packet holds behind its request is not done", async () => {
    const bad = `GET /ws?token=bad HTTP/1.1\r\nHost: x\r\n${upgradeHeaders}\r\n\r\n`;
    expect(await untilClosed(bad)).toMatch(/^HTTP\/1\.1 401 /);
    expect(await untilClosed(bad + next)).not.toMatch(/HTTP\/1\.1 200/);
    expect(handled).toEqual([]);
  });
});

describe("HEAD", () => {
  const head = (path: string, headers = "") => `HEAD ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

  it.each(["/healthz", "/api/x", "/ws", "/nothing"])("can be followed by the next request: %s", async (path) => {
    const socket = connect(server.gateway.port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("close", () => (text += "<closed>"));
    socket.write(head(path));
    await expect.poll(() => text).toMatch(/\r\n\r\n/);
    socket.write("GET /api/next HTTP/1.1\r\nHost: x\r\n\r\n");
    await expect.poll(() => text).toMatch(/\{"text":""\}$|<closed>/);
    socket.destroy();
    expect(text.match(/HTTP\/1\.1 \d+/g)).toHaveLength(2);
    expect(text).toMatch(/content-length: [1-9]/);
    expect(handled).toContain("/api/next");
  });

  it("closes the connection when the client wants that, with the length of its GET", async () => {
    const text = await untilClosed(head("/healthz", "Connection: close\r\n"));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).toMatch(/content-length: [1-9]/);
    expect(text.endsWith("\r\n\r\n")).toBe(true);
  });

  it("closes it when the server does", async () => {
    expect(await untilClosed(head("/api/x", "Host: y\r\n"))).toMatch(/^HTTP\/1\.1 400 .*\r\nConnection: close\r\n/s);
  });
});

describe("/ws without an upgrade", () => {
  it.each(["", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "Upgrade: h2c\r\nConnection: Upgrade\r\n"])(
    "is 426 and says what is missing, and to whom: %j",
    async (headers) => {
      const request = `GET /ws HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
      const text = await rawExchange(server.gateway.port, request, (came) => came.endsWith("}"));
      expect(text).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
      expect(text.toLowerCase()).toContain("\r\nupgrade: websocket\r\n");
      expect(text).toMatch(/proxy .* has to .*Upgrade and Connection/);
    },
  );
});

describe("a body", () => {
  it("that trickles is ended: 503, and its place is free", async () => {
    await server.stop();
    server = await startTestGateway({ config: { bodyMsMax: 300, requestsMax: 1 } });
    const text = await trickled(server.gateway.port, post("Content-Length: 100000", "x"));
    expect(text).toMatch(/^HTTP\/1\.1 503 /);
    expect(text).toMatch(/Connection: close/);
    expect(JSON.parse(text.split("\r\n\r\n")[1] ?? "")).toMatchObject({ error: "UNAVAILABLE", retryAfter: 1 });
    expect((await fetch(`${server.gateway.url}/api/x`, { method: "POST", body: "y" })).status).toBe(200);
  });

  it("that nobody wants holds no place while it is thrown away", async () => {
    let asked = 0;
    await server.stop();
    server = await startTestGateway({
      config: { requestsMax: 1 },
      rest: () => {
        asked++;
        return Promise.resolve({ status: 401, body: "{}" });
      },
    });
    const open = Array.from({ length: 3 }, () => connect(server.gateway.port, "127.0.0.1"));
    for (const socket of open) socket.write(post("Content-Length: 1000", "x"));
    // No answer comes before the body is there or given up; the places are free before.
    await expect.poll(() => asked).toBe(3);
    expect((await fetch(`${server.gateway.url}/api/x`)).status).toBe(401);
    for (const socket of open) socket.destroy();
  });
});

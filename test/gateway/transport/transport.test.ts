import { E } from "../../../src/domain/kernel/fp.js";
import { createHmac } from "node:crypto";
import { jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwtAuthenticator, signToken } from "../../../src/infra/auth/jwt.js";
import { createAnswering } from "../../../src/gateway/transport/answer.js";
import { unsupported, type NativeResponse } from "../../../src/gateway/transport/native.js";
import {
  maskedFrame,
  openClient,
  rawWebSocket,
  refusalOf,
  startTestGateway,
  wsUrl,
  type TestGateway,
} from "../gateway-kit.js";

let server: TestGateway;
const restart = async (...options: Parameters<typeof startTestGateway>) => {
  await server.stop();
  server = await startTestGateway(...options);
};
beforeEach(async () => {
  server = await startTestGateway();
});
afterEach(() => server.stop());

const connected = '{"type":"connected"}';
const open = (query: string, protocols: string[] = [], options: object = {}) =>
  openClient(`${wsUrl(server.gateway)}${query}`, protocols, options);

describe("the upgrade", () => {
  it("takes the token from the header, from the subprotocols and from the query, in this order", async () => {
    const [alice, bob, carol] = ["alice", "bob", "carol"].map((user) => server.token(user));
    const headers = { authorization: `Bearer ${alice}` };
    const byHeader = await open(`?token=${carol}`, ["parley.v1", `bearer.${bob}`], { headers });
    const byProtocol = await open(`?token=${carol}`, ["parley.v1", `bearer.${bob}`]);
    const byQuery = await open(`?token=${carol}`);
    for (const client of [byHeader, byProtocol, byQuery]) expect(await client.next(0)).toBe(connected);
    expect(server.told).toEqual(["alice", "bob", "carol"].map((user) => `opened ${user}/phone web true`));
    expect(byProtocol.socket.protocol).toBe("parley.v1");
    expect(byQuery.socket.protocol).toBe("");
    expect(byQuery.socket.extensions).toBe("");
  });

  it("hands on the kind of device and the sync token", async () => {
    await server.client("alice", "phone", "&device_type=mobile&sync=abc%20d");
    await server.client("alice", "fridge", "&device_type=fridge");
    expect(server.told).toEqual(["opened alice/phone mobile true abc d", "opened alice/fridge web true"]);
  });

  it.each([
    ["no token", () => ""],
    ["rubbish", () => "rubbish"],
    ["an expired token", () => server.token("alice", "phone", -1)],
    ["a bad user id", () => server.token("al ice")],
    ["a bad device id", () => server.token("alice", "pho/ne")],
    [
      "another key",
      () => signToken({ userId: "alice", deviceId: "phone" }, { secret: Buffer.alloc(32), ttlSeconds: 60 }),
    ],
    ["alg none", () => unsigned({ alg: "none" }, "")],
    [
      "HS512 with the right key",
      () => {
        const header = { alg: "HS512" };
        return unsigned(
          header,
          createHmac("sha512", server.secret).update(unsigned(header).slice(0, -1)).digest("base64url"),
        );
      },
    ],
  ])("refuses %s with 401 and the JSON error body", async (_name, make) => {
    const refusal = await refusalOf(open(`?token=${make()}`));
    expect(refusal.status).toBe(401);
    const body = JSON.parse(refusal.body) as Record<string, unknown>;
    expect(body).toEqual({ error: "UNAUTHORIZED", message: expect.any(String) as string });
    expect(refusal.headers["content-type"]).toContain("application/json");
    expect(await server.telemetry.metricsText()).toContain('parley_authentication_failures_total{where="upgrade"} 1');
    expect(server.told).toEqual([]);
    expect(server.log.join()).not.toContain("rubbish");
  });

  it("checks the origin where origins are configured", async () => {
    await restart({ config: { allowedOrigins: ["https://chat.example"] } });
    const token = server.token("alice");
    const refusal = await refusalOf(open(`?token=${token}`, [], { origin: "https://evil.example" }));
    expect(refusal.status).toBe(403);
    expect(JSON.parse(refusal.body)).toMatchObject({ error: "FORBIDDEN" });
    await open(`?token=${token}`, [], { origin: "https://chat.example" });
    await open(`?token=${token}`);
    expect(server.told.filter((each) => each.startsWith("opened"))).toHaveLength(2);
  });

  it("refuses what comes too fast with 503 and a time to come back, and recovers", async () => {
    // So slow that a machine which stands still for ten seconds lets no eight in.
    await restart({ config: { acceptsBurstMax: 2, acceptsPerSecondMax: 0.5 } });
    const token = server.token("alice");
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => open(`?token=${token}`)));
    expect(opened.filter((each) => each.status === "fulfilled").length).toBeLessThan(8);
    const refusal = opened.find((each) => each.status === "rejected")?.reason as Awaited<ReturnType<typeof refusalOf>>;
    expect(refusal.status).toBe(503);
    expect(Number(refusal.headers["retry-after"])).toBeGreaterThan(0);
    expect(JSON.parse(refusal.body)).toMatchObject({
      error: "UNAVAILABLE",
      retryAfter: Number(refusal.headers["retry-after"]),
    });
    const isLetIn = () =>
      open(`?token=${token}`).then(
        () => true,
        () => false,
      );
    await expect.poll(isLetIn).toBe(true);
  });

  it("survives clients that leave while their token is checked", async () => {
    const token = server.token("alice");
    const leaving = Array.from({ length: 50 }, async () => {
      const socket = await rawWebSocket(server.gateway.port, token);
      socket.destroy();
    });
    await Promise.all(leaving);
    const client = await server.client("bob");
    expect(await client.next(0)).toBe(connected);
  });

  it("stands although the token took its time, whatever memory it comes to lie in", async () => {
    // As JWKS will be: native memory is taken and given back between the request and the upgrade.
    const secret = Buffer.alloc(32, 1);
    const { check } = createJwtAuthenticator({ secret });
    const later = (token: string) =>
      jwtVerify(token, secret).then(
        () => check(token),
        () => check(token),
      );
    const sign = (userId: string) => signToken({ userId, deviceId: "phone" }, { secret, ttlSeconds: 60 });
    // Each server's first connection: what its memory held before differs most.
    for (let round = 0; round < 60; round++) {
      await restart({ authenticate: later });
      expect((await refusalOf(open("?token=rubbish"))).status).toBe(401);
      const client = await open(`?token=${sign(`user${round}`)}`);
      expect(await client.next(0)).toBe(connected);
    }
  });

  it("is refused with 503 where its token cannot be judged now, and does not count as a failed one", async () => {
    const unjudged = E.left({ code: "UNAVAILABLE" as const, message: "no keys" });
    for (const authenticate of [() => unjudged, () => Promise.resolve(unjudged)]) {
      await restart({ authenticate });
      const refusal = await refusalOf(open("?token=x"));
      expect([refusal.status, Number(refusal.headers["retry-after"]) > 0]).toEqual([503, true]);
      expect(JSON.parse(refusal.body)).toMatchObject({ error: "UNAVAILABLE" });
      expect(await server.telemetry.metricsText()).not.toMatch(/authentication_failures_total\{[^}]*\} [1-9]/);
    }
  });

  it("never happens within a cork, which may take the new WebSocket for the old response and close it", () => {
    const used: string[] = [];
    const use = (name: string) => () => void used.push(name);
    const native = { onAborted: use("onAborted"), cork: use("cork") } as unknown as NativeResponse;
    expect(createAnswering(native, false, () => undefined).upgrade(use("upgrade"))).toBe(true);
    expect(used).toEqual(["onAborted", "upgrade"]);
  });

  it("that meets a defect is answered with 500", async () => {
    for (const authenticate of [
      () => Promise.reject(new Error("a defect")),
      () => {
        throw new Error("a defect");
      },
    ]) {
      await restart({ authenticate });
      const refusal = await refusalOf(open("?token=x"));
      expect(refusal.status).toBe(500);
      expect(refusal.body).not.toContain("a defect");
      expect(server.log.join()).toContain("a defect");
    }
  });

  it("takes a thousand connections at once", async () => {
    const clients = await Promise.all(Array.from({ length: 1000 }, (_, index) => server.client(`user${index}`)));
    expect(server.hub.size()).toBe(1000);
    await Promise.all(clients.map((client) => client.next(0)));
    for (const client of clients) client.socket.terminate();
    await expect.poll(() => server.hub.size()).toBe(0);
    expect(await server.telemetry.metricsText()).toMatch(/parley_connections 0\n/);
  });
});

describe("frames", () => {
  it("come back as they were sent, every character of them", async () => {
    const client = await server.client("alice");
    const texts = ["plain", "ünïcödé 🙂", " ", "", "x".repeat(64 * 1024)];
    for (const text of texts) client.socket.send(text);
    await client.next(texts.length);
    expect(client.received.slice(1)).toEqual(texts);
  });

  it("close with 4400 when binary, 4413 when too large and 1006 when far too large", async () => {
    const [binary, large, huge] = await Promise.all(["a", "b", "c"].map((user) => server.client(user)));
    binary?.socket.send(Buffer.from("x"));
    large?.socket.send("x".repeat(64 * 1024 + 1));
    huge?.socket.send("x".repeat(200 * 1024));
    expect(await binary?.closed).toEqual({ code: 4400, reason: "binary" });
    expect((await large?.closed)?.code).toBe(4413);
    expect((await huge?.closed)?.code).toBe(1006);
    expect(server.told.filter((each) => each.startsWith("text"))).toEqual([]);
  });

  it("that are malformed or half written hurt nobody else", async () => {
    const other = await server.client("bob");
    const token = server.token("alice");
    const whole = maskedFrame(1, "hello there");
    const sent: (Buffer | string)[] = [
      whole.subarray(0, 7),
      Buffer.from([0x81, 0x85]),
      Buffer.concat([Buffer.from([0x81, 0x82, 0, 0, 0, 0]), Buffer.from([0xff, 0xfe])]),
      Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
      Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
      Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
      Buffer.from([0x81, 0x05, 1, 2, 3]),
      "GET / HTTP/1.1\r\n\r\n",
    ];
    for (const bytes of sent) {
      const socket = await rawWebSocket(server.gateway.port, token);
      socket.end(bytes);
    }
    await expect.poll(() => server.hub.size()).toBe(1);
    other.socket.send("still here");
    expect(await other.next(1)).toBe("still here");
    expect(server.told.filter((each) => each.startsWith("text"))).toEqual(["text still here"]);
  });

  it("whose handler throws cost only their own socket", async () => {
    await restart({
      dispatcher: {
        text: (connection, text) => {
          if (text === "bang") throw new Error("a defect");
          connection.send(text);
        },
      },
    });
    const [bad, good] = await Promise.all([server.client("alice"), server.client("bob")]);
    bad.socket.send("bang");
    expect((await bad.closed).code).toBe(1006);
    good.socket.send("ping");
    expect(await good.next(1)).toBe("ping");
    expect(server.log.join()).toContain("a defect");
  });
});

describe("starting", () => {
  it("says that a port is in use, and what to do", async () => {
    const second = startTestGateway({ config: { port: server.gateway.port } });
    await expect(second).rejects.toThrow(/in use.*--port/);
  });

  it.each([
    // No resolver is asked for a name that cannot be one; and the address is kept for documents (RFC 5737).
    ["a..b", /a\.\.b does not resolve.*--host/],
    ["192.0.2.1", /192\.0\.2\.1 is not an address of this machine.*--host/],
  ])("says what is wrong with the address %s, and what to do", async (host, says) => {
    await expect(startTestGateway({ config: { host } })).rejects.toThrow(says);
  });

  it("says which Node it needs", () => {
    expect(unsupported("v24.1.0", "linux", "x64")).toMatch(/needs Node 20 or 22.*v24\.1\.0.*Install Node 22/);
  });
});

const unsigned = (header: object, signature = ""): string => {
  const claims = { sub: "alice", device: "phone", exp: Math.floor(Date.now() / 1000) + 60 };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}.${signature}`;
};

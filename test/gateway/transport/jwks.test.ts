import { SignJWT } from "jose";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAuthenticator } from "../../../src/infra/auth/authenticator.js";
import { createProvider, makers } from "../../kit/jwks-provider.js";
import { openClient, refusalOf, startTestGateway, wsUrl, type TestGateway } from "../gateway-kit.js";

/** Upgrades whose token is judged by keys that have to be fetched first: through real sockets on both sides. */
describe("an upgrade with a provider's token", () => {
  const pair = makers.ES256();
  let provider: ReturnType<typeof createProvider>;
  let server: TestGateway;
  beforeEach(async () => {
    provider = createProvider();
    await provider.start();
    await provider.publish({ key: pair });
    const timings = { timeoutMs: 2_000, coolDownMs: 0 };
    const { check } = createAuthenticator({ secret: randomBytes(32), jwks: { url: provider.url(), timings } });
    server = await startTestGateway({ authenticate: check });
  });
  afterEach(async () => {
    await server.stop();
    await provider.stop();
  });

  const token = (userId: string, kid = "key") =>
    new SignJWT({ device: "phone" })
      .setSubject(userId)
      .setExpirationTime("1h")
      .setProtectedHeader({ alg: "ES256", kid })
      .sign(pair.privateKey);
  const open = async (userId: string, kid?: string) =>
    openClient(`${wsUrl(server.gateway)}?token=${await token(userId, kid)}`);

  it("passes, at first and when many come at once", async () => {
    const clients = await Promise.all(Array.from({ length: 100 }, (_, n) => open(`user${n}`)));
    for (const client of clients) expect(await client.next(0)).toBe('{"type":"connected"}');
    expect(provider.asked()).toBe(1);
    for (const client of clients) client.socket.terminate();
  });

  it("is refused with 401 for an unknown key, with 503 while the provider does not answer; the known pass on", async () => {
    expect(await (await open("alice")).next(0)).toBe('{"type":"connected"}');
    expect((await refusalOf(open("bob", "unknown"))).status).toBe(401);
    provider.answerWith(() => undefined);
    const refusal = await refusalOf(open("bob", "unknown"));
    expect([refusal.status, JSON.parse(refusal.body)]).toMatchObject([503, { error: "UNAVAILABLE" }]);
    expect(await (await open("carol")).next(0)).toBe('{"type":"connected"}');
  });

  it("whose client goes while the keys are fetched harms nobody", async () => {
    provider.answerWith(() => undefined);
    const { port } = new URL(server.gateway.url);
    const query = `token=${await token("alice")}`;
    for (let n = 0; n < 20; n++) {
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(`GET /ws?${query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`);
      socket.write("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
      await expect.poll(provider.asked).toBeGreaterThan(0);
      socket.destroy();
    }
    expect((await refusalOf(open("bob"))).status).toBe(503);
    expect(server.told).toEqual([]);
  });
});

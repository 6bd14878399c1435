import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startServer, type TestServer } from "../kit/server.js";
import { caller, connecting, outcomeOf, wireDevice } from "../kit/wire.js";

/** PROTOCOL §6: every token from before a removal is refused for ever, also once the device is back. */
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.dispose());

/**
 * `iat` counts whole seconds: a token of half a minute from now is newer than a removal of now, and still taken.
 * `chars`: how long it is, less two at most.
 */
const tokenFromNow = (deviceId: string, aheadMs: number, chars = 0): string => {
  const secret = readFileSync(join(server.dataDir, "token.secret"), "utf8").trim();
  const iat = Math.floor((Date.now() + aheadMs) / 1_000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = (padding: number) => {
    const claims = { sub: "alice", device: deviceId, iat, exp: iat + 600, padding: "x".repeat(padding) };
    const text = `${part({ alg: "HS256" })}.${part(claims)}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  };
  return signed(Math.max(0, Math.floor(((chars - signed(0).length) * 3) / 4) - 1));
};

it("the old token of a device that is back is refused for ever: over REST, by auth.refresh and at the upgrade", async () => {
  const old = await server.token("alice", "tablet");
  const lost = await wireDevice(server, "alice", "tablet", { token: old });
  const phone = await caller(server, "alice", "phone");
  expect((await phone.rest("DELETE /me/devices/tablet")).status).toBe(204);
  expect((await lost.closed).code).toBe(4401);
  const back = await wireDevice(server, "alice", "tablet", { token: tokenFromNow("tablet", 30_000) });
  expect((await back.rest("GET /me")).status).toBe(200);
  for (let call = 0; call < 3; call++) {
    expect(outcomeOf(await lost.rest("GET /me"))).toBe("401 UNAUTHORIZED");
    expect(outcomeOf(await lost.rest("DELETE /me/devices/phone"))).toBe("401 UNAUTHORIZED");
    expect((await back.rest("GET /me")).status).toBe(200);
  }
  expect(outcomeOf(await back.ask("auth.refresh", { token: old }))).toBe("UNAUTHORIZED");
  expect(await connecting(server, old)).toBe(4401);
  // Neither has ended the one that is in.
  expect(outcomeOf(await back.ask("auth.refresh", { token: tokenFromNow("tablet", 40_000) }))).toBe("ok");
  expect((await phone.rest("GET /me")).status).toBe(200);
  await back.close();
});

it("a token as long as headers can carry is taken by the upgrade, REST and auth.refresh; a longer one is none", async () => {
  const token = (chars: number) => tokenFromNow("long", 0, chars);
  const device = await wireDevice(server, "alice", "long", { token: token(12_000) });
  expect((await device.rest("GET /me")).status).toBe(200);
  const refreshed = await Promise.all(
    [12_000, 16_384, 16_400].map((chars) => device.ask("auth.refresh", { token: token(chars) })),
  );
  expect(refreshed.map(outcomeOf)).toEqual(["ok", "ok", "UNAUTHORIZED"]);
  await device.close();
});

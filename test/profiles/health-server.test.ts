import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { serveHealth } from "../../src/profiles/health-server.js";
import { rawExchange } from "../gateway/gateway-kit.js";

let health: Awaited<ReturnType<typeof serveHealth>>;
let metricsText: () => Promise<string>;
beforeEach(async () => {
  metricsText = () => Promise.resolve("parley_up 1\n");
  health = await serveHealth(
    { host: "127.0.0.1", port: 0 },
    {
      readiness: () => Promise.resolve({ ready: true, problems: {} }),
      version: "1.2.3-test",
      isDraining: () => false,
      metricsText: () => metricsText(),
    },
  );
});
afterEach(() => health.close());

/** The request target as it stands on the wire: `fetch` would mend it. */
const ask = (target: string) =>
  rawExchange(
    Number(new URL(health.url).port),
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    () => false,
  );

describe("the pages of a process without clients", () => {
  it.each(["/healthz", "/readyz", "/metrics", "/healthz?a=1?b"])("are served: %s", async (target) => {
    expect(await ask(target)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each(["//", "//?", "///x", "http://", "http://[", "/\\\\", "*", "/%", "/api/v1/me", "/ws"])(
    "are not what was asked for, which harms nobody: %j",
    async (target) => {
      expect(await ask(target)).toMatch(/^HTTP\/1\.1 404 /);
      expect(await ask("/healthz")).toMatch(/^HTTP\/1\.1 200 /);
    },
  );

  it("say which version runs", async () => {
    expect(await ask("/healthz")).toContain('"version":"1.2.3-test"');
  });

  it("say what keeps them from being served, and what to do", async () => {
    const pages = {
      readiness: () => Promise.resolve({ ready: true, problems: {} }),
      version: "1.2.3-test",
      isDraining: () => false,
      metricsText: () => metricsText(),
    };
    const taken = { host: "127.0.0.1", port: Number(new URL(health.url).port) };
    await expect(serveHealth(taken, pages)).rejects.toThrow(/in use.*--port/);
    await expect(serveHealth({ host: "a..b", port: 0 }, pages)).rejects.toThrow(/does not resolve.*--host/);
  });

  it.each([
    ["fails", () => Promise.reject(new Error("a defect"))],
    [
      "throws",
      () => {
        throw new Error("a defect");
      },
    ],
  ])("answer 500 where one %s", async (_how, broken) => {
    metricsText = broken;
    expect(await ask("/metrics")).toMatch(/^HTTP\/1\.1 500 /);
    expect(await ask("/healthz")).toMatch(/^HTTP\/1\.1 200 /);
  });
});

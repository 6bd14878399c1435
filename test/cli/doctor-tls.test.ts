/** NATS and Redis take their authorities from Node, which reads them when a process starts. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { makeCertificate } from "../kit/certificates.js";
import { run } from "./run.js";

const dir = mkdtempSync(join(tmpdir(), "parley-tls-"));
const { keyFile, certFile } = makeCertificate(dir, "IP:127.0.0.1");
const pem = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});
const listening = async (server: Server): Promise<string> => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** What they say once they are spoken to by TLS tells that the certificate was taken. */
const redis = (): Promise<string> =>
  listening(
    createTlsServer(pem, (socket) => {
      socket.on("error", () => socket.destroy()).on("data", () => socket.write("-WRONGPASS no\r\n"));
    }),
  );
const nats = (): Promise<string> =>
  listening(
    createServer((socket) => {
      const info = { server_id: "x", version: "2.10.0", proto: 1, max_payload: 1_048_576, tls_required: true };
      socket.on("error", () => socket.destroy()).write(`INFO ${JSON.stringify(info)}\r\n`);
      const secure = new TLSSocket(socket, { isServer: true, ...pem });
      secure.on("error", () => undefined).on("data", () => secure.write("-ERR 'Authorization Violation'\r\n"));
    }),
  );

describe("a certificate for an IP address, whose authority Node was told of,", () => {
  it.each([
    ["nats", "PARLEY_NATS_URL", async () => `tls://u:wrong@${await nats()}`],
    ["redis", "PARLEY_REDIS_URL", async () => `rediss://u:wrong@${await redis()}`],
  ])("is taken: %s", async (name, variable, start) => {
    const { stdout, stderr } = await run(["doctor", "--profile", "distributed", "--json"], {
      NODE_EXTRA_CA_CERTS: certFile,
      PARLEY_EVENTSTORE_URL: "esdb://127.0.0.1:1",
      PARLEY_MONGODB_URL: "mongodb://127.0.0.1:1",
      PARLEY_NATS_URL: "nats://127.0.0.1:1",
      PARLEY_REDIS_URL: "redis://127.0.0.1:1",
      PARLEY_MASTER_KEY: Buffer.alloc(32, 1).toString("base64"),
      PARLEY_TOKEN_SECRET: "a secret of thirty-two characters",
      [variable]: await start(),
    });
    const { checks } = JSON.parse(stdout) as { checks: readonly { name: string; mend?: string }[] };
    expect(checks.find((check) => check.name === name)?.mend).toMatch(/is there and refuses us/);
    expect(stderr).not.toContain("DEP0123");
  });
});

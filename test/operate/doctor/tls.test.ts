/** A server whose certificate is not taken is not called away: each kind is named, and so is a file that is not there. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { readDistributedConfig } from "../../../src/settings/distributed.js";
import { lookAtLog } from "../../../src/operate/doctor/eventstore.js";
import { lookAtMongo } from "../../../src/operate/doctor/mongodb.js";
import { lookAtNats } from "../../../src/operate/doctor/nats.js";
import { closeQuietly } from "../../../src/operate/doctor/probe.js";
import { lookAtRedis } from "../../../src/operate/doctor/redis.js";
import { lookAtS3 } from "../../../src/operate/doctor/s3.js";
import type { Closers } from "../../../src/profiles/engines.js";
import { makeCertificate, type Certificate } from "../../kit/certificates.js";

const dir = mkdtempSync(join(tmpdir(), "parley-tls-"));
const here = "DNS:localhost,IP:127.0.0.1";
const strange = makeCertificate(join(dir, "strange"), here);
const elsewhere = makeCertificate(join(dir, "elsewhere"), "DNS:elsewhere.example");
const expired = makeCertificate(join(dir, "expired"), here, true);

const warnings: Error[] = [];
process.on("warning", (warning) => warnings.push(warning));
const closers: Closers = [];
afterEach(() => closeQuietly(closers));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

const pemOf = ({ keyFile, certFile }: Certificate) => ({ key: readFileSync(keyFile), cert: readFileSync(certFile) });
const listening = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};
const tlsServer = (certificate: Certificate): Promise<string> =>
  listening(createTlsServer({ ...pemOf(certificate), ALPNProtocols: ["h2", "http/1.1"] }));
const plainServer = (): Promise<string> =>
  listening(
    createServer((socket) => {
      socket.on("error", () => socket.destroy()).on("data", () => socket.write("no TLS\r\n"));
    }),
  );
/** NATS says in plain text that it wants TLS. */
const natsServer = (certificate: Certificate): Promise<string> =>
  listening(
    createServer((socket) => {
      const info = { server_id: "x", version: "2.10.0", proto: 1, max_payload: 1_048_576, tls_required: true };
      socket.on("error", () => socket.destroy()).write(`INFO ${JSON.stringify(info)}\r\n`);
      new TLSSocket(socket, { isServer: true, ...pemOf(certificate) }).on("error", () => undefined);
    }),
  );

const configOf = (environment: Readonly<Record<string, string>>) =>
  readDistributedConfig(
    {},
    {
      PARLEY_EVENTSTORE_URL: "esdb://127.0.0.1:1",
      PARLEY_MONGODB_URL: "mongodb://127.0.0.1:1",
      PARLEY_NATS_URL: "nats://127.0.0.1:1",
      PARLEY_REDIS_URL: "redis://127.0.0.1:1",
      PARLEY_MASTER_KEY: randomBytes(32).toString("base64"),
      PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64"),
      PARLEY_S3_ACCESS_KEY: "somebody",
      PARLEY_S3_SECRET_KEY: "something",
      ...environment,
    },
  );
const looks = {
  PARLEY_EVENTSTORE_URL: { look: lookAtLog, url: (host: string) => `esdb://${host}` },
  PARLEY_MONGODB_URL: { look: lookAtMongo, url: (host: string) => `mongodb://${host}/?tls=true` },
  PARLEY_NATS_URL: { look: lookAtNats, url: (host: string) => `tls://${host}` },
  PARLEY_REDIS_URL: { look: lookAtRedis, url: (host: string) => `rediss://${host}` },
  PARLEY_S3_URL: { look: lookAtS3, url: (host: string) => `https://${host}` },
} as const;
type Variable = keyof typeof looks;
const lookAt = async (variable: Variable, host: string, more = "") => {
  const { look, url } = looks[variable];
  return (await look(configOf({ [variable]: url(host) + more }), closers)).checks;
};
const wrong = (says: RegExp, mend: string) => [
  { state: "wrong", says: expect.stringMatching(says) as string, mend: expect.stringContaining(mend) as string },
];

describe("the doctor", () => {
  it.each(Object.keys(looks) as readonly Variable[])(
    "tells a certificate of an unknown authority: %s",
    async (variable) => {
      const host = await (variable === "PARLEY_NATS_URL" ? natsServer(strange) : tlsServer(strange));
      const checks = await lookAt(variable, host);
      expect(checks).toMatchObject(
        wrong(/is there, but its certificate is of an authority that is not known/, variable),
      );
      expect(checks[0]?.mend).not.toContain("Start");
    },
  );

  /** How a further parameter is added to their addresses. */
  const named = [
    ["PARLEY_EVENTSTORE_URL", "?"],
    ["PARLEY_MONGODB_URL", "&"],
  ] as const;
  it.each(named)("tells one that has expired, and one for another name: %s", async (variable, and) => {
    const [old, other] = [await tlsServer(expired), await tlsServer(elsewhere)];
    expect(await lookAt(variable, old, `${and}tlsCAFile=${expired.certFile}`)).toMatchObject(
      wrong(/is there, but its certificate has expired/, variable),
    );
    // A process has one event store at a time; the servers were opened first.
    await closeQuietly(closers.splice(2));
    expect(await lookAt(variable, other, `${and}tlsCAFile=${elsewhere.certFile}`)).toMatchObject(
      wrong(/is there, but its certificate is for other names/, variable),
    );
  });

  it.each(named)("names a file of an authority that is not there: %s", async (variable, and) => {
    expect(await lookAt(variable, "127.0.0.1:1", `${and}tlsCAFile=/nowhere/ca.pem`)).toMatchObject(
      wrong(/ENOENT.*\/nowhere\/ca\.pem/, variable),
    );
  });

  it.each(["PARLEY_EVENTSTORE_URL", "PARLEY_MONGODB_URL", "PARLEY_REDIS_URL", "PARLEY_S3_URL"] as const)(
    "tells a server that speaks no TLS: %s",
    async (variable) => {
      expect(await lookAt(variable, await plainServer())).toMatchObject(wrong(/does not speak TLS there/, variable));
    },
  );

  it("brings no warning of Node's into the log for an address without a name", () => {
    expect(warnings.filter(({ message }) => message.includes("ServerName"))).toEqual([]);
  });
});

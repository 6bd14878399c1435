/** A server that answers that it does not let us in is not told to be started. */
import { createServer as createHttpServer } from "node:http";
import { createServer, type AddressInfo, type Server } from "node:net";
import { MongoServerError } from "mongodb";
import { afterEach, describe, expect, it } from "vitest";
import { unavailable } from "../../../src/infra/event-log/eventstoredb/errors.js";
import { readDistributedConfig } from "../../../src/settings/distributed.js";
import { lookAtNats } from "../../../src/operate/doctor/nats.js";
import { closeQuietly, probe } from "../../../src/operate/doctor/probe.js";
import { lookAtRedis } from "../../../src/operate/doctor/redis.js";
import { lookAtS3 } from "../../../src/operate/doctor/s3.js";
import type { Closers } from "../../../src/profiles/engines.js";
import { enginesAway } from "../../kit/engines-away.js";

const closers: Closers = [];
afterEach(() => closeQuietly(closers));

const listening = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};
/** Speaks first, where the protocol has it so, and answers everything in the same way. */
const answering = (greeting: string, answer: string): Promise<string> =>
  listening(
    createServer((socket) => {
      socket.on("error", () => socket.destroy()).write(greeting);
      socket.on("data", () => socket.write(answer));
    }),
  );
const configOf = (environment: Readonly<Record<string, string>>) =>
  readDistributedConfig({}, { ...enginesAway, ...environment });

describe("the doctor's mend for a server that refuses us", () => {
  it("is Redis' password", async () => {
    const host = await answering("", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    const { checks } = await lookAtRedis(configOf({ PARLEY_REDIS_URL: `redis://parley:wrong@${host}` }), closers);
    expect(checks).toMatchObject([
      { state: "wrong", mend: expect.stringMatching(/^Redis is there.*password/) as string },
    ]);
    expect(checks[0]?.says).toContain("WRONGPASS");
  });

  it("is NATS' user", async () => {
    const info = { server_id: "x", version: "2.10.0", proto: 1, max_payload: 1_048_576, auth_required: true };
    const host = await answering(`INFO ${JSON.stringify(info)}\r\n`, "-ERR 'Authorization Violation'\r\n");
    const { checks } = await lookAtNats(configOf({ PARLEY_NATS_URL: `nats://parley:wrong@${host}` }), closers);
    expect(checks).toMatchObject([{ state: "wrong", mend: expect.stringMatching(/^NATS is there/) as string }]);
  });

  it("is S3's keys", async () => {
    const server = createHttpServer((_, response) => response.writeHead(403).end());
    const environment = {
      PARLEY_S3_URL: `http://${await listening(server)}`,
      PARLEY_S3_ACCESS_KEY: "somebody",
      PARLEY_S3_SECRET_KEY: "something-else",
    };
    closers.push(() => {
      server.closeAllConnections();
    });
    const { checks } = await lookAtS3(configOf(environment));
    expect(checks).toMatchObject([{ state: "wrong", mend: expect.stringContaining("PARLEY_S3_ACCESS_KEY") as string }]);
    expect(checks[0]?.mend).not.toContain("Start");
  });

  const mongo = (code: number, message: string) => new MongoServerError({ message, code, ok: 0 });
  const eventStore = (code: number) => unavailable(Object.assign(new Error("no"), { code }), "host:2113", "no answer");
  it.each([
    ["MongoDB's login", mongo(18, "Authentication failed."), "refused"],
    ["MongoDB's rights", mongo(13, "not authorized on parley to execute command { find: 1 }"), "refused"],
    ["MongoDB without a user", mongo(13, "command find requires authentication"), "refused"],
    ["EventStoreDB's UNAUTHENTICATED", eventStore(16), "refused"],
    ["EventStoreDB's PERMISSION_DENIED", eventStore(7), "refused"],
    ["EventStoreDB that is away", eventStore(14), "away"],
    ["anything else", new Error("connect ECONNREFUSED 127.0.0.1:1"), "away"],
  ])("is for %s: %#", async (_, error, mend) => {
    const { checks } = await probe("engine", { away: "away", refused: "refused", tls: "tls" }, () =>
      Promise.reject(error),
    );
    expect(checks).toMatchObject([{ state: "wrong", mend }]);
  });
});

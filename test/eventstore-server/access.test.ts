/** Which clients may read and which may write: tokens, TLS, hosts, and what happens to clients when the server stops or dies. */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import streamsServices from "@eventstore/db-client/generated/streams_grpc_pb.js";
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newEvents } from "../contract/event-log.contract.js";
import { startEventStoreServer } from "../../src/eventstore-server/server.js";
import { shared, streams } from "../../src/eventstore-server/proto.js";
import { collect, killStarted, openEventStoreServer, startEventStoreProcess, startProcess } from "./server-kit.js";

const event = () => jsonEvent({ type: "Type", data: {} });
const token = "a-token-of-some-length";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "parley-eventstore-server-"));
});
afterEach(() => {
  killStarted();
  rmSync(dir, { recursive: true, force: true });
});

/** The status of a read that sends that header. */
const readWith = async (port: number, authorization?: string): Promise<number> => {
  const client = new streamsServices.StreamsClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set("authorization", authorization);
  const options = new streams.ReadReq.Options()
    .setAll(new streams.ReadReq.Options.AllOptions().setStart(new shared.Empty()))
    .setCount("1")
    .setNoFilter(new shared.Empty());
  const ended = new Promise<number>((resolve) => {
    const call = client.read(new streams.ReadReq().setOptions(options), metadata);
    call.on("data", () => undefined);
    call.on("error", () => undefined);
    call.on("status", ({ code }) => {
      resolve(code);
    });
  });
  const code = await ended;
  client.close();
  return code;
};
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

describe("a token", () => {
  it("is needed by every read: as any user's password or as a Bearer token", async () => {
    const server = await openEventStoreServer({ token });
    await server.log.append("a", "any", newEvents(1));
    expect(await readWith(server.port)).toBe(status.UNAUTHENTICATED);
    for (const wrong of [basic("a", "wrong"), basic(token, ""), `Bearer ${token}x`, "Bearer", token, "Basic %%%"])
      expect(await readWith(server.port, wrong)).toBe(status.UNAUTHENTICATED);
    for (const right of [basic("admin", token), `bearer ${token}`])
      expect(await readWith(server.port, right)).toBe(status.OK);
    await server.close();
  });

  it("is needed for any host but loopback, and the refusal says so", async () => {
    const server = await openEventStoreServer();
    const options = { log: server.log, port: 0, writable: false, onProblem: () => undefined };
    for (const host of ["0.0.0.0", "::", "example.org"])
      await expect(startEventStoreServer({ ...options, host })).rejects.toThrow(/PARLEY_EVENTSTORE_TOKEN/);
    await (await startEventStoreServer({ ...options, host: "0.0.0.0", token })).close();
    await server.close();
  });

  it("is not enough to write from another host in plain text", async () => {
    const server = await openEventStoreServer();
    const options = { log: server.log, port: 0, writable: true, token, onProblem: () => undefined };
    await expect(startEventStoreServer({ ...options, host: "0.0.0.0" })).rejects.toThrow(/PARLEY_EVENTSTORE_TLS_KEY/);
    await (await startEventStoreServer({ ...options, host: "127.0.0.1" })).close();
    await server.close();
  });

  it("is sent by the official client over TLS, right and wrong", async () => {
    const [keyFile, certFile] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", keyFile, "-out", certFile];
    execFileSync("openssl", [...made, ...subject], { stdio: "ignore" });
    const tls = { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
    const server = await openEventStoreServer({ token, tls });
    const clientOf = (password: string) =>
      EventStoreDBClient.connectionString(`esdb://admin:${password}@127.0.0.1:${server.port}?tlsCAFile=${certFile}`);
    const [right, wrong] = [clientOf(token), clientOf("wrong")];
    await right.appendToStream("a", event());
    expect(await collect(right.readAll())).toHaveLength(1);
    await expect(collect(wrong.readAll())).rejects.toMatchObject({ type: "access-denied" });
    await right.dispose();
    await wrong.dispose();
    await server.close();
  });
});

it("is for reading only unless it is said otherwise", async () => {
  const server = await openEventStoreServer({ writable: false });
  await server.log.append("a", "any", newEvents(2));
  const client = EventStoreDBClient.connectionString(server.url);
  const denied = { type: "access-denied", message: expect.stringContaining("only Parley writes") as string };
  await expect(client.appendToStream("a", event())).rejects.toMatchObject(denied);
  const unary = { credentials: { username: "a", password: "b" } };
  await expect(client.appendToStream("a", event(), unary)).rejects.toMatchObject(denied);
  expect(await collect(client.readStream("a"))).toHaveLength(2);
  await client.dispose();
  await server.close();
});

it("is for reading only as a process of its own, too", async () => {
  const server = await startEventStoreProcess(dir, 0, []);
  const client = EventStoreDBClient.connectionString(server.url);
  await expect(client.appendToStream("a", event())).rejects.toMatchObject({ type: "access-denied" });
  await client.dispose();
  server.process.kill("SIGTERM");
  await server.exited;
});

it("tells subscribers at its end to connect again", async () => {
  const server = await openEventStoreServer();
  const client = EventStoreDBClient.connectionString(server.url);
  const subscription = client.subscribeToAll();
  const caughtUp = new Promise<void>((resolve) => subscription.once("caughtUp", resolve));
  const failure = new Promise<unknown>((resolve) => subscription.once("error", resolve));
  subscription.resume();
  await caughtUp;
  await server.close();
  expect(await failure).toMatchObject({ type: "unavailable" });
  await client.dispose();
});

it("has after kill -9 and a start on the same port all that was acknowledged, for the same client", async () => {
  const first = await startEventStoreProcess(dir);
  const client = EventStoreDBClient.connectionString(first.url);
  const stream = `conversation-${randomUUID()}`;
  const events = Array.from({ length: 50 }, event);
  for (const one of events) await client.appendToStream(stream, one);
  first.process.kill("SIGKILL");
  await first.exited;
  const again = await startEventStoreProcess(dir, Number(new URL(first.url).port));
  // The first call finds the broken connection, the next makes a new one (a bug of the client).
  const read = async (): Promise<readonly unknown[]> => {
    for (;;) {
      const all = await collect(client.readStream(stream)).catch(() => undefined);
      if (all !== undefined) return all.map(({ event: recorded }) => recorded?.id);
    }
  };
  expect(await read()).toEqual(events.map(({ id }) => id));
  await client.appendToStream(stream, event(), { expectedRevision: 49n });
  await client.dispose();
  again.process.kill("SIGTERM");
  await again.exited;
  expect(again.process.exitCode).toBe(0);
});

it("is beside the gateway what parley serve --eventstore-port says: the same log, for reading", async () => {
  const served = await startProcess("cli/parley.js", [
    "serve",
    "--json",
    "--data",
    dir,
    "--port",
    "0",
    "--eventstore-port",
    "0",
  ]);
  const { eventstoreUrl } = served.said as { eventstoreUrl: string };
  const client = EventStoreDBClient.connectionString(eventstoreUrl);
  const [first] = await collect(client.readStream("parley-log"));
  expect(first?.event).toMatchObject({ type: "LogStarted", revision: 0n });
  await expect(client.appendToStream("a", event())).rejects.toMatchObject({ type: "access-denied" });
  await client.dispose();
  served.process.kill("SIGTERM");
  await served.exited;
  expect(served.process.exitCode).toBe(0);
});

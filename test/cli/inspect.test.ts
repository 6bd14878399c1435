import { spawn } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../client/index.js";
import type { Diagnosis } from "../../src/operate/doctor/doctor.js";
import type { LogStats } from "../../src/operate/inspect/log-stats.js";
import type { ShownEvent } from "../../src/operate/inspect/log.js";
import { connectDevice, eventually, text } from "../kit/device.js";
import { enginesAway } from "../kit/engines-away.js";
import { startServer, type TestServer } from "../kit/server.js";
import { json, jsonLines, run } from "./run.js";

/** A running server with some history; a copy of its directory for what has to be spoilt. */
const messages = 30;
const secret = (number: number) => `secret words ${number}`;
let server: TestServer;
let alice: Client;
let conversationId: string;
let stream: string;
const copies: string[] = [];

beforeAll(async () => {
  server = await startServer();
  alice = await connectDevice(server, "alice", "phone");
  ({ conversationId } = await alice.createDirect("bob"));
  stream = `conversation-${conversationId}`;
  for (let number = 0; number < messages; number += 1) await alice.send(conversationId, text(secret(number))).accepted;
});
afterAll(async () => {
  alice.close();
  await server.dispose();
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});

const data = (): readonly string[] => ["--data", server.dataDir];
/** A privileged read. */
const opening = ["--open", "--reason", "a test"] as const;
const copyOfData = (): string => {
  const copy = mkdtempSync(join(tmpdir(), "parley-cli-"));
  cpSync(server.dataDir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  chmodSync(copy, 0o700);
  copies.push(copy);
  return copy;
};
const doctor = async (dir: string, environment: NodeJS.ProcessEnv = {}) => {
  const ran = await run(["doctor", "--json", "--data", dir], environment);
  const diagnosis = json(ran) as Diagnosis;
  const wrong = diagnosis.checks.filter(({ state }) => state === "wrong").map(({ name }) => name);
  return { code: ran.code, diagnosis, wrong };
};
const tail = async (...args: readonly string[]): Promise<readonly ShownEvent[]> =>
  jsonLines(await run(["events", "tail", "--json", ...args, ...data()])) as readonly ShownEvent[];
const newestStats = async (): Promise<LogStats> =>
  json(await run(["events", "stats", "--json", ...data()])) as LogStats;

describe("parley doctor", () => {
  test("finds nothing wrong with a running server, and opens its content", async () => {
    const { code, diagnosis, wrong } = await doctor(server.dataDir);
    expect([code, wrong, diagnosis.running]).toEqual([0, [], true]);
    expect(diagnosis.checks.find(({ name }) => name === "keys")?.says).toMatch(/20 of 20 .* open/);
    expect(diagnosis.checks.find(({ name }) => name === "configuration")?.says).toMatch(/is sealed/);
  });

  test("says for people what is wrong, how to mend it and what to do next", async () => {
    const copy = copyOfData();
    rmSync(join(copy, "keys.db"));
    const { code, stdout } = await run(["doctor", "--data", copy]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/WRONG +keys .*\n +→ Restore keys\.db/);
    expect(stdout).toMatch(/Try next:\n {2}parley doctor/);
    expect(stdout).not.toContain("\u001b");
  });

  test("tells a bad configuration, open files, and a directory that is not there", async () => {
    expect(await doctor(server.dataDir, { PARLEY_PORT: "http" })).toMatchObject({ code: 1, wrong: ["configuration"] });
    const copy = copyOfData();
    for (const file of ["token.secret", "snapshots.db"]) {
      chmodSync(join(copy, file), 0o644);
      expect(await doctor(copy)).toMatchObject({ code: 1, wrong: ["file modes"], diagnosis: { running: false } });
      chmodSync(join(copy, file), 0o600);
    }
    chmodSync(join(copy, "token.secret"), 0o644);
    expect(await doctor(join(copy, "nowhere"))).toMatchObject({ code: 1, wrong: ["data directory"] });
    const notOne = await doctor(join(copy, "log.db"));
    expect(notOne).toMatchObject({ code: 1, wrong: ["data directory"] });
    expect(notOne.diagnosis.checks.map(({ says }) => says).join()).toContain("it is not a directory");
    expect(await doctor(copy, { PARLEY_TOKEN_SECRET: "short" })).toMatchObject({
      wrong: ["token secret", "file modes"],
    });
  });

  test("warns of an identity provider whose tokens are for any of its applications", async () => {
    const provider = async (environment: NodeJS.ProcessEnv) => {
      const { code, diagnosis } = await doctor(server.dataDir, environment);
      const { state, says } = diagnosis.checks.find(({ name }) => name === "identity provider") ?? {};
      return { code, state, says };
    };
    const url = { PARLEY_JWKS_URL: "https://idp.example.org/keys" };
    expect(await provider(url)).toEqual({
      code: 0,
      state: "warning",
      says: expect.stringMatching(/any of its app/) as string,
    });
    expect(await provider({ ...url, PARLEY_JWT_AUDIENCE: "parley" })).toMatchObject({ code: 0, state: "ok" });
    expect(await provider({})).toEqual({ code: 0 });
  });

  test("tells a damaged log and views of another one", async () => {
    const [copy, other] = [copyOfData(), await startServer()];
    await other.terminate();
    cpSync(join(other.dataDir, "views.db"), join(copy, "views.db"));
    rmSync(join(copy, "views.db-wal"), { force: true });
    rmSync(join(copy, "views.db-shm"), { force: true });
    expect(await doctor(copy)).toMatchObject({ code: 1, wrong: ["views"] });
    const status = await run(["projections", "status", "--data", copy]);
    expect([status.code, status.stdout]).toEqual([1, expect.stringContaining("another incarnation")]);
    const asked = ["explain", "unread", "--user", "alice", "--conversation", "any", "--data", copy];
    expect((await run(asked)).stderr).toContain("they are not to be compared");
    cpSync(join(copy, "token.secret"), join(copy, "log.db"));
    for (const end of ["-wal", "-shm"]) rmSync(join(copy, `log.db${end}`), { force: true });
    expect((await doctor(copy)).wrong).toContain("log");
    await other.dispose();
  });

  test("states that sealing is off", async () => {
    const { code, diagnosis } = await doctor(server.dataDir, { PARLEY_SEAL: "off" });
    expect(code).toBe(0);
    expect(diagnosis.checks[0]?.state).toBe("warning");
    expect(diagnosis.checks[0]?.says).toContain("sealing is OFF");
  });
});

test("parley projections status shows each projection by name: position, lag, rows, bytes, generation, last error", async () => {
  const { head } = await newestStats();
  let found: readonly { readonly name: string; readonly lag: number | null }[] = [];
  await eventually(async () => {
    const ran = await run(["projections", "status", "--json", ...data()]);
    found = (json(ran) as { projections: typeof found }).projections;
    return found[0]?.lag === 0;
  }, "caught-up views");
  const epoch = alice.connected()?.epoch;
  expect(found.map(({ name }) => name)).toEqual(["inbox", "messages", "receipts", "users", "delivery"]);
  const of = (name: string) => found.find((projection) => projection.name === name);
  const some = expect.toSatisfy((count: number) => count > 0, "above 0") as number;
  const standing = { position: head, head, lag: 0, generation: 1, epoch, logEpoch: epoch, lastError: null };
  for (const name of ["inbox", "messages", "users"])
    expect(of(name)).toMatchObject({ ...standing, rows: some, bytes: some });
  expect(of("delivery")).toMatchObject({ head, rows: null, generation: null, lastError: null });
});

test("parley projections status names what it cannot read, and what to do", async () => {
  for (const [file, fix] of [
    ["views.db", "delete"],
    ["log.db", "Restore its backup"],
  ] as const) {
    const copy = copyOfData();
    for (const end of ["-wal", "-shm"]) rmSync(join(copy, `${file}${end}`), { force: true });
    cpSync(join(copy, "token.secret"), join(copy, file));
    const { code, stderr } = await run(["projections", "status", "--data", copy]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(join(copy, file))]);
    expect(stderr).toContain(fix);
  }
});

test("parley projections status names every engine that is away, with its variable", async () => {
  const { code, stderr } = await run(["projections", "status", "--profile", "distributed"], enginesAway);
  expect(code).toBe(1);
  expect(stderr).toMatch(/PARLEY_EVENTSTORE_URL: .*\nPARLEY_MONGODB_URL: .*\n.*parley doctor/);
});

describe("parley events", () => {
  test("show content sealed unless it is opened, which the log and stderr are told as a privileged read", async () => {
    const sealed = await run(["events", "tail", ...data()]);
    expect(sealed.stdout).toMatch(/MessageSent.*\(sealed, \d+ characters\)/);
    expect(sealed.stdout + (await run(["events", "tail", "--json", ...data()])).stdout).not.toContain("secret words");
    const opened = await run(["events", "tail", ...opening, ...data()]);
    expect(opened.stdout).toContain(secret(messages - 1));
    expect([sealed.stderr, opened.stderr]).toEqual(["", expect.stringMatching(/recorded at \d+ as a privileged read/)]);
  });

  test("tail filters, limits and starts where it is told", async () => {
    const sent = await tail("--stream", stream, "--type", "MessageSent", "--limit", "3");
    expect(sent.map((event) => [event.type, event.stream])).toEqual(Array(3).fill(["MessageSent", stream]));
    const all = await tail("--limit", "100000");
    expect(sent).toEqual(all.filter(({ type }) => type === "MessageSent").slice(-3));
    expect(await tail("--from", "2", "--limit", "4")).toEqual(all.slice(1, 5));
    expect(await tail("--stream", "user-nobody")).toEqual([]);
    expect(all.map(({ position }) => position)).toEqual(all.map((_, index) => index + 1));
  });

  test("tail says that a type or a stream is not known, and takes no empty one", async () => {
    const type = await run(["events", "tail", "--json", "--type", "Nope", ...data()]);
    expect([type.code, type.stdout]).toEqual([0, ""]);
    expect(type.stderr).toMatch(/no events of type Nope; its types are .*MessageSent/);
    const nowhere = await run(["events", "tail", "--stream", "nope", ...data()]);
    expect([nowhere.code, nowhere.stderr]).toEqual([0, expect.stringContaining("There is no stream nope")]);
    for (const option of ["--type", "--stream", "--user", "--since"])
      expect((await run(["events", "tail", option, "", ...data()])).code).toBe(2);
  });

  test("tail takes a time to begin at, and a user", async () => {
    const all = await tail("--limit", "100000");
    const atOf = ({ meta }: ShownEvent) => (meta as { at: number }).at;
    const middle = all.map(atOf).at(all.length / 2) ?? 0;
    const since = all.filter((event) => atOf(event) >= middle);
    expect(await tail("--since", new Date(middle).toISOString())).toEqual(since);
    expect(await tail("--since", new Date(middle).toISOString().slice(0, -1), "--limit", "1")).toEqual(
      since.slice(0, 1),
    );
    expect(await tail("--since", "9999-01-01")).toEqual([]);
    const alices = await tail("--user", "alice", "--limit", "100000");
    const by = ({ meta }: ShownEvent) => (meta as { by: { userId: string } }).by.userId;
    expect(alices).toEqual(all.filter((event) => by(event) === "alice"));
    for (const { meta } of alices)
      expect(meta).toMatchObject({ by: { kind: "user", userId: "alice", deviceId: expect.any(String) as string } });
    expect(await tail("--user", "system")).toEqual([]);
    const first = await run(["events", "show", "1", ...data()]);
    expect(first.stdout).toMatch(/^by +system$/m);
    expect([alices.length > messages, alices.length < all.length]).toEqual([true, true]);
    expect((await run(["events", "tail", "--since", "yesterday", ...data()])).code).toBe(2);
  });

  test("show finds an event by position and by place, and says when there is none", async () => {
    const byPlace = json(await run(["events", "show", `${stream}@0`, "--json", ...data()])) as ShownEvent;
    expect(byPlace).toMatchObject({ type: "ConversationStarted", revision: 0, data: { conversationId } });
    const position = String(byPlace.position);
    expect(json(await run(["events", "show", position, "--json", ...data()]))).toEqual(byPlace);
    const last = (await tail("--type", "MessageSent", "--limit", "1"))[0];
    const opened = await run(["events", "show", String(last?.position), ...opening, ...data()]);
    expect(opened.stdout).toContain(secret(messages - 1));
    const missing = await run(["events", "show", `${stream}@99999`, ...data()]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/no event at .*; the stream ends at/)]);
    const noStream = await run(["events", "show", "foo@1", ...data()]);
    expect([noStream.code, noStream.stderr]).toEqual([1, expect.stringContaining("There is no stream foo")]);
    const beyond = await run(["events", "show", "99999", ...data()]);
    expect([beyond.code, beyond.stderr]).toEqual([1, expect.stringContaining("the log ends at")]);
  });

  test("stats count what tail shows", async () => {
    const [stats, all] = [await newestStats(), await tail("--limit", "100000")];
    const count = (type: string): number => all.filter((event) => event.type === type).length;
    expect(stats).toMatchObject({ events: all.length, head: all.length });
    expect(stats.types.MessageSent?.events).toBe(messages);
    for (const [type, { events }] of Object.entries(stats.types)) expect([type, events]).toEqual([type, count(type)]);
    const ofStream = all.filter((event) => event.stream === stream).length;
    expect(stats.largestStreams[0]).toEqual({ stream, events: ofStream });
    const sum = (amounts: LogStats["types"]) => Object.values(amounts).reduce((total, { bytes }) => total + bytes, 0);
    expect([sum(stats.types), sum(stats.categories), sum(stats.days)]).toEqual(Array(3).fill(stats.bytes));
  });

  test("tail --follow prints what comes while the server runs, and ends with the signal", async () => {
    const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
    const args = ["events", "tail", "--follow", "--limit", "1", "--type", "MessageSent", "--json", ...opening];
    const child = spawn(process.execPath, [parley, ...args, ...data()], { stdio: ["ignore", "pipe", "ignore"] });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const nextText = async (): Promise<unknown> => {
      const { value } = (await lines.next()) as { value: string };
      return (JSON.parse(value) as { opened: { text: unknown } }).opened.text;
    };
    expect(await nextText()).toMatch(/^secret words/);
    await alice.send(conversationId, text("followed")).accepted;
    expect(await nextText()).toBe("followed");
    child.kill("SIGINT");
    expect(await exited).toBe(0);
  });
});

test("a stopped server's files are read as well, and stay as they are", async () => {
  const stopped = await startServer();
  await stopped.terminate();
  const ran = await run(["events", "tail", "--json", "--data", stopped.dataDir]);
  expect(jsonLines(ran)).toMatchObject([{ type: "LogStarted", position: 1 }]);
  expect((await doctor(stopped.dataDir)).diagnosis).toMatchObject({ ok: true, running: false });
  await stopped.start();
  expect((await doctor(stopped.dataDir)).diagnosis.running).toBe(true);
  await stopped.dispose();
});

test("help, wrong usage and a missing log have exit codes of their own", async () => {
  for (const command of [
    ["doctor"],
    ["projections", "status"],
    ["events", "tail"],
    ["events", "show"],
    ["events", "stats"],
  ]) {
    const help = await run([...command, "--help"]);
    expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/--json[\s\S]*Exit code/)]);
  }
  expect((await run(["events", "tail", "--limit", "0"])).code).toBe(2);
  expect((await run(["events", "show", "here"])).code).toBe(2);
  expect((await run(["nonsense"])).code).toBe(2);
  const nowhere = await run(["events", "tail", "--data", "/nonexistent"]);
  expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining("--data DIR")]);
});

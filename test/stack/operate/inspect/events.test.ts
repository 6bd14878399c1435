/** `parley events` of the distributed profile, on an event store of its own. */
import { randomBytes, randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCommands } from "../../../../src/commands/execute.js";
import { openEpoch } from "../../../../src/commands/epoch.js";
import { lookUpIn } from "../../../../src/commands/look-up.js";
import { sealingWith } from "../../../../src/commands/sealing/sealing.js";
import { byUser } from "../../../../src/domain/kernel/by.js";
import { E } from "../../../../src/domain/kernel/fp.js";
import { limits } from "../../../../src/domain/kernel/limits.js";
import { asRevision, noPosition, streamOf } from "../../../../src/domain/kernel/stream.js";
import { openMongo, type Mongo } from "../../../../src/infra/engines/mongodb/connection.js";
import { openEventStoreDb, type EventStoreDbLog } from "../../../../src/infra/event-log/eventstoredb/event-log.js";
import { openMongoKeyStore } from "../../../../src/infra/key-store/mongodb/key-store.js";
import type { LogStats } from "../../../../src/operate/inspect/log-stats.js";
import type { ShownEvent } from "../../../../src/operate/inspect/log.js";
import { json, jsonLines, run } from "../../../cli/run.js";
import { engine } from "../../../kit/engines.js";
import { emptyIndex } from "../../../kit/log.js";
import { mayStartServers, startOwnServers, type OwnServers } from "../../../kit/own-servers.js";
import { textCipher } from "../../../kit/text-cipher.js";

const textOf = (text: string) => ({ contentType: "text" as const, content: JSON.stringify({ type: "text", text }) });
const reason = ["--reason", "ticket 4711"] as const;
const mongoUrl = engine("PARLEY_MONGODB_URL");

describe.skipIf(mongoUrl === undefined || !mayStartServers)("parley events --profile distributed", () => {
  let servers: OwnServers;
  let log: EventStoreDbLog;
  let mongo: Mongo;
  let keys: ReturnType<typeof openMongoKeyStore>;
  let cell: Readonly<Record<string, string>>;
  let stream: string;
  const say = { now: 1, by: byUser({ userId: "alice", deviceId: "phone" }) };
  let send: (text: string) => Promise<unknown>;

  beforeAll(async () => {
    servers = await startOwnServers("eventstore");
    const url = servers.env.PARLEY_EVENTSTORE_URL ?? "";
    const masterKey = randomBytes(32);
    log = openEventStoreDb({ url });
    const database = `parley-test-${randomBytes(5).toString("hex")}`;
    mongo = await openMongo({ url: mongoUrl ?? "", database });
    keys = openMongoKeyStore({ db: mongo.db, masterKeys: [masterKey] });
    cell = {
      PARLEY_PROFILE: "distributed",
      PARLEY_EVENTSTORE_URL: url,
      PARLEY_MONGODB_URL: mongoUrl ?? "",
      PARLEY_MONGODB_DATABASE: database,
      PARLEY_NATS_URL: "nats://127.0.0.1:1",
      PARLEY_REDIS_URL: "redis://127.0.0.1:1",
      PARLEY_CELL: "test",
      PARLEY_MASTER_KEY: masterKey.toString("base64"),
      PARLEY_TOKEN_SECRET: randomBytes(32).toString("base64url"),
    };
    const ids = { uuid: randomUUID };
    await openEpoch(log, "test", () => 1, ids);
    // What others write into the store is in none of the answers.
    const foreign = { id: randomUUID(), type: "Nothing", data: "{}", meta: "{}" };
    await log.append("others-stream", "any", [foreign]);
    const commands = createCommands({
      ...{ log, ids, home: "test", membersMax: limits.groupMembersMax, lookUp: lookUpIn(emptyIndex, log) },
      sealing: sealingWith(keys, ["test"], textCipher),
    });
    const context = () => ({ ...say, commandId: randomUUID(), correlationId: randomUUID() });
    const started = await commands.startDirect({ peerId: "bob" }, context());
    const conversationId = E.isRight(started) ? started.right.conversationId : "";
    stream = streamOf.conversation(conversationId);
    send = (text) =>
      commands.sendMessage({ conversationId, clientMessageId: randomUUID(), ...textOf(text) }, context());
    for (let number = 0; number < 5; number += 1) await send(`secret words ${number}`);
  });
  afterAll(async () => {
    await log.close();
    await keys.close();
    await mongo.db.dropDatabase();
    await mongo.close();
    await servers.stop();
  });

  const events = (...args: readonly string[]) => run(["events", ...args], cell);
  const tail = async (...args: readonly string[]): Promise<readonly ShownEvent[]> =>
    jsonLines(await events("tail", "--json", ...args)) as readonly ShownEvent[];

  test("tail and show filter, limit, begin where they are told and open content with the keys", async () => {
    const stored = await log.readAll(noPosition, 100);
    const all = await tail("--limit", "100");
    expect(all.map(({ position, stream, id }) => [position, stream, id])).toEqual(
      stored.map(({ position, stream, id }) => [position, stream, id]),
    );
    expect(await tail("--from", String(all[2]?.position), "--limit", "2")).toEqual(all.slice(2, 4));
    expect(await tail("--type", "MessageSent", "--user", "alice", "--limit", "2")).toEqual(all.slice(-2));
    expect(await tail("--stream", stream, "--since", "1970-01-01")).toEqual(
      all.filter((event) => event.stream === stream),
    );
    const sealed = await events("tail");
    expect([sealed.code, sealed.stdout]).toEqual([0, expect.stringMatching(/\(sealed, \d+ characters\)/)]);
    expect(sealed.stdout).toContain("parley events tail --follow --profile distributed");
    expect(sealed.stdout).not.toContain("secret words");
    const last = all.at(-1);
    const opened = await events("show", String(last?.position), "--open", ...reason);
    expect([opened.code, opened.stdout]).toEqual([0, expect.stringContaining("secret words 4")]);
    expect(json(await events("show", `${stream}@${last?.revision ?? 0}`, "--json"))).toEqual(last);
    const missing = await events("show", `${stream}@999`);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/no event at .*; the stream ends at/)]);
  });

  test("as-of and who-could-read tell of this profile's log what they tell of the other's", async () => {
    const conversation = stream.slice("conversation-".length);
    const lines = jsonLines(await run(["audit", "as-of", "now", "--conversation", conversation, "--json"], cell));
    const kinds = lines.map((line) => Object.keys(line as object)[0]);
    const messages = Array.from({ length: 5 }, () => "message");
    expect(kinds).toEqual(["asOf", "conversation", "member", "member", ...messages]);
    const { message } = lines[4] as { readonly message: { readonly messageId: string; readonly pos: number } };
    const who = jsonLines(await run(["audit", "who-could-read", message.messageId, "--json"], cell));
    expect(who[0]).toMatchObject({ message: { conversationId: conversation, sequence: 1 }, keysThere: true });
    const readers = who.slice(1) as readonly { readonly reader: { readonly userId: string } }[];
    expect(readers.map(({ reader }) => reader.userId)).toEqual(["alice", "bob"]);
    const [sent] = await log.readStream(stream, asRevision(message.pos), 1);
    const then = ["audit", "as-of", String(sent?.position), "--conversation", conversation, "--json"];
    const before = jsonLines(await run(then, cell));
    expect(before.map((line) => Object.keys(line as object)[0])).toEqual(kinds.slice(0, 5));
  });

  test("stats count what tail shows", async () => {
    const all = await tail("--limit", "100");
    const ran = await events("stats", "--json");
    const stats = json(ran) as LogStats;
    expect(stats).toMatchObject({ events: all.length, head: all.at(-1)?.position });
    expect(stats.types.MessageSent?.events).toBe(5);
    expect(stats.largestStreams[0]).toMatchObject({ stream });
  });

  test("tail --follow prints what comes, goes on when the store was away, and ends with the signal", async () => {
    const parley = fileURLToPath(new URL("../../../../dist/src/cli/parley.js", import.meta.url));
    const args = ["events", "tail", "--follow", "--limit", "1", "--type", "MessageSent", "--json", "--open", ...reason];
    const env = { PATH: process.env.PATH, ...cell };
    const child = spawn(process.execPath, [parley, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const said = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
    const nextText = async (): Promise<unknown> => {
      const { value } = (await lines.next()) as { value: string };
      return (JSON.parse(value) as { opened: { text: unknown } }).opened.text;
    };
    expect(await nextText()).toBe("secret words 4");
    expect((await said.next()).value).toContain("privileged");
    await send("followed");
    expect(await nextText()).toBe("followed");
    await servers.kill("eventstore");
    expect((await said.next()).value).toContain("does not answer");
    await servers.startAgain("eventstore");
    await send("after the outage");
    expect(await nextText()).toBe("after the outage");
    child.kill("SIGINT");
    expect(await exited).toBe(0);
  });

  test("an engine that is away and a directory are refused by name", async () => {
    const away = await run(["events", "tail"], { ...cell, PARLEY_EVENTSTORE_URL: "esdb://a:hunter2@127.0.0.1:1" });
    expect([away.code, away.stderr]).toEqual([1, expect.stringContaining("PARLEY_EVENTSTORE_URL")]);
    expect(away.stderr).not.toContain("hunter2");
    const data = await events("stats", "--data", "here");
    expect([data.code, data.stderr]).toEqual([2, expect.stringContaining("--data is of the embedded profile")]);
  });
});

/** What auditors ask of the engines is answered as it is of a directory, recorded first, and refused where a directory refuses. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportArchive } from "../../../src/operate/archive/export.js";
import { readDistributedConfig } from "../../../src/settings/distributed.js";
import { json, jsonLines, run, type Ran } from "../../cli/run.js";
import { clusterEngines, startCluster, type Cluster } from "../../kit/cluster.js";
import { eventually } from "../../kit/device.js";
import { mayStartServers, newCellOn, startOwnServers, type OwnServers } from "../../kit/own-servers.js";
import { startServerOn, type TestServer } from "../../kit/server.js";
import { unzip } from "../../kit/unzip.js";
import { text, wireDevice, type WireDevice } from "../../kit/wire.js";

const hasEngines = clusterEngines() && mayStartServers;
const parley = fileURLToPath(new URL("../../../dist/src/cli/parley.js", import.meta.url));

let root = "";
let own: OwnServers;
let environment: Readonly<Record<string, string>>;
let cluster: Cluster;
let server: TestServer;
let group = "";
let message = "";
/** Of the last message: what is of then is the same on both, whatever was recorded since. */
let moment = "";
const words = "for nobody's eyes";
const file = (name: string): string => join(root, name);

const onEngines = (args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> => {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith("PARLEY_"));
  return run([...args, "--profile", "distributed", "--json"], {
    ...Object.fromEntries(given),
    ...environment,
    ...more,
  });
};
const onDirectory = (args: readonly string[]): Promise<Ran> => {
  const { PARLEY_MASTER_KEY: masterKey = "" } = process.env;
  const passphrase = { PARLEY_PASSPHRASE: environment.PARLEY_PASSPHRASE };
  return run([...args, "--data", file("directory"), "--json"], { ...passphrase, PARLEY_MASTER_KEY: masterKey });
};
const done = async (ran: Promise<Ran>): Promise<Ran> => {
  const { code, stderr, ...rest } = await ran;
  expect([code, stderr.replace(/^parley: recorded at .*\n/, "")]).toEqual([0, ""]);
  return { code, stderr, ...rest };
};
const kindsRecorded = async (): Promise<readonly string[]> =>
  jsonLines(await done(onEngines(["audit", "accesses"]))).map((line) => (line as { readonly kind: string }).kind);

/** Positions are each log's own; the rest is to be the same. */
const ownToALog = new Set(["position", "head", "activity", "upTo", "takenAt"]);
const elsewhere = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (name, of: unknown) => (ownToALog.has(name) ? undefined : of)));
const same = async (ask: (where: "engines" | "directory") => Promise<unknown>): Promise<unknown> => {
  const [there, here] = [elsewhere(await ask("engines")), elsewhere(await ask("directory"))];
  expect(there).toEqual(here);
  return there;
};
const linesOf = (...args: readonly string[]) =>
  same(async (where) => jsonLines(await done(where === "engines" ? onEngines(args) : onDirectory(args))));

const chat = async (): Promise<void> => {
  const people = await Promise.all(["alice", "bob", "carol"].map((user) => wireDevice(cluster.door(0), user)));
  const [alice, bob, carol] = people as [WireDevice, WireDevice, WireDevice];
  await alice.rest("PUT /me", { displayName: "Alice Ägypten; von" });
  await bob.rest("PUT /me", { displayName: 'Bob <b> "the" ]]>' });
  const started = await alice.rest("POST /groups", { name: "Desk & Co", participantIds: ["bob", "carol"] });
  group = started.body.conversationId as string;
  const send = async (device: WireDevice, clientMessageId: string, said: string): Promise<string> => {
    const asked = { conversationId: group, clientMessageId, content: text(said) };
    return (await device.ask("message.send", asked)).payload.messageId as string;
  };
  message = await send(alice, "1", words);
  const second = await send(bob, "2", "two\nlines");
  await bob.ask("message.edit", { conversationId: group, messageId: second, content: text("two lines, edited") });
  await carol.ask("reaction.add", { conversationId: group, messageId: message, emoji: "👍" });
  await bob.ask("message.read", { conversationId: group, upToSequence: 1 });
  const third = await send(carol, "3", "deleted soon");
  await carol.ask("message.delete", { conversationId: group, messageId: third });
  await alice.rest(`DELETE /conversations/${group}/members/carol`);
  await send(alice, "4", "carol is gone");
  // An inbox of after the acknowledgement waits for the views.
  await alice.rest("GET /conversations");
  const newest = await alice.rest(`GET /conversations/${group}/messages?limit=1`);
  const [last] = newest.body.messages as readonly { readonly timestamp: number }[];
  moment = new Date(last?.timestamp ?? 0).toISOString();
  await Promise.all(people.map((each) => each.close()));
};

/** The log of the engines with its keys, in a directory that a server has. */
const moveToDirectory = async (): Promise<void> => {
  await done(onEngines(["events", "export", "--output", file("log")]));
  await done(onEngines(["keys", "export", "--output", file("keys"), "--reason", "a test"]));
  await done(onDirectory(["events", "import", file("log")]));
  await done(onDirectory(["keys", "import", file("keys")]));
  server = await startServerOn(file("directory"), ["--cell", environment.PARLEY_CELL ?? ""]);
  const unread = ["explain", "unread", "--conversation", group, "--user", "bob"];
  await eventually(async () => {
    const [told] = jsonLines(await onDirectory(unread)) as readonly {
      explanation: { shown: { lastVisible: number } };
    }[];
    return told?.explanation.shown.lastVisible === 4;
  }, "the views have what was imported");
};

beforeAll(async () => {
  if (!hasEngines) return;
  root = mkdtempSync(join(tmpdir(), "parley-auditors-"));
  own = await startOwnServers("eventstore");
  environment = {
    ...newCellOn(own),
    PARLEY_PASSPHRASE: "correct horse battery staple",
  };
  cluster = await startCluster({ gateways: 1, projectors: 1, environment });
  await chat();
  await moveToDirectory();
});
afterAll(async () => {
  if (!hasEngines) return;
  await server.terminate();
  await cluster.dispose();
  await own.stop();
  rmSync(root, { recursive: true, force: true });
});

test.skipIf(!hasEngines)("the same history has the same answers in both profiles", async () => {
  const opened = ["--open", "--reason", "a test"];
  const asOf = await linesOf("audit", "as-of", moment, "--conversation", group, ...opened);
  for (const said of [words, "two lines, edited", "deleted"]) expect(JSON.stringify(asOf)).toContain(said);
  await linesOf("audit", "as-of", moment, "--user", "bob", ...opened);
  const readers = await linesOf("audit", "who-could-read", message, "--as-of", moment);
  expect(readers).toHaveLength(4);
  const of = ["--conversation", group, "--user", "bob"];
  for (const what of ["unread", "inbox", "receipt", "delivery"]) {
    const about = what === "receipt" || what === "delivery" ? ["--message", message] : [];
    const [explanation] = (await linesOf("explain", what, ...of, ...about)) as readonly unknown[];
    expect(explanation).toMatchObject({ explanation: { verdict: "same" } });
  }
});

test.skipIf(!hasEngines)("archives and what is handed to a person are the same in both profiles", async () => {
  const until = new Date(Date.parse(moment) + 1).toISOString();
  for (const format of ["json", "actiance", "csv", "eml"]) {
    const args = ["audit", "export", "--format", format, "--to", until, "--reason", "a test", "--output"];
    const run = await same(async (where) => {
      const [output, asked] = [file(`${where}-${format}`), where === "engines" ? onEngines : onDirectory];
      const { records, messages, events, root: hash } = json(await done(asked([...args, output]))) as never;
      const written = readFileSync(output, "utf8");
      const lines = written.split("\n").filter((line) => line !== "");
      // Rows of the others have no position, or have it in a column.
      const holds = { json: () => lines.map((line): unknown => JSON.parse(line)), actiance: () => written }[format];
      return { records, messages, events, hash, holds: holds?.() };
    });
    expect(run).toMatchObject({ messages: 4 });
  }
  for (const include of ["own", "visible"])
    await same(async (where) => {
      const output = file(`${where}-${include}.zip`);
      const args = ["user", "takeout", "alice", "--include", include, "--reason", "a test", "--output", output];
      await done(where === "engines" ? onEngines(args) : onDirectory(args));
      return [...unzip(readFileSync(output))]
        .filter(([name]) => name !== "index.html")
        .map(([name, bytes]) => [name, contentOf(name, bytes.toString())]);
    });
  const exports = json(await done(onEngines(["audit", "exports"])));
  expect(exports).toMatchObject({ tiles: true });
});

const contentOf = (name: string, content: string): unknown => {
  if (name.endsWith(".json")) return JSON.parse(content);
  if (!name.endsWith(".ndjson")) return content;
  return content
    .split("\n")
    .filter((line) => line !== "")
    .map((line): unknown => JSON.parse(line));
};

test.skipIf(!hasEngines)("who opens what people wrote in the engines is recorded before it is opened", async () => {
  const asking = ["audit", "as-of", moment, "--conversation", group, "--open"];
  const before = await kindsRecorded();
  expect(await onEngines(asking)).toMatchObject({ code: 2, stdout: "" });
  expect(await onEngines([...asking, "--unrecorded"])).toMatchObject({ code: 2, stdout: "" });
  expect(await kindsRecorded()).toEqual(before);
  const both = await Promise.all(["one", "two"].map((reason) => onEngines([...asking, "--reason", reason])));
  for (const { code, stdout } of both) expect([code, stdout]).toEqual([0, expect.stringContaining(words)]);
  expect(await kindsRecorded()).toEqual([...before, "audit.as-of", "audit.as-of"]);
  // Without the keys nothing is opened, and it is recorded that somebody tried; without the log nothing is even tried.
  const keysAway = { PARLEY_MONGODB_URL: "mongodb://127.0.0.1:1/?directConnection=true" };
  const shut = await onEngines([...asking, "--reason", "three"], keysAway);
  expect([shut.code, shut.stdout, shut.stderr]).toEqual([1, "", expect.stringContaining("PARLEY_MONGODB_URL")]);
  expect(await kindsRecorded()).toHaveLength(before.length + 3);
  const logAway = { PARLEY_EVENTSTORE_URL: "esdb://127.0.0.1:1?tls=false" };
  for (const args of [asking, ["user", "takeout", "alice", "--output", file("never.zip")]]) {
    const refused = await onEngines([...args, "--reason", "four"], logAway);
    expect([refused.code, refused.stdout, refused.stderr]).toEqual([
      1,
      "",
      expect.stringContaining("PARLEY_EVENTSTORE_URL"),
    ]);
  }
  expect(existsSync(file("never.zip"))).toBe(false);
});

test.skipIf(!hasEngines)("of two archives at once the engines' log tells one", async () => {
  const args = ["audit", "export", "--format", "csv", "--user", "bob", "--reason", "a test"];
  const env = { ...process.env, ...environment };
  let wasOvertaken = false;
  const overtaken = exportArchive(
    { profile: "distributed", config: readDistributedConfig({}, env) },
    {
      ...{ format: "csv", scope: { user: "bob" }, range: { from: "last" }, file: file("overtaken.csv") },
      ...{ reason: "a test", domain: "example.org", sodium: "auto" },
    },
    () => {
      if (wasOvertaken) return;
      wasOvertaken = true;
      const more = ["--output", file("first.csv"), "--profile", "distributed", "--json"];
      execFileSync(process.execPath, [parley, ...args, ...more], { env, stdio: "pipe" });
    },
  );
  await expect(overtaken).rejects.toMatchObject({ code: "RUN_OVERLAPS" });
  expect([existsSync(file("overtaken.csv")), existsSync(file("first.csv"))]).toEqual([false, true]);
  expect(json(await done(onEngines(["audit", "exports"])))).toMatchObject({ tiles: true });
});

test.skipIf(!hasEngines)("a hold is set once, refuses an erasure, and is released", async () => {
  const set = ["hold", "set", "--case", "c-1", "--conversation", group, "--reason", "court"];
  await done(onEngines(set));
  const refusals = [
    [set, "has a hold already"],
    [["hold", "set", "--case", "c-2", "--user", "nobody", "--reason", "x"], "There is no user nobody"],
    [["hold", "release", "--case", "c-9", "--reason", "x"], "No hold of the case c-9"],
    [["user", "erase", "carol", "--dry-run", "--reason", "x"], "carol is held by c-1"],
  ] as const;
  for (const [args, says] of refusals) {
    const refused = await onEngines(args);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(says)]);
  }
  await done(onEngines(["hold", "release", "--case", "c-1", "--reason", "settled"]));
  expect((await done(onEngines(["hold", "list"]))).stdout).toBe("");
});

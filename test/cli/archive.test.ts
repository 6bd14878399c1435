import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ArchiveRecord } from "../../src/audit/archive/record.js";
import { canonicalOf, isLeaf } from "../../src/audit/canonical.js";
import { exportArchive, type ArchivedRun } from "../../src/operate/archive/export.js";
import type { ArchiveReport } from "../../src/operate/archive/runs.js";
import { openToRead } from "../../src/operate/open.js";
import { startServer, type TestServer } from "../kit/server.js";
import { rootOf } from "../kit/merkle.js";
import { unzip } from "../kit/unzip.js";
import { text, wireDevice, type Payload, type WireDevice } from "../kit/wire.js";
import { json, run, type Ran } from "./run.js";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
let server: TestServer;
let files = "";
let alice: WireDevice;
let bob: WireDevice;
let group = "";
let direct = "";
const formula = '=HYPERLINK("http://evil.example","look")';

let sent = 0;
const send = async (device: WireDevice, conversationId: string, said: string): Promise<Payload> =>
  (await device.ask("message.send", { conversationId, clientMessageId: `m-${(sent += 1)}`, content: text(said) }))
    .payload;
const file = (name: string): string => join(files, name);
const where = (): readonly string[] => ["--data", server.dataDir];
const exported = (format: string, output: string, ...more: string[]): Promise<Ran> =>
  run([
    "audit",
    "export",
    "--format",
    format,
    "--reason",
    "a test",
    "--output",
    file(output),
    "--json",
    ...where(),
    ...more,
  ]);
const exports = async (): Promise<{ readonly code: number; readonly report: ArchiveReport & { tiles: boolean } }> => {
  const ran = await run(["audit", "exports", "--json", ...where()]);
  return { code: ran.code, report: json(ran) as ArchiveReport & { tiles: boolean } };
};
const recordsIn = (name: string): readonly ArchiveRecord[] =>
  readFileSync(file(name), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as ArchiveRecord);

beforeAll(async () => {
  files = mkdtempSync(join(tmpdir(), "parley-archive-"));
  server = await startServer();
  [alice, bob] = [await wireDevice(server, "alice"), await wireDevice(server, "bob@example.org")];
  const carol = await wireDevice(server, "carol");
  await alice.rest("PUT /me", { displayName: "Alice Ägypten; von" });
  await bob.rest("PUT /me", { displayName: "Bob <b>" });
  await carol.rest("PUT /me", { displayName: "Carol" });
  const started = await alice.rest("POST /groups", { name: "Desk & Co", participantIds: ["bob@example.org"] });
  group = started.body.conversationId as string;
  await send(alice, group, formula);
  const { messageId } = await send(bob, group, "two\nlines <script>");
  await bob.ask("message.edit", { conversationId: group, messageId, content: text("two lines, edited") });
  await alice.ask("reaction.add", { conversationId: group, messageId, emoji: "👍" });
  await alice.rest(`POST /conversations/${group}/members`, { userIds: ["carol"] });
  const last = await send(carol, group, "hello from carol");
  await carol.ask("message.delete", { conversationId: group, messageId: last.messageId });
  const opened = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob@example.org"] });
  direct = opened.body.conversationId as string;
  await send(alice, direct, "between two");
  await alice.ask("message.read", { conversationId: group, upToSequence: 2 });
});
afterAll(async () => {
  await server.dispose();
  rmSync(files, { recursive: true, force: true });
});

describe("parley audit export", () => {
  it("writes all that happened, with names and who could see it, and the file is what the log says of it", async () => {
    const ran = await exported("json", "all.ndjson");
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining("recorded at")]);
    const told = json(ran) as ArchivedRun;
    const bytes = readFileSync(file("all.ndjson"));
    expect(statSync(file("all.ndjson")).mode & 0o777).toBe(0o600);
    expect(told).toMatchObject({
      after: 0,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      messages: 4,
      conversations: 2,
      erased: 0,
      damaged: 0,
    });
    const records = recordsIn("all.ndjson");
    expect(records).toHaveLength(told.records);
    expect(records.map(({ conversation, kind }) => [conversation.id === group ? "group" : "direct", kind])).toEqual([
      ["group", "started"],
      ["group", "joined"],
      ["group", "joined"],
      ["group", "message"],
      ["group", "message"],
      ["group", "edit"],
      ["group", "reaction"],
      ["group", "joined"],
      ["group", "message"],
      ["group", "deletion"],
      ["direct", "started"],
      ["direct", "joined"],
      ["direct", "joined"],
      ["direct", "message"],
    ]);
    const [first, second] = records.filter(({ kind }) => kind === "message");
    expect(first).toMatchObject({
      conversation: { name: { text: "Desk & Co" } },
      author: { userId: "alice", name: { text: "Alice Ägypten; von" } },
      message: { content: { text: JSON.stringify(text(formula)) }, sequence: 1 },
      visibleTo: [{ userId: "alice" }, { userId: "bob@example.org", name: { text: "Bob <b>" } }],
    });
    expect(records.find(({ kind }) => kind === "edit")?.message?.messageId).toBe(second?.message?.messageId);
    expect(records.find(({ kind }) => kind === "deletion")?.visibleTo).toHaveLength(3);
  });

  it("tells the log of each run with the root hash of its events, which anybody can compute again", async () => {
    const { report } = await exports();
    const opened = await openToRead({ profile: "embedded", dir: server.dataDir });
    const events = (await opened.log.readAll(undefined, 10_000)).filter(({ stream }) => isLeaf(stream));
    await opened.close();
    for (const { runs } of report.series)
      for (const { after, upTo, events: count, root } of runs) {
        const leaves = events.filter(({ position }) => position > after && position <= upTo).map(canonicalOf);
        expect([count, root]).toEqual([leaves.length, rootOf(leaves)]);
      }
    expect(report.series).toHaveLength(1);
  });

  it("goes on where the last run of the format and scope ended, and a run that is left out is named", async () => {
    expect((await exported("csv", "1.csv")).code).toBe(0);
    await send(alice, direct, "later");
    const second = json(await exported("csv", "2.csv")) as ArchivedRun;
    expect([second.messages, second.records]).toEqual([1, 1]);
    expect(await exports()).toMatchObject({ code: 0, report: { tiles: true } });
    await send(alice, direct, "left out");
    const { report } = await exports();
    await send(alice, direct, "last");
    expect((await exported("csv", "3.csv", "--from", String(report.head + 1))).code).toBe(0);
    const broken = await exports();
    const gap = { after: second.upTo, upTo: report.head };
    expect(broken.code).toBe(1);
    expect(broken.report.series.find(({ format }) => format === "csv")).toMatchObject({ gaps: [gap], overlaps: [] });
    const mended = await exported("csv", "4.csv", "--from", String(gap.after + 1), "--to", String(gap.upTo));
    expect((json(mended) as ArchivedRun).messages).toBe(1);
    expect(await exports()).toMatchObject({ code: 0, report: { tiles: true } });
    const all = ["1.csv", "2.csv", "4.csv", "3.csv"].map((name) => readFileSync(file(name), "utf8"));
    expect(all.join("").match(/^"\d+","[^"]*","message",/gm)).toHaveLength(7);
  });

  it("of two at once hands over one: the other is refused, and leaves no file", async () => {
    let other: readonly string[] = [];
    const overtaken = exportArchive(
      { profile: "embedded", dir: server.dataDir },
      {
        ...{ format: "csv", scope: {}, range: { from: "last" }, file: file("overtaken.csv"), reason: "a test" },
        ...{ domain: "example.org", sodium: "auto" },
      },
      () => {
        if (other.length > 0) return;
        const args = ["audit", "export", "--format", "csv", "--reason", "first", "--output", file("first.csv")];
        other = execFileSync(process.execPath, [parley, ...args, "--json", ...where()], { stdio: "pipe" })
          .toString()
          .split("\n");
      },
    );
    await expect(overtaken).rejects.toMatchObject({
      code: "RUN_OVERLAPS",
      message: expect.stringMatching(/at the same time, and ended first: .*first\.csv/) as string,
    });
    expect(other).toHaveLength(2);
    expect(existsSync(file("overtaken.csv"))).toBe(false);
    expect(await exports()).toMatchObject({ code: 0, report: { tiles: true } });
    expect((await exported("csv", "after.csv")).code).toBe(0);
  });

  it("takes one conversation, or one user, and of an unknown one says so without a file", async () => {
    expect((await exported("json", "direct.ndjson", "--conversation", direct)).code).toBe(0);
    expect(new Set(recordsIn("direct.ndjson").map(({ conversation }) => conversation.id))).toEqual(new Set([direct]));
    expect((await exported("json", "carol.ndjson", "--user", "carol")).code).toBe(0);
    expect(recordsIn("carol.ndjson").map(({ kind }) => kind)).toEqual(["joined", "message", "deletion"]);
    const nobody = await exported("json", "nobody.ndjson", "--user", "nobody");
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("There is no user nobody")]);
    const again = await exported("json", "direct.ndjson", "--conversation", direct);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("is there already")]);
    const both = await exported("json", "both.ndjson", "--user", "carol", "--conversation", direct);
    expect(both.code).toBe(2);
  });

  it("packs a mail for each conversation and day, from and to those who were there", async () => {
    expect((await exported("eml", "mails.zip", "--mail-domain", "example.org")).code).toBe(0);
    const mails = [...unzip(readFileSync(file("mails.zip")))].map(([name, bytes]) => [name, bytes.toString()] as const);
    expect(mails.map(([name]) => name.replace(/^\d{4}-\d\d-\d\d\//, "").replace(/\.\d+\.eml$/, ""))).toEqual([
      group,
      direct,
    ]);
    const [head = "", body = ""] = mails[0]?.[1].split("\r\n\r\n") ?? [];
    expect(head).toContain("<alice@example.org>");
    expect(head).toContain("<bob@example.org>");
    expect(head).toContain("X-GlobalRelay-MsgType: Parley");
    const said = Buffer.from(body, "base64").toString();
    for (const part of [
      formula,
      "two\r\n    | lines <script>",
      "edited message 2 to: two lines, edited",
      "deleted message 3",
    ])
      expect(said).toContain(part);
  });

  it("of a copy is unrecorded if that is asked for, and then no log tells of the run", async () => {
    const live = await run([
      "audit",
      "export",
      "--format",
      "csv",
      "--unrecorded",
      "--output",
      file("x.csv"),
      ...where(),
    ]);
    expect([live.code, live.stderr]).toEqual([2, expect.stringContaining("a server has")]);
  });
});

describe("parley user takeout", () => {
  const taken = async (user: string, output: string, ...more: string[]) => {
    const args = ["user", "takeout", user, "--reason", "asked for it", "--output", file(output), "--json"];
    const ran = await run([...args, ...where(), ...more]);
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining("recorded at")]);
    const zip = unzip(readFileSync(file(output)));
    const textOf = (name: string): string => zip.get(name)?.toString() ?? "";
    const names = [...zip.keys()];
    return { textOf, names, all: names.map(textOf).join("\n") };
  };

  it("has everything that somebody wrote and did, and by default nothing that others wrote", async () => {
    const { textOf, names, all } = await taken("bob@example.org", "bob.zip");
    expect(names.slice(-6)).toEqual([
      ...["receipts.ndjson", "profile.json", "devices.json", "preferences.json", "conversations.json", "index.html"],
    ]);
    const said = textOf(`conversations/${group}.ndjson`);
    for (const part of ["two\\\\nlines <script>", "two lines, edited"]) expect(said).toContain(part);
    expect(JSON.parse(textOf("devices.json"))).toMatchObject({ phone: { deviceType: expect.any(String) as string } });
    expect(JSON.parse(textOf("profile.json"))).toMatchObject({ names: [{ name: { text: "Bob <b>" } }] });
    for (const others of ["HYPERLINK", "between two", "hello from carol"]) expect(all).not.toContain(others);
    expect(textOf("index.html")).toContain(`conversations/${direct}-1.html`);
  });

  it("has what others wrote and could be seen where it is asked for, without what they deleted", async () => {
    const { textOf, all } = await taken("alice", "alice.zip", "--include", "visible");
    for (const part of ["HYPERLINK", "two lines, edited", "between two"]) expect(all).toContain(part);
    expect(all).not.toContain("hello from carol");
    const [receipt] = textOf("receipts.ndjson").split("\n");
    expect(JSON.parse(receipt ?? "")).toMatchObject({ userId: "alice", deviceId: "phone" });
    const carol = await taken("carol", "carol.zip", "--include", "visible");
    expect(carol.all).not.toContain("HYPERLINK");
    expect(carol.all).toContain("hello from carol");
  });

  it("is read without scripts and without anything from elsewhere, whatever people wrote", async () => {
    const { textOf } = await taken("alice", "pages.zip", "--include", "visible");
    for (const page of [textOf("index.html"), textOf(`conversations/${group}-1.html`)]) {
      expect(page).not.toMatch(/<script|<b>|src=|@import|url\(/i);
      for (const [, href = ""] of page.matchAll(/href="([^"]*)"/g))
        expect(href).toMatch(/^(\.\.\/index\.html|[\w%=/-]+-\d+\.html|conversations\/[\w%=-]+-\d+\.html)$/);
    }
    expect(textOf(`conversations/${group}-1.html`)).toContain("two\nlines &lt;script&gt;");
  });
});

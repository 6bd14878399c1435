import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ListedAccess } from "../../src/operate/accesses.js";
import { lockDirectory } from "../../src/profiles/data-directory.js";
import { startServer, type TestServer } from "../kit/server.js";
import { text, wireDevice } from "../kit/wire.js";
import { jsonLines, run } from "./run.js";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
const words = "for nobody's eyes";
const opening = ["events", "tail", "--open", "--type", "MessageSent"] as const;

let server: TestServer;
let copies = "";
/** What the server has written until now, with no server on it. */
const copyOfData = (): string => {
  const copy = mkdtempSync(join(copies, "copy-"));
  cpSync(server.dataDir, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  return copy;
};
const accesses = async (dir: string, ...filter: string[]): Promise<readonly ListedAccess[]> =>
  jsonLines(await run(["audit", "accesses", "--json", "--data", dir, ...filter])) as ListedAccess[];

beforeAll(async () => {
  copies = mkdtempSync(join(tmpdir(), "parley-access-"));
  server = await startServer();
  const alice = await wireDevice(server, "alice");
  const { body } = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
  const { conversationId } = body;
  await alice.ask("message.send", { conversationId, clientMessageId: "m1", content: text(words) });
});
afterAll(async () => {
  await server.dispose();
  rmSync(copies, { recursive: true, force: true });
});

describe("what people wrote", () => {
  it("is opened for a reason, which the log has from then on, with who and what", async () => {
    const unasked = await run([...opening, "--data", server.dataDir]);
    expect([unasked.code, unasked.stdout, unasked.stderr]).toEqual([2, "", expect.stringContaining("--reason TEXT")]);
    expect(await accesses(server.dataDir)).toEqual([]);
    const opened = await run([...opening, "--reason", "ticket 4711", "--data", server.dataDir]);
    expect([opened.code, opened.stdout]).toEqual([0, expect.stringContaining(words)]);
    const shown = await run(["events", "show", "1", "--open", "--reason", "first", "--data", server.dataDir]);
    expect(shown.code).toBe(0);
    const all = await accesses(server.dataDir);
    expect(all).toMatchObject([
      {
        kind: "events.open",
        reason: "ticket 4711",
        scope: { type: "MessageSent" },
        operator: expect.any(String) as string,
      },
      { kind: "events.open", reason: "first", scope: { position: "1" } },
    ]);
    const [first, second] = all;
    expect(await accesses(server.dataDir, "--since", new Date(second?.at ?? 0).toISOString())).toContainEqual(second);
    expect(await accesses(server.dataDir, "--since", "9999-01-01")).toEqual([]);
    expect(await accesses(server.dataDir, "--operator", first?.operator ?? "")).toEqual(all);
    expect(await accesses(server.dataDir, "--operator", "nobody-else")).toEqual([]);
    expect(await accesses(server.dataDir, "--kind", "user.takeout")).toEqual([]);
  });

  it("is opened unrecorded only of a copy, which says so and stays as it is", async () => {
    const live = await run([...opening, "--unrecorded", "--data", server.dataDir]);
    expect([live.code, live.stdout, live.stderr]).toEqual([2, "", expect.stringContaining("a server has")]);
    const copy = copyOfData();
    const before = await accesses(copy);
    const opened = await run([...opening, "--unrecorded", "--data", copy]);
    expect([opened.code, opened.stdout]).toEqual([0, expect.stringContaining(words)]);
    expect(opened.stderr).toContain("UNRECORDED");
    expect(await accesses(copy)).toEqual(before);
  });

  it("is not opened before the access is in the log: a command that is killed in between has told of itself", async () => {
    const copy = copyOfData();
    // Whoever opens this waits for what nobody writes.
    renameSync(join(copy, "keys.db"), join(copy, "keys.away"));
    execFileSync("mkfifo", [join(copy, "keys.db")]);
    const before = await accesses(copy);
    const child = spawn(process.execPath, [parley, ...opening, "--reason", "killed", "--data", copy], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const lines = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toMatch(/recorded at \d+/);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    expect(said).toBe("");
    expect(await accesses(copy)).toMatchObject([...before, { reason: "killed" }]);
  });

  it("stays closed when the disk is full", async () => {
    const copy = copyOfData();
    const before = await accesses(copy);
    // The kernel lets no file of this process grow.
    const ran = await new Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>(
      (resolve) => {
        const limited = `trap '' XFSZ; ulimit -f 0; exec "$0" "$@"`;
        const args = [parley, ...opening, "--reason", "full", "--data", copy];
        const child = spawn("sh", ["-c", limited, process.execPath, ...args], { stdio: ["ignore", "pipe", "pipe"] });
        const said = { stdout: "", stderr: "" };
        child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
        child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
        child.once("close", (code) => {
          resolve({ code, ...said });
        });
      },
    );
    expect([ran.code, ran.stdout]).toEqual([1, ""]);
    expect(ran.stderr).not.toContain("recorded at");
    expect(await accesses(copy)).toEqual(before);
  });

  it("stays closed when a server has the directory and takes no calls", async () => {
    const copy = copyOfData();
    const lock = lockDirectory(copy);
    try {
      const refused = await run([...opening, "--reason", "unheard", "--data", copy]);
      expect([refused.code, refused.stdout, refused.stderr]).toEqual([
        1,
        "",
        expect.stringContaining("takes no calls"),
      ]);
    } finally {
      lock.release();
    }
  });
});

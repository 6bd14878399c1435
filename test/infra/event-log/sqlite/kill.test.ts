import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { noRevision, type Revision } from "../../../../src/domain/kernel/stream.js";
import { openSqliteLog } from "../../../../src/infra/event-log/sqlite/event-log.js";

/** Appends for ever from 20 writers and prints a line for every append that was reported as durable, or the error that ended it. */
const source = `
import { randomUUID } from "node:crypto";
import { openSqliteLog } from ${JSON.stringify(new URL("../../../../dist/src/infra/event-log/sqlite/event-log.js", import.meta.url).href)};
const log = await openSqliteLog(process.argv[2]);
const writer = async (n) => {
  for (let revision = -1; ; revision++) {
    const id = randomUUID();
    const event = { id, type: "T", data: JSON.stringify("x".repeat(400)), meta: "{}" };
    const answer = await log.append("s-" + n, revision, [event]);
    process.stdout.write(id + " " + answer.position + "\\n");
  }
};
await Promise.all(Array.from({ length: 20 }, (_, n) => writer(n))).catch((error) => process.stdout.write("error " + error.code + " " + error.message + "\\n"));
const late = await log.append("s-late", "any", [{ id: "late", type: "T", data: "", meta: "" }]).then(() => "durable", (error) => error.code);
process.stdout.write("late " + late + "\\n");
`;

let directory: string;
let child: ChildProcess;
const start = (limitBlocks?: number) => {
  directory = mkdtempSync(join(tmpdir(), "parley-kill-"));
  const [script, path] = [join(directory, "child.mjs"), join(directory, "log.db")];
  writeFileSync(script, source);
  // With a limit, the kernel refuses to let the WAL grow: a disk that is full in the middle of a commit.
  const limit = limitBlocks === undefined ? "" : `trap '' XFSZ; ulimit -f ${limitBlocks};`;
  child = spawn("sh", ["-c", `${limit} exec "$0" "$@"`, process.execPath, script, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no stdout");
  const ended = new Promise((resolve) => child.once("close", resolve));
  return { path, lines: createInterface({ input: child.stdout }), ended };
};
afterEach(() => {
  child.kill("SIGKILL");
  rmSync(directory, { recursive: true });
});

/** All that was acknowledged is there, where it was said to be, and no stream has a gap. */
const verify = async (path: string, acknowledged: ReadonlyMap<string, number>): Promise<void> => {
  const log = await openSqliteLog(path);
  const all = await log.readAll(undefined, 1_000_000);
  const positions = new Map(all.map(({ id, position }) => [id, position]));
  for (const [id, position] of acknowledged) expect(positions.get(id)).toBe(position);
  const heads = new Map<string, Revision>();
  for (const { stream, revision } of all) {
    expect(revision).toBe((heads.get(stream) ?? -1) + 1);
    heads.set(stream, revision);
  }
  expect(all.map(({ position }) => position)).toEqual(all.map((_, i) => i + 1));
  const answer = await log.append("s-0", heads.get("s-0") ?? noRevision, [
    { id: "next", type: "T", data: "", meta: "" },
  ]);
  expect(answer.kind).toBe("appended");
  await log.close();
};

describe("a process that dies while it appends", () => {
  it.each([1, 400, 9000])("has everything that it had reported as durable, killed after %i", async (killAfter) => {
    const { path, lines, ended } = start();
    const acknowledged = new Map<string, number>();
    lines.on("line", (line) => {
      const [id = "", position] = line.split(" ");
      acknowledged.set(id, Number(position));
      if (acknowledged.size === killAfter) child.kill("SIGKILL");
    });
    await ended;
    expect(acknowledged.size).toBeGreaterThanOrEqual(killAfter);
    await verify(path, acknowledged);
  });
});

describe("a disk that takes no more", () => {
  it("stops the log with an unknown outcome for what was in the commit, and keeps what was acknowledged", async () => {
    const { path, lines, ended } = start(1000);
    const acknowledged = new Map<string, number>();
    const said: string[] = [];
    lines.on("line", (line) => {
      const [id = "", position] = line.split(" ");
      if (id === "error" || id === "late") said.push(line);
      else acknowledged.set(id, Number(position));
    });
    await ended;
    expect(said).toHaveLength(2);
    expect(said[0]).toMatch(/^error OUTCOME_UNKNOWN the log has stopped: /);
    expect(said[1]).toBe("late UNAVAILABLE");
    expect(acknowledged.size).toBeGreaterThan(100);
    await verify(path, acknowledged);
  });
});

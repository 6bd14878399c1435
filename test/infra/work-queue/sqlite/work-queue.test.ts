import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it, vi } from "vitest";
import { StoreUnavailable } from "../../../../src/projections/ports/away.js";
import { openQueueFile } from "../../../../src/infra/work-queue/sqlite/schema.js";
import { openSqliteQueue, type SqliteQueue } from "../../../../src/infra/work-queue/sqlite/work-queue.js";
import { workQueueContract } from "../../../contract/work-queue.contract.js";

const compiled = new URL("../../../../dist/src/infra/work-queue/sqlite/work-queue.js", import.meta.url).href;
const directories: string[] = [];
const queues: SqliteQueue[] = [];
const newPath = (): string => {
  const directory = mkdtempSync(join(tmpdir(), "parley-queue-"));
  directories.push(directory);
  return join(directory, "queue.db");
};
const defaults = { jobsMax: 100_000, bytesMax: 100_000_000, backoffMs: () => 0, onProblem: () => undefined };
const open = (path: string, options: Partial<Parameters<typeof openSqliteQueue>[0]> = {}): SqliteQueue => {
  const queue = openSqliteQueue({ path, ...defaults, ...options });
  queues.push(queue);
  return queue;
};
afterEach(async () => {
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** Runs the code with `queue` in a process of its own, and kills it at the line for which `dies` is true. */
const inProcess = async (
  path: string,
  options: object,
  code: string,
  dies: (line: string) => boolean,
): Promise<void> => {
  const script = join(mkdtempSync(join(tmpdir(), "parley-child-")), "child.mjs");
  directories.push(join(script, ".."));
  const settings = JSON.stringify({ path, ...defaults, ...options });
  writeFileSync(
    script,
    `import { openSqliteQueue } from ${JSON.stringify(compiled)};
     const queue = openSqliteQueue({ ...${settings}, backoffMs: () => 0, onProblem: (error) => console.error(error) });
     ${code}`,
  );
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  try {
    for await (const line of createInterface({ input: child.stdout })) if (dies(line)) child.kill("SIGKILL");
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
};

workQueueContract("SQLite", () => {
  const path = newPath();
  return Promise.resolve({
    open: (settings) => Promise.resolve(openSqliteQueue({ path, ...settings })),
    takeAndDie: (settings) =>
      inProcess(
        path,
        settings,
        `queue.consume(() => { console.log("taken"); return new Promise(() => {}); }, { concurrency: 1 });`,
        (line) => line === "taken",
      ),
    dispose: () => Promise.resolve(),
  });
});

describe("the SQLite work queue", () => {
  it("is nobody else's to read, and synced at every commit, also when it is opened again", async () => {
    const path = newPath();
    await open(path).enqueue([{ id: "a", payload: "" }]);
    for (const suffix of ["", "-wal", "-shm"]) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    for (let i = 0; i < 2; i++) {
      const db = openQueueFile(path);
      expect(db.pragma("synchronous", { simple: true })).toBe(2);
      db.close();
    }
  });

  it("has every job that a killed process was told of, and does what it had begun", async () => {
    const path = newPath();
    const told = new Set<string>();
    const code = `
      queue.consume(() => new Promise(() => {}), { concurrency: 5 });
      for (let i = 0; ; i++) {
        await queue.enqueue([{ id: "a" + i, payload: "" }, { id: "b" + i, payload: "" }]);
        process.stdout.write("a" + i + "\\nb" + i + "\\n");
      }`;
    await inProcess(path, { visibilityMs: 200 }, code, (line) => told.add(line).size >= 400);
    const queue = open(path);
    const done = new Set<string>();
    queue.consume(({ id }) => Promise.resolve({ kind: "done", id: done.add(id) } as const), { concurrency: 10 });
    await vi.waitFor(
      async () => {
        expect((await queue.stats()).waiting).toBe(0);
      },
      { timeout: 60_000, interval: 20 },
    );
    expect([...told].filter((id) => !done.has(id))).toEqual([]);
  });

  it("sees what another process enqueues", async () => {
    const path = newPath();
    const [mine, theirs] = [open(path), open(path)];
    const seen: string[] = [];
    mine.consume(
      ({ id }) => {
        seen.push(id);
        return Promise.resolve({ kind: "done" });
      },
      { concurrency: 1 },
    );
    await vi.waitFor(
      async () => {
        await theirs.enqueue([{ id: "theirs", payload: "" }]);
        expect(seen).toEqual(["theirs"]);
      },
      { timeout: 60_000, interval: 20 },
    );
  });

  it("waits for a file that is locked, and says so meanwhile", async () => {
    const path = newPath();
    const problems: Error[] = [];
    const queue = open(path, { onProblem: (error) => problems.push(error) });
    await queue.enqueue([{ id: "a", payload: "" }]);
    const db = openQueueFile(path);
    db.exec("begin immediate");
    const seen: string[] = [];
    queue.consume(
      ({ id }) => {
        seen.push(id);
        return Promise.resolve({ kind: "done" });
      },
      { concurrency: 1 },
    );
    await vi.waitFor(
      () => {
        expect(problems.length).toBeGreaterThan(0);
      },
      { timeout: 60_000, interval: 20 },
    );
    await expect(queue.enqueue([{ id: "b", payload: "" }])).rejects.toThrow(StoreUnavailable);
    expect(seen).toEqual([]);
    db.exec("rollback");
    db.close();
    await vi.waitFor(
      () => {
        expect(seen).toEqual(["a"]);
      },
      { timeout: 60_000, interval: 20 },
    );
  });

  it("forgets ids after the window", async () => {
    const path = newPath();
    const queue = open(path, { deduplicateMs: 0 });
    for (let i = 0; i < 10; i++) await queue.enqueue([{ id: `j${i}`, payload: "" }]);
    const db = openQueueFile(path);
    expect(db.prepare("select count(*) from recent").pluck().get()).toBeLessThan(10);
    db.close();
  });

  it("refuses what comes after it was closed", async () => {
    const queue = open(newPath());
    await queue.close();
    await expect(queue.enqueue([{ id: "a", payload: "" }])).rejects.toThrow(StoreUnavailable);
    await expect(queue.stats()).rejects.toThrow(StoreUnavailable);
  });

  it("names the file that it cannot open", () => {
    expect(() => open("/nowhere/queue.db")).toThrow(/\/nowhere\/queue.db \(the work queue\) cannot be opened/);
  });
});

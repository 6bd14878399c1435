/** A data directory that lacks something, has it from another time, or cannot be written: what `serve` and `doctor` say. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openForWriting } from "../../src/infra/event-log/sqlite/schema.js";
import type { Diagnosis } from "../../src/operate/doctor/doctor.js";
import { viewsVersion } from "../../src/projections/registry.js";
import { connectDevice, text } from "../kit/device.js";
import { startServer } from "../kit/server.js";
import { json, run } from "./run.js";

/** Of a stopped server with one message. */
let original: string;
const copies: string[] = [];
beforeAll(async () => {
  const server = await startServer();
  const alice = await connectDevice(server, "alice", "phone");
  const { conversationId } = await alice.createDirect("bob");
  await alice.send(conversationId, text("of before")).accepted;
  alice.close();
  expect(await server.terminate()).toBe(0);
  original = server.dataDir;
});
afterAll(() => {
  for (const dir of [original, ...copies]) rmSync(dir, { recursive: true, force: true });
});

const copyWithout = (...names: readonly string[]): string => {
  const copy = mkdtempSync(join(tmpdir(), "parley-lost-"));
  copies.push(copy);
  cpSync(original, copy, { recursive: true });
  chmodSync(copy, 0o700);
  for (const name of names) for (const end of ["", "-wal", "-shm"]) rmSync(join(copy, name + end), { force: true });
  return copy;
};
const serve = (dir: string, ...flags: readonly string[]) =>
  run(["serve", "--port", "0", "--json", "--data", dir, ...flags]);
/** Starts, listens and stops: the exit code, and what was said. */
const servedOnce = async (dir: string) => {
  const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
  const child = spawn(process.execPath, [parley, "serve", "--port", "0", "--json", "--data", dir], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (said: string) => (stderr += said));
  const closed = once(child, "close");
  await Promise.race([once(child.stdout, "data"), closed]);
  child.kill("SIGTERM");
  await closed;
  return [child.exitCode, stderr];
};
const doctor = async (dir: string, environment: NodeJS.ProcessEnv = {}) => {
  const { checks } = json(await run(["doctor", "--json", "--data", dir], environment)) as Diagnosis;
  const find = (name: string) => checks.find((check) => check.name === name);
  return { find, wrong: checks.filter(({ state }) => state === "wrong").map(({ name }) => name) };
};

describe("a data directory", () => {
  it("without its keys is not served, and nothing is made in their place", async () => {
    const dir = copyWithout("keys.db");
    const { code, stderr } = await serve(dir);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/keys\.db is missing though the log has \d+ events.*restore it/),
    ]);
    expect(readdirSync(dir)).not.toContain("keys.db");
    expect((await doctor(dir)).find("keys")).toMatchObject({ state: "wrong" });
  });

  it("without its log is not served, and no other log is begun", async () => {
    const dir = copyWithout("log.db");
    const { code, stderr } = await serve(dir);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/log\.db is missing .*restore it.*To begin anew/)]);
    expect(readdirSync(dir)).not.toContain("log.db");
    expect((await doctor(dir)).find("log")).toMatchObject({
      state: "wrong",
      mend: expect.stringContaining("restore it") as string,
    });
  });

  it("with views beyond its log is told that the log may be the wrong one, before anything is to be deleted", async () => {
    const [dir, other] = [copyWithout("log.db"), await startServer()];
    await other.terminate();
    cpSync(join(other.dataDir, "log.db"), join(dir, "log.db"));
    await other.dispose();
    const { code, stderr } = await serve(dir);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/log\.db may be an old one or another's: look at it first/),
    ]);
    expect((await doctor(dir)).find("views")?.mend).toMatch(/log\.db may be an old one or another's: look at it first/);
  });

  it("whose log is of a newer format asks for an upgrade, and nothing else is called wrong", async () => {
    const dir = copyWithout();
    const log = openForWriting(join(dir, "log.db"));
    log.pragma("user_version = 99");
    log.close();
    const { code, stderr } = await serve(dir);
    expect([code, stderr]).toEqual([1, expect.stringContaining("written by a newer Parley")]);
    expect(stderr).not.toContain("ackup");
    const { find, wrong } = await doctor(dir);
    expect([wrong, find("log")?.mend]).toEqual([["log"], "Upgrade Parley"]);
    expect([find("keys")?.says, find("views")?.says]).toEqual(Array(2).fill("not looked at: needs the log"));
  });

  it("without its token secret is served, with a warning that no token of before is taken", async () => {
    expect(await servedOnce(copyWithout("token.secret"))).toEqual([
      0,
      expect.stringContaining("the token secret was missing and was made anew"),
    ]);
  });

  it("with views of an older version builds them anew and says so; with a newer version's it asks for an upgrade", async () => {
    const dir = copyWithout();
    const setVersion = (version: number): void => {
      const views = new Database(join(dir, "views.db"));
      views.pragma(`user_version = ${version}`);
      views.close();
    };
    setVersion(viewsVersion - 1);
    const before = readFileSync(join(dir, "views.db"));
    expect((await doctor(dir)).find("views")?.state).toBe("ok");
    expect(await servedOnce(dir)).toEqual([
      0,
      expect.stringMatching(/views\.db was of an older version: it was deleted and is built anew/),
    ]);
    expect(readFileSync(join(dir, "views.db")).equals(before)).toBe(false);
    expect(await servedOnce(dir)).toEqual([0, expect.not.stringContaining("views.db was of an older version")]);
    setVersion(viewsVersion + 1);
    const { code, stderr } = await serve(dir);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/written by a newer Parley.*Upgrade Parley/)]);
  });

  it("of one cell is not served as another's, and the name may be remembered from before the log told it", async () => {
    const dir = copyWithout();
    const log = openForWriting(join(dir, "log.db"));
    expect(log.prepare("select data from events where type = 'LogStarted'").pluck().get()).toMatch(/"home":"main"/);
    const refused = [1, expect.stringContaining("is of the cell main, and PARLEY_CELL (--cell) is other")];
    const first = await serve(dir, "--cell", "other");
    expect([first.code, first.stderr]).toEqual(refused);
    log.prepare("update events set data = json_remove(data, '$.home') where type = 'LogStarted'").run();
    log.close();
    const second = await serve(dir, "--cell", "other");
    expect([second.code, second.stderr]).toEqual(refused);
    expect((await doctor(dir, { PARLEY_CELL: "other" })).wrong).toEqual(["cell"]);
  });

  it("is of the cell that the old name of the setting says, with a warning in the log and by doctor", async () => {
    const dir = copyWithout();
    const { checks } = json(await run(["doctor", "--json", "--data", dir], { PARLEY_HOME: "main" })) as Diagnosis;
    expect(checks.filter(({ name }) => name === "configuration" || name === "cell")).toEqual([
      expect.objectContaining({ state: "ok", says: expect.stringContaining("cell main") as string }),
      {
        ...{ name: "configuration", state: "warning", says: "PARLEY_HOME is the old name of PARLEY_CELL" },
        mend: "Rename PARLEY_HOME to PARLEY_CELL; its value stays",
      },
    ]);
    const { code, stderr } = await run(["serve", "--port", "0", "--data", dir], { PARLEY_HOME: "other" });
    expect([code, stderr]).toEqual([1, expect.stringContaining("is of the cell main")]);
    expect(stderr).toContain('"old":"PARLEY_HOME","now":"PARLEY_CELL"');
  });

  it("is left as it is by commands that look at it", async () => {
    const dir = copyWithout();
    const contents = () =>
      readdirSync(dir).map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(join(dir, name)))
          .digest("hex"),
      ]);
    const before = contents();
    for (const command of ["doctor", "events tail --open --unrecorded", "events stats", "projections status"])
      expect((await run([...command.split(" "), "--data", dir])).code).toBe(0);
    expect(contents()).toEqual(before);
  });

  it.skipIf(process.getuid?.() === 0)("that this user cannot write is not called lost", async () => {
    const dir = copyWithout();
    chmodSync(dir, 0o500);
    const { find, wrong } = await doctor(dir);
    const tail = await run(["events", "tail", "--data", dir]);
    chmodSync(dir, 0o700);
    expect(wrong).toEqual(["data directory"]);
    expect(find("log")?.mend).toMatch(/not writable by this user.*cp -r/);
    expect([tail.code, tail.stderr]).toEqual([1, expect.stringMatching(/log\.db cannot be looked at.*cp -r/)]);
  });
});

/** scripts/servers itself: what the tests of faults rely on. */
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { engine } from "../../kit/engines.js";
import { mayStartServers } from "../../kit/own-servers.js";

type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

const script = fileURLToPath(new URL("../../../scripts/servers", import.meta.url));
const servers = (...args: readonly string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(script, args, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
const lives = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
};

describe.skipIf(engine("PARLEY_REDIS_URL") === undefined || !mayStartServers)("scripts/servers", () => {
  let parent: string;
  let dir: string;
  const stateFile = () => join(dir, "servers.json");
  const pidFile = (of = dir) => join(of, "redis.pid");
  const pidOf = (of = dir) => Number(readFileSync(pidFile(of), "utf8"));
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "parley-test-"));
    dir = join(parent, "servers");
  });
  afterEach(async () => {
    if (existsSync(stateFile())) await servers("stop", "--dir", dir);
    rmSync(parent, { recursive: true });
  });

  it("starts, kills, starts again on the same port and data, and stops for sure", async () => {
    const started = await servers("start", "--only", "redis", "--json", "--dir", dir);
    const { env } = JSON.parse(started.stdout) as { readonly env: { readonly PARLEY_REDIS_URL: string } };
    const redis = new Redis(env.PARLEY_REDIS_URL, { retryStrategy: () => 50 });
    redis.on("error", () => undefined);
    try {
      await redis.set("k", "v");
      const first = pidOf();
      expect(await servers("kill", "redis", "--dir", dir)).toMatchObject({ code: 0 });
      expect(lives(first)).toBe(false);
      expect(await servers("status", "--dir", dir)).toMatchObject({ code: 1, stdout: /DOWN Redis.*does not run/ });
      expect(await servers("start-one", "redis", "--dir", dir)).toMatchObject({ code: 0 });
      expect(await servers("status", "--dir", dir)).toMatchObject({ code: 0, stdout: /^ok {3}Redis/ });
      expect(await redis.get("k")).toBe("v");
    } finally {
      redis.disconnect();
    }
    const pid = pidOf();
    expect(await servers("stop", "--dir", dir)).toMatchObject({ code: 0 });
    expect(lives(pid)).toBe(false);
    expect(existsSync(dir)).toBe(false);
  });

  it("stops what a test has started inside its directory and left", async () => {
    await servers("start", "--only", "redis", "--dir", dir);
    const inner = join(dir, "own-left");
    expect(await servers("start", "--only", "redis", "--dir", inner)).toMatchObject({ code: 0 });
    const pid = pidOf(inner);
    expect(await servers("stop", "--dir", dir)).toMatchObject({ code: 0 });
    expect(lives(pid)).toBe(false);
    expect(existsSync(dir)).toBe(false);
  });

  it("never signals a process that has come by the id of one of its own", async () => {
    await servers("start", "--only", "redis", "--dir", dir);
    const stranger = spawn("sleep", ["600"]);
    try {
      const pid = stranger.pid ?? 0;
      await servers("kill", "redis", "--dir", dir);
      writeFileSync(pidFile(), `${pid}\n`);
      expect(await servers("kill", "redis", "--dir", dir)).toMatchObject({ code: 0 });
      expect(await servers("stop", "--dir", dir)).toMatchObject({ code: 0 });
      expect(lives(pid)).toBe(true);
    } finally {
      stranger.kill("SIGKILL");
    }
  });

  it("helps, and refuses what it does not understand", async () => {
    for (const command of ["install", "start", "stop", "status", "restart", "kill", "start-one"])
      expect(await servers(command, "--help")).toMatchObject({ code: 0, stdout: /^usage: / });
    expect(await servers("--help")).toMatchObject({ code: 0, stdout: /stand-in/ });
    for (const wrong of [["strat"], ["start", "--only", "oracle"], ["kill"], ["kill", "oracle"], ["stop", "--now"]])
      expect(await servers(...wrong)).toMatchObject({ code: 2 });
    expect(await servers("stop", "--dir", dir)).toMatchObject({ code: 1, stderr: /no servers were started/ });
  });
});

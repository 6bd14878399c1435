import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { adminCall, CallRefused, type AdminCalls } from "../../src/admin-server/call.js";
import { socketPathBytesMax, startAdminServer, type AdminServer } from "../../src/admin-server/server.js";
import { t } from "../../src/domain/kernel/fp.js";
import { callServer } from "../../src/operate/admin.js";

const opened: { readonly dir: string; readonly server: AdminServer }[] = [];
const failures: [string, Error][] = [];
const serve = async (calls: AdminCalls): Promise<string> => {
  const dir = mkdtempSync(join(tmpdir(), "parley-admin-"));
  const server = await startAdminServer(join(dir, "admin.sock"), calls, (...failure) => failures.push(failure));
  opened.push({ dir, server });
  return dir;
};
afterEach(async () => {
  for (const { dir, server } of opened.splice(0)) {
    await server.close();
    rmSync(dir, { recursive: true });
  }
  failures.length = 0;
});

const double = adminCall(t.type({ n: t.number }), ({ n }, { progress }) => {
  progress(1, 2);
  return Promise.resolve(n * 2);
});

describe("the admin socket", () => {
  it("answers a call with its progress and its result, on a socket for its owner alone", async () => {
    const dir = await serve({ double });
    const shown: unknown[] = [];
    expect(await callServer(dir, "double", { n: 21 }, (...now) => shown.push(now))).toBe(42);
    expect(shown).toEqual([[1, 2]]);
    expect(statSync(join(dir, "admin.sock")).mode & 0o777).toBe(0o600);
  });

  it("says what is wrong with a call, by code", async () => {
    const refuses = adminCall(t.unknown, () => Promise.reject(new CallRefused("HELD", "alice is held")));
    const fails = adminCall(t.unknown, () => Promise.reject(new Error("a defect")));
    const dir = await serve({ double, refuses, fails });
    await expect(callServer(dir, "treble", {})).rejects.toMatchObject({ code: "UNKNOWN_CALL" });
    await expect(callServer(dir, "toString", {})).rejects.toMatchObject({ code: "UNKNOWN_CALL" });
    await expect(callServer(dir, "double", { n: "21" })).rejects.toMatchObject({
      code: "BAD_INPUT",
      message: "double: bad n",
    });
    await expect(callServer(dir, "double", { n: 1, text: "x".repeat(1_100_000) })).rejects.toMatchObject({
      code: "TOO_LARGE",
    });
    await expect(callServer(dir, "refuses", {})).rejects.toMatchObject({ code: "HELD", message: "alice is held" });
    expect(failures).toEqual([]);
    await expect(callServer(dir, "fails", {})).rejects.toMatchObject({ code: "FAILED", message: "a defect" });
    expect(failures).toMatchObject([["fails", { message: "a defect" }]]);
  });

  it("ends a call whose operator has gone, and all of them when it closes", async () => {
    const ended: string[] = [];
    let begun = 0;
    let bothBegan: (() => void) | undefined;
    const both = new Promise<void>((resolve) => (bothBegan = resolve));
    let oneEnded: (() => void) | undefined;
    const one = new Promise<void>((resolve) => (oneEnded = resolve));
    const waits = adminCall(t.type({ name: t.string }), async ({ name }, { signal }) => {
      begun += 1;
      if (begun === 2) bothBegan?.();
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
      ended.push(name);
      oneEnded?.();
      throw new CallRefused("ENDED", "ended");
    });
    const dir = await serve({ waits });
    const leaving = request({ socketPath: join(dir, "admin.sock"), method: "POST", path: "/waits" });
    leaving.on("error", () => undefined).end(JSON.stringify({ name: "leaving" }));
    const stays = callServer(dir, "waits", { name: "staying" }).catch((error: unknown) => error);
    await both;
    leaving.destroy();
    await one;
    expect(ended).toEqual(["leaving"]);
    await opened[0]?.server.close();
    expect(await stays).toMatchObject({ code: "ENDED" });
    expect(ended).toEqual(["leaving", "staying"]);
  });

  it("takes the place of a socket that a killed server has left, and refuses a path that no system takes", async () => {
    const dir = mkdtempSync(join(tmpdir(), "parley-admin-"));
    writeFileSync(join(dir, "admin.sock"), "");
    const server = await startAdminServer(join(dir, "admin.sock"), { double }, () => undefined);
    opened.push({ dir, server });
    expect(await callServer(dir, "double", { n: 1 })).toBe(2);
    const long = join(dir, "x".repeat(socketPathBytesMax));
    await expect(startAdminServer(long, {}, () => undefined)).rejects.toThrow("too long for a socket's path");
  });
});

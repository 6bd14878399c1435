/** A server as bin/parley.js starts it: test/launcher.test.ts has what the launcher says to node. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, it } from "vitest";

const dir = mkdtempSync(join(tmpdir(), "parley-launched-"));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

it("the launched server is the process that was started, has its flags, and ends by a signal with its own exit code", async () => {
  const args = ["serve", "--port", "0", "--json", "--data", dir, "--log-level", "error"];
  const child = spawn("bin/parley.js", args, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const closed = once(child, "close");
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    const { url } = JSON.parse(line) as { readonly url: string };
    const command = execFileSync("ps", ["-o", "args=", "-p", String(child.pid)], { encoding: "utf8" });
    expect(command).toMatch(/^node --min-semi-space-size=4 .*--max-semi-space-size=32 bin\/parley\.js serve /);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await closed).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
  }
});

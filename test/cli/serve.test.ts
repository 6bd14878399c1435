/** What `parley serve` refuses before it opens anything, and what it warns of. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "./run.js";

const dir = mkdtempSync(join(tmpdir(), "parley-serve-"));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe("parley serve --profile distributed", () => {
  const distributed = ["serve", "--profile", "distributed"];

  it.each([
    { args: ["--data", dir], environment: {}, says: "--data is of the embedded profile" },
    { args: ["--eventstore-port", "0"], environment: {}, says: "--eventstore-port: the log for" },
    { args: [], environment: { PARLEY_EVENTSTORE_PORT: "2113" }, says: "PARLEY_EVENTSTORE_PORT: the log for" },
  ])("refuses it: $says", async ({ args, environment, says }) => {
    const { code, stderr } = await run([...distributed, ...args], environment);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain(says);
    expect(stderr).toContain("profile distributed");
  });
});

describe("parley serve --eventstore-host 0.0.0.0 without TLS", () => {
  const args = ["serve", "--json", "--data", dir, "--port", "0", "--eventstore-port", "0"];
  const open = [...args, "--eventstore-host", "0.0.0.0"];
  const environment = { PARLEY_EVENTSTORE_TOKEN: "a-token-of-some-length" };

  it("is refused when it is writable", async () => {
    const { code, stderr } = await run([...open, "--eventstore-writable"], environment);
    expect(code).toBeGreaterThan(0);
    expect(stderr).toContain("PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT are missing");
  });

  it("starts with a warning when it is for reading alone", async () => {
    const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("PARLEY_"));
    const env = { ...Object.fromEntries(clean), ...environment };
    const child = spawn(process.execPath, [parley, ...open], { env, stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const closed = once(child, "close");
    try {
      await Promise.race([once(createInterface(child.stdout), "line"), closed]);
    } finally {
      child.kill("SIGTERM");
      await closed;
    }
    expect(child.exitCode).toBe(0);
    const warning = stderr.split("\n").find((line) => line.includes("speaks plain text beyond this machine"));
    expect(JSON.parse(warning ?? "{}")).toMatchObject({ host: "0.0.0.0", level: 40 });
  });
});

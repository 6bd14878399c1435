/** What `parley serve` refuses before it opens anything, and what it warns of. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "./run.js";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
/** A server that runs as long as it is asked. */
const served = async <A>(
  args: readonly string[],
  ask: (line: string) => Promise<A>,
  environment: NodeJS.ProcessEnv = {},
) => {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLEY_")));
  const env = { ...own, ...environment };
  const child = spawn(process.execPath, [parley, "serve", "--port", "0", ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const closed = once(child, "close");
  const lines = createInterface(child.stdout);
  const answers = async () => {
    const [line] = (await once(lines, "line")) as [string];
    return { line, asked: await ask(line) };
  };
  try {
    const answered = await answers();
    child.kill("SIGTERM");
    await closed;
    return { ...answered, stderr };
  } finally {
    child.kill("SIGKILL");
  }
};

const dir = mkdtempSync(join(tmpdir(), "parley-serve-"));
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

it("names in its help every variable that docs/OPERATIONS.md has, and no other", async () => {
  const { stdout } = await run(["serve", "--help"]);
  const operations = readFileSync("docs/OPERATIONS.md", "utf8");
  const documented = [...operations.matchAll(/^\| `(PARLEY_\w+)` \|/gm)].map(([, name]) => name);
  // The help does not offer the old name, which is taken still, nor what only commands ask for.
  const offered = documented.filter((name) => name !== "PARLEY_HOME" && name !== "PARLEY_PASSPHRASE");
  expect([...new Set(stdout.match(/\bPARLEY_\w+/g))].toSorted()).toEqual(offered.toSorted());
  expect(stdout).toMatch(/PARLEY_PARTITIONS +a whole number from 1 to 256; default 8\n/);
  expect(stdout).toMatch(/PARLEY_MASTER_KEY +32 bytes .*; needed\n/);
});

it("warns of an identity provider whose tokens are for any of its applications", async () => {
  const warned = async (environment: NodeJS.ProcessEnv) => {
    const data = mkdtempSync(join(dir, "audience-"));
    const { stderr } = await served(["--data", data], () => Promise.resolve(), environment);
    return stderr.includes("for any of its applications are taken");
  };
  const url = { PARLEY_JWKS_URL: "https://idp.example.org/keys" };
  expect(await warned(url)).toBe(true);
  expect(await warned({ ...url, PARLEY_JWT_AUDIENCE: "parley" })).toBe(false);
  expect(await warned({})).toBe(false);
});

it("tells which version runs, in its greeting, its log and on its pages; the line of --json stays as it is", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  const data = mkdtempSync(join(dir, "version-"));
  const human = await served(["--data", data], async (line) => {
    const url = /http:\S+?(?=,)/.exec(line)?.[0] ?? "";
    const [health, metrics] = await Promise.all(["/healthz", "/metrics"].map((path) => fetch(url + path)));
    return { health: await health?.json(), metrics: await metrics?.text() };
  });
  expect(human.line).toMatch(new RegExp(`^Parley ${version} listens on http://127\\.0\\.0\\.1:\\d+, `));
  expect(human.asked.health).toEqual({ status: "ok", version });
  expect(human.asked.metrics).toContain(`parley_build_info{version="${version}"} 1\n`);
  expect(JSON.parse(human.stderr.split("\n").find((text) => text.includes("Parley starts")) ?? "{}")).toMatchObject({
    msg: "Parley starts",
    version,
    data,
  });
  const machine = await served(["--data", data, "--json"], () => Promise.resolve());
  expect(JSON.parse(machine.line)).toEqual({
    event: "listening",
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
  });
});

describe("parley serve --profile distributed", () => {
  const distributed = ["serve", "--profile", "distributed"];

  it.each([
    { args: ["--data", dir], environment: {}, says: "--data is of the embedded profile" },
    { args: ["--eventstore-port", "0"], environment: {}, says: "--eventstore-port: the log for" },
    { args: [], environment: { PARLEY_EVENTSTORE_PORT: "2113" }, says: "PARLEY_EVENTSTORE_PORT: the log for" },
  ])("refuses it: $says", async ({ args, environment, says }) => {
    const { code, stderr } = await run([...distributed, ...args], environment);
    expect(code).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr).toContain("profile distributed");
  });
});

describe("settings that are wrong end with 2:", () => {
  it.each([
    ["serve --port 70000", {}, "--port"],
    ["serve --cell a/b", {}, "--cell"],
    ["serve --home a", { PARLEY_HOME: "b", PARLEY_CELL: "c" }, "leave PARLEY_HOME out"],
    ["serve --profile distributed", {}, "PARLEY_MONGODB_URL is missing"],
    ["projections status --profile distributed", {}, "PARLEY_MONGODB_URL is missing"],
    ["serve", { PARLEY_ALLOWED_ORIGINS: "https://a.example/" }, "PARLEY_ALLOWED_ORIGINS"],
  ])("%s %j", async (args, environment, says) => {
    const { code, stderr } = await run([...args.split(" ")], { PARLEY_DATA: dir, ...environment });
    expect([code, stderr]).toEqual([2, expect.stringContaining(says)]);
  });

  it.each(["serve", "token --user a --device b", "doctor", "projections status", "events tail", "events stats"])(
    "%s with an empty PARLEY_DATA",
    async (args) => {
      const { code, stderr } = await run([...args.split(" ")], { PARLEY_DATA: "" });
      expect([code, stderr]).toEqual([2, expect.stringContaining('PARLEY_DATA is ""')]);
    },
  );
});

describe("a data directory that cannot be made", () => {
  it.each(["serve --port 0", "token --user a --device b"])("is refused by %s, which ends", async (args) => {
    const { code, stderr } = await run([...args.split(" "), "--data", "/proc/nope/deeper"]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("/proc/nope")]);
  });
});

it("a taken --eventstore-port is named with its flag", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const port = String((taken.address() as AddressInfo).port);
  const { code, stderr } = await run(["serve", "--port", "0", "--data", dir, "--eventstore-port", port]);
  taken.close();
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/the port is in use .*--eventstore-port \(0 takes a free one\)/),
  ]);
});

describe("parley serve --eventstore-host 0.0.0.0 without TLS", () => {
  const args = ["serve", "--json", "--data", dir, "--port", "0", "--eventstore-port", "0"];
  const open = [...args, "--eventstore-host", "0.0.0.0"];
  const environment = { PARLEY_EVENTSTORE_TOKEN: "a-token-of-some-length" };

  it("is refused when it is writable", async () => {
    const { code, stderr } = await run([...open, "--eventstore-writable"], environment);
    expect(code).toBe(2);
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

/** `parley serve --profile distributed` while nothing answers at the engines' addresses. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { stablePort } from "../kit/ports.js";
import { run } from "./run.js";

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));
const environment = {
  PARLEY_EVENTSTORE_URL: "esdb://admin:hidden@127.0.0.1:1?tls=false",
  PARLEY_MONGODB_URL: "mongodb://127.0.0.1:1",
  PARLEY_NATS_URL: "nats://127.0.0.1:1",
  PARLEY_REDIS_URL: "redis://127.0.0.1:1",
  PARLEY_MASTER_KEY: Buffer.alloc(32, 1).toString("base64"),
  PARLEY_TOKEN_SECRET: "a secret of thirty-two characters",
};
const serve = ["serve", "--profile", "distributed"];

/** Runs until it says that it waits, then asks it, then SIGTERM. */
const waiting = async <A>(role: string, ask: (url: string) => Promise<A>) => {
  const port = await stablePort();
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("PARLEY_"));
  const env = { ...Object.fromEntries(clean), ...environment };
  const args = [parley, ...serve, "--role", role, "--port", String(port)];
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(child, "exit");
  try {
    const lines: string[] = [];
    for await (const line of createInterface(child.stderr)) {
      lines.push(line);
      if (line.includes("Parley waits for an engine")) break;
    }
    const asked = await ask(`http://127.0.0.1:${port}`);
    child.kill("SIGTERM");
    const [code] = (await exited) as [number | null];
    return { asked, code, lines };
  } finally {
    child.kill("SIGKILL");
  }
};

describe("while its engines are away", () => {
  it.each(["gateway", "projector", "all"])(
    "a process says that it lives and waits, and ends cleanly: %s",
    async (role) => {
      const { asked, code, lines } = await waiting(role, async (url) => {
        const pages = ["/healthz", "/readyz", "/metrics", "/api/v1/conversations", "/ws?token=x", "/"];
        const answers = await Promise.all(pages.map((page) => fetch(url + page)));
        return Promise.all(
          answers.map(async ({ status, headers, text }, index) => ({
            page: pages[index],
            status,
            retryAfter: headers.get("retry-after"),
            body: JSON.parse(await text.call(answers[index])) as unknown,
          })),
        );
      });
      const [health, ready, ...others] = asked;
      expect(health).toMatchObject({ status: 200, body: { status: "ok" } });
      expect(ready).toMatchObject({
        status: 503,
        retryAfter: "1",
        body: { ready: false, problems: { eventstore: expect.stringContaining("127.0.0.1:1") as string } },
      });
      for (const other of others)
        expect
          .soft(other)
          .toMatchObject({ status: 503, retryAfter: "1", body: { error: "UNAVAILABLE", retryAfter: 1 } });
      expect(code).toBe(0);
      const said = lines.at(-1) ?? "{}";
      expect(JSON.parse(said)).toMatchObject({ variable: "PARLEY_EVENTSTORE_URL", address: "127.0.0.1:1" });
      expect(lines.join("\n")).not.toContain("hidden");
    },
  );

  it("one that may not wait ends with 1, and names the variable", async () => {
    const { code, stderr } = await run([...serve, "--port", "0"], { ...environment, PARLEY_START_WAIT: "0" });
    expect([code, stderr]).toEqual([1, expect.stringContaining("parley: PARLEY_EVENTSTORE_URL (127.0.0.1:1): ")]);
  });

  it.each([
    ["PARLEY_EVENTSTORE_URL", "esdb://127.0.0.1:1?tlsCAFile=/nowhere/ca.pem", "/nowhere/ca.pem"],
    ["PARLEY_EVENTSTORE_URL", "esdb://127.0.0.1:port", "not of the form"],
  ])("settings that are wrong end it at once: %s=%s", async (variable, value, says) => {
    const { code, stderr } = await run([...serve, "--port", "0"], { ...environment, [variable]: value });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`parley: ${variable} (`)]);
    expect(stderr).toContain(says);
  });

  it("a port that is taken is said before anything is waited for", async () => {
    const taken = createServer().listen(await stablePort(), "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { readonly port: number };
    const { code, stderr } = await run([...serve, "--port", String(port)], environment);
    taken.close();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/the port is in use.*--port/)]);
  });
});

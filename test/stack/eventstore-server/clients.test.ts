/** The official Python and Java clients, unchanged, against the embedded log's gRPC port in a process of its own. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEventStoreProcess, type EventStoreProcess } from "../../eventstore-server/server-kit.js";

const scripts = fileURLToPath(new URL("./clients/", import.meta.url));
const cache = process.env.PARLEY_SERVERS_CACHE ?? join(homedir(), ".cache", "parley-servers");
const python = join(cache, "python", "venv", "bin", "python");
const jars = join(cache, "java", "lib");

/** Whether a client is there; where it has to be (CI), running without it is the failure. */
const lacks = (path: string): boolean => {
  if (existsSync(path) || process.env.CI === "true") return false;
  process.stderr.write(`skipped: ${path} is not there: test/stack/eventstore-server/clients/install.sh installs it\n`);
  return true;
};

const dir = mkdtempSync(join(tmpdir(), "parley-clients-"));
let server: EventStoreProcess;
beforeAll(async () => {
  server = await startEventStoreProcess(dir);
});
afterAll(async () => {
  server.process.kill("SIGTERM");
  await server.exited;
  rmSync(dir, { recursive: true, force: true });
});

/** What a client's script prints; rejects with all of its output when it finds something wrong. */
const run = (program: string, args: readonly string[]): Promise<unknown> =>
  new Promise((resolve, reject) => {
    execFile(program, args, { cwd: scripts, timeout: 150_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout));
      else reject(new Error(`${error.message}\n${stdout}${stderr}`));
    });
  });

const seen = { events: 3, filtered: 3 };

describe("official clients", () => {
  it.skipIf(lacks(python)).each(["esdbclient", "kurrentdbclient"])("Python: %s", async (client) => {
    expect(await run(python, ["client.py", client, server.url])).toMatchObject({ client, ...seen });
  });

  it.skipIf(lacks(jars))("Java: db-client-java", async () => {
    const args = ["-cp", join(jars, "*"), "EventStoreClient.java", server.url];
    expect(await run("java", args)).toMatchObject({ client: "db-client-java", ...seen });
  });
});

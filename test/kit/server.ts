import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { issueToken } from "../../src/infra/profiles/tokens.js";

/** A real Parley in a process of its own, from dist, on a data directory of its own; to be killed and started again. */
export type TestServer = {
  readonly url: () => string;
  readonly dataDir: string;
  readonly token: (userId: string, deviceId: string, ttlSeconds?: number) => Promise<string>;
  /** Same data directory, same port. */
  readonly start: () => Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM; the exit code. */
  readonly terminate: () => Promise<number | null>;
  readonly process: () => ChildProcess;
  /** Kills it and removes the data. */
  readonly dispose: () => Promise<void>;
};

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));

export const startServer = async (
  flags: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<TestServer> => {
  const dataDir = mkdtempSync(join(tmpdir(), "parley-test-"));
  let running: { readonly child: ChildProcess; readonly url: string } | undefined;
  const now = () => {
    if (running === undefined) throw new Error("the server does not run");
    return running;
  };
  const start = async (): Promise<void> => {
    const port = running === undefined ? "0" : new URL(running.url).port;
    const args = [parley, "serve", "--port", port, "--data", dataDir, "--json", "--log-level", "warn", ...flags];
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
    running = { child, url: await listeningUrl(child) };
  };
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const { child } = now();
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exited = once(child, "exit") as Promise<[number | null]>;
    child.kill(signal);
    return (await exited)[0];
  };
  await start();
  return {
    url: () => now().url,
    dataDir,
    token: (userId, deviceId, ttlSeconds = 3_600) => issueToken(dataDir, { userId, deviceId }, ttlSeconds),
    start,
    kill: async () => {
      await end("SIGKILL");
    },
    terminate: () => end("SIGTERM"),
    process: () => now().child,
    dispose: async () => {
      await end("SIGKILL");
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};

const listeningUrl = async (child: ChildProcess): Promise<string> => {
  if (child.stdout === null) throw new Error("the server has no standard output");
  for await (const line of createInterface(child.stdout)) return (JSON.parse(line) as { url: string }).url;
  throw new Error("the server ended before it listened; its standard error says why");
};

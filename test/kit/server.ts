import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { signToken } from "../../src/infra/auth/jwt.js";
import { loadOrCreateSecret } from "../../src/infra/auth/secret.js";
import { givenTokenSecret } from "../../src/settings/token-secret.js";

/** A real Parley in a process of its own, from dist; to be killed and started again. */
export type ServerProcess = {
  readonly url: () => string;
  /** On the same port, with the same settings. @throws Error when it ends before it listens */
  readonly start: () => Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  readonly kill: () => Promise<void>;
  /** SIGTERM; the exit code. */
  readonly terminate: () => Promise<number | null>;
  /** SIGSTOP: it hangs, its connections stay. */
  readonly pause: () => void;
  /** SIGCONT. */
  readonly resume: () => void;
  readonly process: () => ChildProcess;
  /** What it has said until now, on standard output and standard error, over all its starts. */
  readonly said: () => string;
};

/** What a client needs of whatever it connects to. */
export type Door = {
  /** @param device of a user (`alice/phone`): where there are several gateways, it always comes to the same one */
  readonly url: (device?: string) => string;
  /** @param clock the time that it says it was issued at; by default now */
  readonly token: (userId: string, deviceId: string, ttlSeconds?: number, clock?: () => number) => Promise<string>;
};

/** The embedded profile, on a data directory of its own. */
export type TestServer = ServerProcess &
  Door & {
    readonly dataDir: string;
    /** Kills it and removes the data. */
    readonly dispose: () => Promise<void>;
  };

const parley = fileURLToPath(new URL("../../dist/src/cli/parley.js", import.meta.url));

export const startServer = (flags: readonly string[] = [], environment: NodeJS.ProcessEnv = {}): Promise<TestServer> =>
  startServerOn(mkdtempSync(join(tmpdir(), "parley-test-")), flags, environment);

/** On a data directory that is there; `dispose` removes it. */
export const startServerOn = async (
  dataDir: string,
  flags: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<TestServer> => {
  const server = await startProcess(["--data", dataDir, ...flags], environment);
  return {
    ...server,
    dataDir,
    token: async (userId, deviceId, ttlSeconds = 3_600, clock = Date.now) =>
      signToken(
        { userId, deviceId },
        { secret: await loadOrCreateSecret(dataDir, givenTokenSecret(process.env)), ttlSeconds, clock },
      ),
    dispose: async () => {
      await server.kill();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
};

/** `parley serve` with these flags; without a port it takes a free one at first. */
export const startProcess = async (
  flags: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  wantedPort = 0,
): Promise<ServerProcess> => {
  const said: Buffer[] = [];
  let running: { readonly child: ChildProcess; readonly url: string } | undefined;
  const now = () => {
    if (running === undefined) throw new Error("the server does not run");
    return running;
  };
  const start = async (): Promise<void> => {
    const port = running === undefined ? String(wantedPort) : new URL(running.url).port;
    const args = [parley, "serve", "--port", port, "--json", "--log-level", "warn", ...flags];
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    child.stderr.on("data", (piece: Buffer) => {
      said.push(piece);
      process.stderr.write(piece);
    });
    child.stdout.on("data", (piece: Buffer) => said.push(piece));
    living.add(child);
    child.once("exit", () => living.delete(child));
    running = { child, url: await listeningUrl(child) };
    // The reader of the first line has paused it.
    child.stdout.resume();
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
    start,
    kill: async () => {
      await end("SIGKILL");
    },
    terminate: () => end("SIGTERM"),
    pause: () => {
      now().child.kill("SIGSTOP");
    },
    resume: () => {
      now().child.kill("SIGCONT");
    },
    process: () => now().child,
    said: () => Buffer.concat(said).toString(),
  };
};

/** A test that was interrupted leaves no process behind. */
const living = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

const listeningUrl = async (child: ChildProcess): Promise<string> => {
  if (child.stdout === null) throw new Error("the server has no standard output");
  for await (const line of createInterface(child.stdout)) return (JSON.parse(line) as { url: string }).url;
  throw new Error("the server ended before it listened; its standard error says why");
};

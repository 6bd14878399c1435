import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { EventStoreServerOptions } from "../../src/eventstore-server/server.js";
import { startEventStoreServer } from "../../src/eventstore-server/server.js";
import { openLogKit } from "../kit/log.js";

/** A log of its own and its gRPC port in this process, writable unless it is said otherwise. */
export const openEventStoreServer = async (options: Partial<EventStoreServerOptions> = {}) => {
  const kit = await openLogKit();
  const problems: Error[] = [];
  const defaults = { log: kit.log, host: "127.0.0.1", port: 0, writable: true };
  const server = await startEventStoreServer({ ...defaults, ...options, onProblem: (error) => problems.push(error) });
  return {
    log: kit.log,
    url: server.url,
    port: server.port,
    problems,
    close: async () => {
      await server.close();
      await kit.dispose();
    },
  };
};

export type Started = {
  /** The line of JSON that it printed when it listened. */
  readonly said: unknown;
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
};

const started = new Set<ChildProcess>();
/** Whatever a test that failed has left. */
export const killStarted = (): void => {
  for (const child of started) child.kill("SIGKILL");
};

/** A built script as a process of its own; resolves when it listens. */
export const startProcess = (script: string, args: readonly string[]): Promise<Started> =>
  new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL(`../../dist/src/${script}`, import.meta.url));
    const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    started.add(child);
    const exited = new Promise<void>((done) => child.once("exit", done));
    void exited.then(() => {
      started.delete(child);
      reject(new Error(`${script} ended before it listened`));
    });
    createInterface(child.stdout).once("line", (line) => {
      resolve({ said: JSON.parse(line), process: child, exited });
    });
  });

export type EventStoreProcess = Started & { readonly url: string };

/** The log and its gRPC port alone, as the test stack runs them; `flags` in place of what makes it writable. */
export const startEventStoreProcess = async (
  data: string,
  port = 0,
  flags: readonly string[] = ["--writable"],
): Promise<EventStoreProcess> => {
  const args = ["--data", data, "--port", String(port), ...flags];
  const server = await startProcess("eventstore-server/process.js", args);
  return { ...server, url: (server.said as { url: string }).url };
};

export const collect = async <T>(events: AsyncIterable<T>, count = Number.POSITIVE_INFINITY): Promise<T[]> => {
  const all: T[] = [];
  for await (const event of events) {
    all.push(event);
    if (all.length >= count) break;
  }
  return all;
};

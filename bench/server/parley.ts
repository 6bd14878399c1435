import { createHmac } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { BenchContext } from "../scenario.js";
import { startChild } from "./child.js";
import type { Process } from "./cpu.js";
import { makeDirectory, removeDirectory } from "./left-behind.js";

export type ParleyServer = Required<Process> & {
  /** `http://127.0.0.1:PORT/`. */
  readonly url: URL;
  /** A token of `userId` on device `phone`, valid for a day. */
  readonly token: (userId: string) => string;
  /** A REST call under /api/v1; rejects on anything but 2xx. */
  readonly post: (userId: string, path: string, body: unknown) => Promise<unknown>;
  /** Ends the server and removes its data, if they are its own. Rejects when it did not end cleanly. */
  readonly stop: () => Promise<void>;
};

/** As it is installed. */
export const ownCli = fileURLToPath(new URL("../../../bin/parley.js", import.meta.url));
export const quiet = ["--host", "127.0.0.1", "--port", "0", "--json", "--log-level", "error"];
const startMsMax = 20_000;
const retryAfterMs = 1_000;
export const deviceId = "phone";

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** HS256, as `parley token` makes it: asking the CLI for 200 tokens would take half a minute. */
export const signToken = (secret: Buffer, userId: string): string => {
  const iat = Math.floor(Date.now() / 1000);
  const signed = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url({ sub: userId, device: deviceId, iat, exp: iat + 86_400 })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
};

/** The environment without PARLEY_…: a benchmark measures the defaults, and signs with the secret of its own directory. */
export const withoutSettings = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("PARLEY_")));

export const listeningUrl = (line: unknown): URL => {
  const { event, url } = line as { event?: unknown; url?: unknown };
  if (event !== "listening" || typeof url !== "string") throw new Error(`parley said ${JSON.stringify(line)}`);
  return new URL(url);
};

/**
 * An embedded Parley, pinned to the server's core, on an empty data directory of its own, or on `directory`, which then
 * stays when it stops.
 */
export const startParley = async (context: BenchContext, directory?: string): Promise<ParleyServer> => {
  mkdirSync(context.dataRoot, { recursive: true });
  const data = directory ?? makeDirectory(context.dataRoot, "data");
  const child = startChild({
    name: "parley serve",
    command: [context.cli ?? ownCli, "serve", ...quiet, "--data", data, "--seal", context.seal],
    nodeFlags: context.profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", context.profileDir],
    core: context.cores.server,
    env: withoutSettings(process.env),
  });
  const stop = async (): Promise<void> => {
    try {
      await child.stop();
    } finally {
      if (directory === undefined) removeDirectory(data);
    }
  };
  try {
    const url = listeningUrl(await child.nextJson(startMsMax));
    // The key is the file's bytes without the newline that ends it.
    const secret = Buffer.from(readFileSync(join(data, "token.secret"), "latin1").replace(/\n$/, ""), "latin1");
    const token = (userId: string): string => signToken(secret, userId);
    const { pid, threadNames } = child;
    return { pid, threadNames, url, token, post: poster(url, token), stop };
  } catch (error) {
    // The reason of the failed start matters more than how the process ended after it.
    await stop().catch(() => undefined);
    throw error;
  }
};

/** A 503 means "try again": for `patienceMs` it is tried again, once a second. */
export const poster =
  (url: URL, token: (userId: string) => string, patienceMs = 0): ParleyServer["post"] =>
  async (userId, path, body) => {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const response = await fetch(new URL(`/api/v1${path}`, url), {
        method: "POST",
        headers: { authorization: `Bearer ${token(userId)}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      if (response.ok) return JSON.parse(text) as unknown;
      if (response.status !== 503 || performance.now() > deadline)
        throw new Error(`POST ${path} answered ${response.status}: ${text.slice(0, 400)}`);
      await sleep(retryAfterMs);
    }
  };

/** How a command reaches the server that has a data directory, or takes the directory itself when none runs. */
import { request } from "node:http";
import { createInterface } from "node:readline";
import { DirectoryInUse, filesOf, lockDirectory } from "../profiles/data-directory.js";
import { pause } from "../lib/time.js";
import { openLogOf } from "./inspect/stores.js";

/** What the server answered instead of doing it. `code` is one of the call's own, or of `src/admin-server/server.ts`. */
export class ServerRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = "ServerRefused";
  }
}

export type OnProgress = (done: number, of: number) => void;
export type CallServer = <A>(name: string, input: object, onProgress?: OnProgress) => Promise<A>;

/** A server that starts has the directory some time before it takes calls. */
const startMsMax = 10_000;
const retryMs = 100;

/**
 * Does something with a data directory that only one may write at a time: by the server that has it, else under its lock,
 * which no server gets meanwhile.
 * @throws (rejects) NotThere without a log; ServerRefused; Error when a server has it and takes no calls
 */
export const withServerOrLock = async <A>(
  dir: string,
  { running, stopped }: { readonly running: (call: CallServer) => Promise<A>; readonly stopped: () => Promise<A> },
): Promise<A> => {
  // The lock would make a directory that is misspelt.
  openLogOf(dir).close();
  const until = performance.now() + startMsMax;
  for (;;) {
    const lock = lockUnlessInUse(dir);
    if (lock !== undefined) {
      try {
        return await stopped();
      } finally {
        lock.release();
      }
    }
    try {
      return await running((name, input, onProgress) => callServer(dir, name, input, onProgress));
    } catch (error) {
      if (!isNobodyThere(error)) throw error;
      if (performance.now() > until) throw new Error(`${noCalls(dir)} (${error.code})`, { cause: error });
      await pause(retryMs);
    }
  }
};

/** @throws (rejects) ServerRefused, and Node's error when nobody listens there */
export const callServer: <A>(dir: string, name: string, input: object, onProgress?: OnProgress) => Promise<A> = async (
  dir,
  name,
  input,
  onProgress = () => undefined,
) => {
  const lines = createInterface({ input: await answerOf(filesOf(dir).admin, name, JSON.stringify(input)) });
  for await (const text of lines) {
    const line = JSON.parse(text) as Line;
    if ("progress" in line) onProgress(line.progress.done, line.progress.of);
    else if ("error" in line) throw new ServerRefused(line.error.code, line.error.message);
    else return line.result as never;
  }
  throw new Error(`the server ended while it did ${name}: whether it is done is not known; run the command again`);
};

type Line =
  | { readonly progress: { readonly done: number; readonly of: number } }
  | { readonly error: { readonly code: string; readonly message: string } }
  | { readonly result: unknown };

const answerOf = (socketPath: string, name: string, body: string) =>
  new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    request({ socketPath, method: "POST", path: `/${name}` }, resolve)
      .once("error", reject)
      .end(body);
  });

const lockUnlessInUse = (dir: string): ReturnType<typeof lockDirectory> | undefined => {
  try {
    return lockDirectory(dir);
  } catch (error) {
    if (error instanceof DirectoryInUse) return undefined;
    throw error;
  }
};

/** Between a server's start and its socket, and between that socket's end and the server's. */
const isNobodyThere = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ECONNREFUSED");

const noCalls = (dir: string): string =>
  `A server has ${dir}, and takes no calls at ${filesOf(dir).admin}: it may be of an older version, or its log says why. Stop it, and run this again`;

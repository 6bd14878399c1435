/**
 * Calls of operators at a running server, on a Unix socket in its data directory: who may open the directory's files may
 * call. HTTP by Node's own server, `POST /NAME` with the input as JSON; the answer is NDJSON, lines of
 * `{"progress":{"done":…,"of":…}}`, then one of `{"result":…}` or `{"error":{"code":…,"message":…}}`.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { E } from "../domain/kernel/fp.js";
import { asError } from "../lib/errors.js";
import { CallRefused, type AdminCalls } from "./call.js";

export type AdminServer = {
  /** Calls under way are told to end, and awaited; none is taken any more. Repeatable. */
  readonly close: () => Promise<void>;
};

/** What an operator's command says fits easily; what wants more is a file. */
const bodyBytesMax = 1024 * 1024;
/** Calls at a time: operators are few, and each may take memory. */
const callsMax = 16;
/** Bytes of a socket's path that every system takes (macOS: 104 with the NUL). */
export const socketPathBytesMax = 103;

/**
 * Serves the calls at `path` (mode 600). The caller has the directory to itself, so that a socket which lies there is one
 * that a killed server has left.
 * @param onError told of each call that failed for a defect, and not because it was refused
 * @throws (rejects) Error when the socket cannot be made there
 */
export const startAdminServer = async (
  path: string,
  calls: AdminCalls,
  onError: (name: string, error: Error) => void,
): Promise<AdminServer> => {
  if (Buffer.byteLength(path) > socketPathBytesMax)
    throw new Error(`${path} is too long for a socket's path (${socketPathBytesMax} bytes)`);
  rmSync(path, { force: true });
  const closing = new AbortController();
  const running = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const answer = running.size >= callsMax ? refuseBusy(response) : answerTo(request, response);
    running.add(answer);
    void answer.finally(() => running.delete(answer));
  });
  const answerTo = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const name = (request.url ?? "/").slice(1);
    const gone = new AbortController();
    const end = (): void => {
      gone.abort();
    };
    response.once("close", end);
    closing.signal.addEventListener("abort", end);
    try {
      say(response, { result: (await run(calls, name, request, response, gone.signal)) ?? null });
    } catch (error) {
      const { code, message } =
        error instanceof CallRefused ? error : { code: "FAILED", message: asError(error).message };
      if (!(error instanceof CallRefused)) onError(name, asError(error));
      say(response, { error: { code, message } });
    } finally {
      closing.signal.removeEventListener("abort", end);
      response.end();
    }
  };
  await listening(server, path);
  chmodSync(path, 0o600);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const ended = new Promise((resolve) => server.close(resolve));
    closing.abort();
    await Promise.all(running);
    server.closeAllConnections();
    await ended;
    rmSync(path, { force: true });
  };
  return { close: () => (closed ??= close()) };
};

const run = async (
  calls: AdminCalls,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<unknown> => {
  const call = Object.hasOwn(calls, name) ? calls[name] : undefined;
  if (request.method !== "POST" || call === undefined)
    throw new CallRefused(
      "UNKNOWN_CALL",
      `this server has no call ${name}: it may be of another version than the command`,
    );
  const decoded = call.input.decode(await bodyOf(request));
  if (E.isLeft(decoded)) {
    const fields = decoded.left.map(
      ({ context }) =>
        context
          .map(({ key }) => key)
          .filter(Boolean)
          .join(".") || "body",
    );
    throw new CallRefused("BAD_INPUT", `${name}: bad ${[...new Set(fields)].join(", ")}`);
  }
  const progress = (done: number, of: number): void => {
    // Who does not read only misses how far it is.
    if (!response.writableNeedDrain) say(response, { progress: { done, of } });
  };
  return call.run(decoded.right as never, { progress, signal });
};

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) throw new CallRefused("TOO_LARGE", `a call's input may have ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    throw new CallRefused("BAD_INPUT", "a call's input is JSON");
  }
};

const refuseBusy = (response: ServerResponse): Promise<void> => {
  say(response, { error: { code: "BUSY", message: `${callsMax} calls are under way; try again` } });
  response.end();
  return Promise.resolve();
};

const say = (response: ServerResponse, line: object): void => {
  if (!response.headersSent) response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.write(`${JSON.stringify(line)}\n`);
};

const listening = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject).listen(path, resolve);
  });

/**
 * A tiny typed RPC over worker_threads. The worker's side calls `serveWorker(handlers)` and exports `typeof handlers`;
 * the main side calls `callWorker<thatType>(workerUrl(import.meta.url, "./name.worker.js"), workerData, options)`.
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import { parentPort, type Worker } from "node:worker_threads";
import {
  createClient,
  serveOn,
  type CallOptions,
  type FromWorker,
  type Handlers,
  type WorkerClient,
} from "./worker-rpc.js";
import { startThread, type ThreadOptions } from "./thread.js";

export { WorkerError, type WorkerClient } from "./worker-rpc.js";

/**
 * Where the compiled worker is. Node runs compiled files only, so a caller that runs from TypeScript sources (vitest)
 * is sent to `dist/`: tests are run after a build.
 */
export const workerUrl = (importMetaUrl: string, relative: string): URL => {
  const beside = new URL(relative, importMetaUrl);
  if (!importMetaUrl.endsWith(".ts")) return beside;
  const path = fileURLToPath(beside);
  const source = path.lastIndexOf("/src/");
  return source === -1 ? beside : pathToFileURL(`${path.slice(0, source)}/dist${path.slice(source)}`);
};

/** Starts a worker thread; calls may be made at once. If its start fails, `failed` and every call say why. */
export const callWorker = <H extends Handlers>(
  url: URL,
  workerData: unknown,
  options: CallOptions & Pick<ThreadOptions, "youngMb">,
): WorkerClient<H> => {
  const worker = startThread(url, { workerData, name: options.name, youngMb: options.youngMb });
  const { client, receive, fail } = createClient<H>(worker, options, async () => {
    await worker.terminate();
  });
  worker.on("message", (message: FromWorker) => {
    receive(message);
  });
  endsWith(worker, fail);
  return client;
};

/** Tells how a thread ended by itself. */
export const endsWith = (worker: Worker, tell: (reason: string, cause?: unknown) => void): void => {
  worker.on("error", (error: unknown) => {
    tell(`failed: ${error instanceof Error ? error.message : String(error)}`, error);
  });
  worker.on("exit", (code) => {
    tell(`ended with code ${code}`);
  });
};

/** The worker's side. `onPost` gets one-way messages at once. Returns the way to post to the main side. */
export const serveWorker = (
  handlers: Handlers,
  onPost: (message: unknown) => void = () => undefined,
): { readonly post: (message: unknown) => void } => {
  const port = parentPort;
  if (port === null) throw new Error("serveWorker runs in a worker thread only");
  serveOn(port, handlers, { onPost });
  return {
    post: (message) => {
      port.postMessage({ post: message } satisfies FromWorker);
    },
  };
};

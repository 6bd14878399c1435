/**
 * A tiny typed RPC over worker_threads. The worker's side calls `serveWorker(handlers)` and exports `typeof handlers`;
 * the main side calls `callWorker<thatType>(workerUrl(import.meta.url, "./name.worker.js"), workerData, options)`.
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import { parentPort, Worker } from "node:worker_threads";

/** What a worker answers to, sync or async. Arguments and results must survive a structured clone (a Buffer arrives as Uint8Array). */
export type Handlers = Readonly<Record<string, (...args: never[]) => unknown>>;

export type WorkerErrorCode = "WORKER_BUSY" | "WORKER_GONE";

/** The worker itself could not be asked. A handler's own error arrives as an Error with its name, message and `code`. */
export class WorkerError extends Error {
  constructor(
    readonly code: WorkerErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "WorkerError";
  }
}

export type WorkerClient<H extends Handlers> = {
  /**
   * Calls are handled one after another in the order in which they were made.
   * Rejects with the handler's error; with `WORKER_BUSY` (nothing was sent) above `callsMax` pending calls; with
   * `WORKER_GONE` (outcome unknown) when the worker ends before it answers, and ever after.
   */
  readonly call: <M extends keyof H & string>(
    method: M,
    ...args: Parameters<H[M]>
  ) => Promise<Awaited<ReturnType<H[M]>>>;
  /** One way, to the `onPost` of the worker; it does not wait behind calls. */
  readonly post: (message: unknown) => void;
  /** What the worker posts by itself. One listener; a later one takes over. */
  readonly onMessage: (listener: (message: unknown) => void) => void;
  /** Ends the thread without waiting for its calls: an owner that needs a clean end calls a handler for that first. Repeatable. */
  readonly terminate: () => Promise<void>;
  /** Resolves (it never rejects) with the reason when the worker dies by itself; stays pending when it is terminated. */
  readonly failed: Promise<Error>;
};

type Request = { readonly id: number; readonly method: string; readonly args: readonly unknown[] };
type WireError = { readonly name: string; readonly message: string; readonly code: unknown };
type ToWorker = Request | { readonly post: unknown };
type FromWorker =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: WireError }
  | { readonly post: unknown };

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

/** Calls that may wait for one worker: far above what a batching caller has under way, small enough to hold in memory. */
const callsMaxDefault = 10_000;

type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** Starts a worker thread; calls may be made at once. If its start fails, `failed` and every call say why. */
export const callWorker = <H extends Handlers>(
  url: URL,
  workerData: unknown,
  options: { readonly name: string; readonly callsMax?: number },
): WorkerClient<H> => {
  const { name, callsMax = callsMaxDefault } = options;
  const worker = new Worker(url, { workerData, name });
  const pending = new Map<number, Pending>();
  let listener: (message: unknown) => void = () => undefined;
  let nextId = 0;
  let gone: WorkerError | undefined;
  let reportFailure: (error: Error) => void;
  const failed = new Promise<Error>((resolve) => (reportFailure = resolve));

  const end = (error: WorkerError): void => {
    gone = error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  const fail = (reason: string, cause?: unknown): void => {
    if (gone !== undefined) return;
    const error = new WorkerError("WORKER_GONE", `worker ${name} ${reason}`, { cause });
    end(error);
    reportFailure(error);
  };

  worker.on("message", (message: FromWorker) => {
    if ("post" in message) {
      listener(message.post);
      return;
    }
    const call = pending.get(message.id);
    pending.delete(message.id);
    if ("error" in message) call?.reject(errorOf(message.error));
    else call?.resolve(message.value);
  });
  worker.on("error", (error: unknown) => {
    fail(`failed: ${error instanceof Error ? error.message : String(error)}`, error);
  });
  worker.on("exit", (code) => {
    fail(`ended with code ${code}`);
  });

  return {
    call: (method, ...args) =>
      new Promise<never>((resolve, reject) => {
        if (gone !== undefined) {
          reject(gone);
        } else if (pending.size >= callsMax) {
          reject(new WorkerError("WORKER_BUSY", `worker ${name} has ${callsMax} calls pending`));
        } else {
          const id = nextId++;
          worker.postMessage({ id, method, args } satisfies ToWorker);
          pending.set(id, { resolve: resolve as Pending["resolve"], reject });
        }
      }),
    post: (message) => {
      if (gone === undefined) worker.postMessage({ post: message } satisfies ToWorker);
    },
    onMessage: (next) => {
      listener = next;
    },
    terminate: async () => {
      if (gone === undefined) end(new WorkerError("WORKER_GONE", `worker ${name} was terminated`));
      await worker.terminate();
    },
    failed,
  };
};

/**
 * The worker's side: answers calls, strictly one after another in arrival order, whether handlers are sync or async.
 * `onPost` gets one-way messages at once, also while a handler waits. Returns the way to post to the main side.
 */
export const serveWorker = (
  handlers: Handlers,
  onPost: (message: unknown) => void = () => undefined,
): { readonly post: (message: unknown) => void } => {
  const port = parentPort;
  if (port === null) throw new Error("serveWorker runs in a worker thread only");
  const answer = (message: FromWorker): void => {
    port.postMessage(message);
  };
  // Bounded by the caller's `callsMax`.
  const waiting: Request[] = [];
  let running = false;
  const run = async (): Promise<void> => {
    running = true;
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      try {
        const result = handle(handlers, request);
        answer({ id: request.id, value: result instanceof Promise ? await result : result });
      } catch (error) {
        answer({ id: request.id, error: wireError(error) });
      }
    }
    running = false;
  };
  port.on("message", (message: ToWorker) => {
    if ("post" in message) {
      onPost(message.post);
      return;
    }
    waiting.push(message);
    if (!running) void run();
  });
  return {
    post: (message) => {
      answer({ post: message });
    },
  };
};

const handle = (handlers: Handlers, { method, args }: Request): unknown => {
  const handler = handlers[method] as ((...args: readonly unknown[]) => unknown) | undefined;
  if (handler === undefined) throw new Error(`no handler ${method}`);
  return handler(...args);
};

const wireError = (error: unknown): WireError =>
  error instanceof Error
    ? { name: error.name, message: error.message, code: (error as { code?: unknown }).code }
    : { name: "Error", message: String(error), code: undefined };

const errorOf = ({ name, message, code }: WireError): Error =>
  Object.assign(new Error(message), { name }, code === undefined ? {} : { code });

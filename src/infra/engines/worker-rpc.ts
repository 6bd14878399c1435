/** The typed RPC of worker.ts over whatever carries messages: a thread of its own, or a port into one that is shared. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";

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
export type FromWorker =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: WireError }
  | { readonly post: unknown }
  | { readonly failed: string };

/** Calls that may wait for one worker: far above what a batching caller has under way, small enough to hold in memory. */
const callsMaxDefault = 10_000;

type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

type Endpoint = { readonly postMessage: (message: unknown) => void };

/** One side of a client: `receive` takes what the worker's side says, `fail` ends it with a reason, once. */
export type ClientParts<H extends Handlers> = {
  readonly client: WorkerClient<H>;
  readonly receive: (message: FromWorker) => void;
  readonly fail: (reason: string, cause?: unknown) => void;
};

export type CallOptions = { readonly name: string; readonly callsMax?: number };

/** `end`: releases what carries the messages. It may be called more than once. */
export const createClient = <H extends Handlers>(
  endpoint: Endpoint,
  { name, callsMax = callsMaxDefault }: CallOptions,
  end: () => Promise<void>,
): ClientParts<H> => {
  const pending = new Map<number, Pending>();
  let listener: (message: unknown) => void = () => undefined;
  let nextId = 0;
  let gone: WorkerError | undefined;
  let reportFailure: (error: Error) => void;
  const failed = new Promise<Error>((resolve) => (reportFailure = resolve));

  const leave = (error: WorkerError): void => {
    gone = error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  const fail = (reason: string, cause?: unknown): void => {
    if (gone !== undefined) return;
    const error = new WorkerError("WORKER_GONE", `worker ${name} ${reason}`, { cause });
    leave(error);
    reportFailure(error);
  };
  const receive = (message: FromWorker): void => {
    if ("post" in message) {
      listener(message.post);
      return;
    }
    if ("failed" in message) {
      fail(`failed: ${message.failed}`);
      return;
    }
    const call = pending.get(message.id);
    pending.delete(message.id);
    if ("error" in message) call?.reject(errorOf(message.error));
    else call?.resolve(message.value);
  };
  const client: WorkerClient<H> = {
    call: (method, ...args) =>
      new Promise<never>((resolve, reject) => {
        if (gone !== undefined) {
          reject(gone);
        } else if (pending.size >= callsMax) {
          reject(new WorkerError("WORKER_BUSY", `worker ${name} has ${callsMax} calls pending`));
        } else {
          const id = nextId++;
          endpoint.postMessage({ id, method, args } satisfies ToWorker);
          pending.set(id, { resolve: resolve as Pending["resolve"], reject });
        }
      }),
    post: (message) => {
      if (gone === undefined) endpoint.postMessage({ post: message } satisfies ToWorker);
    },
    onMessage: (next) => {
      listener = next;
    },
    terminate: async () => {
      if (gone === undefined) leave(new WorkerError("WORKER_GONE", `worker ${name} was terminated`));
      await end();
    },
    failed,
  };
  return { client, receive, fail };
};

export type ServeOptions = {
  /** Gets one-way messages at once, also while a handler waits. */
  readonly onPost?: (message: unknown) => void;
  /** Before each call a turn of the event loop, in which the others of its thread are served: they wait for one call at most. */
  readonly isPatient?: boolean;
};

/** Answers what comes by the port, strictly one after another in arrival order, whether handlers are sync or async. */
export const serveOn = (
  port: MessagePort,
  handlers: Handlers,
  { onPost = () => undefined, isPatient = false }: ServeOptions = {},
): void => {
  const answer = (message: FromWorker): void => {
    port.postMessage(message);
  };
  // Bounded by the caller's `callsMax`.
  const waiting: Request[] = [];
  let running = false;
  const run = async (): Promise<void> => {
    running = true;
    if (isPatient) await nextTurn();
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      try {
        const result = handle(handlers, request);
        answer({ id: request.id, value: result instanceof Promise ? await result : result });
      } catch (error) {
        answer({ id: request.id, error: wireError(error) });
      }
      if (isPatient && waiting.length > 0) await nextTurn();
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

/**
 * One thread for several adapters that each have little to do: an isolate costs 9 MB before it does anything. Each of them
 * is a module with an `open`, has a port of its own into the thread, and knows nothing of the others.
 */
import { MessageChannel } from "node:worker_threads";
import { createClient, type CallOptions, type FromWorker, type Handlers, type WorkerClient } from "./worker-rpc.js";
import { startThread } from "./thread.js";
import { endsWith, workerUrl } from "./worker.js";
import type { ToOpen } from "./shared-thread.worker.js";

export type { OpenInThread } from "./shared-thread.worker.js";

export type RunOptions = CallOptions & {
  /** Its calls let those of the others in between; without it whatever waits for it is handled first. */
  readonly isPatient?: boolean;
};

export type SharedThread = {
  /**
   * Runs a module in the thread; calls may be made at once. Ending its client ends its part alone: what it has opened is
   * closed by a call before that. The thread ends with the last of them, and with the thread all of them fail.
   *
   * @throws Error when the thread has ended
   */
  readonly run: <H extends Handlers>(module: URL, data: unknown, options: RunOptions) => WorkerClient<H>;
};

/** What little is done there leaves nothing to be kept young for long. */
const youngMb = 6;

/** The thread lives from now on to the end of the last client: an owner that starts one runs something in it. */
export const startSharedThread = (name: string): SharedThread => {
  const worker = startThread(workerUrl(import.meta.url, "./shared-thread.worker.js"), { name, youngMb });
  const fails = new Set<(reason: string, cause?: unknown) => void>();
  let ended: string | undefined;
  endsWith(worker, (reason, cause) => {
    ended ??= reason;
    for (const fail of fails) fail(reason, cause);
  });
  return {
    run: <H extends Handlers>(module: URL, data: unknown, { isPatient = false, ...options }: RunOptions) => {
      if (ended !== undefined) throw new Error(`thread ${name} ${ended}`);
      const { port1: here, port2: port } = new MessageChannel();
      const { client, receive, fail } = createClient<H>(here, options, async () => {
        here.close();
        fails.delete(fail);
        if (fails.size > 0) return;
        ended ??= "has ended";
        await worker.terminate();
      });
      fails.add(fail);
      here.on("message", (message: FromWorker) => {
        receive(message);
      });
      worker.postMessage({ module: module.href, data, isPatient, port } satisfies ToOpen, [port]);
      return client;
    },
  };
};

/** The thread that several adapters share: opens their modules and answers each by its own port. */
import { parentPort, type MessagePort } from "node:worker_threads";
import { serveOn, type FromWorker, type Handlers } from "./worker-rpc.js";

/** What a module exports as `open`. What it throws fails its own client alone. `post` reaches the client's `onMessage`. */
export type OpenInThread<Data> = (data: Data, post: (message: unknown) => void) => Handlers;

export type ToOpen = {
  readonly module: string;
  readonly data: unknown;
  readonly isPatient: boolean;
  readonly port: MessagePort;
};

const openModule = async ({ module, data, isPatient, port }: ToOpen): Promise<void> => {
  const post = (message: FromWorker): void => {
    port.postMessage(message);
  };
  try {
    const { open } = (await import(module)) as { readonly open: OpenInThread<unknown> };
    const handlers = open(data, (message) => {
      post({ post: message });
    });
    serveOn(port, handlers, { isPatient });
  } catch (error) {
    post({ failed: error instanceof Error ? error.message : String(error) });
  }
};

parentPort?.on("message", (message: ToOpen) => {
  void openModule(message);
});

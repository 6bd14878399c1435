import { parentPort, workerData } from "node:worker_threads";
import { openCircle, sharedOf } from "./commits.js";

/** One write and one flush for all that waits, then one word back. The thread sleeps in `Atomics.wait` in between. */
const { memory, path } = workerData as { readonly memory: SharedArrayBuffer; readonly path: string };
const { control, batch } = sharedOf(memory);
const circle = openCircle(path);
parentPort?.postMessage("open");

for (;;) {
  Atomics.wait(control, 0, 0);
  circle.commit(batch, Atomics.load(control, 0));
  Atomics.store(control, 0, 0);
  parentPort?.postMessage("done");
}

import { parentPort, workerData } from "node:worker_threads";

/** Beats every `everyMs`, to some hundredths of a millisecond; a timer of the event loop knows whole ones only. */
const { everyMs } = workerData as { readonly everyMs: number };
const nothing = new Int32Array(new SharedArrayBuffer(4));

for (let next = performance.now(); ; next += everyMs) {
  const ms = next - performance.now();
  if (ms > 0) Atomics.wait(nothing, 0, 0, ms);
  parentPort?.postMessage(0);
}

/** Threads with a young generation of a size of their own. */
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";

export type ThreadOptions = {
  readonly name: string;
  readonly workerData?: unknown;
  /**
   * Of V8's young generation, three semi-spaces of a power of two: V8 lets each grow to 16 MB, and a thread that is busy
   * gets there. 6: 2 MB each, 12: 4 MB. The old generation is V8's to bound, by the machine's memory: what a thread holds at once is
   * bounded where it is read (the views' batches by `readBatch`).
   */
  readonly youngMb: number;
};

/** Starts a thread. */
export const startThread = (url: URL, { name, workerData, youngMb }: ThreadOptions): Worker => {
  // Flags of the process go before the limits of a thread; they are meant for the main thread, which has read them.
  setFlagsFromString("--min-semi-space-size=0");
  setFlagsFromString("--max-semi-space-size=0");
  return new Worker(url, { workerData, name, resourceLimits: { maxYoungGenerationSizeMb: youngMb } });
};

import type { Latency } from "./latency.js";

export type LoopCounts = {
  readonly sent: number;
  readonly answered: number;
  readonly delivered: number;
  readonly completed: number;
  /** Deliveries of a message that this receiver already had: allowed by the protocol, but worth knowing. */
  readonly repeated: number;
};

/** Sends messages and is told what came of them: `closed-loop.ts` as fast as answers come, `paced-loop.ts` by the clock. */
export type Loop = {
  readonly start: () => void;
  /** The server's answer to message `number` of `sender`. */
  readonly answered: (sender: number, number: number, atMs: number) => void;
  /** Message `number` of `sender` at its receiver `receiver` (0-based). */
  readonly delivered: (sender: number, receiver: number, number: number, atMs: number) => void;
  /** From now on into fresh histograms. `late`: how much later than planned messages left, where there is a plan. */
  readonly measure: () => { readonly ack: Latency; readonly delivery: Latency; readonly late?: Latency };
  /** Sends nothing more. */
  readonly stop: () => void;
  /** Stops; resolves when all that was sent is complete, rejects after `patienceMs`, naming what is missing. */
  readonly drain: (patienceMs: number) => Promise<void>;
  readonly counts: () => LoopCounts;
};

/** How a loop ends. */
export type Ending = {
  /** To be called after each message that is complete. */
  readonly completed: () => void;
  /** Resolves when all that was sent is complete, rejects after `patienceMs`, naming what is missing. */
  readonly all: (patienceMs: number) => Promise<void>;
};

/** @param counts the loop's own, which it goes on changing */
export const createEnding = (counts: LoopCounts, receivers: number): Ending => {
  let onAll: (() => void) | undefined;
  return {
    completed: () => {
      if (counts.completed === counts.sent) onAll?.();
    },
    all: (patienceMs) => {
      if (counts.completed === counts.sent) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const patience = setTimeout(() => {
          const { sent, answered, delivered } = counts;
          const missing = `${sent - answered} answers and ${sent * receivers - delivered} deliveries`;
          reject(new Error(`after ${patienceMs} ms ${missing} never came`));
        }, patienceMs);
        onAll = () => {
          clearTimeout(patience);
          resolve();
        };
      });
    },
  };
};

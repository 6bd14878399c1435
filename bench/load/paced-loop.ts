import { Worker } from "node:worker_threads";
import { createLatency } from "./latency.js";
import { createEnding, type Loop } from "./loop.js";

export type PacedLoopOptions = {
  readonly senders: number;
  /** Messages a second of all senders together. */
  readonly perSecond: number;
  /** Peers that must have each message; 0 waits for the answer alone. */
  readonly receivers: 0 | 1;
  readonly send: (sender: number, number: number) => void;
};

/**
 * Sends by the clock, whatever comes back: message k is due `k / perSecond` seconds after the start and of sender `k mod
 * senders`. Latencies count from the moment at which it was due: a server that stalls is late with all that were due
 * meanwhile, and so is a generator that stalls.
 */
export const createPacedLoop = ({ senders, perSecond, receivers, send }: PacedLoopOptions): Loop => {
  const everyMs = 1000 / perSecond;
  const counts = { sent: 0, answered: 0, delivered: 0, completed: 0, repeated: 0 };
  const ending = createEnding(counts, receivers);
  const unanswered = new Set<number>();
  const undelivered = new Set<number>();
  let [ack, delivery, late] = [createLatency(), createLatency(), createLatency()];
  let startedAtMs = 0;
  let beating: Worker | undefined;
  const dueAtMs = (message: number): number => startedAtMs + message * everyMs;

  const launch = (message: number): void => {
    counts.sent++;
    unanswered.add(message);
    if (receivers > 0) undelivered.add(message);
    send(message % senders, Math.floor(message / senders));
  };
  const sendDue = (): void => {
    if (beating === undefined) return;
    const now = performance.now();
    while (dueAtMs(counts.sent) <= now) {
      late.record(now - dueAtMs(counts.sent));
      launch(counts.sent);
    }
  };
  const arrived = (awaited: Set<number>, message: number): boolean => {
    if (message < 0 || message >= counts.sent) throw new Error(`message ${message} was never sent`);
    if (awaited.delete(message)) return true;
    counts.repeated++;
    return false;
  };
  const settle = (message: number): void => {
    if (unanswered.has(message) || undelivered.has(message)) return;
    counts.completed++;
    ending.completed();
  };
  const messageOf = (sender: number, number: number): number => (number < 0 ? -1 : number * senders + sender);
  const stop = (): void => {
    void beating?.terminate();
    beating = undefined;
  };

  return {
    start: () => {
      beating = new Worker(new URL("./metronome.worker.js", import.meta.url), { workerData: { everyMs } });
      beating.on("message", sendDue);
      startedAtMs = performance.now();
    },
    answered: (sender, number, atMs) => {
      const message = messageOf(sender, number);
      if (!arrived(unanswered, message)) return;
      counts.answered++;
      ack.record(atMs - dueAtMs(message));
      settle(message);
    },
    delivered: (sender, _, number, atMs) => {
      const message = messageOf(sender, number);
      if (!arrived(undelivered, message)) return;
      counts.delivered++;
      delivery.record(atMs - dueAtMs(message));
      settle(message);
    },
    measure: () => {
      [ack, delivery, late] = [createLatency(), createLatency(), createLatency()];
      return { ack, delivery, late };
    },
    stop,
    drain: (patienceMs) => {
      stop();
      return ending.all(patienceMs);
    },
    counts: () => ({ ...counts }),
  };
};

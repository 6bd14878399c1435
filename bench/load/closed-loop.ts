import { createLatency } from "./latency.js";
import { createEnding, type Loop } from "./loop.js";

export type ClosedLoopOptions = {
  readonly senders: number;
  /** Messages in flight per sender. */
  readonly window: number;
  /** Peers that must have each message before its place in the window is free; 0 waits for the answer alone. */
  readonly receivers: number;
  /** Sends message `number` of `sender`. */
  readonly send: (sender: number, number: number) => void;
};

/**
 * Keeps `window` messages in flight per sender: the next one leaves when one is answered and delivered. Each place of the
 * window is a lane: its messages are `lane, lane + window, lane + 2 × window …`, so that a number names its lane, and an
 * arrival that the lane does not wait for is a repetition.
 */
export const createClosedLoop = ({ senders, window, receivers, send }: ClosedLoopOptions): Loop => {
  const lanes = senders * window;
  const current = new Float64Array(lanes).fill(-1);
  const startedAtMs = new Float64Array(lanes);
  const missing = new Int32Array(lanes);
  const lastAnswer = new Float64Array(lanes).fill(-1);
  const lastDelivery = new Float64Array(lanes * receivers).fill(-1);
  const counts = { sent: 0, answered: 0, delivered: 0, completed: 0, repeated: 0 };
  const ending = createEnding(counts, receivers);
  let ack = createLatency();
  let delivery = createLatency();
  let draining = false;

  const launch = (sender: number, lane: number, number: number): void => {
    current[lane] = number;
    startedAtMs[lane] = performance.now();
    missing[lane] = 1 + receivers;
    counts.sent++;
    send(sender, number);
  };

  const settle = (sender: number, lane: number): void => {
    missing[lane] = (missing[lane] ?? 0) - 1;
    if (missing[lane] !== 0) return;
    counts.completed++;
    if (!draining) launch(sender, lane, (current[lane] ?? 0) + window);
    else ending.completed();
  };

  /** The lane of a number, after the check that something like it was sent at all. */
  const laneOf = (sender: number, number: number): number => {
    const lane = sender * window + (number % window);
    if (number < 0 || number > (current[lane] ?? -1))
      throw new Error(`message ${number} of sender ${sender} was never sent`);
    return lane;
  };

  const isRepeated = (last: Float64Array, at: number, lane: number, number: number): boolean => {
    if (last[at] === number || number !== current[lane]) {
      counts.repeated++;
      return true;
    }
    last[at] = number;
    return false;
  };

  return {
    start: () => {
      for (let lane = 0; lane < lanes; lane++) launch(Math.floor(lane / window), lane, lane % window);
    },
    answered: (sender, number, atMs) => {
      const lane = laneOf(sender, number);
      if (isRepeated(lastAnswer, lane, lane, number)) return;
      counts.answered++;
      ack.record(atMs - (startedAtMs[lane] ?? 0));
      settle(sender, lane);
    },
    delivered: (sender, receiver, number, atMs) => {
      const lane = laneOf(sender, number);
      if (isRepeated(lastDelivery, lane * receivers + receiver, lane, number)) return;
      counts.delivered++;
      delivery.record(atMs - (startedAtMs[lane] ?? 0));
      settle(sender, lane);
    },
    measure: () => ({ ack: (ack = createLatency()), delivery: (delivery = createLatency()) }),
    stop: () => {
      draining = true;
    },
    drain: (patienceMs) => {
      draining = true;
      return ending.all(patienceMs);
    },
    counts: () => ({ ...counts }),
  };
};

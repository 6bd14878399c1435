import { askBack } from "./ask-back.js";

/** A planned end: clients are told when to return, and do not all return at once. */
export type Drainable = {
  readonly send: (frame: string) => void;
  readonly close: (code: number, reason: string) => void;
};

export type DrainOptions = {
  /** Resolves when the commands in flight are answered; bounded by the dispatcher. */
  readonly settle: () => Promise<void>;
  readonly connections: () => readonly Drainable[];
  /** Resolves when the last socket has closed. */
  readonly emptied: () => Promise<void>;
  readonly random?: () => number;
};

const waveConnections = 500;
const waveIntervalMs = 100;
/** Acknowledgements of what is in flight go out before their sockets close, if the log is that quick. */
const settleFirstMsMax = 1000;
/** What is queued gets out in this time, or the peer is slow and finds it by sync. */
const emptiedMsMax = 6000;

/** Connections that come back in a second, at most: what a gateway can admit without refusing. */
const reconnectsPerSecond = 500;
const reconnectAfterMsMin = 500;
const reconnectSpreadMsMin = 2000;

/** Resolves when every socket was told and closed, and everything in flight is answered. */
export const drain = async (options: DrainOptions): Promise<void> => {
  const settled = options.settle();
  await within(settleFirstMsMax, settled);
  const connections = options.connections();
  const spreadMs = Math.max(reconnectSpreadMsMin, (connections.length / reconnectsPerSecond) * 1000);
  const random = options.random ?? Math.random;
  for (let from = 0; from < connections.length; from += waveConnections) {
    if (from > 0) await sleep(waveIntervalMs);
    for (const connection of connections.slice(from, from + waveConnections)) {
      const reconnectAfterMs = Math.round(reconnectAfterMsMin + random() * spreadMs);
      askBack(connection, reconnectAfterMs);
    }
  }
  await settled;
  await within(emptiedMsMax, options.emptied());
};

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Resolves when `work` does, or after `ms`. */
const within = async (ms: number, work: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
};

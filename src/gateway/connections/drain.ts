import { pause, within } from "../../lib/time.js";
import { askBack } from "./ask-back.js";
import { gatewayLimits } from "../limits.js";
import type { Connection } from "../ports.js";

/** A planned end: clients are told when to return, and do not all return at once. */
export type Drainable = Pick<Connection, "close">;

export type DrainOptions = {
  /** Resolves when the commands and calls in flight are answered. */
  readonly settle: () => Promise<unknown>;
  readonly connections: () => readonly Drainable[];
  /** Resolves when the last socket has closed. */
  readonly emptied: () => Promise<void>;
  readonly random?: () => number;
};

/** However many connections there are, the last one is told after three seconds. */
const wavesMax = 30;
const waveConnectionsMin = 500;
const waveIntervalMs = 100;
/** Acknowledgements of what is in flight go out before their sockets close, if the log is that quick. */
const settleFirstMsMax = 1000;

/** Connections that come back in a second, at most: what a gateway can admit without refusing. */
const reconnectsPerSecond = 500;
const reconnectAfterMsMin = 500;
const reconnectSpreadMsMin = 2000;

/** Resolves when every socket was told and closed, and everything in flight is answered; after `drainMsMax` all the same. */
export const drain = (options: DrainOptions): Promise<void> =>
  within(drained(options), gatewayLimits.drainMsMax, () => undefined);

const drained = async (options: DrainOptions): Promise<void> => {
  const settled = options.settle();
  await within(settled, settleFirstMsMax, () => undefined);
  await tellAll(options.connections(), options.random ?? Math.random);
  await Promise.all([settled, options.emptied()]);
};

const tellAll = async (connections: readonly Drainable[], random: () => number): Promise<void> => {
  const spreadMs = Math.max(reconnectSpreadMsMin, (connections.length / reconnectsPerSecond) * 1000);
  const waveConnections = Math.max(waveConnectionsMin, Math.ceil(connections.length / wavesMax));
  for (let from = 0; from < connections.length; from += waveConnections) {
    if (from > 0) await pause(waveIntervalMs);
    for (const connection of connections.slice(from, from + waveConnections)) {
      const reconnectAfterMs = Math.round(reconnectAfterMsMin + random() * spreadMs);
      askBack(connection, reconnectAfterMs);
    }
  }
};

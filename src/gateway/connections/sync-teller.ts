import type { HubConnection } from "./hub.js";
import type { ServerFrame } from "../protocol/server-frames.js";

/** Those that are told to sync come back at this rate, like those that reconnect after a drain. */
const syncsPerSecond = 500;
/** Over which even a few are spread. */
export const syncSpreadMsMin = 1_000;

export type SyncTellerDependencies = {
  readonly isConnected: (connection: HubConnection) => boolean;
  readonly after: (ms: number, work: () => void) => void;
  readonly random?: () => number;
};

/**
 * Tells connections to sync, not all at once. A connection that is about to be told is told once: that heals all that it
 * has missed until then.
 */
export const createSyncTeller = ({ isConnected, after, random = Math.random }: SyncTellerDependencies) => {
  const toldSoon = new Set<HubConnection>();
  return (connections: readonly HubConnection[]): void => {
    const spreadMs = Math.max(syncSpreadMsMin, (connections.length / syncsPerSecond) * 1_000);
    for (const connection of connections) {
      if (toldSoon.has(connection)) continue;
      toldSoon.add(connection);
      after(random() * spreadMs, () => {
        toldSoon.delete(connection);
        if (isConnected(connection)) connection.send(syncRequired);
      });
    }
  };
};

const syncRequired = JSON.stringify({ type: "sync.required", payload: {} } satisfies ServerFrame);

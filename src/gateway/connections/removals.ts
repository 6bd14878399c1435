import { setMaxListeners } from "node:events";
import type { DeviceId, UserId } from "../../domain/kernel/ids.js";
import { backoffMs } from "../../lib/retry.js";
import { pause } from "../../lib/time.js";
import type { Hub, HubConnection } from "./hub.js";
import { gatewayLimits as bounds } from "../limits.js";
import { closeCodes } from "../protocol/codes.js";

/**
 * Ends the connections of devices that were removed. Only the log's own no ends one: while the log does not answer the
 * connection goes on, and the question is asked again until it is answered or the connection is gone.
 */
export type Removals = {
  /** The device was removed, or was once: what is delivered again must not end one that has come back since. */
  readonly removed: (userId: UserId, deviceId: DeviceId) => void;
  /** Removals may have been missed: every connection is asked about. */
  readonly missed: () => void;
  readonly stop: () => void;
};

export type RemovalsDependencies = {
  readonly hub: Pick<Hub, "connections" | "connectionOf">;
  /** Whether the device may still be connected, by what the log says now. Rejects when it does not answer. */
  readonly mayStay: (connection: HubConnection) => Promise<boolean>;
  readonly onUnanswered: (error: unknown) => void;
  readonly random?: () => number;
};

export const createRemovals = (deps: RemovalsDependencies): Removals => {
  const { hub, mayStay, onUnanswered, random = Math.random } = deps;
  /** Those that certainly were removed once come first. Both hold connected ones, or such as were a moment ago. */
  const [urgent, waiting] = [new Set<HubConnection>(), new Set<HubConnection>()];
  /** The log is asked about each once at a time: about one whose removal is told meanwhile, again after that. */
  const asking = new Set<HubConnection>();
  const stopping = new AbortController();
  const { signal: stopped } = stopping;
  // Each worker that asks may pause.
  setMaxListeners(bounds.removalsAtOnceMax, stopped);
  let workers = 0;

  const isConnected = (connection: HubConnection): boolean =>
    hub.connectionOf(connection.actor.userId, connection.actor.deviceId) === connection;
  const takeFrom = (those: Set<HubConnection>): HubConnection | undefined => {
    for (const connection of those) {
      if (asking.has(connection)) continue;
      those.delete(connection);
      if (isConnected(connection)) return connection;
    }
    return undefined;
  };
  const take = (): HubConnection | undefined => takeFrom(urgent) ?? takeFrom(waiting);

  const ask = async (connection: HubConnection): Promise<boolean> => {
    asking.add(connection);
    try {
      if (!(await mayStay(connection))) connection.close(closeCodes.tokenExpired.code, "device removed");
      return true;
    } catch (error) {
      waiting.add(connection);
      onUnanswered(error);
      return false;
    } finally {
      asking.delete(connection);
    }
  };
  /** Never rejects. Each pauses for itself, so that a log that is away is asked `removalsAtOnceMax` times in a pause at most. */
  const work = async (): Promise<void> => {
    workers++;
    let unanswered = 0;
    for (let next = take(); next !== undefined && !stopped.aborted; next = take()) {
      if (await ask(next)) unanswered = 0;
      else await pause(backoffMs(unanswered++, untilAnswered, random), { stopped, unref: true });
    }
    workers--;
  };
  const start = (): void => {
    const wanted = Math.min(bounds.removalsAtOnceMax, urgent.size + waiting.size);
    for (let more = wanted - workers; more > 0; more--) void work();
  };

  return {
    removed: (userId, deviceId) => {
      const connection = hub.connectionOf(userId, deviceId);
      if (connection === undefined || stopped.aborted) return;
      urgent.add(connection);
      waiting.delete(connection);
      start();
    },
    missed: () => {
      if (stopped.aborted) return;
      for (const connection of hub.connections()) waiting.add(connection);
      start();
    },
    stop: () => {
      stopping.abort();
    },
  };
};

const untilAnswered = { msMin: bounds.removalPauseMsMin, msMax: bounds.removalPauseMsMax, steady: 0.5 };

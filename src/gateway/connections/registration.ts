import { askBack } from "./ask-back.js";
import type { Hub, HubConnection } from "./hub.js";
import type { ConnectionKey, ConnectionRegistry, Logger } from "../ports.js";
import { closeCodes } from "../protocol/codes.js";
import type { Removals } from "./removals.js";
import { createSyncTeller, syncSpreadMsMin } from "./sync-teller.js";

/**
 * Makes this gateway's connections known to the other processes, and heals what they may have missed: tells those to
 * sync that had no lease for a while, and all of them after a hole in what the bus brought.
 */
export type Registration = {
  /** Resolves when other processes find the connection, or when the registry cannot be asked: the renewal heals that. */
  readonly enter: (connection: HubConnection) => Promise<void>;
  readonly leave: (connection: HubConnection) => void;
  /** Frames may have gone past this gateway: every connection is told to sync, not all at once. */
  readonly missed: (reason: string) => void;
  /** The device has a newer connection at another gateway. */
  readonly replaced: (connection: ConnectionKey) => void;
  /** Ends renewing; connections that still are there lapse by themselves. */
  readonly stop: () => void;
};

export type RegistrationDependencies = {
  readonly hub: Pick<Hub, "connections">;
  readonly registry: ConnectionRegistry;
  /** Asks another gateway to close the connection that was replaced here. May be lost: renewing finds it too. */
  readonly tellReplaced: (gatewayId: string, connection: ConnectionKey) => void;
  /** Told of each hole: the removal of a device may be what was missed. */
  readonly removals: Pick<Removals, "missed">;
  readonly onMissed?: (reason: string) => void;
  readonly onRegistryFailure: (error: unknown) => void;
  readonly logger: Pick<Logger, "warn">;
  readonly renewMs?: number;
  readonly random?: () => number;
};

/** A third of a lease: two renewals may be lost. */
const renewMsDefault = 10_000;

export const createRegistration = (deps: RegistrationDependencies): Registration => {
  const { hub, registry, onRegistryFailure, random = Math.random, renewMs = renewMsDefault } = deps;
  const connectionOf = new Map<string, HubConnection>();
  /** The registry was away when they came, so that it cannot say whether a connection of the same device is older. */
  const unentered = new Set<HubConnection>();
  const timers = new Set<NodeJS.Timeout>();
  let stopped = false;

  const after = (ms: number, work: () => void): void => {
    if (stopped) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
  };

  const close = (connection: HubConnection): void => {
    connection.close(closeCodes.replaced.code, closeCodes.replaced.reason);
  };

  const tellToSync = createSyncTeller({
    isConnected: (connection) => connectionOf.get(connection.connectionId) === connection,
    ...{ after, random },
  });

  const renew = async (): Promise<void> => {
    const late = [...unentered];
    const { lapsed, replaced } = await registry.renew([...connectionOf.values()].map(keyOf));
    for (const { connectionId } of replaced) {
      const connection = connectionOf.get(connectionId);
      if (connection === undefined) continue;
      // It is unknown which of the two is the newer one, and 4409 would end the device that lives if it is the other: a
      // client that is there comes back as the newest, a connection without one just ends.
      if (unentered.has(connection)) askBack(connection, Math.round(syncSpreadMsMin * random()));
      else close(connection);
    }
    for (const connection of late) unentered.delete(connection);
    if (lapsed.length > 0) deps.onMissed?.("lapsed lease");
    tellToSync([...late, ...lapsed.flatMap(({ connectionId }) => connectionOf.get(connectionId) ?? [])]);
  };

  const renewing = (): void => {
    if (stopped) return;
    void renew()
      .catch(onRegistryFailure)
      .finally(() => {
        if (!stopped) after(renewMs * (0.9 + 0.2 * random()), renewing);
      });
  };
  after(renewMs * random(), renewing);

  return {
    enter: async (connection) => {
      connectionOf.set(connection.connectionId, connection);
      try {
        const replaced = await registry.enter(keyOf(connection));
        if (replaced !== undefined) deps.tellReplaced(replaced.gatewayId, replaced);
        // It closed meanwhile: what `leave` took out may have come back.
        if (!connectionOf.has(connection.connectionId)) await registry.leave(keyOf(connection));
      } catch (error) {
        if (connectionOf.has(connection.connectionId)) unentered.add(connection);
        onRegistryFailure(error);
      }
    },
    leave: (connection) => {
      unentered.delete(connection);
      if (!connectionOf.delete(connection.connectionId)) return;
      registry.leave(keyOf(connection)).catch(onRegistryFailure);
    },
    missed: (reason) => {
      if (stopped) return;
      const connections = [...hub.connections()];
      deps.logger.warn({ reason, connections: connections.length }, "Frames may be missing; connections sync");
      deps.onMissed?.(reason);
      tellToSync(connections);
      void renew().catch(onRegistryFailure);
      deps.removals.missed();
    },
    replaced: ({ connectionId }) => {
      const connection = connectionOf.get(connectionId);
      if (connection !== undefined) close(connection);
    },
    stop: () => {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
};

const keyOf = ({ connectionId, actor }: HubConnection): ConnectionKey => ({ ...actor, connectionId });

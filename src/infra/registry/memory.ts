import type { DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { ConnectionKey, ConnectionRegistry } from "../../gateway/ports.js";

type Lease = { readonly connectionId: string; readonly gatewayId: string; readonly expiresAt: number };

/** Leases by user and device. Gateways of one process, as in tests, see each other through a common one. */
export type SharedLeases = Map<UserId, Map<DeviceId, Lease>>;

/** Last uses by user and device; of tests, so that nothing is ever forgotten. */
export type SharedUses = Map<UserId, Map<DeviceId, number>>;

export type MemoryRegistryOptions = {
  readonly gatewayId: string;
  readonly shared?: SharedLeases;
  /** As `shared`. */
  readonly uses?: SharedUses;
  readonly leaseMs?: number;
  /** Unix milliseconds. */
  readonly now: () => number;
};

/** The registry of one process. Each `renew` also forgets whatever has lapsed: memory is bounded by the leases. */
export const createMemoryRegistry = (options: MemoryRegistryOptions): ConnectionRegistry => {
  const { living, leaseOf, hold, release, forgetLapsed } = createLeases(options);
  const { uses = new Map() as SharedUses, now } = options;
  const renew = (connections: readonly ConnectionKey[]) => {
    forgetLapsed();
    const [lapsed, replaced]: [ConnectionKey[], ConnectionKey[]] = [[], []];
    for (const connection of connections) {
      const lease = leaseOf(connection);
      if (lease !== undefined && lease.connectionId !== connection.connectionId) {
        replaced.push(connection);
        continue;
      }
      if (lease === undefined) lapsed.push(connection);
      hold(connection);
    }
    return { lapsed, replaced };
  };

  return {
    enter: (connection) => {
      const before = leaseOf(connection);
      hold(connection);
      const same = before === undefined || before.connectionId === connection.connectionId;
      const { userId, deviceId } = connection;
      return Promise.resolve(
        same ? undefined : { userId, deviceId, connectionId: before.connectionId, gatewayId: before.gatewayId },
      );
    },
    leave: (connection) => {
      if (leaseOf(connection)?.connectionId === connection.connectionId)
        release(connection.userId, connection.deviceId);
      return Promise.resolve();
    },
    renew: (connections) => Promise.resolve(renew(connections)),
    devicesOf: (userId) => Promise.resolve(living(userId).map(([deviceId]) => deviceId)),
    used: ({ userId, deviceId }) => {
      const devices = uses.get(userId) ?? new Map<DeviceId, number>();
      uses.set(userId, devices.set(deviceId, now()));
      return Promise.resolve();
    },
    lastUses: (userId) => Promise.resolve(new Map(uses.get(userId))),
    gatewaysOf: (userIds) => {
      const found = userIds.map((userId) => [userId, gatewaysIn(living(userId))] as const);
      return Promise.resolve(new Map(found.filter(([, gateways]) => gateways.length > 0)));
    },
  };
};

const createLeases = (options: MemoryRegistryOptions) => {
  const { gatewayId, shared = new Map() as SharedLeases, leaseMs = 30_000, now } = options;
  const living = (userId: UserId): readonly (readonly [deviceId: DeviceId, lease: Lease])[] =>
    [...(shared.get(userId) ?? [])].filter(([, { expiresAt }]) => expiresAt > now());
  const release = (userId: UserId, deviceId: DeviceId): void => {
    const devices = shared.get(userId);
    devices?.delete(deviceId);
    if (devices?.size === 0) shared.delete(userId);
  };
  return {
    living,
    release,
    leaseOf: ({ userId, deviceId }: ConnectionKey): Lease | undefined =>
      living(userId).find(([id]) => id === deviceId)?.[1],
    hold: ({ userId, deviceId, connectionId }: ConnectionKey): void => {
      const devices = shared.get(userId) ?? new Map<DeviceId, Lease>();
      devices.set(deviceId, { connectionId, gatewayId, expiresAt: now() + leaseMs });
      shared.set(userId, devices);
    },
    forgetLapsed: (): void => {
      for (const [userId, devices] of shared)
        for (const [deviceId, { expiresAt }] of devices) if (expiresAt <= now()) release(userId, deviceId);
    },
  };
};

const gatewaysIn = (leases: readonly (readonly [DeviceId, Lease])[]): readonly string[] => [
  ...new Set(leases.map(([, { gatewayId }]) => gatewayId)),
];

import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru.js";
import type { DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { Delivery } from "../../projections/ports/bus.js";
import type { Connection } from "../ports.js";
import type { Outbox } from "./outbox.js";

/** A connection that also takes a frame as bytes, which many sockets can share, and frames that may be shed. */
export type HubConnection = Omit<Connection, "send" | "greet"> & { readonly send: Outbox["send"] };

/** The devices that are connected to this gateway: user → device → its one live connection. */
export type Hub = {
  /** From now on frames arrive. Answers the connection of the same device that this one replaces, which its owner closes. */
  readonly register: (connection: HubConnection) => Registered;
  /** Nothing happens when the device has a newer connection. */
  readonly unregister: (connection: HubConnection) => void;
  /** Queues every frame on the sockets of its recipients, in the order given. */
  readonly deliver: (deliveries: readonly Delivery[]) => void;
  /** Whether the user has a socket here besides the device named. */
  readonly connected: (userId: UserId, exceptDeviceId?: DeviceId) => boolean;
  readonly connectionOf: (userId: UserId, deviceId: DeviceId) => HubConnection | undefined;
  /** The user's devices that have a socket here. */
  readonly devicesOf: (userId: UserId) => readonly DeviceId[];
  readonly connections: () => IterableIterator<HubConnection>;
  readonly size: () => number;
};

export type Registered = {
  readonly replaced: HubConnection | undefined;
  /** Whether the device was connected to this process before. */
  readonly reconnect: boolean;
};

/** From so many recipients on a frame is encoded once for all; measured, the library converts a few strings as cheaply. */
const sharedFromRecipients = 8;

export const createHub = (options: { readonly remembered?: number } = {}): Hub => {
  const users = new Map<UserId, Map<DeviceId, HubConnection>>();
  const seen = createSeen(options.remembered ?? 100_000);
  let size = 0;

  const deliverOne = (delivery: Delivery) => {
    const { recipients, exceptDeviceId, ephemeral } = delivery;
    const frame = recipients.length >= sharedFromRecipients ? Buffer.from(delivery.frame) : delivery.frame;
    for (const userId of recipients) {
      const devices = users.get(userId);
      if (devices === undefined) continue;
      for (const connection of devices.values())
        if (connection.actor.deviceId !== exceptDeviceId) connection.send(frame, ephemeral);
    }
  };

  return {
    register: (connection) => {
      const { userId, deviceId } = connection.actor;
      const devices = users.get(userId) ?? new Map<DeviceId, HubConnection>();
      users.set(userId, devices);
      const replaced = devices.get(deviceId);
      devices.set(deviceId, connection);
      if (replaced === undefined) size++;
      return { replaced, reconnect: seen(`${userId} ${deviceId}`) };
    },
    unregister: (connection) => {
      const { userId, deviceId } = connection.actor;
      const devices = users.get(userId);
      if (devices?.get(deviceId) !== connection) return;
      devices.delete(deviceId);
      size--;
      if (devices.size === 0) users.delete(userId);
    },
    deliver: (deliveries) => {
      for (const delivery of deliveries) deliverOne(delivery);
    },
    connected: (userId, exceptDeviceId) => {
      const devices = users.get(userId);
      if (devices === undefined) return false;
      return devices.size > (exceptDeviceId !== undefined && devices.has(exceptDeviceId) ? 1 : 0);
    },
    connectionOf: (userId, deviceId) => users.get(userId)?.get(deviceId),
    devicesOf: (userId) => [...(users.get(userId)?.keys() ?? [])],
    *connections() {
      for (const devices of users.values()) yield* devices.values();
    },
    size: () => size,
  };
};

/** Remembers the last `max` keys; answers whether one was known. Only a figure depends on it, so forgetting is harmless. */
const createSeen = (max: number) => {
  const keys = new LRUCache<string, true>(entriesMax(max));
  return (key: string): boolean => {
    const known = keys.has(key);
    keys.set(key, true);
    return known;
  };
};

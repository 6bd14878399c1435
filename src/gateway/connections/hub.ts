import type { DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { Delivery } from "../../projections/ports/bus.js";
import type { Connection } from "../ports.js";
import { createRecent } from "../../lib/recent.js";
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

/** Most users have one device here, for which a Map takes 200 bytes more. */
type Devices = HubConnection | Map<DeviceId, HubConnection>;

export const createHub = (options: { readonly remembered?: number } = {}): Hub => {
  const users = new Map<UserId, Devices>();
  /** Devices whose connection has gone. Only a figure depends on it, so forgetting is harmless. */
  const gone = createRecent<string, true>(options.remembered ?? 100_000);
  let size = 0;

  const deliverOne = (delivery: Delivery) => {
    const { recipients, exceptDeviceId, ephemeral } = delivery;
    const frame = recipients.length >= sharedFromRecipients ? Buffer.from(delivery.frame) : delivery.frame;
    const send = (connection: HubConnection): void => {
      if (connection.actor.deviceId !== exceptDeviceId) connection.send(frame, ephemeral);
    };
    for (const userId of recipients) {
      const devices = users.get(userId);
      if (devices === undefined) continue;
      if (devices instanceof Map) devices.forEach(send);
      else send(devices);
    }
  };

  return {
    register: (connection) => {
      const { userId, deviceId } = connection.actor;
      const devices = users.get(userId);
      const replaced = connectionIn(devices, deviceId);
      users.set(userId, added(devices, connection));
      if (replaced === undefined) size++;
      return { replaced, reconnect: replaced !== undefined || gone.delete(keyOf(connection)) };
    },
    unregister: (connection) => {
      const { userId, deviceId } = connection.actor;
      const devices = users.get(userId);
      if (connectionIn(devices, deviceId) !== connection) return;
      if (devices instanceof Map) devices.delete(deviceId);
      if (!(devices instanceof Map) || devices.size === 0) users.delete(userId);
      gone.set(keyOf(connection), true);
      size--;
    },
    deliver: (deliveries) => {
      for (const delivery of deliveries) deliverOne(delivery);
    },
    connected: (userId, exceptDeviceId) => {
      const devices = users.get(userId);
      if (devices === undefined) return false;
      if (!(devices instanceof Map)) return devices.actor.deviceId !== exceptDeviceId;
      return devices.size > (exceptDeviceId !== undefined && devices.has(exceptDeviceId) ? 1 : 0);
    },
    connectionOf: (userId, deviceId) => connectionIn(users.get(userId), deviceId),
    devicesOf: (userId) => connectionsIn(users.get(userId)).map(({ actor }) => actor.deviceId),
    *connections() {
      for (const devices of users.values()) yield* connectionsIn(devices);
    },
    size: () => size,
  };
};

const connectionIn = (devices: Devices | undefined, deviceId: DeviceId): HubConnection | undefined => {
  if (devices === undefined || devices instanceof Map) return devices?.get(deviceId);
  return devices.actor.deviceId === deviceId ? devices : undefined;
};

const connectionsIn = (devices: Devices | undefined): readonly HubConnection[] => {
  if (devices === undefined) return [];
  return devices instanceof Map ? [...devices.values()] : [devices];
};

const added = (devices: Devices | undefined, connection: HubConnection): Devices => {
  const { deviceId } = connection.actor;
  if (devices instanceof Map) return devices.set(deviceId, connection);
  return devices === undefined || devices.actor.deviceId === deviceId
    ? connection
    : new Map([
        [devices.actor.deviceId, devices],
        [deviceId, connection],
      ]);
};

/** No id holds a space. */
const keyOf = ({ actor: { userId, deviceId } }: HubConnection): string => [userId, deviceId].join(" ");

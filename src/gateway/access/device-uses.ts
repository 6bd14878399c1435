import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru.js";
import type { Actor, DeviceId, UserId } from "../../domain/kernel/ids.js";
import { limits } from "../../domain/kernel/limits.js";

/** When devices were last used, where one process sees all of it; a restart leaves what the log knows, to the day. */
export type DeviceUses = {
  /** `at`: Unix milliseconds. */
  readonly used: (device: Actor, at: number) => void;
  readonly of: (userId: UserId) => ReadonlyMap<DeviceId, number>;
};

export const createDeviceUses = (usersMax: number): DeviceUses => {
  const users = new LRUCache<UserId, Map<DeviceId, number>>(entriesMax(usersMax));
  return {
    used: ({ userId, deviceId }, at) => {
      const devices = users.get(userId) ?? new Map<DeviceId, number>();
      users.set(userId, devices);
      // Deleted first, so that the one that was used longest ago is the first.
      devices.delete(deviceId);
      devices.set(deviceId, at);
      const [oldest] = devices.keys();
      if (devices.size > limits.deviceUsesMax && oldest !== undefined) devices.delete(oldest);
    },
    of: (userId) => users.peek(userId) ?? nothing,
  };
};

const nothing: ReadonlyMap<DeviceId, number> = new Map();

import { LRUCache } from "lru-cache";
import type { Actor } from "../../domain/kernel/ids.js";
import { limits } from "../../domain/kernel/limits.js";

/** When devices were last used, where one process sees all of it; a restart leaves what the log knows, to the day. */
export type DeviceUses = {
  /** `at`: Unix milliseconds. */
  readonly used: (device: Actor, at: number) => void;
  readonly of: (userId: string) => ReadonlyMap<string, number>;
};

export const createDeviceUses = (usersMax: number): DeviceUses => {
  const users = new LRUCache<string, Map<string, number>>({ max: usersMax });
  return {
    used: ({ userId, deviceId }, at) => {
      const devices = users.get(userId) ?? new Map<string, number>();
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

const nothing: ReadonlyMap<string, number> = new Map();

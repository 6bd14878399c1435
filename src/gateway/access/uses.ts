import type { Actor } from "../../domain/kernel/ids.js";
import { limits } from "../../domain/kernel/limits.js";

/** When devices were last used, where one process sees all of it; a restart leaves what the log knows, to the day. */
export type Uses = {
  /** `at`: Unix milliseconds. */
  readonly used: (device: Actor, at: number) => void;
  readonly of: (userId: string) => ReadonlyMap<string, number>;
};

export const createUses = (usersMax: number): Uses => {
  /** The one seen longest ago comes first, of users and of each user's devices. */
  const users = new Map<string, Map<string, number>>();
  return {
    used: ({ userId, deviceId }, at) => {
      const devices = users.get(userId) ?? new Map<string, number>();
      users.delete(userId);
      users.set(userId, devices);
      devices.delete(deviceId);
      devices.set(deviceId, at);
      if (devices.size > limits.deviceUsesMax) forgetFirst(devices);
      if (users.size > usersMax) forgetFirst(users);
    },
    of: (userId) => users.get(userId) ?? nothing,
  };
};

const nothing: ReadonlyMap<string, number> = new Map();

const forgetFirst = <A>(entries: Map<string, A>): void => {
  for (const first of entries.keys()) return void entries.delete(first);
};

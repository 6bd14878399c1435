import type { Actor, DeviceId, UserId } from "../../domain/kernel/ids.js";
import { limits } from "../../domain/kernel/limits.js";
import { createRecent } from "../../lib/recent.js";

/** When devices were last used, where one process sees all of it; a restart leaves what the log knows, to the day. */
export type DeviceUses = {
  /** `at`: Unix milliseconds. */
  readonly used: (device: Actor, at: number) => void;
  /** The one that was used longest ago first. */
  readonly of: (userId: UserId) => ReadonlyMap<DeviceId, number>;
};

/** The newest use of a user's devices, and those before it: most users have one, for which a Map takes 200 bytes more. */
type Use = { readonly deviceId: DeviceId; readonly at: number; readonly before: Use | undefined };

export const createDeviceUses = (usersMax: number): DeviceUses => {
  const newest = createRecent<UserId, Use>(usersMax);
  return {
    used: ({ userId, deviceId }, at) => {
      const others = usesOf(newest.peek(userId)).filter((use) => use.deviceId !== deviceId);
      const kept = others.slice(0, limits.deviceUsesMax - 1);
      newest.set(userId, { deviceId, at, before: chained(kept) });
    },
    of: (userId) =>
      new Map(
        usesOf(newest.peek(userId))
          .reverse()
          .map((use) => [use.deviceId, use.at]),
      ),
  };
};

/** The newest first. */
const usesOf = (newest: Use | undefined): Use[] => {
  const uses: Use[] = [];
  for (let use = newest; use !== undefined; use = use.before) uses.push(use);
  return uses;
};

const chained = (uses: readonly Use[]): Use | undefined =>
  uses.reduceRight<Use | undefined>((before, { deviceId, at }) => ({ deviceId, at, before }), undefined);

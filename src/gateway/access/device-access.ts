import { E, type Either } from "../../domain/kernel/fp.js";
import type { CommandContext } from "../../domain/kernel/decider.js";
import type { Actor, DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Rejection } from "../../domain/rejections.js";
import { seenAgainAfterMs } from "../../domain/user/user.decide.js";
import type { DeviceType } from "../../domain/user/user.events.js";
import { createRecent } from "../../lib/recent.js";
import { gatewayLimits as bounds } from "../limits.js";
import type { Application } from "../ports.js";

/**
 * Which devices may come in, as far as this gateway has asked, and when they are in use. One per gateway, for sockets and
 * REST together.
 */
export type DeviceAccess = {
  /** A socket has come: registers user and device, with the type that the client gave. */
  readonly deviceConnected: (
    device: Issued & { readonly deviceType: DeviceType },
    context: CommandContext,
  ) => Promise<Either<Rejection, undefined>>;
  /** A token was shown by REST or `auth.refresh`: costs nothing from the second time on, but once a day. */
  readonly deviceCalled: (device: Issued, context: CommandContext) => Promise<Either<Rejection, undefined>>;
  /** A socket that came in is open; to be called once in `usesMs`. */
  readonly deviceInUse: (
    device: Issued & { readonly deviceType: DeviceType },
    context: CommandContext,
  ) => Promise<Either<Rejection, undefined>>;
  /**
   * A device was removed, here or elsewhere: its next call is looked at in the log, and refused. To be called
   * for every DeviceRemoved of the log; once more than needed costs a look-up.
   */
  readonly deviceRemoved: (userId: UserId, deviceId: DeviceId) => void;
  /** Removals may have been missed: every device is looked at in the log when it calls next. */
  readonly removalsMissed: () => void;
  /** Grows whenever a removal is told or may have been missed: the gateway does not believe after it what the log said before. */
  readonly removalsTold: () => number;
};

/** `iat` of the token, Unix milliseconds: a removed device comes back only with one that is newer. */
export type Issued = { readonly tokenIssuedAt?: number };
export const issued = (at: number | undefined): Issued => (at === undefined ? {} : { tokenIssuedAt: at });

/** What the log said of a device. */
type Known = {
  /**
   * The oldest token that was let in, by its `iat`. An older one is looked at in the log: it may be from before a removal
   * after which the device has come back. A newer one need not be.
   */
  readonly passedFrom: number;
  /** When the log last saw the device. */
  readonly seenAt: number;
  /** When its use was last told to the others. */
  readonly usedAt: number;
};

export const createDeviceAccess = (
  app: Application,
  wrote: (userId: UserId, position: Position) => void,
): DeviceAccess => {
  /** To forget one costs a look-up when it calls again. */
  const known = createRecent<string, Known>(bounds.devicesRememberedMax);
  let removals = 0;
  const register = async (command: Issued & { deviceType?: DeviceType }, context: CommandContext) => {
    const { by, now } = context;
    const removalsBefore = removals;
    const lastUses = await app.lastUses(by.userId);
    const registered = await app.commands.registerDevice({ ...command, lastUses }, context);
    if (E.isLeft(registered)) return registered;
    const { position, seenAt } = registered.right;
    wrote(by.userId, position);
    app.used(by);
    // A removal that was told meanwhile may be this device's, and later in the log than the answer.
    if (removals !== removalsBefore) return E.right(undefined);
    const passedFrom = Math.min(passedWith(command), known.get(keyOf(by))?.passedFrom ?? Infinity);
    known.set(keyOf(by), { passedFrom, seenAt, usedAt: now });
    return E.right(undefined);
  };
  /** The others are told so often that they know it to the hour; the log once a day. */
  const noteUse = (by: Actor, device: Known, now: number): void => {
    if (now - device.usedAt < bounds.usesMs) return;
    app.used(by);
    known.set(keyOf(by), { passedFrom: device.passedFrom, seenAt: device.seenAt, usedAt: now });
  };
  const isLogged = ({ seenAt }: Known, now: number): boolean => now - seenAt < seenAgainAfterMs;

  return {
    deviceConnected: register,
    // A REST call does not say what kind of device it is from: one that is registered keeps the kind it has.
    deviceCalled: async (device, context) => {
      const { by, now } = context;
      const entry = known.get(keyOf(by));
      if (entry === undefined || passedWith(device) < entry.passedFrom || !isLogged(entry, now))
        return register(device, context);
      noteUse(by, entry, now);
      return E.right(undefined);
    },
    // A device that is not known may be one whose removal was missed: then the log refuses it, as the token is older.
    deviceInUse: async (device, context) => {
      const { by, now } = context;
      const entry = known.get(keyOf(by));
      if (entry === undefined || !isLogged(entry, now)) return register(device, context);
      app.used(by);
      return E.right(undefined);
    },
    deviceRemoved: (userId, deviceId) => {
      removals++;
      known.delete(keyOf({ userId, deviceId }));
    },
    removalsMissed: () => {
      removals++;
      known.clear();
    },
    removalsTold: () => removals,
  };
};

/** A token without `iat` is older than any: it passes until the first removal of its device. */
const passedWith = ({ tokenIssuedAt = -Infinity }: Issued): number => tokenIssuedAt;

/** No id holds a space. Joined, since a template makes a string of strings, which take twice as much while they are kept. */
const keyOf = ({ userId, deviceId }: Actor): string => [userId, deviceId].join(" ");

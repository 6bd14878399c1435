import type { DeviceId, UserId } from "../../domain/kernel/ids.js";

/** One frame, encoded once, for all devices of some users. */
export type Delivery = {
  readonly recipients: readonly UserId[];
  /** UTF-8 JSON text of the frame. */
  readonly frame: string;
  /** Only the recipient's other devices: the one that acted knows already. */
  readonly exceptDeviceId?: DeviceId;
  /** Typing and the like: shed when a socket's outbox is half full. */
  readonly ephemeral?: true;
};

/**
 * Frames to gateways. `deliver` resolves when every frame is in the outbox of each of its recipients' sockets, in the
 * order given; a recipient without a socket is no failure. `connected` says whether a user has a socket anywhere
 * besides the device named: what is costly to make is not made for users who are away.
 */
export type Bus = {
  readonly deliver: (deliveries: readonly Delivery[]) => void | Promise<void>;
  readonly connected: (userId: UserId, exceptDeviceId?: DeviceId) => boolean;
  /** Ends the device's session, wherever it is, with 4401: it was removed. */
  readonly disconnect: (userId: UserId, deviceId: DeviceId) => void;
};

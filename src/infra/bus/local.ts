import type { DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { Bus, Delivery } from "../../projections/ports/bus.js";

/** Where frames end in this process: the gateway's hub. */
export type LocalRecipients = {
  readonly deliver: (deliveries: readonly Delivery[]) => void;
  readonly connected: (userId: UserId, exceptDeviceId?: DeviceId) => boolean;
  readonly disconnect: (userId: UserId, deviceId: DeviceId) => void;
};

/**
 * The bus of one process: `deliver` returns when the frames are in the outboxes, so nothing can be lost, reordered or
 * be under way, and "connected here" is "connected anywhere".
 */
export const createLocalBus = (recipients: LocalRecipients): Bus => ({
  deliver: recipients.deliver,
  connected: recipients.connected,
  disconnect: recipients.disconnect,
});

import type { Nats } from "../../../engines/nats.js";

/**
 * Publishes what may be lost: answers false when it is dropped, because NATS is away or has not confirmed what went
 * before. Without that bound a server that hangs would have this process keep everything.
 */
export const createLossyPublish = (options: {
  readonly nats: Nats;
  readonly bytesMax: number;
}): ((subject: string, data: Uint8Array) => boolean) => {
  let unconfirmed = 0;
  let confirming = false;

  const confirm = async (flush: () => Promise<void>): Promise<void> => {
    confirming = true;
    while (unconfirmed > 0) {
      const bytes = unconfirmed;
      // A flush that fails was ended by a disconnect: then nothing is kept any more either.
      await flush().catch(() => undefined);
      unconfirmed -= bytes;
    }
    confirming = false;
  };

  return (subject, data) => {
    const connection = options.nats.current();
    if (connection === undefined || !options.nats.connected()) return false;
    if (unconfirmed + data.length > options.bytesMax) return false;
    try {
      connection.publish(subject, data);
    } catch {
      // Closing, or larger than the server allows: lost, as announced.
      return false;
    }
    unconfirmed += data.length;
    if (!confirming) void confirm(() => connection.flush());
    return true;
  };
};

import type { DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { Position, RecordedEvent } from "../../domain/kernel/stream.js";
import type { Delivery } from "../ports/bus.js";

/**
 * A capture is NDJSON: what projectors would have done outside, and did not. Its first line is a head, its last an end;
 * each line between says by `kind` what it is, and by `position` after which event it would have been done. Readers pass
 * over kinds that they do not know.
 */
export const captureFormat = "parley-capture";
export const captureVersion = 1;

export type CaptureHead = {
  readonly kind: "head";
  readonly format: typeof captureFormat;
  readonly version: typeof captureVersion;
  readonly projection: "delivery";
  readonly from: Position;
  readonly to: Position;
  readonly epoch: string | null;
};
export type CaptureEnd = { readonly kind: "end"; readonly effects: number };

/** What an effect follows from: an event, or the receipts up to a position, where the views' numbers are told. */
export type Cause = Pick<RecordedEvent, "position"> & Partial<Pick<RecordedEvent, "stream" | "revision" | "type">>;

const causeOf = ({ position, stream, revision, type }: Cause) => ({
  position,
  ...(stream === undefined ? {} : { stream, revision, event: type }),
});

/** A frame to all devices of users, but for one of them. The frame's text stands as it would have been sent. */
export const frameLine = (cause: Cause, { recipients, frame, exceptDeviceId }: Delivery): string => {
  const head = JSON.stringify({
    kind: "frame",
    ...causeOf(cause),
    to: recipients,
    ...(exceptDeviceId === undefined ? {} : { exceptDevice: exceptDeviceId }),
  });
  return `${head.slice(0, -1)},"frame":${frame}}`;
};

/** A device's connection that would have ended: it was removed. */
export const disconnectLine = (cause: Cause, user: UserId, device: DeviceId): string =>
  JSON.stringify({ kind: "disconnect", ...causeOf(cause), user, device });

/** An event of which nobody would have been told. */
export const undeliverableLine = (cause: Cause, reason: string): string =>
  JSON.stringify({ kind: "undeliverable", ...causeOf(cause), reason });

/** Frames with the views' numbers that would not have been made. */
export const lostLine = (cause: Cause, frame: string, count: number, reason: string): string =>
  JSON.stringify({ kind: "lost", ...causeOf(cause), frame, count, reason });

import { t } from "./fp.js";
import type { Actor, DeviceId, UserId } from "./ids.js";

/** The actor of an event: stored in its metadata. */
export type By = ByUser | ByBot | ByApp | BySystem | ByOperator;

/** A person, at one of their devices. What was written before kinds were told is all of this kind. */
export type ByUser = { readonly kind: "user"; readonly userId: UserId; readonly deviceId: DeviceId };
/** A user that is a program: it has no device, and may act through a key. */
export type ByBot = { readonly kind: "bot"; readonly userId: UserId; readonly keyId?: string };
/** The application that Parley serves, by one of its keys: for one of its users, or by itself. */
export type ByApp = { readonly kind: "app"; readonly keyId: string; readonly onBehalfOf?: UserId };
/** Parley by itself: no user, application or operator asked for it. */
export type BySystem = { readonly kind: "system" };
/**
 * An operator at a command of the CLI. `userId` is the name of the operating system's account, where it is known: no
 * user of the chat, so that it stands in no frame and is found under no user's name.
 */
export type ByOperator = { readonly kind: "operator"; readonly userId?: string };

/** Of what an operator's command brings with it. */
export const byOperatorCodec = t.intersection([
  t.type({ kind: t.literal("operator") }),
  t.partial({ userId: t.string }),
]);

/** An actor that is a user of the chat: a message has such a sender, a reaction such an author. */
export type ByPerson = ByUser | ByBot | (ByApp & { readonly onBehalfOf: UserId });

export const byUser = ({ userId, deviceId }: Actor): ByUser => ({ kind: "user", userId, deviceId });
export const bySystem: BySystem = { kind: "system" };

/** The user of the chat who did it, or for whom it was done. */
export const userIdOf = ((by: By): UserId | undefined => {
  switch (by.kind) {
    case "user":
    case "bot":
      return by.userId;
    case "app":
      return by.onBehalfOf;
    case "system":
    case "operator":
      return undefined;
  }
}) as { (by: ByPerson): UserId; (by: By): UserId | undefined };

export const deviceIdOf = (by: By): DeviceId | undefined => (by.kind === "user" ? by.deviceId : undefined);

const isText = (value: unknown): value is string => typeof value === "string";
const isTextIfThere = (value: unknown): boolean => value === undefined || isText(value);

/**
 * What stands in the metadata as it is meant today; undefined for what this version does not know. Written out, since
 * every event is read through it: a union of codecs would try one after another.
 */
export const byOf = (stored: unknown): By | undefined => {
  if (typeof stored !== "object" || stored === null) return undefined;
  const { kind, userId, deviceId, keyId, onBehalfOf } = stored as Readonly<Record<string, unknown>>;
  switch (kind) {
    case "user":
      return isText(userId) && isText(deviceId) ? (stored as ByUser) : undefined;
    // From before kinds were told.
    case undefined:
      return isText(userId) && isText(deviceId) ? { kind: "user", userId, deviceId } : undefined;
    case "bot":
      return isText(userId) && isTextIfThere(keyId) ? (stored as ByBot) : undefined;
    case "app":
      return isText(keyId) && isTextIfThere(onBehalfOf) ? (stored as ByApp) : undefined;
    case "system":
      return stored as BySystem;
    case "operator":
      return isTextIfThere(userId) ? (stored as ByOperator) : undefined;
    default:
      return undefined;
  }
};

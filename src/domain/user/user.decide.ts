import { noIndex, type CommandContext, type Decider } from "../kernel/decider.js";
import { E, type Either } from "../kernel/fp.js";
import type { DeviceId } from "../kernel/ids.js";
import { limits } from "../kernel/limits.js";
import { sameText, type SealedText } from "../kernel/sealed.js";
import { stamping } from "../kernel/stamping.js";
import { reject, type Rejection } from "../rejections.js";
import {
  evolve,
  isErased,
  isIssuedAfter,
  preferencesOf,
  registered,
  type ChangePreferences,
  type ChangeProfile,
  type EraseUser,
  type RegisterDevice,
  type RemoveDevice,
  type User,
  type UserCommand,
} from "./user.js";
import type { PreferencesChanged, UserEvent } from "./user.events.js";

type With<C> = C & { readonly context: CommandContext };
type Decision = Either<Rejection, readonly UserEvent[]>;

const decide = (state: User, command: UserCommand): Decision => {
  if (command.type === "EraseUser") return decideErase(state, command);
  if (isErased(state)) return E.left(userErased);
  switch (command.type) {
    case "RegisterDevice":
      return decideRegister(state, command);
    case "RemoveDevice":
      return decideRemove(state, command);
    case "ChangeProfile":
      return decideProfile(state, command);
    case "ChangePreferences":
      return decidePreferences(state, command);
  }
};

export const user: Decider<UserCommand, User, UserEvent> = {
  initial: () => ({ situation: "unseen" }),
  evolve,
  decide,
  index: noIndex,
};

/** A device that is in use is written anew after a day, which is as exactly as the log knows when it was used. */
export const seenAgainAfterMs = 24 * 60 * 60 * 1000;

export const deviceRemoved: Rejection = reject(
  "UNAUTHORIZED",
  "This device was removed; it needs a token that is issued now.",
);

export const userErased: Rejection = reject("UNAUTHORIZED", "This user was erased.", [
  { field: "userId", expected: "a user who was not erased" },
]);

/**
 * Each device is removed first, as any is: so its sessions end, wherever they are. A user who is erased already stays so,
 * and what is left to do after the event can be done again.
 */
const decideErase = (state: User, { reason, context }: EraseUser): Decision => {
  if (state.situation === "unseen") return E.left(reject("NOT_FOUND", "Nobody of that id was ever seen here."));
  if (isErased(state)) return E.right([]);
  const stamp = stamping(context, 0);
  const present = [...state.devices].filter(([, { situation }]) => situation === "registered");
  return E.right([
    ...present.map(([deviceId]): UserEvent => ({ type: "DeviceRemoved", ...stamp(), deviceId })),
    { type: "UserErased", ...stamp(), reason },
  ]);
};

/**
 * Registers the device, if its token may come in. A removal that was stamped by a clock that was far ahead is written
 * again with the time of now, though the device be refused: no token that is issued before that time would ever pass.
 */
const decideRegister = (state: User, command: With<RegisterDevice>): Decision => {
  const { by, now } = command.context;
  const stamp = stamping(command.context, 0);
  const ahead = removedAhead(state, by.deviceId, now);
  const events: UserEvent[] = ahead.map((deviceId) => ({ type: "DeviceRemoved", ...stamp(), deviceId }));
  const found = state.situation === "registered" ? state.devices.get(by.deviceId) : undefined;
  const isCorrected = ahead.includes(by.deviceId);
  const removedAt = isCorrected ? now : found?.removedAt;
  if (removedAt !== undefined && !isIssuedAfter(command.tokenIssuedAt, removedAt))
    return events.length > 0 ? E.right(events) : E.left(deviceRemoved);
  const known = isCorrected ? undefined : found;
  const deviceType = command.deviceType ?? found?.deviceType ?? "web";
  const isKnown = known?.situation === "registered" && known.deviceType === deviceType;
  if (isKnown && !isAhead(known.seenAt, now) && now - known.seenAt < seenAgainAfterMs) return E.right(events);
  if (state.situation === "unseen")
    events.push({ type: "UserRegistered", ...stamp(), userId: by.userId, home: command.home });
  if (known?.situation !== "registered")
    for (const deviceId of givingWay(state, command)) events.push({ type: "DeviceRemoved", ...stamp(), deviceId });
  events.push({ type: "DeviceRegistered", ...stamp(), deviceId: by.deviceId, deviceType });
  return E.right(events);
};

const isAhead = (at: number, now: number): boolean => at > now + limits.clockAheadMsMax;

/** Those whose removal is said to lie ahead; of those that have come back since, the one that asks alone. */
const removedAhead = (state: User, asking: DeviceId, now: number): readonly DeviceId[] =>
  state.situation === "unseen"
    ? []
    : [...state.devices].flatMap(([deviceId, { situation, removedAt }]) =>
        removedAt !== undefined && isAhead(removedAt, now) && (situation === "removed" || deviceId === asking)
          ? [deviceId]
          : [],
      );

/** The longest unseen, so that one more finds room. What is said to lie ahead is now. */
const givingWay = (state: User, { devicesMax, lastUses, context }: With<RegisterDevice>): readonly DeviceId[] => {
  if (state.situation === "unseen") return [];
  const present = [...state.devices].flatMap(([deviceId, device]) =>
    device.situation === "registered"
      ? [{ deviceId, usedAt: Math.min(context.now, Math.max(device.seenAt, lastUses?.get(deviceId) ?? 0)), ...device }]
      : [],
  );
  const surplus = present.length + 1 - devicesMax;
  return surplus <= 0
    ? []
    : present
        .sort((a, b) => a.usedAt - b.usedAt || a.seenAt - b.seenAt)
        .slice(0, surplus)
        .map(({ deviceId }) => deviceId);
};

const decideRemove = (state: User, { deviceId, context }: With<RemoveDevice>): Decision => {
  const device = state.situation === "registered" ? state.devices.get(deviceId) : undefined;
  if (device === undefined) return E.left(reject("NOT_FOUND", "You have no such device."));
  if (device.situation === "removed") return E.right([]);
  // By a clock that is behind it would lie before the tokens that the device has.
  const seenAt = isAhead(device.seenAt, context.now) ? 0 : device.seenAt;
  return E.right([{ type: "DeviceRemoved", ...stamping(context, seenAt)(), deviceId }]);
};

const decideProfile = (state: User, { displayName, privacy, context }: With<ChangeProfile>): Decision => {
  const before = state.situation === "registered" ? state : registered;
  const wanted = { ...before.privacy, ...privacy };
  const samePrivacy =
    wanted.lastSeen === before.privacy.lastSeen && wanted.readReceipts === before.privacy.readReceipts;
  const changes = {
    ...(displayName === undefined || isSame(displayName, before.displayName) ? {} : { displayName }),
    ...(samePrivacy ? {} : { privacy: wanted }),
  };
  if (Object.keys(changes).length === 0) return E.right([]);
  return E.right([{ type: "ProfileChanged", ...stamping(context, 0)(), changes }]);
};

const isSame = (wanted: SealedText | null, known: SealedText | undefined): boolean =>
  wanted === null || known === undefined ? wanted === null && known === undefined : sameText(wanted, known);

const decidePreferences = (state: User, command: With<ChangePreferences>): Decision => {
  const before = preferencesOf(state, command.conversationId);
  const { pinned, archived, mutedUntil } = command.changes;
  const changes: PreferencesChanged["changes"] = {
    ...(pinned === undefined || pinned === before.pinned ? {} : { pinned }),
    ...(archived === undefined || archived === before.archived ? {} : { archived }),
    ...(mutedUntil === undefined || mutedUntil === before.mutedUntil ? {} : { mutedUntil }),
  };
  if (Object.keys(changes).length === 0) return E.right([]);
  const { conversationId, context } = command;
  return E.right([{ type: "PreferencesChanged", ...stamping(context, 0)(), conversationId, changes }]);
};

import type { ByOperator } from "../kernel/by.js";
import type { CommandContext } from "../kernel/decider.js";
import type { ConversationId, DeviceId } from "../kernel/ids.js";
import type { SealedText } from "../kernel/sealed.js";
import { defaultPrivacy, type DeviceType, type Privacy, type UserEvent } from "./user.events.js";

// --- state ---------------------------------------------------------------------------------------------------------

export type Device =
  | {
      readonly situation: "registered";
      readonly deviceType: DeviceType;
      readonly seenAt: number;
      /** It was removed before: older tokens stay refused. */
      readonly removedAt?: number;
    }
  | { readonly situation: "removed"; readonly deviceType: DeviceType; readonly removedAt: number };

/** What a member has set for a conversation. */
export type Preferences = {
  readonly pinned: number | null;
  readonly archived: boolean;
  readonly mutedUntil: number | null;
};

export type Registered = {
  readonly situation: "registered";
  readonly displayName: SealedText | undefined;
  readonly privacy: Privacy;
  readonly devices: ReadonlyMap<DeviceId, Device>;
  readonly preferences: ReadonlyMap<ConversationId, Preferences>;
  /** From then on nobody comes in as this user any more. */
  readonly erasedAt?: number;
};

/** A user is made by the first token that is seen; others may write to the id before. */
export type User = { readonly situation: "unseen" } | Registered;

export const defaultPreferences: Preferences = { pinned: null, archived: false, mutedUntil: null };
export const preferencesOf = (user: User, conversationId: ConversationId): Preferences =>
  (user.situation === "registered" ? user.preferences.get(conversationId) : undefined) ?? defaultPreferences;
export const isErased = (user: User): boolean => user.situation === "registered" && user.erasedAt !== undefined;
export const privacyOf = (user: User): Privacy => (user.situation === "registered" ? user.privacy : defaultPrivacy);

// --- commands ------------------------------------------------------------------------------------------------------

export type RegisterDevice = {
  readonly type: "RegisterDevice";
  readonly home: string;
  /** Unknown where the caller cannot know it: a known device keeps its type, a new one is "web". */
  readonly deviceType?: DeviceType;
  /** `iat` of the token, Unix milliseconds. */
  readonly tokenIssuedAt?: number;
  readonly devicesMax: number;
  /** When the user's devices were last used, as far as it is known beside the log; now for one that is connected. */
  readonly lastUses?: ReadonlyMap<DeviceId, number>;
};
export type RemoveDevice = { readonly type: "RemoveDevice"; readonly deviceId: DeviceId };
export type ChangeProfile = {
  readonly type: "ChangeProfile";
  /** Null takes it away. */
  readonly displayName?: SealedText | null;
  readonly privacy?: Partial<Privacy>;
};
/** The maker of the command has checked that the user is a member. */
export type ChangePreferences = {
  readonly type: "ChangePreferences";
  readonly conversationId: ConversationId;
  readonly changes: Partial<Preferences>;
};
/** An operator's. The maker of the command has checked that nothing holds the user. */
export type EraseUser = {
  readonly type: "EraseUser";
  readonly reason: string;
  readonly context: CommandContext<ByOperator>;
};
export type UserCommand =
  | ((RegisterDevice | RemoveDevice | ChangeProfile | ChangePreferences) & { readonly context: CommandContext })
  | EraseUser;

// --- evolve --------------------------------------------------------------------------------------------------------

export const registered: Registered = {
  situation: "registered",
  displayName: undefined,
  privacy: defaultPrivacy,
  devices: new Map(),
  preferences: new Map(),
};

export const evolve = (before: User, event: UserEvent): User => {
  const state = before.situation === "unseen" ? registered : before;
  switch (event.type) {
    case "UserRegistered":
      return state;
    case "DeviceRegistered": {
      const removedAt = state.devices.get(event.deviceId)?.removedAt;
      const seen = { situation: "registered" as const, deviceType: event.deviceType, seenAt: event.at };
      const device = removedAt === undefined ? seen : { ...seen, removedAt };
      return { ...state, devices: new Map(state.devices).set(event.deviceId, device) };
    }
    case "DeviceRemoved": {
      const deviceType = state.devices.get(event.deviceId)?.deviceType ?? "web";
      const device = { situation: "removed" as const, deviceType, removedAt: event.at };
      return { ...state, devices: new Map(state.devices).set(event.deviceId, device) };
    }
    case "ProfileChanged":
      return profileChanged(state, event.changes);
    case "UserErased":
      return { ...state, displayName: undefined, erasedAt: event.at };
    case "PreferencesChanged": {
      const preferences = { ...preferencesOf(state, event.conversationId), ...event.changes };
      return { ...state, preferences: new Map(state.preferences).set(event.conversationId, preferences) };
    }
  }
};

type Changes = Extract<UserEvent, { type: "ProfileChanged" }>["changes"];
const profileChanged = (state: Registered, { displayName, privacy = state.privacy }: Changes) =>
  displayName === undefined ? { ...state, privacy } : { ...state, privacy, displayName: displayName ?? undefined };

// --- devices --------------------------------------------------------------------------------------------------------

/** `iat` has whole seconds: a token issued in the second of the removal is not after it. */
export const isIssuedAfter = (issuedAt: number | undefined, removedAt: number): boolean =>
  issuedAt !== undefined && issuedAt > removedAt;

/** Whether a device that came in with a token issued then may stay: it has not been removed since. */
export const isStillIn = (state: User, deviceId: DeviceId, tokenIssuedAt: number | undefined): boolean => {
  if (isErased(state)) return false;
  const device = state.situation === "registered" ? state.devices.get(deviceId) : undefined;
  if (device?.removedAt === undefined) return true;
  return device.situation === "registered" && isIssuedAfter(tokenIssuedAt, device.removedAt);
};

/** When the log last saw a device of the user; 0 for one that is not registered. */
export const seenAtOf = (state: User, deviceId: DeviceId): number => {
  const device = state.situation === "registered" ? state.devices.get(deviceId) : undefined;
  return device?.situation === "registered" ? device.seenAt : 0;
};

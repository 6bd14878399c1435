import { t } from "../kernel/fp.js";
import type { EventContext } from "../kernel/decider.js";
import { sealedTextCodec, unsealed } from "../kernel/sealed.js";

/** Stored formats of `user-{id}`. */

export const deviceTypeCodec = t.keyof({ mobile: null, web: null, desktop: null });
export type DeviceType = t.TypeOf<typeof deviceTypeCodec>;

export const userRegisteredCodec = t.type({ userId: t.string, home: t.string });
/** Also written when a known device comes back as another type: the last one counts. */
export const deviceRegisteredCodec = t.type({ deviceId: t.string, deviceType: deviceTypeCodec });

/** No token of the device that was issued before this lets a client in any more. */
export const deviceRemovedCodec = t.type({ deviceId: t.string });
export const privacyCodec = t.type({ lastSeen: t.keyof({ contacts: null, nobody: null }), readReceipts: t.boolean });
export type Privacy = t.TypeOf<typeof privacyCodec>;
export const defaultPrivacy: Privacy = { lastSeen: "contacts", readReceipts: true };
/** Before a display name could be taken away. */
export const profileChangedCodec1 = t.type({ changes: t.partial({ displayName: t.string, privacy: privacyCodec }) });
const profileChangedWith = <C extends t.Mixed>(text: C) =>
  t.type({ changes: t.partial({ displayName: t.union([text, t.null]), privacy: privacyCodec }) });
/** Before display names were sealed. */
export const profileChangedCodec2 = profileChangedWith(t.string);
/**
 * Only what was changed; `displayName` null: it was taken away, else under the user's profile key, which only erasure
 * destroys; `privacy` is complete where it is there.
 */
export const profileChangedCodec = profileChangedWith(sealedTextCodec);

/** Display names of before stand in the log as they were written; nothing is sealed when they are read. */
export const upcastDisplayName = ({ changes }: t.TypeOf<typeof profileChangedCodec2>) => {
  const { displayName } = changes;
  return { changes: typeof displayName === "string" ? { ...changes, displayName: unsealed(displayName) } : changes };
};
/** Only what was changed. `pinned`: a rank, 1 on top; `mutedUntil`: Unix milliseconds. */
export const preferencesChangedCodec = t.type({
  conversationId: t.string,
  changes: t.partial({
    pinned: t.union([t.number, t.null]),
    archived: t.boolean,
    mutedUntil: t.union([t.number, t.null]),
  }),
});

/**
 * The last event of its stream: the user's keys are destroyed once the log has it, and nothing of theirs is taken any more.
 * `reason`: the operator's own words.
 */
export const userErasedCodec = t.type({ reason: t.string });

export type UserRegistered = { readonly type: "UserRegistered" } & EventContext &
  Readonly<t.TypeOf<typeof userRegisteredCodec>>;
export type DeviceRegistered = { readonly type: "DeviceRegistered" } & EventContext &
  Readonly<t.TypeOf<typeof deviceRegisteredCodec>>;
export type DeviceRemoved = { readonly type: "DeviceRemoved" } & EventContext &
  Readonly<t.TypeOf<typeof deviceRemovedCodec>>;
export type ProfileChanged = { readonly type: "ProfileChanged" } & EventContext &
  Readonly<t.TypeOf<typeof profileChangedCodec>>;
export type PreferencesChanged = { readonly type: "PreferencesChanged" } & EventContext &
  Readonly<t.TypeOf<typeof preferencesChangedCodec>>;
export type UserErased = { readonly type: "UserErased" } & EventContext & Readonly<t.TypeOf<typeof userErasedCodec>>;
export type UserEvent =
  UserRegistered | DeviceRegistered | DeviceRemoved | ProfileChanged | PreferencesChanged | UserErased;

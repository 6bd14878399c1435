import { t } from "../kernel/fp.js";
import type { EventContext } from "../kernel/decider.js";

/** Stored formats of `user-{id}`. */

export const deviceTypeCodec = t.keyof({ mobile: null, web: null, desktop: null });
export type DeviceType = t.TypeOf<typeof deviceTypeCodec>;

export const userRegisteredCodec = t.type({ userId: t.string, home: t.string });
/** Also written when a known device comes back as another type: the last one counts. */
export const deviceRegisteredCodec = t.type({ deviceId: t.string, deviceType: deviceTypeCodec });

export type UserRegistered = { readonly type: "UserRegistered" } & EventContext &
  Readonly<t.TypeOf<typeof userRegisteredCodec>>;
export type DeviceRegistered = { readonly type: "DeviceRegistered" } & EventContext &
  Readonly<t.TypeOf<typeof deviceRegisteredCodec>>;
export type UserEvent = UserRegistered | DeviceRegistered;

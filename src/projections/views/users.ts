import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert } from "../view-change.js";
import type { Projection } from "./projection.js";
import { sealedValue } from "./sealed-value.js";

/** Users who were ever seen. */
export const users: Projection<"users"> = {
  UserRegistered: ({ userId, home, at }) => [insert("users", [userId], { home, registeredAt: at })],
  ProfileChanged: ({ changes: { displayName, privacy } }, place) => {
    const name = displayName && sealedValue(displayName);
    const fields = { ...(name === undefined ? {} : { displayName: name }), ...privacy };
    return [assign("users", [streamId(place.stream)], fields, place.revision)];
  },
  UserErased: ({ at }, place) => [
    assign(
      "users",
      [streamId(place.stream)],
      { displayName: null, erasedAt: at, erasedPosition: place.position },
      place.revision,
    ),
  ],
};

/** Their devices, as last registered. */
export const devices: Projection<"devices"> = {
  DeviceRegistered: ({ deviceId, deviceType, at }, place) => {
    const fields = { deviceType, registeredAt: at };
    return [assign("devices", [streamId(place.stream), deviceId], fields, place.revision)];
  },
  DeviceRemoved: ({ deviceId }, place) => {
    const fields = { deviceType: null, registeredAt: null };
    return [assign("devices", [streamId(place.stream), deviceId], fields, place.revision)];
  },
};

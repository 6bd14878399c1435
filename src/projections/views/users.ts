import { streamId } from "../../domain/kernel/stream.js";
import { assign, insert } from "../view-change.js";
import { nothing, type Projection } from "./projection.js";
import { sealedValue } from "./sealed-value.js";

/** Users who were ever seen. */
export const users: Projection = (event, place) => {
  switch (event.type) {
    case "UserRegistered":
      return [insert("users", [event.userId], { home: event.home, registeredAt: event.at })];
    case "ProfileChanged": {
      const { displayName, privacy } = event.changes;
      const name = displayName && sealedValue(displayName);
      const fields = { ...(name === undefined ? {} : { displayName: name }), ...privacy };
      return [assign("users", [streamId(place.stream)], fields, place.revision)];
    }
    case "DeviceRegistered":
    case "DeviceRemoved":
    case "PreferencesChanged":
    case "ConversationStarted":
    case "MemberJoined":
    case "MemberLeft":
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "MessageSent":
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved":
    case "ReceiptsAdvanced":
    case "LogStarted":
      return nothing;
  }
};

/** Their devices, as last registered. */
export const devices: Projection = (event, place) => {
  switch (event.type) {
    case "DeviceRegistered": {
      const fields = { deviceType: event.deviceType, registeredAt: event.at };
      return [assign("devices", [streamId(place.stream), event.deviceId], fields, place.revision)];
    }
    case "DeviceRemoved": {
      const fields = { deviceType: null, registeredAt: null };
      return [assign("devices", [streamId(place.stream), event.deviceId], fields, place.revision)];
    }
    case "UserRegistered":
    case "ProfileChanged":
    case "PreferencesChanged":
    case "ConversationStarted":
    case "MemberJoined":
    case "MemberLeft":
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "MessageSent":
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved":
    case "ReceiptsAdvanced":
    case "LogStarted":
      return nothing;
  }
};

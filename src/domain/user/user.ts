import type { CommandContext, Decider } from "../kernel/decider.js";
import { E } from "../kernel/fp.js";
import { uuidv5, type DeviceId } from "../kernel/ids.js";
import type { DeviceType, UserEvent } from "./user.events.js";

/** A user is made by the first token that is seen; others may write to the id before. */
export type User =
  | { readonly situation: "unseen" }
  | { readonly situation: "registered"; readonly devices: ReadonlyMap<DeviceId, DeviceType> };

export type RegisterDevice = {
  readonly type: "RegisterDevice";
  readonly home: string;
  /** Unknown where the caller cannot know it: a known device keeps its type, a new one is "web". */
  readonly deviceType?: DeviceType;
  readonly context: CommandContext;
};

export const user: Decider<RegisterDevice, User, UserEvent> = {
  initial: () => ({ situation: "unseen" }),

  evolve: (state, event) => {
    const devices = state.situation === "unseen" ? new Map<DeviceId, DeviceType>() : state.devices;
    switch (event.type) {
      case "UserRegistered":
        return { situation: "registered", devices };
      case "DeviceRegistered":
        return { situation: "registered", devices: new Map(devices).set(event.deviceId, event.deviceType) };
    }
  },

  decide: (state, command) => {
    const { by, now, commandId } = command.context;
    const stamp = (index: number) => ({ id: uuidv5("event", commandId, String(index)), at: now, by });
    const known = state.situation === "registered" ? state.devices.get(by.deviceId) : undefined;
    const deviceType = command.deviceType ?? known ?? "web";
    const device: UserEvent = {
      type: "DeviceRegistered",
      ...stamp(1),
      deviceId: by.deviceId,
      deviceType,
    };
    if (state.situation === "unseen")
      return E.right([{ type: "UserRegistered", ...stamp(0), userId: by.userId, home: command.home }, device]);
    return E.right(known === deviceType ? [] : [device]);
  },
};

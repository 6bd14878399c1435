import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeUserEvent } from "../../../src/domain/catalogue.js";
import type { CommandContext } from "../../../src/domain/kernel/decider.js";
import { E } from "../../../src/domain/kernel/fp.js";
import { limits } from "../../../src/domain/kernel/limits.js";
import { firstRevision, streamOf } from "../../../src/domain/kernel/stream.js";
import { createDeviceAccess } from "../../../src/gateway/access/device-access.js";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import { createDeviceUses } from "../../../src/gateway/access/device-uses.js";
import { commandsOn, openLogKit, type LogKit } from "../../kit/log.js";
import { createApp } from "../session/dispatch-kit.js";

const hour = 60 * 60_000;
const day = 24 * hour;

let kit: LogKit;
beforeEach(async () => {
  kit = await openLogKit();
});
afterEach(() => kit.dispose());

/** A gateway's devices over the real log; time is the test's. */
const start = () => {
  const commands = commandsOn(kit);
  const uses = createDeviceUses(100);
  let now = 1_000_000_000_000;
  let registrations = 0;
  const app = {
    ...createApp().app,
    commands: {
      ...commands,
      registerDevice: (...args: Parameters<typeof commands.registerDevice>) => {
        registrations++;
        return commands.registerDevice(...args);
      },
    },
    lastUses: uses.of,
    used: (device: { readonly userId: string; readonly deviceId: string }) => {
      uses.used(device, now);
    },
  };
  const devices = createDeviceAccess(app, () => undefined);
  const by = (deviceId: string): CommandContext => {
    const commandId = randomUUID();
    return { commandId, correlationId: commandId, now, by: { kind: "user", userId: "alice", deviceId } };
  };
  return {
    ...{ app, devices, uses, by },
    now: () => now,
    pass: (ms: number) => (now += ms),
    registrations: () => registrations,
    call: async (deviceId: string, tokenIssuedAt = now) => {
      const answer = await devices.deviceCalled({ tokenIssuedAt }, by(deviceId));
      return E.isLeft(answer) ? answer.left.code : "ok";
    },
    remove: async (deviceId: string) => {
      await commands.removeDevice({ deviceId }, by("phone"));
      devices.deviceRemoved("alice", deviceId);
    },
    written: async (deviceId: string) =>
      (await kit.log.readStream(streamOf.user("alice"), firstRevision, 1_000))
        .map(decodeUserEvent)
        .flatMap((event) =>
          (event.type === "DeviceRegistered" || event.type === "DeviceRemoved") && event.deviceId === deviceId
            ? [event.type]
            : [],
        ),
  };
};

describe("a token", () => {
  it("of before a removal is refused for ever, however often the device that is back has called", async () => {
    const { call, remove, now, pass } = start();
    await call("phone");
    const old = now();
    expect(await call("tablet", old)).toBe("ok");
    pass(5_000);
    await remove("tablet");
    expect(await call("tablet", old)).toBe("UNAUTHORIZED");
    pass(5_000);
    const newer = now();
    expect(await call("tablet", newer)).toBe("ok");
    for (let again = 0; again < 3; again++) {
      expect(await call("tablet", old)).toBe("UNAUTHORIZED");
      expect(await call("tablet", newer)).toBe("ok");
      expect(await call("tablet", newer + 1_000)).toBe("ok");
    }
  });

  it("that is no older than one that was let in costs no look-up; an older one costs one", async () => {
    const { call, now, registrations } = start();
    const issuedAt = now();
    for (const at of [issuedAt, issuedAt, issuedAt + 1_000, issuedAt + 2_000]) await call("phone", at);
    expect(registrations()).toBe(1);
    for (const at of [issuedAt - 1_000, issuedAt - 1_000, issuedAt]) await call("phone", at);
    expect(registrations()).toBe(2);
  });
});

describe("the log", () => {
  it("has the use of a device once a day, by REST and by a socket that stays open", async () => {
    const { call, by, devices, pass, written, now } = start();
    await call("phone");
    const issuedAt = now();
    await devices.deviceConnected({ deviceType: "web", tokenIssuedAt: issuedAt }, by("tablet"));
    for (let passed = 0; passed < 3 * day - hour; passed += hour) {
      pass(hour);
      expect(await call("phone", issuedAt)).toBe("ok");
      await devices.deviceInUse({ deviceType: "web", tokenIssuedAt: issuedAt }, by("tablet"));
    }
    for (const deviceId of ["phone", "tablet"])
      expect(await written(deviceId)).toEqual(["DeviceRegistered", "DeviceRegistered", "DeviceRegistered"]);
  });

  it("has it also of a socket whose device this gateway has forgotten, since removals may have been missed", async () => {
    const { by, devices, pass, written, now } = start();
    const device = { deviceType: "web", tokenIssuedAt: now() } as const;
    await devices.deviceConnected(device, by("tablet"));
    devices.removalsMissed();
    for (let passed = 0; passed < 3 * day - hour; passed += hour) {
      pass(hour);
      await devices.deviceInUse(device, by("tablet"));
    }
    expect(await written("tablet")).toEqual(["DeviceRegistered", "DeviceRegistered", "DeviceRegistered"]);
  });

  it("is told nothing by the socket of a device that was removed", async () => {
    const { call, by, devices, pass, written, remove, now } = start();
    await call("phone");
    const device = { deviceType: "web", tokenIssuedAt: now() } as const;
    await devices.deviceConnected(device, by("tablet"));
    pass(2 * day);
    await remove("tablet");
    expect(E.isLeft(await devices.deviceInUse(device, by("tablet")))).toBe(true);
    expect(await written("tablet")).toEqual(["DeviceRegistered", "DeviceRemoved"]);
  });
});

describe("the eleventh device", () => {
  it("takes the place of the one that was used longest ago, whenever they were registered", async () => {
    const { call, by, devices, pass, written, now } = start();
    const issuedAt = now();
    const names = Array.from({ length: 10 }, (_, index) => `device-${index}`);
    for (const name of names) {
      await call(name, issuedAt);
      pass(1_000);
    }
    // Used by REST, by a socket that has ended, and not at all: within the day that the log does not look at.
    pass(2 * hour);
    for (const name of names.filter((each) => each !== "device-7" && each !== "device-3")) await call(name, issuedAt);
    await devices.deviceInUse({ deviceType: "web", tokenIssuedAt: issuedAt }, by("device-3"));
    pass(1_000);
    await call("device-10");
    for (const name of names) {
      const expected = name === "device-7" ? ["DeviceRegistered", "DeviceRemoved"] : ["DeviceRegistered"];
      expect(await written(name), name).toEqual(expected);
    }
  });
});

it("a use is told to the others so often that they know it to the hour", async () => {
  const { call, uses, pass, now } = start();
  const issuedAt = now();
  for (let passed = 0; passed < 5 * hour; passed += 60_000) {
    await call("phone", issuedAt);
    expect(now() - (uses.of("alice").get("phone") ?? 0)).toBeLessThanOrEqual(bounds.usesMs);
    pass(60_000);
  }
});

it("last uses are bounded by users and by devices of one, the longest unused forgotten first", () => {
  const uses = createDeviceUses(2);
  for (let index = 0; index < 100; index++) uses.used({ userId: "alice", deviceId: `d${index}` }, index);
  expect([...uses.of("alice").keys()]).toEqual(Array.from({ length: limits.deviceUsesMax }, (_, i) => `d${i + 68}`));
  uses.used({ userId: "bob", deviceId: "d" }, 1);
  uses.used({ userId: "alice", deviceId: "d0" }, 1);
  uses.used({ userId: "carol", deviceId: "d" }, 1);
  expect([uses.of("alice").size, uses.of("bob").size, uses.of("carol").size]).toEqual([limits.deviceUsesMax, 0, 1]);
});

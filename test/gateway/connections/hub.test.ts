import fc from "fast-check";
import { expect, it } from "vitest";
import { createHub, type HubConnection } from "../../../src/gateway/connections/hub.js";
import { createLocalBus } from "../../../src/infra/bus/local.js";
import { withSeed } from "../../kit/seed.js";

const connect = (userId: string, deviceId: string): HubConnection & { received: string[] } => {
  const received: string[] = [];
  return {
    connectionId: `${userId}/${deviceId}`,
    actor: { userId, deviceId },
    deviceType: "web",
    send: (frame) => void received.push(frame.toString()),
    close: () => undefined,
    received,
  };
};

it("delivers to every device but the one excepted, in order, through the bus", async () => {
  const hub = createHub();
  const bus = createLocalBus({ ...hub, disconnect: () => undefined });
  const [phone, laptop, bob] = [connect("alice", "phone"), connect("alice", "laptop"), connect("bob", "phone")];
  for (const connection of [phone, laptop, bob]) hub.register(connection);
  await bus.deliver([
    { recipients: ["alice", "bob", "nobody"], frame: "1" },
    { recipients: ["alice"], frame: "2", exceptDeviceId: "phone" },
    { recipients: Array.from({ length: 50 }, (_, i) => (i === 49 ? "bob" : `u${i}`)), frame: "ü3" },
  ]);
  expect([phone.received, laptop.received, bob.received]).toEqual([["1"], ["1", "2"], ["1", "ü3"]]);
  expect([bus.connected("alice"), bus.connected("alice", "phone"), bus.connected("bob", "phone")]).toEqual([
    true,
    true,
    false,
  ]);
  expect([bus.connected("nobody"), bus.connected("bob", "laptop")]).toEqual([false, true]);
});

it("knows a device that comes back, as long as it remembers", () => {
  const hub = createHub({ remembered: 2 });
  const register = (deviceId: string) => {
    const connection = connect("alice", deviceId);
    const { reconnect } = hub.register(connection);
    hub.unregister(connection);
    return reconnect;
  };
  expect(["a", "a", "b", "c", "b", "a"].map(register)).toEqual([false, true, false, false, true, false]);
});

it("holds exactly the newest connection of each device, for any history", () => {
  const step = fc.record({
    user: fc.constantFrom("a", "b"),
    device: fc.constantFrom("1", "2", "3"),
    leaves: fc.nat({ max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const hub = createHub();
      const newest = new Map<string, HubConnection>();
      const all: HubConnection[] = [];
      for (const { user, device, leaves } of steps) {
        const connection = connect(user, device);
        const key = `${user} ${device}`;
        expect(hub.register(connection).replaced).toBe(newest.get(key));
        newest.set(key, connection);
        all.push(connection);
        const gone = leaves === 0 ? all[all.length >> 1] : undefined;
        if (gone !== undefined) {
          hub.unregister(gone);
          const goneKey = `${gone.actor.userId} ${gone.actor.deviceId}`;
          if (newest.get(goneKey) === gone) newest.delete(goneKey);
        }
        expect(new Set(hub.connections())).toEqual(new Set(newest.values()));
        expect(hub.size()).toBe(newest.size);
        for (const name of ["a", "b"]) {
          const devices = [...newest.values()].filter((each) => each.actor.userId === name);
          expect(hub.connected(name)).toBe(devices.length > 0);
          expect(hub.connected(name, "1")).toBe(devices.some((each) => each.actor.deviceId !== "1"));
        }
      }
    }),
    withSeed({ numRuns: 100 }),
  );
});

/** What every `ConnectionRegistry` promises (gateway/ports.ts), as one executable suite: each adapter's test runs it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ConnectionKey, ConnectionRegistry } from "../../src/gateway/ports.js";

/** Two gateways, "gateway-a" and "gateway-b", on one store. */
export type OpenedRegistries = {
  readonly a: ConnectionRegistry;
  readonly b: ConnectionRegistry;
  /** As if every lease had run out. */
  readonly lapse: () => Promise<void>;
  /** The store loses everything. */
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export const keyOf = (userId: string, deviceId: string, connectionId: string): ConnectionKey => ({
  userId,
  deviceId,
  connectionId,
});
const phone = keyOf("alice", "phone", "c1");
const laptop = keyOf("alice", "laptop", "c2");
const bobs = keyOf("bob", "phone", "c3");
const nothing = { lapsed: [], replaced: [] };

export const registryContract = (name: string, open: () => Promise<OpenedRegistries>): void => {
  describe(`${name} as a connection registry`, () => {
    let opened: OpenedRegistries;
    let a: ConnectionRegistry;
    let b: ConnectionRegistry;
    beforeEach(async () => {
      opened = await open();
      ({ a, b } = opened);
    });
    afterEach(() => opened.close());
    const devices = async (userId = "alice") => [...(await a.devicesOf(userId))].sort();
    const gateways = async (...userIds: string[]) =>
      Object.fromEntries([...(await b.gatewaysOf(userIds))].map(([user, those]) => [user, [...those].sort()]));

    it("knows who is connected where, seen from every gateway", async () => {
      expect(await devices()).toEqual([]);
      expect(await a.enter(phone)).toBeUndefined();
      expect(await b.enter(laptop)).toBeUndefined();
      expect(await b.enter(bobs)).toBeUndefined();
      expect(await devices()).toEqual(["laptop", "phone"]);
      expect(await gateways("alice", "bob", "carol")).toEqual({
        alice: ["gateway-a", "gateway-b"],
        bob: ["gateway-b"],
      });
      expect(await gateways()).toEqual({});
    });

    it("remembers when each device of a user was last used, whoever was told, and forgets none for a lapsed lease", async () => {
      expect(await a.lastUses("alice")).toEqual(new Map());
      await a.used({ userId: "alice", deviceId: "phone" });
      await b.used({ userId: "alice", deviceId: "laptop" });
      await b.used({ userId: "bob", deviceId: "phone" });
      const first = await b.lastUses("alice");
      expect([...first.keys()].sort()).toEqual(["laptop", "phone"]);
      for (const at of first.values()) expect(at).toBeGreaterThan(0);
      await opened.lapse();
      await a.used({ userId: "alice", deviceId: "phone" });
      const then = await a.lastUses("alice");
      expect(then.get("laptop")).toBe(first.get("laptop"));
      expect(then.get("phone")).toBeGreaterThanOrEqual(first.get("phone") ?? Infinity);
    });

    it("names a gateway once, however many devices and however often the user is asked for", async () => {
      await a.enter(phone);
      await a.enter(laptop);
      expect(await gateways("alice", "alice")).toEqual({ alice: ["gateway-a"] });
    });

    it("lets the newest connection of a device win, on the same gateway and on another", async () => {
      await a.enter(phone);
      expect(await a.enter({ ...phone, connectionId: "c4" })).toEqual({ ...phone, gatewayId: "gateway-a" });
      expect(await b.enter({ ...phone, connectionId: "c5" })).toEqual({
        ...phone,
        connectionId: "c4",
        gatewayId: "gateway-a",
      });
      expect(await gateways("alice")).toEqual({ alice: ["gateway-b"] });
      expect(await devices()).toEqual(["phone"]);
    });

    it("lets the newest win among many that enter at once: each other one is told of once", async () => {
      const ids = Array.from({ length: 50 }, (_, i) => `c${i}`);
      const replaced = await Promise.all(
        ids.map((connectionId, i) => (i % 2 === 0 ? a : b).enter({ ...phone, connectionId })),
      );
      const losers = replaced.flatMap((one) => (one === undefined ? [] : [one.connectionId]));
      expect(new Set(losers).size).toBe(49);
      expect(losers).toHaveLength(49);
      const [winner] = ids.filter((id) => !losers.includes(id));
      const renewed = await Promise.all([a, b].map((one) => one.renew([{ ...phone, connectionId: winner ?? "" }])));
      expect(renewed).toContainEqual(nothing);
    });

    it("replaces nobody by the same connection, and nobody who has lapsed", async () => {
      await a.enter(phone);
      expect(await a.enter(phone)).toBeUndefined();
      await opened.lapse();
      expect(await b.enter({ ...phone, connectionId: "c4" })).toBeUndefined();
    });

    it("forgets who leaves, but not the newer connection of the device", async () => {
      await a.enter(phone);
      await b.enter({ ...phone, connectionId: "c4" });
      await a.leave(phone);
      expect(await gateways("alice")).toEqual({ alice: ["gateway-b"] });
      await b.leave({ ...phone, connectionId: "c4" });
      await b.leave({ ...phone, connectionId: "c4" });
      expect(await gateways("alice")).toEqual({});
      expect(await devices()).toEqual([]);
    });

    it("forgets connections that are not renewed", async () => {
      await a.enter(phone);
      await opened.lapse();
      expect(await devices()).toEqual([]);
      expect(await gateways("alice")).toEqual({});
    });

    it("says at renewal who had lapsed, who was replaced, and nothing of the others", async () => {
      await a.enter(phone);
      expect(await a.renew([phone])).toEqual(nothing);
      await opened.lapse();
      await a.enter(laptop);
      await a.enter(bobs);
      await b.enter({ ...bobs, connectionId: "c4" });
      expect(await a.renew([phone, laptop, bobs])).toEqual({ lapsed: [phone], replaced: [bobs] });
      expect(await a.renew([phone, laptop])).toEqual(nothing);
      expect(await devices()).toEqual(["laptop", "phone"]);
      expect(await gateways("bob")).toEqual({ bob: ["gateway-b"] });
      expect(await a.renew([])).toEqual(nothing);
    });

    it("says that a connection had lapsed whose device was on another one meanwhile", async () => {
      await a.enter(phone);
      await b.enter({ ...phone, connectionId: "c4" });
      await b.leave({ ...phone, connectionId: "c4" });
      expect(await a.renew([phone])).toEqual({ lapsed: [phone], replaced: [] });
    });

    it("is whole again after everything was lost, by one renewal of each gateway", async () => {
      const [own, others] = [manyOf("a", 1_500), manyOf("b", 300)];
      // A connection that is renewed without ever having entered has lapsed too.
      expect((await a.renew(own)).lapsed).toHaveLength(1_500);
      expect((await b.renew(others)).lapsed).toHaveLength(300);
      expect(await a.renew(own)).toEqual(nothing);
      await opened.flush();
      expect(await gateways("user-0")).toEqual({});
      const renewed = await Promise.all([a.renew(own), b.renew(others)]);
      expect(renewed.map(({ lapsed, replaced }) => [lapsed.length, replaced.length])).toEqual([
        [1_500, 0],
        [300, 0],
      ]);
      expect(await Promise.all([a.renew(own), b.renew(others)])).toEqual([nothing, nothing]);
      const users = own.map(({ userId }) => userId);
      expect((await b.gatewaysOf(users)).size).toBe(500);
      expect(await gateways("user-0", "user-499")).toEqual({
        "user-0": ["gateway-a", "gateway-b"],
        "user-499": ["gateway-a"],
      });
    });

    it("answers questions in the order in which they were asked", async () => {
      const many = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);
      const answered: number[] = [];
      const questions = [many, ["alice"], [], many.slice(0, 700), ["bob"]];
      await Promise.all(questions.map((users, i) => a.gatewaysOf(users).then(() => answered.push(i))));
      expect(answered).toEqual([0, 1, 2, 3, 4]);
    });

    it("takes any id", async () => {
      const strange = keyOf('a/l"i\\c}e{:\n\u{1f600}', "p,[1]'é/", "c\t{x}");
      await a.enter(strange);
      expect(await a.devicesOf(strange.userId)).toEqual([strange.deviceId]);
      expect(await a.renew([strange])).toEqual(nothing);
      expect(await b.enter({ ...strange, connectionId: "c4" })).toEqual({ ...strange, gatewayId: "gateway-a" });
      await b.leave({ ...strange, connectionId: "c4" });
      expect(await a.devicesOf(strange.userId)).toEqual([]);
    });
  });
};

/** Three devices a user. */
const manyOf = (gateway: string, count: number): readonly ConnectionKey[] =>
  Array.from({ length: count }, (_, i) =>
    keyOf(`user-${Math.floor(i / 3)}`, `${gateway}-device-${i % 3}`, `${gateway}-connection-${i}`),
  );

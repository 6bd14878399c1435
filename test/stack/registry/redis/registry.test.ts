import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../../../src/domain/kernel/limits.js";
import type { ConnectionRegistry } from "../../../../src/gateway/ports.js";
import type { OpenedRedis } from "../../../../src/infra/engines/redis.js";
import { createMemoryRegistry, type SharedLeases } from "../../../../src/infra/registry/memory.js";
import { createRedisRegistry } from "../../../../src/infra/registry/redis/registry.js";
import { createSweeper, type ExpiredConnection } from "../../../../src/infra/registry/redis/sweeper.js";
import { keyOf, registryContract } from "../../../contract/registry.contract.js";
import { withSeed } from "../../../kit/seed.js";
import { connectPatiently, expireAll, keysOf, newPrefix, redisUrl, until } from "../../engines/redis-kit.js";

const url = redisUrl ?? "";

describe.skipIf(redisUrl === undefined)("connections in Redis", () => {
  let opened: OpenedRedis;
  beforeAll(async () => {
    opened = await connectPatiently(url);
  });
  afterAll(() => {
    opened.close();
  });
  const registryOf = (prefix: string, gatewayId: string, leaseMs = 30_000) =>
    createRedisRegistry({ redis: opened.redis, prefix, gatewayId, leaseMs });
  const forget = async (prefix: string) => {
    const keys = await keysOf(opened.redis, prefix);
    if (keys.length > 0) await opened.redis.del(...keys);
  };

  registryContract("Redis", async () => {
    const prefix = newPrefix();
    const other = await connectPatiently(url);
    return {
      a: registryOf(prefix, "gateway-a"),
      b: createRedisRegistry({ redis: other.redis, prefix, gatewayId: "gateway-b" }),
      lapse: () => expireAll(opened.redis, prefix),
      flush: () => forget(prefix),
      close: async () => {
        await forget(prefix);
        other.close();
      },
    };
  });

  it("remembers the newest uses of each user, however many devices come and are removed", async () => {
    const prefix = newPrefix();
    const registry = registryOf(prefix, "gateway-a");
    const names = Array.from({ length: limits.deviceUsesMax + 8 }, (_, index) => `device-${100 + index}`);
    for (const deviceId of names) await registry.used({ userId: "alice", deviceId });
    expect([...(await registry.lastUses("alice")).keys()]).toEqual(names.slice(8));
    await forget(prefix);
  });

  it("answers as the memory does, whatever happens", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 30 }), async (history) => {
        const [prefix, leaseMs] = [newPrefix(), 30_000];
        let time = 0;
        const shared: SharedLeases = new Map();
        const memory = (gatewayId: string) => createMemoryRegistry({ gatewayId, shared, leaseMs, now: () => time });
        const pairs = ["gateway-a", "gateway-b"].map((id) => [registryOf(prefix, id), memory(id)] as const);
        for (const step of history) {
          if (step.kind === "lapse") {
            time += leaseMs;
            await expireAll(opened.redis, prefix);
            continue;
          }
          for (const [redis, reference] of pairs.slice(step.gateway, step.gateway + 1))
            expect(await perform(redis, step)).toEqual(await perform(reference, step));
        }
        await forget(prefix);
      }),
      withSeed({ numRuns: 60 }),
    );
  });

  it("forgets by Redis' clock, without anybody's help, and leaves no user behind", async () => {
    const prefix = newPrefix();
    const registry = registryOf(prefix, "gateway-a", 50);
    await registry.enter(keyOf("alice", "phone", "c1"));
    await until(async () => (await registry.devicesOf("alice")).length === 0);
    await until(async () => !(await keysOf(opened.redis, prefix)).some((key) => key.includes("alice")));
    await forget(prefix);
  });

  it("goes on when the server has forgotten the scripts", async () => {
    const prefix = newPrefix();
    const registry = registryOf(prefix, "gateway-a");
    await registry.enter(keyOf("alice", "phone", "c1"));
    await opened.redis.script("FLUSH");
    const answers = await Promise.all([registry.devicesOf("alice"), registry.devicesOf("alice")]);
    expect(answers).toEqual([["phone"], ["phone"]]);
    expect(await registry.renew([keyOf("alice", "phone", "c1")])).toEqual({ lapsed: [], replaced: [] });
    await forget(prefix);
  });

  describe("the sweeper", () => {
    const problems: Error[] = [];
    const sweeperOf = (prefix: string, swept: ExpiredConnection[]) =>
      createSweeper({
        redis: opened.redis,
        prefix,
        everyMs: 20,
        onExpired: (count, connections) => {
          expect(connections).toHaveLength(count);
          swept.push(...connections);
        },
        onProblem: (error) => problems.push(error),
      });

    it("counts each lapsed connection once, however many sweep, and no other", async () => {
      const prefix = newPrefix();
      const registry = registryOf(prefix, "gateway-a");
      const lost = Array.from({ length: 3_000 }, (_, i) => keyOf(`user-${i % 40}`, `device-${i}`, `c${i}`));
      await registry.renew(lost);
      await expireAll(opened.redis, prefix);
      const kept = [keyOf("user-0", "phone", "kept"), keyOf("user-1", "phone", "left"), keyOf("user-2", "p", "old")];
      await registry.renew(kept);
      await registry.leave(keyOf("user-1", "phone", "left"));
      await registry.enter(keyOf("user-2", "p", "new"));
      const swept: ExpiredConnection[] = [];
      const sweepers = [sweeperOf(prefix, swept), sweeperOf(prefix, swept)];
      await until(() => swept.length >= lost.length);
      await Promise.all(sweepers.map((sweeper) => sweeper.stop()));
      const expected = lost.map((connection) => ({ ...connection, gatewayId: "gateway-a" }));
      const byId = (one: ExpiredConnection, other: ExpiredConnection) =>
        one.connectionId < other.connectionId ? -1 : 1;
      expect(swept.sort(byId)).toEqual(expected.sort(byId));
      expect(await registry.devicesOf("user-0")).toEqual(["phone"]);
      expect(problems).toEqual([]);
      await forget(prefix);
    });

    it("tells again of a connection that came back and lapsed again", async () => {
      const prefix = newPrefix();
      const registry = registryOf(prefix, "gateway-a");
      const swept: ExpiredConnection[] = [];
      const sweeper = sweeperOf(prefix, swept);
      for (const times of [1, 2]) {
        await registry.renew([keyOf("alice", "phone", "c1")]);
        await expireAll(opened.redis, prefix);
        await until(() => swept.length === times);
      }
      await sweeper.stop();
      await forget(prefix);
    });
  });
});

type Step =
  | { readonly kind: "lapse" }
  | {
      readonly kind: "enter" | "leave" | "renew" | "find";
      readonly gateway: number;
      readonly userId: string;
      readonly deviceId: string;
      readonly connectionId: string;
    };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lapse" as const) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom("enter", "leave", "renew", "find"),
      gateway: fc.nat(1),
      userId: fc.constantFrom("alice", "bob"),
      deviceId: fc.constantFrom("phone", "laptop"),
      connectionId: fc.constantFrom("c1", "c2", "c3"),
    }),
  },
);

const perform = async (registry: ConnectionRegistry, step: Exclude<Step, { kind: "lapse" }>): Promise<unknown> => {
  const { userId, deviceId } = step;
  // A connection is one gateway's for ever.
  const connectionId = `${userId}-${deviceId}-${step.connectionId}-${step.gateway}`;
  const connection = { userId, deviceId, connectionId };
  switch (step.kind) {
    case "enter":
      return registry.enter(connection);
    case "leave":
      return registry.leave(connection);
    case "renew":
      return registry.renew([connection]);
    case "find": {
      const gateways = [...(await registry.gatewaysOf(["alice", "bob"]))];
      return [
        [...(await registry.devicesOf(userId))].sort(),
        gateways.map(([user, those]) => [user, [...those].sort()]),
      ];
    }
  }
};

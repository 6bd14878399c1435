import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PartitionLeases } from "../../src/projections/ports.js";
import { openRedis, type OpenedRedis } from "../../src/infra/redis.js";
import { startPartitionLeases } from "../../src/infra/leases/redis.js";
import { canSpawnRedis, connect, newPrefix, redisUrl, startRedis, until, type RedisServer } from "./redis-kit.js";

const partitions = 8;
const timings = { leaseMs: 1_000, everyMs: 50 };
const all = Array.from({ length: partitions }, (_, i) => i);

type Holder = { readonly leases: PartitionLeases; readonly told: (readonly number[])[]; readonly redis: OpenedRedis };

/** A holder on a connection of its own, which is how it can die. */
const startHolder = async (url: string, prefix: string, holder: string): Promise<Holder> => {
  const redis = await connect(url);
  const told: (readonly number[])[] = [];
  const leases = startPartitionLeases({
    redis: redis.redis,
    prefix,
    holder,
    partitions,
    ...timings,
    onChange: (held) => void told.push(held),
    onProblem: () => undefined,
  });
  return { leases, told, redis };
};

const sizes = (holders: readonly Holder[]): string =>
  holders
    .map(({ leases }) => leases.held().length)
    .sort()
    .join();
/** Each partition has exactly one holder. */
const areShared = (holders: readonly Holder[]): boolean =>
  holders
    .flatMap(({ leases }) => leases.held())
    .sort((one, other) => one - other)
    .join() === all.join();
const areSharedAs = (holders: readonly Holder[], expected: string) => () =>
  areShared(holders) && sizes(holders) === expected;

describe.skipIf(redisUrl === undefined)("partitions shared through Redis", () => {
  const url = redisUrl ?? "";
  let prefix: string;
  let holders: Holder[];
  const start = async (name: string): Promise<Holder> => {
    const holder = await startHolder(url, prefix, name);
    holders.push(holder);
    return holder;
  };
  beforeEach(() => {
    prefix = newPrefix();
    holders = [];
  });
  afterEach(async () => {
    await Promise.all(holders.map(({ leases }) => leases.stop()));
    for (const { redis } of holders) redis.close();
  });

  it("are all one's own, half and half for two, and 3, 3, 2 for three", async () => {
    const one = await start("one");
    await until(areSharedAs([one], "8"));
    const two = await start("two");
    await until(areSharedAs([one, two], "4,4"));
    const three = await start("three");
    await until(areSharedAs([one, two, three], "2,3,3"));
    expect(one.told.map((held) => held.length).slice(0, 2)).toEqual([8, 4]);
  });

  it("are given back at once by who stops, who is told of nothing any more", async () => {
    const [one, two] = [await start("one"), await start("two")];
    await until(areSharedAs([one, two], "4,4"));
    const told = two.told.length;
    await Promise.all([two.leases.stop(), two.leases.stop()]);
    expect(two.leases.held()).toEqual([]);
    expect(await one.redis.redis.zscore(`${prefix}:projectors:{leases}:holders`, "two")).toBeNull();
    await until(areSharedAs([one], "8"));
    expect(two.told).toHaveLength(told);
  });

  it("are taken over from one that died, by those who live", async () => {
    const [one, two, three] = [await start("one"), await start("two"), await start("three")];
    await until(areSharedAs([one, two, three], "2,3,3"));
    // Without its connection it renews no more, as if it were dead.
    three.redis.close();
    await until(areSharedAs([one, two], "4,4"));
  });

  it("are shared again after Redis lost everything", async () => {
    const [one, two] = [await start("one"), await start("two")];
    await until(areSharedAs([one, two], "4,4"));
    await one.redis.redis.del(`${prefix}:projectors:{leases}:holders`, `${prefix}:projectors:{leases}:owners`);
    const owners = () => one.redis.redis.hgetall(`${prefix}:projectors:{leases}:owners`);
    await until(async () => new Set(Object.values(await owners())).size === 2);
    await until(areSharedAs([one, two], "4,4"));
  });

  it("are told one change at a time, each one new, the newest in the end, also to a slow and failing listener", async () => {
    const redis = await connect(url);
    const told: (readonly number[])[] = [];
    const problems: string[] = [];
    let [busy, busiest] = [0, 0];
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const leases = startPartitionLeases({
      redis: redis.redis,
      prefix,
      holder: "slow",
      partitions,
      ...timings,
      onChange: async (held) => {
        busiest = Math.max(busiest, ++busy);
        told.push(held);
        await opened;
        busy--;
        throw new Error("no");
      },
      onProblem: ({ message }) => problems.push(message),
    });
    await until(() => told.length === 1);
    const [two, three] = [await start("two"), await start("three")];
    await until(() => leases.held().length === 3 || leases.held().length === 2);
    const held = leases.held().length;
    expect(told).toHaveLength(1);
    open();
    await until(() => told.length > 1 && told.at(-1)?.length === held);
    await until(() => problems.length === told.length);
    expect(busiest).toBe(1);
    expect(new Set(problems)).toEqual(new Set(["no"]));
    const texts = told.map((those) => those.join());
    expect(texts.filter((text, i) => text === texts[i - 1])).toEqual([]);
    expect([two, three].every(({ leases: others }) => others.held().length > 0)).toBe(true);
    await leases.stop();
    redis.close();
  });
});

describe.skipIf(!canSpawnRedis)("partitions while Redis is away", () => {
  let server: RedisServer;
  const holders: Holder[] = [];
  beforeEach(async () => {
    server = await startRedis();
  });
  afterEach(async () => {
    await Promise.all(holders.map(({ leases }) => leases.stop()));
    for (const { redis } of holders.splice(0)) redis.close();
    await server.kill();
  });

  it.each(["killed", "hanging"])("are everybody's, and shared again when it is back (%s)", async (fault) => {
    const prefix = newPrefix();
    holders.push(await startHolder(server.url, prefix, "one"), await startHolder(server.url, prefix, "two"));
    await until(areSharedAs(holders, "4,4"));
    if (fault === "killed") await server.kill();
    else server.signal("SIGSTOP");
    await until(() => sizes(holders) === "8,8");
    if (fault === "killed") await server.restart();
    else server.signal("SIGCONT");
    await until(areSharedAs(holders, "4,4"));
    for (const { told } of holders) expect(told.some((held) => held.length === partitions)).toBe(true);
  });

  it("are held after a lease when Redis was never there, and shared when it comes", async () => {
    await server.kill();
    const redis = await openRedis({ url: server.url, onProblem: () => undefined });
    const leases = startPartitionLeases({
      redis: redis.redis,
      prefix: newPrefix(),
      holder: "one",
      partitions,
      ...timings,
      onChange: () => undefined,
      onProblem: () => undefined,
    });
    holders.push({ leases, told: [], redis });
    await until(() => leases.held().length === partitions);
    await server.restart();
    await until(async () => redis.available() && (await redis.redis.hlen(await ownersIn(redis))) === partitions);
  });
});

const ownersIn = async ({ redis }: OpenedRedis): Promise<string> => (await redis.keys("*:owners")).at(0) ?? "none";

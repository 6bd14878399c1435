import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PartitionLeases } from "../../../../src/projections/ports/leases.js";
import { openRedis, type OpenedRedis } from "../../../../src/infra/engines/redis.js";
import { startPartitionLeases } from "../../../../src/infra/leases/redis/leases.js";
import { createProjector } from "../../../../src/projections/projector.js";
import { createWriter } from "../../../kit/arbitraries.js";
import { openLogKit } from "../../../kit/log.js";
import {
  canSpawnRedis,
  connect,
  newPrefix,
  redisUrl,
  startRedis,
  until,
  type RedisServer,
} from "../../engines/redis-kit.js";
import { asPosition, noPosition } from "../../../../src/domain/kernel/stream.js";

const partitions = 8;
const timings = { leaseMs: 1_000, everyMs: 50, aloneMs: 1_000 };
/** Renewals seldom enough for reconnecting to come in between. */
const asTheProduct = { leaseMs: 2_000, everyMs: 400 };
const all = Array.from({ length: partitions }, (_, i) => i);

type Holder = {
  readonly leases: PartitionLeases;
  readonly told: (readonly number[])[];
  /** Renewals that failed. */
  readonly problems: readonly Error[];
  readonly redis: OpenedRedis;
};

/** A holder on a connection of its own, which is how it can die. */
const startHolder = async (
  url: string,
  prefix: string,
  holder: string,
  options: { readonly place?: string } & Partial<typeof timings> = {},
): Promise<Holder> => {
  const redis = await connect(url);
  const told: (readonly number[])[] = [];
  const problems: Error[] = [];
  const leases = startPartitionLeases({
    redis: redis.redis,
    prefix,
    holder,
    partitions,
    ...timings,
    ...options,
    onChange: (held) => void told.push(held),
    onProblem: (error) => void problems.push(error),
  });
  return { leases, told, problems, redis };
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
  const start = async (name: string, options?: Parameters<typeof startHolder>[3]): Promise<Holder> => {
    const holder = await startHolder(url, prefix, name, options);
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

  it("are given back at once by a projector that stops, which is told of nothing any more", async () => {
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

  it("are taken over from one that died in the time that OPERATIONS says, as the product has them", async () => {
    const holder = async (name: string): Promise<Holder> => {
      const itsOwn = { leaseMs: undefined, everyMs: undefined, aloneMs: undefined };
      const started = await startHolder(url, prefix, name, itsOwn as object);
      holders.push(started);
      return started;
    };
    const [one, two] = [await holder("one"), await holder("two")];
    await until(areSharedAs([one, two], "4,4"));
    two.redis.close();
    const diedAt = performance.now();
    await until(areSharedAs([one], "8"));
    // 2.4 s, and what a loaded machine adds.
    expect(performance.now() - diedAt).toBeLessThan(5_000);
  });

  it("are taken over at once by a projector that comes in the place of one that died, however long its lease", async () => {
    const leaseMs = 3_600_000;
    const died = await start("died", { place: "here:1", leaseMs });
    const neighbour = await start("neighbour", { place: "here:2", leaseMs });
    await until(areSharedAs([died, neighbour], "4,4"));
    died.redis.close();
    const again = await start("again", { place: "here:1", leaseMs });
    await until(areSharedAs([again, neighbour], "4,4"));
    expect(neighbour.told.map((held) => held.length)).toEqual([4]);
  });

  it("are of both of a place that live after all, in the end", async () => {
    const [one, two] = [await start("one", { place: "here:1" }), await start("two", { place: "here:1" })];
    await until(areSharedAs([one, two], "4,4"));
    const ticks = async () => (await one.redis.redis.zrange(`${prefix}:projectors:{leases}:holders`, "0", "-1")).length;
    for (let tick = 0; tick < 20; tick += 1) {
      await two.redis.redis.ping();
      expect(await ticks()).toBe(2);
    }
    expect(areSharedAs([one, two], "4,4")()).toBe(true);
  });

  it("are told again until they are taken, and a take-over that a store answers with nonsense works in the end", async () => {
    const kit = await openLogKit();
    const [dying, redis] = [await start("dying"), await connect(url)];
    let isNonsense = true;
    const problems: (string | undefined)[] = [];
    const checkpoints = memoryCheckpoints();
    const projector = createProjector({
      ...{ source: kit.log, epoch: "e", partitions, clock: Date.now },
      views: { write: () => Promise.resolve() },
      checkpoints: {
        views: {
          ...checkpoints,
          load: () => (isNonsense ? Promise.reject(new Error("code 1: InternalError")) : checkpoints.load()),
        },
        delivery: memoryCheckpoints(),
      },
      deliver: () => ({ position: () => noPosition, stop: () => undefined }),
      onProblem: (part, problem) => part === "views" && problems.push(problem?.message),
      onUnsaved: () => undefined,
      onFailure: () => undefined,
    });
    let refusals = 3;
    const leases = startPartitionLeases({
      ...{ redis: redis.redis, prefix, holder: "taking", partitions, ...timings },
      onChange: (held) => (refusals-- > 0 ? Promise.reject(new Error("not now")) : projector.hold(held)),
      onProblem: () => undefined,
    });
    holders.push({ leases, told: [], problems: [], redis });
    const { log: events, write } = createWriter();
    write("user-a", "1", { type: "UserRegistered", userId: "a", home: "main" });
    for (const { id, type, data, meta } of events) await kit.log.append("user-a", "any", [{ id, type, data, meta }]);
    dying.redis.close();
    await until(() => leases.held().length === partitions && problems.filter(Boolean).length > 3);
    expect(problems).toContain("code 1: InternalError");
    isNonsense = false;
    await until(() => problems.at(-1) === undefined && checkpoints.positions.every((position) => position > 0));
    await projector.stop();
    await kit.dispose();
  });

  it("are shared again after Redis lost everything", async () => {
    const [one, two] = [await start("one"), await start("two")];
    await until(areSharedAs([one, two], "4,4"));
    await one.redis.redis.del(`${prefix}:projectors:{leases}:holders`, `${prefix}:projectors:{leases}:owners`);
    const owners = () => one.redis.redis.hgetall(`${prefix}:projectors:{leases}:owners`);
    await until(async () => new Set(Object.values(await owners())).size === 2);
    await until(areSharedAs([one, two], "4,4"));
  });

  it("are told one change at a time, each one new, the newest in the end, also to a slow listener", async () => {
    const redis = await connect(url);
    const told: (readonly number[])[] = [];
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
      },
      onProblem: () => undefined,
    });
    await until(() => told.length === 1);
    const [two, three] = [await start("two"), await start("three")];
    await until(() => leases.held().length === 3 || leases.held().length === 2);
    const held = leases.held().length;
    expect(told).toHaveLength(1);
    open();
    await until(() => told.length > 1 && told.at(-1)?.length === held);
    expect(busiest).toBe(1);
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

  it.each(["killed", "hanging"])("stay where they are when it is back before long (%s)", async (fault) => {
    const prefix = newPrefix();
    const options = { ...asTheProduct, aloneMs: 3_600_000 };
    for (const name of ["one", "two", "three"]) holders.push(await startHolder(server.url, prefix, name, options));
    await until(areSharedAs(holders, "2,3,3"));
    const before = holders.map(({ leases, told }) => ({ held: leases.held(), told: told.length }));
    if (fault === "killed") await server.kill();
    else server.signal("SIGSTOP");
    // Beyond the lease of each, which no holder could renew.
    const lapsedAt = performance.now() + 1.25 * asTheProduct.leaseMs;
    await until(() => performance.now() > lapsedAt && holders.every(({ problems }) => problems.length > 0));
    if (fault === "killed") await server.restart();
    else server.signal("SIGCONT");
    const asked = await connect(server.url);
    holders.push({ leases: { held: () => [], stop: () => Promise.resolve() }, told: [], problems: [], redis: asked });
    const owners = async () => Object.keys(await asked.redis.hgetall(`${prefix}:projectors:{leases}:owners`)).length;
    const living = async () =>
      asked.redis.zcount(
        `${prefix}:projectors:{leases}:holders`,
        Number((await asked.redis.time())[0]) * 1_000,
        "+inf",
      );
    await until(async () => (await living()) === 3 && (await owners()) === partitions);
    expect(holders.slice(0, 3).map(({ leases, told }) => ({ held: leases.held(), told: told.length }))).toEqual(before);
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
    holders.push({ leases, told: [], problems: [], redis });
    await until(() => leases.held().length === partitions);
    await server.restart();
    await until(async () => redis.available() && (await redis.redis.hlen(await ownersIn(redis))) === partitions);
  });
});

const memoryCheckpoints = () => {
  const positions = new Array<number>(partitions).fill(0);
  return {
    positions,
    load: () => Promise.resolve(positions.map((position) => ({ position: asPosition(position), epoch: "e" }))),
    raise: (raised: readonly number[], { position }: { readonly position: number }) => {
      for (const partition of raised) positions[partition] = Math.max(position, positions[partition] ?? 0);
      return Promise.resolve();
    },
  };
};

const ownersIn = async ({ redis }: OpenedRedis): Promise<string> => (await redis.keys("*:owners")).at(0) ?? "none";

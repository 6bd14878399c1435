import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openRedis, type OpenedRedis } from "../../../src/infra/engines/redis.js";
import { createRedisRegistry } from "../../../src/infra/registry/redis/registry.js";
import { createSweeper } from "../../../src/infra/registry/redis/sweeper.js";
import { keyOf } from "../../contract/registry.contract.js";
import { canSpawnRedis, connect, newPrefix, startRedis, until, type RedisServer } from "./redis-kit.js";

const phone = keyOf("alice", "phone", "c1");
const nothing = { lapsed: [], replaced: [] };

describe.skipIf(!canSpawnRedis)("Redis away", () => {
  let server: RedisServer;
  let opened: OpenedRedis;
  beforeEach(async () => {
    server = await startRedis();
    opened = await connect(server.url);
  });
  afterEach(async () => {
    opened.close();
    await server.kill();
  });
  const registryOf = () => createRedisRegistry({ redis: opened.redis, prefix: "p", gatewayId: "gateway-a" });
  const answers = async (): Promise<boolean> =>
    opened.ping().then(
      () => true,
      () => false,
    );
  /** Every command, settled. That this returns at all is the point: the client's default is to wait. */
  const outcomes = async () => {
    const registry = registryOf();
    const settled = await Promise.allSettled([
      opened.ping(),
      registry.enter(phone),
      registry.leave(phone),
      registry.renew([phone]),
      registry.devicesOf("alice"),
      registry.gatewaysOf(["alice"]),
    ]);
    return settled.map((one) => (one.status === "rejected" ? (one.reason as { code?: string }).code : "fulfilled"));
  };
  const allRejected = Array.from({ length: 6 }, () => "UNAVAILABLE");

  it("rejects every command, whether the server is gone or hangs, and answers again when it is back", async () => {
    const registry = registryOf();
    await registry.enter(phone);
    server.signal("SIGSTOP");
    expect(await outcomes()).toEqual(allRejected);
    // By and by the silent connection is given up; then nothing is sent any more.
    await until(() => !opened.available());
    expect(await outcomes()).toEqual(allRejected);
    server.signal("SIGCONT");
    await until(answers);
    expect(await registry.devicesOf("alice")).toEqual(["phone"]);
    await server.kill();
    await until(() => !opened.available());
    expect(await outcomes()).toEqual(allRejected);
    await server.restart();
    await until(answers);
    expect(await registry.devicesOf("alice")).toEqual([]);
    expect(await registry.renew([phone])).toEqual({ lapsed: [phone], replaced: [] });
    expect(await registry.renew([phone])).toEqual(nothing);
  });

  it("tells of a lapse also when the renewal that found it lost its answer", async () => {
    const registry = registryOf();
    await registry.enter(phone);
    await opened.redis.flushall();
    const other = await connect(server.url);
    // The server holds commands back for a while, much longer than any caller waits, and runs them then.
    await other.redis.call("CLIENT", "PAUSE", "5000", "ALL");
    // A connection that was given up meanwhile would take the renewal with it.
    opened.redis.options.socketTimeout = 60_000;
    await expect(registry.renew([phone])).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await until(answers);
    expect(await registry.devicesOf("alice")).toEqual(["phone"]);
    expect(await registry.renew([phone])).toEqual({ lapsed: [phone], replaced: [] });
    expect(await registry.renew([phone])).toEqual(nothing);
    other.close();
  });

  it("is opened while it is away, tells why, and is there when it comes", async () => {
    await server.kill();
    const problems: Error[] = [];
    const early = await openRedis({ url: server.url, onProblem: (error) => problems.push(error) });
    expect(early.available()).toBe(false);
    await expect(early.ping()).rejects.toThrow(/^Redis: .*ECONNREFUSED/);
    expect(problems[0]?.message).toMatch(/^Redis: .*ECONNREFUSED/);
    await server.restart();
    await until(early.available);
    await early.ping();
    early.close();
    early.close();
    await expect(early.ping()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(early.available()).toBe(false);
  });

  it("does not let in without the password, and never tells it", async () => {
    await opened.redis.config("SET", "requirepass", "right");
    const problems: Error[] = [];
    const url = server.url.replace("redis://", "redis://:wrong@");
    const refused = await openRedis({ url, onProblem: (error) => problems.push(error) });
    await expect(refused.ping()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("WRONGPASS") as string,
    });
    expect(problems[0]?.message).toMatch(/WRONGPASS/);
    expect(problems.map(({ message }) => message).join()).not.toContain("wrong@");
    refused.close();
  });

  it("lets the sweeper tell of its failures, and go on after them", async () => {
    const problems: Error[] = [];
    const swept: string[] = [];
    const prefix = newPrefix();
    const sweeper = createSweeper({
      redis: opened.redis,
      prefix,
      everyMs: 20,
      onExpired: (_, connections) => swept.push(...connections.map(({ connectionId }) => connectionId)),
      onProblem: (error) => problems.push(error),
    });
    await server.kill();
    await until(() => problems.length > 2);
    await server.restart();
    await until(answers);
    const registry = createRedisRegistry({ redis: opened.redis, prefix, gatewayId: "gateway-a", leaseMs: 1 });
    await registry.enter(phone);
    await until(() => swept.length === 1);
    await sweeper.stop();
  });

  it("refuses an address of something else", async () => {
    await expect(openRedis({ url: "http://localhost", onProblem: () => undefined })).rejects.toThrow(TypeError);
  });
});

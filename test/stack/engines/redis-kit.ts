/** Redis for tests: connections to the common server, and a server of one's own for what others must not see. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import { openRedis, type OpenedRedis } from "../../../src/infra/engines/redis.js";
import { engine } from "../../kit/engines.js";
import { mayStartServers } from "../../kit/own-servers.js";
import { stablePort } from "../../kit/ports.js";

export const redisUrl = engine("PARLEY_REDIS_URL");

/** Faults need a process to hurt: where tests run on a server elsewhere, there may be no program for one. */
export const canSpawnRedis =
  redisUrl !== undefined &&
  mayStartServers &&
  (process.env.CI === "true" || spawnSync("redis-server", ["--version"]).status === 0);

/** Nobody else's keys. */
export const newPrefix = (): string => `test-${randomUUID()}`;

/** Connects, and waits until commands are taken. */
export const connect = async (url: string): Promise<OpenedRedis> => {
  const opened = await openRedis({ url, onProblem: () => undefined });
  await until(opened.available);
  return opened;
};

/** For tests that want every answer: the product gives up so soon that a pause of this process fails a command. */
export const connectPatiently = async (url: string): Promise<OpenedRedis> => {
  const opened = await connect(url);
  // The client reads them at each command.
  Object.assign(opened.redis.options, { commandTimeout: 10_000, socketTimeout: 20_000 });
  return opened;
};

/** Resolves when the condition holds; the test's own time limit ends it. */
export const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
};

export const keysOf = async (redis: Redis, prefix: string): Promise<readonly string[]> => {
  const keys: string[] = [];
  for await (const page of redis.scanStream({ match: `${prefix}:*`, count: 1_000 })) keys.push(...(page as string[]));
  return keys;
};

/** As if the whole lease had gone by for each member of each sorted set. */
export const expireAll = async (redis: Redis, prefix: string): Promise<void> => {
  for (const key of await keysOf(redis, prefix)) {
    // Last uses are sorted sets too, and no leases.
    if ((await redis.type(key)) !== "zset" || key.includes("}:uses:")) continue;
    for (const member of await redis.zrangebyscore(key, "-inf", "+inf")) await redis.zadd(key, "XX", 1, member);
  }
};

export type RedisServer = {
  readonly url: string;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** kill -9; resolves when it is gone, with all its data. */
  readonly kill: () => Promise<void>;
  /** Empty, on the same port. */
  readonly restart: () => Promise<void>;
};

/** A server of one's own; `kill` it in the end. */
export const startRedis = async (): Promise<RedisServer> => {
  const port = await stablePort();
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const flags = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", tmpdir()];
    child = spawn("redis-server", flags, { stdio: "ignore" });
    await once(child, "spawn");
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    signal: (signal) => child?.kill(signal),
    kill: async () => {
      const dying = child;
      if (dying === undefined) return;
      child = undefined;
      const gone = once(dying, "exit");
      dying.kill("SIGKILL");
      await gone;
    },
    restart: start,
  };
};

import { openRedis, type OpenedRedis } from "../../infra/engines/redis.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import type { Check } from "./check.js";
import { probe, type Finding } from "./probe.js";
import { cellPrefix, type Closers } from "../../profiles/engines.js";
import { readLeases, type Leases } from "../inspect/distributed.js";

export type RedisFacts = { readonly leases: Leases };

const mends = {
  away: "Start Redis, and check PARLEY_REDIS_URL: host, port, user and password (percent-encoded), rediss:// for TLS",
  refused:
    "Redis is there and refuses us: check the user and password in PARLEY_REDIS_URL (percent-encoded), and that the user may use keys parley:* and scripts",
  tls: "Name the authority of its certificate by NODE_EXTRA_CA_CERTS=FILE, and in PARLEY_REDIS_URL the host as the certificate has it; redis:// where it speaks no TLS",
};
const skewMsWarning = 2_000;

/** Whether it answers, keeps and does not throw away what it is given, and has our time; which projectors have leases. */
export const lookAtRedis = (config: DistributedConfig, closers: Closers): Promise<Finding<RedisFacts>> =>
  probe("redis", mends, async () => {
    const opened = await openRedis({ url: config.redisUrl, onProblem: () => undefined });
    closers.push(opened.close);
    await opened.ping();
    const [info, clock] = [settingsIn(await opened.redis.info()), await checkClock(opened)];
    const leases = await readLeases(opened, cellPrefix(config.cell));
    return { checks: [checkServer(info), checkPersistence(info), checkMemory(info), clock], facts: { leases } };
  });

type Settings = ReadonlyMap<string, string>;

/** INFO, not CONFIG: hosted servers refuse that. */
const settingsIn = (info: string): Settings =>
  new Map(
    info.split(/\r?\n/).flatMap((line) => {
      const [, setting, value] = /^(\w+):(.*)$/.exec(line) ?? [];
      return setting === undefined || value === undefined ? [] : [[setting, value] as const];
    }),
  );

const checkServer = (info: Settings): Check => {
  const name = "redis";
  const says = `version ${info.get("redis_version") ?? "unknown"}, ${info.get("role") ?? "unknown role"}`;
  if (info.get("role") !== "slave") return { name, state: "ok", says };
  return {
    name,
    state: "wrong",
    says,
    mend: "PARLEY_REDIS_URL names a replica, which takes no writes: name the master",
  };
};

const checkPersistence = (info: Settings): Check => {
  const name = "redis persistence";
  if (info.get("aof_enabled") === "1") return { name, state: "ok", says: "appendonly is on" };
  return {
    name,
    state: "warning",
    says: "appendonly is off: after a restart nobody is connected until leases are renewed, and limits begin anew",
    mend: "Set appendonly yes",
  };
};

/** With allkeys-… a full server throws away leases that no holder has let go. */
const checkMemory = (info: Settings): Check => {
  const name = "redis memory";
  const policy = info.get("maxmemory_policy") ?? "unknown";
  const limit = info.get("maxmemory") === "0" ? "no limit" : `limit ${info.get("maxmemory_human") ?? "unknown"}`;
  const says = `maxmemory-policy ${policy}, ${limit}`;
  if (policy === "noeviction" || policy.startsWith("volatile-")) return { name, state: "ok", says };
  return { name, state: "wrong", says, mend: "Set maxmemory-policy noeviction (volatile-… will do)" };
};

/** Against the middle of the question: an answer takes its time. */
const checkClock = async ({ redis }: OpenedRedis): Promise<Check> => {
  const name = "clock";
  const askedAt = Date.now();
  const [seconds, microseconds] = await redis.time();
  const answeredAt = Date.now();
  const theirs = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  const skewMs = Math.round(theirs - (askedAt + answeredAt) / 2);
  const says = `Redis is ${Math.abs(skewMs)} ms ${skewMs < 0 ? "behind" : "ahead"}`;
  if (Math.abs(skewMs) <= skewMsWarning) return { name, state: "ok", says };
  const ntp = "Run NTP (chrony, systemd-timesyncd) on both machines: EventStoreDB refuses appends beyond 10 s";
  return { name, state: "warning", says, mend: ntp };
};

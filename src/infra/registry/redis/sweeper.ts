import { asError } from "../../../lib/errors.js";
import type { Redis } from "ioredis";
import type { ConnectionKey } from "../../../gateway/ports.js";
import { answered, defineScript } from "../../engines/redis.js";
import { leasesKey, shards, sweepScript } from "./scripts.js";

export type ExpiredConnection = ConnectionKey & { readonly gatewayId: string };

export type SweeperOptions = {
  readonly redis: Redis;
  /** The registry's. */
  readonly prefix: string;
  readonly everyMs?: number;
  /** Each lease that has lapsed comes once to one sweeper, `sweptMax` at a time; not at all when Redis fails just then. */
  readonly onExpired: (count: number, connections: readonly ExpiredConnection[]) => void;
  /** Told of a sweep that failed; the next one goes on where it stopped. */
  readonly onProblem: (error: Error) => void;
};

/** Leases that one script takes out: some milliseconds of Redis' only thread. */
const sweptMax = 500;

/**
 * Takes lapsed leases out of the registry, so that what gateways left behind when they died is gone and known. Every
 * projector runs one; in each period the one that comes first sweeps for all.
 */
export const createSweeper = (
  options: SweeperOptions,
): { /** Waits for a sweep under way. */ stop: () => Promise<void> } => {
  const { redis, prefix, everyMs = 1_000, onExpired, onProblem } = options;
  const script = defineScript(redis, "parleyRegistrySweep", sweepScript);
  let stopped = false;
  let sweeping: Promise<void> | undefined;

  const sweepShard = async (shard: number): Promise<void> => {
    let more = true;
    while (more && !stopped) {
      const swept = (await script([leasesKey(prefix, shard)], [sweptMax])) as readonly string[];
      if (swept.length > 0) onExpired(swept.length, swept.map(expiredIn));
      more = swept.length === sweptMax;
    }
  };
  const sweep = async (): Promise<void> => {
    const turn = await answered(() => redis.set(`${prefix}:registry:sweep`, "1", "PX", Math.ceil(everyMs * 0.9), "NX"));
    if (turn === null) return;
    for (let shard = 0; shard < shards; shard++) await sweepShard(shard);
  };
  const timer = setInterval(() => {
    sweeping ??= sweep()
      .catch((error: unknown) => {
        onProblem(asError(error));
      })
      .finally(() => (sweeping = undefined));
  }, everyMs);

  return {
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await sweeping;
    },
  };
};

const expiredIn = (member: string): ExpiredConnection => {
  const [userId, deviceId, connectionId, gatewayId] = JSON.parse(member) as readonly [string, string, string, string];
  return { userId, deviceId, connectionId, gatewayId };
};

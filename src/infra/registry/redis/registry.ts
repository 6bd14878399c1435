import type { Redis } from "ioredis";
import type { DeviceId, UserId } from "../../../domain/kernel/ids.js";
import { limits } from "../../../domain/kernel/limits.js";
import type { ConnectionKey, ConnectionRegistry } from "../../../gateway/ports.js";
import { answered, defineScript, type Script } from "../../engines/redis.js";
import {
  enterScript,
  findScript,
  leasesKey,
  leaveScript,
  renewScript,
  shardOf,
  usedScript,
  userKey,
  usesKey,
} from "./scripts.js";

export type RedisRegistryOptions = {
  readonly redis: Redis;
  /** In front of every key, before a colon. */
  readonly prefix: string;
  /** Of this incarnation of the process: a restarted gateway must not take its predecessor's connections for its own. */
  readonly gatewayId: string;
  readonly leaseMs?: number;
};

/** Leases or users in one script: some milliseconds of Redis' only thread. */
const chunkMax = 200;

/**
 * The registry of all gateways. Rejects with StoreUnavailable within about half a second while Redis is away; what was
 * asked may have happened then. A connection whose `enter` was rejected has to enter again: `renew` alone would find the
 * older connection of its device and call this one replaced.
 */
export const createRedisRegistry = (options: RedisRegistryOptions): ConnectionRegistry => {
  const { redis, prefix, gatewayId, leaseMs = 30_000 } = options;
  const scripts = {
    enter: defineScript(redis, "parleyRegistryEnter", enterScript),
    leave: defineScript(redis, "parleyRegistryLeave", leaveScript),
    find: defineScript(redis, "parleyRegistryFind", findScript),
    used: defineScript(redis, "parleyRegistryUsed", usedScript),
  };
  const unbroken: Unbroken = new Map();
  const { renew, departed } = createRenewal(options, unbroken);
  const keysOf = (userId: UserId) => [userKey(prefix, userId), leasesKey(prefix, shardOf(userId))];
  const found = inOrder((userIds: readonly UserId[]) => findLeases(scripts.find, prefix, userIds));

  return {
    enter: async ({ userId, deviceId, connectionId }) => {
      const answer = await scripts.enter(keysOf(userId), [userId, deviceId, connectionId, gatewayId, leaseMs]);
      const [since, replacedId, replacedBy] = answer as readonly [string, string?, string?];
      unbroken.set(connectionId, since);
      if (replacedId === undefined || replacedBy === undefined) return undefined;
      return { userId, deviceId, connectionId: replacedId, gatewayId: replacedBy };
    },
    leave: async ({ userId, deviceId, connectionId }) => {
      departed(connectionId);
      await scripts.leave(keysOf(userId), [userId, deviceId, connectionId]);
    },
    renew,
    devicesOf: async (userId) =>
      ((await findLeases(scripts.find, prefix, [userId])).get(userId) ?? []).map(({ deviceId }) => deviceId),
    used: async ({ userId, deviceId }) => {
      await scripts.used([usesKey(prefix, userId)], [deviceId, limits.deviceUsesMax]);
    },
    lastUses: async (userId) => {
      const found = await answered(() => redis.zrange(usesKey(prefix, userId), "0", "-1", "WITHSCORES"));
      return new Map(found.flatMap((at, i) => (i % 2 === 1 ? [[found[i - 1] ?? "", Number(at)] as const] : [])));
    },
    gatewaysOf: async (userIds) => {
      const leases = [...(await found([...new Set(userIds)]))];
      return new Map(leases.map(([userId, those]) => [userId, [...new Set(those.map((lease) => lease.gatewayId))]]));
    },
  };
};

/**
 * By connection, the name of its lease: another name says that the lease was broken meanwhile, even when the answer that
 * would have said so first was lost. Holds those that entered or were renewed, until they leave or are replaced.
 */
type Unbroken = Map<string, string>;

const createRenewal = (options: RedisRegistryOptions, unbroken: Unbroken) => {
  const { redis, prefix, gatewayId, leaseMs = 30_000 } = options;
  const script = defineScript(redis, "parleyRegistryRenew", renewScript);
  /** Connections that left while renewals were under way: these must not lease them again. */
  const left = new Set<string>();
  let underWay = 0;

  const renewChunk = async (connections: readonly ConnectionKey[], shard: number) => {
    const present = connections.filter(({ connectionId }) => !left.has(connectionId));
    if (present.length === 0) return [];
    const keys = [leasesKey(prefix, shard), ...present.map(({ userId }) => userKey(prefix, userId))];
    const parts = present.flatMap(({ userId, deviceId, connectionId }) => [userId, deviceId, connectionId]);
    const answers = (await script(keys, [gatewayId, leaseMs, ...parts])) as readonly string[];
    return present
      .map((connection, i) => ({ connection, since: answers[i] ?? "" }))
      .filter(({ connection }) => !left.has(connection.connectionId));
  };

  /** One chunk after another, so that a gateway's renewals hold up no other client of Redis. */
  const renew: ConnectionRegistry["renew"] = async (connections) => {
    const outcomes: { connection: ConnectionKey; since: string }[] = [];
    underWay++;
    try {
      for (const [shard, chunk] of chunksOf(connections, ({ userId }) => userId))
        outcomes.push(...(await renewChunk(chunk, shard)));
    } finally {
      if (--underWay === 0) left.clear();
    }
    // Only a renewal that answers learns the new names: one that fails half-way tells of no lapse, so the next one has to.
    const replaced = outcomes.filter(({ since }) => since === "");
    const lapsed = outcomes.filter(
      ({ connection, since }) => since !== "" && unbroken.get(connection.connectionId) !== since,
    );
    for (const { connection, since } of lapsed) unbroken.set(connection.connectionId, since);
    for (const { connection } of replaced) unbroken.delete(connection.connectionId);
    return {
      lapsed: lapsed.map(({ connection }) => connection),
      replaced: replaced.map(({ connection }) => connection),
    };
  };
  const departed = (connectionId: string): void => {
    unbroken.delete(connectionId);
    if (underWay > 0) left.add(connectionId);
  };
  return { renew, departed };
};

type Found = { readonly deviceId: DeviceId; readonly gatewayId: string };

/** Living leases by user; a user without one is not in it. All chunks are sent at once: they are answered in order. */
const findLeases = async (find: Script, prefix: string, userIds: readonly UserId[]) => {
  const chunks = chunksOf(userIds, (userId) => userId);
  const answers = await Promise.all(
    chunks.map(async ([, users]) => {
      const keys = users.map((userId) => userKey(prefix, userId));
      const members = (await find(keys, [])) as readonly (readonly string[])[];
      return users.map((userId, i) => [userId, (members[i] ?? []).map(foundIn)] as const);
    }),
  );
  return new Map(answers.flat().filter(([, leases]) => leases.length > 0));
};

const foundIn = (member: string): Found => {
  const [deviceId, , gatewayId] = JSON.parse(member) as readonly [DeviceId, string, string];
  return { deviceId, gatewayId };
};

/** At most `chunkMax` items of one shard each. */
const chunksOf = <A>(
  items: readonly A[],
  userOf: (item: A) => string,
): readonly (readonly [number, readonly A[]])[] => {
  const chunks: [number, A[]][] = [];
  const open = new Map<number, A[]>();
  for (const item of items) {
    const shard = shardOf(userOf(item));
    const chunk = open.get(shard);
    if (chunk !== undefined && chunk.length < chunkMax) {
      chunk.push(item);
      continue;
    }
    const next = [item];
    open.set(shard, next);
    chunks.push([shard, next]);
  }
  return chunks;
};

/** The same question, whose answers come in the order in which it was asked, whichever of them fail. */
const inOrder = <A, B>(ask: (question: A) => Promise<B>): ((question: A) => Promise<B>) => {
  let last: Promise<unknown> = Promise.resolve();
  return (question) => {
    const before = last;
    const answer = ask(question);
    const ordered = Promise.allSettled([before, answer]).then(() => answer);
    last = ordered.catch(() => undefined);
    return ordered;
  };
};

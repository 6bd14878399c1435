/** How far the projections of the distributed profile are, read from the engines; nothing in them is changed. */
import { newestEpoch } from "../../commands/epoch.js";
import {
  checkpointDocuments,
  checkpointsOf,
  highestCheckpoint,
  smallestCheckpoint,
  ViewsAheadOfLog,
  ViewsOfAnotherLog,
} from "../../infra/view-store/mongodb/checkpoints.js";
import { liveOf } from "../../infra/view-store/mongodb/generations/pointer.js";
import { loadStanding } from "../../infra/view-store/mongodb/generations/standing.js";
import type { Checkpoint } from "../../projections/ports/view-store.js";
import { openEventStoreDb, type EventStoreDbLog } from "../../infra/event-log/eventstoredb/event-log.js";
import { holdersKey, ownersKey } from "../../infra/leases/redis/scripts.js";
import { openMongo, type Mongo } from "../../infra/engines/mongodb/connection.js";
import { openRedis, type OpenedRedis } from "../../infra/engines/redis.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { reasonOf } from "../../lib/errors.js";
import { within } from "../../lib/time.js";
import { closeQuietly, probeMsMax } from "../doctor/probe.js";
import { cellPrefix, type Closers } from "../../profiles/engines.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";

export type DistributedStatus = {
  readonly profile: "distributed";
  /** Position of the log's last event. Positions are the store's own: opaque, growing, not dense. */
  readonly head: number;
  readonly logEpoch: string | null;
  readonly projections: readonly DistributedProjection[];
  readonly partitions: readonly PartitionStatus[];
  /** Why nothing is known of the holders: Redis was away. */
  readonly holdersProblem?: string;
};

export type DistributedProjection = {
  readonly name: "views" | "delivery";
  /** Up to here every partition has come; 0 while one has not begun. */
  readonly position: Position;
  readonly head: number;
  /** Events of the log after `position`, counted up to `lagEventsMax`. */
  readonly lag: number;
  /** Null before the first event. */
  readonly epoch: string | null;
  readonly logEpoch: string | null;
  /** Undefined when all is well; else what is wrong and how to mend it. */
  readonly problem?: string;
};

export type PartitionStatus = {
  readonly partition: number;
  /** The projector that works on it; null for none, or when Redis was away. */
  readonly holder: string | null;
  /** Null: no projector has begun. */
  readonly views: number | null;
  readonly delivery: number | null;
  readonly isBehind: boolean;
};

/** Counting reads the events; beyond it is just "far". */
export const lagEventsMax = 10_000;
const lagPageEvents = 1_000;

/**
 * @throws Error that names each of the log and MongoDB that does not answer within five seconds, with its variable. Without
 * Redis only the holders are unknown.
 */
export const distributedStatus = async (config: DistributedConfig): Promise<DistributedStatus> => {
  const closers: Closers = [];
  const read = async ({ log, db }: Opened): Promise<DistributedStatus> => {
    const standing = await readStanding(log, db, config.partitions);
    return { ...standing, ...(await holdersOf(config, standing, closers)) };
  };
  try {
    const opened = await openBoth(config, closers);
    return await within(read(opened), probeMsMax);
  } finally {
    await closeQuietly(closers);
  }
};

type Opened = { readonly log: EventStoreDbLog; readonly db: Mongo["db"] };

/** Both are tried, so that an operator who has lost both is told of both. */
const openBoth = async (config: DistributedConfig, closers: Closers): Promise<Opened> => {
  const openLog = async (): Promise<EventStoreDbLog> => {
    const log = openEventStoreDb({ url: config.eventStoreUrl });
    closers.push(log.close);
    await log.ping();
    return log;
  };
  const openDb = async (): Promise<Mongo["db"]> => {
    const mongo = await openMongo(config.mongo);
    closers.push(mongo.close);
    return mongo.db;
  };
  const named = async <A>(variable: string, open: () => Promise<A>): Promise<A> => {
    try {
      return await within(open(), probeMsMax);
    } catch (error) {
      throw new Error(`${variable}: ${reasonOf(error)}`, { cause: error });
    }
  };
  const [log, db] = await Promise.allSettled([
    named("PARLEY_EVENTSTORE_URL", openLog),
    named("PARLEY_MONGODB_URL", openDb),
  ]);
  if (log.status === "fulfilled" && db.status === "fulfilled") return { log: log.value, db: db.value };
  const problems = [log, db].flatMap((result) => (result.status === "rejected" ? [reasonOf(result.reason)] : []));
  throw new Error([...problems, "parley doctor --profile distributed looks at every engine"].join("\n"));
};

export type Standing = Pick<DistributedStatus, "profile" | "head" | "logEpoch" | "projections" | "partitions">;

/** Without the holders. @throws LogError, StoreUnavailable */
export const readStanding = async (log: EventStoreDbLog, db: Mongo["db"], partitions: number): Promise<Standing> => {
  const [{ pointer, checkpoints }, delivery] = await Promise.all([
    loadStanding(checkpointDocuments(db), partitions),
    checkpointsOf(db, partitions, () => undefined, "delivery").load(),
  ]);
  const views = checkpoints(liveOf(pointer));
  // The log after the checkpoints: a head that was read first could be behind one of the meantime.
  const [head, epoch] = await Promise.all([log.head(), newestEpoch(log)]);
  const logEpoch = epoch ?? null;
  const standing = { head, logEpoch, database: db.databaseName };
  return {
    profile: "distributed",
    head,
    logEpoch,
    projections: await Promise.all([
      projectionOf(log, { ...standing, name: "views", checkpoints: views }),
      projectionOf(log, { ...standing, name: "delivery", checkpoints: delivery }),
    ]),
    partitions: views.map((checkpoint, partition) => {
      const [viewsAt, deliveryAt] = [checkpoint?.position ?? null, delivery[partition]?.position ?? null];
      const isBehind = Math.min(viewsAt ?? 0, deliveryAt ?? 0) < head;
      return { partition, holder: null, views: viewsAt, delivery: deliveryAt, isBehind };
    }),
  };
};

type Reached = {
  readonly name: "views" | "delivery";
  readonly checkpoints: readonly (Checkpoint | undefined)[];
  readonly head: number;
  readonly logEpoch: string | null;
  readonly database: string;
};

const projectionOf = async (log: EventStoreDbLog, reached: Reached): Promise<DistributedProjection> => {
  const { name, checkpoints, head, logEpoch } = reached;
  const epoch = checkpoints.find((checkpoint) => checkpoint !== undefined)?.epoch ?? null;
  const position = smallestCheckpoint(checkpoints)?.position ?? noPosition;
  const problem = problemOf(reached, epoch);
  const lag = problem === undefined ? await eventsAfter(log, position) : 0;
  return { name, position, head, lag, epoch, logEpoch, ...(problem === undefined ? {} : { problem }) };
};

const problemOf = ({ name, checkpoints, head, logEpoch, database }: Reached, epoch: string | null) => {
  if (epoch !== null && epoch !== logEpoch) return new ViewsOfAnotherLog(database, epoch, logEpoch ?? "none").message;
  const position = highestCheckpoint(checkpoints);
  return position <= head ? undefined : new ViewsAheadOfLog(database, { name, position, end: head }).message;
};

const eventsAfter = async (log: EventStoreDbLog, position: Position): Promise<number> => {
  let count = 0;
  for (let from = position; count < lagEventsMax;) {
    const events = await log.readAll(from, lagPageEvents);
    count += events.length;
    const last = events.at(-1);
    if (last === undefined || events.length < lagPageEvents) break;
    from = last.position;
  }
  return count;
};

/** Which projector works on which partition, by the leases that have not ended. */
export type Leases = {
  readonly holders: readonly string[];
  readonly ownerOf: ReadonlyMap<number, string>;
};

/** @throws StoreUnavailable or the client's own error when Redis does not answer */
export const readLeases = async ({ redis }: Pick<OpenedRedis, "redis">, prefix: string): Promise<Leases> => {
  const [seconds] = await redis.time();
  const [holders, owners] = await Promise.all([
    redis.zrangebyscore(holdersKey(prefix), Number(seconds) * 1_000, "+inf"),
    redis.hgetall(ownersKey(prefix)),
  ]);
  const living = Object.entries(owners).filter(([, holder]) => holders.includes(holder));
  return { holders, ownerOf: new Map(living.map(([partition, holder]) => [Number(partition), holder])) };
};

const holdersOf = async (config: DistributedConfig, { partitions }: Standing, closers: Closers) => {
  const redis = await openRedis({ url: config.redisUrl, onProblem: () => undefined });
  closers.push(redis.close);
  try {
    await redis.ping();
    const { ownerOf } = await readLeases(redis, cellPrefix(config.cell));
    return { partitions: partitions.map((status) => ({ ...status, holder: ownerOf.get(status.partition) ?? null })) };
  } catch (error) {
    return { holdersProblem: reasonOf(error) };
  }
};

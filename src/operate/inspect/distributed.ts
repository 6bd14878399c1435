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
import { holdersKey, ownersKey } from "../../infra/leases/redis/scripts.js";
import type { Mongo } from "../../infra/engines/mongodb/connection.js";
import type { EventStoreDbLog } from "../../infra/event-log/eventstoredb/event-log.js";
import type { OpenedRedis } from "../../infra/engines/redis.js";
import { noPosition, type Position } from "../../domain/kernel/stream.js";
import { lagEventsMax, type PartitionStatus } from "./status.js";

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

const lagPageEvents = 1_000;

export type Standing = {
  /** Position of the log's last event. Positions are the store's own: opaque, growing, not dense. */
  readonly head: number;
  readonly logEpoch: string | null;
  readonly projections: readonly DistributedProjection[];
  readonly partitions: readonly PartitionStatus[];
};

/** The views that readers are served from, and delivery, without the holders. @throws LogError, StoreUnavailable */
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

import { openEpoch, OtherCell } from "../commands/epoch.js";
import {
  goneWhenDamaged,
  incarnationsOf,
  sealingWith,
  type ContentDamaged,
  type Sealing,
} from "../commands/sealing/sealing.js";
import type { KeyStore, SnapshotStore, TextCipher } from "../commands/ports.js";
import type { ConnectionRegistry, Logger } from "../gateway/ports.js";
import { createNatsBus, type NatsBus } from "../infra/bus/nats/bus.js";
import { hearErasures } from "../infra/bus/nats/erasures.js";
import { openEventStoreDb, type EventStoreDbLog } from "../infra/event-log/eventstoredb/event-log.js";
import { assertMasterKey, openMongoKeyStore } from "../infra/key-store/mongodb/key-store.js";
import { rememberedCell } from "../infra/engines/mongodb/cell.js";
import { openMongo, type Mongo } from "../infra/engines/mongodb/connection.js";
import { openNats, type Nats } from "../infra/engines/nats.js";
import { openRedis, type OpenedRedis } from "../infra/engines/redis.js";
import { createRedisRegistry } from "../infra/registry/redis/registry.js";
import { openMongoSnapshots } from "../infra/snapshot-store/mongodb/snapshot-store.js";
import type { Telemetry } from "../infra/telemetry.js";
import { openMongoViews, type MongoViews } from "../infra/view-store/mongodb/view-store.js";
import type { DistributedConfig } from "../settings/distributed.js";
import type { Closers } from "./close-all.js";
import { ids } from "./serving.js";
import { erasingInEngines } from "./erasure/distributed.js";
import type { ErasingWith } from "./erasure/erase.js";
import { openErasureLedger } from "./erasure/open-ledger.js";
import type { StartWait } from "./start-wait.js";

/** The servers of the distributed profile as one process sees them. */
export type Engines = {
  readonly log: EventStoreDbLog;
  readonly epoch: string;
  readonly mongo: Mongo;
  readonly keys: KeyStore;
  readonly sealing: Sealing;
  readonly snapshots: SnapshotStore;
  readonly views: MongoViews;
  readonly nats: Nats;
  readonly redis: OpenedRedis;
  readonly registry: ConnectionRegistry;
  readonly bus: NatsBus;
  readonly erasing: ErasingWith;
};

export type { Closers } from "./close-all.js";

export type EnginesWith = {
  readonly telemetry: Telemetry;
  readonly cipher: TextCipher;
  readonly problem: Problems;
  readonly onDamaged: (error: ContentDamaged) => void;
  /** What may find its engine away is asked through it, again and again. */
  readonly wait: Pick<StartWait, "until">;
};

/** Prefix of everything of this cell in the engines that cells may share. */
export const cellPrefix = (cell: string): string => `parley:${cell}`;

/**
 * The log and MongoDB have to be there, and are waited for; NATS and Redis may come later.
 * @throws what no waiting mends (start-wait.ts): a refused user, ViewsOfAnotherLog, ViewsAheadOfLog, a wrong master key …
 */
export const openEngines = async (
  config: DistributedConfig,
  { telemetry, cipher, problem, onDamaged, wait }: EnginesWith,
  closers: Closers,
): Promise<Engines> => {
  const log = await wait.until("eventstore", () =>
    Promise.resolve(openEventStoreDb({ url: config.eventStoreUrl, onProblem: problem("eventstore") })),
  );
  closers.push(log.close);
  await wait.until("eventstore", log.ping);
  const epoch = await wait.until("eventstore", () => openEpoch(log, config.cell, Date.now, ids));
  const mongo = await wait.until("mongodb", () => openMongo({ ...config.mongo, onProblem: problem("mongodb") }));
  closers.push(mongo.close);
  const { db } = mongo;
  const cell = await wait.until("mongodb", () => rememberedCell(db, config.cell));
  if (cell !== config.cell) throw new OtherCell(`MongoDB's database ${db.databaseName}`, cell, config.cell);
  await wait.until("mongodb", () => assertMasterKey(db, config.masterKeys));
  const keys = openMongoKeyStore({ db, masterKeys: config.masterKeys, onProblem: problem("mongodb") });
  closers.push(keys.close);
  const incarnations = config.seal ? await wait.until("mongodb", () => incarnationsOf(keys)) : undefined;
  const { ledger, close } = await wait.until("erasures", () => openErasureLedger(config, db, log));
  closers.push(close);
  const snapshots = openMongoSnapshots({ db, onProblem: problem("mongodb") });
  closers.push(snapshots.close);
  const { partitions } = config;
  const views = await wait.until("mongodb", () =>
    openMongoViews({ db, partitions, epoch, log, onProblem: problem("mongodb") }),
  );
  closers.push(views.close);
  const nats = openNats({ url: config.natsUrl, name: config.processId, onProblem: problem("nats") });
  closers.push(nats.close);
  const redis = await openRedis({ url: config.redisUrl, onProblem: problem("redis") });
  closers.push(redis.close);
  const prefix = cellPrefix(config.cell);
  const registry = createRedisRegistry({ redis: redis.redis, prefix, gatewayId: config.processId });
  const bus = createNatsBus({
    ...{ nats, cell: config.cell, senderId: config.processId, gatewaysOf: registry.gatewaysOf },
    greets: config.role !== "gateway",
    onProblem: problem("nats"),
    metrics: busMetrics(telemetry),
  });
  closers.push(bus.stop);
  closers.push(
    hearErasures({
      ...{ nats, cell: config.cell, processId: config.processId },
      ...{ onErased: keys.forget, onMissed: keys.recheck, onProblem: problem("nats") },
    }),
  );
  observeEngines(telemetry, { keys, nats, redis, bus });
  return {
    log,
    epoch,
    mongo,
    keys,
    sealing: goneWhenDamaged(sealingWith(keys, incarnations, cipher), onDamaged),
    snapshots,
    views,
    nats,
    redis,
    registry,
    bus,
    erasing: erasingInEngines({ log, keys, ledger }),
  };
};

export type Engine = "eventstore" | "mongodb" | "nats" | "redis";

/** An engine that is away says so hundreds of times: the log has it once in a while, the metric every time. */
const saidEveryMs = 5_000;

export type Problems = (engine: Engine) => (error: unknown) => void;

export const createProblems = (logger: Logger, telemetry: Pick<Telemetry, "counter">): Problems => {
  const count = telemetry.counter(
    "parley_engine_problems_total",
    "What went wrong with an engine and was, or will be, mended by itself.",
    ["engine"],
  );
  const saidAt = new Map<Engine, number>();
  return (engine) => (error) => {
    count(1, engine);
    const now = performance.now();
    if (now - (saidAt.get(engine) ?? -Infinity) < saidEveryMs) return;
    saidAt.set(engine, now);
    logger.warn({ engine, err: error }, "an engine has a problem; what needs it waits or goes another way");
  };
};

const busMetrics = (telemetry: Telemetry) => {
  const delivered = telemetry.counter("parley_bus_frames_total", "Frames that gateways have taken from this process.");
  const retried = telemetry.counter("parley_bus_retries_total", "Requests to gateways that were sent again.");
  const gaveUp = telemetry.counter(
    "parley_bus_given_up_frames_total",
    "Frames given up; their devices are told to sync.",
  );
  const holes = telemetry.counter(
    "parley_bus_holes_total",
    "Numbers left out in a gateway's count: it has its devices sync.",
  );
  const broadcasts = telemetry.counter(
    "parley_bus_broadcasts_total",
    "Deliveries to every gateway, since the registry could not be asked.",
  );
  const dropped = telemetry.counter("parley_bus_ephemeral_dropped_total", "Typing frames that were dropped.");
  return {
    delivered,
    retried: () => {
      retried(1);
    },
    gaveUp: (_gatewayId: string, frames: number) => {
      gaveUp(frames);
    },
    hole: () => {
      holes(1);
    },
    broadcast: () => {
      broadcasts(1);
    },
    ephemeralDropped: dropped,
  };
};

const observeEngines = (
  telemetry: Telemetry,
  {
    keys,
    nats,
    redis,
    bus,
  }: Pick<Engines, "nats" | "redis" | "bus"> & { readonly keys: ReturnType<typeof openMongoKeyStore> },
): void => {
  telemetry.gauge("parley_nats_connected", "1 while this process is connected to NATS.", () =>
    Number(nats.connected()),
  );
  telemetry.gauge("parley_redis_connected", "1 while this process is connected to Redis.", () =>
    Number(redis.available()),
  );
  telemetry.gauge("parley_keys_store_away", "1 while MongoDB does not answer for keys.", () =>
    Number(keys.figures().isAway),
  );
  telemetry.gauge(
    "parley_keys_stale_answers",
    "Answers with keys from memory that MongoDB could not confirm.",
    () => keys.figures().staleAnswers,
  );
  telemetry.gauge("parley_bus_queued_frames", "Frames that wait for gateways.", () => bus.queued().frames);
  telemetry.gauge("parley_bus_queued_bytes", "Bytes that wait for gateways.", () => bus.queued().bytes);
};

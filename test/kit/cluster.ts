/** Gateways and projectors of the distributed profile as real processes from dist, over the engines of the environment. */
import { randomBytes, randomUUID } from "node:crypto";
import { openEpoch } from "../../src/commands/epoch.js";
import { signToken } from "../../src/infra/auth/jwt.js";
import { openEventStoreDb } from "../../src/infra/event-log/eventstoredb/event-log.js";
import { openMongo } from "../../src/infra/engines/mongodb/connection.js";
import { checkpointsOf } from "../../src/infra/view-store/mongodb/checkpoints.js";
import { retried } from "../../src/lib/retry.js";
import { eventually } from "./device.js";
import { engine } from "./engines.js";
import type { EngineSource } from "./history.js";
import { mayStartServers, startOwnServers, type OwnServers } from "./own-servers.js";
import { stablePort } from "./ports.js";
import { startProcess, type Door, type ServerProcess } from "./server.js";
import { asPosition } from "../../src/domain/kernel/stream.js";

export type Cluster = {
  readonly gateways: readonly ServerProcess[];
  readonly projectors: readonly ServerProcess[];
  /** Gateways first. */
  readonly processes: readonly ServerProcess[];
  /** The log is shared by all tests of a run: only such users are this cluster's alone. The same name, the same user. */
  readonly user: (name: string) => string;
  /** Users are spread over the gateways; the same one comes to the same gateway. */
  readonly urlFor: (userId: string) => string;
  readonly token: Door["token"];
  /** For `connectDevice`: a gateway by its index. */
  readonly door: (gateway: number) => Door;
  /** Where the truth is: what was appended since this cluster started. */
  readonly source: EngineSource;
  /** Kills all processes and removes the database. */
  readonly dispose: () => Promise<void>;
};

export type ClusterOptions = {
  readonly gateways: number;
  readonly projectors: number;
  /** Instead of, or beside, what the environment says: the addresses of `startOwnServers`, settings of Parley. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Of `parley serve`, for every process. */
  readonly flags?: readonly string[];
};

/**
 * A cell of its own: its own database, its own prefix in Redis and NATS. All processes start at once, as they do under
 * docker-compose; resolves when all listen and the views are there.
 * @throws Error when one does not start, or the environment lacks an engine's address
 */
export const startCluster = async (options: ClusterOptions): Promise<Cluster> => {
  const tag = randomBytes(5).toString("hex");
  const ownLog = await startOwnLog(options.environment);
  const ownAddress = ownLog === undefined ? {} : { PARLEY_EVENTSTORE_URL: ownLog.env.PARLEY_EVENTSTORE_URL ?? "" };
  const environment = environmentOf(tag, { ...ownAddress, ...options.environment });
  const source = await sourceOf(environment);
  if (ownLog === undefined && !mayStartServers) await beginAt(source, setting(environment, "PARLEY_CELL"));
  const flags = ["--profile", "distributed", ...(options.flags ?? [])];
  const started: ServerProcess[] = [];
  const start = async (role: "gateway" | "projector"): Promise<ServerProcess> => {
    const server = await startProcess([...flags, "--role", role], environment, await stablePort());
    started.push(server);
    return server;
  };
  const startAll = (role: "gateway" | "projector", count: number) =>
    Promise.allSettled(Array.from({ length: count }, () => start(role)));
  const [gateways, projectors] = await Promise.all([
    startAll("gateway", options.gateways),
    startAll("projector", options.projectors),
  ]);
  const dispose = async (): Promise<void> => {
    await Promise.all(started.map(({ kill }) => kill()));
    await dropDatabase(source.mongo);
    await ownLog?.stop();
  };
  try {
    const cluster = clusterOf({ tag, environment, source, dispose }, valuesOf(gateways), valuesOf(projectors));
    if (options.projectors > 0) await Promise.all(cluster.gateways.map(viewsCaughtUp));
    return cluster;
  } catch (error) {
    await dispose();
    throw error;
  }
};

/** Views are made of a whole log: one that other tests have filled would be read first by every cluster. */
const startOwnLog = (given: ClusterOptions["environment"]): Promise<OwnServers> | undefined =>
  mayStartServers && given?.PARLEY_EVENTSTORE_URL === undefined ? startOwnServers("eventstore") : undefined;

/**
 * In a log that others write into as well, views and delivery begin where the cluster does: what is there already is not
 * its own, takes as long as it is long, and need not be readable (the contract of logs writes what no projection reads).
 */
const beginAt = async ({ eventStoreUrl, after, mongo: where }: EngineSource, cell: string): Promise<void> => {
  const log = openEventStoreDb({ url: eventStoreUrl });
  const epoch = await openEpoch(log, cell, Date.now, { uuid: randomUUID }).finally(log.close);
  const mongo = await openMongo(where);
  try {
    // The one partition of one: a projector with another number of them begins there too.
    for (const name of ["views", "delivery"] as const)
      await checkpointsOf(mongo.db, 1, () => undefined, name).raise([0], { position: asPosition(after), epoch });
  } finally {
    await mongo.close();
  }
};

/** Until then no device's first sync is answered. */
const viewsCaughtUp = (gateway: ServerProcess): Promise<void> =>
  eventually(
    async () => {
      const metrics = await metricsOf(gateway);
      return metrics("parley_projection_position") > 0 && metrics("parley_projection_lag_events") === 0;
    },
    "the views have caught up with the log",
    startMsMax,
  );
const startMsMax = 90_000;

type Parts = {
  readonly tag: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly source: EngineSource;
  readonly dispose: () => Promise<void>;
};

const clusterOf = (
  { tag, environment, source, dispose }: Parts,
  gateways: readonly ServerProcess[],
  projectors: readonly ServerProcess[],
): Cluster => {
  const secret = Buffer.from(setting(environment, "PARLEY_TOKEN_SECRET"));
  const token: Door["token"] = (userId, deviceId, ttlSeconds = 3_600, clock = Date.now) =>
    Promise.resolve(signToken({ userId, deviceId }, { secret, ttlSeconds, clock }));
  const gatewayAt = (index: number): ServerProcess => {
    const gateway = gateways[index % gateways.length];
    if (gateway === undefined) throw new Error("the cluster has no gateway");
    return gateway;
  };
  const seen = new Map<string, number>();
  return {
    gateways,
    projectors,
    processes: [...gateways, ...projectors],
    user: (name) => `${name}-${tag}`,
    urlFor: (userId) => {
      const index = seen.get(userId) ?? seen.size;
      seen.set(userId, index);
      return gatewayAt(index).url();
    },
    token,
    door: (index) => ({ url: () => gatewayAt(index).url(), token }),
    source,
    dispose,
  };
};

const environmentOf = (tag: string, given: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => {
  const environment = { ...process.env, ...given };
  return {
    PARLEY_TOKEN_SECRET: environment.PARLEY_TOKEN_SECRET ?? randomBytes(32).toString("base64url"),
    PARLEY_MASTER_KEY: environment.PARLEY_MASTER_KEY ?? randomBytes(32).toString("base64"),
    PARLEY_MONGODB_DATABASE: `parley-test-${tag}`,
    PARLEY_CELL: `test-${tag}`,
    // A process tries the server when it starts; one that is killed meanwhile leaves its objects in a bucket of others.
    ...(given.PARLEY_S3_BUCKET === undefined ? { PARLEY_S3_URL: "" } : {}),
    ...given,
  };
};

const setting = (environment: Readonly<Record<string, string>>, name: string): string => {
  const value = environment[name] ?? process.env[name] ?? "";
  if (value === "") throw new Error(`${name} is not set: npm run test:stack starts the servers and sets it`);
  return value;
};

const sourceOf = async (environment: Readonly<Record<string, string>>): Promise<EngineSource> => {
  const eventStoreUrl = setting(environment, "PARLEY_EVENTSTORE_URL");
  const log = openEventStoreDb({ url: eventStoreUrl });
  const after = await log.head().finally(log.close);
  return {
    eventStoreUrl,
    after,
    mongo: {
      url: setting(environment, "PARLEY_MONGODB_URL"),
      database: setting(environment, "PARLEY_MONGODB_DATABASE"),
    },
    masterKey: Buffer.from(setting(environment, "PARLEY_MASTER_KEY"), "base64"),
  };
};

const dropDatabase = async (where: EngineSource["mongo"]): Promise<void> => {
  const mongo = await openMongo(where);
  const ledger = mongo.db.client.db(`${mongo.db.databaseName}-erasures`);
  try {
    for (const db of [ledger, mongo.db]) await retried(() => db.dropDatabase(), notYet);
  } finally {
    await mongo.close();
  }
};

/** The stand-in refuses while it still carries out what a killed process had sent. */
const notYet = (error: unknown, failures: number): number => {
  if (failures === 20) throw error;
  return 100;
};

/** @throws the first reason when one was rejected */
const valuesOf = <A>(settled: readonly PromiseSettledResult<A>[]): readonly A[] =>
  settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });

/** Whether the environment names all engines that a cluster needs. @throws Error under CI when it does not */
export const clusterEngines = (): boolean =>
  (["PARLEY_EVENTSTORE_URL", "PARLEY_MONGODB_URL", "PARLEY_NATS_URL", "PARLEY_REDIS_URL"] as const)
    .map(engine)
    .every((address) => address !== undefined);

/** Every sample of a process by its name, summed over its labels. A Prometheus name that is not there: 0. */
export const metricsOf = async (server: Pick<ServerProcess, "url">): Promise<(name: string) => number> => {
  const text = await (await fetch(`${server.url()}/metrics`)).text();
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name = "", value = ""] = /^([\w:]+)(?:\{.*\})? (\S+)$/.exec(line) ?? [];
    if (name !== "") sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return (name) => sums.get(name) ?? 0;
};

/** The projections of the distributed profile by their names, read from the engines; nothing in them is changed. */
import { mongoGenerations } from "../../infra/view-store/mongodb/generations/generations.js";
import { openEventStoreDb, type EventStoreDbLog } from "../../infra/event-log/eventstoredb/event-log.js";
import { readProblems, type ProjectorProblems } from "../../infra/leases/redis/problems.js";
import { openMongo, type Mongo } from "../../infra/engines/mongodb/connection.js";
import { openRedis } from "../../infra/engines/redis.js";
import { noPosition } from "../../domain/kernel/stream.js";
import { namedProjections, projectionNames, rowsNames } from "../../projections/named.js";
import type { GenerationFigures, Generations } from "../../projections/ports/generations.js";
import type { ViewName } from "../../projections/view-change.js";
import { cellPrefix, type Closers } from "../../profiles/engines.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { reasonOf } from "../../lib/errors.js";
import { within } from "../../lib/time.js";
import { closeQuietly, probeMsMax } from "../doctor/probe.js";
import { readLeases, readStanding, type Standing } from "./distributed.js";
import {
  bytesTogether,
  type GenerationStatus,
  type PartitionStatus,
  type ProjectionStatus,
  type ProjectionsStatus,
} from "./status.js";

/**
 * @throws Error that names each of the log and MongoDB that does not answer within five seconds, with its variable. Without
 * Redis only the projectors are unknown, and what they say.
 */
export const distributedStatus = async (config: DistributedConfig): Promise<ProjectionsStatus> => {
  const closers: Closers = [];
  const read = async ({ log, db }: Opened): Promise<ProjectionsStatus> => {
    const standing = await readStanding(log, db, config.partitions);
    const counted = await countedIn(mongoGenerations({ db, partitions: config.partitions }));
    const projectors = await projectorsOf(config, standing, closers);
    return {
      ...{ profile: "distributed", head: standing.head, logEpoch: standing.logEpoch },
      projections: projectionsOf(standing, counted, projectors),
      generations: counted.generations,
      partitions: projectors.partitions,
      ...(projectors.problem === undefined ? {} : { holdersProblem: projectors.problem }),
    };
  };
  try {
    const opened = await openBoth(config, closers);
    return await within(read(opened), probeMsMax);
  } finally {
    await closeQuietly(closers);
  }
};

type Counted = {
  readonly generations: readonly GenerationStatus[];
  /** Of the generation that readers are served from. */
  readonly live: number;
  readonly figures: ReadonlyMap<ViewName, GenerationFigures>;
};

/** The engine's own counts: none of them looks at all rows. */
const countedIn = async (generations: Generations): Promise<Counted> => {
  const all = await generations.list();
  const live = all.find(({ state }) => state === "live")?.number ?? 1;
  let ofLive: ReadonlyMap<ViewName, GenerationFigures> = new Map();
  const statuses: GenerationStatus[] = [];
  for (const { number, state, checkpoint } of all) {
    const figures = await figuresOf(generations, number);
    if (number === live) ofLive = figures;
    const bytes = bytesTogether([...figures.values()].map((each) => each.bytes));
    statuses.push({ number, state, position: checkpoint?.position ?? noPosition, ...bytes });
  }
  return { generations: statuses, live, figures: ofLive };
};

const figuresOf = async (generations: Generations, number: number) => {
  const reader = await generations.read(number);
  const views: readonly ViewName[] = rowsNames.flatMap((name) => namedProjections[name]);
  const figures = await Promise.all(views.map(async (view) => [view, await reader.figures(view)] as const));
  await reader.close();
  return new Map(figures);
};

type Projectors = {
  readonly partitions: readonly PartitionStatus[];
  readonly problems: ReadonlyMap<string, ProjectorProblems>;
  /** Why nothing is known of them. */
  readonly problem?: string;
};

const projectionsOf = (standing: Standing, counted: Counted, projectors: Projectors): readonly ProjectionStatus[] =>
  projectionNames.map((name): ProjectionStatus => {
    const part = name === "delivery" ? "delivery" : "views";
    const found = standing.projections.find((each) => each.name === part);
    if (found === undefined) throw new Error(`nothing is known of ${part}`);
    const { position, head, lag, epoch, logEpoch, problem } = found;
    const views: readonly ViewName[] = namedProjections[name];
    const figures = views.map((view) => counted.figures.get(view));
    return {
      ...{ name, position, head, lag },
      rows: views.length === 0 ? null : figures.reduce((sum, each) => sum + (each?.rows ?? 0), 0),
      ...(views.length === 0 ? {} : bytesTogether(figures.map((each) => each?.bytes))),
      generation: views.length === 0 ? null : counted.live,
      ...{ epoch, logEpoch, lastError: lastErrorOf(part, projectors) },
      ...slowestOf(part, projectors),
      ...(problem === undefined ? {} : { problem }),
    };
  });

/** As each of the projectors says that has one. */
const lastErrorOf = (part: keyof ProjectorProblems, { problems }: Projectors): string | null => {
  const said = [...problems].flatMap(([holder, problem]) => {
    const why = problem[part];
    return why === undefined ? [] : [`${holder}: ${why}`];
  });
  return said.length === 0 ? null : said.join("; ");
};

const slowestOf = (part: keyof ProjectorProblems, { partitions }: Projectors): Pick<ProjectionStatus, "slowest"> => {
  const [slowest] = partitions.toSorted((a, b) => (a[part] ?? -1) - (b[part] ?? -1));
  return slowest === undefined ? {} : { slowest: { partition: slowest.partition, projector: slowest.holder } };
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

const projectorsOf = async (
  { redisUrl, cell }: DistributedConfig,
  { partitions }: Standing,
  closers: Closers,
): Promise<Projectors> => {
  const redis = await openRedis({ url: redisUrl, onProblem: () => undefined });
  closers.push(redis.close);
  try {
    await redis.ping();
    const prefix = cellPrefix(cell);
    const { holders, ownerOf } = await readLeases(redis, prefix);
    const problems = await readProblems(redis.redis, prefix, holders);
    return {
      partitions: partitions.map((status) => ({ ...status, holder: ownerOf.get(status.partition) ?? null })),
      problems,
    };
  } catch (error) {
    return { partitions, problems: new Map(), problem: reasonOf(error) };
  }
};

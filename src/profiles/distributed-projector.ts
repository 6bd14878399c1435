import { createProjector, type ProjectorPart } from "../projections/projector.js";
import { createQueries } from "../projections/queries/create.js";
import type { ProjectionFailure } from "../projections/runner.js";
import { startPartitionLeases } from "../infra/leases/redis/leases.js";
import { startTellingProblems, type ProjectorProblems } from "../infra/leases/redis/problems.js";
import { publishErasure } from "../infra/bus/nats/erasures.js";
import { createSweeper } from "../infra/registry/redis/sweeper.js";
import { checkpointsOf } from "../infra/view-store/mongodb/checkpoints.js";
import type { ProcessParts } from "./distributed-gateway.js";
import { erasingAsRead } from "./erasure/distributed.js";
import { followUpsLostIn, startDelivering } from "./delivering.js";
import { cellPrefix, type Closers } from "./engines.js";
import { reconcileCountsIn } from "./reconcile-counts.js";
import { startDistributedSampling } from "./sampling.js";
import { startDistributedTree } from "./tree/distributed.js";
import { noPosition } from "../domain/kernel/stream.js";

/** One of M projectors: keeps the views and delivers for the partitions whose leases it holds. */
export type ProjectorRole = {
  /** Why views or delivery do not go on; undefined while they do. */
  readonly problem: () => string | undefined;
};

export const startProjectorRole = (parts: ProcessParts, closers: Closers): ProjectorRole => {
  const { config, engines, logger, telemetry, onRegistryFailure } = parts;
  const { log, views, sealing, snapshots, bus, epoch, mongo, redis } = engines;
  const { partitions } = config;
  // No client reads here: what delivery asks for is of a position that it waits for.
  const awaited = { ...views, opened: noPosition, problem: () => undefined };
  const queries = createQueries({ source: log, views: awaited, open: sealing.open, epoch, clock: Date.now });
  const prefix = cellPrefix(config.cell);
  const standing = createStanding(parts);
  const telling = startTellingProblems({
    ...{ redis: redis.redis, prefix, holder: config.processId, problems: standing.problems },
    onProblem: onRegistryFailure,
  });
  closers.push(telling.stop);
  standing.watch(telling.tell);
  let held: readonly number[] = [];

  const delivering = {
    ...{ source: log, reads: views.store.reads, bus, queries, sealing, snapshots, typing, logger },
    onFollowUpsLost: followUpsLostIn(telemetry),
  };
  const eraseFirst = erasingAsRead(engines.erasing, (userId) => {
    publishErasure(engines.nats, config.cell, userId);
  });
  const written: typeof views.write = async (changes) => {
    await eraseFirst(changes);
    await views.write(changes);
  };
  const projector = createProjector({
    ...{ source: log, epoch, partitions, views: { ...views, write: written }, clock: Date.now },
    checkpoints: {
      views: views.checkpoints,
      delivery: checkpointsOf(mongo.db, partitions, standing.waited, "delivery"),
    },
    deliver: (share, onStopped) => startDelivering({ ...delivering, onStopped }, { share }),
    onProblem: standing.onProblem,
    onUnsaved: standing.waited,
    onFailure: standing.onFailure,
  });
  closers.push(projector.stop);
  if (config.reconcileSample > 0) {
    const views = { source: log, db: mongo.db, partitions };
    const counts = reconcileCountsIn(telemetry);
    closers.push(startDistributedSampling(config.reconcileSample, views, { counts, logger }));
  }
  const tree = startDistributedTree(parts);
  closers.push(tree.stop);
  const leases = startPartitionLeases({
    ...{ redis: redis.redis, prefix, holder: config.processId, ...placeOf(config), partitions },
    onChange: async (now) => {
      held = now;
      tree.hold(now);
      logger.info({ held: now }, "partitions");
      await projector.hold(now);
    },
    onProblem: onRegistryFailure,
  });
  closers.push(leases.stop);
  const expired = telemetry.counter("parley_registry_leases_expired_total", "Leases of connections that lapsed.");
  const sweeper = createSweeper({
    ...{ redis: redis.redis, prefix },
    onExpired: (count) => {
      expired(count);
    },
    onProblem: onRegistryFailure,
  });
  closers.push(sweeper.stop);
  telemetry.gauge("parley_projector_partitions", "Partitions that this process holds.", () => held.length);
  return { problem: standing.problem };
};

/** Of those that run on one host under one name, no two listen on one port. A port that the system chooses tells nothing. */
const placeOf = ({ processName, port }: ProcessParts["config"]): { readonly place?: string } =>
  port === 0 ? {} : { place: `${processName}:${port}` };

/** Only gateways know which users type: what a leaver typed ends there after five seconds, and leavers are told of no end. */
const typing = { left: (): void => undefined };

/** Which parts do not go on, and why: for the health page, the metrics and the log, which has each reason once. */
const createStanding = ({ telemetry, logger }: Pick<ProcessParts, "telemetry" | "logger">) => {
  const problems = new Map<ProjectorPart, string>();
  let isAtEvent = false;
  let changed = (): void => undefined;
  const count = telemetry.counter("parley_projector_waits_total", "Times that the projector waited for an engine.");
  telemetry.gauge(
    "parley_projector_views_stopped",
    "1 while this process's views stand at an event that they cannot read.",
    () => Number(isAtEvent),
  );
  telemetry.gauge(
    "parley_projector_views_failing",
    "1 while this process's views cannot go on for another reason; it is tried again.",
    () => Number(problems.has("views") && !isAtEvent),
  );
  telemetry.gauge(
    "parley_projector_delivery_failing",
    "1 while this process's delivery cannot go on; it is tried again.",
    () => Number(problems.has("delivery")),
  );
  const waited = (): void => {
    count(1);
  };
  return {
    waited,
    onProblem: (part: ProjectorPart, problem: Error | undefined): void => {
      if (problem === undefined) {
        if (part === "views") isAtEvent = false;
        if (!problems.delete(part)) return;
        logger.info({ part }, "a part of the projector goes on");
        changed();
        return;
      }
      waited();
      if (problems.get(part) === problem.message) return;
      problems.set(part, problem.message);
      changed();
      logger.warn({ part, err: problem }, "a part of the projector does not go on; it is tried again");
    },
    onFailure: ({ event, error }: ProjectionFailure): void => {
      isAtEvent = true;
      problems.set("views", error.message);
      changed();
      logger.error({ event, err: error }, "the views have stopped; accepting and delivery go on");
    },
    /** Called back when a part has another problem than before, or none. */
    watch: (onChange: () => void): void => {
      changed = onChange;
    },
    problems: (): ProjectorProblems => Object.fromEntries(problems),
    problem: (): string | undefined =>
      problems.size === 0 ? undefined : [...problems].map(([part, why]) => `${part}: ${why}`).join("; "),
  };
};

import { createProjector } from "../../projections/projector.js";
import { createQueries } from "../../projections/queries/create.js";
import { startPartitionLeases } from "../leases/redis.js";
import { createSweeper } from "../registry/redis-sweeper.js";
import { checkpointsOf } from "../view-store/mongodb-checkpoints.js";
import type { ProcessParts } from "./distributed-gateway.js";
import { startDelivering } from "./delivering.js";
import { cellPrefix, type Closers } from "./engines.js";

/** One of M projectors: keeps the views and delivers for the partitions whose leases it holds. */
export type ProjectorRole = {
  /** Why views or delivery have stopped; undefined while they go on. */
  readonly problem: () => string | undefined;
};

export const startProjectorRole = (parts: ProcessParts, closers: Closers): ProjectorRole => {
  const { config, engines, logger, telemetry, onRegistryFailure } = parts;
  const { log, views, sealing, snapshots, bus, epoch, mongo, redis } = engines;
  const { partitions } = config;
  const queries = createQueries({ source: log, views, open: sealing.open, epoch, clock: Date.now });
  const away = telemetry.counter("parley_projector_waits_total", "Times that the projector waited for an engine.");
  const onAway = (): void => {
    away(1);
  };
  const stopped: { views?: string; delivery?: string } = {};
  telemetry.gauge("parley_projector_views_stopped", "1 while this process's views have stopped.", () =>
    Number(stopped.views !== undefined),
  );
  telemetry.gauge(
    "parley_projector_delivery_stopped",
    "1 while this process's delivery has stopped; its partitions were given back.",
    () => Number(stopped.delivery !== undefined),
  );
  let held: readonly number[] = [];

  const delivering = { source: log, reads: views.store.reads, bus, queries, sealing, snapshots, typing, logger };
  /** Views that stopped would stop elsewhere at the same event; delivery that cannot go on here may go on elsewhere. */
  const onDeliveryStopped = (error: Error): void => {
    stopped.delivery = error.message;
    leases.stop().catch(onRegistryFailure);
  };

  const projector = createProjector({
    ...{ source: log, epoch, partitions, views, clock: Date.now },
    checkpoints: {
      views: views.checkpoints,
      delivery: checkpointsOf(mongo.db, partitions, onAway, "delivery"),
    },
    deliver: (share) => startDelivering({ ...delivering, onStopped: onDeliveryStopped }, { share }),
    onAway,
    onFailure: ({ event, error }) => {
      stopped.views = error.message;
      logger.error({ event, err: error }, "the views have stopped; accepting and delivery go on");
    },
  });
  closers.push(projector.stop);
  const prefix = cellPrefix(config.home);
  const leases = startPartitionLeases({
    ...{ redis: redis.redis, prefix, holder: config.processId, partitions },
    onChange: async (now) => {
      held = now;
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
  const problems = () => Object.entries(stopped).map(([part, why]) => `${part}: ${why}`);
  return { problem: () => (problems().length === 0 ? undefined : problems().join("; ")) };
};

/** Who types is known to gateways alone: what a leaver typed ends there after five seconds, and of no end they are told. */
const typing = { left: (): void => undefined };

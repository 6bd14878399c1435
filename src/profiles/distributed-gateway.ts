import type { DeviceId, UserId } from "../domain/kernel/ids.js";
import { createCommands } from "../commands/execute.js";
import { lookUpIn } from "../commands/look-up.js";
import { createHub, type Hub } from "../gateway/connections/hub.js";
import type { Application, Logger } from "../gateway/ports.js";
import { createRegistration, type Registration } from "../gateway/connections/registration.js";
import { createRemovals, type Removals } from "../gateway/connections/removals.js";
import { createCatchUp } from "../gateway/access/catch-up.js";
import { createDeviceAccess, type DeviceAccess } from "../gateway/access/device-access.js";
import { createTyping } from "../gateway/ephemeral/typing.js";
import { createQueries } from "../projections/queries/create.js";
import { receiveForGateway } from "../infra/bus/nats/receiving/gateway-receiver.js";
import { createMemoryRateLimiter } from "../infra/rate-limiter/memory.js";
import { createRedisRateLimiter } from "../infra/rate-limiter/redis.js";
import type { Telemetry } from "../infra/telemetry.js";
import { messageIndex } from "../infra/view-store/message-index.js";
import { watchViews, type WatchedViews } from "../infra/view-store/mongodb/watch.js";
import type { DistributedConfig } from "../settings/distributed.js";
import { within } from "../lib/time.js";
import { cellPrefix, type Closers, type Engines } from "./engines.js";
import { engineReadiness, named } from "./readiness.js";
import { ids, mayStayBy, observeViews, serveClients } from "./serving.js";
import { leavingTextsOut } from "./texts-left-out.js";

export type ProcessParts = {
  readonly config: DistributedConfig;
  readonly engines: Engines;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** For what Redis could not answer. */
  readonly onRegistryFailure: (error: unknown) => void;
  /** Ends what serves the process's port until the process itself does. */
  readonly freePort: () => Promise<void>;
  /** For what the log could not answer, and is asked again. */
  readonly onLogFailure: (error: unknown) => void;
  /** For what could not be asked of how far the views are. */
  readonly onViewsProblem: (error: unknown) => void;
  /** Of the projector in the same process: it is told, but a gateway that can accept is ready. */
  readonly projectorProblem?: () => string | undefined;
};

/** One of N gateways: accepts for any conversation, and holds the sockets that came to it. Answers its address. */
export const startGatewayRole = async (parts: ProcessParts, closers: Closers): Promise<string> => {
  const { config, engines, logger, telemetry } = parts;
  const { log } = engines;
  const hub = createHub();
  const views = await watchViews({ views: engines.views, head: log.head, onProblem: parts.onViewsProblem });
  closers.push(views.stop);
  observeViews(telemetry, views);
  const app = createApplication({ ...parts, views }, closers, hub.devicesOf);
  const catchUp = createCatchUp(app);
  const deviceAccess = createDeviceAccess(app, catchUp.wrote);
  const removals = createRemovals({ hub, mayStay: mayStayBy(app.commands), onUnanswered: parts.onLogFailure });
  closers.push(removals.stop);
  const registration = registrationOf(parts, hub, removals, deviceAccess);
  closers.push(registration.stop);
  const served = receiveForGateway({
    ...{ nats: engines.nats, cell: config.cell, gatewayId: config.processId },
    onDeliver: hub.deliver,
    onDisconnect: (userId, deviceId) => {
      deviceAccess.deviceRemoved(userId, deviceId);
      removals.removed(userId, deviceId);
    },
    onReplaced: registration.replaced,
    onMissed: registration.missed,
    onProblem: (error) => {
      logger.warn({ err: error }, "a message from the bus could not be taken");
    },
    metrics: takenMetrics(telemetry),
  });
  closers.push(served.close);
  // Without NATS the gateway accepts and syncs all the same; frames come when it is there.
  await within(served.ready, natsWaitMs, () => undefined);
  telemetry.observe({
    logQueueDepth: app.pendingCommands,
    logHead: log.head,
    projections: async () => {
      const [head, checkpoint] = await Promise.all([log.head(), engines.views.store.checkpoint()]);
      const position = checkpoint?.position ?? 0;
      return [{ name: "views", position, lagEvents: Math.max(0, head - position) }];
    },
  });
  const limiter = limiterOf(parts);
  const secret = config.tokenSecret;
  await parts.freePort();
  const gateway = await serveClients({
    config,
    app,
    catchUp,
    deviceAccess,
    hub,
    registration,
    limiter,
    secret,
    telemetry,
    logger,
  });
  closers.push(gateway.close, gateway.drain);
  return gateway.url;
};

const natsWaitMs = 3_000;

const createApplication = (
  {
    config,
    engines,
    logger,
    onRegistryFailure,
    projectorProblem,
    views,
  }: ProcessParts & { readonly views: WatchedViews },
  closers: Closers,
  devicesHere: (userId: UserId) => readonly DeviceId[],
): Application & { readonly pendingCommands: () => number } => {
  const { log, sealing, epoch, snapshots, registry, bus } = engines;
  const readinessOfEngines = engineReadiness(engines);
  const commands = createCommands({
    ...{ log, sealing, ids, home: config.cell, membersMax: config.groupMembersMax, snapshots },
    isShared: true,
    lookUp: lookUpIn(messageIndex(views.store.reads), log),
    onSnapshotFailure: (error) => {
      logger.warn({ err: error }, "a snapshot could not be read or saved; cold loads are longer");
    },
  });
  closers.push(commands.snapshotsSaved);
  return {
    commands,
    pendingCommands: commands.pending,
    queries: createQueries({ source: log, views, open: sealing.open, epoch, clock: Date.now }),
    typing: createTyping({ bus, membersAmong: commands.membersAmong }),
    open: leavingTextsOut(sealing.open, logger),
    lastUses: async (userId) => {
      const usedNow = (devices: readonly DeviceId[]) => devices.map((deviceId) => [deviceId, Date.now()] as const);
      try {
        const [connected, uses] = await Promise.all([registry.devicesOf(userId), registry.lastUses(userId)]);
        return new Map([...uses, ...usedNow(connected)]);
      } catch (error) {
        onRegistryFailure(error);
        return new Map(usedNow(devicesHere(userId)));
      }
    },
    used: (device) => {
      registry.used(device).catch(onRegistryFailure);
    },
    epoch,
    head: log.head,
    readiness: async () => {
      const { ready, problems } = await readinessOfEngines();
      return {
        ready,
        problems: { ...problems, ...named({ views: views.problem(), projector: projectorProblem?.() }) },
      };
    },
  };
};

const registrationOf = (
  { engines, logger, telemetry, onRegistryFailure }: ProcessParts,
  hub: Hub,
  removals: Removals,
  deviceAccess: DeviceAccess,
): Registration => {
  const missed = telemetry.counter(
    "parley_missed_frames_total",
    "Times that frames may have gone past this gateway; its connections were told to sync.",
    ["reason"],
  );
  return createRegistration({
    hub,
    registry: engines.registry,
    tellReplaced: engines.bus.closeReplaced,
    removals,
    onMissed: (reason) => {
      missed(1, reason);
      deviceAccess.removalsMissed();
    },
    onRegistryFailure,
    logger,
  });
};

/** Over all gateways; while Redis is away each limits by itself. */
const limiterOf = ({ config, engines, telemetry }: ProcessParts) => {
  const local = telemetry.counter("parley_rate_limiter_local_total", "Limits decided without Redis.");
  return createRedisRateLimiter({
    ...{ redis: engines.redis.redis, prefix: cellPrefix(config.cell) },
    fallback: createMemoryRateLimiter(),
    onFallback: () => {
      local(1);
    },
  });
};

const takenMetrics = (telemetry: Telemetry) => {
  const taken = telemetry.counter("parley_bus_taken_total", "Items that this gateway took from the bus.");
  const duplicates = telemetry.counter(
    "parley_bus_duplicates_total",
    "Requests that came again and were not taken twice.",
  );
  const malformed = telemetry.counter("parley_bus_malformed_total", "Messages from the bus that could not be read.");
  return {
    taken,
    duplicate: () => {
      duplicates(1);
    },
    malformed: () => {
      malformed(1);
    },
  };
};

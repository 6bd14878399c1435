import { createCommands } from "../commands/execute.js";
import { lookUpIn } from "../commands/look-up.js";
import { goneWhenDamaged, sealingWith, type Sealing } from "../commands/sealing/sealing.js";
import { createHub, type Hub } from "../gateway/connections/hub.js";
import type { Application, Logger } from "../gateway/ports.js";
import { createRemovals } from "../gateway/connections/removals.js";
import { createCatchUp } from "../gateway/access/catch-up.js";
import { createDeviceAccess } from "../gateway/access/device-access.js";
import { createSyncTeller } from "../gateway/connections/sync-teller.js";
import { createDeviceUses } from "../gateway/access/device-uses.js";
import { createTyping } from "../gateway/ephemeral/typing.js";
import { createQueries } from "../projections/queries/create.js";
import { createLocalBus } from "../infra/bus/local.js";
import { createMemoryRateLimiter } from "../infra/rate-limiter/memory.js";
import type { Telemetry } from "../infra/telemetry.js";
import { serveLog } from "./embedded/log-port.js";
import { serveOperators } from "./embedded/operators.js";
import { openStores, type Stores } from "./embedded/stores.js";
import { startErasing } from "./erasure/serving.js";
import { damagedContent } from "./damaged-content.js";
import { messageIndex } from "../infra/view-store/message-index.js";
import { leavingTextsOut } from "./texts-left-out.js";
import type { App } from "./app.js";
import { closeAll, closedAfter, type Closers } from "./close-all.js";
import type { Config } from "../settings/config.js";
import { followUpsLostIn, startDelivering, type DeliveringWith } from "./delivering.js";
import { keepDelivering, type KeptDelivery } from "./keep-delivering.js";
import { acceptingReadiness, named } from "./readiness.js";
import { ids, mayStayBy, serveClients } from "./serving.js";
import { textCipherFor } from "./text-cipher.js";

/**
 * One process, one data directory, no server. What is opened later is closed first: the gateway, then delivery, views,
 * keys and the log.
 *
 * @throws DirectoryInUse, LogError and whatever keeps a part from opening; what was opened is closed again.
 */
export const startEmbedded = async (config: Config, version: string): Promise<App> => {
  const closers: Closers = [];
  const close = () => closeAll(closers);
  try {
    return await open(config, version, closers, close);
  } catch (error) {
    throw await closedAfter(error, close);
  }
};

const open = async (config: Config, version: string, closers: Closers, close: () => Promise<void>): Promise<App> => {
  const { logger, stores, telemetry } = await openStores(config, version, closers);
  const { log, keys, views, snapshots, epoch, secret } = stores;

  const sealing = goneWhenDamaged(
    sealingWith(keys, stores.incarnations, await textCipherFor(config, logger)),
    damagedContent(logger, telemetry),
  );
  const commands = startWriting(config, stores, { sealing, logger });
  closers.push(commands.snapshotsSaved);
  const erasing = await startErasing(config.dataDir, stores, commands, logger);
  const queries = createQueries({ source: log.background, views, open: sealing.open, epoch, clock: Date.now });
  const hub = createHub();
  const bus = createLocalBus({
    ...hub,
    disconnect: (userId, deviceId) => {
      deviceAccess.deviceRemoved(userId, deviceId);
      removals.removed(userId, deviceId);
    },
  });
  const uses = createDeviceUses(usersInMemoryMax);

  const typing = createTyping({ bus });
  const readiness = readinessOf(stores, () => live.problem());
  const app: Application = {
    commands,
    queries,
    typing,
    open: leavingTextsOut(sealing.open, logger),
    lastUses: (userId) => {
      const now = Date.now();
      return new Map([...uses.of(userId), ...hub.devicesOf(userId).map((deviceId) => [deviceId, now] as const)]);
    },
    used: (device) => {
      uses.used(device, Date.now());
    },
    epoch,
    head: log.head,
    readiness,
  };
  const catchUp = createCatchUp(app);
  const deviceAccess = createDeviceAccess(app, catchUp.wrote);
  const removals = createRemovals({
    hub,
    mayStay: mayStayBy(commands),
    onUnanswered: (error) => {
      logger.warn({ err: error }, "whether a device was removed cannot be said now; it is asked again");
    },
  });
  closers.push(removals.stop);
  const delivering = {
    source: log.background,
    reads: views.store.reads,
    bus,
    queries,
    sealing,
    snapshots,
    typing,
    logger,
    onFollowUpsLost: followUpsLostIn(telemetry),
  };
  const live = await deliverLive(delivering, hub, telemetry);
  closers.push(live.stop);
  const limiter = createMemoryRateLimiter();
  const gateway = await serveClients({ config, app, catchUp, deviceAccess, hub, limiter, secret, telemetry, logger });
  closers.push(gateway.close, gateway.drain);
  const errors = () => ({ views: views.problem() ?? null, delivery: live.problem() ?? null });
  closers.push(...(await serveOperators(config, stores, erasing, errors, { logger, telemetry })));
  const eventStoreServer = await serveLog(config, log, logger);
  if (eventStoreServer !== undefined) closers.push(eventStoreServer.close);
  let stopping: Promise<void> | undefined;
  return {
    url: gateway.url,
    ...(eventStoreServer === undefined ? {} : { eventStoreUrl: eventStoreServer.url }),
    stop: () => (stopping ??= close()),
    failed: Promise.race([log.failed, keys.failed]),
  };
};

/** Whose devices' last uses are known to the hour; some 110 bytes each. The log knows the others' to the day. */
const usersInMemoryMax = 100_000;

/** Live frames for as long as the process lives. What was under way when delivery ended by itself the devices get by a sync. */
const deliverLive = (delivering: DeliveringWith, hub: Hub, telemetry: Telemetry): Promise<KeptDelivery> => {
  const restarts = telemetry.counter(
    "parley_delivery_restarts_total",
    "Times that live delivery ended by itself and was started again; connections were told to sync.",
  );
  const tellToSync = createSyncTeller({
    isConnected: (connection) => hub.connectionOf(connection.actor.userId, connection.actor.deviceId) === connection,
    after: (ms, work) => void setTimeout(work, ms).unref(),
  });
  return keepDelivering({
    head: delivering.source.head,
    start: (resumed, onStopped) => startDelivering({ ...delivering, onStopped }, { resumed }),
    onAgain: () => {
      restarts(1);
      tellToSync([...hub.connections()]);
    },
  });
};

/** The write side. Snapshots only shorten loads, so what goes wrong with them is said and nothing more. */
const startWriting = (
  { cell, groupMembersMax: membersMax }: Config,
  { log, views, snapshots }: Stores,
  { sealing, logger }: { readonly sealing: Sealing; readonly logger: Logger },
) => {
  const lookUp = lookUpIn(messageIndex(views.store.reads), log);
  const onSnapshotFailure = (error: Error): void => {
    logger.warn({ err: error }, "a snapshot could not be read or saved; cold loads are longer");
  };
  return createCommands({
    log,
    background: log.background,
    sealing,
    ids,
    home: cell,
    lookUp,
    membersMax,
    snapshots,
    onSnapshotFailure,
  });
};

/** A process that can accept is ready: that takes the log and the keys. */
const readinessOf = (
  { log, keys, views }: Pick<Stores, "log" | "keys" | "views">,
  deliveryProblem: () => string | undefined,
): Application["readiness"] => {
  const accepting: Record<string, string> = {};
  void log.failed.then((error) => (accepting.log = error.message));
  void keys.failed.then((error) => (accepting.keys = error.message));
  return () =>
    Promise.resolve(acceptingReadiness(accepting, named({ views: views.problem(), delivery: deliveryProblem() })));
};

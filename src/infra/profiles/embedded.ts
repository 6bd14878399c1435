import { randomUUID } from "node:crypto";
import { openEpoch } from "../../commands/epoch.js";
import { createCommands } from "../../commands/execute.js";
import { sealingWith } from "../../commands/sealing.js";
import { createDispatcher } from "../../gateway/dispatch.js";
import { startGateway } from "../../gateway/gateway.js";
import { createHub } from "../../gateway/hub.js";
import { limits } from "../../domain/kernel/limits.js";
import { gatewayLimits } from "../../gateway/limits.js";
import type { Application, Logger } from "../../gateway/ports.js";
import { createRest } from "../../gateway/rest/rest.js";
import { createShared } from "../../gateway/shared.js";
import { startDelivery } from "../../projections/delivery/delivery.js";
import { createInboxUpdates } from "../../projections/delivery/inbox-updates.js";
import { createQueries } from "../../projections/queries/create.js";
import { createJwtAuthenticator } from "../auth/jwt.js";
import { loadOrCreateSecret, secretBytesAdvised } from "../auth/secret.js";
import { createLocalBus } from "../bus/local.js";
import { openSqliteLog, type SqliteLog } from "../event-log/sqlite.js";
import { openSqliteKeyStore } from "../key-store/sqlite.js";
import { createLogger, createTelemetry } from "../telemetry.js";
import { openSqliteViews, type SqliteViews } from "../view-store/sqlite.js";
import type { App } from "./app.js";
import type { Config } from "./config.js";
import { filesOf, lockDirectory } from "./data-directory.js";

/**
 * One process, one data directory, no server. What is opened later is closed first: the gateway, then delivery, views,
 * keys and the log.
 *
 * @throws DirectoryInUse, LogError and whatever keeps a part from opening; what was opened is closed again.
 */
export const startEmbedded = async (config: Config): Promise<App> => {
  const closers: (() => void | Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  };
  try {
    return await open(config, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
};

const ids = { uuid: randomUUID };
const sizes = { maxMessageBytes: limits.messageBytesMax, maxFrameBytes: gatewayLimits.frameBytesMax };

const open = async (
  config: Config,
  closers: (() => void | Promise<void>)[],
  closeAll: () => Promise<void>,
): Promise<App> => {
  const { logger, stores, telemetry } = await openStores(config, closers);
  const { log, keys, views, epoch, secret } = stores;
  const { metrics, metricsText } = telemetry;

  const sealing = sealingWith(keys, config.seal);
  const commands = createCommands({ log, sealing, ids, home: config.home });
  const queries = createQueries({ source: log, views, open: sealing.open, epoch, clock: Date.now });
  const hub = createHub();
  const bus = createLocalBus(hub);
  const delivery = startDelivery({
    source: log,
    bus,
    openNow: sealing.openNow,
    open: sealing.open,
    inboxUpdates: createInboxUpdates({
      bus,
      reads: views.store.reads,
      awaitCaughtUp: queries.awaitCaughtUp,
      onFailure: (error) => {
        logger.warn({ err: error }, "an inbox update could not be made");
      },
    }),
    onUndeliverable: ({ stream, revision }, error) => {
      logger.error({ stream, revision, err: error }, "an event could not be delivered; its devices heal by sync");
    },
    onFailure: (error) => {
      logger.error({ err: error }, "delivery has stopped");
    },
  });
  closers.push(delivery.stop);

  const { authenticate, check } = createJwtAuthenticator({ secret });
  const app: Application = { commands, queries, epoch, head: log.head, readiness: readinessOf(log, views) };
  const shared = createShared(app);
  const common = { app, authenticate, metrics, logger, clock: Date.now, ids, shared };
  const heartbeatIntervalMs = Math.round(config.heartbeatSeconds * 1_000);
  const dispatcher = createDispatcher({ ...common, config: { heartbeatIntervalMs, limits: sizes } });
  const gateway = await startGateway({
    config: { ...config, heartbeatIntervalMs, maxFrameBytes: sizes.maxFrameBytes },
    app,
    authenticate: check,
    dispatcher,
    rest: createRest(common),
    hub,
    metrics,
    metricsText,
    logger,
  });
  closers.push(gateway.close, gateway.drain);
  let stopping: Promise<void> | undefined;
  return { url: gateway.url, stop: () => (stopping ??= closeAll()), failed: Promise.race([log.failed, keys.failed]) };
};

const openStores = async (config: Config, closers: (() => void | Promise<void>)[]) => {
  const logger = createLogger(config.logLevel);
  const files = filesOf(config.dataDir);
  closers.push(lockDirectory(config.dataDir).release);
  const secret = await loadOrCreateSecret(config.dataDir);
  if (secret.length < secretBytesAdvised)
    logger.warn({ bytes: secret.length }, `the token secret is short; take ${secretBytesAdvised} random bytes or more`);
  const log = await openSqliteLog(files.log);
  closers.push(log.close);
  const keys = await openSqliteKeyStore(files.keys);
  closers.push(keys.close);
  const epoch = await openEpoch(log, Date.now, ids);
  const views = await openSqliteViews({ path: files.views, logPath: files.log, epoch });
  closers.push(views.close);
  wakeViews(log, views, logger);
  const telemetry = createTelemetry();
  telemetry.observe({
    logQueueDepth: () => log.stats().queueDepth,
    logHead: () => log.stats().head,
    projections: () => {
      const position = views.checkpoint().position;
      // Positions of this log are dense: their difference is a number of events.
      return [{ name: "views", position, lagEvents: log.stats().head - position }];
    },
  });
  return { logger, telemetry, stores: { log, keys, views, epoch, secret } };
};

/** The views read the log's file by themselves; they only have to be told that it has grown. */
const wakeViews = (log: SqliteLog, views: SqliteViews, logger: Logger): void => {
  log.subscribe("head", {
    onEvents: (events) => {
      const newest = events.at(-1);
      if (newest !== undefined) views.wake(newest.position);
    },
    onFailure: () => undefined,
  });
  void views.failed.then((error) => {
    logger.error(
      { err: error },
      "the views have stopped; reads go on from what they hold, accepting and delivery go on",
    );
  });
  void log.head().then(views.wake);
};

const readinessOf = (log: SqliteLog, views: SqliteViews): Application["readiness"] => {
  const problems: Record<string, string> = {};
  void log.failed.then((error) => (problems.log = error.message));
  void views.failed.then((error) => (problems.views = error.message));
  return () => Promise.resolve({ ready: Object.keys(problems).length === 0, problems: { ...problems } });
};

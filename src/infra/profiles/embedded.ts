import { randomUUID } from "node:crypto";
import { openEpoch } from "../../commands/epoch.js";
import { createCommands } from "../../commands/execute.js";
import { lookUpIn } from "../../commands/look-up.js";
import type { SnapshotStore } from "../../commands/ports.js";
import { sealingWith, type Sealing } from "../../commands/sealing.js";
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
import { createReceiptRollups } from "../../projections/delivery/receipt-rollups.js";
import { createTyping, type Typing } from "../../projections/delivery/typing.js";
import { createQueries } from "../../projections/queries/create.js";
import type { Bus } from "../../projections/ports.js";
import type { Queries } from "../../projections/queries/queries.js";
import { createAuthenticator, type AuthenticatorOptions } from "../auth/authenticator.js";
import { loadOrCreateSecret, secretBytesAdvised } from "../auth/secret.js";
import { createLocalBus } from "../bus/local.js";
import { openSqliteLog, type SqliteLog } from "../event-log/sqlite.js";
import { openSqliteKeyStore } from "../key-store/sqlite.js";
import { openSqliteSnapshots } from "../snapshot-store/sqlite.js";
import { createLogger, createTelemetry } from "../telemetry.js";
import { messageIndex } from "../view-store/message-index.js";
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
  const commands = startWriting(config, stores, { sealing, logger });
  closers.push(commands.snapshotsSaved);
  const queries = createQueries({ source: log, views, open: sealing.open, epoch, clock: Date.now });
  const hub = createHub();
  const bus = createLocalBus({
    ...hub,
    disconnect: (userId, deviceId) => {
      shared.deviceRemoved(userId, deviceId);
      hub.disconnect(userId, deviceId);
    },
  });

  const { authenticate, check } = createAuthenticator({ secret, ...jwksOf(config, logger) });
  const typing = createTyping({ bus });
  const readiness = readinessOf(log, views);
  const app: Application = {
    commands,
    queries,
    typing,
    connectedDevices: hub.devicesOf,
    epoch,
    head: log.head,
    readiness,
  };
  const shared = createShared(app);
  closers.push(startDelivering(stores, { bus, queries, sealing, typing, logger }));
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

type Stores = { readonly log: SqliteLog; readonly views: SqliteViews; readonly snapshots: SnapshotStore };

/** The write side. Snapshots only shorten loads, so what goes wrong with them is said and nothing more. */
const startWriting = (
  { home, groupMembersMax: membersMax }: Config,
  { log, views, snapshots }: Stores,
  { sealing, logger }: Pick<DeliveringWith, "sealing" | "logger">,
) => {
  const lookUp = lookUpIn(messageIndex(views.store.reads), log);
  const onSnapshotFailure = (error: Error): void => {
    logger.warn({ err: error }, "a snapshot could not be read or saved; cold loads are longer");
  };
  return createCommands({ log, sealing, ids, home, lookUp, membersMax, snapshots, onSnapshotFailure });
};

const jwksOf = ({ jwks }: Config, logger: Logger): Pick<AuthenticatorOptions, "jwks"> => {
  if (jwks === undefined) return {};
  const onProblem = (error: Error): void => {
    logger.warn({ err: error }, "the identity provider's keys could not be fetched");
  };
  return { jwks: { ...jwks, onProblem } };
};

type DeliveringWith = {
  readonly bus: Bus;
  readonly queries: Queries;
  readonly sealing: Sealing;
  readonly typing: Typing;
  readonly logger: Logger;
};

/** Delivery from the log, and what follows the views beside it. Answers what stops both. */
const startDelivering = (
  { log, views }: Stores,
  { bus, queries, sealing, typing, logger }: DeliveringWith,
): (() => void) => {
  const { reads } = views.store;
  const { awaitCaughtUp } = queries;
  const warn = (message: string) => (error: Error) => {
    logger.warn({ err: error }, message);
  };
  const rollups = createReceiptRollups({
    bus,
    reads,
    awaitCaughtUp,
    onFailure: warn("a receipt roll-up could not be made"),
  });
  let stopped = false;
  const delivery = startDelivery({
    source: log,
    bus,
    openNow: sealing.openNow,
    open: sealing.open,
    inboxUpdates: createInboxUpdates({
      bus,
      reads,
      awaitCaughtUp,
      onFailure: warn("an inbox update could not be made"),
    }),
    rollups,
    typing,
    onUndeliverable: ({ stream, revision }, error) => {
      // What waits at the end has nobody to go to: its devices sync when they come back.
      if (stopped) return;
      logger.error({ stream, revision, err: error }, "an event could not be delivered; its devices heal by sync");
    },
    onFailure: (error) => {
      logger.error({ err: error }, "delivery has stopped");
    },
  });
  return () => {
    stopped = true;
    delivery.stop();
    rollups.stop();
  };
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
  const snapshots = openSqliteSnapshots(files.snapshots);
  closers.push(snapshots.close);
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
  return { logger, telemetry, stores: { log, keys, views, snapshots, epoch, secret } };
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

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { cellOfLog, openEpoch, OtherCell } from "../commands/epoch.js";
import type { Commands } from "../commands/commands.js";
import { createCommands } from "../commands/execute.js";
import { lookUpIn } from "../commands/look-up.js";
import type { SnapshotStore } from "../commands/ports.js";
import { goneWhenDamaged, sealingWith, type Sealing } from "../commands/sealing/sealing.js";
import { E } from "../domain/kernel/fp.js";
import { createHub, type Hub } from "../gateway/connections/hub.js";
import type { Application, Logger } from "../gateway/ports.js";
import { createRemovals } from "../gateway/connections/removals.js";
import { createCatchUp } from "../gateway/access/catch-up.js";
import { createDeviceAccess } from "../gateway/access/device-access.js";
import { createSyncTeller } from "../gateway/connections/sync-teller.js";
import { createDeviceUses } from "../gateway/access/device-uses.js";
import { createTyping } from "../gateway/ephemeral/typing.js";
import { createQueries } from "../projections/queries/create.js";
import { loadOrCreateSecret } from "../infra/auth/secret.js";
import { givenTokenSecret, strengthOf, tokenSecretBytesAdvised } from "../settings/token-secret.js";
import { createLocalBus } from "../infra/bus/local.js";
import { startAdminServer } from "../admin-server/server.js";
import type { EventStoreServer } from "../eventstore-server/server.js";
import { startSharedThread } from "../infra/engines/shared-thread.js";
import { openSqliteLog, type SqliteLog } from "../infra/event-log/sqlite/event-log.js";
import { openSqliteKeyStore, type SqliteKeyStore } from "../infra/key-store/sqlite/key-store.js";
import { isLoopback } from "../infra/loopback.js";
import { createMemoryRateLimiter } from "../infra/rate-limiter/memory.js";
import { openSqliteSnapshots } from "../infra/snapshot-store/sqlite/snapshot-store.js";
import { createLogger, createTelemetry, type Telemetry } from "../infra/telemetry.js";
import { damagedContent } from "./damaged-content.js";
import { messageIndex } from "../infra/view-store/message-index.js";
import { leavingTextsOut } from "./texts-left-out.js";
import { openSwitchableViews, type SwitchableViews } from "../infra/view-store/sqlite/switchable-views.js";
import { openSqliteViews } from "../infra/view-store/sqlite/view-store.js";
import type { AdminCalls } from "../admin-server/call.js";
import { adminCallsOf } from "./admin-calls.js";
import type { App } from "./app.js";
import { closeAll, closedAfter, type Closers } from "./close-all.js";
import type { Config } from "../settings/config.js";
import { filesOf, lockDirectory, missingLogOf, walsOf } from "./data-directory.js";
import { erasingIn, ErasureRefused } from "./erasure/embedded.js";
import { reapplyErasures, type ErasingWith } from "./erasure/erase.js";
import { followUpsLostIn, startDelivering, type DeliveringWith } from "./delivering.js";
import { keepDelivering, type KeptDelivery } from "./keep-delivering.js";
import { incarnationsFor, refuseWithoutKeys } from "./missing-keys.js";
import { acceptingReadiness, named } from "./readiness.js";
import { reconcileCountsIn } from "./reconcile-counts.js";
import { masterKeysFor } from "./master-key.js";
import { startEmbeddedSampling } from "./sampling.js";
import { ids, mayStayBy, observeViews, serveClients } from "./serving.js";
import { startEmbeddedTree, type EmbeddedTree } from "./tree/embedded.js";
import { textCipherFor } from "./text-cipher.js";
import { viewsWorkerUrl } from "./views-worker-url.js";
import { warnOfOldNames } from "../settings/cell.js";
import { warnOfStrayVariables } from "../settings/stray-variables.js";

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
  const erasing = erasingIn(config.dataDir, filesOf(config.dataDir), {
    log: { ...log.background, head: log.head },
    keys,
    append: appendingErasures(commands),
  });
  const erased = await reapplyErasures(erasing);
  if (erased.length > 0)
    logger.warn(
      { users: erased.length },
      "users whom the erasure ledger names were erased again: what is here is of before",
    );
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
  const counts = reconcileCountsIn(telemetry);
  if (config.reconcileSample > 0) {
    const data = { dir: config.dataDir, logPath: filesOf(config.dataDir).log };
    closers.push(startEmbeddedSampling(config.reconcileSample, data, { counts, logger }));
  }
  const calls = adminCallsOf({ ...stores, erasing }, filesOf(config.dataDir), counts, () => ({
    views: views.problem() ?? null,
    delivery: live.problem() ?? null,
  }));
  closers.push(await serveOperators(config.dataDir, calls, logger));
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

/** Through the queue of the user's commands, whose state in memory is to know it. */
const appendingErasures =
  ({ eraseUser }: Pick<Commands, "eraseUser">): ErasingWith["append"] =>
  async ({ userId, reason, by }) => {
    const commandId = ids.uuid();
    const context = { commandId, correlationId: commandId, now: Date.now(), by };
    const result = await eraseUser({ userId, reason }, context);
    if (E.isLeft(result)) throw new ErasureRefused(result.left.code, result.left.message);
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

/** Calls of operators' commands. Without them a server runs as well as with them, so what is wrong is said and nothing more. */
const serveOperators = async (dir: string, calls: AdminCalls, logger: Logger): Promise<() => Promise<void>> => {
  const onError = (call: string, err: Error): void => {
    logger.error({ call, err }, "an operator's call failed");
  };
  try {
    return (await startAdminServer(filesOf(dir).admin, calls, onError)).close;
  } catch (error) {
    logger.warn(
      { err: error },
      "operators' commands cannot reach this server: those that change something need it stopped",
    );
    return () => Promise.resolve();
  }
};

/** The log for EventStoreDB's clients, where that is wanted. */
const serveLog = async (
  { eventStorePort }: Config,
  log: SqliteLog,
  logger: Logger,
): Promise<EventStoreServer | undefined> => {
  if (eventStorePort === undefined) return undefined;
  const { tls, ...options } = eventStorePort;
  const onProblem = (error: Error): void => {
    logger.error({ err: error }, "a call to the log's EventStoreDB port ended unexpectedly");
  };
  if (tls === undefined && !isLoopback(options.host))
    logger.warn(
      { host: options.host, fix: "Set PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT" },
      "the log's EventStoreDB port speaks plain text beyond this machine: its token and what is read can be heard",
    );
  const pem = tls && { key: await readFile(tls.keyFile, "utf8"), cert: await readFile(tls.certFile, "utf8") };
  const served = { ...log, ...log.background };
  const { startEventStoreServer } = await import("../eventstore-server/server.js");
  return startEventStoreServer({ ...options, ...(pem === undefined ? {} : { tls: pem }), log: served, onProblem });
};

type Stores = {
  readonly log: SqliteLog;
  readonly keys: SqliteKeyStore;
  readonly views: SwitchableViews;
  readonly snapshots: SnapshotStore;
  readonly tree: EmbeddedTree;
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

const openStores = async (config: Config, version: string, closers: Closers) => {
  const logger = createLogger(config.logLevel);
  logger.info({ version, data: config.dataDir }, "Parley starts");
  const files = filesOf(config.dataDir);
  closers.push(lockDirectory(config.dataDir).release);
  warnOfStrayVariables("embedded", logger);
  warnOfOldNames(config.oldNames, logger);
  const given = givenTokenSecret(process.env);
  const isSecretNew = given === undefined && !existsSync(files.secret);
  const secret = await loadOrCreateSecret(config.dataDir, given);
  if (strengthOf(secret) !== "strong")
    logger.warn(
      { bytes: secret.length },
      `the token secret is short; take ${tokenSecretBytesAdvised} random bytes or more`,
    );
  const missing = missingLogOf(config.dataDir);
  if (missing !== undefined) throw new Error(missing);
  const log = await openSqliteLog(files.log);
  closers.push(log.close);
  if (isSecretNew && (await log.head()) > 0)
    logger.warn(
      { path: files.secret },
      "the token secret was missing and was made anew, though the log is not new: no token of before is taken any more. If that is not meant, restore it from its backup",
    );
  await refuseWithoutKeys(files.keys, log);
  const masterKeys = await masterKeysFor(files);
  const keysAndSnapshots = startSharedThread("keys-and-snapshots");
  const keys = await openSqliteKeyStore(files.keys, masterKeys, {}, keysAndSnapshots);
  closers.push(keys.close);
  const incarnations = config.seal ? await incarnationsFor(log, keys, logger) : undefined;
  const epoch = await openEpoch(log, config.cell, Date.now, ids);
  const cell = await cellOfLog(log);
  if (cell !== undefined && cell !== config.cell) throw new OtherCell(files.log, cell, config.cell);
  const views = await openSwitchableViews(config.dataDir, (path) =>
    openSqliteViews(viewsWorkerUrl, { path, logPath: files.log, epoch }, (problem) => {
      if (problem === undefined) logger.info({}, "the views go on");
      else
        logger.warn(
          { reason: problem },
          "the views cannot go on; they are tried again, and reads are refused until then",
        );
    }),
  );
  closers.push(views.close);
  if (views.replaced)
    logger.warn(
      { path: files.views, head: views.opened },
      "views.db was of an older version: it was deleted and is built anew from the log; reads are refused until it is there",
    );
  wakeViews(log, views, logger);
  const snapshots = openSqliteSnapshots(files.snapshots, keysAndSnapshots);
  closers.push(snapshots.close);
  const telemetry = createTelemetry(version);
  const tree = startEmbeddedTree({ config, files, log, epoch, thread: keysAndSnapshots, telemetry, logger });
  closers.push(tree.close);
  observeViews(telemetry, views);
  telemetry.gaugeBy("parley_wal_bytes", "Size of the write-ahead log beside each file.", "file", () =>
    walsOf(filesOf(config.dataDir)),
  );
  telemetry.observe({
    logQueueDepth: () => log.stats().queueDepth,
    logHead: () => log.stats().head,
    projections: () => {
      const position = views.checkpoint().position;
      // Positions of this log are dense: their difference is a number of events.
      return [{ name: "views", position, lagEvents: log.stats().head - position }];
    },
  });
  return { logger, telemetry, stores: { log, keys, incarnations, views, snapshots, tree, epoch, secret } };
};

/** The views read the log's file by themselves; they only have to be told that it has grown. */
const wakeViews = (log: SqliteLog, views: SwitchableViews, logger: Logger): void => {
  log.subscribe("head", {
    onEvents: (events) => {
      const newest = events.at(-1);
      if (newest !== undefined) views.wake(newest.position);
    },
    onFailure: () => undefined,
  });
  void views.failed.then((error) => {
    logger.error({ err: error }, "the views have stopped; reads are refused, accepting and delivery go on");
  });
  void log.head().then(views.wake);
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

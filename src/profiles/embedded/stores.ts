import { existsSync } from "node:fs";
import { cellOfLog, openEpoch, OtherCell } from "../../commands/epoch.js";
import type { SnapshotStore } from "../../commands/ports.js";
import type { Logger } from "../../gateway/ports.js";
import { loadOrCreateSecret } from "../../infra/auth/secret.js";
import { startSharedThread } from "../../infra/engines/shared-thread.js";
import { openSqliteLog, type SqliteLog } from "../../infra/event-log/sqlite/event-log.js";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../infra/key-store/sqlite/key-store.js";
import { openSqliteSnapshots } from "../../infra/snapshot-store/sqlite/snapshot-store.js";
import { createLogger, createTelemetry } from "../../infra/telemetry.js";
import { openSwitchableViews, type SwitchableViews } from "../../infra/view-store/sqlite/switchable-views.js";
import { openSqliteViews } from "../../infra/view-store/sqlite/view-store.js";
import { warnOfOldNames } from "../../settings/cell.js";
import type { Config } from "../../settings/config.js";
import { warnOfStrayVariables } from "../../settings/stray-variables.js";
import { givenTokenSecret, strengthOf, tokenSecretBytesAdvised } from "../../settings/token-secret.js";
import type { Closers } from "../close-all.js";
import { filesOf, lockDirectory, missingLogOf, walsOf } from "../data-directory.js";
import { masterKeysFor } from "../master-key.js";
import { incarnationsFor, refuseWithoutKeys } from "../missing-keys.js";
import { ids, observeViews } from "../serving.js";
import { startEmbeddedTree, type EmbeddedTree } from "../tree/embedded.js";
import { viewsWorkerUrl } from "../views-worker-url.js";

/** What a data directory holds, opened. */
export type Stores = {
  readonly log: SqliteLog;
  readonly keys: SqliteKeyStore;
  readonly views: SwitchableViews;
  readonly snapshots: SnapshotStore;
  readonly tree: EmbeddedTree;
};

/**
 * Under the directory's lock. What is opened is closed by `closers`, also where this rejects.
 *
 * @throws DirectoryInUse, LogError, OtherCell and whatever keeps a file from opening
 */
export const openStores = async (config: Config, version: string, closers: Closers) => {
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

/** What is Parley's own of the distributed profile: the keys, wrapped as they are, and whose log they belong to. */
import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { beginEpoch, cellOfLog, newestEpoch, OtherCell } from "../../commands/epoch.js";
import { cellOfDatabase, rememberedCell } from "../../infra/engines/mongodb/cell.js";
import type { Mongo } from "../../infra/engines/mongodb/connection.js";
import { forgetIncarnations, putBackKeys, storedKeys } from "../../infra/key-store/mongodb/copy.js";
import { assertMasterKey } from "../../infra/key-store/mongodb/key-store.js";
import { closeAll, type Closers } from "../../profiles/close-all.js";
import type { UserId } from "../../domain/kernel/ids.js";
import type { Ledger } from "../../profiles/erasure/ledger.js";
import { openErasureLedger } from "../../profiles/erasure/open-ledger.js";
import { reapplyInEngines } from "../../profiles/erasure/distributed.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import { operator } from "../access.js";
import { digestOf } from "../durable.js";
import { openEnginesToWrite } from "../engines-to-write.js";
import { openErasing } from "../erasure/engines.js";
import { openDatabase, openLogOfEngines } from "../open-engines.js";
import { beginDirectory } from "./directory.js";
import type { BackupManifest } from "./manifest.js";
import { verifyBackup } from "./verify.js";

const keysName = "keys.ndjson";

export type EnginesBackup = { readonly manifest: BackupManifest; readonly keys: number };

/**
 * Takes the keys, after the log's position was noted: they open every event up to it. EventStoreDB has a backup of its own,
 * which is to be taken before.
 * @param onProgress keys
 */
export const createEnginesBackup = async (
  config: DistributedConfig,
  { dir }: { readonly dir: string },
  onProgress: (done: number) => void = () => undefined,
): Promise<EnginesBackup> => {
  const closers: Closers = [];
  try {
    const log = await openLogOfEngines(config, closers);
    const { db } = await openDatabase(config, closers);
    const [last] = await log.readAll(undefined, 1, "backwards");
    const { at } = (last === undefined ? {} : JSON.parse(last.meta)) as { readonly at?: unknown };
    const about: Omit<BackupManifest, "files"> = {
      ...({ format: "parley-backup", version: 1, id: randomUUID(), profile: "distributed", part: "whole" } as const),
      ...{ madeAt: Date.now(), head: await log.head(), headAt: typeof at === "number" ? at : null },
      cell: (await cellOfLog(log)) ?? (await cellOfDatabase(db)) ?? config.cell,
      epoch: (await newestEpoch(log)) ?? null,
    };
    const directory = await beginDirectory(dir);
    try {
      const path = join(directory.path, keysName);
      const keys = await writeKeys(db, path, onProgress);
      const manifest: BackupManifest = { ...about, files: [{ name: keysName, ...(await digestOf(path)) }] };
      await directory.finish(manifest);
      return { manifest, keys };
    } catch (error) {
      await directory.abandon();
      throw error;
    }
  } finally {
    await closeAll(closers);
  }
};

const writeKeys = async (db: Mongo["db"], path: string, onProgress: (done: number) => void): Promise<number> => {
  const file = await open(path, "wx", 0o600);
  let keys = 0;
  try {
    for await (const lines of storedKeys(db)) {
      await file.writeFile(lines.map((line) => `${line}\n`).join(""));
      onProgress((keys += lines.length));
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return keys;
};

export type EnginesRestored = {
  readonly manifest: BackupManifest;
  readonly epoch: string;
  /** Keys that were put back, and those that were there already. */
  readonly restored: number;
  readonly there: number;
  /** Keys of users who were erased since, which stay away. */
  readonly leftOut: number;
  /** Users whom the ledger of erasures names, and who were erased again. */
  readonly erasedAgain: number;
  /** The head of the log as it is now, beside the one of the backup. */
  readonly head: number;
};

/**
 * Puts the keys back beside those that are there, once the engines have their data again, begins a new epoch and removes
 * the views. What was put back before it was killed is found there when it is run again.
 * @throws (rejects) Error when processes of the cell run, the cell is another one, or the master key
 */
export const restoreEnginesBackup = async (
  config: DistributedConfig,
  options: { readonly dir: string; readonly reason?: string | undefined; readonly unchecked?: boolean },
  onProgress: (done: number) => void = () => undefined,
): Promise<EnginesRestored> => {
  const { dir, reason, unchecked } = options;
  const { manifest, problems } = await verifyBackup(dir, undefined);
  if (manifest.profile !== "distributed")
    throw new Error(
      `${dir} is a backup of a data directory: restore it with --data DIR, and move its log by an export`,
    );
  if (problems.length > 0) throw new Error(problems.join("; "));
  if (manifest.cell !== null && manifest.cell !== config.cell) throw new OtherCell(dir, manifest.cell, config.cell);
  const closers: Closers = [];
  const { log, forgetDerived, close } = await openEnginesToWrite(config, { unchecked: unchecked === true });
  closers.push(close);
  try {
    const { db } = await openDatabase(config, closers);
    const cell = await rememberedCell(db, config.cell);
    if (cell !== config.cell) throw new OtherCell(`MongoDB's database ${db.databaseName}`, cell, config.cell);
    const opened = await openErasureLedger(config, db, log);
    closers.push(opened.close);
    const { restored, there, leftOut } = await putBack(db, join(dir, keysName), opened.ledger, onProgress);
    await assertMasterKey(db, config.masterKeys);
    const previous = { epoch: manifest.epoch, head: manifest.head };
    const start = { home: config.cell, cause: "restore", reason, previous, by: operator() } as const;
    const head = await log.head();
    if (head > manifest.head) await forgetIncarnations(db);
    const epoch = await beginEpoch(log, start, Date.now, { uuid: randomUUID });
    // Not before the keys are there: a master key that is not theirs would be made this database's own.
    const { again } = await reapplyInEngines(await openErasing(config, closers));
    await forgetDerived();
    return { manifest, epoch, restored, there, leftOut, erasedAgain: again.length, head };
  } finally {
    await closeAll(closers);
  }
};

const linesOfBatch = 500;

const putBack = async (
  db: Mongo["db"],
  path: string,
  ledger: Pick<Ledger, "find">,
  onProgress: (done: number) => void,
) => {
  const erasedAmong = async (users: readonly UserId[]): Promise<ReadonlySet<UserId>> => {
    const erased = new Set<UserId>();
    for (const userId of users) if ((await ledger.find(userId)) !== undefined) erased.add(userId);
    return erased;
  };
  let [restored, leftOut, done] = [0, 0, 0];
  let batch: string[] = [];
  const flush = async (): Promise<void> => {
    const put = await putBackKeys(db, batch, erasedAmong);
    restored += put.put;
    leftOut += put.leftOut;
    onProgress((done += batch.length));
    batch = [];
  };
  for await (const line of createInterface({ input: createReadStream(path) })) {
    batch.push(line);
    if (batch.length >= linesOfBatch) await flush();
  }
  await flush();
  return { restored, there: done - restored - leftOut, leftOut };
};

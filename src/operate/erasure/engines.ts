/** `parley user erase` of the distributed profile: on the engines, beside the processes of the cell. */
import { cellOfLog, OtherCell } from "../../commands/epoch.js";
import type { UserId } from "../../domain/kernel/ids.js";
import { tellErasure } from "../../infra/bus/nats/erasures.js";
import { openNats } from "../../infra/engines/nats.js";
import { cellOfDatabase } from "../../infra/engines/mongodb/cell.js";
import { assertMasterKey, openMongoKeyStore } from "../../infra/key-store/mongodb/key-store.js";
import { reasonOf } from "../../lib/errors.js";
import { within } from "../../lib/time.js";
import { closeAll, closedAfter, type Closers } from "../../profiles/close-all.js";
import { erasingInEngines } from "../../profiles/erasure/distributed.js";
import { eraseUser, type Erased, type Erasure, type ErasingWith } from "../../profiles/erasure/erase.js";
import { openErasureLedger } from "../../profiles/erasure/open-ledger.js";
import type { DistributedConfig } from "../../settings/distributed.js";
import type { OnProgress } from "../admin.js";
import { probeMsMax } from "../doctor/probe.js";
import { named, openDatabase, openLogOfEngines } from "../open-engines.js";
import { runningProcesses } from "../running-processes.js";

/** What the processes that run said. The others forget the keys when they look for them again, within a minute. */
export type Told = {
  readonly forgotten: readonly string[];
  /** They run, and did not say that they have forgotten. */
  readonly silent: readonly string[];
  /** Why not all of them are known. */
  readonly problems: readonly string[];
};

export type ErasedInEngines = Erased & { readonly told: Told };

/**
 * Erases a user; repeatable, whatever ended it. Processes that run are told to forget the keys when they are destroyed.
 * @throws (rejects) ErasureRefused, OtherCell, LedgerOfAnotherLog, and what an engine fails with
 */
export const eraseInEngines = async (
  config: DistributedConfig,
  erasure: Erasure,
  onProgress: OnProgress,
): Promise<ErasedInEngines> => {
  const closers: Closers = [];
  const close = () => closeAll(closers);
  try {
    const erasing = await openErasing(config, closers);
    let told: Promise<Told> | undefined;
    const destroy: ErasingWith["keys"]["destroy"] = async (userId) => {
      const ids = await erasing.keys.destroy(userId);
      told ??= tell(config, userId);
      return ids;
    };
    const erased = await eraseUser({ ...erasing, keys: { ...erasing.keys, destroy } }, erasure, onProgress);
    return { ...erased, told: await (told ?? tell(config, erasure.userId)) };
  } catch (error) {
    throw await closedAfter(error, close);
  } finally {
    await close();
  }
};

/** @throws (rejects) as `eraseInEngines`: a wrong cell or master key is found before anything is begun */
export const openErasing = async (config: DistributedConfig, closers: Closers): Promise<ErasingWith> => {
  const log = await openLogOfEngines(config, closers);
  const { db } = await openDatabase(config, closers);
  for (const [where, cell] of [
    [`MongoDB's database ${db.databaseName}`, await cellOfDatabase(db)],
    ["EventStoreDB", await cellOfLog(log)],
  ] as const)
    if (cell !== undefined && cell !== config.cell) throw new OtherCell(where, cell, config.cell);
  await assertMasterKey(db, config.masterKeys);
  const { ledger, close } = await named("PARLEY_ERASURE_LEDGER", openErasureLedger(config, db, log));
  closers.push(close);
  const keys = openMongoKeyStore({ db, masterKeys: config.masterKeys });
  closers.push(keys.close);
  return erasingInEngines({ log, keys, ledger });
};

/** Longer than a process that is well takes to answer. */
const answersMs = 2_000;

/** Never rejects: the keys are destroyed, whoever hears of it. */
const tell = async (config: DistributedConfig, userId: UserId): Promise<Told> => {
  const [{ running, silent }, told] = await Promise.all([
    runningProcesses(config),
    tellProcesses(config, userId).catch((error: unknown) => ({ failed: `PARLEY_NATS_URL: ${reasonOf(error)}` })),
  ]);
  const forgotten = "failed" in told ? [] : told;
  const problems = new Set([...silent, ...("failed" in told ? [told.failed] : [])]);
  return {
    forgotten,
    silent: running.filter((process) => !forgotten.includes(process)),
    problems: [...problems],
  };
};

const tellProcesses = async (config: DistributedConfig, userId: UserId): Promise<readonly string[]> => {
  const nats = openNats({ url: config.natsUrl, name: "parley", onProblem: () => undefined });
  try {
    const connection = await within(nats.connection, probeMsMax);
    return await tellErasure(connection, { cell: config.cell, userId, answersMs });
  } finally {
    await nats.close();
  }
};

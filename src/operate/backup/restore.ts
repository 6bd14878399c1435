import { randomUUID } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { beginEpoch } from "../../commands/epoch.js";
import { openSqliteLog } from "../../infra/event-log/sqlite/event-log.js";
import { lockDirectory, restoringIn } from "../../profiles/data-directory.js";
import { operator } from "../access.js";
import { syncDirectory } from "../../lib/sync-directory.js";
import { copySynced } from "../durable.js";
import { compareWithWitness, type AgainstWitness } from "./against-witness.js";
import type { BackupManifest } from "./manifest.js";
import { missingSince, type Missing } from "./missing.js";
import { verifyBackup } from "./verify.js";

export type RestoreOptions = {
  readonly dir: string;
  /** The keys' directory of a backup that was taken apart. */
  readonly keysDir?: string | undefined;
  /** Empty, or not there. */
  readonly dataDir: string;
  /** The data directory that was lost, or what is left of it: it says what the backup lacks. */
  readonly old?: string | undefined;
  /** The ledger of erasures; undefined: the one in `old`, where it is there. */
  readonly erasures?: string | undefined;
  readonly reason?: string | undefined;
  /** Heads that a witness kept: a log that does not go on from them is not restored. */
  readonly witnessFile?: string | undefined;
};

export type Restored = {
  readonly manifest: BackupManifest;
  readonly epoch: string;
  readonly withoutKeys: boolean;
  /** Whether a ledger of erasures was taken along: the next start erases again whom it names. */
  readonly withErasures: boolean;
  readonly missing?: Missing;
  readonly against?: AgainstWitness;
};

/**
 * Makes a data directory of a backup, in which a new epoch has begun. All of it is prepared in a directory of its own
 * within, and takes its places at the end, the log last: until then no server starts there.
 * @param onProgress bytes
 * @throws (rejects) Error when the backup is not whole, or the directory not empty
 */
export const restoreBackup = async (
  options: RestoreOptions,
  onProgress: (phase: "verifying" | "copying", done: number, of: number) => void = () => undefined,
): Promise<Restored> => {
  const { dir, keysDir, dataDir, old, reason, witnessFile } = options;
  const { manifest, keys, problems } = await verifyBackup(dir, keysDir, (done, of) => {
    onProgress("verifying", done, of);
  });
  if (manifest.profile !== "embedded")
    throw new Error(`${dir} is a backup of the distributed profile: restore it with --profile distributed`);
  if (problems.length > 0) throw new Error(problems.join("; "));
  const against = witnessFile === undefined ? undefined : await compareWithWitness(dir, manifest, witnessFile);
  if (against?.problem !== undefined)
    throw new Error(`this backup is not of the log that the witness saw: ${against.problem}`);
  // Before anything is made: what it says is wanted most when the restore fails.
  const missing = old === undefined ? undefined : await missingSince(manifest, old);
  const { release } = lockDirectory(dataDir);
  try {
    await emptied(dataDir);
    const restoring = restoringIn(dataDir);
    await mkdir(restoring, { mode: 0o700 });
    await syncDirectory(dataDir);
    await copyAll(restoring, [[dir, manifest], ...(keysDir && keys ? [[keysDir, keys] as const] : [])], (done, of) => {
      onProgress("copying", done, of);
    });
    const withErasures = await takeErasures(options, restoring);
    const epoch = await beginRestored(restoring, manifest, reason);
    await takePlaces(restoring, dataDir);
    const withoutKeys = manifest.part === "log" && keys === undefined;
    return {
      ...{ manifest, epoch, withoutKeys, withErasures },
      ...(missing === undefined ? {} : { missing }),
      ...(against === undefined ? {} : { against }),
    };
  } finally {
    release();
  }
};

/** What may lie in a directory that is empty: the lock, and what a file system has. */
const isNothing = (name: string): boolean => name.startsWith("parley.lock") || name === "lost+found";

/** Takes away what a restore before left, which was killed. @throws (rejects) Error when anything else is there */
const emptied = async (dataDir: string): Promise<void> => {
  const there = readdirSync(dataDir).filter((name) => !isNothing(name));
  if (there.length > 0 && !existsSync(restoringIn(dataDir)))
    throw new Error(`${dataDir} is not empty (${there.slice(0, 3).join(", ")}): restore into a directory that is`);
  // The directory of what is not whole goes last: it says whose the rest is.
  for (const name of there.toSorted((a, b) => Number(a === "restoring") - Number(b === "restoring")))
    await rm(join(dataDir, name), { recursive: true, force: true });
};

const copyAll = async (
  to: string,
  parts: readonly (readonly [string, BackupManifest])[],
  onProgress: (done: number, of: number) => void,
): Promise<void> => {
  const files = parts.flatMap(([from, { files }]) => files.map((file) => ({ from, ...file })));
  const of = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const { from, name, sha256 } of files) {
    const copied = await copySynced(join(from, name), join(to, name), (bytes) => {
      onProgress((done += bytes), of);
    });
    if (copied.sha256 !== sha256) throw new Error(`${join(from, name)} has changed while it was copied`);
  }
};

/** Its lines are read by the start, before anything is served. */
const takeErasures = async ({ erasures, old }: RestoreOptions, restoring: string): Promise<boolean> => {
  const left = old === undefined ? undefined : join(old, erasuresName);
  const from = erasures ?? (left !== undefined && existsSync(left) ? left : undefined);
  if (from !== undefined) await copySynced(from, join(restoring, erasuresName));
  return from !== undefined;
};

/** Never in a backup: it says what happened after one. */
const erasuresName = "erasures.ndjson";
const logName = "log.db";

const beginRestored = async (dir: string, manifest: BackupManifest, reason: string | undefined): Promise<string> => {
  const log = await openSqliteLog(join(dir, logName));
  try {
    return await beginEpoch(
      log,
      {
        ...(manifest.cell === null ? {} : { home: manifest.cell }),
        cause: "restore",
        ...(reason === undefined ? {} : { reason }),
        previous: { epoch: manifest.epoch, head: manifest.head },
        by: operator(),
      },
      Date.now,
      { uuid: randomUUID },
    );
  } finally {
    await log.close();
  }
};

/** A directory with keys and without a log is refused by every start, and so is one in which `restoring` is. */
const takePlaces = async (restoring: string, dataDir: string): Promise<void> => {
  const names = readdirSync(restoring).toSorted((a, b) => Number(a === logName) - Number(b === logName));
  for (const name of names) await rename(join(restoring, name), join(dataDir, name));
  await syncDirectory(dataDir);
  await rm(restoring, { recursive: true });
  await syncDirectory(dataDir);
};

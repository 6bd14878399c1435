import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { cellOfLog, newestEpoch } from "../../commands/epoch.js";
import { copyKeyFile, copyLogFile } from "../../infra/engines/sqlite-copy.js";
import { openSqliteLogReader } from "../../infra/event-log/sqlite/file-reader.js";
import { filesOf, secretsOf } from "../../profiles/data-directory.js";
import { readSecretFile } from "../../infra/secret-file.js";
import { reasonOf } from "../../lib/errors.js";
import { copySynced, digestOf, syncFile, writeWhole } from "../durable.js";
import { openLogOf } from "../inspect/stores.js";
import type { EmbeddedTarget } from "../target.js";
import { beginDirectory, type BackupDirectory } from "./directory.js";
import type { BackupFile, BackupManifest } from "./manifest.js";

export type BackupOptions = {
  readonly dir: string;
  /** Where the keys go with everything else that is secret; undefined: with the log. */
  readonly keysTo?: string | undefined;
};

/**
 * Copies a data directory beside its running server, as it was at one moment: the log first and the keys after it. A key
 * exists before the first event that it seals, so the keys open every event of the log.
 * @param onProgress bytes of the log's file
 * @throws (rejects) NotThere without a log; Error when a directory is there already. Nothing that looks whole is left then.
 */
export const createBackup = async (
  { dir: dataDir }: EmbeddedTarget,
  { dir, keysTo }: BackupOptions,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<BackupManifest> => {
  openLogOf(dataDir).close();
  const log = await beginDirectory(dir);
  const begun = [log];
  try {
    const keys = keysTo === undefined ? log : await beginDirectory(keysTo);
    if (keys !== log) begun.push(keys);
    const logFile = await copyLog(dataDir, log, onProgress);
    const secrets = await copySecrets(dataDir, keys);
    const about = await aboutLog(join(log.path, basename(filesOf(dataDir).log)));
    const manifest = { format: "parley-backup", version: 1, profile: "embedded", ...about } as const;
    if (keys === log) {
      const whole: BackupManifest = { ...manifest, part: "whole", files: [logFile, ...secrets] };
      await log.finish(whole);
      return whole;
    }
    // The keys alone are not taken for a backup: what is restored is named by its log.
    await keys.finish({ ...manifest, part: "keys", files: secrets });
    const part: BackupManifest = { ...manifest, part: "log", files: [logFile] };
    await log.finish(part);
    return part;
  } catch (error) {
    for (const directory of begun) await directory.abandon();
    throw notMade(error, keysTo === undefined ? [dir] : [dir, keysTo]);
  }
};

/** SQLite and the system name no file, and what an operator can do depends on which disk it was. */
const notMade = (error: unknown, dirs: readonly string[]): unknown => {
  const code = (error as { readonly code?: unknown }).code;
  if (typeof code !== "string" || !/^(SQLITE_|E[A-Z]+$)/.test(code)) return error;
  return new Error(
    `the backup in ${dirs.join(" and ")} was not made, and nothing of it is left: ${reasonOf(error)}. See that there is room for it (df ${dirs.map((dir) => dirname(resolve(dir))).join(" ")})`,
    { cause: error },
  );
};

const copyLog = async (
  dataDir: string,
  { path }: BackupDirectory,
  onProgress: (done: number, of: number) => void,
): Promise<BackupFile> => {
  const { log } = filesOf(dataDir);
  const name = basename(log);
  await copyLogFile(log, join(path, name), onProgress);
  await syncFile(join(path, name));
  return { name, ...(await digestOf(join(path, name))) };
};

/** The keys, and what lies beside them as files: what wraps them, what signs tokens and tree heads. */
const copySecrets = async (dataDir: string, { path }: BackupDirectory): Promise<readonly BackupFile[]> => {
  const { keys } = filesOf(dataDir);
  const files = existsSync(keys) ? await copyKeys(dataDir, path) : [];
  const others = secretsOf(dataDir).filter((secret) => existsSync(secret) && !files.includes(basename(secret)));
  for (const secret of others) await copySynced(secret, join(path, basename(secret)));
  const names = [...files, ...others.map((secret) => basename(secret))];
  return Promise.all(names.map(async (name) => ({ name, ...(await digestOf(join(path, name))) })));
};

const attemptsMax = 5;

/** Keys and what wraps them, of one moment: `parley keys rotate` may change both meanwhile. Answers the files' names. */
const copyKeys = async (dataDir: string, path: string): Promise<readonly string[]> => {
  const { keys, masterKey } = filesOf(dataDir);
  const to = join(path, basename(keys));
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const wrapping = await readSecretFile(masterKey);
    rmSync(to, { force: true });
    copyKeyFile(keys, to);
    const after = await readSecretFile(masterKey);
    if (wrapping?.toString("hex") !== after?.toString("hex")) continue;
    await syncFile(to);
    if (wrapping === undefined) return [basename(keys)];
    await writeWhole(join(path, basename(masterKey)), `${wrapping.toString("utf8")}\n`);
    return [basename(keys), basename(masterKey)];
  }
  throw new Error(
    `${masterKey} was changed again and again while the keys were copied: try again when keys rotate has ended`,
  );
};

/** Of the copy: the log itself may have grown. */
const aboutLog = async (path: string) => {
  const log = openSqliteLogReader(path);
  try {
    const [last] = await log.readAll(undefined, 1, "backwards");
    const { at } = (last === undefined ? {} : JSON.parse(last.meta)) as { readonly at?: unknown };
    return {
      id: randomUUID(),
      madeAt: Date.now(),
      cell: (await cellOfLog(log)) ?? null,
      epoch: (await newestEpoch(log)) ?? null,
      head: await log.head(),
      headAt: typeof at === "number" ? at : null,
    };
  } finally {
    log.close();
  }
};
